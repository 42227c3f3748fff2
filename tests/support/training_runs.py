"""A run record as a trainer would write it, for tests of its readers."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from demur.runs import ConsumedReference, ListReference, ManifestReference, RunRecord, Stage

RECORD = RunRecord(
    run_id="run-1",
    name="Run 1",
    started_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
    finished_at=datetime(2026, 11, 21, 13, tzinfo=UTC),
    tier="tests",
    exclusion_list=ListReference("op.example/opt-outs", 3, "1" * 64, datetime(2026, 11, 21, 11, tzinfo=UTC)),
    manifests=(ManifestReference("photos", "2" * 64, 1000),),
    consumed=ConsumedReference("3" * 64, 900),
    stages=(Stage("autoencoder", 900, "4" * 64), Stage("denoiser", 900, "5" * 64)),
    dropped={"uid": 90, "missing_picture": 10},
    seed=0,
    config={"width": 64, "rate": "0.0003", "deep": {"list": [1, 2]}},
    code_digest="6" * 64,
    lock_digest="7" * 64,
    libraries={"torch": "2.13.0"},
    threads=2,
    device="cpu",
    weights_digest="8" * 64,
    metrics={"final_loss": "0.125", "steps": 40},
    evidence=({"kind": "exact"},),
)


def record(**changes: Any) -> RunRecord:
    return replace(RECORD, **changes)
