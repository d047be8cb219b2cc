# SPDX-License-Identifier: Apache-2.0
"""Turn scores into probabilities that come true: Platt's sigmoid, beta, isotonic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import Array, numbers, outcomes, weights
from heptad.analysis.logistic import fit_logistic
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Platt:
    """Probability = 1 / (1 + exp(-(slope · score + intercept)))."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, score: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Platt:
        """Fit on cases that the scoring model has not seen.

        Targets are drawn in from 0 and 1 by one prior case each, so that separable scores stay
        finite.

        Args:
            score: (n,) higher means worse, on any scale.
            y: (n,) 1 bad, 0 good.
            sample_weight: (n,) not negative.

        Raises:
            ContractError: if there is only one class, or NaN.

        Source: Platt, Probabilistic outputs for support vector machines, 1999, section 2.2.
        """
        labels, values = outcomes(y, score)
        mass = weights(sample_weight, len(labels))
        bads, goods = float(mass[labels == 1].sum()), float(mass[labels == 0].sum())
        targets = np.where(labels == 1, (bads + 1) / (bads + 2), 1 / (goods + 2))
        model = fit_logistic(values[:, None], targets, mass, reg=0.0)
        return cls(model.coefficients[0], model.intercept)

    def predict(self, score: ArrayLike) -> Array:
        """Probabilities (n,) of scores (n,)."""
        from heptad.analysis import kernels

        return kernels.probability(self.slope * numbers(score, "score") + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `Platt(**…)` makes the same again."""
        return {"slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Beta:
    """Log-odds = a · ln(p) - b · ln(1 - p) + c, of a probability p that is not yet true.

    Unlike Platt's sigmoid it holds the identity, and bends the two ends apart.
    """

    a: float
    b: float
    c: float

    @classmethod
    def fit(
        cls, probability: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Beta:
        """Fit on cases that the scoring model has not seen; a and b are kept at 0 or above.

        Args:
            probability: (n,) in [0, 1].
            y: (n,) 1 bad, 0 good.
            sample_weight: (n,) not negative.

        Raises:
            ContractError: if there is only one class, NaN, or a value outside [0, 1].

        Source: Kull, Silva Filho, Flach, Beta calibration, AISTATS 2017, section 4.
        """
        labels, chance = outcomes(y, probability)
        mass = weights(sample_weight, len(labels))
        model = fit_logistic(_ends(chance), labels, mass, reg=1e-3, positive=True)
        rise, fall = model.coefficients
        return cls(rise, fall, model.intercept)

    def predict(self, probability: ArrayLike) -> Array:
        """Probabilities (n,) that come true, of probabilities (n,)."""
        from heptad.analysis import kernels

        ends = np.ascontiguousarray(_ends(numbers(probability, "probability")))
        return kernels.probability(kernels.linear(ends, np.array([self.a, self.b]), self.c))

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `Beta(**…)` makes the same again."""
        return {"a": self.a, "b": self.b, "c": self.c}


def _ends(chance: Array) -> Array:
    """ln(p) and -ln(1 - p), (n, 2), kept finite at the ends."""
    if len(chance) and (chance.min() < 0 or chance.max() > 1):
        odd = chance.min() if chance.min() < 0 else chance.max()
        raise ContractError("A probability must lie between 0 and 1.", got=float(odd))
    inner = np.clip(chance, 1e-12, 1 - 1e-12)
    return np.column_stack([np.log(inner), -np.log1p(-inner)])


@dataclass(frozen=True)
class Isotonic:
    """A rising piecewise linear map from score to probability, level beyond its ends.

    Attributes:
        scores: (k,) rising knots.
        probabilities: (k,) never falling.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def fit(
        cls, score: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Isotonic:
        """Fit by pooling adjacent violators; equal scores are one case first.

        Args:
            score: (n,) higher means worse.
            y: (n,) 1 bad, 0 good.
            sample_weight: (n,) not negative; rows of weight 0 are left out.

        Raises:
            ContractError: if there is only one class, or NaN.

        Source: Zadrozny and Elkan, Transforming classifier scores into probabilities, KDD 2002.
        """
        from heptad.analysis import kernels

        labels, values = outcomes(y, score)
        mass = weights(sample_weight, len(labels))
        kept = mass > 0
        if not kept.any():
            raise ContractError("Weights must not all be 0.", got=0.0)
        knots, place = np.unique(values[kept], return_inverse=True)
        total = np.bincount(place, mass[kept]).astype(np.float64)
        rate = np.bincount(place, (mass * labels)[kept]) / total
        fitted = kernels.pool(rate, total)
        inner = np.ones(len(knots), bool)
        inner[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
        return cls(tuple(knots[inner].tolist()), tuple(fitted[inner].tolist()))

    def predict(self, score: ArrayLike) -> Array:
        """Probabilities (n,) of scores (n,)."""
        values = numbers(score, "score")
        return np.interp(values, self.scores, self.probabilities).astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `from_dict` makes the same again."""
        return {"scores": list(self.scores), "probabilities": list(self.probabilities)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Isotonic:
        """Read what `to_dict` gave."""
        return cls(tuple(data["scores"]), tuple(data["probabilities"]))
