from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId


class Exemption(Base):
    """A photo that its owner put back while their opt-out of everything goes on.

    ``effective_version`` is the list version from which on the opt-out no longer names the photo; None until it is published.
    """

    __tablename__ = "exemption"
    __table_args__ = (
        UniqueConstraint("opt_out_id", "uid"),
        # What the next version leaves out again: few among all.
        Index(
            "ix_exemption_coming",
            "effective_version",
            "opt_out_id",
            sqlite_where=text("effective_version IS NULL"),
            postgresql_where=text("effective_version IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    opt_out_id: Mapped[int] = mapped_column(ForeignKey("opt_out.id", ondelete="CASCADE"))
    uid: Mapped[str] = mapped_column(index=True)
    exempted_at: Mapped[datetime]
    effective_version: Mapped[int | None]
