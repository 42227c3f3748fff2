"""Answers over HTTP that end in time, head and body, however little comes at a time.

The timeouts of requests bound the wait for the next bytes. A server that sends a byte now and then is never late for those.
"""

import io
import socket
import time
from functools import partial
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TIMEOUT_S = 5.0
"""To connect, and between two reads."""


class UntilDue(HTTPAdapter):
    """Everything that is read over its connections is read before ``due``, on the monotonic clock; later reads are read timeouts."""

    def __init__(self, due: float) -> None:
        self._due = due
        super().__init__()

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> HTTPConnectionPool:
        pool = cast(HTTPConnectionPool, super().get_connection_with_tls_context(*arguments, **options))
        timed = {"response_class": partial(_answer, self._due)}
        pool.ConnectionCls = type("TimedConnection", (pool.ConnectionCls,), timed)  # of this pool alone
        return pool


def _answer(due: float, connected: socket.socket, *arguments: Any, **options: Any) -> HTTPResponse:
    answer = HTTPResponse(connected, *arguments, **options)
    answer.fp = io.BufferedReader(_Timed(due, connected, answer.fp.detach()))
    return answer


class _Timed(io.RawIOBase):
    def __init__(self, due: float, connected: socket.socket, incoming: io.RawIOBase) -> None:
        self._due, self._connected, self._incoming = due, connected, incoming

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        left = self._due - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not here in time")
        self._connected.settimeout(min(TIMEOUT_S, left))
        return self._incoming.readinto(buffer)

    def close(self) -> None:
        self._incoming.close()
        super().close()
