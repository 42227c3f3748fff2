from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId, new_public_id


class ManifestState(StrEnum):
    IMPORTING = "importing"
    REGISTERED = "registered"


class Manifest(Base):
    """A registered manifest. Its rows are in the catalogue directory, never in SQL."""

    __tablename__ = "manifest"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    name: Mapped[str] = mapped_column(unique=True)
    state: Mapped[ManifestState]
    catalogue: Mapped[str]  # the directory's name inside Config.catalogues_dir
    digest: Mapped[str | None] = mapped_column(index=True)  # sha256 of rows.parquet
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    rejected: Mapped[dict[str, int]] = mapped_column(default=dict)
    started_at: Mapped[datetime]
    registered_at: Mapped[datetime | None]
    # Progress of an import, for the page.
    stage: Mapped[str] = mapped_column(default="")
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]
