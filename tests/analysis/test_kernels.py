# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heptad.analysis import kernels

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def test_one_row_is_scored_to_the_same_bits_as_many() -> None:
    random = np.random.default_rng(1)
    x, c = random.normal(size=(3000, 17)), random.normal(size=17)
    bulk = kernels.linear(x, c, 0.3)
    alone = [kernels.linear(x[i : i + 1], c, 0.3)[0] for i in range(len(x))]
    assert bulk.tolist() == alone
    chance = kernels.probability(bulk)
    assert chance.tolist() == [kernels.expit(z) for z in bulk]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    arrays(float, st.integers(0, 30), elements=st.floats(allow_nan=True, allow_infinity=True)),
    st.lists(FINITE, max_size=8, unique=True).map(sorted),
)
def test_place_is_a_search_to_the_right(values: np.ndarray, edges: list[float]) -> None:
    expected = np.searchsorted(np.array(edges), values, side="right")
    expected[np.isnan(values)] = 77
    assert kernels.place(values, np.array(edges, float), 77).tolist() == expected.tolist()


def test_place_crosses_the_edge_of_its_blocks() -> None:
    values = np.random.default_rng(2).normal(size=5000)
    edges = np.linspace(-2, 2, 63)
    expected = np.searchsorted(edges, values, side="right")
    assert kernels.place(values, edges, 99).tolist() == expected.tolist()


def test_slope_is_the_derivative_of_the_loss() -> None:
    random = np.random.default_rng(3)
    x, w = random.normal(size=(40, 3)), random.random(40)
    y = (random.random(40) < 0.4).astype(float)
    at = np.array([0.2, -0.4, 1.1])
    loss, gradient, curvature = kernels.slope(x, y, w, at)
    z = x @ at
    assert loss == pytest.approx((w * (np.logaddexp(0, z) - y * z)).sum())
    for j in range(3):
        step = np.zeros(3)
        step[j] = 1e-6
        up, down = kernels.slope(x, y, w, at + step), kernels.slope(x, y, w, at - step)
        assert gradient[j] == pytest.approx((up[0] - down[0]) / 2e-6, abs=1e-6)
        assert curvature[:, j] == pytest.approx((up[1] - down[1]) / 2e-6, abs=1e-6)


def test_expit_is_safe_far_out() -> None:
    assert kernels.probability(np.array([-800.0, 0.0, 800.0])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("name", ["linear", "place", "pool", "slope", "worth"])
def test_kernels_take_read_only_arrays_without_compiling_again(name: str) -> None:
    kernel = getattr(kernels, name)
    assert len(kernel.signatures) == 1
    x, v = np.ones((2, 2)), np.ones(2)
    x.flags.writeable = v.flags.writeable = False
    arguments = {
        "linear": (x, v, 0.0),
        "place": (v, v, 3),
        "pool": (v, v),
        "slope": (x, v, v, v),
        "worth": (v, v, v, 1.0, 0.0, 0.0),
    }[name]
    kernel(*arguments)
    assert len(kernel.signatures) == 1
