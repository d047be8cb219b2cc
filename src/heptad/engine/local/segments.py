# SPDX-License-Identifier: Apache-2.0
"""An append-only log of records in segment files: one write and one sync for each append.

The last segment ends in zeros, written beforehand: an append goes over them, so that its sync has
no new length to make durable, which a file system's journal takes several times as long for.

Every file of the folder is covered by checksums: the segments (`frames`), the mark that counts
what was acknowledged (`mark`), and beside each full segment an offsets file that saves walking
over it; that one is derived, checked against the segment's bytes, and made again when wrong.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from array import array
from bisect import bisect_right
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from heptad.engine.local.frames import CURE, Group, file_header, group_bytes, missing
from heptad.engine.local.mark import Mark, make_folder, sync_folder
from heptad.engine.local.segment import (
    Segment,
    open_segment,
    segment_name,
    store_offsets,
)
from heptad.standards.errors import Busy, ContractError, Corrupt, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

_COPY: Final = 1 << 20
_SPARE: Final = 1 << 16, 1 << 20
"""Least and most zeros written ahead; so many as the segment has bytes in between. An append of the
least is written without."""


class Segments:
    """The log in one folder: appended by one process, read by any.

    Args:
        folder: where the files lie; made if need be.
        segment_bytes: a segment of this many bytes is full, and the next append begins another.
        floor: number of records that the caller knows to have been acknowledged. With it the mark
            may be missing; without it the mark is the only witness and must be there.
        write: False reads beside the writer, changes nothing and leaves an unfinished append alone.

    Attributes:
        repairs: what opening put right, in words: torn appends cut, offsets files made again.

    Raises:
        Busy: if another process writes this log.
        Corrupt: if a byte is not as it was written, or acknowledged records are missing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = 64 << 20,
        floor: int | None = None,
        write: bool = True,
    ) -> None:
        self.folder = folder
        self.repairs: list[str] = []
        self._segment_bytes = segment_bytes
        self._write = write
        self._lock = threading.Lock()
        self._fd = -1
        self._broken = ""
        self._segments: list[Segment] = []
        self._stop, self._room = 0, 0
        try:
            self._open(floor)
        except OSError as error:
            raise Busy(
                "The log cannot be opened.",
                got=error.strerror or str(error),
                place=str(folder),
                do="see that the disk has space and that the folder is yours to write.",
            ) from error

    def __len__(self) -> int:
        return self._stop

    @property
    def broken(self) -> bool:
        """Whether every append is refused until the log is opened again."""
        return bool(self._broken)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, records: Sequence[bytes], seal: bytes = b"") -> range:
        """Write records as one group, all or nothing, durable at return.

        After a failed write or sync nobody knows what lies on the disk, so the log then refuses
        every append until it is opened again; reading goes on.

        Args:
            records: any bytes, also none.
            seal: bytes to keep with the group, for example a signature over it.

        Returns:
            The numbers of the records.

        Raises:
            Busy: if the storage refused, now or before, or the log is closed or read-only.
            ContractError: if the group is longer than 1 GiB.
        """
        with self._lock:
            self._require_writable()
            first = self._stop
            if not records:
                return range(first, first)
            fresh = not self._segments or self._segments[-1].size >= self._segment_bytes
            salt = secrets.randbits(32) if fresh else self._segments[-1].salt
            group = group_bytes(records, seal, first, salt)
            self._broken = "the append was interrupted"
            try:
                if fresh:
                    self._begin_segment(first, salt, group)
                else:
                    self._write_durably(group, self._segments[-1].size)
                self._segments[-1].add(len(group), len(records))
                self._mark.set(first + len(records))
            except OSError as error:
                self._broken = error.strerror or str(error)
                self._require_writable()
            self._broken = ""
            self._stop = first + len(records)
            return range(first, self._stop)

    def read(self, index: int) -> bytes:
        """Record number `index`, checked.

        Raises:
            UnknownName: if there is no such record.
            Corrupt: if it is not as it was written.
        """
        if not 0 <= index < self._stop:
            raise UnknownName(f"The log has no entry {index}.", got=f"{self._stop} entries")
        segments = self._segments
        nth = bisect_right(segments, index, key=lambda segment: segment.first) - 1
        try:
            return segments[nth].read(index, self._stop)
        except OSError as error:
            raise _unreadable(segments[nth].path, error) from error

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Records from `start` up to but not including `stop`, in order, checked.

        Raises:
            Corrupt: if one is not as it was written.
        """
        stop = self._stop if stop is None else min(stop, self._stop)
        if start >= stop:
            return
        for group in self.groups(start):
            if group.first >= stop:
                return
            yield from group.records[max(start - group.first, 0) : stop - group.first]

    def groups(self, start: int = 0) -> Iterator[Group]:
        """Appends from the one that holds record `start` on, as they lie on the disk now.

        A pass from record 0 reads every byte of every segment, and checks that no file is missing
        and none has grown. It ends with the last append acknowledged when it began.

        Raises:
            Corrupt: at the first byte that is not as it was written.
        """
        with self._lock:
            segments, stop = self._snapshot(), self._stop
            if start == 0:
                try:
                    self._check_files()
                except OSError as error:
                    raise _unreadable(self.folder, error) from error
        if start >= stop:
            return
        nth = bisect_right(segments, start, key=lambda segment: segment.first) - 1
        for segment in segments[max(nth, 0) :]:
            try:
                for group in segment.groups(start, stop):
                    if group.first >= stop:
                        return
                    yield group
            except OSError as error:
                raise _unreadable(segment.path, error) from error

    def extents(self, stop: int) -> list[tuple[Path, int]]:
        """Return each file that holds records before `stop`, and how many of its bytes do.

        Raises:
            ContractError: if `stop` lies within one append.
        """
        found: list[tuple[Path, int]] = []
        with self._lock:
            for segment in self._snapshot():
                if segment.first >= stop:
                    break
                size = segment.size
                if stop < segment.stop:
                    group = segment.group_of(stop)
                    size = segment.positions[group]
                    if segment.firsts[group] != stop:
                        raise ContractError("A log is cut between appends only.", got=stop)
                found.append((segment.path, size))
        return found

    def close(self) -> None:
        """Make the mark durable and let go of the lock; reading still works."""
        with self._lock:
            whole, self._broken = not self._broken, self._broken or "it is closed"
            if self._write:
                with suppress(OSError):
                    if whole and self._fd >= 0:
                        self._trim()
                    self._mark.sync()
            self._mark.close()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _open(self, floor: int | None) -> None:
        if self._write:
            make_folder(self.folder)
        fresh = not any(self.folder.glob("*.seg"))
        make = fresh or floor is not None
        self._mark = Mark(self.folder, write=self._write, make=make, fresh=fresh)
        try:
            self._segments = self._load(max(self._mark.count, floor or 0))
            self._stop = self._segments[-1].stop if self._segments else 0
            if self._write:
                self._settle()
        except BaseException:
            self._mark.close()
            raise

    def _require_writable(self) -> None:
        if not self._write:
            raise Busy("The log was opened for reading only.", place=str(self.folder))
        if self._broken:
            raise Busy(
                "The log cannot be written; nothing was acknowledged since.",
                got=self._broken,
                place=str(self.folder),
                do="see that the disk has space and is healthy, then open the log again.",
            )

    def _write_durably(self, data: bytes, at: int) -> None:
        """Write a group at a position, with zeros behind it for the next ones if none are left.

        Where the disk has no room for the zeros, the group does without.
        """
        end, spare = at + len(data), b""
        if end > self._room and len(data) < _SPARE[0]:
            spare = bytes(min(max(end, _SPARE[0]), _SPARE[1]))
        try:
            written = os.pwrite(self._fd, data + spare, at)
        except OSError as error:
            if not spare or error.errno != errno.ENOSPC:
                raise
            written = os.pwrite(self._fd, data, at)
        if written < len(data):
            raise OSError(f"the disk took {written} of {len(data)} bytes")
        os.fdatasync(self._fd)
        self._room = max(self._room, at + written)

    def _trim(self) -> None:
        """Cut the zeros off that were written ahead."""
        if self._room > self._segments[-1].size:
            os.ftruncate(self._fd, self._segments[-1].size)
            self._room = self._segments[-1].size

    def _begin_segment(self, first: int, salt: int, group: bytes) -> None:
        """Write a new segment's header and first group; what came before is settled for good."""
        self._mark.sync()
        path, header = self.folder / segment_name(first), file_header(first, salt)
        if self._fd >= 0:
            self._trim()
            os.fsync(self._fd)
            os.close(self._fd)
        self._fd = -1
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._room = 0
        self._write_durably(header + group, 0)
        sync_folder(self.folder)
        self._segments.append(
            Segment(path, first, salt, len(header), first, array("Q"), array("Q"))
        )

    def _load(self, kept: int) -> list[Segment]:
        """Open every segment in order."""
        paths = sorted(self.folder.glob("*.seg"))
        segments: list[Segment] = []
        stop = 0
        for path in paths:
            if path.name != segment_name(stop):
                raise missing(stop, max(kept, stop + 1), segment_name(stop))
            last = path is paths[-1]
            try:
                segment = open_segment(path, stop, kept=kept, last=last)
            except OSError as error:
                raise _unreadable(path, error) from error
            if segment is None:
                self._drop(path)
                continue
            segments.append(segment)
            stop = segment.stop
            if self._write and not (last or segment.indexed) and store_offsets(segment):
                self.repairs.append(f"made the offsets of {path.name} again")
        if stop < kept:
            raise missing(stop, kept, segment_name(stop))
        return segments

    def _drop(self, path: Path) -> None:
        """Remove a segment that holds nothing but the torn beginning of its first append."""
        if self._write:
            path.unlink()
            sync_folder(self.folder)
            self.repairs.append(f"removed {path.name}, which held no whole append")

    def _settle(self) -> None:
        """Cut a torn append, and make durable what no mark says was acknowledged.

        After a failed sync the page cache may show a whole group that never reached the disk, and
        another sync would not write it. Writing the same bytes over it makes it dirty again.
        """
        if not self._segments:
            return
        segment, marked = self._segments[-1], self._mark.count
        fd = os.open(segment.path, os.O_RDWR)
        try:
            behind = os.fstat(fd).st_size - segment.size
            torn = behind if segment.torn else 0
            if torn:
                os.ftruncate(fd, segment.size)
                self.repairs.append(
                    f"cut {torn} bytes of an append to {segment.path.name} that was never"
                    " acknowledged"
                )
            if marked < segment.stop:
                group = segment.group_of(marked)
                _rewrite(fd, segment.positions[group] if group > 0 else 0, segment.size)
            if torn or marked < segment.stop:
                os.fsync(fd)
                sync_folder(self.folder)
                self._mark.set(segment.stop)
                self._mark.sync()
        finally:
            os.close(fd)
        self._fd = os.open(segment.path, os.O_WRONLY)
        self._room = segment.size + behind - torn

    def _snapshot(self) -> list[Segment]:
        """The segments as they are now; the last one grows while others read."""
        if not self._segments:
            return []
        last = self._segments[-1]
        still = replace(last, positions=last.positions[:], firsts=last.firsts[:])
        return [*self._segments[:-1], still]

    def _check_files(self) -> None:
        """Compare the names and sizes in the folder, and the mark, with what was opened."""
        self._mark.check()
        if not self._write or self._broken:
            return
        names = {segment.path.name: segment.size for segment in self._segments}
        if self._segments:
            names[self._segments[-1].path.name] = self._room
        for path in sorted(self.folder.glob("*.seg")):
            if path.stat().st_size != names.pop(path.name, -1):
                raise Corrupt(
                    "A file of the log was changed behind its back.",
                    got=f"{path.stat().st_size} bytes",
                    place=path.name,
                    do=CURE,
                )
        if names:
            first = int(min(names).removesuffix(".seg"))
            raise missing(first, self._stop, min(names))


def _rewrite(fd: int, start: int, stop: int) -> None:
    """Write bytes start to stop of a file over themselves."""
    while start < stop:
        data = os.pread(fd, min(_COPY, stop - start), start)
        if not data or os.pwrite(fd, data, start) != len(data):
            raise OSError("the disk did not take back what it gave")
        start += len(data)


def _unreadable(path: Path, error: OSError) -> Corrupt:
    return Corrupt(
        "A file of the log cannot be read.",
        got=error.strerror or str(error),
        place=path.name,
        do=CURE,
    )
