from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId


class ExclusionEntry(Base):
    """One opt-out's ground for one entry of the exclusion list.

    One opt-out may name a phash twice, with different pdqs. Several opt-outs may stand behind the same entry: it stays in the list
    until the last of them ends. A row is in version v when ``since_version <= v`` and ``until_version`` is empty or greater than v.
    """

    __tablename__ = "exclusion_entry"
    __table_args__ = (
        UniqueConstraint("opt_out_id", "kind", "key", "pdq"),
        Index("ix_exclusion_entry_kind_key", "kind", "key"),
        Index("ix_exclusion_entry_versions", "until_version", "since_version"),
        # What leaves the list with its next version: few among millions that stand.
        Index(
            "ix_exclusion_entry_ending",
            "until_version",
            "since_version",
            sqlite_where=text("ended IS 1"),
            postgresql_where=text("ended IS TRUE"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    opt_out_id: Mapped[int] = mapped_column(ForeignKey("opt_out.id"))
    kind: Mapped[str]  # demur.exclusions.KeyKind
    key: Mapped[str]
    pdq: Mapped[str] = mapped_column(default="")  # 64 hex digits, for phash entries
    since_version: Mapped[int | None]
    ended: Mapped[bool] = mapped_column(default=False)  # withdrawn: out of the next version
    until_version: Mapped[int | None]
