# SPDX-License-Identifier: Apache-2.0
"""How well scores tell bad from good and how true probabilities are, with intervals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import Array, outcomes, weights
from heptad.analysis.intervals import Interval, area, bootstrap, delong, wilson
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_SMALLEST = float(np.finfo(np.float64).eps)


def auc(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """The chance that a bad case scores higher than a good one, ties counted half.

    Exact: without weights it is a ratio of two integers, rounded once.

    Args:
        y: (n,) 1 bad, 0 good.
        score: (n,) higher means worse.
        sample_weight: (n,) not negative.

    Raises:
        ContractError: if there is only one class, or NaN.
    """
    labels, values = outcomes(y, score)
    if sample_weight is None:
        return area(labels, values)
    bad = labels == 1
    mass = weights(sample_weight, len(labels))
    order = np.argsort(values[~bad], kind="stable")
    good = values[~bad][order]
    rising = np.concatenate([[0.0], np.cumsum(mass[~bad][order])])
    below = rising[np.searchsorted(good, values[bad], side="left")]
    upto = rising[np.searchsorted(good, values[bad], side="right")]
    if rising[-1] == 0 or mass[bad].sum() == 0:
        raise ContractError("Both kinds need weight above 0.", got=0.0)
    return float((mass[bad] * (below + upto)).sum() / (2 * mass[bad].sum() * rising[-1]))


def gini(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Twice the area under the ROC curve less one; arguments as `auc`."""
    return 2 * auc(y, score, sample_weight) - 1


def ks(y: ArrayLike, score: ArrayLike) -> float:
    """The largest gap between the score distributions of bad and good (Kolmogorov-Smirnov).

    Args:
        y: (n,) 1 bad, 0 good.
        score: (n,) in either direction.
    """
    labels, values = outcomes(y, score)
    bad = np.sort(values[labels == 1])
    good = np.sort(values[labels == 0])
    at = np.unique(values)
    left = np.searchsorted(bad, at, side="right") * len(good)
    right = np.searchsorted(good, at, side="right") * len(bad)
    return int(np.abs(left - right).max()) / (len(bad) * len(good))


def brier(y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """The mean squared error of probabilities (n,) of bad, in [0, 1]."""
    labels, chance = _probabilities(y, probability)
    mass = weights(sample_weight, len(labels))
    return float((mass * (chance - labels) ** 2).sum() / mass.sum())


def log_loss(y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """The mean negative log-likelihood of probabilities (n,) of bad, in nats.

    Probabilities are kept 2.2e-16 away from 0 and 1.
    """
    labels, chance = _probabilities(y, probability)
    mass = weights(sample_weight, len(labels))
    clipped = np.clip(chance, _SMALLEST, 1 - _SMALLEST)
    loss = -np.log(np.where(labels == 1, clipped, 1 - clipped))
    return float((mass * loss).sum() / mass.sum())


def _probabilities(y: ArrayLike, probability: ArrayLike) -> tuple[Array, Array]:
    labels, chance = outcomes(y, probability)
    if chance.min() < 0 or chance.max() > 1:
        odd = chance.min() if chance.min() < 0 else chance.max()
        raise ContractError("A probability must lie between 0 and 1.", got=float(odd))
    return labels, chance


@dataclass(frozen=True)
class Bucket:
    """Cases of like probability: how many, what was said, what came; `rate` has an interval."""

    n: int
    predicted: float
    rate: Interval


def calibration_table(y: ArrayLike, probability: ArrayLike, bins: int = 10) -> list[Bucket]:
    """What was predicted against what came, by bins of about equal count.

    Equal probabilities stay in one bin, so there may be fewer bins. Intervals are Wilson's, 95 %.

    Args:
        y: (n,) 1 bad, 0 good.
        probability: (n,) of bad.
        bins: most bins.

    Raises:
        ContractError: if there is only one class, or a probability is outside [0, 1].
    """
    labels, chance = _probabilities(y, probability)
    codes = _buckets(chance, bins)
    n = np.bincount(codes)
    said = np.bincount(codes, weights=chance)
    came = np.bincount(codes, weights=labels)
    return [
        Bucket(int(n[i]), float(said[i] / n[i]), wilson(int(came[i]), int(n[i])))
        for i in range(len(n))
        if n[i]
    ]


def _buckets(chance: Array, bins: int) -> Any:
    if bins < 1:
        raise ContractError("At least one bin is needed.", got=bins)
    ranked = np.sort(chance)
    edges = np.unique(ranked[np.arange(1, bins) * len(ranked) // bins])
    return np.searchsorted(edges, chance, side="right")


def ece(y: ArrayLike, probability: ArrayLike, bins: int = 10) -> float:
    """The expected calibration error: mean gap of said and come over `calibration_table`.

    Biased upwards: a perfect forecast has about sqrt(2 p (1 - p) bins / (π n)), not 0.
    """
    labels, chance = _probabilities(y, probability)
    codes = _buckets(chance, bins)
    gap = np.bincount(codes, weights=chance) - np.bincount(codes, weights=labels)
    return float(np.abs(gap).sum() / len(labels))


def lift(y: ArrayLike, score: ArrayLike, share: float = 0.1) -> float:
    """The bad rate among the worst-scored share, over the bad rate of all.

    Args:
        y: (n,) 1 bad, 0 good.
        score: (n,) higher means worse.
        share: fraction taken from the top, in (0, 1]; ties at the cut count in proportion.
    """
    labels, values = outcomes(y, score)
    if not 0 < share <= 1:
        raise ContractError("A share must lie above 0 and up to 1.", got=share)
    take = share * len(values)
    edge = np.sort(values)[len(values) - math.ceil(take)]
    above, tied = values > edge, values == edge
    part = (take - above.sum()) / tied.sum()
    caught = labels[above].sum() + part * labels[tied].sum()
    return float(caught / take / labels.mean())


@dataclass(frozen=True)
class Evaluation:
    """A model's figures on one set of cases, each with its 95 % interval.

    AUC and Gini have DeLong intervals; the others stratified percentile bootstraps, but for
    `ece`, whose bias calls for the basic bootstrap.
    """

    n: int
    bads: int
    auc: Interval
    gini: Interval
    ks: Interval
    brier: Interval
    log_loss: Interval
    ece: Interval
    lift_10: Interval
    calibration: tuple[Bucket, ...]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a catalog or JSON."""
        return asdict(self)


def evaluate(
    y: ArrayLike, probability: ArrayLike, *, seed: int = 0, repeats: int = 1000
) -> Evaluation:
    """Measure probabilities of bad on cases that the model has not seen.

    Args:
        y: (n,) 1 bad, 0 good.
        probability: (n,) of bad.
        seed: of the bootstrap.
        repeats: bootstrap samples.

    Raises:
        ContractError: if there is only one class, or a probability is outside [0, 1].
    """
    labels, chance = _probabilities(y, probability)
    discrimination = delong(labels, chance)

    def spread(statistic: Any, method: str = "percentile") -> Interval:
        return bootstrap(statistic, labels, chance, n=repeats, seed=seed, method=method)

    error = spread(ece, "basic")
    return Evaluation(
        n=len(labels),
        bads=int(labels.sum()),
        auc=discrimination,
        gini=Interval(
            *(2 * v - 1 for v in (discrimination.value, discrimination.low, discrimination.high))
        ),
        ks=spread(ks),
        brier=spread(brier),
        log_loss=spread(log_loss),
        ece=Interval(error.value, max(0.0, error.low), max(0.0, error.high)),
        lift_10=spread(lift),
        calibration=tuple(calibration_table(labels, chance)),
        seed=seed,
    )
