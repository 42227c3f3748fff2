"""SHA-256 (FIPS 180-4) for millions of short messages, as compiled loops that let other threads run: hashlib has no call for many at once.

A digest is 8 big-endian words, uint32.
"""

import numpy as np
from numpy.typing import NDArray

from demur.similarity.kernels import compiled

Words = NDArray[np.uint32]


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


_ROUNDS = np.array([_root_bits(prime, 3) for prime in _primes(64)], dtype=np.uint32)
_START = np.array([_root_bits(prime, 2) for prime in _primes(8)], dtype=np.uint32)


@compiled
def _turn(word: np.uint32, bits: int) -> np.uint32:
    return np.uint32((word >> np.uint32(bits)) | (word << np.uint32(32 - bits)))


@compiled
def _compress(state: Words, schedule: Words) -> None:
    """One block: `schedule` has room for 64 words, the first 16 of which are the block."""
    for t in range(16, 64):
        early, late = schedule[t - 15], schedule[t - 2]
        mixed = _turn(early, 7) ^ _turn(early, 18) ^ (early >> np.uint32(3))
        mixed += _turn(late, 17) ^ _turn(late, 19) ^ (late >> np.uint32(10))
        schedule[t] = schedule[t - 16] + schedule[t - 7] + mixed
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    for t in range(64):
        first = h + (_turn(e, 6) ^ _turn(e, 11) ^ _turn(e, 25)) + ((e & f) ^ (~e & g)) + _ROUNDS[t] + schedule[t]
        second = (_turn(a, 2) ^ _turn(a, 13) ^ _turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
        h, g, f, e = g, f, e, np.uint32(d + first)
        d, c, b, a = c, b, a, np.uint32(first + second)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


@compiled
def digest(message: NDArray[np.uint8], length: int, schedule: Words, out: Words) -> None:
    """The digest of the first `length` bytes of `message` into `out`, (8,). `message` has 72 spare bytes, `schedule` 64 words."""
    padded = (length + 9 + 63) // 64 * 64
    message[length:padded] = 0
    message[length] = 0x80
    for byte in range(8):
        message[padded - 1 - byte] = (8 * length) >> (8 * byte) & 0xFF
    out[:] = _START
    for block in range(0, padded, 64):
        for word in range(16):
            at = block + 4 * word
            value = np.uint32(message[at]) << np.uint32(24) | np.uint32(message[at + 1]) << np.uint32(16)
            schedule[word] = value | np.uint32(message[at + 2]) << np.uint32(8) | np.uint32(message[at + 3])
        _compress(out, schedule)


@compiled
def tree_root(hashes: Words) -> None:
    """Leaves the Merkle tree hash (RFC 6962, 2.1) of the leaf hashes (n, 8), n ≥ 1, in the first row; the others are lost.

    Pairing neighbours and carrying an odd last one up is the split at the largest power of two below n.
    """
    schedule, state = np.empty(64, dtype=np.uint32), np.empty(8, dtype=np.uint32)
    size = len(hashes)
    while size > 1:
        for pair in range(size // 2):
            _node(hashes, pair, schedule, state)
        if size % 2:
            hashes[size // 2] = hashes[size - 1]
        size = (size + 1) // 2


@compiled
def _node(hashes: Words, pair: int, schedule: Words, state: Words) -> None:
    """SHA-256(0x01 ‖ left ‖ right), 65 bytes in two blocks, in the place of row `pair`."""
    state[:] = _START
    before = np.uint32(1)
    for word in range(16):
        current = hashes[2 * pair + word // 8, word % 8]
        schedule[word] = before << np.uint32(24) | current >> np.uint32(8)
        before = current
    _compress(state, schedule)
    schedule[:16] = 0
    schedule[0] = before << np.uint32(24) | np.uint32(0x800000)
    schedule[15] = 8 * 65
    _compress(state, schedule)
    hashes[pair] = state
