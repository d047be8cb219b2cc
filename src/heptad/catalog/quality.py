# SPDX-License-Identifier: Apache-2.0
"""Quality: what each load brought in each column, over time, and where it drifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import insert, select

from heptad.catalog.schema import DriftRow, LoadRow, ProfileRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.catalog.store import Store

Verdict = Literal["reported", "refused"]
MASKED = "•••"
"""What stands for the smallest and largest value of a personal column."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column of one load.

    Attributes:
        column: name of the physical column.
        count: rows profiled.
        missing: rows without a value.
        distinct: distinct values, estimated; None if not counted.
        smallest: smallest value as stored, plain data.
        largest: largest value.
        mean: of numbers, in the stored unit.
        quantiles: values at equal steps of rank, ends included.
        top: [value, rows] of the most frequent codes, the first the most frequent.
        histogram: {"edges": n + 1 values, "counts": n counts}.
        personal: values say who a person is: only counts of it are kept.
    """

    column: str
    count: int
    missing: int
    distinct: int | None = None
    smallest: Any = None
    largest: Any = None
    mean: float | None = None
    quantiles: Sequence[Any] | None = None
    top: Sequence[Sequence[Any]] | None = None
    histogram: Mapping[str, Any] | None = None
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """The profile of a column at one load: its number, its arrival (µs UTC), what it brought."""

    load: int
    arrival: int
    profile: ColumnProfile


@dataclass(frozen=True, slots=True)
class Drift:
    """A column that moved.

    Attributes:
        load: the load that met it.
        column: the column; "" for the table's schema.
        verdict: "reported" (loaded all the same) or "refused".
        psi: population stability index against the earlier rows; None for a change of schema.
        limit: the PSI from which it is reported or refused.
        against: the load compared with; None if with all earlier rows.
        note: what changed and what to do, as a sentence.
        instant: when it was met, µs UTC.
    """

    load: int
    table: str
    column: str
    verdict: Verdict
    psi: float | None
    limit: float | None
    against: int | None
    note: str
    instant: int


class Quality:
    """Profiles and drifts of every load."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, load: int, table: str, profiles: Sequence[ColumnProfile]) -> None:
        """Keep the profiles of a load's columns; of personal columns only the counts.

        Raises:
            Conflict: if a column of this load is profiled already, or there is no such load.
            ContractError: if a value is not plain data (arrays, NaN).
        """
        rows = [{"load": load, "table": table, **_row(profile)} for profile in profiles]
        with self._store.write() as connection:
            if rows:
                connection.execute(insert(ProfileRow), rows)

    def profile(self, load: int) -> list[ColumnProfile]:
        """Return the profiles of a load, by column."""
        wanted = select(*_PROFILE).where(ProfileRow.load == load)
        with self._store.read() as connection:
            found = [_profile(row) for row in connection.execute(wanted)]
        return sorted(found, key=lambda profile: profile.column)

    def latest(self, table: str) -> list[ColumnProfile]:
        """Return the profiles of a table's last committed load, by column; none before one."""
        last = self._loads(table).order_by(LoadRow.id.desc()).limit(1)
        with self._store.read() as connection:
            load = connection.execute(last).scalar()
        return [] if load is None else self.profile(load)

    def history(self, table: str, column: str, limit: int = 50) -> list[Past]:
        """Return the profiles of a column at committed loads, the last one first."""
        wanted = (
            select(ProfileRow.load, LoadRow.arrival, *_PROFILE)
            .join(LoadRow, LoadRow.id == ProfileRow.load)
            .where(ProfileRow.table == table, ProfileRow.column == column)
            .where(LoadRow.status == "committed")
            .order_by(ProfileRow.load.desc())
            .limit(limit)
        )
        with self._store.read() as connection:
            rows = connection.execute(wanted).all()
        return [Past(row.load, row.arrival, _profile(row[2:])) for row in rows]

    def drifted(  # noqa: PLR0913 - what was met, each by name
        self,
        load: int,
        table: str,
        column: str,
        verdict: Verdict,
        note: str,
        *,
        psi: float | None = None,
        limit: float | None = None,
        against: int | None = None,
    ) -> Drift:
        """Keep a drift that a load met."""
        now = self._store.clock.now()
        drift = Drift(load, table, column, verdict, psi, limit, against, note, now)
        with self._store.write() as connection:
            connection.execute(insert(DriftRow), {n: getattr(drift, n) for n in Drift.__slots__})
        return drift

    def drifts(
        self, table: str | None = None, *, load: int | None = None, limit: int = 50
    ) -> list[Drift]:
        """Return drifts, the last one first."""
        wanted = select(*(getattr(DriftRow, name) for name in Drift.__slots__))
        if table is not None:
            wanted = wanted.where(DriftRow.table == table)
        if load is not None:
            wanted = wanted.where(DriftRow.load == load)
        with self._store.read() as connection:
            rows = connection.execute(wanted.order_by(DriftRow.id.desc()).limit(limit))
            return [Drift(*row) for row in rows]

    def _loads(self, table: str) -> Any:
        """Select the committed loads of a table that were profiled."""
        profiled = select(ProfileRow.load).where(ProfileRow.table == table)
        return select(LoadRow.id).where(
            LoadRow.table == table, LoadRow.status == "committed", LoadRow.id.in_(profiled)
        )


_PROFILE = [getattr(ProfileRow, name) for name in ColumnProfile.__slots__]


def _profile(row: Any) -> ColumnProfile:
    """Build a profile from its columns."""
    values = dict(zip(ColumnProfile.__slots__, row, strict=True))
    return ColumnProfile(**values | {"personal": bool(values["personal"])})


def _row(profile: ColumnProfile) -> dict[str, Any]:
    """Return a profile as columns, without what could show a person."""
    row = {name: getattr(profile, name) for name in ColumnProfile.__slots__}
    row["personal"] = int(profile.personal)
    if profile.personal:
        row |= {"mean": None, "quantiles": None, "top": None, "histogram": None}
        for end in ("smallest", "largest"):
            row[end] = None if row[end] is None else MASKED
    return row
