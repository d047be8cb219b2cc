# SPDX-License-Identifier: Apache-2.0
"""Which cells of a row are visible, whatever store keeps them: newest versions, not too old."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heptad.engine.protocols import Cell
from heptad.engine.rowkeys import column_key, column_of
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from heptad.engine.protocols import Family


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_FAMILY = re.compile(r"[A-Za-z0-9_]{1,62}")

Stored = tuple[bytes, bytes, int, bytes]
"""A cell as a store keeps it: its key there, how its column is stored, its timestamp, its value."""
Judged = tuple[bytes, bytes, int, bytes, bool]
"""A cell: its key in the store, its column, its timestamp, its value, whether it is visible."""


def judged(cells: Iterable[Stored], families: Mapping[str, Family], now: int) -> Iterator[Judged]:
    """Say of each cell of a row which column it is in, since when, and if it is visible.

    Args:
        cells: of one row, by column, newest first.
        families: how the table's families are kept.
        now: the present, microseconds.
    """
    suffix: bytes | None = None
    column, rank, kept, oldest = b"", 0, 0, -1
    for key, here, stamp, value in cells:
        if here != suffix:
            suffix, rank = here, 0
            column, name = column_of(here)
            kept, ttl = families[name].versions, families[name].ttl
            oldest = -1 if ttl is None else now - ttl
        yield key, column, stamp, value, rank < kept and stamp > oldest
        rank += 1


def newest(
    cells: Iterable[Judged], wanted: frozenset[bytes] | None, until: int | None
) -> dict[bytes, bytes]:
    """Return the newest visible value of each wanted column of a row."""
    values: dict[bytes, bytes] = {}
    for _, column, stamp, value, visible in cells:
        if (
            visible
            and column not in values
            and (until is None or stamp <= until)
            and is_wanted(column, wanted)
        ):
            values[column] = value
    return values


def newest_cells(
    cells: Iterable[Judged], wanted: frozenset[bytes] | None, until: int | None
) -> dict[bytes, Cell]:
    """Return what `newest` does, each value with its timestamp."""
    stamps: dict[bytes, int] = {}

    def noted() -> Iterator[Judged]:
        for cell in cells:
            if cell[4] and (until is None or cell[2] <= until):
                stamps.setdefault(cell[1], cell[2])
            yield cell

    values = newest(noted(), wanted, until)
    return {column: Cell(value, stamps[column]) for column, value in values.items()}


def doomed(
    cells: Iterable[Judged], wanted: frozenset[bytes] | None, until: int | None
) -> Iterator[bytes]:
    """Yield the keys of the cells that a deletion removes.

    What is hidden goes too: it must not come to light when others go.
    """
    for key, column, stamp, _, visible in cells:
        if is_wanted(column, wanted) and (not visible or until is None or stamp <= until):
            yield key


def is_wanted(column: bytes, wanted: frozenset[bytes] | None) -> bool:
    """Tell whether a column, or its family, is among those asked for."""
    return wanted is None or column in wanted or column[: column.index(b":") + 1] in wanted


def wanted_of(
    columns: Collection[bytes] | None, families: Mapping[str, Family]
) -> frozenset[bytes] | None:
    """Check the columns asked for; a family stands as `family:`.

    Raises:
        UnknownName: if there is no such family.
        ContractError: if a column is malformed.
    """
    if columns is None:
        return None
    full = [c if b":" in c else c + b":" for c in columns]
    for column in full:
        column_key(column, families)
    return frozenset(full)


def families_of(table: str, known: Mapping[str, dict[str, Family]]) -> dict[str, Family]:
    """Return how a table's families are kept.

    Raises:
        UnknownName: if there is no such table.
    """
    try:
        return known[table]
    except KeyError:
        raise UnknownName(
            f"There is no row table {table!r}.", got=table, do=suggest(table, known)
        ) from None


def check_table(table: str, families: Mapping[str, Family]) -> None:
    """Refuse names and settings that cannot be kept.

    Raises:
        ContractError: if there is one.
    """
    if not _NAME.fullmatch(table):
        raise ContractError("A row table's name is letters, digits and _.", got=table)
    for name, family in families.items():
        if not _FAMILY.fullmatch(name):
            raise ContractError("A family's name is letters, digits and _.", got=name)
        if family.versions < 1 or (family.ttl is not None and family.ttl < 1):
            raise ContractError(
                f"The family {table}:{name} would keep nothing.",
                got=f"versions={family.versions}, ttl={family.ttl}",
                do="give versions and ttl of at least 1",
            )
