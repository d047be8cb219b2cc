# SPDX-License-Identifier: Apache-2.0
"""The batch reading of features: a range join of a spine with the events, in both times."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.engine.sql.expressions import sql_text, to_sql
from heptad.engine.sql.identifiers import literal, quote
from heptad.service.features import Feature, Last, parts_of, steps_of
from heptad.service.reads.asof import versions_sql
from heptad.standards import Money
from heptad.standards.errors import ContractError
from heptad.standards.money import CURRENCIES, exponent
from heptad.standards.time import second

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.standards import Field, Table
    from heptad.standards.expression import Expression

STATE_COLUMNS = {"mean": 2, "share": 2, "rate": 2, "spread": 3}
"""Operators whose value is finished from several integers; all others have one column."""
IN_CURRENCY = ("total", "mean", "spread", "smallest", "largest", "latest", "earliest")
"""Operators that an amount which cannot be converted makes unknown, never smaller or older."""


@dataclass(frozen=True)
class Stored:
    """Where the row versions of a table are, as SQL, and whether any key has several."""

    relation: str
    corrected: bool


@dataclass(frozen=True)
class Plan:
    """One query: `sql` yields `_i` and, per feature, the columns named in `columns`."""

    sql: str
    columns: Mapping[str, Sequence[str]]


def plan(
    features: Sequence[Feature],
    tables: Callable[[type[Table]], Stored],
    own: type[Table] | None,
    span: tuple[int, int],
) -> list[Plan]:
    """Plan the queries that compute `features` for the relation `spine`.

    The spine has `_i` (row number), `_t`, `_k` (int64 microseconds), `_own` (key of the row that
    the spine row itself is, or NULL) and for each entity its key as the text column `entity`.

    Args:
        features: what to compute; names are unique.
        tables: gives the stored versions of a table.
        own: the table whose rows the spine rows are, if they are rows.
        span: least and greatest `_t` of the spine, so that files outside every window are skipped.
    """
    groups: dict[tuple[str, str, bool], list[Feature]] = defaultdict(list)
    for feature in parts_of(features):
        counted = isinstance(feature.over, Last)
        groups[feature.table.__name__, repr(feature.keys), counted].append(feature)
    return [_Query(group, tables, own, span).plan() for group in groups.values()]


def events_sql(
    features: Sequence[Feature],
    tables: Callable[[type[Table]], Stored],
    span: tuple[int, int],
    masks: Mapping[str, Expression],
) -> str:
    """Return SQL of the events that any window of features of one table and key may hold.

    The relation `spine` has the keys asked about, a column per entity, and `_code`, a number for
    each.

    Args:
        features: of one table and one key.
        tables: gives the stored versions of a table.
        span: least and greatest `_t` of the spine.
        masks: name → condition, given as a column of truth values.

    Returns:
        Columns `_code`, `_id`, `_us`, `_from`, `_to`, what the operators read, and the masks.
    """
    return _Query(features, tables, None, span).events(masks)


class _Query:
    """Builds the one query of features that share a table, a key and the kind of window."""

    def __init__(
        self,
        features: Sequence[Feature],
        tables: Callable[[type[Table]], Stored],
        own: type[Table] | None,
        span: tuple[int, int],
    ) -> None:
        self.span = span
        self.features, self.tables = features, tables
        self.table, self.keys = features[0].table, features[0].keys
        self.entities = features[0].entities
        self.counted = any(isinstance(f.over, Last) for f in features)
        self.is_own = own is self.table
        self.converted = sorted({(f.of.name, f.into) for f in features if f.into})
        self.edges = list(dict.fromkeys((f.delay, f.every) for f in features))

    def plan(self) -> Plan:
        columns: dict[str, list[str]] = {}
        selected: list[str] = []
        for n, feature in enumerate(self.features):
            names = [f"f{n}_{i}" for i in range(STATE_COLUMNS.get(feature.op, 1))]
            columns[feature.name] = names
            selected += [
                f"{sql} AS {name}" for sql, name in zip(self._state(feature), names, strict=True)
            ]
        sql = (
            f"WITH {self._events()}, p AS ({self._pairs()}) "
            f"SELECT _i, {', '.join(selected)} FROM p GROUP BY _i"
        )
        return Plan(sql, columns)

    def events(self, masks: Mapping[str, Expression]) -> str:
        """SQL of the events with the number of their key."""
        on = " AND ".join(f"e._key{n} = s.{quote(name)}" for n, name in enumerate(self.entities))
        read = dict.fromkeys(c.name for f in self.features for c in f.of.columns())
        chosen = "".join(f", e.{quote(name)}" for name in read)
        tests = "".join(
            f", coalesce({sql_text(mask)}, false) AS {quote(name)}" for name, mask in masks.items()
        )
        return (
            f"WITH {self._events()} SELECT s._code, e._id, e._us, e._from, "
            f"coalesce(e._to, {2**63 - 1}) AS _to{chosen}{tests} FROM e JOIN spine s ON {on}"
        )

    def _needed(self) -> list[str]:
        """Physical columns of the events that the aggregates read."""
        names: dict[str, None] = {}
        for feature in self.features:
            names.update(dict.fromkeys(column.name for column in feature.of.columns()))
            for name in sorted(feature.where.columns()) if feature.where is not None else ():
                names[name] = None
            if feature.into and isinstance(feature.of, Money):
                names[feature.of.currency] = None
        return list(names)

    def _events(self) -> str:
        """SQL of the relations up to `e`: the events with their key, following the path of `by`."""
        paths = [steps_of(by) for by in self.keys]
        wanted = list(dict.fromkeys([*self._needed(), *(path[0].name for path in paths)]))
        ctes = [f"a AS ({self._versions(self.table, wanted, self._near(paths))})"]
        chosen = "".join(f", a.{quote(n)}" for n in self._needed())
        joins, since, until = "", ["a._from"], ["a._to"]
        links: list[str] = []
        for path in paths:
            link = f"a.{quote(path[0].name)}"
            for field in path[1:]:
                alias = f"j{len(ctes) - 1}"
                before, column = link.split(".", 1)
                only = f"{quote(field.table.key.name)} IN (SELECT {column} FROM {before})"
                ctes.append(f"{alias} AS ({self._step(field, only)})")
                joins += f" JOIN {alias} ON {alias}._id = {link}"
                link = f"{alias}._id" if field.key else f"{alias}.{quote(field.name)}"
                since.append(f"{alias}._from")
                until.append(f"{alias}._to")
            links.append(link)
        keys = ", ".join(f"{link} AS _key{n}" for n, link in enumerate(links))
        ctes.append(
            f"e AS (SELECT {keys}, a._id AS _id, a._us AS _us, "
            f"greatest({', '.join(since)}) AS _from, least({', '.join(until)}) AS _to{chosen} "
            f"FROM a{joins})"
        )
        return ", ".join(ctes)

    def _versions(self, table: type[Table], columns: Sequence[str], only: str) -> str:
        stored = self.tables(table)
        return versions_sql(table, stored.relation, columns, corrected=stored.corrected, only=only)

    def _near(self, paths: Sequence[Sequence[Field]]) -> str:
        """SQL condition that every event of any window meets, so that others are never read."""
        low, high = self.span
        parts = [f"event_time <= {high}"]
        reach = self._reach()
        if reach is not None:
            parts.append(f"event_time > {low - reach}")
        for path, entity in zip(paths, self.entities, strict=True):
            if len(path) == 1:
                parts.append(f"{quote(path[0].name)} IN (SELECT {quote(entity)} FROM spine)")
        return " AND ".join(parts)

    def _step(self, field: Field, only: str) -> str:
        """SQL of the table that a path walks through."""
        if field.table.state:
            raise ContractError(
                f"A path of `by` walks over events, and {field.table.__name__} holds states.",
                got=repr(self.keys),
                do="key the feature by the Ref itself",
            )
        return self._versions(field.table, [] if field.key else [field.name], only)

    def _pairs(self) -> str:
        """SQL of the (spine row, event) pairs that any of the windows may hold."""
        on = [f"e._key{n} = s.{quote(entity)}" for n, entity in enumerate(self.entities)]
        on += ["e._us <= s._t", "e._from <= s._k"]
        on.append("(e._to IS NULL OR e._to > s._k)")
        if self.is_own:
            on.append("(e._us < s._t OR s._own IS NULL OR e._id <= s._own)")
        reach = self._reach()
        if reach is not None:
            on.append(f"e._us > s._t - {reach}")
        names = ", ".join(f"e.{quote(n)}" for n in self._needed())
        extra = (f", {names}" if names else "") + self._conversions()
        rank = ""
        if self.counted:
            # Each edge ranks only the events that its own window may hold.
            for n, (delay, every) in enumerate(self.edges):
                rank += (
                    f", row_number() OVER (PARTITION BY s._i, e._us <= {edge(delay, every, 's.')} "
                    f"ORDER BY e._us DESC, e._id DESC) AS _rank{n}"
                )
        return (
            f"SELECT s._i, s._t, e._id, e._us{extra}{rank} "
            f"FROM spine s LEFT JOIN e ON {' AND '.join(on)}"
        )

    def _reach(self) -> int | None:
        """How far back the longest window looks, or None for all history."""
        if self.counted or any(f.over is None for f in self.features):
            return None
        return max(f.delay + f.every + f.over for f in self.features if isinstance(f.over, int))

    def _conversions(self) -> str:
        """SQL columns of amounts converted at the rate known at k."""
        sql = ""
        for name, into in self.converted:
            field = self.table.fields[name]
            if isinstance(field, Money):
                sql += f", {_converted(field, into, self.tables)} AS {quote(f'{name}>{into}')}"
        return sql

    def _window(self, feature: Feature) -> str:
        """SQL that tells whether an event of the pair lies in the window."""
        inside = [f"_us <= {edge(feature.delay, feature.every)}"]
        if isinstance(feature.over, Last):
            rank = self.edges.index((feature.delay, feature.every))
            inside.append(f"_rank{rank} <= {feature.over.n}")
        elif feature.over is not None and feature.every:
            inside.append(f"_us > {edge(feature.delay, feature.every)} - {feature.over}")
        elif feature.over is not None:
            inside.append(f"_us > _t - {feature.delay + feature.over}")
        return " AND ".join(inside)

    def _state(self, feature: Feature) -> list[str]:
        """SQL of the integer state of one feature."""
        window, of = self._window(feature), self._value(feature)
        where = f" AND {self._where(feature)}" if feature.where is not None else ""
        held = f"FILTER (WHERE {window}{where})"
        n = f"count({of}) {held}"
        added = f"sum({of}) {held}"
        ordered = "(_us, _id)"
        recipes: dict[str, list[str]] = {
            "count": [n],
            "total": [f"coalesce({added}, 0)::BIGINT"],
            "mean": [f"({added})::BIGINT", n],
            "smallest": [f"min({of}) {held}"],
            "largest": [f"max({of}) {held}"],
            "spread": [n, f"({added})::VARCHAR", f"(sum({of}::HUGEINT * {of}) {held})::VARCHAR"],
            "latest": [f"arg_max({of}, {ordered}) {held}"],
            "earliest": [f"arg_min({of}, {ordered}) {held}"],
            "share": [n, f"count({of}) FILTER (WHERE {window})"],
            "rate": [f"count(*) {held[:-1]} AND {of})", n],
            "since": [
                f"((any_value(_t) - max(_us) {held[:-1]} AND {of} IS NOT NULL)) // {second})"
            ],
        }
        if feature.into and feature.op in IN_CURRENCY:
            lost = f"count(*) {held[:-1]} AND {self._raw(feature)} IS NOT NULL AND {of} IS NULL)"
            return [f"CASE WHEN {lost} = 0 THEN {sql} END" for sql in recipes[feature.op]]
        return recipes[feature.op]

    def _raw(self, feature: Feature) -> str:
        """SQL of the stored value of `of`."""
        return quote(feature.of.columns()[0].name)

    def _value(self, feature: Feature) -> str:
        """SQL of the value aggregated."""
        return quote(f"{feature.of.name}>{feature.into}") if feature.into else self._raw(feature)

    def _where(self, feature: Feature) -> str:
        """SQL of `where`; null counts as false."""
        if feature.where is None:
            return "true"
        return f"({to_sql(feature.where).sql(dialect='duckdb', identify=True)})"


def edge(delay: int, every: int, alias: str = "") -> str:
    """SQL of the instant at which a window ends."""
    end = f"{alias}_t - {delay}"
    return end if not every else f"({end}) - ((({end}) % {every} + {every}) % {every})"


def _converted(field: Money, into: str, tables: Callable[[type[Table]], Stored]) -> str:
    """SQL of an amount in `into` at the rate that applied at the event, as known at k.

    Whole minor units, halves away from zero. NULL where no rate was known.
    """
    from heptad.standards.model import Rate

    stored = tables(Rate)
    rates = versions_sql(
        Rate, stored.relation, ["base", "quote", "rate"], corrected=stored.corrected
    )
    code = f"e.{quote(field.currency)}"
    rate = (
        f"(SELECT arg_max(r.rate, (r._us, r._id)) FROM ({rates}) r WHERE r.base = {code} "
        f"AND r.quote = {literal(into)} AND r._us <= e._us AND r._from <= s._k "
        f"AND (r._to IS NULL OR r._to > s._k))"
    )
    cases = " ".join(
        f"WHEN {literal(c)} THEN {10 ** (9 + d - exponent(into))}::HUGEINT"
        for c, d in sorted(CURRENCIES.items())
        if d != 2
    )
    scale = f"(CASE {code} {cases} ELSE {10 ** (11 - exponent(into))}::HUGEINT END)"
    amount = f"e.{quote(field.name)}"
    product = f"(abs({amount})::HUGEINT * {rate})"
    return (
        f"CASE WHEN {code} = {literal(into)} THEN {amount} "
        f"ELSE (sign({amount}) * (({product} * 2 + {scale}) // ({scale} * 2)))::BIGINT END"
    )
