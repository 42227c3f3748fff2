"""How far an opt-out may reach into others' photos before a person looks. Pure.

What others lose is counted in distinct photos and owners, over all opt-outs of a picture, a request and a day: whoever chooses the number
of opt-outs must not choose the number of photos. A picture that came as a fingerprint was never seen by us, so nothing bounds what its
hashes claim but how many photos of others it takes, and whether these resemble each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PhotoOf = tuple[str, str]  # owner, uid


class Hold(StrEnum):
    """Why an opt-out waits for a person."""

    COUNTLESS = "countless"  # more copies than are told of
    FINGERPRINT = "fingerprint"  # more of others' photos than a picture may take that we have not decoded
    UNLIKE = "unlike"  # what it reaches does not resemble each other
    REACH = "reach"  # more photos or owners than one opt-out may take
    REQUEST = "request"  # than one request may
    DAY = "day"  # than one member may in a day
    CONTESTED = "contested"  # an owner said that a photo is theirs


@dataclass(frozen=True)
class Most:
    """The most photos of others, and owners of them."""

    photos: int
    owners: int

    def passed_by(self, reached: Iterable[PhotoOf]) -> bool:
        photos = set(reached)
        return len(photos) > self.photos or len({owner for owner, _ in photos}) > self.owners


@dataclass(frozen=True)
class Limits:
    """``fingerprint``: photos that a picture may take which we have not decoded. ``picture``, ``request`` and ``day`` are of looked-up
    pictures. ``photos``: of others that a member's own photos, which we decoded at the import, may take, each and in a day."""

    fingerprint: int = 5
    picture: Most = Most(20, 10)
    request: Most = Most(40, 20)
    day: Most = Most(60, 30)
    photos: int = 200


@dataclass(frozen=True)
class Reached:
    """What a looked-up picture, or a member's own photo, takes of others. ``request`` and ``member`` are ids, ``today``: filed in the last
    day."""

    by_picture: bool
    request: int
    member: int
    today: bool
    photos: frozenset[PhotoOf]


def held_together(reached: Mapping[int, Reached], limits: Limits) -> dict[int, Hold]:
    """Of opt-outs by id, those that go too far together with others of their request, or of their member's day."""
    of_requests, of_days = defaultdict[tuple[Any, ...], set[PhotoOf]](set), defaultdict[tuple[Any, ...], set[PhotoOf]](set)
    for one in reached.values():
        of_requests[one.request, one.by_picture] |= one.photos
        of_days[one.member, one.by_picture] |= one.photos if one.today else frozenset()
    requests = {key for key, photos in of_requests.items() if key[1] and limits.request.passed_by(photos)}
    days = {key for key, photos in of_days.items() if (limits.day.passed_by(photos) if key[1] else len(photos) > limits.photos)}
    held = {}
    for opt_out_id, one in reached.items():
        if one.photos and (one.request, one.by_picture) in requests:
            held[opt_out_id] = Hold.REQUEST
        elif one.photos and one.today and (one.member, one.by_picture) in days:
            held[opt_out_id] = Hold.DAY
    return held
