"""Long lists, a piece at a time."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

STATEMENT_VALUES = 10_000  # SQLite takes 32,766 variables a statement, PostgreSQL 65,535


def batched(items: Sequence[Item], size: int = STATEMENT_VALUES) -> Iterator[Sequence[Item]]:
    """Consecutive pieces of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
