"""What a process gives up before it decodes pictures of strangers, for good.

- Limits: so much memory, files and cores written of no length, few descriptors; and no right can be gained.
- Landlock, where the kernel has it (Linux 5.13): no file, and from 6.7 on no TCP connection.
- A seccomp filter on x86-64 and aarch64: of the kernel's calls those in the tables below still exist, which is no way to open a socket, to
  start a program or a process, to leave the group that the parent kills, or to reach another process. Elsewhere there is no filter.
"""

import ctypes
import errno
import io
import os
import resource
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MEMORY = 1 << 30
"""Bytes of address space beyond the interpreter and its libraries: enough for the largest picture (`MAX_PIXELS`) but in WebP."""

_DESCRIPTORS = 64
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many kinds of access to files a version of Landlock knows; 16 from version 5 on."""

_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_CLONE_THREAD = 0x10000
_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
_WORD = 0xFFFFFFFF
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06  # instructions of classic BPF
_ALLOW, _ABSENT, _KILL = 0x7FFF0000, 0x00050000 | errno.ENOSYS, 0x80000000
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data


@dataclass(frozen=True)
class _Call:
    """A call of the kernel that stays, by its number on each machine, when the low word of an argument, masked, is as it should be."""

    x86_64: int
    aarch64: int
    argument: int = 0
    mask: int = 0
    value: int = 0


_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = _Call(317, 277)


def _kept() -> tuple[_Call, ...]:
    """Memory, threads, time, and the descriptors that are open."""
    return (
        _Call(0, 63),  # read
        _Call(1, 64),  # write
        _Call(3, 57),  # close
        _Call(5, 80),  # fstat
        _Call(8, 62),  # lseek
        _Call(9, 222),  # mmap
        _Call(10, 226),  # mprotect
        _Call(11, 215),  # munmap
        _Call(12, 214),  # brk
        _Call(25, 216),  # mremap
        _Call(28, 233),  # madvise
        _Call(13, 134),  # rt_sigaction
        _Call(14, 135),  # rt_sigprocmask
        _Call(15, 139),  # rt_sigreturn
        _Call(131, 132),  # sigaltstack
        _Call(219, 128),  # restart_syscall
        _Call(202, 98),  # futex
        _Call(273, 99),  # set_robust_list
        _Call(334, 293),  # rseq
        _Call(24, 124),  # sched_yield
        _Call(204, 123),  # sched_getaffinity
        _Call(39, 172),  # getpid
        _Call(186, 178),  # gettid
        _Call(96, 169),  # gettimeofday
        _Call(228, 113),  # clock_gettime
        _Call(230, 115),  # clock_nanosleep
        _Call(318, 278),  # getrandom
        _Call(60, 93),  # exit
        _Call(231, 94),  # exit_group
        _Call(56, 220, 0, _CLONE_THREAD, _CLONE_THREAD),  # clone: a thread; libde265 works in one
        _Call(302, 261, 0, _WORD, 0),  # prlimit64: of this process
        _Call(234, 131, 0, _WORD, os.getpid()),  # tgkill: this process, as abort() does
    )


_READING = (
    _Call(257, 56, 2, _WRITING, os.O_RDONLY),  # openat: to read
    _Call(262, 79),  # newfstatat
    _Call(89, 78),  # readlink; readlinkat
    _Call(79, 17),  # getcwd
)


def prepare(work: Callable[[bytes], object]) -> None:
    """Loads and compiles what any picture needs, while files may still be opened: compiled code is kept on disk.

    Decoders are held to one thread, since several processes decode at once.
    """
    import pi_heif.options
    from PIL import AvifImagePlugin, Image, ImageOps

    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pi_heif.options.DECODE_THREADS = 1
    framed = ImageOps.expand(Image.effect_noise((64, 64), 128).resize((900, 280)), 40, "white")
    for shape in (framed, framed.transpose(Image.Transpose.ROTATE_90), framed.resize((20, 4))):
        sample = io.BytesIO()
        shape.save(sample, "PNG")
        work(sample.getvalue())


def confine(memory: int, *, reads_files: bool = False) -> None:
    """From now on this process is held to `memory` bytes more than it has; what it may open is nothing, or files to read them.

    Raises OSError, ValueError: the kernel refuses, and the process must not go on.
    """
    with open("/proc/self/statm") as pages:
        taken = int(pages.read().split()[0]) * resource.getpagesize()
    for limit, most in (
        (resource.RLIMIT_AS, taken + memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
    ):
        resource.setrlimit(limit, (most, most))
    kernel = ctypes.CDLL(None, use_errno=True)
    _set(kernel, _PR_SET_NO_NEW_PRIVS, 1)
    if reads_files:
        _filter_calls(kernel, (*_kept(), *_READING))
    else:
        _set(kernel, _PR_SET_DUMPABLE, 0)
        _close_files(kernel)
        _filter_calls(kernel, _kept())


def _set(kernel: ctypes.CDLL, option: int, value: int) -> None:
    if kernel.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _close_files(kernel: ctypes.CDLL) -> None:
    """Landlock: every access that it can forbid is handled, and nothing is allowed. Older kernels leave it at the other two."""
    version = kernel.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return
    files, connections, signals = (1 << _LANDLOCK_FILE_RIGHTS.get(version, 16)) - 1, 0b11, 0b11
    handled = [files] + [connections] * (version >= 4) + [signals] * (version >= 6)
    rules = (ctypes.c_uint64 * len(handled))(*handled)
    descriptor = kernel.syscall(_LANDLOCK_CREATE_RULESET, rules, ctypes.sizeof(rules), 0)
    if descriptor < 0 or kernel.syscall(_LANDLOCK_RESTRICT_SELF, descriptor, 0):
        raise OSError(ctypes.get_errno(), "landlock")
    os.close(descriptor)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter_calls(kernel: ctypes.CDLL, calls: tuple[_Call, ...]) -> None:
    """Seccomp, in all threads. A call that is not kept answers ENOSYS, so that libraries fall back: glibc from clone3 to clone."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        return
    code = b"".join(_instructions(machine, calls))
    program = _Program(len(code) // 8, code)
    if kernel.syscall(getattr(_SECCOMP, machine), _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "seccomp")


def _instructions(machine: str, calls: tuple[_Call, ...]) -> Iterator[bytes]:
    """Calls of another machine's kind, such as 32-bit ones, have other numbers: they end the process."""
    yield _instruction(_LOAD, _MACHINE_AT)
    yield _instruction(_EQUAL, _MACHINES[machine], then=1)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER_AT)
    for call in calls:
        yield _instruction(_EQUAL, getattr(call, machine), otherwise=5)
        yield _instruction(_LOAD, _ARGUMENTS_AT + 8 * call.argument)
        yield _instruction(_AND, call.mask)
        yield _instruction(_EQUAL, call.value, otherwise=1)
        yield _instruction(_RETURN, _ALLOW)
        yield _instruction(_RETURN, _ABSENT)
    yield _instruction(_RETURN, _ABSENT)


def _instruction(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One of 8 bytes; `then` and `otherwise`: how many to leap when a comparison holds or fails."""
    return struct.pack("HBBI", code, then, otherwise, operand)
