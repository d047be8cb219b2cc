# SPDX-License-Identifier: Apache-2.0
"""A tamper-evident log: every append carries the signed Merkle head of all entries so far.

The head is written with the records that it covers, in the same sync, so no acknowledged entry is
ever without one. What the ledger alone cannot see is a log that was replaced as a whole by an
older or another copy that its key once signed; a kept checkpoint, or the number of entries that
the catalog keeps (`floor`), finds that.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from heptad.security.heads import (
    RESUME_EVERY,
    Appended,
    Head,
    Verified,
    audit,
    broken,
    check_head,
    seal,
    unseal,
)
from heptad.security.merkle import EMPTY_ROOT, Frontier, Tree, leaf_hashes
from heptad.security.notes import Checkpoint, Signer, check_name, note
from heptad.standards.errors import Conflict, Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Append(Protocol):
    """The storage that a ledger stands on: an append is durable and whole, or is not there."""

    def append(self, records: Sequence[bytes], seal: bytes = b"") -> range:
        """Store records and a seal; give the records' numbers, which are dense from 0."""
        ...

    def read(self, index: int) -> bytes:
        """One record."""
        ...

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Records in order."""
        ...

    def groups(self, start: int = 0) -> Iterator[Appended]:
        """Appends as stored now, from the one that holds record `start` on."""
        ...

    def __len__(self) -> int:
        """Number of records."""
        ...


class Ledger:
    """A log whose entries cannot be changed, moved, added or removed unseen.

    Opening checks the last head: its signature, and that it follows from the entries since the
    last point at which the tree's edge was kept (at most 4,096 and one append). `verify` checks
    everything.

    Args:
        append: the storage.
        signer: signs the heads.
        origin: name of the log, which every signature covers: one key may sign several logs.
        floor: number of entries that the caller knows to have been acknowledged.

    Raises:
        Corrupt: if the log is shorter than `floor`, or its last head does not hold.
    """

    def __init__(self, append: Append, signer: Signer, origin: str, *, floor: int = 0) -> None:
        self.origin = check_name(origin)
        self._append, self._signer = append, signer
        self._public = signer.public_key()
        self._lock, self._tree_lock = threading.Lock(), threading.Lock()
        self._tree = Tree()
        total = len(append)
        if total < floor:
            raise broken(total, floor, floor, f"there are {total} entries")
        self._head = Head(0, EMPTY_ROOT, b"")
        self._frontier, self._head = self._resume(total)

    def __len__(self) -> int:
        return self._head.size

    def add(self, records: Sequence[bytes]) -> range:
        """Append entries and the signed head that covers them; durable at return.

        Returns:
            The numbers of the entries.

        Raises:
            Conflict: if the storage was appended to by another hand.
            HeptadError: what the storage raises; nothing was acknowledged then.
        """
        with self._lock:
            size = self._head.size
            if len(self._append) != size:
                raise Conflict(
                    "The log was appended to by another hand since it was opened.",
                    got=f"{len(self._append)} entries, not {size}",
                    do="let one process own the project, and open the log again.",
                )
            if not records:
                return range(size, size)
            frontier = self._frontier.copy()
            frontier.extend(leaf_hashes(records))
            head = self._signed(frontier)
            numbers = self._append.append(records, seal(head, frontier, size))
            self._frontier, self._head = frontier, head
            return numbers

    def read(self, index: int) -> bytes:
        """Entry number `index`, the first being 0."""
        return self._append.read(index)

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Entries from `start` up to but not including `stop`, in order."""
        return self._append.iterate(start, stop)

    def head(self) -> Head:
        """The signed root over all entries so far."""
        return self._head

    def checkpoint(self) -> str:
        """The head as a signed note: keep it elsewhere, and `verify` against it later."""
        head = self._head
        return note(Checkpoint(self.origin, head.size, head.root), head.signature, self._public)

    def verify(self, against: str | None = None) -> Verified:
        """Read every byte, recompute the tree and check every signature, beside a writer or not.

        Takes about 2 microseconds an entry and 0.1 milliseconds a head.

        Args:
            against: a checkpoint kept earlier, or by somebody else, as a signed note.

        Raises:
            InputError: if `against` is not a checkpoint of this log.
            Corrupt: naming the first entry that does not hold, or telling that the log does not
                extend the checkpoint.
        """
        head = self._head
        found = audit(self._append.groups(), self._public, self.origin, head.size, against)
        if found.root != head.root:
            raise Corrupt(
                f"The log of {head.size} entries was replaced by another since it was opened.",
                do="find the copy of the log that its kept checkpoints verify against.",
            )
        return found

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Prove that entry `index` is under the root at `size`, for `merkle.verify_inclusion`.

        The first proof reads the whole log; the tree then stays in memory, 64 bytes an entry.
        """
        size = len(self) if size is None else size
        return self._whole().inclusion(index, size)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Prove that the log at size `new` extends that at `old`, for `verify_consistency`."""
        new = len(self) if new is None else new
        return self._whole().consistency(old, new)

    def _whole(self) -> Tree:
        """The whole tree, caught up with the log."""
        with self._tree_lock:
            missing = self._append.iterate(len(self._tree), self._head.size)
            while records := list(islice(missing, RESUME_EVERY)):
                self._tree.extend(leaf_hashes(records))
            return self._tree

    def _signed(self, frontier: Frontier) -> Head:
        head = Head(frontier.size, frontier.root(), b"")
        return Head(head.size, head.root, self._signer.sign(head.message(self.origin)))

    def _resume(self, total: int) -> tuple[Frontier, Head]:
        """The tree's edge and the head at the end of the log.

        Begins at the last edge kept in the log; that it was not changed follows from the last
        head, whose signed root is made of it.
        """
        frontier = Frontier()
        if total == 0:
            return frontier, self._signed(frontier)
        reached = total // RESUME_EVERY * RESUME_EVERY
        head, first = self._head, 0
        for group in self._append.groups(max(reached - 1, 0)):
            first, stop = group.first, group.first + len(group.records)
            head, edge = unseal(group.seal, first, stop, total)
            if frontier.size == 0 and reached and edge is not None:
                frontier = edge
            else:
                frontier.extend(leaf_hashes(group.records))
        if frontier.size != total:
            raise broken(first, total, total, f"there are {frontier.size} entries")
        check_head(head, frontier, self._public, self.origin, (first, total))
        return frontier, head
