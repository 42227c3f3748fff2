"""Waiting for what other threads and processes do, as long as a busy machine may take for it."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(what: str, look: Callable[[], T], timeout_s: float = 60) -> T:
    """The first true answer. Raises AssertionError if there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s, and yet not: {what}"
        time.sleep(0.02)
    return seen
