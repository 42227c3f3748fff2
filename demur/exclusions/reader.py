"""The training engineer's side: pull the newest version, verify it, and say which samples may be kept. Fails closed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from demur.exclusions import trusted as rules
from demur.exclusions.acknowledging import acknowledge
from demur.exclusions.columns import KeyedRows
from demur.exclusions.entries import Entry, KeyKind
from demur.exclusions.head import Head
from demur.exclusions.history import History, Verified, read_newest
from demur.exclusions.matching import Judgement, Matcher
from demur.exclusions.sources import Source, open_source
from demur.exclusions.state import load_state, save_state
from demur.exclusions.table import EntryTable
from demur.exclusions.trusted import Trusted
from demur.signing import VerifyKey


@dataclass(frozen=True)
class _Held(Verified):
    @cached_property
    def matcher(self) -> Matcher:
        return Matcher(self.entries)


class ExclusionList:
    """A verified version of an exclusion list. Made by `open`; every method speaks of the version that was verified last."""

    def __init__(self, source: Source, key: VerifyKey, state: Path | None, verified: Verified, trusted: Trusted) -> None:
        self._source, self._key, self._state = source, key, state
        self._hold(verified)
        self._trust(trusted)

    def _hold(self, verified: Verified) -> None:
        self._held = _Held(verified.head, verified.entries)

    def _trust(self, trusted: Trusted) -> None:
        if self._state:
            save_state(self._state, trusted)
        self._trusted = trusted

    @classmethod
    def open(
        cls, url_or_dir: str | Path, *, key: VerifyKey, token: str | None = None, state: Path | None = None, now: datetime | None = None
    ) -> "ExclusionList":
        """Pulls and verifies the newest version.

        Args:
            url_or_dir: base URL (…/api/v1/exclusion-list/) or list directory.
            key: the list's public key, or any that it had before: the list's key rotations lead from there to the newest one.
            token: API token, sent as a Bearer token.
            state: file that remembers the highest version and the newest key trusted; without it a rollback between invocations cannot
                be noticed.
            now: the clock, for expiry.

        Raises: a subclass of ListRefused: Unreachable, BadSignature, UnknownKey, BadListFormat, UnknownKeyKind, Rollback, Fork, Expired,
            Gap, WrongDigest, WrongCount, WrongRoot, BadRotation, KeyTakenBack, BadState.
        """
        source = open_source(url_or_dir, token)
        before = load_state(state) if state else None
        head, keys = read_newest(source, key, before.key if before else None)
        trusted = replace(rules.accept(before, head, now or datetime.now(UTC)), key=keys.reached)
        return cls(source, key, state, History(source, keys).read(head), trusted)

    @property
    def head(self) -> Head:
        """The signed head."""
        return self._held.head

    @property
    def entries(self) -> EntryTable:
        """All entries in canonical order."""
        return self._held.entries

    def update(self, now: datetime | None = None) -> bool:
        """Moves to the newest version, by the shortest way that leads there; says whether anything changed.

        On any refusal the version verified before stays in place. Raises what `open` raises.
        """
        head, keys = read_newest(self._source, self._key, self._trusted.key)
        trusted = replace(rules.accept(self._trusted, head, now or datetime.now(UTC)), key=keys.reached)
        stored = load_state(self._state) if self._state else None
        if stored is not None:  # another process may have trusted a newer version or key meanwhile
            keys.keep(stored.key)
            rules.accept(stored, head, now or datetime.now(UTC))
        if head == self.head:
            self._trust(trusted)
            return False
        verified = History(self._source, keys).advance(self._held, head)
        self._trust(trusted)
        self._hold(verified)
        return True

    def keep(self, table: pa.Table) -> pa.BooleanArray:
        """For each row, whether it may be used: True = keep. (n,) without nulls.

        A row that cannot be compared may not; `judge` says which these are, and why. Raises NoKeyColumn, BadKeyColumn.
        """
        return self.judge(table).keep

    def reasons(self, table: pa.Table) -> dict[KeyKind, int]:
        """How many rows are dropped by which kind of key; a row counts once, by the first kind in the order of `Matcher.ORDER`."""
        return self.judge(table).dropped

    def judge(self, table: pa.Table | KeyedRows) -> Judgement:
        """`keep` and `reasons` in one pass, which rows cannot be compared, and which kinds of entries the table has no columns for.

        Columns used when present: uid, sha256, url, owner, and phash with pdq and pdq_quality, in any of the spellings that
        demur.exclusions.columns knows. A row is dropped by a phash entry when it is a confirmed near duplicate (demur.similarity.rules).
        Raises NoKeyColumn, BadKeyColumn.
        """
        return self._held.matcher.judge(table)

    def explain(self, row: Mapping[str, Any] | KeyedRows) -> Entry | None:
        """The entry that excludes a row given as column → value, or None; demur.exclusions.matching.WHY says why an entry of its kind does.

        Raises NoKeyColumn, BadKeyColumn.
        """
        return self._held.matcher.explain(row)

    def acknowledge(self, manifest: str, *, rows: int, dropped: int) -> None:
        """Tells the publisher that this version dropped `dropped` of the `rows` rows of `manifest`, a name. Raises NotAcknowledged."""
        acknowledge(self._source, self.head, manifest=manifest, rows=rows, dropped=dropped)
