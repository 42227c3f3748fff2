"""SHA-256 (FIPS 180-4) of millions of short messages, as compiled loops that let other threads run. hashlib has no call for many at once.

LANES messages go through the rounds side by side, as vectors of the processor: each lane is a message, and no lane knows of another.
A digest is 8 words, uint32, the first of which holds the first four bytes, big-endian.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from demur.similarity.kernels import compiled

Words = NDArray[np.uint32]
LANES = 8
SPARE = 72  # bytes that padding may add to a message
_WORD = ir.IntType(32)
_VECTOR = ir.VectorType(_WORD, LANES)


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _root_bits(number: int, degree: int) -> int:
    """The first 32 bits of the fraction of a square or cube root."""
    low, high = 0, number << 32
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= number << 32 * degree else (low, middle)
    return low & 0xFFFFFFFF


_ROUNDS = [_root_bits(prime, 3) for prime in _primes(64)]
_START = np.array([_root_bits(prime, 2) for prime in _primes(8)], dtype=np.uint32)


class _Rounds:
    """Emits the compression function (FIPS 180-4, 6.2.2) over vectors."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        declare: Callable[..., Any] = cgutils.get_or_insert_function
        self._turn = declare(builder.module, kind, f"llvm.fshr.v{LANES}i32")

    def emit(self, state: list[Any], block: list[Any]) -> list[Any]:
        before, words = state, list(block)
        for number, constant in enumerate(_ROUNDS):
            if number >= 16:
                words.append(self._scheduled(words))
            state = self._round(state, self._sum(words[number], _all(constant)))
        return [self._sum(*pair) for pair in zip(before, state, strict=True)]

    def _scheduled(self, words: list[Any]) -> Any:
        early, late = words[-15], words[-2]
        return self._sum(
            words[-16],
            words[-7],
            self._xor(self._turned(early, 7), self._turned(early, 18), self._builder.lshr(early, _all(3))),
            self._xor(self._turned(late, 17), self._turned(late, 19), self._builder.lshr(late, _all(10))),
        )

    def _round(self, state: list[Any], word: Any) -> list[Any]:
        a, b, c, d, e, f, g, h = state
        chosen = self._xor(g, self._builder.and_(e, self._xor(f, g)))
        most = self._builder.or_(self._builder.and_(a, b), self._builder.and_(c, self._builder.or_(a, b)))
        first = self._sum(h, self._xor(*(self._turned(e, bits) for bits in (6, 11, 25))), chosen, word)
        second = self._sum(self._xor(*(self._turned(a, bits) for bits in (2, 13, 22))), most)
        return [self._sum(first, second), a, b, c, self._sum(d, first), e, f, g]

    def _turned(self, word: Any, bits: int) -> Any:
        return self._builder.call(self._turn, [word, word, _all(bits)])

    def _sum(self, first: Any, *others: Any) -> Any:
        for other in others:
            first = self._builder.add(first, other)
        return first

    def _xor(self, first: Any, *others: Any) -> Any:
        for other in others:
            first = self._builder.xor(first, other)
        return first


def _all(word: int) -> Any:
    return ir.Constant(_VECTOR, [ir.Constant(_WORD, word)] * LANES)


@intrinsic
def _compress_vectors(_context: Any, _state: Any, _block: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = [context.make_array(kind)(context, builder, array).data for kind, array in zip(signature.args, arguments, strict=True)]
        state, block = (builder.bitcast(pointer, _VECTOR.as_pointer()) for pointer in data)
        places = [builder.gep(state, [ir.Constant(_WORD, number)]) for number in range(8)]
        words = [builder.load(builder.gep(block, [ir.Constant(_WORD, number)]), align=4) for number in range(16)]
        after = _Rounds(builder).emit([builder.load(place, align=4) for place in places], words)
        for word, place in zip(after, places, strict=True):
            builder.store(word, place, align=4)
        return context.get_dummy_value()

    words = types.Array(types.uint32, 2, "C")
    return types.void(words, words), emit


_vectors = cast(Callable[[Words, Words], None], _compress_vectors)


@compiled
def _compress(state: Words, block: Words) -> None:
    """One block of each lane. state: (8, LANES); block: (16, LANES)."""
    _vectors(state, block)


@compiled
def _begin(state: Words) -> None:
    for word in range(8):
        state[word] = _START[word]


@compiled
def digests(messages: NDArray[np.uint8], lengths: NDArray[np.int64], out: Words) -> None:
    """The digests of up to LANES messages into `out`, (n, 8). messages: (n, at least the longest length and SPARE), which are padded."""
    state, block = np.empty((8, LANES), dtype=np.uint32), np.zeros((16, LANES), dtype=np.uint32)
    _begin(state)
    blocks = np.empty(len(lengths), dtype=np.int64)
    for lane in range(len(lengths)):
        blocks[lane] = _pad(messages[lane], lengths[lane])
    for number in range(blocks.max()):
        for lane in range(len(lengths)):
            if number < blocks[lane]:
                _fill(block, lane, messages[lane], 64 * number)
        _compress(state, block)
        for lane in range(len(lengths)):
            if number == blocks[lane] - 1:
                out[lane] = state[:, lane]  # what the lane does from here on is of no interest


@compiled
def _pad(message: NDArray[np.uint8], length: int) -> int:
    """Pads a message in its place, and says how many blocks it has (FIPS 180-4, 5.1.1)."""
    padded = (length + 9 + 63) // 64 * 64
    message[length:padded] = 0
    message[length] = 0x80
    for byte in range(8):
        message[padded - 1 - byte] = (8 * length) >> (8 * byte) & 0xFF
    return padded // 64


@compiled
def _fill(block: Words, lane: int, message: NDArray[np.uint8], start: int) -> None:
    for word in range(16):
        at = start + 4 * word
        high = np.uint32(message[at]) << np.uint32(24) | np.uint32(message[at + 1]) << np.uint32(16)
        block[word, lane] = high | np.uint32(message[at + 2]) << np.uint32(8) | np.uint32(message[at + 3])


@compiled
def tree_root(hashes: Words) -> None:
    """Leaves the Merkle tree hash (RFC 6962, 2.1) of the leaf hashes (n, 8), n ≥ 1, in the first row; the others are lost.

    Pairing neighbours and carrying an odd last one up is the split at the largest power of two below n.
    """
    state, block = np.empty((8, LANES), dtype=np.uint32), np.zeros((16, LANES), dtype=np.uint32)
    size = len(hashes)
    while size > 1:
        pairs = size // 2
        for start in range(0, pairs, LANES):
            _join(hashes, start, min(LANES, pairs - start), state, block)
        if size % 2:
            hashes[pairs] = hashes[size - 1]
        size = pairs + size % 2


@compiled
def _join(hashes: Words, start: int, count: int, state: Words, block: Words) -> None:
    """SHA-256(0x01 ‖ left ‖ right), 65 bytes in two blocks, of `count` pairs, in the places of the rows from `start` on."""
    _begin(state)
    for lane in range(count):
        before = np.uint32(1)
        for word in range(16):
            current = hashes[2 * (start + lane) + word // 8, word % 8]
            block[word, lane] = before << np.uint32(24) | current >> np.uint32(8)
            before = current
    _compress(state, block)
    block[:] = 0
    for lane in range(count):
        block[0, lane] = hashes[2 * (start + lane) + 1, 7] << np.uint32(24) | np.uint32(0x800000)
        block[15, lane] = 8 * 65
    _compress(state, block)
    for lane in range(count):
        hashes[start + lane] = state[:, lane]
