"""Slow connections and slow pictures of some: lookups by upload, and pages, go on for others. The real server, over real connections."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.hostile.measuring import REPOSITORY, peak_mb_of
from tests.support.brokers import Broker
from tests.support.databases import SqliteDatabases
from tests.support.pictures import photo_bytes
from tests.support.portals import at, free_port
from tests.support.waiting import wait_until
from tests.support.workshop import workshop

LOOKUPS = "/api/v1/lookups"
_BODY = [
    "POST /api/v1/lookups HTTP/1.1",
    "Host: {host}",
    "Content-Type: multipart/form-data; boundary=x",
    "Content-Length: 500000",
    "",
    "-",
]
BEGUN = {"half a head": "GET / HTTP/1.1\r\nHost: {host}\r\nX-", "a body of one byte": "\r\n".join(_BODY)}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sqlite_databases: SqliteDatabases, shared_broker: Broker) -> Iterator[tuple[str, int]]:
    """The server's address and process."""
    address = f"127.0.0.1:{free_port()}"
    with sqlite_databases.fresh() as url, workshop(tmp_path_factory.mktemp("shop"), url, shared_broker) as shop:
        environment = shop.environment | {"DEMUR_BASE_URL": f"http://{address}"}
        web = subprocess.Popen([sys.executable, "-m", "front", "--bind", address], cwd=REPOSITORY, env=environment)
        try:
            wait_until("uploads are read", lambda: answers(f"http://{address}"), 120)
            yield f"http://{address}", web.pid
        finally:
            web.terminate()
            assert web.wait(30) == 0


def answers(address: str) -> bool:
    try:
        return upload(address, "127.0.0.8") == 200
    except OSError:
        return False


def upload(address: str, client: str) -> int:
    with at(client) as session:
        return session.post(address + LOOKUPS, files={"picture": ("a.jpg", photo_bytes("ada", 0))}, timeout=20).status_code


@pytest.mark.parametrize("begun", BEGUN)
@pytest.mark.parametrize("connections", [4, 40])
def test_slow_connections_of_one_stop_neither_uploads_nor_pages_of_others(served: tuple[str, int], begun: str, connections: int):
    address, pid = served
    parts = urlsplit(address)
    with ExitStack() as slow:
        for _ in range(connections):
            caller = slow.enter_context(socket.create_connection((parts.hostname, parts.port), source_address=("127.0.0.2", 0)))
            caller.sendall(BEGUN[begun].format(host=parts.netloc).encode())
        assert upload(address, f"127.0.1.{connections}") == 200
        with at("127.0.0.9") as other:
            assert other.get(f"{address}/healthz", timeout=5).ok
    assert peak_mb_of(pid) < 600
