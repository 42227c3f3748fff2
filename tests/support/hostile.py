"""What a decoder may do once a picture has taken it over. Runs inside the sandbox's processes: see tests/unit/demur/test_sandbox.py.

A deed that succeeds answers with a picture, so that a test sees it.
"""

import ctypes
import errno
import fcntl
import json
import os
import resource
import socket
import time
from contextlib import suppress
from pathlib import Path

from PIL import Image

from demur.similarity.sandbox import described
from tests.support.pictures import png

PICTURE = png(Image.new("L", (20, 20)))


def worked_on(data: bytes) -> bytes:
    """Does what the "picture" says, a word and perhaps what to do it to; what begins with no word of these is a picture."""
    word, _, target = data.partition(b" ")
    if word in AIMED:
        AIMED[word](target.decode())
        return described(PICTURE)
    return DEEDS[data]() if data in DEEDS else described(data)


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


def _lie() -> bytes:
    """A picture of which another digest is told."""
    told = json.loads(described(PICTURE))
    told["fingerprint"]["sha256"] = "00" * 32
    return json.dumps(told).encode()


def _write(path: str) -> None:
    Path(path).touch()


def _read(path: str) -> None:
    Path(path).read_bytes()


def _open_many(number: str) -> None:
    for _ in range(int(number)):
        os.dup(0)


def _connect(port: str) -> None:
    socket.create_connection(("127.0.0.1", int(port)))


def _send(port: str) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"stolen", ("127.0.0.1", int(port)))


def _connect_locally(path: str) -> None:
    socket.socket(socket.AF_UNIX).connect(path)


def _signal(pid: str) -> None:
    os.kill(int(pid), 0)


def _own_signals(pid: str) -> None:
    """Signals that another process gets for what happens at a descriptor of ours."""
    fcntl.fcntl(0, fcntl.F_SETOWN, int(pid))


def _limit(pid: str) -> None:
    resource.prlimit(int(pid), resource.RLIMIT_CORE, resource.prlimit(int(pid), resource.RLIMIT_CORE))


def _become(program: str) -> None:
    """There is no such program, so that whoever may start programs is told just that."""
    with suppress(FileNotFoundError):
        os.execv(program, [program])


def _stay(seconds: str) -> None:
    """A grandchild in a session of its own, whom nobody ends."""
    if os.fork():
        return
    os.setsid()
    if not os.fork():
        time.sleep(float(seconds))
    os._exit(0)


def _tell() -> bytes:
    """What can be seen from inside, as an error's text."""
    raise ValueError(json.dumps({"environment": list(os.environ), "descriptors": sum(map(_is_open, range(1024))), "pid": os.getpid()}))


def _is_open(descriptor: int) -> bool:
    try:
        os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError as error:
        return error.errno == errno.ESPIPE
    return True


def _bug() -> bytes:
    raise ZeroDivisionError("a bug of ours")


def _nonsense() -> bytes:
    return b'{"fingerprint": {"sha256": "no digest"}, "variants": 3}'


def _flood() -> bytes:
    return bytes(1 << 24)


def _page() -> bytes:
    """A web page where thumbnails are asked for: one file of that length, and no other."""
    page = b"<script>alert(document.cookie)</script>"
    return len(page).to_bytes(4, "big") + bytes(8) + page


DEEDS = {
    b"crash": _crash,
    b"sleep": _sleep,
    b"spin": _spin,
    b"hoard": _hoard,
    b"lie": _lie,
    b"tell": _tell,
    b"bug": _bug,
    b"nonsense": _nonsense,
    b"flood": _flood,
    b"page-for-a-thumbnail": _page,
}

AIMED = {
    b"write": _write,
    b"read": _read,
    b"open-many": _open_many,
    b"connect": _connect,
    b"send": _send,
    b"connect-locally": _connect_locally,
    b"signal": _signal,
    b"own-signals": _own_signals,
    b"limit": _limit,
    b"become": _become,
    b"stay": _stay,
}
