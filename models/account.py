from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, BigId, new_public_id
from models.identity import Identity


class Account(Base):
    """One person here, however many identities they sign in with."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    display_name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")  # where receipts go; kept only while the portal can send mail
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    identities: Mapped[list[Identity]] = relationship(order_by=Identity.id, cascade="all, delete-orphan")

    @property
    def owners(self) -> tuple[str, ...]:
        """The values of the catalogue's ``owner`` column that are this person's photos."""
        return tuple(dict.fromkeys(identity.owner for identity in self.identities))
