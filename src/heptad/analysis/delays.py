# SPDX-License-Identifier: Apache-2.0
"""Measure a model as it would have been: trained at instants, on outcomes known by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import Array, Codes, Table, columns, target
from heptad.analysis.intervals import Interval, delong
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike


def delayed(decided_at: ArrayLike, matured_after: int, at: int) -> tuple[Codes, Codes]:
    """Rows that could have been learned from at an instant, and rows decided from then on.

    An outcome is known only after its time; a random split learns from labels that did not yet
    exist.

    Args:
        decided_at: (n,) instants of the decisions, in microseconds.
        matured_after: microseconds from a decision until its outcome is known.
        at: the instant of training.

    Returns:
        Places of the rows to learn from, and of the rows to be measured on.

    Raises:
        ContractError: if outcomes would be known before the decision.
    """
    when = np.asarray(decided_at, np.int64)
    if matured_after < 0:
        raise ContractError("Outcomes cannot be known before the decision.", got=matured_after)
    known = np.flatnonzero(when + matured_after <= at).astype(np.int64)
    return known, np.flatnonzero(when > at).astype(np.int64)


@dataclass(frozen=True)
class Step:
    """One training: when, on how many rows, and how well it ranked the rows until the next."""

    at: int
    trained: int
    n: int
    auc: Interval


def as_it_came(
    table: Table,
    y: ArrayLike,
    decided_at: ArrayLike,
    matured_after: int,
    trainings: Sequence[int],
    fit: Callable[[dict[str, Any], Array], Callable[[dict[str, Any]], Array]],
) -> tuple[list[Step], Interval]:
    """Train at each instant on what was known, and measure on what was decided until the next.

    Args:
        table: named columns.
        y: (n,) 1 bad.
        decided_at: (n,) instants of the decisions, in microseconds.
        matured_after: microseconds from a decision until its outcome is known.
        trainings: instants of training, rising.
        fit: (columns, outcomes) → a function from columns to (m,) scores, higher is worse.

    Returns:
        The steps that had cases of both kinds, and the area over all their scores together.

    Raises:
        ContractError: if trainings do not rise, or no step has cases of both kinds.
    """
    held, labels, when = columns(table), target(y), np.asarray(decided_at, np.int64)
    if list(trainings) != sorted(set(trainings)):
        raise ContractError("Instants of training must rise.", got=list(trainings))
    steps: list[Step] = []
    scores, truths = [], []
    ends = [*trainings[1:], int(when.max()) + 1]
    for at, end in zip(trainings, ends, strict=True):
        known, later = delayed(when, matured_after, at)
        test = later[when[later] <= end]
        if min(_both(labels[known]), _both(labels[test])) < 2:
            continue
        model = fit({name: v[known] for name, v in held.items()}, labels[known])
        score = np.asarray(model({name: v[test] for name, v in held.items()}), np.float64)
        steps.append(Step(at, len(known), len(test), delong(labels[test], score)))
        scores.append(score)
        truths.append(labels[test])
    if not steps:
        raise ContractError(
            "No step has known outcomes before it and cases of both kinds after it.",
            do="train later, or give the days after which outcomes are known.",
        )
    return steps, delong(np.concatenate(truths), np.concatenate(scores))


def _both(labels: Array) -> int:
    return int(min(labels.sum(), (1 - labels).sum()))
