# SPDX-License-Identifier: Apache-2.0
"""Read rule sets from YAML: every name checked, every error with its file, line and cure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.documents import Document
from heptad.service.app import OUTCOMES
from heptad.service.operators.declared import OPERATORS
from heptad.service.rules.rules import Rule, Rules, RuleSet
from heptad.standards.calendars import calendar
from heptad.standards.errors import HeptadError, InputError, UnknownName, suggest
from heptad.standards.expression import from_json
from heptad.standards.resolve import Typed, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.engine.sql.documents import Path
    from heptad.service.features import Feature
    from heptad.standards import Field, Table

KEYS = ("code", "when", "outcome", "points", "numbers", "amounts", "says", "lost", "instead")
HEAD = ("rules", "version", "on", "policy", "lists", "calendars", "do")
SCORES = {"score.points": "integer", "score.probability": "number", "score.rules": "integer"}
LANGUAGES = ("en", "zh")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,62}")


@dataclass
class Names:
    """What expressions of a document may name.

    Attributes:
        schema: column → type: fields of the row, features, policy values, scores.
        lists: lists that the document carries itself: name → values.
        stored: names of stored lists that may be asked for; None for any.
        calendars: calendars that the document carries: name → as it is written out.
    """

    schema: dict[str, str | Field]
    lists: dict[str, list[Any]] = field(default_factory=dict)
    stored: frozenset[str] | None = None
    calendars: dict[str, str] = field(default_factory=dict)


def names_of(table: type[Table], features: Mapping[str, Feature], document: Document) -> Names:
    """Gather what a document may name: its table, the features, its policy, lists and calendars.

    Raises:
        InputError: if policy, lists or calendars are written otherwise.
    """
    schema: dict[str, str | Field] = {}
    for of in table.fields.values():
        columns = of.columns()
        schema |= {of.name: of} if len(columns) == 1 else {c.name: c.kind for c in columns}
    schema["known_time"] = "instant"
    schema |= {name: kind_of(feature) for name, feature in features.items()}
    schema |= SCORES
    names = Names(schema)
    for name, value in _mapping(document, ("policy",)).items():
        schema[f"policy.{name}"] = _policy_kind(document, name, value)
    for name, values in _mapping(document, ("lists",)).items():
        names.lists[name] = _constants(document, name, values)
    for name, given in _mapping(document, ("calendars",)).items():
        names.calendars[name] = _written(document, name, given)
    return names


def kind_of(feature: Feature) -> str:
    """Return the type of a feature's values; lists cannot stand in an expression."""
    gives = OPERATORS[feature.op].gives if feature.op in OPERATORS else "number"
    return str(feature.of.kind) if gives == "value" else gives


def _policy_kind(document: Document, name: str, value: Any) -> str:
    kinds = {bool: "flag", int: "integer", float: "number", str: "text"}
    if type(value) not in kinds:
        raise InputError(
            f"The policy value {name} is one text, number or flag.", got=value,
            place=document.place(("policy", name)), do="write name: 10",
        )  # fmt: skip
    return kinds[type(value)]


def _constants(document: Document, name: str, values: Any) -> list[Any]:
    fine = isinstance(values, list) and values and all(isinstance(v, str | int) for v in values)
    if not fine or len(values) > 1024:
        raise InputError(
            f"The list {name} holds 1 to 1024 texts or whole numbers.",
            place=document.place(("lists", name)), do="store longer lists with `heptad lists upload`",
        )  # fmt: skip
    return list(values)


def _written(document: Document, name: str, given: Any) -> str:
    parts = given if isinstance(given, dict) else {}
    try:
        text = ";".join([name, *(f"{k}={_joined(v)}" for k, v in parts.items())])
        if not parts:
            raise InputError(f"The calendar {name} says nothing.", do="write free: [2026-01-01]")
        calendar(text)
    except HeptadError as error:
        raise document.put(error, ("calendars", name)) from None
    return text


def _joined(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _mapping(document: Document, path: Path) -> dict[str, Any]:
    found: Any = document.data
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError(
            f"{path[-1]} is a mapping of names.", got=found, place=document.place(path)
        )
    return found


def known_keys(
    document: Document, path: Path, given: Any, known: tuple[str, ...]
) -> dict[str, Any]:
    """Return a mapping whose keys are all known.

    Raises:
        InputError: if it is no mapping.
        UnknownName: if it has another key.
    """
    if not isinstance(given, dict):
        raise InputError(
            "A mapping is wanted here.", got=given, place=document.place(path),
            do=f"with the keys {', '.join(known)}",
        )  # fmt: skip
    for key in given:
        if key not in known:
            raise UnknownName(
                f"{key!r} is not known here.", got=key, place=document.place((*path, key)),
                do=suggest(key, known),
            )  # fmt: skip
    return given


def expression(document: Document, path: Path, given: Any, names: Names, want: Any = None) -> Typed:
    """Read and check an expression; an error names the line of the smallest part at fault.

    Raises:
        HeptadError: with file, line and cure.
    """
    try:
        return resolve(from_json(prepared(given, names)), names.schema, want=want)
    except HeptadError as error:
        raise _nearest(document, path, given, names) or document.put(error, path) from None


def _nearest(document: Document, path: Path, given: Any, names: Names) -> HeptadError | None:
    """Find the deepest part of an expression that is wrong by itself."""
    if not isinstance(given, dict):
        return None
    for op, body in given.items():
        parts = body if isinstance(body, list) else [body]
        for n, part in enumerate(parts):
            where = (*path, op, n) if isinstance(body, list) else (*path, op)
            if not isinstance(part, dict):
                continue
            try:
                resolve(from_json(prepared(part, names)), names.schema)
            except HeptadError as error:
                return _nearest(document, where, part, names) or document.put(error, where)
    return None


def prepared(given: Any, names: Names, depth: int = 0) -> Any:
    """Put what a document carries itself into an expression: its lists and calendars.

    Raises:
        UnknownName: if a list is neither carried nor stored.
    """
    if isinstance(given, list):
        return [prepared(part, names, depth + 1) for part in given]
    if not isinstance(given, dict) or len(given) != 1 or depth > 400:
        return given
    ((op, body),) = given.items()
    parts = body if isinstance(body, list) else [body]
    if op == "listed" and len(parts) == 2 and isinstance(parts[1], str):
        if parts[1] in names.lists:
            return {"in": [prepared(parts[0], names, depth + 1), *names.lists[parts[1]]]}
        if names.stored is not None and parts[1] not in names.stored:
            known = [*names.lists, *names.stored]
            raise UnknownName(
                f"There is no list {parts[1]!r}.", got=parts[1], do=suggest(parts[1], known)
            )
    if op in ("business", "business_days") and isinstance(parts[-1], str):
        parts = [*parts[:-1], names.calendars.get(parts[-1], parts[-1])]
    return {op: [prepared(part, names, depth + 1) for part in parts] if op not in _NAMED else body}


_NAMED = ("column", "feature", "policy", "score", "amount")


def rule(document: Document, path: Path, given: Any, names: Names) -> Rule:
    """Read one rule.

    Raises:
        HeptadError: with file, line and cure.
    """
    given = known_keys(document, path, given, KEYS)
    code = given.get("code")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise InputError(
            "A rule has a code of capitals.", got=code, place=document.place((*path, "code")),
            do="write code: NIGHT_ABROAD",
        )  # fmt: skip
    outcome = given.get("outcome", "")
    if outcome and outcome not in OUTCOMES:
        raise UnknownName(
            f"{code}: there is no outcome {outcome!r}.", got=outcome,
            place=document.place((*path, "outcome")), do=suggest(str(outcome), OUTCOMES),
        )  # fmt: skip
    if "when" not in given:
        raise InputError(
            f"{code} has no condition.", place=document.place(path), do="write when: …"
        )
    return Rule(
        code,
        expression(document, (*path, "when"), given["when"], names, "flag"),
        outcome,
        _whole(document, (*path, "points"), given.get("points", 0)),
        _trees(document, (*path, "numbers"), given.get("numbers", {}), names),
        _trees(document, (*path, "amounts"), given.get("amounts", {}), names),
        _says(document, (*path, "says"), given.get("says", {})),
        _whole(document, (*path, "lost"), given.get("lost", 0)),
        given.get("instead") is True,
        document.place(path),
    )


def _whole(document: Document, path: Path, given: Any) -> int:
    if type(given) is not int:
        raise InputError(f"{path[-1]} is a whole number.", got=given, place=document.place(path))
    return given


def _trees(document: Document, path: Path, given: Any, names: Names) -> dict[str, Typed]:
    if not isinstance(given, dict):
        raise InputError(
            f"{path[-1]} names expressions.", got=given, place=document.place(path),
            do="write name: {column: amount}",
        )  # fmt: skip
    return {n: expression(document, (*path, n), tree, names) for n, tree in given.items()}


def _says(document: Document, path: Path, given: Any) -> dict[str, str]:
    for language, text in known_keys(document, path, given, LANGUAGES).items():
        if not isinstance(text, str):
            raise InputError("A sentence is a text.", place=document.place((*path, language)))
    return dict(given)


def rules(document: Document, path: Path, given: Any, names: Names) -> Rules:
    """Read a list of rules, each with a code of its own.

    Raises:
        HeptadError: with file, line and cure.
    """
    if not isinstance(given, list):
        raise InputError("Rules are a list.", place=document.place(path), do="begin with - code: …")
    made = [rule(document, (*path, n), one, names) for n, one in enumerate(given)]
    return Rules(made)


def read_rules(
    text: str,
    tables: Mapping[str, type[Table]],
    features: Mapping[str, Feature] | None = None,
    *,
    name: str = "rules.yaml",
    lists: frozenset[str] | None = None,
) -> RuleSet:
    """Read a rule set.

    Args:
        text: YAML with `rules` (its name), `version`, `on`, `do` (the rules), and where needed
            `policy`, `lists` and `calendars`.
        tables: the tables that it may be about.
        features: the features that it may read, by name.
        name: of the file, for errors.
        lists: names of the stored lists; None where they are not known yet.

    Raises:
        HeptadError: with file, line and cure.
    """
    document = Document(text, name)
    given = known_keys(document, (), document.data, HEAD)
    table = table_of(document, tables)
    names = names_of(table, features or {}, document)
    names.stored = lists
    made = rules(document, ("do",), given.get("do"), names)
    return RuleSet(
        str(given.get("rules", "")), _whole(document, ("version",), given.get("version", 1)),
        table.__name__, made, text, _mapping(document, ("policy",)),
    )  # fmt: skip


def table_of(document: Document, tables: Mapping[str, type[Table]]) -> type[Table]:
    """Return the table that a document is about.

    Raises:
        UnknownName: if there is none of that name.
    """
    on = document.data.get("on")
    if on not in tables:
        raise UnknownName(
            f"There is no table {on!r}.", got=on, place=document.place(("on",)),
            do=suggest(str(on), tables),
        )  # fmt: skip
    return tables[on]
