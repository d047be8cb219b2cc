# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from heptad.analysis.scorecard import Scorecard
from heptad.standards.errors import ContractError
from tests.analysis.cases import applications, rows, take

SPECIAL = {"arrears": [-999]}


@pytest.fixture(scope="module")
def card() -> Scorecard:
    table, y = applications(1500)
    return Scorecard(special=SPECIAL, monotone={"income": "down"}).fit(table, y)


@pytest.fixture(scope="module")
def strange(card: Scorecard) -> dict[str, np.ndarray]:
    """Rows with every kind of value, the edges of the bins themselves among them."""
    table, _ = applications(600, seed=9)
    random = np.random.default_rng(10)
    for name in ("income", "age", "arrears"):
        edges = card.bins_[name].edges
        odd = np.array([np.nan, np.inf, -np.inf, -999.0, -0.0, 1e-300, 1e300, *edges])
        odd = np.concatenate([odd, np.nextafter(edges, -np.inf)])
        at = random.integers(0, 600, 200)
        table[name][at] = odd[random.integers(0, len(odd), 200)]
    odd = np.array([None, "", "never seen", "CLERK", 'o\'brien & "sons"', "naïve"], dtype=object)
    table["job"][random.integers(0, 600, 200)] = odd[random.integers(0, len(odd), 200)]
    return table


def test_row_batch_and_saved_card_agree_bit_for_bit(card, strange) -> None:
    again = Scorecard.from_json(card.to_json())
    totals = card.totals(strange)
    chance = card.predict_proba(strange)[:, 1]
    for i, row in enumerate(rows(strange)):
        points = card.points(row)
        assert card.total(row) == again.total(row) == points.total == totals[i]
        assert card.probability(points.total) == chance[i]
        assert points.total == card.base_ + sum(points.points.values())
    assert again.totals(strange).tolist() == totals.tolist()
    assert again.predict_proba(strange).tolist() == card.predict_proba(strange).tolist()
    assert len({*totals.tolist()}) > 50


def test_one_row_tables_and_other_orders_score_the_same(card, strange) -> None:
    totals = card.totals(strange)
    order = np.random.default_rng(0).permutation(len(totals))
    assert card.totals(take(strange, order)).tolist() == totals[order].tolist()
    for i in range(0, len(totals), 40):
        assert card.totals(take(strange, np.array([i]))).tolist() == [totals[i]]


def test_sql_agrees_on_every_row(card, strange) -> None:
    import duckdb
    import pyarrow as pa

    arrow = pa.table(
        {
            name: pa.array(values.tolist(), pa.string() if values.dtype == object else pa.float64())
            for name, values in strange.items()
        }
    )
    with duckdb.connect() as connection:
        connection.register("strange", arrow)
        query = f"SELECT {card.to_sql()}, {card.to_sql('probability')} FROM strange"
        found = connection.sql(query).fetchall()
    assert [total for total, _ in found] == card.totals(strange).tolist()
    assert [chance for _, chance in found] == card.predict_proba(strange)[:, 1].tolist()


def test_sql_survives_hostile_names_and_levels() -> None:
    import duckdb
    import pyarrow as pa

    name, level = 'a" FROM x; --', "'); DROP TABLE x; --"
    x = np.array([level, "b"] * 40, dtype=object)
    y = np.array([1, 0] * 35 + [0, 1] * 5)
    card = Scorecard().fit({name: x}, y)
    with duckdb.connect() as connection:
        connection.register("x", pa.table({name: x.tolist()}))
        found = connection.sql(f"SELECT {card.to_sql()} FROM x").fetchall()
    assert [total for (total,) in found] == card.totals({name: x}).tolist()


def test_ints_bools_and_numpy_scalars_score_as_in_a_column() -> None:
    table = {"n": np.array([0, 1, 2**53 + 3, 2**53 + 4] * 30), "flag": np.array([True, False] * 60)}
    y = np.array([0, 1, 0, 1, 1, 0, 0, 1] * 15)
    card = Scorecard(folds=0, min_share=0, positive=False).fit(table, y)
    totals = card.totals(table)
    for i in range(8):
        plain = {"n": int(table["n"][i]), "flag": bool(table["flag"][i])}
        scalars = {"n": table["n"][i], "flag": table["flag"][i]}
        assert card.total(plain) == card.total(scalars) == totals[i]


def test_probability_falls_with_every_point_and_odds_double_by_pdo() -> None:
    table, y = applications(800)
    card = Scorecard(base_score=500, base_odds=10, pdo=20).fit(table, y)
    assert all(a > b for a, b in itertools.pairwise(card.probabilities_))
    low = card.lowest_ + 5
    odds = [(1 - card.probability(t)) / card.probability(t) for t in (low, low + 20)]
    assert odds[1] / odds[0] == pytest.approx(2)
    if card.lowest_ <= 500 < card.lowest_ + len(card.probabilities_):
        assert card.probability(500) == pytest.approx(1 / 11)
    z = card.decision_function(table)
    assert card.predict_proba(table)[:, 1] == pytest.approx(1 / (1 + np.exp(-z)))
    assert card.predict_proba(table).sum(axis=1) == pytest.approx(1)
    assert card.predict(table).tolist() == (z >= 0).astype(int).tolist()


def test_points_never_contradict_the_bad_rate(card) -> None:
    for row in card.table():
        if row["cases"]:
            assert row["points"] * row["woe"] >= 0
    income = card.parts_["income"]
    regular = income.points[: income.bins.regular]
    assert list(regular) == sorted(regular)  # declared "down": more income, fewer bads


def test_noise_gets_no_points_worth_having(card) -> None:
    spread = {name: max(part.points) - min(part.points) for name, part in card.parts_.items()}
    assert spread.get("noise", 0) < 0.1 * spread["income"]


def test_probabilities_come_true_on_new_cases(card) -> None:
    from heptad.analysis.evaluation import ece

    table, y = applications(4000, seed=77)
    assert ece(y, card.predict_proba(table)[:, 1]) < 0.035


def test_reasons_name_what_was_lost_most_first(card) -> None:
    table, _ = applications(200, seed=3)
    for row in rows(table):
        found = card.points(row)
        losses = card.reasons(row)
        lost = [loss.lost for loss in losses]
        assert len(losses) <= 4
        assert lost == sorted(lost, reverse=True)
        assert all(value > 0 for value in lost)
        everything = card.reasons(row, n=99)
        assert everything[: len(losses)] == losses
        for loss in everything:
            part = card.parts_[loss.column]
            assert loss.points == found.points[loss.column]
            assert loss.points + loss.lost == max(part.points[: part.bins.regular])
            assert loss.bin == part.bins.labels[found.bins[loss.column]]
        kept = set(card.parts_) - {loss.column for loss in everything}
        for name in kept:
            part = card.parts_[name]
            assert found.points[name] >= max(part.points[: part.bins.regular])


def test_reasons_never_advise_to_be_missing() -> None:
    x = np.array([1.0] * 60 + [np.nan] * 60)
    y = np.array([0, 1, 1] * 20 + [0] * 58 + [1] * 2)
    card = Scorecard(folds=0).fit({"x": x, "z": np.arange(120.0)}, y)
    assert all("missing" not in loss.best for loss in card.reasons({"x": 1.0, "z": 3.0}))
    assert "x" not in {loss.column for loss in card.reasons({"x": None, "z": 3.0})}


def test_equal_losses_keep_the_order_of_columns() -> None:
    x = np.array([0.0, 1.0] * 100)
    y = np.array([0, 1] * 80 + [1, 0] * 20)
    for names in (("b", "a"), ("a", "b")):
        card = Scorecard(folds=0).fit(dict.fromkeys(names, x), y)
        assert [loss.column for loss in card.reasons(dict.fromkeys(names, 1.0))] == list(names)


def test_the_document_is_canonical_and_exact(card) -> None:
    text = card.to_json()
    again = Scorecard.from_json(text)
    assert again.to_json() == text
    assert again.hash() == card.hash()
    assert again.get_params() == {**card.get_params(), "special": {"arrears": [-999]}}
    table, y = applications(1500)
    refit = Scorecard(special=SPECIAL, monotone={"income": "down"}).fit(table, y)
    assert refit.hash() == card.hash()
    other = Scorecard(special=SPECIAL).fit(table, y)
    assert other.hash() != card.hash()
    assert again.reasons(rows(table)[0]) == card.reasons(rows(table)[0])
    assert again.table() == card.table()


def _broken(document: dict) -> list[dict]:
    def change(**parts):
        return {**document, **parts}

    first, *rest = document["columns"]
    return [
        change(version=2),
        change(kind="other"),
        change(lowest=document["lowest"] + 1),
        change(probabilities=document["probabilities"][:-1]),
        change(parameters={"unknown": 1}),
        change(columns=[{**first, "points": first["points"][:-1]}, *rest]),
        change(columns=[{**first, "woe": first["woe"][:-1]}, *rest]),
        change(columns=[{k: v for k, v in first.items() if k != "edges"}, *rest]),
        change(columns=None),
    ]


def test_a_document_that_is_no_card_is_refused(card) -> None:
    for document in _broken(json.loads(card.to_json())):
        with pytest.raises(ContractError, match="not a scorecard"):
            Scorecard.from_json(json.dumps(document))
    for text in ("", "[]", "{}", "null", '{"kind": 1'):
        with pytest.raises(ContractError, match="not a scorecard"):
            Scorecard.from_json(text)


def test_all_forms_of_a_table_fit_and_score_alike() -> None:
    table, y = applications(400)
    names = list(table)
    structured = np.empty(400, dtype=[(n, table[n].dtype) for n in names])
    plain = np.empty((400, len(names)), dtype=object)
    for i, name in enumerate(names):
        structured[name] = table[name]
        plain[:, i] = table[name]
    one = Scorecard().fit(table, y)
    two = Scorecard().fit(structured, y)
    three = Scorecard(names=names).fit(plain, y)
    assert one.hash() == two.hash()
    assert one.totals(table).tolist() == two.totals(structured).tolist()
    assert one.totals(table).tolist() == three.totals(plain).tolist()
    assert one.totals(plain).tolist() == one.totals(table).tolist()
    assert one.feature_names_in_.tolist() == names


def test_data_frames_are_tables_too() -> None:
    polars = pytest.importorskip("polars")
    table, y = applications(300)
    frame = polars.DataFrame({name: values.tolist() for name, values in table.items()})
    assert Scorecard().fit(frame, y).hash() == Scorecard().fit(table, y).hash()


def test_scikit_learn_can_clone_search_and_cross_validate() -> None:
    from sklearn.base import clone, is_classifier
    from sklearn.exceptions import NotFittedError
    from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
    from sklearn.utils.validation import check_is_fitted

    table, y = applications(600)
    plain = np.column_stack([values.astype(object) for values in table.values()])
    card = Scorecard(names=list(table), max_bins=4)
    copy = clone(card)
    assert copy.get_params() == card.get_params()
    assert is_classifier(card)
    with pytest.raises(NotFittedError):
        check_is_fitted(card)
    check_is_fitted(clone(card).fit(plain, y))
    areas = cross_val_score(card, plain, y, cv=3, scoring="roc_auc")
    assert areas.min() > 0.6
    assert cross_val_score(card, plain, y, cv=3).tolist() == pytest.approx(areas.tolist())
    chance = cross_val_predict(card, plain, y, cv=3, method="predict_proba")
    assert chance.shape == (600, 2)
    search = GridSearchCV(card, {"max_bins": [2, 4]}, cv=2, scoring="neg_brier_score")
    assert search.fit(plain, y).best_params_["max_bins"] in {2, 4}


def test_scikit_learn_is_not_imported_by_itself() -> None:
    code = (
        "import sys, heptad.analysis.scorecard as s; s.Scorecard(); print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_parameters_are_set_by_name() -> None:
    card = Scorecard().set_params(max_bins=3, pdo=20)
    assert (card.max_bins, card.pdo) == (3, 20)
    assert repr(card) == "Scorecard(max_bins=3, pdo=20)"
    with pytest.raises(ContractError, match="did you mean 'max_bins'"):
        card.set_params(maxbins=3)


def test_whole_weights_are_repeated_rows() -> None:
    table, y = applications(300)
    weight = np.random.default_rng(1).integers(0, 3, 300)
    again = np.repeat(np.arange(300), weight)
    one = Scorecard(folds=0).fit(table, y, weight)
    two = Scorecard(folds=0).fit(take(table, again), y[again])
    assert one.totals(table).tolist() == pytest.approx(two.totals(table).tolist(), abs=1)


def test_columns_that_tell_nothing_are_left_out() -> None:
    table, y = applications(300)
    table["constant"] = np.ones(300)
    table["empty"] = np.full(300, np.nan)
    table["blank"] = np.array([None] * 300, dtype=object)
    card = Scorecard().fit(table, y)
    assert not {"constant", "empty", "blank"} & card.parts_.keys()
    nothing = Scorecard().fit({"constant": np.ones(300)}, y)
    assert set(nothing.totals({"constant": np.ones(3)})) == {nothing.base_}
    rate = nothing.predict_proba({"constant": np.ones(1)})[0, 1]
    assert rate == pytest.approx(y.mean(), abs=0.01)


def test_information_value_may_be_asked_for() -> None:
    table, y = applications(500)
    card = Scorecard(min_iv=0.05).fit(table, y)
    assert all(card.bins_[name].iv > 0.05 for name in card.parts_)
    assert len(card.parts_) < len(table)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"job": 3.0}, "must be text"),
        ({"income": "much"}, "must be a number"),
        ({"income": 10**400}, "cannot be scored"),
        ({"income": [1]}, "must be a number"),
        ({"job": ["clerk"]}, "cannot be scored"),
    ],
)
def test_a_value_of_the_other_kind_is_named(card, row, words) -> None:
    table, _ = applications(1)
    good = rows(table)[0]
    with pytest.raises(ContractError, match=words):
        card.total({**good, **row})
    with pytest.raises(ContractError):
        card.points({**good, **row})


def test_an_absent_column_is_not_a_missing_value(card) -> None:
    table, _ = applications(5)
    for name in card.parts_:
        rest = {k: v for k, v in table.items() if k != name}
        with pytest.raises(ContractError, match=f"{name} is absent"):
            card.totals(rest)
        with pytest.raises(ContractError, match=f"{name} is absent"):
            card.total(rows(rest)[0])
        with pytest.raises(ContractError, match=f"{name} is absent"):
            card.reasons(rows(rest)[0])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"special": {"agee": [1]}}, "did you mean 'age'"),
        ({"monotone": {"agee": "up"}}, "did you mean 'age'"),
        ({"monotone": "sideways"}, "monotone"),
        ({"folds": 1}, "folds"),
        ({"pdo": 0}, "pdo"),
        ({"pdo": math.nan}, "pdo"),
        ({"pdo": 1e9}, "too wide"),
        ({"special": {"age": ["x"]}}, "Special"),
        ({"reg": -1.0}, "negative"),
    ],
)
def test_wrong_parameters_are_named_at_fit(parameters, words) -> None:
    table, y = applications(200)
    with pytest.raises(ContractError, match=words):
        Scorecard(**parameters).fit(table, y)


def test_an_untrained_card_says_so() -> None:
    for call in (lambda c: c.to_json(), lambda c: c.total({}), lambda c: c.totals({"a": [1.0]})):
        with pytest.raises(ContractError, match="not been trained"):
            call(Scorecard())


def test_a_total_that_cannot_be_is_refused(card) -> None:
    for total in (card.lowest_ - 1, card.lowest_ + len(card.probabilities_)):
        with pytest.raises(ContractError, match="cannot give"):
            card.probability(total)
