# SPDX-License-Identifier: Apache-2.0
"""A throw-away project that holds an application's demo rows, for tests."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.runtime import Platform
from heptad.standards.time import FixedClock, day, micros, second

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from heptad.service.app import App
    from heptad.standards import Table

    Rows = Mapping[type[Table], Sequence[Mapping[str, Any]]]


def instant(value: object) -> int:
    """Return the microseconds of an instant as demo rows write it: int, datetime or ISO text."""
    from heptad.standards.time import parse_instant

    if isinstance(value, int):
        return value
    return parse_instant(value) if isinstance(value, str) else micros(_aware(value))


def _aware(value: object) -> datetime:
    from datetime import UTC, datetime

    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no instant")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def store_later(platform: Platform, rows: Rows) -> None:
    """Store rows long after everything that is stored: known only from then on."""
    clock = platform.clock
    if isinstance(clock, FixedClock):
        clock.set(clock.now() + 400 * day)
    for table, given in rows.items():
        if given:
            platform.store(table.__name__, list(given), source="later")


@contextmanager
def project(
    rows: Rows, *, apps: Iterable[App] = (), decided: App | None = None
) -> Iterator[Platform]:
    """Open a fresh project and store rows, each known one second after the last event.

    Args:
        rows: table → rows as plain data; instants as ISO text, amounts as decimal text.
        apps: applications beside those discovered.
        decided: an application whose own rows are left out, for the caller to post.
    """
    times = [instant(row["event_time"]) for table in rows.values() for row in table]
    clock = FixedClock(max(times, default=0) + second)
    with tempfile.TemporaryDirectory(prefix="heptad-") as folder:
        Path(folder, "heptad.toml").write_text('[project]\nname = "scratch"\n', encoding="utf-8")
        with Platform.open(folder, clock=clock, apps=apps) as platform:
            for table, given in rows.items():
                if decided is None or table is not decided.on:
                    platform.store(table.__name__, list(given), source="demo")
            yield platform
