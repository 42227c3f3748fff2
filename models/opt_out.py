from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, BigId, new_public_id
from models.rights_request import RightsRequest

COMING = "withdrawn_at IS NULL AND effective_version IS NULL AND named_at IS NOT NULL"
LEAVING = "withdrawn_at IS NOT NULL AND effective_version IS NOT NULL AND ended_version IS NULL"


class OptOutScope(StrEnum):
    PHOTO = "photo"  # one photo, by its uid
    OWNER = "owner"  # all photos of an owner, now and later
    PICTURE = "picture"  # a picture that stands in no manifest yet, by its fingerprint


class OptOutOrigin(StrEnum):
    MEMBER = "member"
    PLATFORM = "platform"  # the photo was deleted or made private, or its account closed


class EndedBy(StrEnum):
    """Who ended an opt-out."""

    MEMBER = "member"
    OPERATOR = "operator"
    PLATFORM = "platform"


class OptOut(Base):
    """An objection to training on one photo, one picture, or everything of one owner.

    Effective from ``effective_version`` of the exclusion list on; after a withdrawal, out of the list from ``ended_version`` on.
    """

    __tablename__ = "opt_out"
    __table_args__ = (
        # Filing the same thing twice while the first stands would double its entries.
        Index(
            "uq_opt_out_active",
            "origin",
            "scope",
            "owner",
            "subject",
            unique=True,
            sqlite_where=text("withdrawn_at IS NULL"),
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        # What comes into the list and what leaves it with its next version: few among all that ever were.
        Index("ix_opt_out_coming", "effective_version", sqlite_where=text(COMING), postgresql_where=text(COMING)),
        Index("ix_opt_out_leaving", "ended_version", sqlite_where=text(LEAVING), postgresql_where=text(LEAVING)),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    request_id: Mapped[int | None] = mapped_column(ForeignKey("rights_request.id"), index=True)  # None: filed by the platform
    origin: Mapped[OptOutOrigin]
    scope: Mapped[OptOutScope]
    owner: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)  # uid of a photo, sha256 of a picture, empty for an owner
    note: Mapped[str] = mapped_column(default="")  # for the platform's: which event
    # Fingerprint, where known: a photo's comes from its catalogue row, a picture's from the upload.
    sha256: Mapped[str | None]
    phash: Mapped[str | None]  # 16 hex digits
    pdq: Mapped[str | None]  # 64 hex digits
    pdq_quality: Mapped[int | None]
    # Hashes of every variant of the picture, packed by rights.variants, up to 16 kB; None when the picture itself was never at hand.
    variants: Mapped[bytes | None] = mapped_column(deferred=True)
    filed_at: Mapped[datetime]
    named_at: Mapped[datetime | None]  # since when the list's next version names what was opted out itself
    propagated_at: Mapped[datetime | None]  # when all its copies were searched for
    decoded: Mapped[bool] = mapped_column(default=True)  # False: of a looked-up picture we have only what a client says of it
    held: Mapped[bool] = mapped_column(default=False)  # what it reaches of others waits for a person
    held_because: Mapped[str] = mapped_column(default="")  # rights.reach_limits.Hold
    effective_version: Mapped[int | None]
    withdrawn_at: Mapped[datetime | None]
    ended_version: Mapped[int | None]
    ended_by: Mapped[EndedBy | None]  # with withdrawn_at
    ended_because: Mapped[str] = mapped_column(default="")  # rights.denials.DenialReason, where it was denied
    ended_by_member: Mapped[str] = mapped_column(default="")  # public id of the account, where a member ended it

    request: Mapped[RightsRequest | None] = relationship()
    matches: Mapped[list["OptOutMatch"]] = relationship(order_by="OptOutMatch.id", cascade="all, delete-orphan")


class OptOutMatch(Base):
    """A manifest row that an opt-out reaches: exactly, as a confirmed near duplicate, or as a proposal for a person."""

    __tablename__ = "opt_out_match"
    __table_args__ = (UniqueConstraint("opt_out_id", "manifest_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    opt_out_id: Mapped[int] = mapped_column(ForeignKey("opt_out.id", ondelete="CASCADE"), index=True)
    manifest_id: Mapped[int] = mapped_column(ForeignKey("manifest.id"), index=True)
    position: Mapped[int] = mapped_column(BigInteger)
    uid: Mapped[str] = mapped_column(index=True)
    owner: Mapped[str] = mapped_column(default="", index=True)
    kind: Mapped[str]  # demur.similarity.rules.MatchKind
    phash_distance: Mapped[int | None]
    pdq_distance: Mapped[int | None]
    accepted_at: Mapped[datetime | None]  # a proposal that a person took
    declined_at: Mapped[datetime | None]
    contested_at: Mapped[datetime | None]  # its owner said that the photo is theirs
    told_at: Mapped[datetime | None]  # when its owner was mailed that somebody else's opt-out takes it out
    # How it differs from what was opted out (demur.similarity.query.Variant); None of rows that were found before this was written down.
    edit: Mapped[str | None]
    dihedral: Mapped[int | None]
