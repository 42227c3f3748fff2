"""A member's photos: what a page needs to know about each of them, never merged into one status.

*Filed*, *in the exclusion list since version N*, *absent from run R* and *run Q was trained before and still contains it* are four
facts with four fields. A photo is one uid of one of the member's owner keys, however many manifests it stands in.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from demur.errors import DemurError
from models import OptOutOrigin, OptOutScope
from rights.used import Spans, TrainingWord

PHOTO_DELETED = "photo_deleted"  # the platform's word for it, in the note of its opt-out


class PhotoNotFound(DemurError):
    """No registered manifest holds a photo of this person under this uid. Someone else's photo looks the same from here."""


@dataclass(frozen=True)
class ManifestRef:
    """A manifest that holds the photo, and at which row."""

    id: int
    public_id: str
    name: str
    position: int
    registered_at: datetime


@dataclass(frozen=True)
class RunRef:
    """A training run. ``list_version`` is None when it began before any exclusion list was published, and while it has read none.

    ``finished_at``: None in training. ``first_began_at``: of one that was interrupted and began again, when it began first.
    """

    public_id: str
    name: str
    list_version: int | None
    began_at: datetime
    finished_at: datetime | None
    first_began_at: datetime | None = None
    has_read_list: bool = True


@dataclass(frozen=True)
class RunInTraining:
    """A run in training, and what it does with a photo."""

    run: RunRef
    word: TrainingWord


@dataclass(frozen=True)
class OptOutRef:
    """A standing opt-out of this person (or of the platform, for their photo) that reaches the photo.

    ``through`` is empty when it was filed for the photo itself or for everything of its owner; otherwise it is the uid of the
    person's other photo, or the SHA-256 of their picture, or the owner key of their other photos, of which this photo is a copy.
    ``effective_version`` is the list version that first excluded this photo by it.
    """

    public_id: str
    scope: OptOutScope
    origin: OptOutOrigin
    filed_at: datetime
    propagated_at: datetime | None
    held: bool
    effective_version: int | None
    note: str
    through: str
    request_public_id: str | None
    reference: str | None


@dataclass(frozen=True)
class Photo:
    """One photo of the signed-in person.

    ``named``: the versions of the exclusion list that named it, those of opt-outs that ended among them. ``runs`` consumed it and still
    contain it. ``absent_from`` are the runs that obeyed such a version, and whose consumed samples do not hold it. ``in_training``: the
    worst first, of several the one that was queued first.
    ``copy_excluded_since`` is the list version from which on it is excluded because somebody else opted out a picture it is a copy of;
    their opt-out can only be withdrawn by them.
    """

    uid: str
    owner: str
    caption: str
    url: str
    width: int | None
    height: int | None
    posted_at: datetime | None
    manifests: tuple[ManifestRef, ...]
    named: Spans
    runs: tuple[RunRef, ...]
    absent_from: tuple[RunRef, ...]
    in_training: tuple[RunInTraining, ...]
    opt_outs: tuple[OptOutRef, ...]
    copy_excluded_since: int | None

    @property
    def opt_out(self) -> OptOutRef | None:
        """The standing opt-out that says most: for everything before for this photo, the person's own before the platform's."""
        return self.opt_outs[0] if self.opt_outs else None

    @property
    def listed_since(self) -> int | None:
        """The exclusion-list version from which on the photo is excluded without a break; None while it is not."""
        versions = [ref.effective_version for ref in self.opt_outs] + [self.copy_excluded_since]
        return min((version for version in versions if version is not None), default=None)

    @property
    def deleted_at(self) -> datetime | None:
        """When the platform said that the person deleted it there; nothing is left to decide about such a photo."""
        told = [ref for ref in self.opt_outs if ref.origin is OptOutOrigin.PLATFORM and not ref.through and ref.note == PHOTO_DELETED]
        return min((ref.filed_at for ref in told), default=None)

    @property
    def can_opt_out(self) -> bool:
        return self.deleted_at is None and all(ref.origin is OptOutOrigin.PLATFORM or ref.through for ref in self.opt_outs)

    @property
    def can_put_back(self) -> bool:
        """Whether the person themselves keeps this photo out: by an opt-out of it, or of everything."""
        return self.deleted_at is None and any(ref.origin is OptOutOrigin.MEMBER and not ref.through for ref in self.opt_outs)

    @property
    def under_everything(self) -> bool:
        """Whether the person opted out everything, so that this photo is put back as an exception."""
        own = (ref for ref in self.opt_outs if ref.origin is OptOutOrigin.MEMBER and not ref.through)
        return any(ref.scope is OptOutScope.OWNER for ref in own)


class PhotoStatus(StrEnum):
    """What a grid can be filtered by. The facts overlap, so these are questions, not states."""

    ANY = "any"
    NOT_OPTED_OUT = "not_opted_out"
    OPTED_OUT = "opted_out"
    FILED = "filed"  # opted out, and not in a published list yet
    LISTED = "listed"  # opted out, and in the published list
    IN_RUN = "in_run"  # some run consumed it
    ABSENT = "absent"  # some run was trained without it


@dataclass(frozen=True)
class PhotoFilter:
    """``manifest`` and ``run`` are public ids; ``text`` is searched in captions, whatever the case; a photo must pass all."""

    manifest: str | None = None
    run: str | None = None
    status: PhotoStatus = PhotoStatus.ANY
    year: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Choice:
    """An option of the grid's filter."""

    public_id: str
    name: str


@dataclass(frozen=True)
class PhotoPage:
    """One page of the grid, newest photos first. ``page`` counts from 1 and is clamped to the last page."""

    photos: tuple[Photo, ...]
    page: int
    pages: int
    total: int
    total_unfiltered: int
    manifests: tuple[Choice, ...]
    runs: tuple[Choice, ...]
    years: tuple[int, ...]
