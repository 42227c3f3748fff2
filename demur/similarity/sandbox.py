"""Pictures from strangers, decoded in processes of their own that have little to lose.

A decoder is a large body of C that reads what anyone may send. Here it runs in a fresh interpreter that inherits no memory, no
descriptor but one socket, and no setting of the portal; that may use so much memory and time and no more; that is confined
(`demur.similarity.confinement`), so that it may open no file and no socket and start no process; and that is ended when it fails at a
picture. What it answers is bytes of a bounded length: of a fingerprint they are parsed as JSON and believed in nothing but its numbers,
and the digest is the parent's own.
"""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Self

from demur.errors import DemurError
from demur.similarity.confinement import MEMORY, confine, prepare
from demur.similarity.decoding import PictureTooLarge, PictureTruncated
from demur.similarity.fingerprint import ORIENTATIONS, Fingerprint, Orientations, decode, fingerprint_of, orientations
from demur.similarity.formats import NotAPicture, PictureError, UnsupportedFormat
from demur.similarity.pdq import BEST_QUALITY
from demur.similarity.query import Query, Variant

PROCESSES = 2
TIMEOUT_S = 10.0
WAIT_S = 5.0
START_S = 120.0
"""A process is ready in about a second; without numba's cache on disk it first compiles for half a minute."""
PICTURES = 200
"""A process is replaced after so many, and with it whatever it has leaked."""

_ANSWER_BYTES = 1 << 22
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NUMBA_CACHE_DIR", "TZ", "XDG_CACHE_HOME")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""Bytes that glibc keeps between pictures: given back and taken again for each, they cost two fifths of the time."""
_DONE, _NO_MEMORY, _FAULT = "done", "no-memory", "fault"
_FAILURES = (_NO_MEMORY, _FAULT)
_REFUSALS: dict[str, type[PictureError]] = {
    each.__name__: each for each in (NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated)
}
_CRASHED = "This picture file cannot be read: its decoder failed on it."


class DecodingTimedOut(PictureError):
    """The picture takes longer to decode than it is worth."""


class DecoderCrashed(PictureError):
    """The process that decoded the picture died of it, or answered nonsense."""


class SandboxBusy(DemurError):
    """All processes were at work on other pictures for as long as one may wait."""


class SandboxCannotStart(DemurError):
    """A process ended before it was ready for a picture: something is wrong with the installation, not with a picture."""


@dataclass(frozen=True)
class Picture:
    """What is known of a picture after decoding: its fingerprint, and what to search it by, unless that was not asked for."""

    fingerprint: Fingerprint
    variants: tuple[Variant, ...]

    @property
    def query(self) -> Query:
        return Query(self.fingerprint.sha256, self.variants)


DESCRIBED, FINGERPRINTED = "demur.similarity.sandbox:described", "demur.similarity.sandbox:fingerprinted"
"""What a sandbox may be made for, of what `Sandbox.read` understands."""


def described(data: bytes) -> bytes:
    """What a process does with a picture: its `Picture` as JSON. Raises PictureError."""
    from demur.similarity.edits import variants

    luma, size = decode(data)
    found = variants(luma)
    whole = found[: len(ORIENTATIONS)]
    hashes = Orientations(tuple(each.phash for each in whole), tuple(each.pdq for each in whole), whole[0].quality)
    return _told(Picture(fingerprint_of(hashes, size), found))


def fingerprinted(data: bytes) -> bytes:
    """As `described`, without what to search the picture by. Raises PictureError."""
    luma, size = decode(data)
    return _told(Picture(fingerprint_of(orientations(luma), size), ()))


def _told(picture: Picture) -> bytes:
    return json.dumps(asdict(picture), default=bytes.hex).encode()


Took = Callable[[float], None]


def uncounted(_seconds: float) -> None:
    """Nobody counts the seconds."""


class Sandbox:
    """At most `processes` at once, started when first needed and kept. Usable by many threads, and after a fork.

    `work` is "module:function" of the function that runs inside, from the picture file's bytes to the answer's; or
    "module:function:64" of one that takes a whole number besides.
    """

    def __init__(
        self,
        *,
        processes: int = PROCESSES,
        timeout: float = TIMEOUT_S,
        wait: float = WAIT_S,
        memory: int = MEMORY,
        pictures: int = PICTURES,
        work: str = DESCRIBED,
    ) -> None:
        self.processes, self._timeout, self._wait, self._pictures = processes, timeout, wait, pictures
        self._command = [
            sys.executable,
            "-c",
            _BOOT,
            json.dumps([os.path.abspath(place) for place in sys.path]),
            work,
            str(memory),
            str(int(timeout) + 1),
        ]
        self._idle: list[_Process] = []
        self._turns = threading.BoundedSemaphore(processes)
        self._closed = False
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)
        _sandboxes.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self, data: bytes, timeout: float | None = None, took: Took = uncounted) -> Picture:
        """The picture in `data`, of a sandbox made for `DESCRIBED` or `FINGERPRINTED`. Raises as `ask`."""
        return _picture(self.ask(data, timeout, took), hashlib.sha256(data).hexdigest())

    def ask(self, data: bytes, timeout: float | None = None, took: Took = uncounted) -> bytes:
        """What `work` answers of the picture in `data`, within `timeout` seconds. Believe no byte of it.

        `took` is called with the seconds that a process worked on it, also where that failed.

        Raises:
            NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated, DecodingTimedOut, DecoderCrashed: each a `PictureError`.
            SandboxBusy, SandboxCannotStart: the picture was not looked at.
        """
        with self._turn():
            process = self._taken()
            try:
                process.await_ready()
                began = time.monotonic()
                try:
                    kind, answer = process.ask(data, self._timeout if timeout is None else timeout)
                finally:
                    took(time.monotonic() - began)
            except BaseException:
                self._replace(process)
                raise
            if kind in _FAILURES or process.asked >= self._pictures:
                self._replace(process)
            else:
                self._keep(process)
        if kind == _DONE:
            return answer
        raise _error(kind, answer)

    def warm(self) -> None:
        """Starts the processes now, so that no picture waits for one. Returns at once."""
        while len(self._idle) < self.processes:
            self._idle.append(_Process(self._command))

    def close(self) -> None:
        """Ends every process; those at work end with their picture."""
        self._closed = True
        _stop_all(self._idle)

    def forget(self) -> None:
        """In a forked child: lets go of the parent's processes, which it must not talk to."""
        self._idle.clear()
        self._turns = threading.BoundedSemaphore(self.processes)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        turns = self._turns
        if not turns.acquire(timeout=self._wait):
            raise SandboxBusy("Too many pictures are being read just now; please try again in a moment.")
        try:
            yield
        finally:
            turns.release()

    def _taken(self) -> "_Process":
        """One that waits, unless it died waiting, or a new one."""
        try:
            while not (process := self._idle.pop()).is_alive():
                process.stop()
        except IndexError:
            return _Process(self._command)
        return process

    def _replace(self, process: "_Process") -> None:
        """The new one starts at once, so that the next picture need not wait for it."""
        process.stop()
        self._keep(_Process(self._command))

    def _keep(self, process: "_Process") -> None:
        self._idle.append(process)
        if self._closed:
            _stop_all(self._idle)


class _Process:
    """One process and the socket to it. It is asked by one thread at a time."""

    def __init__(self, command: list[str]) -> None:
        self._channel, theirs = Pipe()
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _ONE_THREAD | _KEPT_MEMORY
        with theirs:
            self._child = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._ready = False
        self._late = False
        self.asked = 0
        _processes.add(self)

    def ask(self, data: bytes, timeout: float) -> tuple[str, bytes]:
        """(kind, text) of the answer: `_DONE`, the name of a PictureError, or one of `_FAILURES`.

        Raises:
            DecodingTimedOut, DecoderCrashed, SandboxCannotStart.
        """
        self.asked += 1
        try:
            with self._killed_after(timeout):
                self._channel.send_bytes(data)
                kind, _, text = self._channel.recv_bytes(_ANSWER_BYTES).partition(b" ")
        except (EOFError, OSError) as error:
            if self._late:
                raise DecodingTimedOut("This picture takes too long to read; please send a smaller or simpler copy.") from error
            raise DecoderCrashed(_CRASHED) from error
        return kind.decode("ascii", "replace"), text

    def await_ready(self) -> None:
        if self._ready:
            return
        try:
            with self._killed_after(START_S):
                self._channel.recv_bytes(_ANSWER_BYTES)
        except (EOFError, OSError) as error:
            raise SandboxCannotStart(
                "The process that reads pictures does not start; see that demur and its libraries are installed."
            ) from error
        self._ready = True

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        """Ends the child when time is up, upon which whoever waits for its socket sees it closed."""
        timer = threading.Timer(seconds, self._kill_late)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _kill_late(self) -> None:
        self._late = True
        self._kill()

    def _kill(self) -> None:
        """With whatever it has started: it leads a group of its own."""
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def is_alive(self) -> bool:
        return self._child.poll() is None

    def stop(self) -> None:
        if self.is_alive():
            self._kill()
        self._child.wait()
        self._channel.close()

    def let_go(self) -> None:
        """Of another process's child: it is not ours to end or to wait for."""
        self._child.returncode = 0
        self._channel.close()


def _stop_all(processes: list[_Process]) -> None:
    while processes:
        processes.pop().stop()


_processes: "weakref.WeakSet[_Process]" = weakref.WeakSet()
_sandboxes: "weakref.WeakSet[Sandbox]" = weakref.WeakSet()


def _forget_all() -> None:
    for process in list(_processes):
        process.let_go()
    for sandbox in list(_sandboxes):
        sandbox.forget()


os.register_at_fork(after_in_child=_forget_all)


def _error(kind: str, text: bytes) -> PictureError:
    if kind in _REFUSALS:
        return _REFUSALS[kind](text.decode("utf-8", "replace"))
    if kind == _NO_MEMORY:
        return PictureTooLarge("This picture needs too much memory to read; please send a smaller copy.")
    crash = DecoderCrashed(_CRASHED)
    crash.add_note(text.decode("utf-8", "replace"))
    return crash


def _picture(answer: bytes, sha256: str) -> Picture:
    try:
        fields = json.loads(answer)
        return Picture(_fingerprint(fields["fingerprint"], sha256), tuple(_variant(each) for each in fields["variants"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecoderCrashed("This picture file cannot be read: its decoder answered nonsense.") from error


def _fingerprint(fields: dict[str, object], sha256: str) -> Fingerprint:
    numbers = {name: _whole(fields[name]) for name in ("phash", "width", "height")}
    phashes = tuple(_whole(each) for each in _turned(fields["dihedral_phash"]))
    pdqs = tuple(_octets(each, 32) for each in _turned(fields["dihedral_pdq"]))
    quality = _whole(fields["pdq_quality"], BEST_QUALITY)
    return Fingerprint(
        sha256=sha256, pdq=_octets(fields["pdq"], 32), pdq_quality=quality, dihedral_phash=phashes, dihedral_pdq=pdqs, **numbers
    )


def _variant(fields: dict[str, object]) -> Variant:
    phash, quality = _whole(fields["phash"]), _whole(fields["quality"], BEST_QUALITY)
    return Variant(str(fields["edit"]), _whole(fields["dihedral"], len(ORIENTATIONS) - 1), phash, _octets(fields["pdq"], 32), quality)


def _whole(value: object, most: int = (1 << 64) - 1) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(value)
    return value


def _turned(value: object) -> list[object]:
    """One of each of `ORIENTATIONS`."""
    if not isinstance(value, list) or len(value) != len(ORIENTATIONS):
        raise ValueError(value)
    return value


def _octets(value: object, number: int) -> bytes:
    octets = bytes.fromhex(str(value))
    if len(octets) != number:
        raise ValueError(value)
    return octets


_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from demur.similarity import sandbox; sandbox.serve(*sys.argv[2:])"


def serve(work: str, memory: str, seconds: str, descriptor: str) -> None:
    """What a process runs: pictures come by the socket `descriptor`, until the parent closes it or is gone."""
    function = _function(work)
    prepare(function)
    confine(int(memory))
    with Connection(int(descriptor)) as channel:
        channel.send_bytes(b"ready")
        while True:
            try:
                data = channel.recv_bytes()
            except EOFError:
                return
            _limit_cpu(int(seconds))
            channel.send_bytes(_answer(function, data))


def _function(work: str) -> Callable[[bytes], bytes]:
    module, name, *numbers = work.split(":")
    function = getattr(import_module(module), name)
    return lambda data: function(data, *map(int, numbers))


def _limit_cpu(seconds: int) -> None:
    """From now on. The parent's timer is quicker; this one works when the parent is gone."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + seconds, resource.RLIM_INFINITY))


def _answer(function: Callable[[bytes], bytes], data: bytes) -> bytes:
    try:
        return _DONE.encode() + b" " + function(data)
    except PictureError as error:
        return f"{type(error).__name__} {error}".encode()
    except MemoryError:
        return _NO_MEMORY.encode()
    except Exception:
        return f"{_FAULT} {traceback.format_exc()}".encode()
