# SPDX-License-Identifier: Apache-2.0
"""One SQL text that turns a source's rows into typed rows, each with the reason why it is refused.

Its stages are nested, so that the engine evaluates every expression once: the map's expressions,
their typed values, amounts (which need their currency), the first check that fails.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.ingest import typed
from heptad.ingest.countries import SYNONYMS
from heptad.ingest.rules import Rule, rules_of
from heptad.ingest.typed import DOT, Given, Marks, literal
from heptad.standards.errors import InputError
from heptad.standards.fields import Code, Day, Flag, Instant, Integer, Money, Number, Place, Text
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.standards.fields import Field
    from heptad.standards.tables import Table

_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "instant": "BIGINT",
    "day": "DATE",
    "flag": "BOOLEAN",
}

_COUNTRY = "ISO 3166-1 alpha-2"

REASON, RAW, ROUNDED, IDENTITY = "__reason", "__raw", "__rounded", "__identity"
"""Columns that the checked rows have besides the table's: `code|field` or null; the source's row
as JSON where there is a reason; how many numbers of the row were rounded; a hash of what the row
is a version of."""


@dataclass(frozen=True, slots=True)
class Binding:
    """How a source's rows become rows of a table.

    Attributes:
        table: the table.
        columns: the source's columns.
        given: field, or column of a Place, or `known_time` or `deleted` → the mapped expression.
        failing: the same names → conditions under which a conversion in the map failed.
        zone: IANA zone of instants without an offset; "" is UTC.
        marks: how numbers are written.
        codes: field → {the source's word: code}.
    """

    table: type[Table]
    columns: tuple[str, ...]
    given: Mapping[str, Given]
    failing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    zone: str = ""
    marks: Marks = DOT
    codes: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the rows of a load count as known.

    Attributes:
        known: "mapped" (by the map's known_time), "assumed" (history) or "arrival".
        arrival: when they came, µs UTC.
        known_after: how long after the event history was known, µs.
        now: the clock, µs UTC; a day later is the latest instant that is believed.
    """

    known: str
    arrival: int
    known_after: int
    now: int


def quote(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def check_sql(binding: Binding, arrival: Arrival, relation: str) -> str:
    """Return a SELECT of the checked rows.

    Its columns are the table's declared physical columns (those to be sealed or tokenised as
    their plain values), `known_time`, `_deleted`, `_line`, `_hash` if nothing is to be sealed,
    and `REASON`, `RAW`, `ROUNDED`, `IDENTITY`.

    Args:
        binding: how rows become rows.
        arrival: when they count as known.
        relation: name of the source's rows, as `Reading.batches` gives them.

    Raises:
        InputError: if a field that must be present has neither a map entry nor a column.
        ContractError: if a map would put money through a float.
    """
    return _Check(binding, arrival).sql(relation)


class _Check:
    """Builds the stages."""

    def __init__(self, binding: Binding, arrival: Arrival) -> None:
        self.binding, self.arrival, self.table = binding, arrival, binding.table
        self.inputs: dict[str, Given] = {}
        self.stages: list[list[str]] = [[], [], [], []]
        self.rules: list[Rule] = []
        self.rounded: list[str] = []
        self.values: dict[str, str] = {}
        self.deletes = "deleted" in binding.given

    def sql(self, relation: str) -> str:
        self.stages[0] += [quote(name) for name in self.binding.columns]
        self.stages[0] += ["__line", "__fault", "__text"]
        first = (self.table.key.name, "event_time")
        names = dict.fromkeys([*first, *self.table.fields])
        ordered = [self.table.fields[name] for name in names]
        for position in sorted(range(len(ordered)), key=lambda n: isinstance(ordered[n], Money)):
            self._field(ordered[position])
        self._deleted()
        self._known()
        inner = incoming = f'(SELECT *, CAST(__line AS VARCHAR) AS "_record" FROM {relation})'
        for stage in self.stages:
            kept = ["*"] if inner != incoming else []
            inner = f"(SELECT {', '.join([*kept, *stage])} FROM {inner})" if stage else inner
        inner = f"(SELECT *, {self._reason(ordered)} AS {REASON} FROM {inner})"
        return f"SELECT {', '.join(self._outputs())} FROM {inner}"

    def _input(self, name: str) -> Given | None:
        """Return a mapped value as a column of the first stage."""
        if name not in self.inputs and name in self.binding.given:
            given = self.binding.given[name]
            column = f"__in_{name}"
            self.stages[0].append(f"{given.sql} AS {column}")
            self.inputs[name] = Given(column, given.kind)
            if name in self.binding.failing:
                self.stages[0].append(f"{self.binding.failing[name]} AS __failed_{name}")
        return self.inputs.get(name)

    def _field(self, field: Field) -> None:
        """Add the columns and the rules of a field."""
        if isinstance(field, Place):
            self._place(field)
            return
        given = self._input(field.name)
        if given is None:
            self._absent(field, [c.name for c in field.columns()])
            return
        value = f"__v_{field.name}"
        stage, sql = self._typed(field, given)
        self.stages[stage].append(f"{sql} AS {value}")
        self.values[field.name] = value
        self.rules += rules_of(field, given, value, self._context(field))

    def _typed(self, field: Field, given: Given) -> tuple[int, str]:  # noqa: C901, PLR0911, PLR0912 - one line per kind
        """Return the stage and the SQL of a field's typed value."""
        marks = self.binding.marks
        if isinstance(field, Code):
            words = SYNONYMS if field.standard == _COUNTRY else {}
            own = {w.lower(): c for w, c in self.binding.codes.get(field.name, {}).items()}
            return 1, typed.code(given, field.codes, words | own)
        if isinstance(field, Text):
            if field.pan:
                return 1, typed.card(given)
            is_phone = field.name == "phone" or field.name.endswith("_phone")
            return 1, typed.phone(given) if is_phone else typed.text(given)
        if isinstance(field, Instant):
            return 1, typed.instant(given, self.binding.zone)
        if isinstance(field, Day):
            return 1, typed.day(given)
        if isinstance(field, Flag):
            return 1, typed.flag(given)
        if isinstance(field, Integer):
            return 1, typed.integer(given, marks)
        if isinstance(field, Number):
            self.rounded.append(typed.rounded(given, field.scale, marks))
            return 1, typed.number(given, field.scale, marks)
        if isinstance(field, Money):
            typed.refuse_float(given, field.title)
            return 3, typed.money(given, self._decimals(field.currency), marks)
        return 1, typed.text(given)

    def _decimals(self, currency: str) -> str:
        """Return the column that says how many decimals the currency of a row has."""
        column = f"__e_{currency}"
        made = f"{typed.exponent(self.values.get(currency, 'NULL'))} AS {column}"
        if made not in self.stages[2]:
            self.stages[2].append(made)
        return column

    def _place(self, field: Place) -> None:
        """Read a place from two columns, or from one text `lat,lon`; refuse half a place."""
        parts = []
        both = self._input(field.name)
        for part, bound in (("lat", 90), ("lon", 180)):
            name = f"{field.name}_{part}"
            given = self._input(name)
            if given is None and both is not None:
                column = f"__in_{name}"
                piece = 1 if part == "lat" else 2
                text = (
                    f"trim(split_part({typed.text(self.binding.given[field.name])}, ',', {piece}))"
                )
                self.stages[0].append(f"nullif({text}, '') AS {column}")
                given = Given(column)
            parts.append((name, given, bound))
        if any(given is None for _, given, _ in parts):
            self._absent(field, [name for name, _, _ in parts])
            return
        for name, given, bound in parts:
            value = f"__v_{name}"
            scaled = typed.number(given, Place.SCALE, self.binding.marks)  # type: ignore[arg-type]
            self.stages[1].append(f"{scaled} AS {value}")
            self.values[name] = value
            self.rules += rules_of(field, given, value, self._context(field, bound))  # type: ignore[arg-type]
        lat, lon = (self.values[name] for name, _, _ in parts)
        self.rules.append(Rule(field.name, "required", f"({lat} IS NULL) <> ({lon} IS NULL)"))
        if field.sealed:
            self.values[field.name] = f"({lat} || ',' || {lon})"

    def _absent(self, field: Field, columns: list[str]) -> None:
        """Leave a field out that the source does not have."""
        if not field.optional:
            raise InputError(
                f"{field.title} has no value: the source has no column {field.name!r} and the map"
                " no entry for it.",
                got=", ".join(self.binding.columns[:20]),
                do=f'add to the map: {field.name} = "…"',
            )
        null = f"CAST(NULL AS {_TYPES[field.kind]})"
        for name in columns:
            self.values[name] = null
        self.values.setdefault(field.name, null)

    def _context(self, field: Field, bound: int | None = None) -> dict[str, object]:
        return {
            "failed": f"__failed_{field.name}" if field.name in self.binding.failing else "",
            "decimals": f"__e_{field.currency}" if isinstance(field, Money) else "",
            "currency": self._given_currency(field) if isinstance(field, Money) else "",
            "marks": self.binding.marks,
            "zone": self.binding.zone,
            "latest": self.arrival.now + day if field.name == "event_time" else None,
            "bound": bound,
        }

    def _given_currency(self, field: Money) -> str:
        given = self._input(field.currency)
        return given.sql if given else "NULL"

    def _deleted(self) -> None:
        """Add whether the row says that it is gone."""
        given = self._input("deleted")
        flagged = typed.flag(given) if given else "false"
        self.stages[1].append(f"coalesce({flagged}, false) AS __deleted")
        if given:
            unread = f"{given.sql} IS NOT NULL AND {flagged} IS NULL"
            self.rules.append(Rule("deleted", "parse", unread))

    def _known(self) -> None:
        """Add when the row counts as known."""
        given = self._input("known_time")
        event, at = self.values["event_time"], self.arrival
        if at.known == "mapped" and given is not None:
            value = "__v_known_time"
            self.stages[1].append(f"{typed.instant(given, self.binding.zone)} AS {value}")
            self.rules += rules_of(_Known(self.table), given, value, {
                "failed": "__failed_known_time" if "known_time" in self.binding.failing else "",
                "marks": self.binding.marks, "zone": self.binding.zone, "decimals": "",
                "latest": at.now + day, "bound": None,
            })  # fmt: skip
        elif at.known == "assumed":
            value = f"({event} + {at.known_after})"
        else:
            value = f"greatest({at.arrival}, {event})"
        self.values["known_time"] = value

    def _reason(self, ordered: list[Field]) -> str:
        """Return the first test that a row fails, as `code|field`."""
        rank = {f.name: n for n, f in enumerate(ordered)} | {"known_time": 1.5, "deleted": 1.6}
        rules = sorted(self.rules, key=lambda rule: rank[rule.field])
        always = [t for t in rules if rank[t.field] < 2]
        others = [t for t in rules if rank[t.field] >= 2]
        cases = ["WHEN __fault IS NOT NULL THEN __fault", *map(_case, always)]
        if self.deletes:
            cases.append("WHEN __deleted THEN NULL")
        return f"CASE {' '.join([*cases, *map(_case, others)])} END"

    def _outputs(self) -> list[str]:
        """Return the columns of the result."""
        outputs, hashed = [], []
        kept = (self.table.key.name, "event_time")
        for field in self.table.fields.values():
            for column in field.columns():
                value = self.values[column.name]
                if self.deletes and field.name not in kept:
                    value = f"CASE WHEN NOT __deleted THEN {value} END"
                outputs.append(f"{value} AS {quote(column.name)}")
                if not (isinstance(field, Text) and field.pan):
                    hashed.append(value)
        known = self.values["known_time"]
        outputs += [f"{known} AS known_time", "__deleted AS _deleted", "__line AS _line"]
        if not self.table.sealed():
            outputs.append(
                f"CAST(hash({', '.join([*hashed, '__deleted'])}) >> 1 AS BIGINT) AS _hash"
            )
        identity = [self.values[self.table.key.name]]
        identity += [self.values["event_time"]] if self.table.state else []
        row = ", ".join(f"{quote(c)} := {quote(c)}" for c in self.binding.columns)
        raw = f"coalesce(__text, CAST(to_json(struct_pack({row})) AS VARCHAR))"
        rounds = " + ".join(f"coalesce(CAST({r} AS INTEGER), 0)" for r in self.rounded) or "0"
        return [
            *outputs,
            f"CAST({REASON} AS VARCHAR) AS {REASON}",
            f"CASE WHEN {REASON} IS NOT NULL THEN {raw} END AS {RAW}",
            f"CAST({rounds} AS INTEGER) AS {ROUNDED}",
            f"CAST(hash({', '.join(identity)}) >> 1 AS BIGINT) AS {IDENTITY}",
        ]


class _Known(Instant):
    """The mapped known_time, tested like a field that must be present."""

    def __init__(self, table: type[Table]) -> None:
        super().__init__("when the institution could have used it")
        self.table, self.name = table, "known_time"


def _case(rule: Rule) -> str:
    reason = literal(f"{{}}|{rule.field}")
    if rule.code:
        return f"WHEN {rule.when} THEN {reason.format(rule.code)}"
    return f"WHEN {rule.when} THEN {rule.chosen} || {literal('|' + rule.field)}"
