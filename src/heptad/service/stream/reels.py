# SPDX-License-Identifier: Apache-2.0
"""A reel: the features of one event table and one way to their key, kept current by a stream.

The stream reads columns of its own table only. What a feature reads beyond it is laid beside the
rows as further columns: amounts in another currency, and keys that are walked to.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.engine.local.arrow import arrow_type
from heptad.engine.sql.identifiers import quote
from heptad.service.batch.encoding import whole
from heptad.service.batch.windows import IN_CURRENCY
from heptad.service.features import Feature, parts_of, steps_of
from heptad.service.reads.asof import read_sql
from heptad.service.stream.stepping import Stepper
from heptad.service.stream.streams import OutOfReach, Stream
from heptad.standards import Field, Integer, Money, Path, Ref, Text, day
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from heptad.service.batch.windows import Stored
    from heptad.service.stream.cold import Cold
    from heptad.service.stream.rates import Rates
    from heptad.standards import Table

    Row = Mapping[str, Any]

LATE = day
"""How far behind the newest row a read may ask."""
FEW = 8
"""So many rows are read one by one: columns take as long for them as for one."""
AHEAD = 1024
"""So many rows wait until something is asked; then they are taken, for each of them holds memory."""
SYSTEM = ("event_time", "known_time")
_LOST = "!"


class Reel:
    """Some features of one table, read for rows of the table decided on.

    One thread at a time uses it.

    Args:
        on: the table decided on.
        features: of one event table whose keys are walked to alike; ratios taken apart.
        cold: where keys lie that nobody asks about; everything is kept in memory if None.

    Attributes:
        table: the event table.
        own: whether the rows decided on are the events themselves.
        walked: the tables that lie on the way to the key.
        converted: column laid beside → the amount and the currency wanted.
        links: column laid beside → the walk that ends there.
        reach: how far back of t a window looks, microseconds; None without a limit.

    Raises:
        ContractError: if a stream cannot read one of them.
    """

    def __init__(
        self, on: type[Table], features: Sequence[Feature], cold: Cold | None = None
    ) -> None:
        self.features, self.table = list(features), features[0].table
        self.own = self.table is on
        self._virtual: dict[str, Field] = {}
        self.converted: dict[str, tuple[Money, str]] = {}
        self.links: dict[str, Path] = {}
        self._made = [made for feature in features for made in self._plain(feature)]
        self._asked = _asked(on, self.features, own=self.own)
        self.walked = {s.table for path in self.links.values() for s in path.fields[1:]}
        if any(table.state for table in self.walked):
            raise ContractError("A key is walked to over events only.", got=str(self.walked))
        self._since: int | None = None
        self._waiting: list[Row] = []
        self._stream = Stream(self._made, late=LATE, cold=cold)
        self._step = Stepper(self._stream)
        reaches = [group.made.reach() for group in self._stream.groups]
        self.reach = None if None in reaches else max(r for r in reaches if r is not None)

    def begin(self, now: int) -> None:
        """Leave out, of what is taken from now on, events that no window of a new row reaches."""
        self._since = None if self.reach is None else now - self.reach - 2 * LATE

    @property
    def known(self) -> int | None:
        """The newest known_time taken, microseconds."""
        newest: int | None = self._waiting[-1]["known_time"] if self._waiting else None
        return self._stream.known if newest is None else newest

    @property
    def held(self) -> tuple[int, int]:
        """How many keys and places of events are in memory, by the way of keys that holds most."""
        return max(group.held for group in self._stream.groups)

    @property
    def memory(self) -> int:
        """Bytes of its windows, beside the names of its keys."""
        return sum(group.memory for group in self._stream.groups)

    @property
    def laid(self) -> bool:
        """Whether keys lie in the row store."""
        return self._stream.cold is not None and self._stream.cold.used

    def cold_keys(self, most: int) -> int | None:
        """Count the keys that lie in the row store, up to `most`; None where all are in memory."""
        cold = self._stream.cold
        return cold.count(most) if cold is not None and cold.used else None

    @property
    def columns(self) -> list[str]:
        """The stored columns of the table that are read."""
        names = {*self._stream.columns} - {*self._virtual, "_deleted"}
        for money, _ in self.converted.values():
            names |= {money.name, money.currency}
        return sorted(names | {*SYSTEM, self.table.key.name})

    def put(self, row: Row, rates: Rates | None) -> None:
        """Take a new row of the table that nothing is asked for.

        Raises:
            Exception: whatever kept it from taking rows; the reel is no good any more.
        """
        self._waiting.append(self._laid(row, rates))
        if len(self._waiting) >= AHEAD:
            self._catch_up()

    def follow(self, row: Row, rates: Rates | None) -> dict[str, Any]:
        """Take a new row of the table and read the features as of it.

        Raises:
            OutOfReach: if a window reaches back too far; the row is taken.
            ContractError: if a total leaves 64 bits; the row is taken.
        """
        self._catch_up()
        found = self._step.follow(self._laid(row, rates))
        if not self._reaches(row["event_time"]):
            raise OutOfReach([0])
        return self._told(found)

    def values(self, rows: Sequence[Row]) -> list[dict[str, Any] | None]:
        """Read the features of rows that are no events of this table.

        Returns:
            The values of each row; None where a window reaches back too far.

        Raises:
            ContractError: if a total leaves 64 bits.
        """
        self._catch_up()
        found: list[dict[str, Any] | None] = [None] * len(rows)
        near = [n for n, row in enumerate(rows) if self._reaches(row["event_time"])]
        while near:
            try:
                values = self._values([rows[n] for n in near])
            except OutOfReach as error:
                far = {near[n] for n in error.rows}
                near = [n for n in near if n not in far]
                continue
            for n, value in zip(near, values, strict=True):
                found[n] = value
            break
        return found

    def _values(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Read the features of rows; few are quicker one by one."""
        if len(rows) <= FEW:
            return [self._told(self._one(row, n)) for n, row in enumerate(rows)]
        keys = {
            entity: pa.array([row.get(column) for row in rows], pa.string())
            for entity, column in self._asked.items()
        }
        found = self._stream.values(keys, [row["event_time"] for row in rows])
        names = list(found)
        columns = [column.to_pylist() for column in found.values()]
        return [self._told(dict(zip(names, v, strict=True))) for v in zip(*columns, strict=True)]

    def _one(self, row: Row, number: int) -> dict[str, Any]:
        keys = {entity: row.get(column) for entity, column in self._asked.items()}
        try:
            return self._step.ask(keys, row["event_time"])
        except OutOfReach as error:
            raise OutOfReach([number]) from error

    def apply(self, rows: pa.RecordBatch | pa.Table, rates: Rates | None) -> None:
        """Take many stored rows, in the order in which they became known.

        Args:
            rows: `columns` and those of the links; `_deleted` where rows may say so.
            rates: convert amounts.
        """
        self._catch_up()
        columns = {name: whole(rows.column(name)) for name in rows.schema.names}
        n = rows.num_rows
        columns.setdefault("_deleted", pa.array(np.zeros(n, np.bool_)))
        us = np.asarray(columns["event_time"].to_numpy(zero_copy_only=False), np.int64)
        for name, (money, into) in self.converted.items():
            amounts = columns[money.name]
            made = _rates(rates).column(amounts, columns[money.currency], us, into)
            lost = np.asarray(amounts.is_valid()) & ~np.asarray(made.is_valid())
            columns[name] = made
            columns[name + _LOST] = pa.array(np.ones(n, np.int64), mask=~lost)
        self._stream.apply(pa.table({name: columns[name] for name in self._stream.columns}))

    def sql(self, tables: Callable[[type[Table]], Stored], k: int, only: str = "") -> str:
        """Return SQL of the events that are known, in the order in which they became known.

        Args:
            tables: where the row versions are.
            k: what was known by then, microseconds.
            only: the relation of the row versions of this table that are wanted; all if "".
        """
        names = list(
            dict.fromkeys([*self.columns, *(p.fields[0].name for p in self.links.values())])
        )
        own = tables(self.table)
        events = current(self.table, replace(own, relation=only) if only else own, names, k)
        if self._since is not None:
            events = f"SELECT * FROM ({events}) WHERE event_time >= {self._since}"
        joins, known, links = "", ["a.known_time"], []
        for name, path in self.links.items():
            link = f"a.{quote(path.fields[0].name)}"
            for field in path.fields[1:]:
                alias, key = f"j{len(known)}", field.table.key.name
                wanted = list(dict.fromkeys([key, field.name, "known_time"]))
                rows = current(field.table, tables(field.table), wanted, k)
                joins += f" JOIN ({rows}) {alias} ON {alias}.{quote(key)} = {link}"
                known.append(f"{alias}.known_time")
                link = f"{alias}.{quote(field.name)}"
            links.append(f", {link} AS {quote(name)}")
        chosen = ", ".join(f"a.{quote(n)}" for n in names if n != "known_time")
        return (
            f"SELECT {chosen}, greatest({', '.join(known)}) AS known_time{''.join(links)} "
            f"FROM ({events}) a{joins} ORDER BY known_time"
        )

    def orphans_sql(self, tables: Callable[[type[Table]], Stored], k: int) -> str:
        """Return SQL of the keys of walked rows that events name and that are not known."""
        parts = []
        for path in self.links.values():
            first, target = path.fields[0], path.fields[1].table
            events = current(self.table, tables(self.table), [first.name], k)
            rows = current(target, tables(target), [target.key.name], k)
            parts.append(
                f"SELECT {quote(first.name)} AS orphan FROM ({events}) WHERE {quote(first.name)} "
                f"NOT IN (SELECT {quote(target.key.name)} FROM ({rows}))"
            )
        return " UNION ".join(parts)

    def _plain(self, feature: Feature) -> list[Feature]:
        """Return a feature in terms of columns that lie in its table."""
        keys = tuple(self._key(by) if isinstance(by, Path) else by for by in feature.keys)
        by = keys if isinstance(feature.by, tuple) else keys[0]
        if not feature.into or not isinstance(feature.of, Money):
            return [replace(feature, by=by, default=None)]
        name = f"{feature.of.name}>{feature.into}"
        self.converted[name] = feature.of, feature.into
        of, lost = self._beside(name, Integer), self._beside(name + _LOST, Integer)
        made = [replace(feature, by=by, of=of, into="", default=None)]
        if feature.op in IN_CURRENCY:
            gone = Feature(
                "count", lost, by, over=feature.over, every=feature.every, where=feature.where,
                delay=feature.delay, name=feature.name + _LOST,
            )  # fmt: skip
            made.append(gone)
        return made

    def _key(self, path: Path) -> Field:
        """Return the column that holds the key at the end of a walk."""
        name = ".".join(field.name for field in path.fields)
        self.links[name] = path
        return self._beside(name, Text)

    def _beside(self, name: str, kind: type[Field]) -> Field:
        """Return a column that is laid beside those of the table."""
        if name not in self._virtual:
            field = self._virtual[name] = kind("Laid beside the row")
            field.table, field.name = self.table, name
        return self._virtual[name]

    def _laid(self, row: Row, rates: Rates | None) -> Row:
        """Return a row with the columns beside it."""
        if not self.converted:
            return row
        laid = dict(row)
        for name, (money, into) in self.converted.items():
            amount = row.get(money.name)
            made = amount
            if row.get(money.currency) != into:
                made = _rates(rates).convert(
                    amount, row.get(money.currency), row["event_time"], into
                )
            laid[name] = made
            laid[name + _LOST] = 1 if made is None and amount is not None else None
        return laid

    def _catch_up(self) -> None:
        """Take the rows that nothing was asked for."""
        if not self._waiting:
            return
        rows, self._waiting = self._waiting, []
        kinds = {c.name: c.kind for c in self.table.columns()}
        kinds |= {name: field.kind for name, field in self._virtual.items()}
        columns = {
            name: pa.array([row.get(name) for row in rows], arrow_type(kinds[name]))
            for name in self._stream.columns
            if name != "_deleted"
        }
        columns["_deleted"] = pa.array([bool(row.get("_deleted")) for row in rows])
        self._stream.apply(pa.table(columns))

    def _reaches(self, t: int) -> bool:
        """Whether every window that ends at an instant begins after the first event taken."""
        return self._since is None or t - (self.reach or 0) - LATE >= self._since

    def _told(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the features; an amount that could not be converted is unknown."""
        return {f.name: None if found.get(f.name + _LOST) else found[f.name] for f in self.features}


def reels_of(on: type[Table], features: Iterable[Feature]) -> list[Reel]:
    """Divide features into reels.

    Raises:
        ContractError: if a stream cannot read one of them.
    """
    groups: dict[tuple[str, str], list[Feature]] = defaultdict(list)
    for feature in parts_of(features):
        walks = any(isinstance(by, Path) for by in feature.keys)
        groups[feature.table.__name__, repr(feature.keys) if walks else ""].append(feature)
    return [Reel(on, group) for group in groups.values()]


def told(features: Iterable[Feature], found: Mapping[str, Any]) -> dict[str, Any]:
    """Put ratios together, and defaults where there is no value."""
    values: dict[str, Any] = {}
    for feature in features:
        if feature.parts:
            above, below = found[f"{feature.name}#0"], found[f"{feature.name}#1"]
            value = above / below if above is not None and below else None
        else:
            value = found[feature.name]
        values[feature.name] = feature.default if value is None else value
    return values


def current(table: type[Table], stored: Stored, names: Sequence[str], k: int) -> str:
    """Return SQL of the rows of an event table that are known at an instant."""
    if stored.corrected:
        return read_sql(table, stored.relation, t=None, k=k, columns=names)
    chosen = ", ".join(map(quote, names))
    return f"SELECT {chosen} FROM {stored.relation} WHERE NOT _deleted AND known_time <= {int(k)}"


def _asked(on: type[Table], features: Sequence[Feature], *, own: bool) -> dict[str, str]:
    """Say for each entity that features are keyed by which column of a row names it.

    Raises:
        ContractError: if none does.
    """
    named = _named(on)
    found: dict[str, str] = {}
    for feature in features:
        for by, entity in zip(feature.keys, feature.entities, strict=True):
            walked = isinstance(by, Path)
            column = named.get(entity)
            if column is None or (own and not walked and column != steps_of(by)[0].name):
                raise ContractError(f"{on.__name__} does not name {entity}.", got=feature.name)
            # A walked key is known to the stream by the column that holds it.
            beside = ".".join(step.name for step in steps_of(by))
            found[f"{feature.table.__name__}.{beside}" if walked else entity] = column
    return found


def _named(on: type[Table]) -> dict[str, str]:
    """Return entity → column of a row, as `spine_of` has it."""
    named: dict[str, str] = {}
    for field in on.fields.values():
        if field.kind != "text" or field.sealed:
            continue
        named[field.title] = field.name
        if isinstance(field, Ref):
            named.setdefault(field.target_name, field.name)
        if field.key:
            named[on.__name__] = field.name
    return named


def _rates(rates: Rates | None) -> Rates:
    if rates is None:
        raise ContractError("Amounts are converted by rates, and none were read.")
    return rates
