"""How long until a trainer's reader knows a thousand new opt-outs of a list with a million entries, against rewriting the whole list.

    python -m bench.publish --entries 1000000 --json

Each opt-out has four entries: uid, sha256, phash and url. SQLite holds all of them. A round: the opt-outs of as many members' requests
stand in the database, propagated; they are published (columns, root, signature, files, statements, commit, transparency log), and pulled
by a reader that had the version before, from a portal over HTTP. Of the rounds the median counts. `rewrite_…` is of doing
without increments: all standing entries from the database, sorted, rooted, written whole and signed, and opened anew by a reader over HTTP;
statements and the log are not counted. `ratio_to_rewriting` is of the sums.
"""

import hashlib
import json
import logging
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import structlog
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.orm import Session
from werkzeug.serving import WSGIRequestHandler, make_server

from config import Config
from demur.exclusions import Entry, EntryTable, ExclusionList, KeyKind, Version, build_version, place_version, point_head, written_version
from demur.exclusions.delta import Delta
from demur.signing import SigningKey
from demur.tlog.files import LogFiles
from models import (
    Account,
    ExclusionEntry,
    ExclusionListVersion,
    OptOut,
    OptOutOrigin,
    OptOutScope,
    Regime,
    RequestKind,
    RequestState,
    RightsRequest,
    make_engine,
    make_sessions,
    writing,
)
from models.migrating import migrate
from portal import create_app
from rights import tokens
from rights.list_keys import signing_key
from rights.lists import ListPress, preparing, publish
from rights.signing_keys import LOG_KEY_FILE, make_keys
from rights.tokens import Scope

SMALL_ENTRIES, SMALL_OPT_OUTS = 20_000, 100
ROUNDS = 3
LIFETIME = timedelta(days=30)
BATCH = 50_000
PER_OPT_OUT = 4


def digest(*words: object) -> str:
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()


def entries_of(number: int) -> list[Entry]:
    uid = digest("uid", number)[:32]
    return [
        Entry(KeyKind.UID, uid),
        Entry(KeyKind.SHA256, digest("sha256", number)),
        Entry(KeyKind.PHASH, digest("phash", number)[:16], digest("pdq", number)),
        Entry(KeyKind.URL, f"https://photos.example/{number // 100}/{uid}.jpg"),
    ]


class Office:
    """A portal's data directory, and what its workers do."""

    def __init__(self, directory: Path) -> None:
        self.config = Config(data_dir=directory, database_url="", base_url="http://localhost")
        make_keys(self.config.keys_dir, self.config.list_name)
        self.key = signing_key(self.config.keys_dir, self.config.list_dir)
        self.log_key = SigningKey.load(self.config.keys_dir / LOG_KEY_FILE)
        migrate(self.config.database)
        self.engine: Engine = make_engine(self.config.database)
        self.write, self.read = make_sessions(writing(self.engine)), make_sessions(self.engine)

    def file(self, numbers: range, version: int | None) -> None:
        """Opt-outs, each in a request of its own: since `version` in the list, or propagated and waiting for it."""
        for start in range(numbers.start, numbers.stop, BATCH):
            with self.write.begin() as session:
                self._file(session, range(start, min(start + BATCH, numbers.stop)), version)

    def _file(self, session: Session, numbers: range, version: int | None) -> None:
        at = datetime.now(UTC)
        state = RequestState.IN_PROGRESS if version is None else RequestState.FULFILLED
        rows(session, Account, [{"id": n + 1, "created_at": at, "display_name": f"Member {n}"} for n in numbers])
        request = {"kind": RequestKind.OBJECTION, "regime": Regime.GDPR, "state": state, "received_at": at}
        rows(session, RightsRequest, [request | {"id": n + 1, "account_id": n + 1, "reference": f"DM-{n}"} for n in numbers])
        opt_out = {"origin": OptOutOrigin.MEMBER, "scope": OptOutScope.PHOTO, "filed_at": at, "propagated_at": at}
        opt_out |= {"effective_version": version}
        rows(
            session, OptOut, [opt_out | {"id": n + 1, "request_id": n + 1, "owner": f"owner-{n}", "subject": f"photo-{n}"} for n in numbers]
        )
        listed = [(n + 1, entry) for n in numbers for entry in entries_of(n)]
        columns = [{"opt_out_id": one, "kind": e.kind, "key": e.key, "pdq": e.pdq, "since_version": version} for one, e in listed]
        rows(session, ExclusionEntry, columns)

    def publish(self) -> None:
        config = self.config
        press = ListPress(config.list_dir, self.key, LogFiles(config.log_dir), self.log_key, config.list_name, LIFETIME)
        with preparing(self.read, self.write, press, datetime.now(UTC)) as prepared, self.write.begin() as session:
            publish(session, prepared)

    def build_whole(self) -> Version:
        """The list as a first version, from all standing entries."""
        entry = ExclusionEntry
        with self.read.begin() as session:
            standing = session.execute(select(entry.kind, entry.key, entry.pdq).where(entry.ended.is_(False)).distinct())
            table = EntryTable.of(Entry(KeyKind(kind), key, pdq) for kind, key, pdq in standing)
        now, nothing = datetime.now(UTC), EntryTable.of(())
        delta = Delta.between(nothing, table)
        return build_version(delta, None, nothing, list_id=self.config.list_name, published_at=now, expires_at=now + LIFETIME)

    def begin(self, version: Version) -> None:
        """As if everything had been published once."""
        self.write_files(version)
        head = version.head
        described = {"version": 1, "root": head.root, "total": head.total, "added": head.added, "removed": 0}
        described |= {"counts": {kind.value: number for kind, number in head.counts.items()}}
        with self.write.begin() as session:
            session.add(ExclusionListVersion(**described, published_at=head.published_at, expires_at=head.expires_at))

    def write_files(self, version: Version) -> None:
        with written_version(self.config.list_dir, version, self.key) as written:
            place_version(self.config.list_dir, written)
        point_head(self.config.list_dir, 1)

    def token(self) -> str:
        with self.write.begin() as session:
            return tokens.create(session, "trainer", [Scope.LIST_READ], datetime.now(UTC))


def rows(session: Session, model: type[Any], values: list[dict[str, Any]]) -> None:
    session.execute(insert(model), values)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *arguments: Any) -> None:
        return


@contextmanager
def served(config: Config) -> Iterator[str]:
    """The portal over HTTP; gives the list's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create_app(config.model_copy(update={"base_url": f"http://127.0.0.1:{port}"}))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1/exclusion-list/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def seconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(entries: int, opt_outs: int, directory: Path, say: Callable[[str], None]) -> dict[str, float]:
    """All figures of this benchmark."""
    office, listed = Office(directory), entries // PER_OPT_OUT
    say(f"filing {listed:,} opt-outs with {entries:,} entries")
    office.file(range(listed), version=1)
    office.begin(office.build_whole())
    token, rounds = office.token(), []
    with served(office.config) as url:
        reader = ExclusionList.open(url, key=office.key.verifier, token=token)
        for start in range(listed, listed + ROUNDS * opt_outs, opt_outs):
            office.file(range(start, start + opt_outs), version=None)
            say(f"publishing {opt_outs:,} opt-outs")
            rounds.append((seconds(office.publish), seconds(reader.update)))
        publish_s, fetch_s = map(statistics.median, zip(*rounds, strict=True))
        delta = reader.head.delta.size
    say("rewriting the whole list")
    rewritten = rewrite(office, token)
    whole, total = sum(rewritten.values()), publish_s + fetch_s
    parts = {"publish_s": publish_s, "fetch_s": fetch_s, "total_s": total, **rewritten, "rewrite_s": whole}
    figures = {name: round(value, 3) for name, value in parts.items()}
    sizes = {"delta_kb": round(delta / 1000, 1), "whole_kb": round(reader.head.entries.size / 1000, 1)}
    return {"entries": entries, "opt_outs": opt_outs, **figures, **sizes, "ratio_to_rewriting": round(whole / total, 2)}


def rewrite(office: Office, token: str) -> dict[str, float]:
    """Seconds of building, writing and reading the list as if there were no version before."""
    built: list[Version] = []
    build_s = seconds(lambda: built.append(office.build_whole()))
    shutil.rmtree(office.config.list_dir)
    write_s = seconds(lambda: office.write_files(built[0]))
    with office.write.begin() as session:
        session.execute(delete(ExclusionListVersion).where(ExclusionListVersion.version > 1))
    with served(office.config) as url:
        read_s = seconds(lambda: ExclusionList.open(url, key=office.key.verifier, token=token))
    return {"rewrite_build_s": build_s, "rewrite_write_s": write_s, "rewrite_read_s": read_s}


@click.command(help=__doc__)
@click.option("--entries", default=1_000_000, show_default=True)
@click.option("--opt-outs", default=1_000, show_default=True)
@click.option(
    "--small",
    is_flag=True,
    help=f"{SMALL_OPT_OUTS:,} opt-outs, {SMALL_ENTRIES:,} entries: shows that it works, and no figure worth quoting.",
)
@click.option("--json", "as_json", is_flag=True, help="Only the last line goes to standard output, progress to standard error.")
def main(entries: int, opt_outs: int, small: bool, as_json: bool) -> None:
    if small:
        entries, opt_outs = SMALL_ENTRIES, SMALL_OPT_OUTS
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(entries, opt_outs, Path(temporary), lambda line: click.echo(line, err=as_json))
    click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
