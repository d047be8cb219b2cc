# SPDX-License-Identifier: Apache-2.0
"""Whose rows may be read on a basis that a person can end: consents as known, as one semi-join."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from heptad.engine.sql.identifiers import literal, quote
from heptad.security.purposes import EVERYWHERE
from heptad.service.reads.asof import read_sql
from heptad.standards.model import Consent
from heptad.standards.time import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heptad.engine.protocols import Tables
    from heptad.security.purposes import Basis
    from heptad.service.batch.windows import Stored
    from heptad.standards import Table

KEPT = 16
"""Standings kept after they were replaced, for queries that were planned with them."""
_numbers = itertools.count(1)


class Session(Protocol):
    """What is needed of the engine: queries, and tables of the session's own."""

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run one query."""
        ...

    def run(self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table) -> int:
        """Make or drop a table."""
        ...


@dataclass(frozen=True)
class Standing:
    """Who gave a consent, or who objected, as known at an instant.

    Attributes:
        name: the engine's table of them, one column `who`.
        among: whether rows of those in it are read; else rows of all but them.
        until: the instant from which on it may be another, microseconds.
    """

    name: str
    among: bool
    until: int

    def where(self, table: type[Table], stored: Stored) -> str:
        """Return the SQL condition under which a row version may be read.

        Of a key whose row versions name several persons each must stand: a row moved from one
        who does not to one who does would show what the first one did.
        """
        subject = table.subject
        assert subject is not None  # noqa: S101 - a table about nobody has no basis that ends
        who, listed = quote(subject.name), f"(SELECT who FROM {self.name})"
        stands = f"{who} IN {listed}" if self.among else f"{who} NOT IN {listed}"
        if subject.key or not (stored.corrected or table.state):
            return stands
        key = quote(table.key.name)
        return f"{key} NOT IN (SELECT {key} FROM {stored.relation} WHERE NOT ({stands}))"


class Standings:
    """Who stands, by purpose and group; asked anew when consents came or one of them ran out.

    Args:
        lake: where the table Consent is.
        session: gives the query session of the calling thread.
    """

    def __init__(self, lake: Tables, session: Callable[[], Session]) -> None:
        self._lake, self._session = lake, session
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, Basis], tuple[int, int, Standing]] = {}
        self._old: deque[str] = deque()
        self._created = False

    def forget(self) -> None:
        """Ask again for all, whatever is known."""
        with self._lock:
            for _, _, standing in self._known.values():
                self._drop(standing.name)
            self._known.clear()

    def version(self) -> int:
        """Return the version of the table Consent."""
        if not self._created:
            self._lake.create(Consent)
            self._created = True
        return self._lake.version(Consent.__name__)

    def at(
        self, purpose: str, group: str, basis: Basis, now: int, version: int | None = None
    ) -> Standing:
        """Return who stands at an instant, as known then.

        Args:
            purpose: the purpose of the read.
            group: the group of the table read.
            basis: consent, or legitimate interests.
            now: the instant, microseconds.
            version: of the table Consent; its last one by default.
        """
        held = self.version() if version is None else version
        asked = (purpose, group, basis)
        with self._lock:
            known = self._known.get(asked)
            if known and known[0] == held and known[1] <= now < known[2].until:
                return known[2]
            made = self._made(purpose, group, basis, now, held)
            if known:
                self._drop(known[2].name)
            self._known[asked] = (held, now, made)
            return made

    def listed(self, standing: Standing, people: Sequence[str]) -> set[str]:
        """Return those of few persons whom a standing lists."""
        asked = pa.table({"who": pa.array(list(people), pa.string())})
        found = self._session().arrow(
            f"SELECT DISTINCT a.who FROM asked a WHERE a.who IN (SELECT who FROM {standing.name})",
            asked=asked,
        )
        return set(found.column("who").to_pylist())

    def _made(self, purpose: str, group: str, basis: Basis, now: int, version: int) -> Standing:
        """Ask the table Consent."""
        session = self._session()
        relation = self._lake.relation(Consent.__name__, version, table=Consent)
        covers = (
            f"purpose = {literal(purpose)} AND scope IN ({literal(group)}, {literal(EVERYWHERE)})"
        )
        held = read_sql(Consent, relation, t=now, k=now)
        active = f"status = 'active' AND (until IS NULL OR until >= {now})"
        given = f"bool_or({active})"
        if basis != "consent":
            given = f"bool_or(status IN ('withdrawn', 'suspended')) AND NOT {given}"
        name = f"_standing_{next(_numbers)}"
        session.run(
            f"CREATE TABLE {name} AS SELECT customer AS who FROM ({held}) "
            f"WHERE {covers} GROUP BY customer HAVING {given}"
        )
        later = session.arrow(
            f"SELECT least(min(event_time) FILTER (event_time > {now}), "
            f"min(known_time) FILTER (known_time > {now}), "
            f"min(until + 1) FILTER (until >= {now})) AS at FROM {relation} WHERE {covers}"
        )
        until = later.column("at")[0].as_py()
        return Standing(name, basis == "consent", LATEST if until is None else int(until))

    def _drop(self, name: str) -> None:
        """Drop a standing that nobody can still be asking."""
        self._old.append(name)
        while len(self._old) > KEPT:
            self._session().run(f"DROP TABLE IF EXISTS {self._old.popleft()}")
