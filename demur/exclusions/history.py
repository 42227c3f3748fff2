"""Verified versions of a list, from its files: a whole file, one delta over several versions, or the chain of the versions' own deltas."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from demur.exclusions import trusted as rules
from demur.exclusions.delta import Delta
from demur.exclusions.head import MOST_DELTAS, Head
from demur.exclusions.rotation import ROTATIONS_FILE, ROTATIONS_LIMIT, Keyring
from demur.exclusions.sources import Missing, Source
from demur.exclusions.table import EntryTable
from demur.exclusions.trusted import ReachedKey, Trusted
from demur.exclusions.writer import DELTA_FILE, ENTRIES_FILE, HEAD_FILE
from demur.signing import VerifyKey

_HEAD_LIMIT = 1 << 16
_SMALL = 1 << 16  # bytes of deltas for which looking for a shorter way is not worth it


def delta_between_file(before: int) -> str:
    """The name, in a version's directory, of the delta from an older version than the one before."""
    return f"delta-from-{before}.parquet"


def read_newest(source: Source, key: VerifyKey, reached: ReachedKey | None = None) -> tuple[Head, Keyring]:
    """The newest head, and the list's keys, to which one that was reached before must still belong.

    Raises Unreachable, BadRotation, UnknownKey, KeyTakenBack, BadSignature, BadListFormat, UnknownKeyKind.
    """
    # The head first: a rotation is announced before any head that is signed by its new key, so it is there by then.
    envelope = source.read(HEAD_FILE, _HEAD_LIMIT)
    keys = read_keys(source, key)
    if reached is not None and reached.key not in keys.keys and _signed_by(reached.key, envelope):
        raise rules.UnknownKey(f"the key {key.key_id} is not this list's: {reached.key.key_id}, which was reached before, signs its head")
    keys.keep(reached)
    return keys.open_head(envelope), keys


def _signed_by(key: VerifyKey, envelope: bytes) -> bool:
    try:
        rules.open_head(envelope, [key])
    except rules.ListRefused:
        return False
    return True


def read_keys(source: Source, key: VerifyKey) -> Keyring:
    """All keys of the list to which the given one leads. Raises Unreachable, BadRotation, UnknownKey."""
    try:
        rotations: bytes | None = source.read(ROTATIONS_FILE, ROTATIONS_LIMIT)
    except Missing:
        rotations = None
    return Keyring.of(key, rotations)


@dataclass(frozen=True)
class Verified:
    """A head, and the entries that it vouches for."""

    head: Head
    entries: EntryTable


@dataclass(frozen=True)
class History:
    """All versions that a source holds. Every method raises subclasses of ListRefused; Missing where a file was pruned."""

    source: Source
    keys: Keyring

    def head(self, version: int) -> Head:
        """The head of a version."""
        head = self.keys.open_head(self.source.read(f"versions/{version}/{HEAD_FILE}", _HEAD_LIMIT))
        if head.version != version:
            raise rules.Gap(f"in the place of version {version} lies version {head.version}")
        return head

    def read(self, head: Head) -> Verified:
        """A version from the whole file that it builds on, and what follows on that."""
        base, entries = self._whole(head)
        one = self._one_delta(base, head)
        return self._follow(Verified(base, entries), head, self.delta(base, head) if one is None else one)

    def as_signed(self, head: Head) -> EntryTable:
        """The entries of a version as its signed files have them, for who signed them: their root is not reckoned again."""
        base, entries = self._whole(head)
        return rules.apply_delta(entries, self.delta(base, head), head.version)

    def advance(self, before: Verified, head: Head) -> Verified:
        """A newer version than one that is there already, by the shortest way that leads to it."""
        try:
            delta = self._short_delta(before.head, head)
        except Missing:
            delta = None
        return self.read(head) if delta is None else self._follow(before, head, delta)

    def each(self, versions: Iterable[int]) -> Iterator[tuple[Head, EntryTable]]:
        """Versions in ascending order, each made of the one before it, so that only the first is read whole.

        Of their entries nothing but the signed files is checked: who proves by them checks the root (EntryProver).
        """
        known: tuple[Head, EntryTable] | None = None
        for version in versions:
            head = self.head(version)
            known = (head, self.as_signed(head) if known is None else self._after(*known, head))
            yield known

    def _after(self, before: Head, entries: EntryTable, head: Head) -> EntryTable:
        delta = self._short_delta(before, head)
        return self.as_signed(head) if delta is None else rules.apply_delta(entries, delta, head.version)

    def delta(self, before: Head, head: Head) -> Delta:
        """What leads from one version to a later one: the deltas of the versions between them, joined. Raises Gap."""
        return self._joined(self._heads(before, head))

    def _whole(self, head: Head) -> tuple[Head, EntryTable]:
        """The version on which one builds, as its whole file has it."""
        whole = head.entries
        base = head if whole.version == head.version else self.head(whole.version)
        if base.entries != whole:
            raise rules.Gap(f"version {head.version} of the list builds on other entries of version {whole.version} than that version has")
        with self.source.open(f"versions/{whole.version}/{ENTRIES_FILE}", whole.size) as file:
            return base, rules.open_whole(file, base)

    def _follow(self, before: Verified, head: Head, delta: Delta) -> Verified:
        entries = rules.apply_delta(before.entries, delta, head.version)
        rules.check_entries(entries, head)
        return Verified(head, entries)

    def _short_delta(self, before: Head, head: Head) -> Delta | None:
        """What leads from one version to another; None where the whole file is the shorter way. Raises Missing."""
        one = self._one_delta(before, head)
        if one is not None:
            return one
        whole_helps = head.entries.version > before.version
        if whole_helps and head.version - before.version > MOST_DELTAS:
            return None
        heads = self._heads(before, head)
        if whole_helps and sum(each.delta.size for each in heads) > max(head.entries.size, _SMALL):
            return None
        return self._joined(heads)

    def _one_delta(self, before: Head, head: Head) -> Delta | None:
        """The delta over several versions, where the source has one that is no longer than the whole file."""
        if head.version - before.version < 2:
            return None
        limit = max(head.entries.size, _SMALL)
        try:
            with self.source.open(f"versions/{head.version}/{delta_between_file(before.version)}", limit) as file:
                size = file.seek(0, 2)
                return rules.open_unsigned_delta(file, before, head, size) if size <= limit else None
        except Missing:
            return None

    def _heads(self, before: Head, newest: Head) -> list[Head]:
        """The heads after `before` up to the newest one, each of which names the one before it."""
        trusted, heads = Trusted.of(before), []
        for version in range(before.version + 1, newest.version + 1):
            head = newest if version == newest.version else self.head(version)
            trusted = rules.follow(trusted, head)
            heads.append(head)
        return heads

    def _joined(self, heads: list[Head]) -> Delta:
        if len(heads) <= 1:
            return self._own_delta(heads[0]) if heads else Delta.of(())
        earlier, later = heads[: len(heads) // 2], heads[len(heads) // 2 :]  # halves, so that no change is copied once for each version
        return rules.join_deltas(self._joined(earlier), self._joined(later), later[0].version)

    def _own_delta(self, head: Head) -> Delta:
        return rules.open_delta(self.source.read(f"versions/{head.version}/{DELTA_FILE}", head.delta.size), head)
