# SPDX-License-Identifier: Apache-2.0
"""The validation pack of a scorecard: every figure that a validator asks for, from one run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import Array, Table, columns, target
from heptad.analysis.evaluation import Evaluation, auc, evaluate
from heptad.analysis.intervals import Difference, delong_paired
from heptad.analysis.stability import csi, psi
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from heptad.analysis.fairness import Fairness
    from heptad.analysis.leaks import Leaks
    from heptad.analysis.scorecard import Scorecard
    from heptad.analysis.swaps import Swap


@dataclass(frozen=True)
class Origin:
    """Where the figures come from, so that anybody can make them again.

    Attributes:
        model: SHA-256 of the card.
        data: the version of the data, as its owner names it.
        rows: SHA-256 of the rows that were measured on.
        code: the version of the code.
        seed: of the intervals.
    """

    model: str
    data: str
    rows: str
    code: str
    seed: int


@dataclass(frozen=True)
class Drift:
    """How far one column moved from the training rows to those measured on."""

    column: str
    psi: float
    shift: float


@dataclass(frozen=True)
class Pack:
    """All figures of a validation.

    Attributes:
        origin: where they come from.
        title: of the model.
        trained: rows and bads of the training set.
        evaluation: discrimination and calibration on the rows measured on.
        hosmer_lemeshow: the statistic and its p-value, by tenths.
        roc: (k, 2) share of goods and of bads at or below each cut.
        spread: cut points of the total, and the share of goods and bads in each part.
        psi: of the total from training to these rows.
        drift: by column of the card.
        without: column → area under the curve with that column at its neutral value.
        challenger: area of the card less the challenger's, if there is one.
        leaks, fairness, swap: as those modules give them, if asked for.
        card: the card's table.
        notes: what was done by hand, with the reason.
        crossed: pairs of columns and the spread of their points.
        limitations: sentences of the modeller.
    """

    origin: Origin
    title: str
    trained: tuple[int, int]
    evaluation: Evaluation
    hosmer_lemeshow: tuple[float, float]
    roc: list[tuple[float, float]]
    spread: list[tuple[int, int, float, float]]
    psi: float
    drift: list[Drift]
    without: dict[str, float]
    challenger: Difference | None
    leaks: Leaks | None
    fairness: Fairness | None
    swap: Swap | None
    card: list[dict[str, Any]]
    notes: dict[str, tuple[str, ...]]
    crossed: list[tuple[str, int, int]]
    limitations: tuple[str, ...]


def validate(  # noqa: PLR0913
    card: Scorecard,
    training: tuple[Table, ArrayLike],
    test: tuple[Table, ArrayLike],
    *,
    title: str,
    data: str,
    code: str,
    challenger: ArrayLike | None = None,
    leaks: Leaks | None = None,
    fairness: Fairness | None = None,
    swap: Swap | None = None,
    limitations: Sequence[str] = (),
    seed: int = 0,
    repeats: int = 1000,
) -> Pack:
    """Measure a card on rows that it has not seen.

    Args:
        card: the trained card.
        training: columns and outcomes that it learned from.
        test: columns and outcomes that it did not.
        title: of the model.
        data: the version of the data.
        code: the version of the code.
        challenger: (n,) probabilities of another model for the test rows.
        leaks: what the leak checker found, if it is to be shown.
        fairness: how groups are treated, likewise.
        swap: who moves in and out, likewise.
        limitations: what the modeller says of the model's limits.
        seed: of the intervals.
        repeats: bootstrap samples.

    Raises:
        ContractError: if the same rows are in both sets, or columns are absent.
    """
    then, known = columns(training[0]), target(training[1])
    now, y = columns(test[0]), target(test[1])
    digest = _digest(now, y)
    if digest == _digest(then, known):
        raise ContractError(
            "A card must be measured on rows that it has not seen.", got=digest[:12]
        )
    totals, before = card.totals(now), card.totals(then)
    chance = np.array(card.probabilities_)[totals - card.lowest_]
    found = evaluate(y, chance, seed=seed, repeats=repeats)
    return Pack(
        origin=Origin(card.hash(), data, digest, code, seed),
        title=title,
        trained=(len(known), int(known.sum())),
        evaluation=found,
        hosmer_lemeshow=_hosmer_lemeshow(found),
        roc=_roc(y, totals),
        spread=_spread(y, totals),
        psi=psi(before.astype(np.float64), totals.astype(np.float64)),
        drift=_drift(card, then, now),
        without=_without(card, now, y, totals),
        challenger=None if challenger is None else delong_paired(y, chance, challenger),
        leaks=leaks,
        fairness=fairness,
        swap=swap,
        card=card.table(),
        notes={name: bins.notes for name, bins in card.bins_.items() if bins.notes},
        crossed=[
            (cross.name, min(map(min, cross.points)), max(map(max, cross.points)))
            for cross in card.crosses_
        ],
        limitations=tuple(limitations),
    )


def _digest(table: Mapping[str, Any], y: Array) -> str:
    """SHA-256 of named columns and outcomes, the same whatever the order of the columns."""
    digest = hashlib.sha256(y.tobytes())
    for name in sorted(table):
        values = table[name]
        digest.update(name.encode() + b"\0")
        plain = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
        digest.update(plain)
    return digest.hexdigest()


def _hosmer_lemeshow(found: Evaluation) -> tuple[float, float]:
    """Σ (came - said)² / (said · (1 - said) / n) over the buckets, and its p-value."""
    from scipy.stats import chi2

    value, used = 0.0, 0
    for bucket in found.calibration:
        variance = bucket.predicted * (1 - bucket.predicted) / bucket.n
        if variance > 0:
            value += (bucket.rate.value - bucket.predicted) ** 2 / variance
            used += 1
    # Rows that the card has not seen cost no degree of freedom.
    return value, float(chi2.sf(value, max(1, used)))


def _roc(y: Array, totals: Any, most: int = 200) -> list[tuple[float, float]]:
    order = np.argsort(totals, kind="stable")
    ends = np.flatnonzero(np.diff(totals[order], append=totals.max() + 1))
    bad, good = np.cumsum(y[order])[ends], np.cumsum(1 - y[order])[ends]
    kept = np.unique(np.linspace(0, len(ends) - 1, min(most, len(ends))).astype(int))
    pairs = zip(good[kept] / good[-1], bad[kept] / bad[-1], strict=True)
    return [(0.0, 0.0), *((float(g), float(b)) for g, b in pairs)]


def _spread(y: Array, totals: Any, parts: int = 20) -> list[tuple[int, int, float, float]]:
    """Parts of the totals' range with the share of goods and of bads in each."""
    edges = np.linspace(totals.min(), totals.max() + 1, parts + 1)
    at = np.clip(np.searchsorted(edges, totals, side="right") - 1, 0, parts - 1)
    bad = np.bincount(at, y, parts) / y.sum()
    good = np.bincount(at, 1 - y, parts) / (1 - y).sum()
    return [(int(edges[i]), int(edges[i + 1]), float(good[i]), float(bad[i])) for i in range(parts)]


def _drift(card: Scorecard, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Drift]:
    found = []
    for name, part in card.parts_.items():
        moved = csi(part.bins.codes(then[name]), part.bins.codes(now[name]), part.points)
        found.append(Drift(name, moved.psi, moved.shift))
    return sorted(found, key=lambda drift: -drift.psi)


def _without(card: Scorecard, now: Mapping[str, Any], y: Array, totals: Any) -> dict[str, float]:
    """The area without each column's own points: what the card owes to it."""
    found = {}
    for name, part in card.parts_.items():
        rest = totals - np.array(part.points)[part.bins.codes(now[name])]
        found[name] = auc(y, -rest.astype(np.float64))
    return found
