from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class ExclusionListVersion(Base):
    """A published version of the exclusion list. Immutable; its files are in Config.list_dir."""

    __tablename__ = "exclusion_list_version"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[str]
    total: Mapped[int]
    added: Mapped[int]
    removed: Mapped[int]
    counts: Mapped[dict[str, int]]
    published_at: Mapped[datetime]
    expires_at: Mapped[datetime]
