"""Which manifest rows belong to a person.

Catalogues keep an owner's rows together, so all of them are one contiguous read a manifest, whatever the manifest's size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy.orm import Session

from demur.manifests import Catalogue
from models import Manifest
from rights.catalogues import Catalogues
from rights.photo import PhotoNotFound

Place = tuple[Manifest, Catalogue, int]  # the manifest, its catalogue, the row's position

_TEXTS = ("uid", "owner", "caption")
_COLUMNS = (*_TEXTS, "posted_at")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = int(datetime(1, 1, 2, tzinfo=UTC).timestamp()), int(datetime(9999, 12, 30, tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class OwnedPhoto:
    """What photos are sorted and filtered by. ``places`` has every row that holds this uid, in the order of registration."""

    uid: str
    owner: str
    caption: str
    posted_at: datetime | None
    places: list[Place]

    def row(self, columns: Sequence[str]) -> dict[str, Any]:
        """These columns of the photo's newest row."""
        return read_rows([self], columns)[0]


def owned_photos(session: Session, catalogues: Catalogues, owners: Sequence[str]) -> list[OwnedPhoto]:
    """All photos of these owners, newest first, undated ones last."""
    found: dict[str, OwnedPhoto] = {}
    for manifest, catalogue in catalogues.registered(session):
        for owner in owners:
            rows = catalogue.owner_rows(owner)
            table = catalogue.read(rows.start, rows.stop, _COLUMNS)
            _collect(found, manifest, catalogue, rows, table)
    return sorted(found.values(), key=lambda photo: (-photo.posted_at.timestamp() if photo.posted_at else 0.0, photo.uid))


def find_owned(session: Session, catalogues: Catalogues, owners: Sequence[str], uids: Sequence[str]) -> list[OwnedPhoto]:
    """The photos with these uids, in their order. Raises PhotoNotFound for one that is in no manifest, or is someone else's."""
    found = owned_among(session, catalogues, owners, uids)
    for uid in uids:
        if uid not in found:
            raise PhotoNotFound(f"none of your photos in the registered manifests has the id {uid}")
    return [found[uid] for uid in dict.fromkeys(uids)]


def owned_among(session: Session, catalogues: Catalogues, owners: Sequence[str], uids: Sequence[str]) -> dict[str, OwnedPhoto]:
    """Those of these uids that are photos of the owners, by uid. Without a uid, no catalogue is read."""
    found, once = dict[str, OwnedPhoto](), list(dict.fromkeys(uids))
    for manifest, catalogue in catalogues.registered(session) if once else ():
        own = [catalogue.owner_rows(owner) for owner in owners]  # a row of somebody else is never read: its time would tell of it
        positions = [int(position) for position in catalogue.find_uids(once, own) if position >= 0]
        table = catalogue.take(positions, _COLUMNS)
        claimed = pc.is_in(table["owner"], pa.array(owners, pa.string()))  # a damaged table of owners is not believed
        kept = [position for position, is_own in zip(positions, claimed.to_pylist(), strict=True) if is_own]
        _collect(found, manifest, catalogue, kept, table.filter(claimed))
    return found


def read_rows(photos: Sequence[OwnedPhoto], columns: Sequence[str]) -> list[dict[str, Any]]:
    """These columns of each photo's newest row, in the order of the photos; one read a manifest."""
    by_manifest: dict[int, list[int]] = {}
    for index, photo in enumerate(photos):
        by_manifest.setdefault(photo.places[-1][0].id, []).append(index)
    rows: list[dict[str, Any]] = [{}] * len(photos)
    for indexes in by_manifest.values():
        catalogue = photos[indexes[0]].places[-1][1]
        table = catalogue.take([photos[index].places[-1][2] for index in indexes], columns)
        if "posted_at" in columns:
            table = table.drop_columns("posted_at").append_column(
                "posted_at", pa.array(_dates(table.column("posted_at")), pa.timestamp("s"))
            )
        for index, row in zip(indexes, table.to_pylist(), strict=True):
            rows[index] = row
    return rows


def _collect(found: dict[str, OwnedPhoto], manifest: Manifest, catalogue: Catalogue, positions: Iterable[int], table: pa.Table) -> None:
    columns = [*(table.column(name).to_pylist() for name in _TEXTS), _dates(table.column("posted_at"))]
    for position, uid, owner, caption, posted_at in zip(positions, *columns, strict=True):
        place = (manifest, catalogue, position)
        known = found.get(uid)
        if known is None:
            found[uid] = OwnedPhoto(uid, owner, caption or "", posted_at, [place])
        elif known.owner == owner:
            known.places.append(place)


def _dates(column: pa.ChunkedArray) -> list[datetime | None]:
    """In UTC; None also for a date that no calendar of Python's has, which older imports made of milliseconds."""
    seconds = column.cast(pa.timestamp("s")).cast(pa.int64()).to_pylist()
    return [None if at is None or not _FIRST <= at <= _LAST else _EPOCH + timedelta(seconds=at) for at in seconds]
