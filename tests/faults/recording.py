# SPDX-License-Identifier: Apache-2.0
"""A model of a disk: from the recorded calls of a process, what a power loss may leave of a folder.

The model is that of POSIX, which promises less than any one file system: a file's bytes are on the
disk once the file was synced, and a name once its folder was; after a failed sync the bytes count
as clean although they never got there, so that a later sync of the same file says yes to nothing.
"""

from __future__ import annotations

import os
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_HEAD = struct.Struct("<cqqIII")
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Call:
    """One storage call that was made, or a note ("!") of the process that made them.

    Attributes:
        kind: O open, W write, T truncate, F allocate, S sync, U remove, M make a folder,
            R rename, L link.
        result: what it returned; for a sync, 0 or -1.
        place: where it wrote, or the size that it asked for.
        path: of the file, absolute.
        to: the other path of a rename or link.
        data: what it wrote.
    """

    kind: str
    result: int
    place: int
    path: str
    to: str
    data: bytes


def calls(record: Path) -> list[Call]:
    """Read what fault.c has recorded; a torn last record, cut off by a kill, does not count."""
    data, at, found = record.read_bytes() if record.exists() else b"", 0, []
    while at + _HEAD.size <= len(data):
        kind, result, place, first, second, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + first + second + size > len(data):
            break
        path, to = data[at : at + first].decode(), data[at + first : at + first + second].decode()
        at += first + second
        found.append(Call(kind.decode(), result, place, path, to, data[at : at + size]))
        at += size
    return found


@dataclass(eq=False, slots=True)
class File:
    """A file: what processes see of it, and what the disk holds."""

    cache: bytearray = field(default_factory=bytearray)
    disk: bytearray = field(default_factory=bytearray)
    dirty: list[tuple[int, int]] = field(default_factory=list)
    synced: int = 0
    """Size on the disk."""

    def write(self, at: int, data: bytes) -> None:
        if len(self.cache) < at + len(data):
            self.cache.extend(bytes(at + len(data) - len(self.cache)))
        self.cache[at : at + len(data)] = data
        self.dirty.append((at, at + len(data)))

    def resize(self, size: int) -> None:
        if size > len(self.cache):
            self.write(len(self.cache), bytes(size - len(self.cache)))
        else:
            del self.cache[size:]

    def sync(self, *, done: bool) -> None:
        """Bring what is dirty to the disk; if that fails, the cache calls it clean all the same."""
        if done:
            self.disk = self._with(self.dirty)
            self.synced = len(self.cache)
        self.dirty.clear()

    def _with(self, parts: list[tuple[int, int]]) -> bytearray:
        """What the disk holds once these parts have got there."""
        held = self.disk[: len(self.cache)]
        held.extend(bytes(len(self.cache) - len(held)))
        for start, stop in parts:
            last = min(stop, len(self.cache))
            held[start:last] = self.cache[start:last]
        return held

    def least(self) -> bytes:
        return bytes(self.disk[: self.synced])

    def torn(self, chance: random.Random) -> bytes:
        """What is left if each sector that was not synced is there or not, as it happens."""
        whole = chance.choice((0.0, 0.5, 1.0))
        if not self.dirty and self.synced == len(self.cache):
            return self.least()
        sectors = {n for a, b in self.dirty for n in range(a // _SECTOR, -(-b // _SECTOR))}
        kept = sorted(n for n in sectors if chance.random() < whole)
        size = chance.choice((self.synced, len(self.cache)))
        held = self._with([(n * _SECTOR, (n + 1) * _SECTOR) for n in kept])
        held.extend(self.disk[len(held) : size])
        return bytes(held[:size])


@dataclass(eq=False, slots=True)
class Folder:
    """A folder: the names in it as processes see them, and as the disk holds them."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    disk: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[tuple[str | None, str | None, File | Folder]] = field(default_factory=list)
    """Changes of names since the last sync: (name that went, name that came, what it names)."""

    def change(self, gone: str | None, come: str | None, node: File | Folder) -> None:
        _rename(self.names, gone, come, node)
        self.pending.append((gone, come, node))

    def sync(self, *, done: bool) -> None:
        if done:
            self.disk = dict(self.names)
            self.pending.clear()

    def torn(self, chance: random.Random) -> dict[str, File | Folder]:
        """The names if the changes got to the disk in their order up to some point."""
        held = dict(self.disk)
        for gone, come, node in self.pending[: chance.randint(0, len(self.pending))]:
            _rename(held, gone, come, node)
        return held


def _rename(
    names: dict[str, File | Folder], gone: str | None, come: str | None, node: File | Folder
) -> None:
    if gone is not None:
        names.pop(gone, None)
    if come is not None:
        names[come] = node


class Disk:
    """The model: what `root` held, synced, when recording began, and each call since."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = _read(root)
        self._prefix = str(root)

    def apply(self, call: Call) -> None:
        """Let one call happen."""
        if call.kind == "!" or call.path.endswith(" (deleted)"):
            return
        act = getattr(self, f"_{_NAMED[call.kind]}")
        act(call)

    def lose(self, into: Path, chance: random.Random | None = None) -> None:
        """Let the power fail: write what the disk holds now into a folder.

        Args:
            into: made anew.
            chance: if given, some of what was not synced is there too: whole changes of names in
                each folder, and single sectors of files; else only what is certain.
        """
        shutil.rmtree(into, ignore_errors=True)
        _write(self.top, into, chance)

    def keep(self, into: Path) -> None:
        """Write what processes see, as a kill would leave it."""
        shutil.rmtree(into, ignore_errors=True)
        _write_seen(self.top, into)

    def _find(self, path: str) -> tuple[Folder, str]:
        """Return the folder that a path lies in, and the name there."""
        assert path.startswith(self._prefix), path
        parts = path[len(self._prefix) :].strip("/").split("/")
        place = self.top
        for part in parts[:-1]:
            found = place.names[part]
            assert isinstance(found, Folder), path
            place = found
        return place, parts[-1]

    def _node(self, path: str) -> File | Folder:
        place, name = self._find(path)
        return place.names[name] if name else self.top

    def _file(self, path: str) -> File:
        found = self._node(path)
        assert isinstance(found, File), path
        return found

    def _opened(self, call: Call) -> None:
        place, name = self._find(call.path)
        if name not in place.names:
            place.change(None, name, File())
        if call.place:
            self._file(call.path).resize(0)

    def _written(self, call: Call) -> None:
        self._file(call.path).write(call.place, call.data)

    def _resized(self, call: Call) -> None:
        self._file(call.path).resize(call.place)

    def _allocated(self, call: Call) -> None:
        file = self._file(call.path)
        file.resize(max(call.place, len(file.cache)))

    def _synced(self, call: Call) -> None:
        self._node(call.path).sync(done=call.result == 0)

    def _removed(self, call: Call) -> None:
        place, name = self._find(call.path)
        place.change(name, None, place.names[name])

    def _made(self, call: Call) -> None:
        place, name = self._find(call.path)
        place.change(None, name, Folder())

    def _renamed(self, call: Call) -> None:
        (place, name), (other, fresh) = self._find(call.path), self._find(call.to)
        node = place.names[name]
        if place is other:
            place.change(name, fresh, node)
        else:
            other.change(None, fresh, node)
            place.change(name, None, node)

    def _linked(self, call: Call) -> None:
        place, name = self._find(call.to)
        place.change(None, name, self._node(call.path))


_NAMED = {"O": "opened", "W": "written", "T": "resized", "F": "allocated", "S": "synced",
          "U": "removed", "M": "made", "R": "renamed", "L": "linked"}  # fmt: skip


def _read(path: Path) -> Folder:
    """Take a folder as it is, all of it on the disk."""
    found = Folder()
    for entry in os.scandir(path) if path.is_dir() else ():
        if entry.is_dir(follow_symlinks=False):
            found.names[entry.name] = _read(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            data = Path(entry.path).read_bytes()
            found.names[entry.name] = File(bytearray(data), bytearray(data), [], len(data))
    found.disk = dict(found.names)
    return found


def _write(folder: Folder, into: Path, chance: random.Random | None) -> None:
    into.mkdir(mode=0o700)
    held = folder.disk if chance is None else folder.torn(chance)
    for name, node in held.items():
        if isinstance(node, Folder):
            _write(node, into / name, chance)
        else:
            _put(into / name, node.least() if chance is None else node.torn(chance))


def _write_seen(folder: Folder, into: Path) -> None:
    into.mkdir(mode=0o700)
    for name, node in folder.names.items():
        if isinstance(node, Folder):
            _write_seen(node, into / name)
        else:
            _put(into / name, bytes(node.cache))


def _put(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(data)


def losses(root: Path, record: list[Call]) -> Iterator[tuple[int, Disk, list[str]]]:
    """Walk a record: before each call, give its number, the disk, and what had been noted.

    The folder must be as it was when recording began, and may be changed between steps. A last
    step, numbered one more, stands for the power failing after all.
    """
    disk, noted, number = Disk(root), list[str](), 0
    for call in record:
        if call.kind == "!":
            noted.append(call.data.decode())
            continue
        number += 1
        yield number, disk, noted
        disk.apply(call)
    yield number + 1, disk, noted
