# SPDX-License-Identifier: Apache-2.0
"""A scorecard written as one SQL expression in DuckDB's dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.scorecard import Part, Scorecard


def expression(card: Scorecard, output: str = "total") -> str:
    """The total or the probability of a card as text; see `Scorecard.to_sql`."""
    if output not in {"total", "probability"}:
        raise ContractError("Unknown output of a scorecard.", got=output, do='use "total".')
    terms = [str(card.base_), *(_case(name, part) for name, part in card.parts_.items())]
    total = "(" + "\n + ".join(terms) + ")"
    if output == "total":
        return total
    table = ", ".join(_double(value) for value in card.probabilities_)
    return f"list_extract([{table}], {total} - ({card.lowest_}) + 1)"


def _case(name: str, part: Part) -> str:
    bins, points = part.bins, part.points
    column = '"' + name.replace('"', '""') + '"'
    if bins.edges is None:
        lines = [f"WHEN {column} IS NULL THEN {points[bins.missing]}"]
        groups: Sequence[Sequence[str]] = [*bins.groups, *([str(code)] for code in bins.special)]
        for at, levels in enumerate(groups):
            listed = ", ".join(_text(level) for level in levels)
            lines.append(f"WHEN {column} IN ({listed}) THEN {points[at]}")
        return _joined(lines, points[-1])
    number = f"CAST({column} AS DOUBLE)"
    lines = [f"WHEN {column} IS NULL OR isnan({number}) THEN {points[bins.missing]}"]
    for i, code in enumerate(bins.special):
        lines.append(f"WHEN {number} = {_double(float(code))} THEN {points[bins.regular + i]}")
    for i, edge in enumerate(bins.edges):
        lines.append(f"WHEN {number} < {_double(edge)} THEN {points[i]}")
    return _joined(lines, points[bins.regular - 1])


def _joined(lines: Sequence[str], otherwise: int) -> str:
    return "CASE " + " ".join(lines) + f" ELSE {otherwise} END"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _double(value: float) -> str:
    """A float that reads back bit for bit; a bare decimal would become a DECIMAL first."""
    return f"CAST('{value!r}' AS DOUBLE)"
