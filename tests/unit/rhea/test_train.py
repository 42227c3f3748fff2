import csv
from dataclasses import replace
from pathlib import Path

import pytest

from demur.manifests import Catalogue
from demur.runs import RunRecord
from demur.signing import SigningKey
from rhea.config import TIERS
from rhea.folder import RunExists, open_folder
from rhea.train import Order, carry_out
from tests.unit.rhea.conftest import BEGAN


def test_a_run_starts_before_it_reads_the_list(finished_run: Path, run_key: SigningKey) -> None:
    assert RunRecord.parse((finished_run / "run-record.dsse.json").read_bytes(), [run_key.verifier]).started_at == BEGAN


def test_a_finished_run_has_all_its_files(finished_run: Path) -> None:
    files = {path.name for path in finished_run.iterdir()}
    assert files == {
        "progress.jsonl", "metrics.csv", "config.json", "autoencoder.safetensors", "denoiser.safetensors", "samples", "consumed.bin",
        "run-record.dsse.json", "list-read.json",
    }  # fmt: skip


def test_it_really_learns(finished_run: Path) -> None:
    rows = list(csv.DictReader((finished_run / "metrics.csv").read_text().splitlines()))
    losses = [float(row["loss"]) for row in rows if row["stage"] == "denoiser"]
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]


def test_the_gpu_recipe_made_small_runs_on_a_cpu(catalogue: Catalogue, run_key: SigningKey, tmp_path: Path) -> None:
    tier = TIERS["gpu"]
    small = replace(
        tier,
        threads=1,
        autoencoder=replace(tier.autoencoder, widths=(16, 16), blocks=1, steps=2, batch=4),
        denoiser=replace(tier.denoiser, widths=(16, 32, 32), blocks=1, heads=2, steps=2, batch=4),
        sampling=replace(tier.sampling, steps=2),
    )
    open_folder(tmp_path / "run", None)
    assert carry_out(Order((catalogue,), None, tmp_path / "run", small, seed=0, name="Small", key=run_key, started_at=BEGAN)).is_file()


def test_a_finished_run_is_never_trained_again(finished_run: Path) -> None:
    with pytest.raises(RunExists):
        open_folder(finished_run, None)
