from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from demur.receipts import LogKind
from models.base import Base, BigId, new_public_id


class LogEntry(Base):
    """A statement that the operator makes, and its leaf in the transparency log.

    Written in the transaction of what it states, still without ``leaf_index`` and ``envelope``; the next publication gives it both. The
    statement may be personal and stays here; the log holds a salted commitment to it, which says nothing once the row is gone.
    """

    __tablename__ = "log_entry"
    __table_args__ = (
        # The entries that wait for their leaf: few among many.
        Index("ix_log_entry_waiting", "id", sqlite_where=text("leaf_index IS NULL"), postgresql_where=text("leaf_index IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)  # whoever holds it may read the receipt
    kind: Mapped[LogKind]
    request_id: Mapped[int | None] = mapped_column(ForeignKey("rights_request.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)  # whom it is about, where there is no request
    run_id: Mapped[int | None] = mapped_column(ForeignKey("training_run.id"), index=True)
    list_version: Mapped[int | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    statement: Mapped[bytes] = mapped_column(deferred=True)  # canonical JSON (demur.receipts.Statement)
    salt: Mapped[bytes]  # 32 random bytes
    leaf: Mapped[bytes]  # 32 bytes: the salted commitment to the statement
    leaf_index: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    envelope: Mapped[bytes | None] = mapped_column(deferred=True)  # the statement, signed
