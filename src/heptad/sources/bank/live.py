# SPDX-License-Identifier: Apache-2.0
"""The live day that follows the history: rows as NDJSON in the order in which they arrive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from heptad.sources.bank.draws import below
from heptad.sources.bank.rendering import amounts, days, decimals, integers, iso
from heptad.sources.bank.world import DAY, SECOND, Columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.sources.bank import Bank

_LONGEST_DELAY = 6
"""Days after which even the latest payment has reached the books."""
_MONEY, _DAYS, _DEGREES = {"amount", "income", "expenses"}, {"employed_since"}, ("_lat", "_lon")


class Arrival(NamedTuple):
    """One row that reaches the bank.

    Attributes:
        instant: when it arrives, µs UTC; this is its known_time.
        table: name of the shared table.
        line: the row as one line of JSON, in the table's own field names.
        remark: "", "late", "correction" or "duplicate".
    """

    instant: int
    table: str
    line: bytes
    remark: str


def live_day(bank: Bank) -> Iterator[Arrival]:
    """Yield what arrives on the day after the history, in order of arrival.

    Among the payments and loan applications are rows of earlier days that arrive late, one
    payment that is corrected and one that is delivered twice.
    """
    found: list[tuple[int, int, Arrival]] = []
    for table, batches in (
        ("Payment", bank.payments(bank.days - _LONGEST_DELAY, bank.days + 1)),
        ("LoanApplication", bank.loans.applications(bank.days - 1, bank.days + 1)),
    ):
        for batch in batches:
            for arrival in _arrivals(bank, table, batch):
                found.append((arrival.instant, len(found), arrival))
    found += _again(bank, [entry[2] for entry in found], len(found))
    for _, __, arrival in sorted(found):
        yield arrival


def _arrivals(bank: Bank, table: str, batch: Columns) -> Iterator[Arrival]:
    """Yield the rows of a batch that arrive on the live day."""
    start = bank.world.end
    known = batch["known_time"]
    kept = np.flatnonzero((known >= start) & (known < start + DAY))
    batch = {name: values[kept] for name, values in batch.items()}
    rows = zip(*_texts(batch).values(), strict=True)
    names = [name for name in batch if name != "known_time"]
    late = (batch["known_time"] - batch["event_time"] >= 6 * 3600 * SECOND).tolist()
    for instant, values, is_late in zip(batch["known_time"].tolist(), rows, late, strict=True):
        row = {n: v for n, v in zip(names, values, strict=True) if v not in (b"", "")}
        yield Arrival(instant, table, _json(row), "late" if is_late else "")


def _again(bank: Bank, arrivals: list[Arrival], count: int) -> list[tuple[int, int, Arrival]]:
    """Return a correction of one payment and a second delivery of another."""
    early = [a for a in arrivals if a.table == "Payment" and not a.remark]
    early = [a for a in early if a.instant < bank.world.end + 18 * 3600 * SECOND]
    if len(early) < 2:
        return []
    words = bank.world.draws.of("live change", np.arange(1))
    first = int(below(words, len(early) - 1)[0])
    row = json.loads(early[first].line)
    row["amount"] = "1" + row["amount"]
    later = early[first].instant + 2 * 3600 * SECOND
    twice = early[first + 1]
    return [
        (later, count, Arrival(later, "Payment", _json(row), "correction")),
        (twice.instant + 3 * SECOND, count + 1,
         twice._replace(instant=twice.instant + 3 * SECOND, remark="duplicate")),
    ]  # fmt: skip


def _texts(batch: Columns) -> dict[str, list[Any]]:
    """Return the columns as JSON writes them: money and degrees as decimal text."""
    texts: dict[str, list[Any]] = {}
    for name, values in batch.items():
        if name == "event_time":
            texts[name] = iso(values).tolist()
        elif name in _MONEY:
            texts[name] = amounts(values, batch["currency"])
        elif name in _DAYS:
            texts[name] = days(values)
        elif name.endswith(_DEGREES):
            texts[name] = decimals(values, 7)
        elif name != "known_time":
            numbers = values.dtype.kind == "i"
            texts[name] = (
                [int(v) if v else b"" for v in integers(values)] if numbers else values.tolist()
            )
    return texts


def _json(row: dict[str, Any]) -> bytes:
    plain = {n: v.decode() if isinstance(v, bytes) else v for n, v in row.items()}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
