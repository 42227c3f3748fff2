from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId


class PastEntry(Base):
    """Versions in which an entry was in the list before its opt-out named it again: ``since_version <= v < until_version``.

    An ExclusionEntry holds the last such span only. What a run had to leave out is judged by all of them. Kept of uids and owners alone:
    other kinds of entries name no photo of somebody's.
    """

    __tablename__ = "past_entry"
    __table_args__ = (Index("ix_past_entry_kind_key", "kind", "key"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    opt_out_id: Mapped[int] = mapped_column(ForeignKey("opt_out.id"), index=True)
    kind: Mapped[str]  # demur.exclusions.KeyKind: UID or OWNER
    key: Mapped[str]
    since_version: Mapped[int]
    until_version: Mapped[int]
