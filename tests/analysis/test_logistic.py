# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.logistic import fit_logistic
from heptad.standards.errors import ContractError


def sample(seed: int, n: int = 400, p: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p)) @ random.normal(size=(p, p)) + random.normal(size=p) * 3
    z = (x - x.mean(0)) @ random.normal(size=p)
    return x, (random.random(n) < 1 / (1 + np.exp(-z))).astype(float)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("reg", [0.1, 1.0, 25.0])
def test_agrees_with_scikit_learn(seed: int, reg: float) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = sample(seed)
    weight = np.random.default_rng(seed).integers(1, 4, len(y)).astype(float)
    theirs = LogisticRegression(C=1 / reg, tol=1e-12, max_iter=20_000, solver="newton-cholesky")
    theirs.fit(x, y, weight)
    ours = fit_logistic(x, y, weight, reg=reg)
    assert ours.converged
    assert ours.coefficients == pytest.approx(theirs.coef_[0].tolist(), abs=1e-6)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-6)
    assert ours.predict(x) == pytest.approx(theirs.predict_proba(x)[:, 1], abs=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_non_negative_weights_meet_the_conditions_of_an_optimum(seed: int) -> None:
    x, y = sample(seed)
    x[:, 0] *= -np.sign(fit_logistic(x, y).coefficients[0])  # at least one pulls below 0
    found = fit_logistic(x, y, reg=1.0, positive=True)
    c = np.array(found.coefficients)
    gradient = x.T @ (found.predict(x) - y) + c
    assert (c >= 0).all()
    assert gradient[c > 0] == pytest.approx(0, abs=1e-5)
    assert (gradient[c == 0] >= -1e-5).all()
    assert min(fit_logistic(x, y, reg=1.0).coefficients) < 0


def test_whole_weights_are_repeated_rows() -> None:
    x, y = sample(9)
    weight = np.random.default_rng(9).integers(0, 4, len(y))
    again = np.repeat(np.arange(len(y)), weight)
    one = fit_logistic(x, y, weight.astype(float))
    two = fit_logistic(x[again], y[again])
    assert one.coefficients == pytest.approx(two.coefficients, abs=1e-9)


def test_the_same_data_give_the_same_bits() -> None:
    x, y = sample(11)
    assert fit_logistic(x, y) == fit_logistic(x.copy(order="F"), y.copy())


def test_fractional_targets_and_separable_classes_stay_finite() -> None:
    x = np.array([[-1.0], [-0.5], [0.5], [1.0]])
    separable = fit_logistic(x, np.array([0.0, 0, 1, 1]), reg=0.5)
    assert separable.converged
    assert 0 < separable.coefficients[0] < 20
    half = fit_logistic(x, np.full(4, 0.5), reg=0.0)
    assert (half.coefficients[0], half.intercept) == pytest.approx((0, 0))


def test_no_columns_leave_the_rate() -> None:
    found = fit_logistic(np.empty((10, 0)), np.array([1.0] * 2 + [0.0] * 8))
    assert found.predict(np.empty((1, 0)))[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("x", "y", "weight", "reg"),
    [
        ([[1.0], [np.nan]], [0.0, 1.0], None, 1.0),
        ([[1.0], [2.0]], [0.0], None, 1.0),
        ([[1.0], [2.0]], [0.0, 1.0], [1.0, -1.0], 1.0),
        ([[1.0], [2.0]], [0.0, 1.0], [0.0, 0.0], 1.0),
        ([[1.0], [2.0]], [0.0, 1.0], None, -1.0),
    ],
)
def test_what_cannot_be_fitted_is_refused(x, y, weight, reg) -> None:
    mass = None if weight is None else np.array(weight)
    with pytest.raises(ContractError):
        fit_logistic(np.array(x), np.array(y), mass, reg=reg)
