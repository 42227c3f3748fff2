"""The compiled loops are what they say, wherever they are installed."""

import linecache
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from demur.similarity.kernels import compiled, popcount, turned

WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40)


@compiled
def counted(words: Any) -> Any:
    counts = np.empty(len(words), dtype=np.int64)
    for place in range(len(words)):
        counts[place] = popcount(words[place])
    return counts


@given(WORDS)
def test_bits_are_counted(words: list[int]) -> None:
    assert counted(np.array(words, dtype=np.uint64)).tolist() == [word.bit_count() for word in words]


@given(st.integers(0, 2**64 - 1), st.integers(0, 63))
def test_a_word_is_turned(word: int, bits: int) -> None:
    expected = (word << bits | word >> 64 - bits) & 2**64 - 1
    assert int(turned(np.uint64(word), np.uint64(bits))) == expected


def test_a_function_whose_code_cannot_be_kept_on_disk_is_compiled_all_the_same() -> None:
    source = "def doubled(number):\n    return number + number\n"
    linecache.cache["<nowhere>"] = (len(source), None, source.splitlines(True), "<nowhere>")
    namespace: dict[str, Any] = {}
    exec(compile(source, "<nowhere>", "exec"), namespace)
    doubled = compiled(namespace["doubled"])
    assert doubled(21) == 42
    assert doubled.stats.cache_path is None
