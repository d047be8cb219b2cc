# SPDX-License-Identifier: Apache-2.0
"""Segments: customers who belong together, declared as one condition on what is known of them.

The condition reads fields of Customer that say nothing of who they are, and features whose key is
the customer, as `app.feature`; both as of an instant, under a purpose: whoever may not be read for
it is in no segment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.sql.expressions import sql_text
from heptad.service.features import result_of, unit_of
from heptad.service.reads.asof import read_sql
from heptad.service.reads.reading import shown
from heptad.service.rules.files import kind_of
from heptad.standards import Code, Place
from heptad.standards.errors import ContractError, InputError, UnknownName, suggest
from heptad.standards.expression import Call, from_json
from heptad.standards.model import Customer
from heptad.standards.resolve import resolve
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.catalog.settings import Settings
    from heptad.security.keys import KeyStore
    from heptad.service.app import App
    from heptad.service.features import Feature
    from heptad.service.reads.guard import Access
    from heptad.service.reads.reads import Reads
    from heptad.standards import Field
    from heptad.standards.expression import Expression
    from heptad.standards.resolve import Typed

MOST = 100_000
"""Customers looked at while a segment is being made; of more, a share chosen by their keys."""
SAMPLE = 12
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MARK = "segment:"


@dataclass(frozen=True, slots=True)
class Known:
    """Something that a condition may name.

    Attributes:
        name: of the field, or `app.feature`.
        kind: type of its values, as expressions see them.
        unit: of a number.
        means: a sentence.
        codes: what it may be, where that is a closed list.
        field: of Customer; None for a feature.
        feature: None for a field.
    """

    name: str
    kind: str
    unit: str
    means: str
    codes: tuple[str, ...] = ()
    field: Field | None = None
    feature: Feature | None = None


def known(apps: Mapping[str, App]) -> dict[str, Known]:
    """Return what conditions may name: fields that are not personal, and features of customers."""
    found = {}
    for field in Customer.fields.values():
        if not field.personal and not field.key and not isinstance(field, Place):
            codes = tuple(sorted(field.codes)) if isinstance(field, Code) else ()
            found[field.name] = Known(
                field.name, field.kind, field.unit, field.doc, codes, field=field
            )
    for app in apps.values():
        for name, feature in app.features.items():
            if feature.entities == (Customer.__name__,) and result_of(feature) != "list":
                title = f"{app.name}.{name}"
                kind, unit = kind_of(feature), unit_of(feature)
                found[title] = Known(title, kind, unit, feature.sentence(), feature=feature)
    return found


@dataclass(frozen=True)
class Segment:
    """A condition that was read and checked.

    Attributes:
        tree: as it was written.
        typed: the same, with its types.
        parts: the conditions that it joins by `and` or `or`; itself if it joins none.
        uses: what it names.
    """

    tree: Expression
    typed: Typed
    parts: tuple[Typed, ...]
    uses: tuple[Known, ...]

    @property
    def features(self) -> list[Feature]:
        """The features that it names."""
        return [one.feature for one in self.uses if one.feature is not None]


def read(document: Any, apps: Mapping[str, App]) -> Segment:
    """Read a condition from its JSON form, as rules have it.

    Raises:
        InputError: if it is none.
        UnknownName: if it names what is not known of a customer.
        ContractError: if its types do not fit.
    """
    names, tree = known(apps), from_json(document)
    schema: dict[str, Any] = {
        name: one.kind if one.field is None else one.field for name, one in names.items()
    }
    for name in sorted(tree.columns()):
        if name not in names:
            raise UnknownName(
                f"A segment cannot ask for {name!r}.", got=name, do=suggest(name, names)
            )
    typed = resolve(tree, schema, want="flag")
    joined = tree.arguments if isinstance(tree, Call) and tree.op in ("and", "or") else (tree,)
    parts = tuple(resolve(part, schema, want="flag") for part in joined)
    return Segment(tree, typed, parts, tuple(names[name] for name in sorted(tree.columns())))


@dataclass(frozen=True, slots=True)
class Counted:
    """How many are in a segment.

    Attributes:
        of: customers that may be read.
        looked: how many of them were looked at.
        members: of those.
        alone: of those, for each part of the condition by itself.
        sample: some members, the columns of the condition as the purpose shows them.
    """

    of: int
    looked: int
    members: int
    alone: tuple[int, ...]
    sample: list[dict[str, Any]]


def count(
    segment: Segment, access: Access, reads: Reads, keys: KeyStore, *, t: int, most: int = MOST
) -> Counted:
    """Count who is in a segment as of an instant, and as known then.

    Args:
        segment: the condition.
        access: the read that goes on.
        reads: rows and features, under it.
        keys: open what is sealed.
        t: the instant, microseconds.
        most: customers looked at.
    """
    people, of = _people(segment, reads, t, most)
    rows = _known_of(people, segment, access, reads, t)
    counts = ", ".join(f"count(*) FILTER ({sql_text(part)})" for part in segment.parts)
    sql = f"SELECT count(*) FILTER ({sql_text(segment.typed)}), {counts} FROM rows"
    members, *alone = (column[0].as_py() for column in reads.queries.arrow(sql, rows=rows).columns)
    some = reads.queries.arrow(
        f"SELECT * FROM rows WHERE {sql_text(segment.typed)} ORDER BY hash(id), id LIMIT {SAMPLE}",
        rows=rows,
    )
    seen = shown(
        Customer, some.select([n for n in some.column_names if "." not in n]), access, keys
    )
    for name in some.column_names:
        if "." in name:
            seen = seen.append_column(name, some.column(name))
    return Counted(of, len(rows), members, tuple(alone), seen.to_pylist())


def members(segment: Segment, access: Access, reads: Reads, *, t: int) -> list[str]:
    """Return the keys of all who are in a segment as of an instant, in order."""
    people, _ = _people(segment, reads, t, 0)
    rows = _known_of(people, segment, access, reads, t)
    sql = f"SELECT id FROM rows WHERE {sql_text(segment.typed)} ORDER BY id"
    found: list[str] = reads.queries.arrow(sql, rows=rows).column("id").to_pylist()
    access.about([f"{Customer.__name__}:{key}" for key in found])
    return found


def _people(segment: Segment, reads: Reads, t: int, most: int) -> tuple[pa.Table, int]:
    """Return customers with the fields that the condition names, and of how many they are."""
    columns = ["id", *(one.name for one in segment.uses if one.field is not None)]
    sql = read_sql(Customer, reads.stored(Customer).relation, t=t, k=t, columns=columns)
    found = reads.queries.arrow(f"SELECT count(*) FROM ({sql})")
    of = int(found.column(0)[0].as_py())
    step = -(-of // most) if most else 1
    some = f" WHERE hash(id) % {step} = 0" if step > 1 else ""
    return reads.queries.arrow(f"SELECT * FROM ({sql}){some} ORDER BY id"), of


def _known_of(people: pa.Table, segment: Segment, access: Access, reads: Reads, t: int) -> pa.Table:
    """Lay the values of the features beside the fields."""
    access.read.rows += len(people)
    at = pa.array([t] * len(people), pa.int64())
    spine = pa.table({Customer.__name__: people.column("id"), "event_time": at})
    for app in dict.fromkeys(one.name.partition(".")[0] for one in segment.uses if one.feature):
        own = [o for o in segment.uses if o.feature and o.name.startswith(f"{app}.")]
        values = reads.history(spine, [one.feature for one in own if one.feature])
        for one in own:
            assert one.feature is not None  # noqa: S101 - only those were taken
            people = people.append_column(one.name, values.column(str(one.feature.name)))
    return people


class Segments:
    """The segments that a project declares, each with its versions.

    Args:
        settings: where they are kept.
        apps: whose features they may name.
    """

    def __init__(self, settings: Settings, apps: Mapping[str, App]) -> None:
        self._settings, self._apps = settings, apps

    def all(self) -> dict[str, list[dict[str, Any]]]:
        """Return the versions of every segment by its name, the last one last."""
        found = self._settings.all().items()
        return {n.removeprefix(_MARK): v for n, v in found if n.startswith(_MARK)}

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Return the versions of a segment, the last one last.

        Raises:
            UnknownName: if there is none of that name.
        """
        found: list[dict[str, Any]] | None = self._settings.get(f"{_MARK}{name}")
        if found is None:
            raise UnknownName(
                f"There is no segment {name!r}.", got=name, do=suggest(name, self.all())
            )
        return found

    def declare(
        self, name: str, document: Any, *, purpose: str, note: str, who: str, now: int
    ) -> dict[str, Any]:
        """Keep a condition under a name, as a further version of it where it changed.

        Raises:
            InputError: if the name is none, or the condition is not one.
            ContractError: if its types do not fit, or no purpose is stated.
        """
        if not _NAME.fullmatch(name):
            raise InputError("A segment has a short name.", got=name, do="use letters, digits, - _")
        if not purpose:
            raise ContractError("A segment is read for a purpose.", do="state one")
        when = read(document, self._apps).tree.to_json()
        before: Sequence[dict[str, Any]] = self._settings.get(f"{_MARK}{name}", [])
        if before and (before[-1]["when"], before[-1]["purpose"]) == (when, purpose):
            return before[-1]
        made = {
            "version": len(before) + 1, "when": when, "purpose": purpose, "note": note,
            "who": who, "at": format_instant(now),
        }  # fmt: skip
        self._settings.set(f"{_MARK}{name}", [*before, made])
        return made
