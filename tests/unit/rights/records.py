"""Run records as a trainer would sign them."""

from datetime import datetime, timedelta
from pathlib import Path

from demur.runs import ConsumedReference, ConsumedTree, ListReference, ManifestReference, RunRecord, Stage
from demur.signing import SigningKey
from models import ExclusionListVersion
from rights.artefacts import CONSUMED_FILE
from tests.factories import NOW

SIGNER = SigningKey.generate("trainer")


def write_record(
    directory: Path,
    uids: list[str],
    *,
    run_id: str = "r-1",
    name: str = "Run 1",
    version: ExclusionListVersion | None = None,
    manifest_digest: str = "0" * 64,
    rows: int = 23,
    started_at: datetime = NOW,
    signer: SigningKey = SIGNER,
) -> tuple[bytes, Path]:
    """A signed record of a run that consumed ``uids``, and its file of consumed samples in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    consumed = directory / CONSUMED_FILE
    root = ConsumedTree.write(consumed, uids, run_id)
    record = RunRecord(
        run_id=run_id,
        name=name,
        started_at=started_at,
        finished_at=started_at + timedelta(minutes=5),
        tier="tests",
        exclusion_list=ListReference("test", version.version, version.root, version.published_at) if version else None,
        manifests=(ManifestReference("generated", manifest_digest, rows),),
        consumed=ConsumedReference(root, len(uids)),
        stages=(Stage("denoiser", len(uids), "1" * 64),),
        dropped={"uid": 2},
        seed=0,
        config={"steps": 10},
        code_digest="2" * 64,
        lock_digest="3" * 64,
        libraries={"torch": "2.9"},
        threads=1,
        device="cpu",
        weights_digest="4" * 64,
        metrics={"final_loss": "0.25"},
    )
    return record.sign(signer), consumed
