# SPDX-License-Identifier: Apache-2.0
"""Compile features of one table and key into what the window kernel reads: measures, windows, steps."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from heptad.service.features import Last
from heptad.service.operators.declared import OPERATORS
from heptad.standards import Place
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from heptad.analysis.regions import Regions
    from heptad.engine.local.kernel.reading import Program
    from heptad.service.features import By, Feature
    from heptad.standards import Table
    from heptad.standards.expression import Expression

    Ints = npt.NDArray[np.int64]

_ONLY_THERE = frozenset({"count", "share", "since", "streak", "gap"})
_WHOLES = frozenset({"share", "streak"})
_SUMS = frozenset({"total", "mean", "rate"})
LOG_SCALE = 24


@dataclass(frozen=True)
class Measure:
    """What of an event is read: a column in some form, where a condition holds.

    Attributes:
        columns: physical columns that must have a value.
        mask: name of the condition, or ''.
        form: value (stored number), code (number of a text), there (0), one (1), latitude,
            longitude, cell (H3), or region (its number, -1 outside all).
        resolution: of cells.
        regions: of region.
    """

    columns: tuple[str, ...]
    mask: str
    form: str
    resolution: int = 0
    regions: Regions | None = None


@dataclass
class Compiled:
    """Features of one table and key, compiled.

    Attributes:
        table: the table that the events are rows of.
        keys: what the key is made of.
        features: the features, ratios taken apart, in the order of their steps.
        masks: name → condition.
        measures: what is read of an event; those that are added up first, then the others that
            have values, then those that are only there or not.
        kept: how many there are, how many of them have values, and how many are added up.
        windows: (w, 4) kind, length, delay, every; see `kernel.pool.slices`.
        steps: see `kernel.reading.Program`.
        columns: how many columns of state there are.
    """

    table: type[Table]
    keys: tuple[By, ...]
    features: list[Feature] = field(default_factory=list)
    masks: dict[str, Expression] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    windows: list[tuple[int, int, int, int]] = field(default_factory=list)
    steps: list[list[int]] = field(default_factory=list)
    columns: int = 0
    kept: tuple[int, int, int] = (0, 0, 0)
    shapes: list[tuple[Ints, Ints]] = field(default_factory=list)

    def program(self, longest: int) -> Program:
        """Return the program for slices of at most `longest` events."""
        from heptad.engine.local.kernel.reading import Program

        at = np.cumsum([0, *(len(lats) for lats, _ in self.shapes)], dtype=np.int64)
        none = np.zeros(0, np.int64)
        needs_logs = any(f.op == "entropy" for f in self.features)
        return Program(
            np.array(self.steps, np.int64).reshape(-1, 7),
            logs(longest + 1) if needs_logs else np.zeros(1, np.int64),
            decay(),
            at,
            np.concatenate([none, *(lats for lats, _ in self.shapes)]),
            np.concatenate([none, *(lons for _, lons in self.shapes)]),
        )

    def reach(self) -> int | None:
        """Return how far back of t any window looks, in microseconds; None without a limit."""
        if any(kind != 1 for kind, *_ in self.windows):
            return None
        return max(length + delay + every for _, length, delay, every in self.windows)

    def window_array(self) -> Ints:
        """Return the windows as an array."""
        return np.array(self.windows, np.int64).reshape(-1, 4)


def compiled(features: Sequence[Feature]) -> Compiled:
    """Compile features that share a table and a key; ratios are taken apart before.

    Raises:
        ContractError: if one converts money, which the kernel does not.
    """
    made = Compiled(features[0].table, features[0].keys)
    for feature in features:
        if feature.into:
            raise ContractError(
                f"{feature.op}({feature.of.title}) converts money, which is done in batch only.",
                got=f"into={feature.into}",
                do=f'fix the currency with where=… == "{feature.into}"',
            )
        _add(made, feature)
    _order(made)
    return made


def _order(made: Compiled) -> None:
    """Bring the measures into the order in which a pool keeps them."""
    sums = {s[1] for s, f in zip(made.steps, made.features, strict=True) if f.op in _SUMS}
    n = len(made.measures)
    kinds = [0 if j in sums else 2 if made.measures[j].form == "there" else 1 for j in range(n)]
    # The two measures of a place stay side by side: they are of one kind, and the order is kept.
    order = sorted(range(n), key=kinds.__getitem__)
    made.measures = [made.measures[j] for j in order]
    for step in made.steps:
        step[1], step[2] = order.index(step[1]), order.index(step[2])
    made.kept = n, n - kinds.count(2), kinds.count(0)


def _add(made: Compiled, feature: Feature) -> None:
    """Add the step of one feature."""
    from heptad.engine.local.kernel.reading import OPERATIONS

    op = {"rate": "mean", "cells": "distinct", "region": "latest"}.get(feature.op, feature.op)
    code, columns = OPERATIONS[op]
    mask = _mask(made, feature)
    j = _measure(made, feature, mask)
    whole = _measure(made, feature, "") if op in _WHOLES else 0
    argument, second = _arguments(made, feature)
    made.steps.append([code, j, whole, _window(made, feature), argument, second, made.columns])
    made.features.append(feature)
    made.columns += columns or argument


def _mask(made: Compiled, feature: Feature) -> str:
    """Name the condition of a feature."""
    if feature.where is None:
        return ""
    name = "?" + json.dumps(feature.where.to_json())
    made.masks.setdefault(name, feature.where)
    return name


def _measure(made: Compiled, feature: Feature, mask: str) -> int:
    """Find or add what a feature reads; a place is two measures in a row."""
    columns = tuple(c.name for c in feature.of.columns())
    if feature.op == "cells":
        return _placed(made, [Measure(columns, mask, "cell", feature.argument("resolution"))])
    if feature.op == "region":
        regions: Regions = feature.argument("regions")
        # The grid is made here, where a stream is built, and not at its first row.
        regions.lay()
        return _placed(made, [Measure(columns, mask, "region", 0, regions)])
    if isinstance(feature.of, Place) and feature.op not in _ONLY_THERE:
        forms = ("latitude", "longitude")
        return _placed(made, [Measure(columns, mask, form) for form in forms])
    if feature.op in _ONLY_THERE:
        form = "there"
    elif feature.op == "decayed" and feature.of.kind != "integer":
        form = "one"
    else:
        form = "code" if feature.of.kind == "text" else "value"
    return _placed(made, [Measure(columns, mask, form)])


def _placed(made: Compiled, wanted: list[Measure]) -> int:
    for j in range(len(made.measures)):
        if made.measures[j : j + len(wanted)] == wanted:
            return j
    made.measures += wanted
    return len(made.measures) - len(wanted)


def _window(made: Compiled, feature: Feature) -> int:
    """Find or add the window of a feature."""
    if isinstance(feature.over, Last):
        window = (2, feature.over.n, feature.delay, feature.every)
    elif feature.over is not None:
        window = (1, feature.over, feature.delay, feature.every)
    else:
        window = (0, 0, feature.delay, feature.every)
    if window not in made.windows:
        made.windows.append(window)
    return made.windows.index(window)


def _arguments(made: Compiled, feature: Feature) -> tuple[int, int]:
    """Return what the operator is told, as whole numbers."""
    if feature.op == "percentile":
        return round(feature.argument("q") * 1_000_000), 0
    if feature.op in ("inside", "near"):
        shape = feature.argument("fence" if feature.op == "inside" else "layer")
        made.shapes.append((np.array(shape.lats, np.int64), np.array(shape.lons, np.int64)))
        metres = feature.argument("metres") if feature.op == "near" else 0
        return len(made.shapes) - 1, metres * 1000
    told = OPERATORS[feature.op].clauses
    measured = feature.op in ("cells", "region")
    return (feature.argument(told[0]), 0) if told and not measured else (0, 0)


_LOGS: list[int] = [0, 0]


def logs(n: int) -> Ints:
    """Return c · log2(c) for c < n at least, in units of 2^-24, rounded."""
    if len(_LOGS) < n:
        size = 1 << max(8, (n - 1).bit_length())
        _LOGS.extend(round(c * math.log2(c) * 2**LOG_SCALE) for c in range(len(_LOGS), size))
    return np.array(_LOGS, np.int64)


def log_of(c: int) -> int:
    """Return c · log2(c) in units of 2^-24, rounded."""
    if c >= len(_LOGS):
        logs(c + 1)
    return _LOGS[c]


@cache
def decay() -> Ints:
    """Return the weight of an age of i/1024 half-lives, in units of 2^-40, rounded."""
    return np.array([round(2.0 ** (40 - i / 1024)) for i in range(1024)], np.int64)
