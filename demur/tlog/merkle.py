"""Merkle tree hashes and proofs of RFC 6962 section 2.1 and RFC 9162 section 2.1, as pure functions over 32-byte hashes.

A *leaf hash* is `leaf_hash(leaf bytes)`. All functions take leaf hashes, so that a caller hashes each leaf once. Because the tree
splits at powers of two, the hashes of aligned blocks of 2**k leaves (the last one may be partial) can stand in for leaf hashes.
"""

import hashlib
from collections.abc import Iterable, Sequence

from demur.errors import DemurError

EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofRefused(DemurError):
    """A proof does not prove what it claims."""


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: Iterable[bytes]) -> bytes:
    """The tree's root over leaf hashes, streaming in O(log n) memory. The empty tree's root is SHA-256 of nothing."""
    stack: list[bytes] = []
    for count, right in enumerate(hashes, start=1):
        while count & 1 == 0:
            right = node_hash(stack.pop(), right)
            count >>= 1
        stack.append(right)
    return _fold(stack) if stack else EMPTY_ROOT


def _fold(stack: Sequence[bytes]) -> bytes:
    result = stack[-1]
    for left in reversed(stack[:-1]):
        result = node_hash(left, result)
    return result


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (≥ 2)."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaves [start, stop) whose roots are the audit path of the leaf at `index`, from its sibling upwards. Raises IndexError."""
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a tree of {size}")
    start, stop = 0, size
    ranges: list[tuple[int, int]] = []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of the leaf at `index`, from the leaf's sibling to the root's child. Raises IndexError."""
    return [root(hashes[start:stop]) for start, stop in inclusion_ranges(index, len(hashes))]


def levels(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """The whole tree over at least one leaf hash, level by level up to the root: what many proofs take. An odd last hash is carried up."""
    tree = [list(hashes)]
    while len(below := tree[-1]) > 1:
        pairs = [node_hash(below[place], below[place + 1]) for place in range(0, len(below) - 1, 2)]
        tree.append(pairs + below[len(pairs) * 2 :])
    return tree


def path_in(tree: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """The audit path of a leaf in a tree of `levels`: the same as `inclusion_proof`. Raises IndexError."""
    if not 0 <= index < len(tree[0]):
        raise IndexError(f"no leaf {index} in a tree of {len(tree[0])}")
    places = ((hashes, (index >> height) ^ 1) for height, hashes in enumerate(tree))
    return [hashes[sibling] for hashes, sibling in places if sibling < len(hashes)]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> None:
    """Returns when the leaf hash is at `index` of the tree of `size` leaves (RFC 9162, 2.1.3.2). Raises ProofRefused."""
    if not 0 <= index < size:
        raise ProofRefused(f"leaf {index} lies outside a tree of {size}")
    position, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofRefused("the inclusion proof is too long")
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofRefused("the inclusion proof is too short")
    if result != expected_root:
        raise ProofRefused("the inclusion proof does not lead to the signed root")


def consistency_ranges(old_size: int, size: int) -> list[tuple[int, int]]:
    """The leaves [start, stop) whose roots are a consistency proof (RFC 9162, 2.1.4.1), in its order. Raises IndexError."""
    if not 0 < old_size <= size:
        raise IndexError(f"no consistency proof from {old_size} to {size} leaves")
    start, stop, whole = 0, size, True
    ranges: list[tuple[int, int]] = []
    while old_size != stop:
        middle = start + _split(stop - start)
        if old_size <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    return ([] if whole else [(start, stop)]) + ranges[::-1]


def consistency_proof(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Shows that the tree of the first `old_size` leaves is a prefix of the whole. Raises IndexError."""
    return [root(hashes[start:stop]) for start, stop in consistency_ranges(old_size, len(hashes))]


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Returns when the new tree extends the old one (RFC 9162, 2.1.4.2). Raises ProofRefused."""
    if not 0 < old_size <= new_size:
        raise ProofRefused(f"a tree of {new_size} leaves cannot extend one of {old_size}")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise ProofRefused("two trees of one size differ")
        return
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise ProofRefused("the consistency proof is empty")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofRefused("the consistency proof is too long")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last or old != old_root or new != new_root:
        raise ProofRefused("the consistency proof does not lead from the old root to the new one")
