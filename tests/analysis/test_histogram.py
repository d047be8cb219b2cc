# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.arrays import column, columns, target, weights
from heptad.analysis.binning import cut
from heptad.analysis.histogram import code_column, count, pre_edges, spread
from heptad.standards.errors import ContractError
from tests.analysis.cases import applications

VALUES = st.lists(
    st.one_of(
        st.just(float("nan")), st.just(-999.0), st.integers(-5, 5).map(float), st.floats(-9, 9)
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(VALUES, st.integers(0, 60), st.integers(0, 2**30))
def test_parts_add_up_to_the_whole(values: list[float], at: int, seed: int) -> None:
    x = np.array(values)
    y = np.random.default_rng(seed).integers(0, 2, len(x))
    edges = pre_edges(x, special=(-999.0,), n=7)
    whole = count(x, y, edges=edges, special=(-999.0,))
    one = count(x[:at], y[:at], edges=edges, special=(-999.0,))
    two = count(x[at:], y[at:], edges=edges, special=(-999.0,))
    for merged in (one + two, two + one):
        assert merged.good.tolist() == whole.good.tolist()
        assert merged.bad.tolist() == whole.bad.tolist()
    assert whole.good.sum() + whole.bad.sum() == len(x)
    assert whole.good[-1] + whole.bad[-1] == np.isnan(x).sum()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(VALUES, st.integers(2, 9))
def test_edges_rise_are_values_and_leave_no_cell_empty(values: list[float], n: int) -> None:
    x = np.array(values)
    edges = pre_edges(x, special=(-999.0,), n=n)
    kept = x[~np.isnan(x) & (x != -999)]
    assert len(edges) < n
    assert list(edges) == sorted(set(edges))
    assert set(edges) <= set(kept.tolist())
    if len(kept):
        assert (np.bincount(np.searchsorted(edges, kept, side="right")) > 0).all()
    if len(set(kept.tolist())) <= n:
        assert len(edges) == max(0, len(set(kept.tolist())) - 1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(VALUES, st.integers(0, 2**30), st.integers(2, 12))
def test_a_whole_weight_is_that_many_rows(values: list[float], seed: int, n: int) -> None:
    x = np.array(values)
    weight = np.random.default_rng(seed).integers(0, 4, len(x))
    again = np.repeat(x, weight)
    assert pre_edges(x, weight.astype(float), n=n) == pre_edges(again, n=n)


def test_text_merges_over_levels_that_one_part_lacks() -> None:
    x = np.array(["b", None, "a", "?", "c", "b"], dtype=object)
    y = np.array([1, 0, 1, 1, 0, 0])
    whole = count(x, y, special=("?",))
    merged = count(x[:2], y[:2], special=("?",)) + count(x[2:], y[2:], special=("?",))
    assert merged.levels == whole.levels == ("a", "b", "c")
    assert merged.good.tolist() == whole.good.tolist() == [0, 1, 1, 0, 1]
    assert merged.bad.tolist() == whole.bad.tolist() == [1, 1, 0, 1, 0]
    assert cut(merged) == cut(whole)


def test_counting_in_parts_is_one_pass() -> None:
    table, y = applications(300)
    labels = y.astype(float)
    part = spread(labels, 5)
    assert part is not None
    for name in ("income", "town"):
        cells = code_column(table[name], name=name)
        held = cells.count(labels, None, part, 5)
        whole = cells.count(labels)[0]
        assert sum(h.good for h in held).tolist() == whole.good.tolist()
        for fold, histogram in enumerate(held):
            assert histogram.bad.sum() == y[part == fold].sum()


def test_folds_share_both_classes_evenly() -> None:
    y = np.array([0.0] * 33 + [1.0] * 11)
    part = spread(y, 5)
    assert part is not None
    for kind, most in ((0, 7), (1, 3)):
        sizes = np.bincount(part[y == kind], minlength=5)
        assert sizes.max() == most
        assert sizes.min() >= most - 1
    assert spread(y, 6) is None
    assert spread(y, 0) is None


def test_histograms_of_other_edges_do_not_add() -> None:
    x, y = np.array([1.0, 2.0, 3.0]), np.array([0, 1, 0])
    with pytest.raises(ContractError, match="same edges"):
        count(x, y, edges=[2.0]) + count(x, y, edges=[3.0])


@pytest.mark.parametrize(
    ("values", "edges"), [(["a", "b"], [1.0]), ([1.0, 2.0], None), ([1.0, 2.0, 3.0], [2.0])]
)
def test_counting_refuses_what_does_not_fit(values, edges) -> None:
    with pytest.raises(ContractError):
        count(values, [0, 1], edges=edges)


@pytest.mark.parametrize("odd", [np.inf, -np.inf])
def test_an_infinite_value_is_refused_where_bins_are_learnt(odd: float) -> None:
    with pytest.raises(ContractError, match="finite"):
        pre_edges(np.array([1.0, odd, 2.0]))


def test_columns_come_in_one_form() -> None:
    assert column([True, False]).tolist() == [1, 0]
    assert column(np.array([1, None, np.nan], dtype=object))[0] == 1
    assert np.isnan(column([1, None])).tolist() == [False, True]
    assert column(["a", None]).tolist() == ["a", None]
    assert column(np.array(["a", np.nan], dtype=object)).tolist() == ["a", None]
    assert column(np.array(["a", "b"])).dtype == object
    assert np.isnan(column(np.array([np.nan, None], dtype=object))).all()


@pytest.mark.parametrize(
    "values",
    [
        np.array(["a", 1], dtype=object),
        np.array([b"a"], dtype=object),
        np.array([["a"]], dtype=object),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.array([{}], dtype=object),
        np.array([1j]),
    ],
)
def test_other_columns_are_refused(values: np.ndarray) -> None:
    with pytest.raises(ContractError):
        column(values)


def test_a_table_may_be_a_mapping_a_structured_or_a_plain_array() -> None:
    mapping = {"a": [1.0, 2.0], "b": ["x", None]}
    structured = np.array([(1.0, "x"), (2.0, None)], dtype=[("a", float), ("b", object)])
    plain = np.array([[1.0, "x"], [2.0, None]], dtype=object)
    for table, names in ((mapping, None), (structured, None), (plain, ["a", "b"])):
        found = columns(table, names)
        assert {k: v.tolist() for k, v in found.items()} == mapping
    assert list(columns(np.ones((2, 2)))) == ["x0", "x1"]
    for wrong, names in (
        ({"a": [1], "b": [1, 2]}, None),
        ({}, None),
        (mapping, ["c"]),
        (plain, ["a"]),
    ):
        with pytest.raises(ContractError):
            columns(wrong, names)


@pytest.mark.parametrize("y", [[0, 2], [1, 1], [], [0.5, 1], ["a", "b"], [0, np.nan], [[0, 1]]])
def test_outcomes_must_be_both_and_only_both(y) -> None:
    with pytest.raises(ContractError):
        target(y)


@pytest.mark.parametrize("w", [[1.0], [1.0, -1.0], [1.0, np.nan], [1.0, np.inf]])
def test_weights_must_be_finite_and_not_negative(w) -> None:
    with pytest.raises(ContractError):
        weights(w, 2)
