"""Merkle trees over hashes that are only ever appended: what a signed root promises of each of them.

The shapes are those of RFC 6962: the hash of a leaf begins with 0x00, that of a node with 0x01,
and a tree of n leaves has the largest power of two below n on its left. Pure: hashes in, hashes
out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provender.core.digest import sha256

LEAF, NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of the leaf that holds ``data``."""
    return sha256(LEAF + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over ``left`` and ``right``."""
    return sha256(NODE + left + right)


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree as far as it matters to what comes after: its size, and the roots of its whole parts.

    ``peaks`` are the roots of the perfect subtrees that it is of, the largest first: one for
    each 1 in the binary ``size``.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def with_leaf(self, leaf: bytes) -> "Frontier":
        """Return the tree with the hash of one more leaf."""
        peaks, carried, rest = self.peaks, leaf, self.size
        while rest & 1:
            peaks, carried, rest = peaks[:-1], node_hash(peaks[-1], carried), rest >> 1
        return Frontier(self.size + 1, (*peaks, carried))

    @property
    def root(self) -> bytes:
        """The hash of the whole tree; of an empty one that of nothing."""
        if not self.peaks:
            return sha256(b"")
        *others, root = self.peaks
        for peak in reversed(others):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over the hashes ``leaves``."""
    tree = Frontier()
    for leaf in leaves:
        tree = tree.with_leaf(leaf)
    return tree.root


def inclusion(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the proof that the leaf at ``index`` is among ``leaves``: its neighbours, from below.

    Source: RFC 6962, 2.1.1.
    """
    size = len(leaves)
    if size == 1:
        return ()
    middle = _left(size)
    if index < middle:
        return (*inclusion(index, leaves[:middle]), root_of(leaves[middle:]))
    return (*inclusion(index - middle, leaves[middle:]), root_of(leaves[:middle]))


def consistency(size: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the proof that the tree over the first ``size`` of ``leaves`` is the start of them all.

    Source: RFC 6962, 2.1.2.
    """
    return _subproof(size, leaves, whole=True)


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether ``proof`` shows ``leaf`` at ``index`` of the tree with ``size`` and ``root``.

    Source: RFC 9162, 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    place, last, computed = index, size - 1, leaf
    for neighbour in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            computed = node_hash(neighbour, computed)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            computed = node_hash(computed, neighbour)
        place, last = place >> 1, last >> 1
    return last == 0 and computed == root


def extends(
    size: int, root: bytes, larger: int, larger_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether ``proof`` shows that the tree of ``larger`` leaves begins with that of ``size``.

    Source: RFC 9162, 2.1.4.2.
    """
    if size == larger:
        return root == larger_root and not proof
    if not 0 < size < larger:
        return False
    path: Iterator[bytes] = iter(proof if size & (size - 1) else (root, *proof))
    first = next(path, None)
    if first is None:
        return False
    place, last = size - 1, larger - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = first
    for hashed in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(hashed, old), node_hash(hashed, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, hashed)
        place, last = place >> 1, last >> 1
    return last == 0 and (old, new) == (root, larger_root)


def _subproof(size: int, leaves: Sequence[bytes], *, whole: bool) -> tuple[bytes, ...]:
    if size == len(leaves):
        return () if whole else (root_of(leaves),)
    middle = _left(len(leaves))
    if size <= middle:
        return (*_subproof(size, leaves[:middle], whole=whole), root_of(leaves[middle:]))
    right = _subproof(size - middle, leaves[middle:], whole=False)
    return (*right, root_of(leaves[:middle]))


def _left(size: int) -> int:
    """Return how many of ``size`` leaves, two or more, are left of the root."""
    return 1 << (size - 1).bit_length() - 1
