# SPDX-License-Identifier: Apache-2.0
"""A points scorecard: binned columns, whole points that add up, a probability for each total."""

from __future__ import annotations

import hashlib
import inspect
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from heptad.analysis.arrays import Array, Codes, Table, columns, target, weights
from heptad.analysis.scorecard_fit import learn
from heptad.analysis.scorecard_json import Fitted, read, write
from heptad.analysis.scorecard_lanes import lane
from heptad.analysis.scorecard_reasons import Loss, losses
from heptad.analysis.scorecard_sql import expression
from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from heptad.analysis.binning import Bins


class Points(NamedTuple):
    """What one row scores: the total; points by column and by pair; and the bin of each column."""

    total: int
    points: dict[str, int]
    bins: dict[str, int]


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
        folds: evidence of bins cut on the other folds says which columns stay and how far the
            score is to be trusted; 0, or less than 2 cases of a class per fold, trusts the card's
            own bins.
        least: a column stays if its coefficient on evidence from other folds is above this; with
            `positive` only.
        min_iv: columns with less information value get no points.
        crosses: most crossed features to find, see `crosses.find`; 0 finds none. Along a column
            whose direction is declared a pair keeps it too.
        bins: name → `Bins` to use as they are, such as some merged by hand; they are counted
            anew.
        base_score: points at `base_odds`.
        base_odds: odds of good to bad at `base_score`.
        pdo: points that double the odds.
        names: column names where X is a plain (n, p) array.

    Attributes:
        classes_: [0, 1]; 1 is the bad event.
        feature_names_in_: (p,) names of the columns seen in `fit`.
        bins_: name → `Bins` of every column.
        parts_: name → `Part` of the columns that have points.
        grids_: name → coarse `Bins` of the columns in crossed features.
        crosses_: crossed features, `Cross` each, in the order found.
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
        least: float = 0.0,
        min_iv: float = 0.0,
        crosses: int = 0,
        bins: Mapping[str, Bins] | None = None,
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
        self.least = least
        self.min_iv = min_iv
        self.crosses = crosses
        self.bins = bins
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
        self._settle(learn(self, table, labels, mass))
        return self

    def _check(self, table: Mapping[str, object]) -> None:
        named = {*(self.special or {}), *(self.bins or {})}
        if self.monotone is not None and not isinstance(self.monotone, str):
            named |= {*self.monotone}
        for name in sorted(named - table.keys()):
            raise ContractError(
                "A rule names a column that is absent.", got=name, do=suggest(name, table)
            )
        if self.folds < 0 or self.folds == 1:
            raise ContractError("folds must be 0 or at least 2.", got=self.folds)
        if self.crosses < 0 or (self.crosses and not self.folds):
            raise ContractError(
                "crosses must be at least 0 and needs folds.", got=f"{self.crosses}, {self.folds}"
            )
        if not (self.pdo > 0 and self.base_odds > 0 and self.min_iv >= 0):
            raise ContractError(
                "pdo and base_odds must be above 0 and min_iv at least 0.",
                got=f"{self.pdo}, {self.base_odds}, {self.min_iv}",
            )

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
        self.grids_ = dict(found.grids)
        self.crosses_ = tuple(found.crosses)
        self._lanes = tuple(
            lane(
                name,
                bins[name] if name in found.points else None,
                found.points.get(name),
                self.grids_.get(name),
            )
            for name in dict.fromkeys([*self.parts_, *self.grids_])
        )
        order = [one.name for one in self._lanes if one.cells is not None]
        at = {name: i for i, name in enumerate(order)}
        self._slow = {one.name: one for one in self._lanes}
        # Numbers with special codes have no quick way: their edges are left out.
        self._rows = tuple(
            (
                one.name,
                None if one.special else one.edges,
                one.levels,
                one.points,
                one.cells,
                one.missing,
            )
            for one in self._lanes
        )
        self._pairs = tuple(
            (at[cross.columns[0]], at[cross.columns[1]], cross.points) for cross in self.crosses_
        )

    # scoring

    def _fitted(self) -> None:
        if not hasattr(self, "parts_"):
            raise ContractError("This scorecard has not been trained.", do="call `fit` first.")

    def totals(self, X: Table) -> Codes:  # noqa: N803
        """The total points (n,) of each row; more is safer.

        Raises:
            ContractError: if a column of the card is absent or of the other kind.
        """
        from heptad.analysis import kernels

        self._fitted()
        if not isinstance(X, Mapping) and not hasattr(X, "columns"):
            X = np.asarray(X)  # noqa: N806
        plain = isinstance(X, np.ndarray) and X.dtype.names is None
        used = [one.name for one in self._lanes]
        table = columns(X, list(self.bins_) if plain else used or None)
        total = np.full(len(next(iter(table.values()))), self.base_, np.int64)
        cells = []
        for one in self._lanes:
            at = one.places(table[one.name])
            kernels.add(total, np.array(one.points, np.int64), at)
            if one.cells is not None:
                cells.append(np.array(one.cells, np.int64)[at])
        for first, second, points in self._pairs:
            kernels.add_pair(total, np.array(points, np.int64), cells[first], cells[second])
        return total

    def total(self, row: Mapping[str, Any]) -> int:
        """The total points of one row; equal to `totals` of a table with that row.

        Raises:
            ContractError: if a column of the card is absent or of the other kind.
        """
        self._fitted()
        try:
            return self._sum(row)
        except KeyError as error:
            raise _absent(error) from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ContractError("A value of the row cannot be scored.", got=str(error)) from error

    def _sum(self, row: Mapping[str, Any]) -> int:
        score: int = self.base_
        crossed = []
        for name, edges, levels, points, cells, missing in self._rows:
            value = row[name]
            kind = type(value)
            if value is None or value != value:  # noqa: PLR0124  NaN differs from itself
                at = missing
            elif edges is not None and (kind is float or kind is int):
                at = bisect_right(edges, float(value))
            elif levels is not None and value in levels:
                at = levels[value]
            else:
                at = self._slow[name].find(value)
            score += points[at]
            if cells is not None:
                crossed.append(cells[at])
        return score + sum(
            [points[crossed[first]][crossed[second]] for first, second, points in self._pairs]
        )

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
        crossed = {name: grid.find(row[name]) for name, grid in self.grids_.items()}
        for cross in self.crosses_:
            a, b = (crossed[name] for name in cross.columns)
            points[cross.name] = cross.points[a][b]
        return Points(self.base_ + sum(points.values()), points, crossed | bins)

    def reasons(self, row: Mapping[str, Any], n: int = 4) -> list[Loss]:
        """The columns that cost this row most, against their best bins.

        What a pair of columns costs is shared between the two: each bears the mean of what moving
        it alone to the pair's best cell would gain, done first and done last.

        Args:
            row: named values; None is missing.
            n: most reasons.

        Returns:
            Losses above 0, the largest first; ties in the order of the card's columns.
        """
        return losses(self, row)[:n]

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

    def crossed(self) -> list[dict[str, Any]]:
        """One row per cell of each crossed feature: the columns, their bins in words, points."""
        self._fitted()
        rows = []
        for cross in self.crosses_:
            one, two = (self.grids_[name].labels for name in cross.columns)
            cells = [(i, j) for i in range(len(one)) for j in range(len(two))]
            rows += [
                {
                    "columns": list(cross.columns),
                    "first": one[i],
                    "second": two[j],
                    "points": cross.points[i][j],
                }
                for i, j in cells
            ]
        return rows

    def to_sql(self, output: str = "total", dialect: str = "duckdb") -> str:
        """The card as one SQL expression, equal to the card on every row.

        Args:
            output: "total" for the points, "probability" for the probability of bad.
            dialect: "duckdb" or "spark".

        Raises:
            ContractError: for another output or dialect.
        """
        self._fitted()
        return expression(self, output, dialect)


def _absent(error: KeyError) -> ContractError:
    return ContractError(
        f"Column {error.args[0]} is absent from the row.",
        do="give every column of the card; None is missing.",
    )
