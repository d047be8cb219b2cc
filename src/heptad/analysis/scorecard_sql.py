# SPDX-License-Identifier: Apache-2.0
"""A scorecard written as one SQL expression, in the dialect of DuckDB or of Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.binning import Bins
    from heptad.analysis.scorecard import Scorecard


@dataclass(frozen=True)
class Dialect:
    """How one engine writes a name, a text, the n-th of a list counted from 1, and a test for NaN.

    DuckDB 2.0 takes `isnan` for false where the statistics of a Parquet file, which leave NaN out,
    are finite; behind `nullif` it does not know them.
    """

    quote: str
    escapes: bool
    item: str
    nan: str

    def name(self, column: str) -> str:
        """A column's name."""
        return self.quote + column.replace(self.quote, self.quote * 2) + self.quote

    def text(self, value: str) -> str:
        """A text literal."""
        if self.escapes:
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return "'" + value.replace("'", "''") + "'"

    def pick(self, values: Sequence[str], at: str) -> str:
        """The value of a literal list at `at`, counted from 1."""
        return self.item.format(", ".join(values), at)


DIALECTS = {
    "duckdb": Dialect(
        '"',
        escapes=False,
        item="list_extract([{0}], {1})",
        nan="isnan(nullif({0}, CAST('1e308' AS DOUBLE)))",
    ),
    "spark": Dialect("`", escapes=True, item="element_at(array({0}), {1})", nan="isnan({0})"),
}


def expression(card: Scorecard, output: str = "total", dialect: str = "duckdb") -> str:
    """The total or the probability of a card as text; see `Scorecard.to_sql`."""
    if output not in {"total", "probability"}:
        raise ContractError("Unknown output of a scorecard.", got=output, do='use "total".')
    if dialect not in DIALECTS:
        raise ContractError("Unknown dialect of SQL.", got=dialect, do='use "duckdb".')
    say = DIALECTS[dialect]
    terms = [str(card.base_)]
    terms += [_case(part.bins, part.points, say) for part in card.parts_.values()]
    for cross in card.crosses_:
        one, two = (card.grids_[name] for name in cross.columns)
        width = len(cross.points[0])
        at = (
            f"{_case(one, range(0, width * len(cross.points), width), say)} + "
            f"{_case(two, range(1, width + 1), say)}"
        )
        terms.append(say.pick([str(v) for row in cross.points for v in row], at))
    total = "(" + "\n + ".join(terms) + ")"
    if output == "total":
        return total
    table = [_double(value) for value in card.probabilities_]
    return say.pick(table, f"{total} - ({card.lowest_}) + 1")


def _case(bins: Bins, values: Sequence[int], say: Dialect) -> str:
    """One of `values` by the bin that a column falls into."""
    column = say.name(bins.name)
    if bins.edges is None:
        lines = [f"WHEN {column} IS NULL THEN {values[bins.missing]}"]
        groups: Sequence[Sequence[str]] = [*bins.groups, *([str(code)] for code in bins.special)]
        for at, levels in enumerate(groups):
            if levels:
                listed = ", ".join(map(say.text, levels))
                lines.append(f"WHEN {column} IN ({listed}) THEN {values[at]}")
        return _joined(lines, values[len(groups) + 1])
    number = f"CAST({column} AS DOUBLE)"
    lines = [f"WHEN {column} IS NULL OR {say.nan.format(number)} THEN {values[bins.missing]}"]
    for i, code in enumerate(bins.special):
        lines.append(f"WHEN {number} = {_double(float(code))} THEN {values[bins.regular + i]}")
    for i, edge in enumerate(bins.edges):
        lines.append(f"WHEN {number} < {_double(edge)} THEN {values[i]}")
    return _joined(lines, values[bins.regular - 1])


def _joined(lines: Sequence[str], otherwise: int) -> str:
    return "CASE " + " ".join(lines) + f" ELSE {otherwise} END"


def _double(value: float) -> str:
    """A float that reads back bit for bit; a bare decimal would become a DECIMAL first."""
    return f"CAST('{value!r}' AS DOUBLE)"
