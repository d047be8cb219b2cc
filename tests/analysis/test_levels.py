# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from heptad.analysis.evaluation import auc
from heptad.analysis.histogram import Cases, code_column, spread
from heptad.analysis.levels import by_risk, cut_levels


def banks(n: int = 4000, seed: int = 0, spread_of: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    trust = np.random.default_rng(99).normal(size=200) * spread_of
    at = random.integers(0, 200, n)
    y = (random.random(n) < 1 / (1 + np.exp(1 - trust[at]))).astype(float)
    return np.array([f"bank {i}" for i in at], dtype=object), y


def test_ranks_rise_in_risk_and_hold_every_level_once() -> None:
    values, y = banks()
    cells = code_column(values)
    groups, codes = by_risk(cells, Cases(y, None, spread(y, 10)), 10)
    assert sorted(level for group in groups for level in group) == list(cells.levels)
    rates = [y[codes == i].mean() for i in range(10)]
    assert np.corrcoef(rates, range(10))[0, 1] > 0.9
    assert 0.05 < min(np.bincount(codes) / len(codes)) < max(np.bincount(codes) / len(codes)) < 0.2


def test_levels_that_mean_nothing_give_no_evidence() -> None:
    values, y = banks(spread_of=0.0)
    bins, held = cut_levels(code_column(values), Cases(y, None, spread(y, 10)), name="bank")
    assert abs(auc(y, -held) - 0.5) < 0.03
    assert bins.iv < 0.02


def test_bins_score_new_rows_as_well_as_the_held_out_say() -> None:
    values, y = banks()
    weight = np.full(len(y), 2.0)
    bins, held = cut_levels(code_column(values), Cases(y, weight, spread(y, 10)), name="bank")
    fresh, z = banks(seed=1)
    assert auc(z, -bins.transform(fresh)) > 0.65
    assert abs(auc(z, -bins.transform(fresh)) - auc(y, -held)) < 0.03
    assert sum(bins.good) + sum(bins.bad) == 2.0 * len(y)
    assert list(bins.woe[: bins.regular]) == sorted(bins.woe[: bins.regular], reverse=True)
    assert bins.woe[bins.find("a bank nobody knows")] == 0.0
    assert len(bins.woe) == bins.missing + 2


def test_special_codes_and_missing_stay_on_their_own() -> None:
    values, y = banks()
    values[::10], values[1::10] = None, "unknown"
    y[::10] = 1.0
    cells = code_column(values, special=["unknown"])
    bins, held = cut_levels(cells, Cases(y, None, spread(y, 10)), name="bank")
    assert bins.bad[bins.find(None)] == 400
    assert bins.good[bins.find(None)] == 0
    assert bins.good[bins.find("unknown")] + bins.bad[bins.find("unknown")] == 400
    assert (held[::10] < -1).all()
