# SPDX-License-Identifier: Apache-2.0
"""What changed between two declarations of a table, and which changes break readers or rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NARROWER: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda old, new: new is not None and (old is None or new > old),
    "le": lambda old, new: new is not None and (old is None or new < old),
    "max_length": lambda old, new: new is not None and (old is None or new < old),
    "optional": lambda _old, new: not new,
    "purposes": lambda old, new: not set(old or ()) <= set(new or ()),
    "standard": lambda old, new: (
        not (isinstance(old, list) and isinstance(new, list) and set(old) <= set(new))
    ),
    "doc": lambda _old, _new: False,
}
"""Clause → whether the new value excludes what the old one allowed. Every other clause (type,
scale, currency, unit, key, personal, …) says what stored values mean: any change of it breaks."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A declaration that a table has had since an instant, µs UTC."""

    table: str
    hash: str
    contract: dict[str, Any]
    since: int


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two declarations.

    Attributes:
        kind: "added", "removed" or "changed".
        field: the field's name; "" for the table itself.
        says: what changed, as a sentence.
        breaking: whether stored rows or their readers may no longer fit.
    """

    kind: str
    field: str
    says: str
    breaking: bool


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Compare two results of `Table.contract()`.

    Args:
        old: the earlier declaration; empty if there was none.
        new: the later one.

    Returns:
        One change per difference: of the table, then of its fields by name.
    """
    if not old:
        return []
    found = list(_clauses("", old, new, skip={"fields"}))
    before, after = old["fields"], new["fields"]
    for name in sorted({*before, *after}):
        title = f"{new['table']}.{name}"
        if name not in after:
            found.append(Change("removed", name, f"{title} was removed.", breaking=True))
        elif name not in before:
            optional = bool(after[name].get("optional"))
            says = f"{title} was added{', optional' if optional else ' and must be present'}."
            found.append(Change("added", name, says, breaking=not optional))
        else:
            found.extend(_clauses(name, before[name], after[name], title=title))
    return found


def _clauses(
    field: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    title: str = "",
    skip: set[str] = frozenset(),  # type: ignore[assignment]
) -> Iterator[Change]:
    """Compare the clauses of one field, or of the table."""
    for clause in sorted({*old, *new} - skip):
        before, after = old.get(clause), new.get(clause)
        if before == after:
            continue
        narrower = NARROWER.get(clause, lambda _old, _new: True)
        says = f"{title or new['table']}: {clause} was {_shown(before)}, is {_shown(after)}."
        yield Change("changed", field, says, breaking=narrower(before, after))


def _shown(value: Any) -> str:
    """Write a clause's value for a sentence."""
    if value is None:
        return "not said"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
