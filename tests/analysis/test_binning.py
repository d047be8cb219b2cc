# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.binning import Rule, bin_column, cut, cut_apart
from heptad.analysis.evaluation import auc
from heptad.analysis.histogram import Histogram, code_column, spread
from heptad.standards.errors import ContractError
from tests.analysis.cases import applications

COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=7).filter(
    lambda c: sum(g for g, _ in c) > 0 and sum(b for _, b in c) > 0
)


SHAPES = [None, "up", "down", "peak", "valley", "auto", "soft"]


def histogram(counts: list[tuple[int, int]], missing: tuple[int, int] = (0, 0)) -> Histogram:
    good, bad = (np.array([*(c[i] for c in counts), missing[i]], float) for i in (0, 1))
    return Histogram(tuple(float(i) for i in range(1, len(counts))), (), (), good, bad)


def brute_force(counts: list[tuple[int, int]], rule: Rule) -> float:
    """The best value over every grouping of neighbours, straight from the definition."""
    goods, bads = sum(g for g, _ in counts), sum(b for _, b in counts)
    total = goods + bads
    unit = total / goods / bads

    def evidence(g: float, b: float) -> float:
        if g == b == 0:
            return 0.0
        top = (g + rule.smoothing * goods / total) / goods
        return math.log(top / ((b + rule.smoothing * bads / total) / bads))

    def value(starts: tuple[int, ...]) -> float:
        ends = [*starts[1:], len(counts)]
        groups = [counts[a:b] for a, b in zip(starts, ends, strict=True)]
        sums = [(sum(g for g, _ in c), sum(b for _, b in c)) for c in groups]
        woe = [evidence(*s) for s in sums]
        if any(g + b < rule.min_share * total for g, b in sums) or not allowed(woe, rule):
            return -math.inf
        iv = sum((g / goods - b / bads) * w for (g, b), w in zip(sums, woe, strict=True))
        return iv - rule.penalty * unit * len(sums) - toll(woe, rule) * unit

    return max(
        value((0, *rest))
        for size in range(min(rule.max_bins, len(counts)))
        for rest in combinations(range(1, len(counts)), size)
    )


def steps(woe: list[float]) -> list[int]:
    """+1 where the bad rate rises, -1 where it falls, once per stretch."""
    signs = [1 if b < a else -1 for a, b in pairwise(woe) if a != b]
    return [sign for i, sign in enumerate(signs) if i == 0 or sign != signs[i - 1]]


def allowed(woe: list[float], rule: Rule) -> bool:
    shapes = {
        "up": [[], [1]],
        "down": [[], [-1]],
        "auto": [[], [1], [-1]],
        "peak": [[], [1], [-1], [1, -1]],
        "valley": [[], [1], [-1], [-1, 1]],
    }
    return rule.monotone not in shapes or steps(woe) in shapes[rule.monotone]


def toll(woe: list[float], rule: Rule) -> float:
    return rule.bend * max(0, len(steps(woe)) - 1) if rule.monotone == "soft" else 0.0


def check_exact(counts: list[tuple[int, int]], rule: Rule) -> None:
    best = brute_force(counts, rule)
    bins = cut(histogram(counts), rule)
    goods, bads = sum(bins.good), sum(bins.bad)
    unit = (goods + bads) / goods / bads
    woe = list(bins.woe[: bins.regular])
    assert allowed(woe, rule)
    found = bins.iv - (rule.penalty * bins.regular + toll(woe, rule)) * unit
    assert found == pytest.approx(best, abs=1e-9)
    assert bins.regular <= rule.max_bins


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    COUNTS,
    st.integers(1, 5),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.sampled_from(SHAPES),
)
def test_the_dynamic_programme_is_exact_on_odd_counts(counts, most, share, monotone) -> None:
    check_exact(counts, Rule(most, share, monotone, smoothing=1.0, bend=3.0))


@pytest.mark.parametrize("monotone", SHAPES)
@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_the_dynamic_programme_is_exact(monotone, penalty) -> None:
    random = np.random.default_rng(1)
    for _ in range(60):
        counts = [tuple(pair) for pair in random.integers(0, 40, (6, 2)).tolist()]
        share = float(random.choice([0.0, 0.1, 0.25]))
        most = int(random.integers(2, 6))
        check_exact(counts, Rule(most, share, monotone, 1.0, penalty, bend=3.0))


def test_ties_go_to_fewer_bins_and_earlier_cuts() -> None:
    free = Rule(4, 0.0, None)
    assert cut(histogram([(5, 5)] * 4), free).edges == ()
    assert cut(histogram([(10, 0), (0, 0), (0, 10)]), free).edges == (1.0,)
    found = cut(histogram([(20, 0), (0, 0), (10, 10), (0, 0), (0, 20)]), free)
    assert found.edges == (1.0, 3.0)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(COUNTS, st.sampled_from(["up", "down"]))
def test_a_declared_direction_is_kept(counts, monotone) -> None:
    woe = list(cut(histogram(counts), Rule(monotone=monotone, min_share=0)).woe[:-1])
    assert woe == sorted(woe, reverse=monotone == "up")


@settings(max_examples=80, deadline=None, derandomize=True)
@given(COUNTS)
def test_turning_the_axis_round_turns_the_direction_round(counts) -> None:
    up = cut(histogram(counts), Rule(monotone="up", min_share=0.1))
    down = cut(histogram(counts[::-1]), Rule(monotone="down", min_share=0.1))
    assert up.iv == pytest.approx(down.iv, abs=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(st.floats(allow_nan=True), st.sampled_from([-999.0, 20.0, 45.0]), st.none()),
        min_size=1,
        max_size=20,
    )
)
def test_one_number_is_found_where_the_column_puts_it(values) -> None:
    table, y = applications(400)
    for name in ("age", "arrears"):
        bins = bin_column(table[name], y, special=[-999.0, 20.0])
        codes = bins.codes(np.array(values, dtype=object))
        assert [bins.find(v) for v in values] == codes.tolist()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["clerk", "none", "owner", "never seen", "", None]), min_size=1))
def test_one_level_is_found_where_the_column_puts_it(values) -> None:
    table, y = applications(400)
    bins = bin_column(table["job"], y, special=["owner"])
    codes = bins.codes(np.array(values, dtype=object))
    assert [bins.find(v) for v in values] == codes.tolist()


def test_missing_and_codes_are_bins_and_their_evidence_counts() -> None:
    table, y = applications(4000)
    income = bin_column(table["income"], y, name="income")
    gone = np.isnan(table["income"])
    assert income.labels[income.missing] == "missing"
    assert income.bad[income.missing] == y[gone].sum()
    assert income.woe[income.missing] < 0  # drawn riskier
    arrears = bin_column(table["arrears"], y, special=[-999], name="arrears")
    at = arrears.regular
    assert arrears.labels[at] == "code -999"
    assert arrears.good[at] + arrears.bad[at] == (table["arrears"] == -999).sum()
    assert sum(arrears.good) + sum(arrears.bad) == len(y)
    assert len(arrears.labels) == len(arrears.woe)


def test_what_training_never_saw_is_neutral() -> None:
    table, y = applications(400)
    job = bin_column(table["job"], y)
    assert job.labels[-1] == "unseen level"
    assert job.woe[job.find("astronaut")] == 0.0
    age = bin_column(table["age"], y)
    assert age.woe[age.find(None)] == 0.0
    assert age.find(math.inf) == age.regular - 1
    assert age.find(-math.inf) == 0


def test_levels_go_in_order_of_bad_rate_and_rare_ones_together() -> None:
    y = np.array([0, 0, 0, 1] * 50 + [1, 1, 1, 0] * 50 + [0, 1, 1, 0])
    x = np.array(["safe"] * 200 + ["risky"] * 200 + ["r1", "r2", "r3", "r4"], dtype=object)
    bins = bin_column(x, y, rule=Rule(min_share=0.0, rare=0.01, smoothing=1.0))
    assert bins.groups == (("safe",), ("r1", "r2", "r3", "r4"), ("risky",))
    assert bins.woe[0] > bins.woe[1] > bins.woe[2]


def test_many_levels_stay_within_the_cells() -> None:
    random = np.random.default_rng(4)
    x = np.array([f"l{i}" for i in random.integers(0, 300, 3000)], dtype=object)
    y = random.integers(0, 2, 3000)
    bins = bin_column(x, y, rule=Rule(rare=0.0))
    assert sorted(level for group in bins.groups for level in group) == sorted(set(x))


def test_soft_bends_only_for_a_shape_that_is_there() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=4000)
    line = (random.random(4000) < 1 / (1 + np.exp(1 - x))).astype(int)
    valley = (random.random(4000) < 1 / (1 + np.exp(2 - 2 * np.abs(x)))).astype(int)

    def straight(y: np.ndarray) -> bool:
        woe = list(bin_column(x, y).woe[:-1])
        return woe in (sorted(woe), sorted(woe, reverse=True))

    assert straight(line)
    assert not straight(valley)


def test_the_order_of_rows_changes_nothing() -> None:
    table, y = applications(500)
    order = np.random.default_rng(6).permutation(500)
    for values in table.values():
        assert bin_column(values, y) == bin_column(values[order], y[order])


def test_whole_weights_are_repeated_rows() -> None:
    table, y = applications(300)
    weight = np.random.default_rng(7).integers(0, 4, 300)
    again = np.repeat(np.arange(300), weight)
    for values in table.values():
        one = bin_column(values, y, weight)
        two = bin_column(values[again], y[again])
        assert (one.edges, one.good, one.bad, one.woe) == (two.edges, two.good, two.bad, two.woe)
        if one.edges is None:  # a level of no weight is known, yet has no cases
            assert {v for g in two.groups for v in g} <= {v for g in one.groups for v in g}


def test_evidence_that_a_row_did_not_make_is_honest() -> None:
    random = np.random.default_rng(8)
    y = (random.random(600) < 0.3).astype(float)
    gap = []
    for _ in range(20):
        cells = code_column(random.normal(size=600))
        bins, apart = cut_apart(cells, y, part=spread(y, 10))
        _, together = cut_apart(cells, y, part=None)
        assert together.tolist() == (np.array(bins.woe)[bins.regroup(cells)][cells.codes]).tolist()
        gap.append((auc(y, -apart), auc(y, -together)))
    honest, flattered = np.mean(gap, axis=0)
    assert honest < 0.52
    assert flattered > 0.54


def test_taking_a_fold_out_of_the_counts_is_cutting_without_it() -> None:
    table, y = applications(300)
    labels = y.astype(float)
    part = spread(labels, 10)
    assert part is not None
    for name in ("age", "job"):
        cells = code_column(table[name])
        _, apart = cut_apart(cells, labels, part=part)
        for fold in range(10):
            rest = part != fold
            inner = Histogram(
                cells.edges, cells.levels, cells.special, *_counted(cells, labels, rest)
            )
            held = cut(inner).transform(table[name][~rest])
            assert apart[~rest].tolist() == held.tolist()


def _counted(cells, y: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = np.bincount(cells.codes[rows], minlength=cells.size).astype(float)
    bad = np.bincount(cells.codes[rows], weights=y[rows], minlength=cells.size)
    return total - bad, bad


def test_a_column_without_values_is_one_neutral_bin() -> None:
    y = np.array([0, 1] * 10)
    for empty in (np.full(20, np.nan), np.array([None] * 20, dtype=object), np.ones(20)):
        bins = bin_column(empty, y)
        assert bins.iv == 0
        assert set(bins.woe) == {0.0}


def test_labels_say_what_lies_where() -> None:
    x = np.array([1.0] * 50 + [2.5] * 50 + [7.0] * 50)
    y = np.array([0] * 45 + [1] * 5 + [0] * 30 + [1] * 20 + [0] * 10 + [1] * 40)
    assert bin_column(x, y).labels == ("< 2.5", "2.5 to < 7", "≥ 7", "missing")
    assert bin_column(np.ones(150), y).labels == ("any value", "missing")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Rule(max_bins=0), "max_bins"),
        (lambda: Rule(smoothing=0), "smoothing"),
        (lambda: Rule(monotone="sideways"), "monotone"),
        (lambda: bin_column([1.0, 2.0], [0, 1], special=["x"]), "Special"),
        (lambda: bin_column([1.0, 2.0], [0, 1], [1.0, 0.0]), "both kinds"),
        (lambda: bin_column([1.0, 2.0], [0, 1]).find("text"), "number"),
        (lambda: bin_column([1.0, 2.0], [0, 1]).find(10**400), "number"),
        (lambda: bin_column(["a", "b"], [0, 1]).find(3.0), "text"),
        (lambda: bin_column([1.0, 2.0], [0, 1]).codes(["a"]), "numbers"),
        (lambda: bin_column(["a", "b"], [0, 1]).codes([1.0]), "text"),
    ],
)
def test_mistakes_are_named(call, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        call()


def test_a_column_of_the_other_kind_may_be_all_missing() -> None:
    number = bin_column([1.0, 2.0], [0, 1])
    text = bin_column(["a", "b"], [0, 1])
    assert number.codes([None, None]).tolist() == [number.missing] * 2
    assert text.codes([np.nan]).tolist() == [text.missing]
