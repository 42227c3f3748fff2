"""The web server: a request that is not whole costs no thread, and nobody's connections or bodies crowd others out."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
import requests

from front.admission import Allowed, Bounds, Head
from front.server import PatientServer
from tests.support.portals import at, free_port
from tests.support.waiting import wait_until

THREADS = 2
BOUNDS = Bounds(head_s=1, body_s=1, idle_s=2, connections=60, client_connections=40, bodies=3_000_000, client_bodies=2_000_000)


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with the number of bytes that were sent, and how many came."""
    sent = environ.get("CONTENT_LENGTH") or "0"
    start("200 OK", [("Content-Type", "text/plain")])
    return [f"{sent} {len(environ['wsgi.input'].read())}".encode()]


def allow(head: Head) -> Allowed:
    """A picture at one path, a file at another, a few fields elsewhere."""
    return Allowed(50_000_000, spooled=True) if head.path == "/file" else Allowed(1_500_000 if head.path == "/picture" else 64_000)


@contextmanager
def running(bounds: Bounds = BOUNDS) -> Iterator[str]:
    port = free_port()
    server = PatientServer(application, allow, bounds, host="127.0.0.1", port=port, threads=THREADS)
    thread = threading.Thread(target=server.asyncore.loop, kwargs={"timeout": 0.1, "map": server._map, "use_poll": True})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        for channel in list(server.active_channels.values()):
            channel.will_close = True
        server.close()
        thread.join(10)
        server.task_dispatcher.shutdown()


@pytest.fixture
def served() -> Iterator[str]:
    with running() as address:
        yield address


def connect(address: str, sent: bytes, client: str = "127.0.0.1") -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    caller = socket.create_connection((host, int(port)), timeout=20, source_address=(client, 0))
    caller.sendall(sent)
    return caller


def head_of(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def answer(address: str, sent: bytes) -> bytes:
    with connect(address, sent) as caller:
        return caller.recv(65_536)


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nHost: x\r\nX-", head_of("/picture", "Content-Length: 1000") + b"some"])
def test_half_requests_hold_no_thread_and_are_ended(served: str, begun: bytes):
    with ExitStack() as open_ones:
        callers = [open_ones.enter_context(connect(served, begun)) for _ in range(10 * THREADS)]
        assert requests.get(served, timeout=5).text == "0 0"
        for caller in callers:
            assert caller.recv(1) == b""  # closed by the server, in its time
        assert requests.get(served, timeout=5).text == "0 0"


def test_a_body_that_trickles_does_not_outlast_its_deadline(served: str):
    with connect(served, head_of("/picture", "Content-Length: 1000")) as caller:

        def ended() -> bool:
            try:
                caller.sendall(b"x")
            except OSError:
                return True
            return False

        wait_until("the connection is closed", ended)


def test_a_client_has_its_share_of_connections_and_others_theirs(served: str):
    with ExitStack() as open_ones:
        callers = [open_ones.enter_context(connect(served, b"")) for _ in range(50)]
        refused = [caller for caller in callers[40:] if caller.recv(1) == b""]
        assert len(refused) == 10
        with at("127.0.0.2") as other:
            assert other.get(served, timeout=5).ok


def test_visitors_get_in_while_some_hold_all_connections(served: str):
    begun = [b"", b"GET / HT", head_of("/picture", "Content-Length: 60000") + b"some"]
    with ExitStack() as open_ones:
        for client in ("127.0.0.2", "127.0.0.3"):
            for number in range(30):
                open_ones.enter_context(connect(served, begun[number % 3], client))
        for visitor in range(4, 12):
            with at(f"127.0.0.{visitor}") as other:
                assert other.get(served, timeout=5).ok


def test_a_visitor_with_one_connection_keeps_it_while_others_come_and_go(served: str):
    with ExitStack() as open_ones:
        begun = open_ones.enter_context(connect(served, b"GET / HTTP/1.1\r\n", "127.0.0.9"))
        for client in ("127.0.0.2", "127.0.0.3"):
            for _ in range(35):
                open_ones.enter_context(connect(served, b"", client))
        begun.sendall(b"Host: x\r\n\r\n")
        assert begun.recv(100).startswith(b"HTTP/1.1 200")


def test_bodies_of_one_client_leave_room_for_others_and_give_it_back(served: str):
    with ExitStack() as open_ones:
        open_ones.enter_context(connect(served, head_of("/picture", "Content-Length: 1400000") + b"x"))
        wait_until("its room is taken", lambda: requests.post(served + "/picture", data=b"x" * 700_000, timeout=5).status_code == 503)
        with at("127.0.0.2") as other:
            assert other.post(served + "/picture", data=b"x" * 1_400_000, timeout=5).text == "1400000 1400000"
    wait_until("it is given back", lambda: requests.post(served + "/picture", data=b"x" * 1_400_000, timeout=5).ok)


def test_a_body_that_is_too_large_is_read_to_its_end_and_kept_nowhere(served: str):
    assert requests.post(served + "/picture", data=b"x" * 8_000_000, timeout=20).text == "8000000 0"
    assert requests.post(served + "/fields", data=b"x" * 64_001, timeout=5).text == "64001 0"


def test_a_body_in_chunks_is_bounded_as_well(served: str):
    assert requests.post(served + "/picture", data=iter([b"x" * 1000] * 3), timeout=5).text == "3000 3000"
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    assert b" 413 " in answer(served, head_of("/picture", "Transfer-Encoding: chunked") + 2 * chunk)


def test_a_machines_file_takes_no_memory_of_the_bodies(served: str):
    assert requests.post(served + "/file", data=b"x" * 5_000_000, timeout=20).text == "5000000 5000000"


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: 3", "Host: other"),
        ("Content-Length: -3",),
        ("Content-Length: +3",),
        ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding : chunked",),
    ],
)
def test_a_request_that_two_servers_could_read_differently_is_refused(served: str, lines: tuple[str, ...]):
    status = answer(served, head_of("/", *lines) + b"abc").split()[1]
    assert status in (b"400", b"501")


def test_an_idle_connection_ends_and_behind_a_proxy_no_address_is_counted():
    with running(replace(BOUNDS, client_connections=None, client_bodies=None)) as address, ExitStack() as open_ones:
        callers = [open_ones.enter_context(connect(address, b"")) for _ in range(45)]
        assert requests.get(address, timeout=5).ok
        assert callers[44].recv(1) == b""
