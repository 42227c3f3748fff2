"""How much may come in, from one client and from all of them, and how long it may take. Pure, but for a lock."""

import ipaddress
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

IPV6_NETWORK = 64


def network(address: str | None) -> str:
    """What counts as one client of an address: the IPv4 address, the IPv6 /64, which is what one household gets and can choose addresses
    in, or one for all who have none (a unix socket's peers)."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "none"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found), IPV6_NETWORK), strict=False))


@dataclass(frozen=True)
class Bounds:
    """What the server allows. Bytes, seconds; ``client_…`` is for one `network`, and None where all share a proxy's."""

    head_s: float = 10.0  # from a request's first byte to the end of its head
    body_s: float = 10.0  # for a body of no length; more for longer ones, by `slowest`
    slowest: float = 100_000.0  # bytes a second that a body comes at, on the whole
    longest_s: float = 300.0  # for any body
    idle_s: float = 60.0  # without a request, or without taking any byte of an answer
    connections: int = 1_000
    client_connections: int | None = 64
    bodies: int = 300_000_000  # bytes in memory, of all requests that are coming in or being answered
    client_bodies: int | None = 80_000_000

    def body_seconds(self, length: int) -> float:
        """How long a body of so many bytes may take."""
        return min(self.body_s + length / self.slowest, self.longest_s)

    def of_proxies(self) -> "Bounds":
        """The same, where every connection comes from a proxy in front: what one client takes is for that proxy to bound."""
        return replace(self, client_connections=None, client_bodies=None)


@dataclass(frozen=True)
class Head:
    """What is known of a request before its body. ``length`` is None for a body that comes in chunks."""

    method: str
    path: str
    headers: dict[str, str]  # by their CGI names without HTTP_
    length: int | None


@dataclass(frozen=True)
class Allowed:
    """How many bytes a request's body may have, and whether it goes to a temporary file instead of memory."""

    most: int
    spooled: bool = False


Allow = Callable[[Head], Allowed]


class Share:
    """Something of which there is ``most`` in all, and ``of_client`` for each client. Used by the server's loop and its threads."""

    def __init__(self, most: int, of_client: int | None) -> None:
        self._most, self._of_client = most, of_client
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, client: str, amount: int) -> bool:
        """Takes it; False, and nothing is taken, where it is more than is left."""
        with self._lock:
            theirs = self._taken[client] + amount
            if self._taken.total() + amount > self._most or (self._of_client is not None and theirs > self._of_client):
                return False
            self._taken[client] = theirs
            return True

    def of(self, client: str) -> int:
        """How much a client has taken."""
        with self._lock:
            return self._taken[client]

    def is_left(self, amount: int) -> bool:
        """Whether so much is left, of all of it."""
        with self._lock:
            return self._taken.total() + amount <= self._most

    def give_back(self, client: str, amount: int) -> None:
        with self._lock:
            self._taken[client] -= amount
            if self._taken[client] <= 0:
                del self._taken[client]
