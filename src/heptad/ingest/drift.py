# SPDX-License-Identifier: Apache-2.0
"""What changed in a source since its last load: its columns, their shapes, their distributions."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

from heptad.analysis.stability import psi_counts
from heptad.ingest.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from heptad.ingest.profile import Profile

    Counter = Callable[[str, list[int]], list[int]]

LIMIT = 0.25
"""PSI from which a column is said to have moved (Siddiqi, Credit Risk Scorecards, 2006)."""

FEWEST = 200
"""With fewer values, now or before, chance alone moves the PSI."""

_SHAPES = {
    "whole numbers": re.compile(r"[-+]?\d{1,18}"),
    "numbers": re.compile(
        r"[-+]?(\d{1,3}([., '\u00a0]\d{3})+([.,]\d*)?|\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?"
    ),
    "days": re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}"),
    "instants": re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d.*|\d{1,2}[./]\d{1,2}[./]\d{2,4} \d.*"),
}
_WIDER = {"whole numbers": ("numbers",)}


class Past(Protocol):
    """The profile of a column at an earlier load."""

    @property
    def column(self) -> str:
        """Its name."""
        ...

    @property
    def count(self) -> int:
        """Rows."""
        ...

    @property
    def missing(self) -> int:
        """Rows without a value."""
        ...

    @property
    def top(self) -> Sequence[Sequence[Any]] | None:
        """Values and rows of the most frequent codes."""
        ...

    @property
    def histogram(self) -> Mapping[str, Any] | None:
        """Edges and counts."""
        ...


def shape(values: Iterable[str | None]) -> str:
    """Say what a column of text looks like.

    >>> shape(["12", None, "-7"]), shape(["2026-03-01"]), shape(["x1"])
    ('whole numbers', 'days', 'text')
    """
    present = [value for value in values if value]
    if not present:
        return ""
    for name, pattern in _SHAPES.items():
        if all(pattern.fullmatch(value) for value in present):
            return name
    return "text"


def of_columns(before: Mapping[str, str], now: Mapping[str, str]) -> list[Finding]:
    """Compare a source's columns, name → shape, with those of its last load."""
    if not before:
        return []
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    found = []
    for name in gone:
        near = get_close_matches(name.lower(), [n.lower() for n in new], n=1)
        hint = (
            f"; was it renamed to {next(n for n in new if n.lower() == near[0])!r}?" if near else ""
        )
        found.append(Finding(name, f"The source no longer has the column {name!r}{hint}"))
    found += [
        Finding(name, f"The source has a new column {name!r}; no map reads it.") for name in new
    ]
    for name in before.keys() & now.keys():
        was, is_ = before[name], now[name]
        if was and is_ and was != is_ and is_ not in _WIDER.get(was, ()):
            found.append(
                Finding(name, f"The column {name!r} held {was}, now {is_}; check its map entry.")
            )
    return found


def of_values(before: Iterable[Past], now: Iterable[Profile], counts: Counter) -> list[Finding]:
    """Compare the distribution of each column with that of the last load.

    Args:
        before: the profiles of the last load.
        now: those of this load.
        counts: counts this load's values of a column between edges (`Profiler.counts`).
    """
    past = {profile.column: profile for profile in before}
    found = []
    for profile in now:
        then = past.get(profile.column)
        if then is None or profile.personal:
            continue
        found += _missing(then, profile)
        psi = moved(then, profile, counts)
        if psi is not None and psi >= LIMIT:
            found.append(
                Finding(
                    profile.column,
                    f"The values of {profile.column} moved since the last load (PSI {psi:.2f}).",
                    round(psi, 4),
                )
            )
    return found


def moved(then: Past, now: Profile, counts: Counter) -> float | None:
    """Return the PSI of a column against an earlier load; None where it means nothing."""
    pairs: tuple[list[int], list[int]] | None = None
    if then.top and now.top:
        codes = sorted({str(v) for v, _ in [*then.top, *now.top]})
        was, is_ = ({str(v): n for v, n in top} for top in (then.top, now.top))
        pairs = [was.get(c, 0) for c in codes], [is_.get(c, 0) for c in codes]
    elif then.histogram and now.histogram:
        edges = list(then.histogram["edges"])
        pairs = list(then.histogram["counts"]), counts(now.column, edges)
    if pairs is None or min(map(sum, pairs)) < FEWEST or len(pairs[0]) < 2:
        return None
    return psi_counts(*pairs)


def _missing(then: Past, now: Profile) -> list[Finding]:
    """Tell of a column that is suddenly empty, or filled."""
    if min(then.count, now.count) < FEWEST:
        return []
    was, is_ = then.missing / then.count, now.missing / now.count
    if abs(was - is_) < 0.2:
        return []
    says = f"{now.column} was missing in {was:.0%} of the rows, now in {is_:.0%}."
    return [Finding(now.column, says)]
