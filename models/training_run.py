from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, BigId, new_public_id


class RunState(StrEnum):
    QUEUED = "queued"
    TRAINING = "training"
    RECORDED = "recorded"
    FAILED = "failed"


class FailureReason(StrEnum):
    """Why a run failed, as far as it is anybody's business: what the trainer said may name photos, and is in the operator's log."""

    NO_MANIFEST = "no_manifest"
    REFUSED = "refused"  # the trainer refused the list, the data or a setting
    INTERRUPTED = "interrupted"  # too often
    FAILED = "failed"
    RECORD_REFUSED = "record_refused"


class TrainingRun(Base):
    """A training run: queued here for the bundled model, or recorded from anyone's signed run record."""

    __tablename__ = "training_run"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    name: Mapped[str] = mapped_column(unique=True)
    state: Mapped[RunState]
    tier: Mapped[str] = mapped_column(default="")
    directory: Mapped[str] = mapped_column(default="")  # the directory's name inside Config.runs_dir
    failure_reason: Mapped[FailureReason | None]
    queued_at: Mapped[datetime]
    first_started_at: Mapped[datetime | None]  # of a run that was interrupted and began again: when it began first
    list_read_at: Mapped[datetime | None]  # of a run in training: since when it is known which list_version it obeys
    # From the verified run record:
    run_id: Mapped[str | None] = mapped_column(unique=True)  # the record's own id
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime | None]
    list_version: Mapped[int | None]  # None: no list was published when it began; of a run in training also before list_read_at
    list_root: Mapped[str | None]
    consumed_root: Mapped[str | None]
    consumed_size: Mapped[int | None] = mapped_column(BigInteger)
    weights_digest: Mapped[str | None]
    record_digest: Mapped[str | None]  # sha256 of the envelope as received
    dropped: Mapped[dict[str, int]] = mapped_column(default=dict)
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)

    manifests: Mapped[list["TrainingRunManifest"]] = relationship(order_by="TrainingRunManifest.id", cascade="all, delete-orphan")


class TrainingRunManifest(Base):
    """A manifest that a run read, as its record names it; ``manifest_id`` is empty when it is not registered here."""

    __tablename__ = "training_run_manifest"
    __table_args__ = (UniqueConstraint("run_id", "digest"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("training_run.id"))
    manifest_id: Mapped[int | None] = mapped_column(ForeignKey("manifest.id"), index=True)
    name: Mapped[str]
    digest: Mapped[str]
    rows: Mapped[int] = mapped_column(BigInteger)
