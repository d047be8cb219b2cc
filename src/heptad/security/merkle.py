# SPDX-License-Identifier: Apache-2.0
"""Merkle trees of RFC 6962: roots, inclusion proofs and consistency proofs over SHA-256.

A proof convinces a reader who holds nothing but a root, so the two verifiers at the end share no
code with the trees that make proofs.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    """Hash one record as a leaf; the prefix 0x00 keeps it apart from every node."""
    return sha256(b"\x00" + record).digest()


def leaf_hashes(records: Iterable[bytes]) -> list[bytes]:
    """Hash many records as leaves."""
    return [sha256(b"\x00" + record).digest() for record in records]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return sha256(b"\x01" + left + right).digest()


def _fold(peaks: Sequence[bytes]) -> bytes:
    """Join the roots of perfect subtrees, largest first, into the root of the whole."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


class Frontier:
    """The right edge of a growing tree: enough to go on appending, in at most 64 hashes.

    Args:
        size: leaves under the edge.
        peaks: roots of the perfect subtrees that cover them, largest first.

    Raises:
        ContractError: if the number of peaks does not belong to a tree of that size.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in peaks):
            raise ContractError(
                f"A tree of {size} leaves has {size.bit_count()} peaks of {HASH_BYTES} bytes.",
                got=f"{len(peaks)} peaks",
            )
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Roots of the perfect subtrees, largest first."""
        return tuple(self._peaks)

    def copy(self) -> Frontier:
        """An independent edge at the same size."""
        return Frontier(self.size, self._peaks)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes; each costs one node hash on average."""
        peaks, size = self._peaks, self.size
        for leaf in leaves:
            node, ones = leaf, size
            while ones & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                ones >>= 1
            peaks.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return _fold(self._peaks)


class Tree:
    """A whole tree in memory (64 bytes a leaf), which can prove things about any of its sizes.

    Args:
        leaves: leaf hashes to begin with.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels = [bytearray()]
        self.extend(leaves)

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes and complete every perfect subtree that they fill.

        Raises:
            ContractError: if a leaf is not 32 bytes long.
        """
        added = list(leaves)
        if any(len(leaf) != HASH_BYTES for leaf in added):
            raise ContractError(f"A leaf hash has {HASH_BYTES} bytes.")
        self._levels[0] += b"".join(added)
        level = 0
        while pairs := len(self._levels[level]) // (2 * HASH_BYTES):
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            below, above = self._levels[level], self._levels[level + 1]
            for at in range(len(above) * 2, pairs * 2 * HASH_BYTES, 2 * HASH_BYTES):
                above += sha256(b"\x01" + below[at : at + 2 * HASH_BYTES]).digest()
            level += 1

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves (all of them by default).

        Raises:
            ContractError: if the tree never had that size.
        """
        size = len(self) if size is None else size
        self._require(0 <= size <= len(self), f"a size from 0 to {len(self)}", size)
        return self._range(0, size)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Prove that leaf `index` lies under the root at `size`, from the leaf upwards.

        Raises:
            ContractError: if the tree has no such leaf at that size.
        """
        low, high = 0, len(self) if size is None else size
        self._require(0 <= high <= len(self), f"a size from 0 to {len(self)}", high)
        self._require(0 <= index < high, f"a leaf below {high}", index)
        path = []
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Prove that the tree at size `new` begins with the tree at size `old`.

        Raises:
            ContractError: if the tree never had one of the sizes, or `old` exceeds `new`.
        """
        low, high = 0, len(self) if new is None else new
        self._require(0 <= high <= len(self), f"a size from 0 to {len(self)}", high)
        self._require(0 <= old <= high, f"an earlier size from 0 to {high}", old)
        path: list[bytes] = []
        if old == 0:
            return path
        while old < high:
            middle = low + _split(high - low)
            if old <= middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        if low:
            path.append(self._range(low, high))
        return path[::-1]

    def _range(self, low: int, high: int) -> bytes:
        """Root of leaves low to high; `low` is a multiple of the largest power of two within."""
        peaks = []
        while low < high:
            level = (high - low).bit_length() - 1
            at = (low >> level) * HASH_BYTES
            peaks.append(bytes(self._levels[level][at : at + HASH_BYTES]))
            low += 1 << level
        return _fold(peaks)

    @staticmethod
    def _require(holds: bool, wanted: str, got: int) -> None:
        if not holds:
            raise ContractError(f"A Merkle proof needs {wanted}.", got=got)


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether `proof` shows that leaf hash `leaf` is number `index` of the tree `root`.

    Source: RFC 9162, Certificate Transparency 2.0, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    first, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_BYTES:
            return False
        if first & 1 or first == last:
            node = node_hash(sibling, node)
            while first & 1 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Tell whether `proof` shows that the tree `new_root` begins with the tree `old_root`.

    Source: RFC 9162, Certificate Transparency 2.0, section 2.1.4.2.
    """
    if not 0 <= old <= new or any(len(node) != HASH_BYTES for node in proof):
        return False
    if old in (0, new):
        return not proof and old_root == (new_root if old else EMPTY_ROOT)
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    return _climb(path, first, last) == (old_root, new_root)


def _climb(path: Sequence[bytes], first: int, last: int) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency path leads to, or None if its length is wrong."""
    if not path:
        return None
    before = after = path[0]
    for node in path[1:]:
        if last == 0:
            return None
        if first & 1 or first == last:
            before, after = node_hash(node, before), node_hash(node, after)
            while first & 1 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            after = node_hash(after, node)
        first, last = first >> 1, last >> 1
    return (before, after) if last == 0 else None
