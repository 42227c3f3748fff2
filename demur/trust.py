"""Whom a reader believes, and in what: a key that may sign run records says nothing about lists, the log or its witnesses.

As text, such as the keys.txt of a bundle of evidence: a line for each key, `ROLE name+hash+base64`. Empty lines, and what follows `#` at a
line's beginning, are for people.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from demur.signing import BadKey, VerifyKey
from demur.tlog.checkpoint import WitnessKey

MOST_KEYS = 16  # of one role, in a text of keys: each is tried on what strangers send


class Role(StrEnum):
    """What a key may sign."""

    LIST = "list"  # versions of the exclusion list
    LOG = "log"  # the log's checkpoints, and the operator's statements in receipts
    RUN = "run"  # records of training runs
    WITNESS = "witness"  # that a checkpoint was seen

    @property
    def signs(self) -> str:
        """What it signs, for people."""
        return _SIGNS[self]


_SIGNS = {
    Role.LIST: "exclusion lists",
    Role.LOG: "a log and its receipts",
    Role.RUN: "run records",
    Role.WITNESS: "what witnesses saw",
}


@dataclass(frozen=True)
class Trust:
    """The keys that a reader was given, by role. With witnesses, each checkpoint must be cosigned by all of them."""

    lists: tuple[VerifyKey, ...] = ()
    logs: tuple[VerifyKey, ...] = ()
    runs: tuple[VerifyKey, ...] = ()
    witnesses: tuple[WitnessKey, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a text of keys. Raises BadKey: a line without a role, a mistyped key, or more than MOST_KEYS of a role."""
        found: dict[Role, dict[VerifyKey, None]] = {role: {} for role in Role}
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                role, key = _key(line, number)
                found[role][key] = None
                if len(found[role]) > MOST_KEYS:
                    raise BadKey(f"there are more than {MOST_KEYS} keys for {role.signs}")
        witnesses = tuple(key for key in found[Role.WITNESS] if isinstance(key, WitnessKey))
        return cls(tuple(found[Role.LIST]), tuple(found[Role.LOG]), tuple(found[Role.RUN]), witnesses)

    def keys(self, role: Role) -> tuple[VerifyKey, ...]:
        """The keys of a role."""
        return {Role.LIST: self.lists, Role.LOG: self.logs, Role.RUN: self.runs, Role.WITNESS: self.witnesses}[role]

    def to_text(self) -> str:
        """The text form."""
        return "".join(f"{role} {key}\n" for role in Role for key in self.keys(role))

    def merged(self, other: Self) -> Self:
        """The keys of both, each once."""
        return type(self)(
            _once(self.lists, other.lists),
            _once(self.logs, other.logs),
            _once(self.runs, other.runs),
            tuple(dict.fromkeys((*self.witnesses, *other.witnesses))),
        )

    def roles_of(self, key_id: str) -> tuple[Role, ...]:
        """For what a key of this id is trusted; for messages alone, as an id is no key."""
        return tuple(role for role in Role if any(key.key_id == key_id for key in self.keys(role)))

    def __bool__(self) -> bool:
        return any(self.keys(role) for role in Role)


def _key(line: str, number: int) -> tuple[Role, VerifyKey]:
    """Raises BadKey."""
    word, _, text = line.strip().partition(" ")
    if word not in list(Role):
        raise BadKey(f"line {number} does not begin with what its key is for: {', '.join(Role)}; write it before the key, as in “log KEY”")
    role = Role(word)
    try:
        return role, WitnessKey.parse(text) if role is Role.WITNESS else VerifyKey.parse(text)
    except BadKey as error:
        raise BadKey(f"line {number}, a key for {role.signs}: {error}") from error


def _once(some: Iterable[VerifyKey], more: Iterable[VerifyKey]) -> tuple[VerifyKey, ...]:
    return tuple(dict.fromkeys((*some, *more)))
