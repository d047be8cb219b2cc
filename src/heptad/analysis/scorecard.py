# SPDX-License-Identifier: Apache-2.0
"""A points scorecard: binned columns, whole points that add up, a probability for each total."""

from __future__ import annotations

import hashlib
import inspect
import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from heptad.analysis.arrays import Array, Codes, Table, columns, target, weights
from heptad.analysis.binning import Bins, Rule, cut_apart
from heptad.analysis.histogram import code_column, spread
from heptad.analysis.logistic import fit_logistic
from heptad.analysis.scorecard_json import Fitted, read, write
from heptad.analysis.scorecard_sql import expression
from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

_WIDEST = 100_000


class Points(NamedTuple):
    """What one row scores: the total, and per column of the card its points and its bin."""

    total: int
    points: dict[str, int]
    bins: dict[str, int]


class Loss(NamedTuple):
    """Points that one column lost against its best bin; bins are named in words."""

    column: str
    lost: int
    points: int
    bin: str
    best: str


@dataclass(frozen=True)
class Part:
    """One column of the card: its bins, its coefficient and its points per bin."""

    bins: Bins
    coefficient: float
    points: tuple[int, ...]

    @cached_property
    def best(self) -> int:
        """The regular bin with most points, the first of equals.

        Missing, special and unseen are left out, since nobody can be advised to become them.
        """
        return max(range(self.bins.regular or len(self.points)), key=lambda i: (self.points[i], -i))


class Scorecard:
    """A points scorecard after scikit-learn's protocol, scored in whole numbers.

    Each column is cut into bins (missing is a bin of its own), each bin gets its weight of
    evidence, a logistic regression with L2 penalty weighs the columns, and the result is rounded
    to whole points. The total is a sum of integers and the probability is read from a table by
    the total, so one row, a batch and SQL agree exactly, and a saved card replays bit for bit.
    More points are safer.

    Args:
        max_bins, min_share, monotone, smoothing, penalty: how columns are cut, see
            `binning.Rule`; `monotone` may also map column names to directions, "soft" for others.
        special: column name → codes, such as -999, that become bins of their own.
        reg: L2 penalty of the logistic regression, as 1 / C in scikit-learn.
        positive: keep coefficients ≥ 0, so that no bin's points contradict its bad rate.
        folds: the regression learns from evidence of bins cut on the other folds, so that a
            column that tells nothing new gets no points; 0, or less than 2 cases of a class per
            fold, learns from the card's own bins.
        min_iv: columns with less information value get no points.
        base_score: points at `base_odds`.
        base_odds: odds of good to bad at `base_score`.
        pdo: points that double the odds.
        names: column names where X is a plain (n, p) array.

    Attributes:
        classes_: [0, 1]; 1 is the bad event.
        feature_names_in_: (p,) names of the columns seen in `fit`.
        bins_: name → `Bins` of every column.
        parts_: name → `Part` of the columns that have points.
        coef_: (1, p) coefficients on the log-odds of bad, per unit of minus weight of evidence.
        intercept_: (1,) log-odds of bad of a neutral row.
        base_: points that every row starts from.

    Source: Siddiqi, Credit Risk Scorecards, 2006, ch. 6 (scaling by base score, odds and PDO).
    """

    def __init__(  # noqa: PLR0913  scikit-learn's protocol wants flat parameters
        self,
        *,
        max_bins: int = 8,
        min_share: float = 0.02,
        monotone: Mapping[str, str] | str | None = "soft",
        smoothing: float = 5.0,
        penalty: float = 0.0,
        special: Mapping[str, Sequence[float | str]] | None = None,
        reg: float = 1.0,
        positive: bool = True,
        folds: int = 10,
        min_iv: float = 0.0,
        base_score: int = 600,
        base_odds: float = 20.0,
        pdo: float = 50.0,
        names: Sequence[str] | None = None,
    ) -> None:
        self.max_bins = max_bins
        self.min_share = min_share
        self.monotone = monotone
        self.smoothing = smoothing
        self.penalty = penalty
        self.special = special
        self.reg = reg
        self.positive = positive
        self.folds = folds
        self.min_iv = min_iv
        self.base_score = base_score
        self.base_odds = base_odds
        self.pdo = pdo
        self.names = names

    # scikit-learn's protocol, without importing scikit-learn

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Scorecard:
        """Change constructor arguments; returns itself.

        Raises:
            ContractError: if a name is not one of them.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ContractError(
                    "Scorecard has no such parameter.", got=name, do=suggest(name, known)
                )
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_class=False),
            input_tags=InputTags(string=True, categorical=True, allow_nan=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "parts_")

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = {
            k: v for k, v in self.get_params().items() if repr(v) != repr(defaults[k].default)
        }
        return f"Scorecard({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    def fit(self, X: Table, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Scorecard:  # noqa: N803
        """Cut the columns, weigh them and round to points.

        Args:
            X: a mapping of named (n,) columns, a structured array, a data frame, or (n, p) values
                with `names`. Numbers with NaN or text with None for missing.
            y: (n,) 1 bad, 0 good.
            sample_weight: (n,) not negative.

        Raises:
            ContractError: if columns, outcomes, weights or parameters cannot be used.
        """
        table, labels = columns(X, self.names), target(y)
        mass = None if sample_weight is None else weights(sample_weight, len(labels))
        self._check(table)
        cells = {
            name: code_column(values, mass, name=name, special=(self.special or {}).get(name, ()))
            for name, values in table.items()
        }
        part = spread(labels, self.folds)
        bins = {}
        evidence = np.empty((len(labels), len(cells)))
        used: list[str] = []
        for name, column in cells.items():
            bins[name], held_out = cut_apart(
                column, labels, mass, part=part, rule=self._rule(name), name=name
            )
            if bins[name].iv > self.min_iv:
                evidence[:, len(used)] = -held_out
                used.append(name)
        x = evidence[:, : len(used)]
        model = fit_logistic(x, labels, mass, reg=self.reg, positive=self.positive)
        coefficients = dict(zip(used, model.coefficients, strict=True))
        self._assemble(bins, coefficients, model.intercept)
        return self

    def _check(self, table: Mapping[str, object]) -> None:
        named = {*(self.special or {})}
        if self.monotone is not None and not isinstance(self.monotone, str):
            named |= {*self.monotone}
        for name in sorted(named - table.keys()):
            raise ContractError(
                "A rule names a column that is absent.", got=name, do=suggest(name, table)
            )
        if self.folds < 0 or self.folds == 1:
            raise ContractError("folds must be 0 or at least 2.", got=self.folds)
        if not (self.pdo > 0 and self.base_odds > 0 and self.min_iv >= 0):
            raise ContractError(
                "pdo and base_odds must be above 0 and min_iv at least 0.",
                got=f"{self.pdo}, {self.base_odds}, {self.min_iv}",
            )

    def _rule(self, name: str) -> Rule:
        given = self.monotone
        monotone: Any = (
            given if given is None or isinstance(given, str) else given.get(name, "soft")
        )
        return Rule(self.max_bins, self.min_share, monotone, self.smoothing, self.penalty)

    def _assemble(
        self, bins: Mapping[str, Bins], coefficients: Mapping[str, float], intercept: float
    ) -> None:
        factor = self.pdo / math.log(2)
        offset = self.base_score - factor * math.log(self.base_odds)
        points: dict[str, tuple[int, ...]] = {}
        for name, found in bins.items():
            coefficient = coefficients.get(name, 0.0)
            worth = tuple(round(factor * coefficient * woe) for woe in found.woe)
            if any(worth):
                points[name] = worth
        base = round(offset - factor * intercept)
        lowest = base + sum(map(min, points.values()))
        highest = base + sum(map(max, points.values()))
        if highest - lowest > _WIDEST:
            raise ContractError(
                "The card's totals spread too wide.",
                got=f"{lowest} to {highest}",
                do="lower pdo or raise reg.",
            )
        totals = range(lowest, highest + 1)
        chance = tuple(_expit((offset - total) / factor) for total in totals)
        self._settle(Fitted(bins, coefficients, intercept, points, base, lowest, chance))

    def _settle(self, found: Fitted) -> None:
        self.base_, self.lowest_, self.probabilities_ = (
            found.base,
            found.lowest,
            found.probabilities,
        )
        self.bins_ = bins = dict(found.bins)
        self.parts_ = {
            name: Part(bins[name], found.coefficients[name], points)
            for name, points in found.points.items()
        }
        self.classes_ = np.array([0, 1])
        self.feature_names_in_ = np.array(list(bins), dtype=object)
        self.n_features_in_ = len(bins)
        self.coef_ = np.array([[found.coefficients.get(name, 0.0) for name in bins]])
        self.intercept_ = np.array([found.intercept])
        self._rows = tuple(_row_form(name, part) for name, part in self.parts_.items())

    # scoring

    def _fitted(self) -> None:
        if not hasattr(self, "parts_"):
            raise ContractError("This scorecard has not been trained.", do="call `fit` first.")

    def _codes(self, X: Table) -> tuple[int, dict[str, Codes]]:  # noqa: N803
        self._fitted()
        plain = isinstance(X, np.ndarray) and X.dtype.names is None
        table = columns(X, list(self.bins_) if plain else list(self.parts_) or None)
        n = len(next(iter(table.values())))
        return n, {name: part.bins.codes(table[name]) for name, part in self.parts_.items()}

    def totals(self, X: Table) -> Codes:  # noqa: N803
        """The total points (n,) of each row; more is safer.

        Raises:
            ContractError: if a column of the card is absent or of the other kind.
        """
        n, codes = self._codes(X)
        total = np.full(n, self.base_, np.int64)
        for name, part in self.parts_.items():
            total += np.array(part.points, np.int64)[codes[name]]
        return total

    def total(self, row: Mapping[str, Any]) -> int:
        """The total points of one row; equal to `totals` of a table with that row.

        Raises:
            ContractError: if a column of the card is absent or of the other kind.
        """
        self._fitted()
        score: int = self.base_
        try:
            for name, edges, levels, points, missing in self._rows:
                value = row[name]
                kind = type(value)
                if value is None or value != value:  # noqa: PLR0124  NaN differs from itself
                    score += missing
                elif edges is not None and (kind is float or kind is int):
                    score += points[bisect_right(edges, float(value))]
                elif levels is not None and value in levels:
                    score += levels[value]
                else:
                    score += points[self.parts_[name].bins.find(value)]
        except KeyError as error:
            raise _absent(error) from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ContractError("A value of the row cannot be scored.", got=str(error)) from error
        return score

    def probability(self, total: int) -> float:
        """The probability of bad at a total, read from the card's table.

        Raises:
            ContractError: if the card cannot give that total.
        """
        self._fitted()
        at = total - self.lowest_
        if not 0 <= at < len(self.probabilities_):
            raise ContractError("The card cannot give this total.", got=total)
        return self.probabilities_[at]

    def points(self, row: Mapping[str, Any]) -> Points:
        """The total of one row, and the points and the bin of each column of the card.

        Raises:
            ContractError: if a column of the card is absent or of the other kind.
        """
        self._fitted()
        try:
            bins = {name: part.bins.find(row[name]) for name, part in self.parts_.items()}
        except KeyError as error:
            raise _absent(error) from error
        points = {name: self.parts_[name].points[at] for name, at in bins.items()}
        return Points(self.base_ + sum(points.values()), points, bins)

    def reasons(self, row: Mapping[str, Any], n: int = 4) -> list[Loss]:
        """The columns that cost this row most, against their best bin.

        Args:
            row: named values; None is missing.
            n: most reasons.

        Returns:
            Losses above 0, the largest first; ties in the order of the card's columns.
        """
        found = self.points(row)
        losses = []
        for name, part in self.parts_.items():
            lost = part.points[part.best] - found.points[name]
            labels = part.bins.labels
            if lost > 0:
                here = labels[found.bins[name]]
                losses.append(Loss(name, lost, found.points[name], here, labels[part.best]))
        return sorted(losses, key=lambda loss: -loss.lost)[:n]

    def predict_proba(self, X: Table) -> Array:  # noqa: N803
        """Probabilities (n, 2) of good and bad, read from the card's table by total."""
        bad = np.array(self.probabilities_)[self.totals(X) - self.lowest_]
        return np.column_stack([1 - bad, bad])

    def decision_function(self, X: Table) -> Array:  # noqa: N803
        """Log-odds of bad (n,), on the scale of the points."""
        factor = self.pdo / math.log(2)
        offset = self.base_score - factor * math.log(self.base_odds)
        return np.asarray((offset - self.totals(X)) / factor)

    def predict(self, X: Table) -> Codes:  # noqa: N803
        """1 where bad is at least as likely as good, else 0 (n,)."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)

    def score(self, X: Table, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:  # noqa: N803
        """The area under the ROC curve; accuracy says little where bads are few."""
        from heptad.analysis.evaluation import auc

        return auc(y, -self.totals(X).astype(np.float64), sample_weight)

    # the card as a document

    def table(self) -> list[dict[str, Any]]:
        """One row per bin of the card: column, bin, cases, share, bad rate, woe, points."""
        self._fitted()
        rows = []
        for name, part in self.parts_.items():
            bins = part.bins
            mass = math.fsum(bins.good) + math.fsum(bins.bad)
            for i, label in enumerate(bins.labels):
                cases = bins.good[i] + bins.bad[i]
                rows.append(
                    {
                        "column": name,
                        "bin": label,
                        "cases": cases,
                        "share": cases / mass,
                        "bad_rate": bins.bad[i] / cases if cases else None,
                        "woe": bins.woe[i],
                        "points": part.points[i],
                    }
                )
        return rows

    def to_json(self) -> str:
        """The whole card as canonical JSON: the same card gives the same text."""
        self._fitted()
        return write(self)

    @classmethod
    def from_json(cls, text: str) -> Scorecard:
        """Read what `to_json` wrote; `to_json` of the result is the same text.

        Raises:
            ContractError: if the text is not a scorecard of this version.
        """
        try:
            parameters, fitted = read(text)
            card = cls(**parameters)
            card._settle(fitted)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ContractError(
                "This is not a scorecard of version 1.", got=str(error), do="export it again."
            ) from error
        return card

    def hash(self) -> str:
        """SHA-256 of `to_json` in hexadecimal: the identity of the card."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_sql(self, output: str = "total") -> str:
        """The card as one SQL expression in DuckDB's dialect, equal to the card on every row.

        Args:
            output: "total" for the points, "probability" for the probability of bad.

        Raises:
            ContractError: for another output.
        """
        self._fitted()
        return expression(self, output)


def _expit(z: float) -> float:
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    return math.exp(z) / (1 + math.exp(z))


def _row_form(name: str, part: Part) -> tuple[str, Any, Any, tuple[int, ...], int]:
    """What `total` needs of one column, flat: name, edges, points by level, points, missing.

    Numbers with special codes have neither, and take the slower way through `Bins.find`.
    """
    bins, points = part.bins, part.points
    missing = points[bins.missing]
    if bins.edges is not None:
        return name, None if bins.special else list(bins.edges), None, points, missing
    levels = {level: points[bins.find(level)] for group in bins.groups for level in group}
    levels |= {str(code): points[bins.find(str(code))] for code in bins.special}
    return name, None, levels, points, missing


def _absent(error: KeyError) -> ContractError:
    return ContractError(
        f"Column {error.args[0]} is absent from the row.",
        do="give every column of the card; None is missing.",
    )
