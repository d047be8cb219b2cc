# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.calibration import Isotonic, Platt
from heptad.analysis.evaluation import ece
from heptad.standards.errors import ContractError

CASES = st.lists(
    st.tuples(st.integers(0, 8).map(float), st.integers(0, 1), st.integers(0, 3)),
    min_size=2,
    max_size=50,
).filter(lambda c: {y for _, y, _ in c} == {0, 1} and any(w for _, _, w in c))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(CASES)
def test_isotonic_agrees_with_scikit_learn(cases) -> None:
    from sklearn.isotonic import IsotonicRegression

    score, y, weight = (np.array(part) for part in zip(*cases, strict=True))
    ours = Isotonic.fit(score, y, weight)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, y, weight)
    at = np.linspace(-1, 9, 41)
    assert ours.predict(at) == pytest.approx(theirs.predict(at), abs=1e-9)
    assert list(ours.probabilities) == sorted(ours.probabilities)
    assert Isotonic.from_dict(json.loads(json.dumps(ours.to_dict()))) == ours


@pytest.mark.parametrize("scale", [1.0, 500.0])
def test_platt_is_at_the_optimum_of_its_likelihood(scale: float) -> None:
    from scipy.optimize import minimize

    random = np.random.default_rng(1)
    score = random.normal(600, 50, 400) if scale > 1 else random.normal(size=400)
    z = (score - score.mean()) / score.std()
    y = (random.random(400) < 1 / (1 + np.exp(1 - 2 * z))).astype(int)
    found = Platt.fit(score, y)
    bads = y.sum()
    t = np.where(y == 1, (bads + 1) / (bads + 2), 1 / (400 - bads + 2))
    best = minimize(
        lambda b: (np.logaddexp(0, b[0] * z + b[1]) - t * (b[0] * z + b[1])).sum(), [0, 0]
    )
    assert found.slope * score.std() == pytest.approx(best.x[0], abs=1e-3)
    assert found.predict(score) == pytest.approx(
        1 / (1 + np.exp(-(best.x[0] * z + best.x[1]))), abs=1e-3
    )
    assert Platt(**json.loads(json.dumps(found.to_dict()))) == found


def test_both_mend_probabilities_that_are_twice_too_sure() -> None:
    random = np.random.default_rng(2)
    z = random.normal(-1, 1, 6000)
    y = (random.random(6000) < 1 / (1 + np.exp(-z))).astype(int)
    said = 1 / (1 + np.exp(-2 * z))
    half = np.arange(6000) < 3000
    before = ece(y[~half], said[~half])
    for kind in (Platt, Isotonic):
        after = ece(y[~half], kind.fit(2 * z[half], y[half]).predict(2 * z[~half]))
        assert after < before / 2


def test_separable_scores_stay_finite() -> None:
    found = Platt.fit([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1])
    chance = found.predict([0.0, 3.0])
    assert 0 < chance[0] < 0.35
    assert 0.65 < chance[1] < 1


@pytest.mark.parametrize("kind", [Platt, Isotonic])
@pytest.mark.parametrize(
    ("score", "y", "weight"),
    [([1.0, np.nan], [0, 1], None), ([1.0, 2.0], [1, 1], None), ([1.0, 2.0], [0, 1], [0.0, 0.0])],
)
def test_what_cannot_be_calibrated_is_refused(kind, score, y, weight) -> None:
    with pytest.raises(ContractError):
        kind.fit(score, y, weight)


def test_beta_undoes_a_bent_probability_that_platt_cannot() -> None:
    from heptad.analysis.calibration import Beta

    random = np.random.default_rng(3)
    bent = random.beta(0.8, 1.2, 40_000)
    true = 1 / (1 + np.exp(-(2 * np.log(bent) - 0.5 * np.log1p(-bent) + 0.3)))
    y = (random.random(40_000) < true).astype(int)
    fitted = Beta.fit(bent, y)
    straight = fitted.predict(bent)
    platt = Platt.fit(np.log(bent / (1 - bent)), y).predict(np.log(bent / (1 - bent)))
    assert np.abs(straight - true).mean() < 0.01
    assert np.abs(straight - true).mean() < np.abs(platt - true).mean() / 2
    assert fitted.a == pytest.approx(2.0, abs=0.15)
    assert fitted.b == pytest.approx(0.5, abs=0.1)
    assert fitted.c == pytest.approx(0.3, abs=0.15)
    same = Beta.fit(true, y)
    assert (same.a, same.b, same.c) == pytest.approx((1, 1, 0), abs=0.1)
    assert Beta(**same.to_dict()) == same
    assert np.isfinite(same.predict([0.0, 1.0])).all()
    with pytest.raises(ContractError):
        Beta.fit([0.2, 1.2], [0, 1])
