# SPDX-License-Identifier: Apache-2.0
"""Signed heads of a log: how they are kept with each append, and the check of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol

from heptad.security.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hashes
from heptad.security.notes import SIGNATURE_BYTES, Checkpoint, read_note
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

RESUME_EVERY: Final = 4096
_HEAD: Final = Struct(f"<Q{HASH_BYTES}s{SIGNATURE_BYTES}s")
_CURE: Final = "restore the log from a backup, then compare it with a kept checkpoint."


class Appended(Protocol):
    """One append as read back from storage."""

    @property
    def first(self) -> int:
        """Number of its first record."""
        ...

    @property
    def records(self) -> list[bytes]:
        """Its records, in order."""
        ...

    @property
    def seal(self) -> bytes:
        """The bytes that were kept with it."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """The root over the first `size` entries, signed as the text of a checkpoint."""

    size: int
    root: bytes
    signature: bytes

    def message(self, origin: str) -> bytes:
        """The bytes that are signed."""
        return Checkpoint(origin, self.size, self.root).text().encode()


@dataclass(frozen=True, slots=True)
class Verified:
    """What a full check of a log found to be right.

    Attributes:
        entries: entries whose bytes were read and hashed.
        heads: signed heads that were recomputed and whose signatures hold.
        root: over all entries.
        checkpoint: size of the kept checkpoint that the log was shown to extend, if one was given.
    """

    entries: int
    heads: int
    root: bytes
    checkpoint: int | None = None


def seal(head: Head, frontier: Frontier, first: int) -> bytes:
    """The head as bytes to keep with the append whose first entry has number `first`.

    An append that reaches a multiple of 4,096 entries keeps the tree's right edge also, so that
    opening a long log hashes its end only. The signed root vouches for the edge.
    """
    edge = b"".join(frontier.peaks) if _reaches(first, head.size) else b""
    return _HEAD.pack(head.size, head.root, head.signature) + edge


def unseal(kept: bytes, first: int, stop: int, total: int) -> tuple[Head, Frontier | None]:
    """Read the head that was kept with entries `first` up to `stop`, and the edge if there is one.

    Raises:
        Corrupt: if the bytes are no head of that size.
    """
    peaks = stop.bit_count() if _reaches(first, stop) else 0
    if len(kept) != _HEAD.size + peaks * HASH_BYTES:
        raise broken(first, stop, total, "there is no signed head")
    size, root, signature = _HEAD.unpack_from(kept)
    if size != stop:
        raise broken(first, stop, total, f"the head is of {size} entries")
    edge = [kept[at : at + HASH_BYTES] for at in range(_HEAD.size, len(kept), HASH_BYTES)]
    return Head(size, root, signature), Frontier(stop, edge) if peaks else None


def _reaches(first: int, stop: int) -> bool:
    return first // RESUME_EVERY != stop // RESUME_EVERY


def check_head(
    head: Head, frontier: Frontier, public: Ed25519PublicKey, origin: str, span: tuple[int, int]
) -> None:
    """Check that a head is the root of the tree at its size, and signed.

    Args:
        head: to check.
        frontier: the tree's edge at that size, recomputed.
        public: the log's key.
        origin: the log's name.
        span: number of the first entry of the head's append, and of entries in the log.

    Raises:
        Corrupt: if it is not.
    """
    from cryptography.exceptions import InvalidSignature

    first, total = span
    if head.root != frontier.root():
        raise broken(first, head.size, total, "the entries do not give the signed root")
    try:
        public.verify(head.signature, head.message(origin))
    except InvalidSignature:
        raise broken(first, head.size, total, "the head's signature is false") from None


def audit(
    groups: Iterable[Appended],
    public: Ed25519PublicKey,
    origin: str,
    total: int,
    against: str | None = None,
) -> Verified:
    """Check a log from its first entry on with nothing but the public key.

    Args:
        groups: every append, in order, as it lies in storage.
        public: the log's key.
        origin: the log's name.
        total: entries that the log is said to have; later ones are left alone.
        against: a signed note with a checkpoint kept earlier.

    Raises:
        InputError: if `against` is not a checkpoint of this log.
        Corrupt: naming the first entry that does not hold, or telling that the log does not
            extend the checkpoint.
    """
    kept = None if against is None else read_note(against, origin, public)
    if kept is not None and kept.size > total:
        raise _unlike(kept, f"{total} entries")
    if kept is not None and kept.size == 0 and kept.root != EMPTY_ROOT:
        raise _unlike(kept, "another root")
    frontier, heads = Frontier(), 0
    for group in groups:
        if frontier.size >= total:
            break
        _replay(frontier, group, kept, total)
        head, edge = unseal(group.seal, group.first, frontier.size, total)
        check_head(head, frontier, public, origin, (group.first, total))
        if edge is not None and edge.peaks != frontier.peaks:
            raise broken(group.first, head.size, total, "the tree's edge was changed")
        heads += 1
    if frontier.size != total:
        raise broken(frontier.size, total, total, f"there are {frontier.size} entries")
    return Verified(total, heads, frontier.root(), None if kept is None else kept.size)


def _replay(frontier: Frontier, group: Appended, kept: Checkpoint | None, total: int) -> None:
    """Add an append's entries to the tree, and compare with the checkpoint on the way."""
    size, leaves = frontier.size, leaf_hashes(group.records)
    if group.first != size or not leaves or size + len(leaves) > total:
        raise broken(size, size + len(leaves), total, f"entries begin at {group.first}")
    cut = 0
    if kept is not None and size < kept.size <= size + len(leaves):
        cut = kept.size - size
        frontier.extend(leaves[:cut])
        if frontier.root() != kept.root:
            raise _unlike(kept, "another root at that size")
    frontier.extend(leaves[cut:])


def broken(first: int, stop: int, total: int, why: str) -> Corrupt:
    """The error for entries `first` up to `stop` that their head does not vouch for."""
    reach = f"entries {first} to {stop - 1}: " if stop - first > 1 else ""
    return Corrupt(f"The log is damaged at entry {first} of {total}.", got=reach + why, do=_CURE)


def _unlike(kept: Checkpoint, got: str) -> Corrupt:
    return Corrupt(
        f"The log does not extend the kept checkpoint of {kept.size} entries: it was rolled back"
        " or replaced.",
        got=got,
        do="find the copy of the log that extends the checkpoint; this one is not it.",
    )
