# SPDX-License-Identifier: Apache-2.0
"""Reject inference: learn from applicants who were declined, and test whether that helps.

The outcome of a declined applicant is not known. Each method guesses it, and a guess may do harm;
so `helps` measures on accepted cases that play the declined, where the truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from heptad.analysis.arrays import Array, Table, columns, target
from heptad.analysis.intervals import Difference, delong_paired
from heptad.analysis.scorecard import Scorecard
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

Method = Literal["none", "reweight", "parcel", "fuzzy"]
METHODS: tuple[Method, ...] = ("none", "reweight", "parcel", "fuzzy")


@dataclass(frozen=True)
class Sample:
    """Rows to learn from: columns, outcomes and weights."""

    table: dict[str, Any]
    y: Array
    weight: Array


def infer(
    accepted: Table,
    y: ArrayLike,
    declined: Table,
    *,
    method: Method = "fuzzy",
    worse: float = 1.5,
    seed: int = 0,
) -> Sample:
    """Make one sample of accepted and declined applicants.

    Args:
        accepted: named columns of those whose outcome is known.
        y: (n,) their outcomes, 1 bad.
        declined: the same columns of the declined.
        method: "none": the accepted alone; "reweight": the accepted, weighted up where many like
            them were declined; "parcel": the declined get outcomes drawn by score band, with
            odds of bad `worse` times those of the accepted; "fuzzy": each declined counts as a
            bad and as a good, in the shares that "parcel" would draw.
        worse: how much worse the odds of bad of the declined are taken to be at the same score.
        seed: of what is drawn.

    Raises:
        ContractError: if the method is unknown, `worse` is below 1, or a column is absent.

    Source: Siddiqi, Credit Risk Scorecards, 2006, ch. 6 (reject inference).
    """
    if method not in METHODS or not worse >= 1:
        raise ContractError(
            "Unknown reject inference.", got=f"{method}, worse={worse}", do="use fuzzy and 1.5."
        )
    held, labels = columns(accepted), target(y)
    others = columns(declined, list(held))
    n, m = len(labels), len(next(iter(others.values())))
    if method == "none":
        return Sample(dict(held), labels, np.ones(n))
    if method == "reweight":
        both = _joined(held, others, 1)
        gone = Scorecard().fit(both, np.r_[np.zeros(n), np.ones(m)])
        chance = gone.predict_proba(held)[:, 1]
        # 1 / P(accepted | x), bounded so that no few rows carry the sample.
        return Sample(dict(held), labels, np.minimum(1 / (1 - np.minimum(chance, 0.95)), 10.0))
    chance = Scorecard().fit(held, labels).predict_proba(others)[:, 1]
    odds = worse * chance / (1 - chance)
    bad = odds / (1 + odds)
    if method == "parcel":
        drawn = (np.random.default_rng(seed).random(m) < bad).astype(np.float64)
        return Sample(_joined(held, others, 1), np.r_[labels, drawn], np.ones(n + m))
    outcomes = np.r_[labels, np.ones(m), np.zeros(m)]
    return Sample(_joined(held, others, 2), outcomes, np.r_[np.ones(n), bad, 1 - bad])


def _joined(first: Mapping[str, Any], second: Mapping[str, Any], times: int) -> dict[str, Any]:
    return {name: np.concatenate([first[name], *[second[name]] * times]) for name in first}


@dataclass(frozen=True)
class Help:
    """What reject inference did on applicants who were declined in play.

    Attributes:
        method: what was tried.
        gain: area under the curve with it less without it, on all test cases, declined in play
            among them.
        bias: mean probability of bad less the bad rate, with it and without it: what pricing
            would get wrong.
        helps: whether it may be used: the area does not fall for certain, and the bias shrinks.
        declined: how many cases were declined in play.
    """

    method: str
    gain: Difference
    bias: tuple[float, float]
    helps: bool
    declined: int


def helps(
    table: Table,
    y: ArrayLike,
    declined: ArrayLike,
    *,
    method: Method = "fuzzy",
    worse: float = 1.5,
    seed: int = 0,
) -> Help:
    """Test a method where the truth is known.

    Cases with known outcomes are declined in play by the rule given, the method learns without
    their outcomes, and is measured on a third that was kept aside, declined and not.

    Args:
        table: named columns of cases with known outcomes.
        y: (n,) 1 bad.
        declined: (n,) whether the old rule would have declined each, such as by its score.
        method: as `infer`.
        worse: as `infer`.
        seed: of the cases kept aside and of what is drawn.

    Raises:
        ContractError: if too few are declined or accepted to learn from.
    """
    held, labels = columns(table), target(y)
    out = np.asarray(declined, bool)
    aside = np.random.default_rng(seed).random(len(labels)) < 1 / 3
    known, gone = ~aside & ~out, ~aside & out
    if min(labels[known].sum(), (1 - labels[known]).sum()) < 20 or gone.sum() < 20:
        raise ContractError(
            "At least 20 declined, and 20 accepted of each kind, are needed.",
            got=f"{int(gone.sum())} declined, {int(known.sum())} accepted",
        )
    accepted = {name: v[known] for name, v in held.items()}
    lost = {name: v[gone] for name, v in held.items()}
    chances = []
    for one in (method, METHODS[0]):
        sample = infer(accepted, labels[known], lost, method=one, worse=worse, seed=seed)
        card = Scorecard().fit(sample.table, sample.y, sample.weight)
        chances.append(card.predict_proba({name: v[aside] for name, v in held.items()})[:, 1])
    with_it, without = chances
    gain = delong_paired(labels[aside], with_it, without)
    bias = float((with_it - labels[aside]).mean()), float((without - labels[aside]).mean())
    good = gain.interval.high >= 0 and abs(bias[0]) < abs(bias[1])
    return Help(method, gain, bias, bool(good), int(gone.sum()))
