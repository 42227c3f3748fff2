"""Real exclusion lists on disk and over HTTP, for tests of their readers."""

import base64
import io
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from demur.digests import canonical_json
from demur.exclusions import Entry, EntryTable, Head, KeyKind, Version, build_version, place_version, point_head, written_version
from demur.exclusions.delta import Delta
from demur.exclusions.head import PAYLOAD_TYPE
from demur.signing import SigningKey

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIFETIME = timedelta(days=7)
LIST_ID = "op.example/opt-outs"


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def hexes(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=length, max_size=length)


entries = st.one_of(
    st.builds(Entry, st.sampled_from([KeyKind.UID, KeyKind.URL, KeyKind.OWNER]), texts),
    st.builds(Entry, st.just(KeyKind.SHA256), hexes(64)),
    st.builds(Entry, st.just(KeyKind.PHASH), hexes(16), hexes(64)),
)


def uids(*names: str) -> list[Entry]:
    return [Entry(KeyKind.UID, name) for name in names]


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def as_listed(entries: Sequence[Entry]) -> bytes:
    """A file of entries that no honest writer makes: in the order given."""
    columns = {name: pa.array([str(getattr(entry, name)) for entry in entries], pa.string()) for name in ("kind", "key", "pdq")}
    return parquet(**columns)


def build(entries: Iterable[Entry], previous: Version | None = None, published_at: datetime = NOW) -> Version:
    before = previous.entries if previous else EntryTable.of(())
    return build_version(
        Delta.between(before, EntryTable.of(entries)),
        previous.head if previous else None,
        before,
        list_id=LIST_ID,
        published_at=published_at,
        expires_at=published_at + LIFETIME,
        trail=previous.trail if previous else 0,
    )


def publish(directory: Path, key: SigningKey, entries: Iterable[Entry], previous: Version | None = None) -> Version:
    version = build(entries, previous)
    publish_version(directory, key, version)
    return version


def sign_head(head: Head, key: SigningKey) -> bytes:
    return key.sign(head.payload(), PAYLOAD_TYPE)


def sign_fields(fields: dict[str, object], key: SigningKey) -> bytes:
    """A head that no honest writer makes: signed, whatever its fields are."""
    return key.sign(canonical_json(fields), PAYLOAD_TYPE)


class ListServer(ThreadingHTTPServer):
    """Serves a directory as the portal serves a list: API token, ETag, 304. Counts what it answered."""

    daemon_threads = True

    def __init__(self, directory: Path, token: str) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(directory)))
        self.token = token
        self.answers: list[tuple[str, int]] = []
        self.failures = 0  # how many of the next requests answer 503
        self.endless: str | None = None  # a path that is answered without end

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(SimpleHTTPRequestHandler):
    server: ListServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._refuse()
        elif self.server.failures:
            self.server.failures -= 1
            self._empty(503)
        elif self.path == self.server.endless:
            self._endless()
        else:
            self._file()

    def _file(self) -> None:
        try:
            data = Path(self.translate_path(self.path)).read_bytes()
        except OSError:
            return self._empty(404)
        etag = f'"{base64.b16encode(data[-8:]).decode()}-{len(data)}-{hash(data)}"'
        if self.headers.get("If-None-Match") == etag:
            return self._empty(304)
        self.send_response(200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            return

    def _refuse(self) -> None:
        body = json.dumps({"error": "Please sign in", "detail": "there is no such token"}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _empty(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.server.answers.append((self.path, int(code)))


@contextmanager
def serve(directory: Path, token: str = "secret") -> Iterator[ListServer]:
    with ListServer(directory, token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def build_version_for_today(entries: Iterable[Entry]) -> Version:
    """For readers that use the real clock."""
    return build(entries, published_at=datetime.now(UTC))


def write_version(directory: Path, version: Version, key: SigningKey) -> None:
    """As a publisher whose record of what is published is the head alone."""
    with written_version(directory, version, key) as written:
        place_version(directory, written)


def publish_version(directory: Path, key: SigningKey, version: Version) -> None:
    write_version(directory, version, key)
    point_head(directory, version.head.version)
