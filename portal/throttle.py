"""What a page asks for again and again and what need be done once in a while."""

import threading
import time


class Throttle:
    """Says yes to each key once in ``every_s`` seconds. Of one process; usable by many threads."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._passed_at: dict[str, float] = {}

    def passes(self, key: str) -> bool:
        at = time.monotonic()
        with self._lock:
            self._passed_at = {known: passed for known, passed in self._passed_at.items() if at - passed < self._every_s}
            if key in self._passed_at:
                return False
            self._passed_at[key] = at
            return True

    def forget(self, key: str) -> None:
        """The next one passes."""
        with self._lock:
            self._passed_at.pop(key, None)
