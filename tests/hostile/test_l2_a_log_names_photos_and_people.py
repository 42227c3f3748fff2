"""Security finding L2: the web server logged addresses and paths, some with uids. The real server is sent what servers complain about."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.hostile.measuring import REPOSITORY
from tests.support.brokers import Broker
from tests.support.databases import SqliteDatabases
from tests.support.portals import at, free_port
from tests.support.waiting import wait_until
from tests.support.workshop import workshop

SECRET = "ph123-secret-uid"
CLIENT = "127.0.0.77"
COMPLAINED_ABOUT = (
    f"GET /photos/{SECRET} HTTP/9.9\r\nHost: x\r\n\r\n",
    f"GET /photos/{SECRET}\r\n\r\n",
    f"G\x01T /photos/{SECRET} HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /photos/{SECRET} HTTP/1.1\r\nHost: x\r\nX-{SECRET} : 1\r\n\r\n",
    f"GET /photos/{SECRET} HTTP/1.1\r\nHost: {SECRET}\r\nHost: y\r\n\r\n",
    f"POST /photos/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: {SECRET}\r\n\r\n",
    f"POST /photos/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    f"GET /photos/{SECRET}{'x' * 300_000} HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /photos/{SECRET}%FF%00 HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n\r\n",
)


@pytest.fixture
def served(tmp_path: Path, sqlite_databases: SqliteDatabases, shared_broker: Broker) -> Iterator[tuple[str, Path]]:
    """The server's address, and everything that it says."""
    address, log = f"127.0.0.1:{free_port()}", tmp_path / "web.log"
    with sqlite_databases.fresh() as url, workshop(tmp_path / "shop", url, shared_broker) as shop, log.open("wb") as said:
        environment = shop.environment | {"DEMUR_BASE_URL": f"http://{address}"}
        command = [sys.executable, "-m", "front", "--bind", address]
        web = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            wait_until("the server answers", lambda: answers(f"http://{address}"), 120)
            yield f"http://{address}", log
        finally:
            web.terminate()
            web.wait(30)


def answers(address: str) -> bool:
    with suppress(OSError), at("127.0.0.1") as session:
        return session.get(f"{address}/healthz", timeout=5).ok
    return False


def test_nothing_that_is_sent_makes_the_server_log_a_path_or_an_address(served: tuple[str, Path]):
    address, log = served
    place = urlsplit(address)
    for sent in COMPLAINED_ABOUT:
        where = (str(place.hostname), int(place.port or 0))
        with socket.create_connection(where, timeout=20, source_address=(CLIENT, 0)) as caller, suppress(OSError):
            caller.sendall(sent.format(host=place.netloc).encode())
            caller.recv(65_536)
    assert answers(address)
    said = log.read_text(errors="replace")
    assert '"event": "request"' in said
    assert SECRET not in said
    assert CLIENT not in said
