"""What must hold before anything is started. Each failure is one sentence that says what to do."""

import fcntl
import socket
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit


class CannotStart(Exception):
    """Something stands in the way; the message is for the person at the terminal."""


class PortInUse(CannotStart):
    pass


class DataDirUnwritable(CannotStart):
    pass


class AlreadyRunning(CannotStart):
    pass


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a base URL."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)


def require_free(address: tuple[str, int], purpose: str, setting: str) -> None:
    """Raises PortInUse when something listens at ``address``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a server that just ended is free
        try:
            probe.bind(address)
        except OSError as error:
            host, port = address
            raise PortInUse(f"Port {port} on {host} is in use, and {purpose} needs it. Stop what uses it, or set {setting}.") from error


def hold(data_dir: Path) -> IO[str]:
    """Makes the data directory and holds it until the file returned is closed. Raises DataDirUnwritable, AlreadyRunning."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(exist_ok=True)
        lock = (data_dir / "running.lock").open("w")
    except OSError as error:
        raise DataDirUnwritable(f"The data directory {data_dir} cannot be written ({error.strerror}). Set DEMUR_DATA_DIR.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AlreadyRunning(f"Demur already runs on the data directory {data_dir}.") from error
    return lock
