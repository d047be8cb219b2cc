# SPDX-License-Identifier: Apache-2.0
"""A log of what is still to be stored elsewhere: appended durably, and dropped once it is stored.

It lies in generations, each a log of segments in a folder of its own. A new one is begun when the
last has grown, and those before it are removed as a whole when nothing of them is needed.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from heptad.engine.local.disk import refusals, sync
from heptad.engine.local.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LARGE = 32 << 20
"""Bytes of a generation after which the next is begun."""
_SHIFT = 40
_GONE = ".gone-"


class Journal:
    """The log in one folder, held by one process.

    A place is a number that grows with every record, over all generations.

    Args:
        folder: where the generations lie; made when something is appended.
        beyond: a place that every new record lies beyond, though the folder be empty.

    Raises:
        Busy: if another process writes it, or the disk refuses.
        Corrupt: if a byte is not as it was written.
    """

    def __init__(self, folder: Path, beyond: int = 0) -> None:
        self._folder, self._least = folder, (beyond >> _SHIFT) + 1
        self._logs: dict[int, Segments] = {}
        self._bytes = 0
        try:
            with refusals("The journal was not opened"):
                self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if path.name.startswith(_GONE):
                _remove(path)
            else:
                self._logs[int(path.name)] = Segments(path)

    def _sweep(self) -> None:
        """Remove what was given up and could not be removed then."""
        for path in list(self._folder.glob(f"{_GONE}*")):
            _remove(path)

    @property
    def _last(self) -> int:
        return max(self._logs, default=0)

    def append(self, records: Sequence[bytes]) -> range:
        """Write records, all or none, durable at return; give their places.

        After a failure nobody knows what lies on the disk: the generation is opened again, which
        settles it, before anything else is appended.

        Raises:
            Busy: if the disk refused.
        """
        if not self._logs or self._bytes >= LARGE:
            self.turn()
        number = self._last
        if self._logs[number].broken:
            self._logs[number].close()
            self._logs[number] = Segments(self._folder / f"{number:08d}")
        found = self._logs[number].append(records)
        self._bytes += sum(map(len, records))
        first = (number << _SHIFT) + found.start
        return range(first, first + len(found))

    def turn(self) -> None:
        """Begin another generation."""
        number = max(self._last + 1, self._least)
        self._logs[number] = Segments(self._folder / f"{number:08d}")
        self._bytes = 0

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Yield every record that is left, with its place."""
        for number, log in sorted(self._logs.items()):
            for index, record in enumerate(log.iterate()):
                yield (number << _SHIFT) + index, record

    def drop(self, before: int) -> None:
        """Remove the generations that hold nothing from a place on; the last one stays.

        Raises:
            Busy: if the disk refused; what is left is removed by the next call.
        """
        self._sweep()
        for number in sorted(self._logs):
            if number == self._last or (number + 1) << _SHIFT > before:
                return
            self._give_up(number)

    def remove(self) -> None:
        """Let the files go and remove all of them, as nothing is needed any more.

        Raises:
            Busy: if the disk refused; what is left is whole, or removed by the next who opens it.
        """
        self._sweep()
        for number in sorted(self._logs):
            self._give_up(number)
        with refusals("The journal was not removed"):
            self._folder.rmdir()

    def close(self) -> None:
        """Let the files go."""
        for log in self._logs.values():
            log.close()

    def _give_up(self, number: int) -> None:
        """Remove a generation: whole or not at all, wherever a kill or a power loss comes."""
        gone = self._folder / f"{_GONE}{number:08d}"
        self._logs[number].close()
        with refusals("A part of the journal was not removed"):
            (self._folder / f"{number:08d}").rename(gone)
        del self._logs[number]
        _remove(gone)


def _remove(gone: Path) -> None:
    """Remove what was a generation, once its new name is durable: a part of one would be damage."""
    with refusals("A part of the journal was not removed"):
        sync(gone.parent)
        shutil.rmtree(gone)
