"""Any history of opt-outs, withdrawals and publications: the list is always what still stands, and says since when."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from demur.exclusions import Entry, KeyKind
from demur.exclusions.delta import Delta
from demur.exclusions.history import History
from demur.exclusions.rotation import Keyring
from demur.exclusions.sources import DirectorySource
from demur.signing import SigningKey
from demur.tlog.files import LogFiles
from models import Base, ExclusionEntry, make_engine, make_sessions, writing
from rights.list_changes import pending
from rights.lists import ListPress, prepare, publish
from tests.factories import NOW, make_opt_out

KEY = SigningKey.generate("test")
LOG_KEY = SigningKey.generate("test/log")
LIFETIME = timedelta(days=30)
UIDS = ["u0", "u1", "u2", "u3"]

file = st.tuples(st.just("file"), st.lists(st.sampled_from(UIDS), min_size=1, max_size=3, unique=True))
withdraw = st.tuples(st.just("withdraw"), st.integers(0, 5))
release = st.tuples(st.just("publish"), st.just(0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(file, withdraw, release), max_size=14))
def test_the_list_is_what_still_stands(history):
    with tempfile.TemporaryDirectory() as directory:
        engine = make_engine("sqlite://")
        Base.metadata.create_all(engine)
        with make_sessions(writing(engine)).begin() as session:
            Played(session, Path(directory)).play([*history, ("publish", 0)])
        engine.dispose()


class Played:
    def __init__(self, session: Session, directory: Path) -> None:
        self.session, self.directory = session, directory
        self.grounds: list[set[str]] = []  # what each opt-out excludes; empty once withdrawn
        self.published: list[set[str]] = [set()]  # what each version held

    def play(self, history) -> None:
        for step, value in history:
            getattr(self, step)(value)

    def file(self, uids: list[str]) -> None:
        opt_out = make_opt_out(self.session, propagated_at=NOW)
        self.session.add_all(ExclusionEntry(opt_out_id=opt_out.id, kind="uid", key=uid) for uid in uids)
        self.session.flush()
        self.grounds.append(set(uids))

    def withdraw(self, number: int) -> None:
        if number < len(self.grounds):
            self.grounds[number] = set()
            self.session.execute(update(ExclusionEntry).where(ExclusionEntry.opt_out_id == number + 1).values(ended=True))

    def publish(self, _: int) -> None:
        standing = set().union(*self.grounds)
        press = ListPress(self.directory, KEY, LogFiles(self.directory / "log"), LOG_KEY, "test", LIFETIME)
        with prepare(pending(self.session), press, NOW) as prepared:
            row = publish(self.session, prepared)
        assert (row is not None) is (standing != self.published[-1]), "a version for each change, and for nothing else"
        if row is not None:
            self.published.append(standing)
            self.check_files(row.version)
        self.check_spans()

    def check_files(self, version: int) -> None:
        history = History(DirectorySource(self.directory), Keyring((KEY.verifier,)))
        head = history.head(version)
        before, after = self.published[-2:]
        assert set(history.read(head).entries) == {Entry(KeyKind.UID, uid) for uid in after}
        with open(self.directory / "versions" / str(version) / "delta.parquet", "rb") as file:
            changes = {(change.op.value, change.entry.key) for change in Delta.read(file)}
        assert changes == {("add", uid) for uid in after - before} | {("remove", uid) for uid in before - after}

    def check_spans(self) -> None:
        """Each row says from which version to which it was a ground; together they give every version again."""
        rows = self.session.scalars(select(ExclusionEntry).where(ExclusionEntry.since_version.is_not(None))).all()
        for version, held in enumerate(self.published[1:], start=1):
            grounds = {
                row.key for row in rows if row.since_version <= version and (row.until_version is None or row.until_version > version)
            }
            assert grounds <= held
            if version == len(self.published) - 1:
                assert grounds == held
