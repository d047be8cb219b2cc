# SPDX-License-Identifier: Apache-2.0
"""Take from brokers again and again while a project is served, and decide what came."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from heptad.engine.sql.identifiers import quote
from heptad.sources.readers import BROKERS
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from heptad.ingest.report import LoadReport
    from heptad.service.app import App
    from heptad.service.decisions.records import Opened
    from heptad.service.reads.reads import Reads
    from heptad.sources.config import Project
    from heptad.standards import Table

_LOG = logging.getLogger("heptad.sources")
EVERY_S = 0.5
"""How long is waited where nothing had come."""
TIRED_S = 10.0
"""How long is waited after a source failed."""


class Draws(Protocol):
    """What an open project must offer."""

    project: Project
    apps: Mapping[str, App]
    reads: Reads

    def load(self, source: str) -> list[LoadReport]:
        """Load one source."""
        ...

    def table(self, name: str) -> type[Table]:
        """Find a table."""
        ...

    def decide(self, app: str, *, keys: Sequence[str]) -> list[Opened]:
        """Decide stored rows."""
        ...


def drain(platform: Draws, stopped: threading.Event) -> None:
    """Load from every broker and decide new rows, one load after the other, until told to stop.

    The next load begins when this one is stored and decided: that is the back-pressure. Rows of a
    source's first load are history, and opened no decision when they happened.

    Args:
        platform: the open project.
        stopped: ends it.
    """
    names = [s.name for s in platform.project.sources if s.origin.startswith(BROKERS)]
    wait = 0.0
    while names and not stopped.wait(wait):
        wait = EVERY_S
        for name in names:
            try:
                if drained(platform, name):
                    wait = 0.0
            except HeptadError as error:
                _LOG.warning("the source %s was not loaded: %s", name, error.what)
                wait = TIRED_S


def drained(platform: Draws, source: str) -> int:
    """Load a source once and decide its new rows; return how many rows were read."""
    read = 0
    for report in platform.load(source):
        read += report.read
        if report.load is None or not report.accepted or report.known == "assumed":
            continue
        table = platform.table(report.table)
        keys = opened(platform.reads, table, report.load)
        for app in platform.apps.values():
            if keys and app.on is table:
                platform.decide(app.name, keys=keys)
    return read


def opened(reads: Reads, table: type[Table], load: int) -> list[str]:
    """Return the keys that a load brought for the first time, and that are not deleted."""
    key = quote(table.key.name)
    found = reads.queries.arrow(
        f"SELECT {key} AS k FROM {reads.stored(table).relation} GROUP BY {key} "
        f"HAVING min(_load) = {int(load)} AND NOT bool_or(_deleted) ORDER BY {key}"
    )
    keys: list[str] = found.column("k").to_pylist()
    return keys
