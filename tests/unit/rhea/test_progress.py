import csv
import io
import json
from pathlib import Path

import pytest

from rhea.progress import STAGES, Reporter, seconds_left, share_done


def test_progress_and_metrics_files(tmp_path: Path) -> None:
    said = io.StringIO()
    with Reporter(tmp_path, said) as reporter:
        for step in range(1, 301):
            reporter.step("autoencoder", step, 300, loss=1 / step)
        reporter.step("samples", 1, 1)
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"], line["steps"]) for line in (lines[0], lines[-2], lines[-1])] == [
        ("autoencoder", 1, 300),
        ("autoencoder", 300, 300),
        ("samples", 1, 1),
    ]
    assert all({"loss", "seconds", "eta_seconds"} <= set(line) for line in lines)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert rows[0] == {"stage": "autoencoder", "step": "1", "loss": "1.000000"}
    assert rows[-1]["step"] == "300"
    assert 50 < len(rows) <= 102
    assert float(rows[-1]["loss"]) == pytest.approx(reporter.last_loss["autoencoder"], abs=1e-6)
    assert said.getvalue().startswith("autoencoder 1/300 loss 1.0000\n")


def test_shares_of_the_stages_make_a_whole_run() -> None:
    assert sum(STAGES.values()) == pytest.approx(1)
    assert share_done("pictures", 0, 10) == 0
    assert share_done("record", 1, 1) == pytest.approx(1)
    assert share_done("denoiser", 0, 10) == pytest.approx(share_done("autoencoder", 10, 10))


def test_one_bar_runs_over_all_stages_and_never_back() -> None:
    shares = [share_done(stage, step, 10) for stage in STAGES for step in range(11)]
    assert shares == sorted(shares)


def test_minutes_are_promised_only_once_they_are_measured() -> None:
    assert seconds_left("autoencoder", 9, 10, 60) is None
    assert seconds_left("denoiser", 4, 100, 10) is None
    assert seconds_left("denoiser", 25, 100, 10) == 30
    assert seconds_left("samples", 1, 2, 10) is None
