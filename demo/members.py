"""Lantern's members, and who owns which photo: a function of the file's name alone, so that every start agrees."""

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate


class Visibility(StrEnum):
    PUBLIC = "public"
    FRIENDS = "friends"
    PRIVATE = "private"


@dataclass(frozen=True)
class Member:
    """A sign-in at Lantern. ``sub`` is both its OpenID subject and the owner column of its photos; ``share`` is out of all shares."""

    sub: str
    name: str
    about: str
    share: int = 3

    @property
    def email(self) -> str:
        """Nobody's: the domain is reserved (RFC 2606)."""
        return f"{self.sub}@lantern.example"


MEMBERS = (
    Member("amara.okafor", "Amara Okafor", "Posts the most, and others post copies of her photos.", share=9),
    Member("ben.lindqvist", "Ben Lindqvist", "Will delete one of his photos from the platform."),
    Member("chiara.rossi", "Chiara Rossi", "Will make one of her photos private."),
    Member("dmitri.volkov", "Dmitri Volkov", "Also posts other people’s photos, smaller."),
    Member("elif.kaya", "Elif Kaya", "Also posts other people’s photos, recompressed."),
    Member("farid.haddad", "Farid Haddad", "Keeps most things among friends."),
    Member("grace.nakamura", "Grace Nakamura", "Quiet since spring."),
    Member("hana.kim", "Hana Kim", "Has a second account, on film, that she can link."),
    Member("hana.on.film", "Hana Kim, on film", "Hana’s second account.", share=2),
    Member("ines.duarte", "Inês Duarte", "Posts little, and only in public.", share=2),
    Member("jonas.weber", "Jonas Weber", "Also posts other people’s photos, cropped."),
    Member("kavya.iyer", "Kavya Iyer", "Also posts other people’s photos, mirrored."),
    Member("leilani.kahale", "Leilani Kahale", "Also posts other people’s photos, in a frame."),
)
BY_SUB = {member.sub: member for member in MEMBERS}

# Shares out of a hundred for everyone; Farid's differ.
_VISIBILITY = {Visibility.PRIVATE: 4, Visibility.FRIENDS: 4, Visibility.PUBLIC: 92}
_AMONG_FRIENDS = {Visibility.PRIVATE: 15, Visibility.FRIENDS: 55, Visibility.PUBLIC: 30}


def uid_of(name: str) -> str:
    """Lantern's id of the photo that came from the file ``name``."""
    return f"ph{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def owner_of(name: str) -> Member:
    return MEMBERS[_pick(draw(name, "owner"), [member.share for member in MEMBERS])]


def visibility_of(name: str) -> Visibility:
    shares = _AMONG_FRIENDS if owner_of(name).sub == "farid.haddad" else _VISIBILITY
    return list(shares)[_pick(draw(name, "visibility"), list(shares.values()))]


def draw(name: str, purpose: str) -> float:
    """A number in [0, 1) that depends on the file's name and the purpose alone."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{name}".encode()).digest()[:6]) / 2**48


def _pick(drawn: float, shares: list[int]) -> int:
    return bisect_right(list(accumulate(shares)), drawn * sum(shares))
