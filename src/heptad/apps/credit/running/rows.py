# SPDX-License-Identifier: Apache-2.0
"""Read stored rows as of a day, and store published rows so that only what differs is new."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heptad.service.reads.asking import asking as reading
from heptad.standards.time import day, micros, second
from heptad.standards.writing import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from heptad.service.reads.asking import Ask
    from heptad.standards import Table

_EPOCH = date(1970, 1, 1)
PURPOSE = "service"
"""Loans are run under their contract."""


def start_of(on: date) -> int:
    """Return the instant at which a day begins, microseconds."""
    return micros(datetime(on.year, on.month, on.day, tzinfo=UTC))


def end_of(on: date) -> int:
    """Return the last second of a day, microseconds."""
    return start_of(on) + day - second


def day_of(instant: int) -> date:
    """Return the day of an instant, UTC."""
    return _EPOCH + timedelta(days=instant // day)


def asking(platform: Any, job: str, on: date) -> AbstractContextManager[Ask]:
    """Let a job read rows as of the end of a day; see `heptad.service.reads.asking`."""
    own = {"role": platform.role, "purpose": PURPOSE, "who": platform.who}
    return reading(platform, end_of(on), **own, job=job, date=on.isoformat())


def restate(
    platform: Any, table: type[Table], on: date, rows: Sequence[Mapping[str, Any]],
    besides: Iterable[str] = (),
) -> dict[str, int]:  # fmt: skip
    """Store a day's rows of a published table in one piece; what stands there already is left.

    Done again after a kill it comes to the same; done again after a correction it stores new
    versions of just the rows that differ, and says of rows that are no longer made that they are
    gone.

    Args:
        platform: the open project.
        table: the published table.
        on: the day that the rows are of.
        rows: values as stored, by column.
        besides: columns in which a difference alone does not count, such as evidence.

    Returns:
        How many rows were written, were the same, and are gone.
    """
    at, left = end_of(on), {"known_time", *besides}
    with asking(platform, f"restate {table.__name__}", on) as ask:
        held = {
            r[table.key.name]: r for r in ask(table, f"SELECT * FROM rows WHERE event_time = {at}")
        }
    new, same = [], 0
    for row in rows:
        before = held.pop(row[table.key.name], None)
        if before is not None and _equal(row, before, left):
            same += 1
        else:
            new.append(written(table, row))
    gone = [written(table, row) | {"_deleted": True} for row in held.values()]
    if new or gone:
        platform.store(table.__name__, [*new, *gone], source="credit-jobs")
    return {"written": len(new), "same": same, "gone": len(gone)}


def _equal(row: Mapping[str, Any], before: Mapping[str, Any], left: set[str]) -> bool:
    return all(row.get(name) == value for name, value in before.items() if name not in left)
