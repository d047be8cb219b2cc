# SPDX-License-Identifier: Apache-2.0
"""Choose how a group of features is computed in batch: by a range join, or by the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from heptad.service.operators.declared import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heptad.service.batch.spines import Spine
    from heptad.service.batch.sweep import Queries
    from heptad.service.batch.windows import Stored
    from heptad.service.features import Feature
    from heptad.standards import Table

Plans = Literal["cheapest", "join", "kernel"]

FEW = 20_000
"""Spines of fewer rows are joined: one query, and no compiled code is loaded."""


def choose(
    queries: Queries,
    features: Sequence[Feature],
    spine: Spine,
    tables: Callable[[type[Table]], Stored],
    plans: Plans,
) -> frozenset[str]:
    """Return the names of the features of one table and key that the kernel computes.

    Tier 2 has no other plan, and money that is converted has none but the join.
    """
    del queries, tables
    able = [f for f in features if not f.into]
    forced = {f.name for f in able if OPERATORS[f.op].tier == 2}
    every = plans == "kernel" or (plans == "cheapest" and (forced or len(spine) >= FEW))
    return frozenset(f.name for f in able) if every else frozenset(forced)
