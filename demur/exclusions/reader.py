"""The training engineer's side: pull the newest version, verify it, and say which samples may be kept. Fails closed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from demur.exclusions import trusted as rules
from demur.exclusions.entries import Entry, KeyKind
from demur.exclusions.head import Head
from demur.exclusions.matching import Judgement, Matcher
from demur.exclusions.sources import Missing, Source, open_source
from demur.exclusions.state import load_state, save_state
from demur.exclusions.table import EntryTable
from demur.exclusions.trusted import Trusted
from demur.exclusions.writer import HEAD_FILE
from demur.signing import VerifyKey

_HEAD_LIMIT = 1 << 16
_MOST_DELTAS = 64  # beyond that many versions the whole newest version is the shorter way


@dataclass(frozen=True)
class _Verified:
    head: Head
    entries: EntryTable

    @cached_property
    def matcher(self) -> Matcher:
        return Matcher(self.entries)


class ExclusionList:
    """A verified version of an exclusion list. Made by `open`; every method speaks of the version that was verified last."""

    def __init__(self, source: Source, key: VerifyKey, state: Path | None, verified: _Verified) -> None:
        self._source, self._key, self._state, self._verified = source, key, state, verified

    @classmethod
    def open(
        cls, url_or_dir: str | Path, *, key: VerifyKey, token: str | None = None, state: Path | None = None, now: datetime | None = None
    ) -> "ExclusionList":
        """Pulls and verifies the newest version.

        Args:
            url_or_dir: base URL (…/api/v1/exclusion-list/) or list directory.
            key: the only key whose signature counts.
            token: API token, sent as a Bearer token.
            state: file that remembers the highest version trusted; without it a rollback between invocations cannot be noticed.
            now: the clock, for expiry.

        Raises: a subclass of ListRefused: Unreachable, BadSignature, UnknownKey, BadListFormat, UnknownKeyKind, Rollback, Fork, Expired,
            WrongDigest, WrongCount, WrongRoot, BadState.
        """
        source = open_source(url_or_dir, token)
        before = load_state(state) if state else None
        head = _newest(source, key)
        accepted = rules.accept(before, head, now or datetime.now(UTC))
        verified = _Verified(head, rules.open_entries(_read(source, head, "entries"), head))
        if state:
            save_state(state, accepted)
        return cls(source, key, state, verified)

    @property
    def head(self) -> Head:
        """The signed head."""
        return self._verified.head

    @property
    def entries(self) -> EntryTable:
        """All entries in canonical order."""
        return self._verified.entries

    def update(self, now: datetime | None = None) -> bool:
        """Moves to the newest version, by deltas where they lead there; says whether anything changed.

        On any refusal the version verified before stays in place. Raises what `open` raises, and Gap.
        """
        head = _newest(self._source, self._key)
        accepted = rules.accept(Trusted.of(self.head), head, now or datetime.now(UTC))
        if self._state:  # another process may have trusted a newer version meanwhile
            rules.accept(load_state(self._state), head, now or datetime.now(UTC))
        if head == self.head:
            return False
        try:
            entries = self._advanced(head)
        except Missing:
            entries = rules.open_entries(_read(self._source, head, "entries"), head)
        if self._state:
            save_state(self._state, accepted)
        self._verified = _Verified(head, entries)
        return True

    def _advanced(self, newest: Head) -> EntryTable:
        if newest.version - self.head.version > _MOST_DELTAS:
            raise Missing("too many versions behind for deltas")
        entries, trusted = self.entries, Trusted.of(self.head)
        for version in range(self.head.version + 1, newest.version + 1):
            head = newest if version == newest.version else self._past_head(version)
            trusted = rules.follow(trusted, head)
            entries = rules.apply_delta(entries, rules.open_delta(_read(self._source, head, "delta"), head), version)
        rules.check_entries(entries, newest)
        return entries

    def _past_head(self, version: int) -> Head:
        head = rules.open_head(self._source.read(f"versions/{version}/{HEAD_FILE}", _HEAD_LIMIT), [self._key])
        if head.version != version:
            raise rules.Gap(f"in the place of version {version} lies version {head.version}")
        return head

    def keep(self, table: pa.Table) -> pa.BooleanArray:
        """For each row, whether it may be used: True = keep. (n,) without nulls. Raises NoKeyColumn, BadKeyColumn."""
        return self.judge(table).keep

    def reasons(self, table: pa.Table) -> dict[KeyKind, int]:
        """How many rows are dropped by which kind of key; a row counts once, by the first kind in the order of `Matcher.ORDER`."""
        return self.judge(table).dropped

    def judge(self, table: pa.Table) -> Judgement:
        """`keep` and `reasons` in one pass, and which kinds of entries the table has no columns for.

        Columns used when present: uid, sha256, url, owner (text; whole numbers count as their decimal text), and phash (uint64, or int64
        with the same bits) with pdq (32 bytes) and pdq_quality. A row is dropped by a phash entry when it is a confirmed near duplicate
        (demur.similarity.rules). Raises NoKeyColumn, BadKeyColumn.
        """
        return self._verified.matcher.judge(table)

    def explain(self, row: Mapping[str, Any]) -> Entry | None:
        """The entry that excludes a row given as column → value, or None. Raises NoKeyColumn, BadKeyColumn."""
        return self._verified.matcher.explain(row)


def _newest(source: Source, key: VerifyKey) -> Head:
    return rules.open_head(source.read(HEAD_FILE, _HEAD_LIMIT), [key])


def _read(source: Source, head: Head, name: str) -> bytes:
    size = head.entries.size if name == "entries" else head.delta.size
    return source.read(f"versions/{head.version}/{name}.parquet", size)
