"""An office that does by hand what the workers do, with real catalogues, a real list and real databases."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from demur.exclusions import Entry
from demur.exclusions.history import History, read_keys
from demur.exclusions.sources import DirectorySource
from demur.signing import SigningKey
from demur.similarity.sandbox import Sandbox
from demur.tlog.files import LogFiles
from models import Account, ExclusionListVersion, OptOut
from rights import lists
from rights.artefacts import RunArtefacts
from rights.catalogues import Catalogues
from rights.optouts import Filing, Selection, file_opt_outs
from rights.propagation import apply_propagation
from rights.reach import Finding, gather
from rights.reach_limits import Limits
from tests.factories import NOW, make_account

LIFETIME = timedelta(days=30)


class Crash(Exception):
    """Something that ends a publication where it is."""


@dataclass
class Office:
    sessions: sessionmaker[Session]
    catalogues: Catalogues
    sandbox: Sandbox
    runs: RunArtefacts
    list_dir: Path
    key: SigningKey
    log_key: SigningKey
    log_files: LogFiles
    manifest_id: int
    limits: Limits = field(default_factory=Limits)

    @property
    def press(self) -> lists.ListPress:
        return lists.ListPress(self.list_dir, self.key, self.log_files, self.log_key, "test", LIFETIME)

    def account(self, *owners: str) -> Account:
        with self.sessions.begin() as session:
            account = make_account(session, owner=owners[0])
            for owner in owners[1:]:
                other = make_account(session, owner=owner).identities[0]
                other.account_id = account.id
            session.flush()
            session.refresh(account, ["identities"])
            return account

    def file(self, account: Account, selection: Selection, now: datetime = NOW) -> Filing:
        with self.sessions.begin() as session:
            return file_opt_outs(session, self.catalogues, account, selection, now=now)

    def propagate(self, now: datetime = NOW) -> None:
        with self.sessions() as session:
            waiting = select(OptOut.id).where(OptOut.propagated_at.is_(None), OptOut.withdrawn_at.is_(None))
            ids = session.scalars(waiting.order_by(OptOut.id)).all()
        findings = self.gather(ids)
        with self.sessions.begin() as session:
            apply_propagation(session, findings, limits=self.limits, now=now)

    def gather(self, ids: Sequence[int], manifest_id: int | None = None) -> dict[int, Finding]:
        return gather(self.sessions, self.catalogues, self.sandbox, ids, manifest_id).findings

    def publish(self, now: datetime = NOW) -> ExclusionListVersion | None:
        with self.preparing(now) as prepared, self.sessions.begin() as session:
            return lists.publish(session, prepared)

    def preparing(self, now: datetime = NOW, key: SigningKey | None = None) -> AbstractContextManager[lists.Prepared]:
        return lists.preparing(self.sessions, self.sessions, replace(self.press, key=key or self.key), now)

    def crash_after_the_commit(self) -> ExclusionListVersion | None:
        """A version is committed, and not made public."""
        with suppress(Crash), self.preparing() as prepared:
            with self.sessions.begin() as session:
                version = lists.publish(session, prepared)
            raise Crash
        return version

    def make_public(self) -> None:
        with self.sessions() as session:
            lists.make_public(session, self.list_dir, self.log_files, self.log_key)

    def carry(self, now: datetime = NOW) -> ExclusionListVersion | None:
        self.propagate(now)
        return self.publish(now)

    def entries(self, version: int) -> set[Entry]:
        source = DirectorySource(self.list_dir)
        history = History(source, read_keys(source, self.key.verifier))
        return set(history.read(history.head(version)).entries)
