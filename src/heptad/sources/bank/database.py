# SPDX-License-Identifier: Apache-2.0
"""The core banking database, exported as SQLite: customers, accounts, cards, applications, loans."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.dirt import OUT_OF_RANGE, Dirt, Layout
from heptad.sources.bank.draws import field
from heptad.sources.bank.rendering import amounts, days, decimals, integers, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from heptad.sources.bank import Bank
    from heptad.sources.bank.world import Columns

OTHER_PHONE = "phone written otherwise"

TABLES = {
    "customers": "Customer",
    "companies": "Company",
    "accounts": "Account",
    "cards": "Card",
    "devices": "Device",
    "loan_applications": "LoanApplication",
    "loans": "Loan",
}
"""Table of the database → shared table."""
_MONEY = {"amount", "income", "expenses"}
_DAYS = {"birth", "since", "opened", "founded", "employed_since"}
_FIXED = {"rate": 6, "home_lat": 7, "home_lon": 7}
_INSTANTS = {"event_time", "known_time"}
_SPOILT_AGES_PER_MILLION = 6_000
_PHONES_PER_256 = 60


def write_database(
    bank: Bank, path: Path, *, dirty: bool
) -> tuple[dict[str, int], dict[str, Counter[str]]]:
    """Write the database; the same bank gives the same bytes with the same SQLite.

    Returns:
        Rows per table of the database, and per table how many rows were spoilt for which reason.
    """
    path.unlink(missing_ok=True)
    rows: dict[str, int] = {}
    counts = {name: Counter[str]() for name in TABLES}
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        for name, table in TABLES.items():
            database.execute("BEGIN")
            rows[name] = _write_table(
                database, name, _known(bank, table), bank, counts[name], dirty
            )
            database.execute("COMMIT")
    return rows, counts


def _known(bank: Bank, table: str) -> Iterator[Columns]:
    """Yield the rows that were known before the history ended."""
    for batch in bank.table(table):
        kept = np.flatnonzero(batch["known_time"] < bank.world.end)
        yield {name: values[kept] for name, values in batch.items()}


def _write_table(
    database: sqlite3.Connection,
    name: str,
    batches: Iterator[Columns],
    bank: Bank,
    counts: Counter[str],
    dirty: bool,
) -> int:
    """Create a table and fill it, with known_time as its column changed_at."""
    written = 0
    for batch in batches:
        columns = {n: _values(n, batch) for n in batch}
        if not written:
            names = ", ".join("changed_at" if n == "known_time" else n for n in columns)
            database.execute(f"CREATE TABLE {name} ({names})")
        if dirty and name == "loan_applications":
            _spoil_ages(bank, batch, columns, counts)
        if dirty and name == "customers":
            _write_phones_otherwise(bank, batch, columns, counts)
        marks = ", ".join("?" * len(columns))
        found = zip(*columns.values(), strict=True)
        database.executemany(f"INSERT INTO {name} VALUES ({marks})", found)
        written += len(batch["id"])
    return written


def _values(name: str, batch: Columns) -> list[str | int | None]:
    """Return a column as SQLite stores it: text, or a whole number, missing ones as NULL."""
    values = batch[name]
    if name in _INSTANTS:
        return _texts(iso(values).tolist())
    if name in _MONEY:
        return _texts(amounts(values, batch["currency"]))
    if name in _DAYS:
        return _texts(days(values))
    if name in _FIXED:
        return _texts(decimals(values, _FIXED[name]))
    if values.dtype.kind == "i":
        return [int(text) if text else None for text in integers(values)]
    return _texts(values.tolist())


def _texts(values: Iterable[str | bytes]) -> list[str | int | None]:
    return [(v.decode() if isinstance(v, bytes) else v) or None for v in values]


def _spoil_ages(
    bank: Bank, batch: Columns, columns: dict[str, list[str | int | None]], counts: Counter[str]
) -> None:
    """Give some applicants an age that nobody reaches."""
    dirt = Dirt(bank.world.draws, "core", Layout(), {OUT_OF_RANGE: _SPOILT_AGES_PER_MILLION})
    for at, reason, variant in dirt.chosen(batch["id"]):
        columns["age"][at] = 999 - variant
        counts[reason] += 1


def _write_phones_otherwise(
    bank: Bank, batch: Columns, columns: dict[str, list[str | int | None]], counts: Counter[str]
) -> None:
    """Write some telephone numbers with the habits of the clerk: 0034 and separators."""
    number = np.char.lstrip(batch["id"], b"C").astype(np.int64)
    habit = field(bank.world.draws.of("clerk", number), 0, 8)
    for at in np.flatnonzero(habit < _PHONES_PER_256).tolist():
        phone = str(columns["phone"][at])
        columns["phone"][at] = f"0034 {phone[3:6]}-{phone[6:9]}-{phone[9:]}"
        counts[OTHER_PHONE] += 1
