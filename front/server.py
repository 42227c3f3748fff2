"""Waitress with bounds: which body is allowed is known from its head, and every request, connection and answer has its time.

A request that is not complete costs no thread, whatever it waits for. A body is kept in memory until it is answered, never on disk: it may
be somebody's picture. Only views for machines' large files, which ask for a token first, have theirs spooled to a temporary file.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from waitress.adjustments import Adjustments
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import FixedStreamReceiver
from waitress.server import TcpWSGIServer
from waitress.utilities import Error, RequestEntityTooLarge

from front.admission import Allow, Bounds, Head, Share, network

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

DRAINED_BYTES = 250_000_000
"""A body that is too large is still received so far, and thrown away: a browser reads no answer before it has sent everything."""
_TICK_S = 1.0


class Busy(Error):
    """All room for bodies is taken, by this client or by everyone together."""

    code = 503
    reason = "Service Unavailable"


class _Nowhere(OverflowableBuffer):
    """Keeps nothing of what is appended."""

    def append(self, s: bytes) -> None:
        return


class BoundedRequest(HTTPRequestParser):
    """Judges the body by the head, takes room for it, and gives the room back when the request ends."""

    def __init__(self, adj: Adjustments, channel: "PatientChannel") -> None:
        super().__init__(adj)
        self._channel = channel
        self._most: int | None = None
        self._room = 0

    def parse_header(self, header_plus: bytes) -> None:
        """Besides: no two lengths of one body, and no two hosts. Raises ParsingError."""
        names = [line.partition(b":")[0].strip().lower() for line in header_plus.split(b"\r\n")[1:]]
        if names.count(b"host") > 1 or names.count(b"content-length") > 1 or {b"content-length", b"transfer-encoding"} <= set(names):
            raise ParsingError("One host and one length, please")
        super().parse_header(header_plus)

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.headers_finished and self._most is None and not self.error:
            self._judge()
        elif self._most is not None and self.body_bytes_received > self._most and not isinstance(self.body_rcv, FixedStreamReceiver):
            self._refuse(RequestEntityTooLarge(f"exceeds {self._most} bytes"))
        return consumed

    def _judge(self) -> None:
        self._most = 0
        if self.body_rcv is None:
            return
        length = None if self.chunked else self.content_length
        allowed = self._channel.server.allow(Head(self.command, self.path, self.headers, length))
        self._most = allowed.most
        needed = allowed.most if length is None else length
        self._channel.wait_for_body(needed)
        if needed > allowed.most:
            self._drain(needed)
        elif allowed.spooled:
            self.body_rcv.buf.overflow = 0
        elif self._channel.server.bodies.take(self._channel.client, needed):
            self._room = needed
        else:
            self._refuse(Busy("Please try again in a moment."))

    def _drain(self, length: int) -> None:
        """The application still meets the request, and says by its length what is allowed."""
        if length > DRAINED_BYTES:
            self._refuse(RequestEntityTooLarge(f"exceeds {self._most} bytes"))
        else:
            self.body_rcv = FixedStreamReceiver(length, _Nowhere(0))

    def _refuse(self, error: Error) -> None:
        self.error, self.completed = error, True
        self.give_back()

    def give_back(self) -> None:
        """Gives the room back, once."""
        room, self._room = self._room, 0
        if room:
            self._channel.server.bodies.give_back(self._channel.client, room)

    def close(self) -> None:
        super().close()
        self.give_back()


class PatientChannel(HTTPChannel):
    """A connection, and until when what it waits for has to come."""

    server: "PatientServer"
    request: BoundedRequest | None

    def __init__(self, server: "PatientServer", sock: Any, addr: Any, adj: Adjustments, map: Any = None) -> None:
        self.client = network(str(addr[0]))
        self.parser_class = lambda adj: BoundedRequest(adj, self)
        self._due: float | None = None
        self._counted = True
        super().__init__(server, sock, addr, adj, map=map)

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self._due = time.monotonic() + self.server.bounds.head_s
        taken: bool = super().received(data)
        if self.request is None:
            self._due = None
        return taken

    def wait_for_body(self, length: int) -> None:
        self._due = time.monotonic() + self.server.bounds.body_seconds(length)

    def is_overdue(self, now: float, wall: float) -> bool:
        """Whether a request takes too long to come in, or the client nothing of what it is sent, or neither sends anything."""
        if self._due is not None:
            return now > self._due
        waits_for_client = not self.requests or self.total_outbufs_len > 0
        return waits_for_client and wall - self.last_activity > self.server.bounds.idle_s

    def waits_for_client(self) -> int | None:
        """How far its client is: 0 with nothing sent since it came or was answered, 1 within a head, 2 within a body, 3 with an answer to
        take. None while the server works for it."""
        if self.requests:
            return None
        if self.total_outbufs_len:
            return 3
        if self.request is None:
            return 0
        return 2 if self.request.headers_finished else 1

    def handle_close(self) -> None:
        super().handle_close()
        if self.request is not None:
            self.request.close()
            self.request = None

    def del_channel(self, map: Any = None) -> None:
        super().del_channel(map)
        if self._counted:
            self._counted = False
            self.server.connections.give_back(self.client, 1)


class PatientServer(TcpWSGIServer):
    """Serves ``application`` within ``bounds``; ``allow`` says of each head how large its body may be."""

    channel_class = PatientChannel

    def __init__(self, application: Wsgi, allow: Allow, bounds: Bounds, **adjustments: Any) -> None:
        self.allow, self.bounds = allow, bounds
        self.bodies = Share(bounds.bodies, bounds.client_bodies)
        self.connections = Share(bounds.connections, bounds.client_connections)
        super().__init__(
            application,
            adj=Adjustments(
                cleanup_interval=_TICK_S,
                connection_limit=bounds.connections + 16,  # the server's own sockets count, too
                inbuf_overflow=bounds.bodies,  # never to a file
                max_request_body_size=1 << 62,  # `allow` says
                asyncore_use_poll=True,
                clear_untrusted_proxy_headers=False,  # portal.security and ProxyFix decide
                ident="",
                expose_tracebacks=False,
                **adjustments,
            ),
        )

    def handle_accept(self) -> None:
        accepted = self.accept()
        if accepted is None:
            return
        connection, address = accepted
        client = network(str(address[0]))
        if not self.connections.is_left(1):
            self._end_one_that_waits()
        if not self.connections.take(client, 1):
            connection.close()
            return
        self.set_socket_options(connection)
        self.channel_class(self, connection, address, self.adj, map=self._map)

    def _end_one_that_waits(self) -> None:
        """So that a new visitor gets in: of the client with the most connections, which no visitor with a few is, the one that sent least,
        and of these the oldest."""
        waiting = [(channel, stage) for channel in self.active_channels.values() if (stage := channel.waits_for_client()) is not None]
        if waiting:
            of = {channel.client: self.connections.of(channel.client) for channel, _ in waiting}
            channel, _ = min(waiting, key=lambda one: (-of[one[0].client], one[1], one[0].creation_time))
            channel.handle_close()

    def maintenance(self, now: float) -> None:
        """Closes connections that are overdue. Waitress calls this once a `_TICK_S`."""
        moment = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(moment, now):
                channel.will_close = True


class Discreet(logging.Handler):
    """Waitress's own log without its words: they hold addresses, and an address may hold the uid of a photo."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger("front").warning("server", where=f"{record.name}.{record.funcName}", error=error)
