# SPDX-License-Identifier: Apache-2.0
"""The source files of loads: each content is loaded into a table once, whatever it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, literal_column, select, update

from heptad.catalog.schema import LoadFileRow, LoadRow
from heptad.standards.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

FREE, HELD, AGAIN = 0, 1, 2
"""Whether a content counts as loaded by a load: no, yes, or only once the load is committed."""
IS_HELD = LoadFileRow.held == literal_column(str(HELD))
"""As a literal: SQLite would not use the partial index for a bound value."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a load reads: its path, its size in bytes and the digest of its content."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Sifted:
    """Files told apart by what was loaded before.

    Attributes:
        new: to be loaded, those in `changed` included.
        changed: the new ones whose path was loaded with another content, and by which load.
        loaded: loaded before under the same path, and by which load.
        renamed: loaded before under another path, or listed twice: the file, the other path,
            and the load (None if it is among the new).
    """

    new: tuple[SourceFile, ...]
    changed: tuple[tuple[SourceFile, int], ...]
    loaded: tuple[tuple[SourceFile, int], ...]
    renamed: tuple[tuple[SourceFile, str, int | None], ...]


def sift(connection: Connection, table: str, files: Sequence[SourceFile]) -> Sifted:
    """Tell files that are new from those whose content the table holds already."""
    done = ("committed",)
    held = _holders(connection, table, LoadFileRow.sha256, [f.sha256 for f in files], done)
    paths = _holders(connection, table, LoadFileRow.path, [f.path for f in files], done)
    fresh: dict[str, SourceFile] = {}
    changed: list[tuple[SourceFile, int]] = []
    loaded: list[tuple[SourceFile, int]] = []
    renamed: list[tuple[SourceFile, str, int | None]] = []
    for file in files:
        if file.sha256 in held:
            path, load = held[file.sha256]
            if path == file.path:
                loaded.append((file, load))
            else:
                renamed.append((file, path, load))
        elif file.sha256 in fresh:
            renamed.append((file, fresh[file.sha256].path, None))
        else:
            fresh[file.sha256] = file
            if file.path in paths:
                changed.append((file, paths[file.path][1]))
    return Sifted(tuple(fresh.values()), tuple(changed), tuple(loaded), tuple(renamed))


def hold(
    connection: Connection, load: int, table: str, files: Sequence[SourceFile], *, again: bool
) -> None:
    """Mark the content of files as loaded by a load; with `again`, once it is committed.

    Raises:
        Conflict: if another load holds the content, or two of the files have the same.
    """
    digests = [file.sha256 for file in files]
    live = () if again else ("committed", "staged")
    held = _holders(connection, table, LoadFileRow.sha256, digests, live)
    met: set[str] = set()
    for file in files:
        if file.sha256 in held or file.sha256 in met:
            by = f", load {held[file.sha256][1]}" if file.sha256 in held else ", listed twice"
            raise Conflict(
                f"The content of a file is loaded into {table} already.",
                got=f"sha256 {file.sha256}{by}",
                do="leave it out; rows that were refused come with `heptad quarantine retry TABLE`",
                place=file.path,
            )
        met.add(file.sha256)
    rows = [
        {
            "load": load,
            "table": table,
            "path": file.path,
            "size": file.size,
            "sha256": file.sha256,
            "held": AGAIN if again else HELD,
        }
        for file in files
    ]
    if rows:
        connection.execute(insert(LoadFileRow), rows)


def take_over(connection: Connection, load: int, table: str) -> None:
    """Make a load that read known content again the one that holds it."""
    mine = (LoadFileRow.load == load) & (LoadFileRow.held == AGAIN)
    digests = list(connection.execute(select(LoadFileRow.sha256).where(mine)).scalars())
    for start in range(0, len(digests), _CHUNK):
        earlier = update(LoadFileRow).where(
            LoadFileRow.table == table,
            LoadFileRow.sha256.in_(digests[start : start + _CHUNK]),
            IS_HELD,
        )
        connection.execute(earlier.values(held=FREE))
    if digests:
        connection.execute(update(LoadFileRow).where(mine).values(held=HELD))


def let_go(connection: Connection, load: int) -> None:
    """Let the files of a load that broke off be loaded by another."""
    connection.execute(update(LoadFileRow).where(LoadFileRow.load == load).values(held=FREE))


def files_of(connection: Connection, load: int) -> list[SourceFile]:
    """Return the source files of a load, by path."""
    wanted = select(LoadFileRow.path, LoadFileRow.size, LoadFileRow.sha256)
    rows = connection.execute(wanted.where(LoadFileRow.load == load))
    return sorted((SourceFile(*row) for row in rows), key=lambda file: file.path)


def _holders(
    connection: Connection,
    table: str,
    column: Any,
    values: Sequence[str],
    statuses: tuple[str, ...],
) -> dict[str, tuple[str, int]]:
    """Find (path, load) of the last held file for each value of `column` that has one."""
    found: dict[str, tuple[str, int]] = {}
    for start in range(0, len(values), _CHUNK):
        wanted = (
            select(column, LoadFileRow.path, LoadFileRow.load)
            .join(LoadRow, LoadRow.id == LoadFileRow.load)
            .where(
                LoadFileRow.table == table,
                IS_HELD,
                LoadRow.status.in_(statuses),
                column.in_(values[start : start + _CHUNK]),
            )
            .order_by(LoadFileRow.load)
        )
        for value, path, load in connection.execute(wanted):
            found[value] = (path, load)
    return found
