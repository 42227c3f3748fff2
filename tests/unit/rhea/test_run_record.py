import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from demur.digests import exact
from demur.manifests import Catalogue
from demur.runs import ConsumedTree, RunRecord
from demur.signing import SigningKey
from rhea.config import Settings
from rhea.run_record import weights_digest


@pytest.fixture(scope="module")
def record(finished_run: Path, run_key: SigningKey) -> RunRecord:
    return RunRecord.parse((finished_run / "run-record.dsse.json").read_bytes(), [run_key.verifier])


def test_the_record_names_manifests_list_and_samples(record: RunRecord, catalogue: Catalogue) -> None:
    assert record.exclusion_list is None
    assert [(manifest.digest, manifest.rows) for manifest in record.manifests] == [(catalogue.digest, catalogue.rows)]
    assert {stage.name: stage.samples for stage in record.stages} == {"autoencoder": catalogue.rows, "denoiser": catalogue.rows}
    assert record.finished_at >= record.started_at
    assert record.libraries["torch"] == torch.__version__


def test_the_consumed_file_belongs_to_the_record(record: RunRecord, finished_run: Path) -> None:
    tree = ConsumedTree.open(finished_run / "consumed.bin")
    assert (tree.root, tree.size) == (record.consumed.root, record.consumed.size)
    tree.inclusion_proof("ada-0").verify(record.consumed.root, record.consumed.size, record.run_id, "ada-0")
    tree.absence_proof("ada-private").verify(record.consumed.root, record.consumed.size, record.run_id, "ada-private")


def test_the_weights_digest_is_that_of_the_files(record: RunRecord, finished_run: Path) -> None:
    nets = ("autoencoder", "denoiser")
    tensors = {f"{net}.{name}": tensor for net in nets for name, tensor in load_file(finished_run / f"{net}.safetensors").items()}
    assert weights_digest(tensors) == record.weights_digest


def test_the_settings_are_saved_beside_the_weights_and_in_the_record(record: RunRecord, finished_run: Path, settings: Settings) -> None:
    saved = json.loads((finished_run / "config.json").read_text())
    assert Settings.from_json(saved) == settings
    assert record.config == exact(saved)
    assert record.config["denoiser"]["ema_decay"] == "0.98"


def test_the_digest_sees_names_types_shapes_and_values() -> None:
    base = {"a": torch.zeros(2, 3)}
    others = [{"b": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2)}, {"a": torch.zeros(2, 3).double()}, {"a": torch.ones(2, 3)}]
    assert len({weights_digest(tensors) for tensors in [base, *others]}) == 5
    assert weights_digest({"a": torch.zeros(1), "b": torch.ones(1)}) == weights_digest({"b": torch.ones(1), "a": torch.zeros(1)})
    assert weights_digest({"a": torch.arange(6.0).view(2, 3).T.contiguous().T}) == weights_digest({"a": torch.arange(6.0).view(2, 3)})


def test_the_code_digest_covers_the_library_that_filters(tmp_path: Path) -> None:
    for name in ("rhea", "demur"):
        shutil.copytree(Path(__file__).parents[3] / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", "from rhea.run_record import code_digest; print(code_digest())"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def digest() -> str:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    before = digest()
    rules = tmp_path / "demur" / "exclusions" / "matching.py"
    rules.write_text(rules.read_text() + "# changed\n")
    assert digest() != before
