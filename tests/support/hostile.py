"""What a decoder may do once a picture has taken it over. Runs inside the sandbox's processes: see tests/unit/demur/test_sandbox.py."""

import ctypes
import json
import os
import socket
import time
from pathlib import Path

from demur.similarity.sandbox import described


def worked_on(data: bytes) -> bytes:
    """Does what the "picture" says; what is no word of these is a picture."""
    deed = DEEDS.get(data)
    return deed() if deed else described(data)


def _crash() -> bytes:
    return ctypes.string_at(0)


def _sleep() -> bytes:
    time.sleep(60)
    return b""


def _spin() -> bytes:
    while True:
        pass


def _hoard() -> bytes:
    return bytes(8 << 30)


def _write() -> bytes:
    Path("/tmp/left-behind-by-a-picture").touch()
    return b""


def _open_many() -> bytes:
    sockets = [socket.socket() for _ in range(100)]
    return str(sockets).encode()


def _read() -> bytes:
    return Path("/etc/passwd").read_bytes()


def _connect() -> bytes:
    with socket.socket() as caller:
        caller.connect(("127.0.0.1", 9))
    return b""


def _tell() -> bytes:
    """What can be seen from inside, as an error's text."""
    raise ValueError(json.dumps({"environment": list(os.environ), "descriptors": sum(map(_is_open, range(1024))), "pid": os.getpid()}))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _bug() -> bytes:
    raise ZeroDivisionError("a bug of ours")


def _nonsense() -> bytes:
    return b'{"fingerprint": {"sha256": "no digest"}, "variants": 3}'


def _flood() -> bytes:
    return bytes(1 << 24)


DEEDS = {
    b"crash": _crash,
    b"sleep": _sleep,
    b"spin": _spin,
    b"hoard": _hoard,
    b"write": _write,
    b"read": _read,
    b"connect": _connect,
    b"open many": _open_many,
    b"tell": _tell,
    b"bug": _bug,
    b"nonsense": _nonsense,
    b"flood": _flood,
}
