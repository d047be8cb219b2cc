# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest

from heptad.analysis.leaks import Limits, check_leaks
from heptad.standards.errors import ContractError
from tests.analysis.cases import applications

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def clean() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    table, y = applications(1500)
    return table, y, np.arange(1500) * DAY


def kinds(found) -> set[str]:
    return {finding.kind for finding in found.findings}


@pytest.mark.parametrize("seed", range(4))
def test_clean_dated_applications_are_quotable(seed: int) -> None:
    table, y = applications(1200, seed)
    found = check_leaks(table, y, decided_at=np.arange(1200) * DAY)
    assert found.findings == ()
    assert found.quotable
    assert found.comparable
    assert found.out_of_time is not None
    assert found.out_of_time.low < found.auc < found.out_of_time.high + 0.05
    assert "Nothing was found" in found.why


def test_without_dates_models_may_be_compared_but_not_quoted(clean) -> None:
    table, y, _ = clean
    found = check_leaks(table, y)
    assert kinds(found) == {"undated"}
    assert (found.quotable, found.comparable) == (False, True)
    one_day = check_leaks(table, y, decided_at=np.zeros(1500, np.int64))
    assert kinds(one_day) == {"undated"}
    assert "cannot be held out" in one_day.why


@pytest.mark.parametrize("form", ["number", "text", "missing"])
def test_a_column_that_knows_the_outcome_is_certain(clean, form: str) -> None:
    table, y, dates = clean
    wrong = np.random.default_rng(1).random(1500) < 0.02
    told = np.where(wrong, 1 - y, y)
    planted = {
        "number": -told + np.random.default_rng(2).normal(0, 0.1, 1500),
        "text": np.array(["paid", "sold to agency"], dtype=object)[told],
        "missing": np.where(told == 1, 3.0, np.nan),  # a date that only defaulters have
    }[form]
    found = check_leaks({**table, "note": planted}, y, decided_at=dates)
    assert [(f.kind, f.columns) for f in found.findings] == [("certain", ("note",))]
    assert found.alone["note"] > 0.95
    assert not found.comparable
    assert "note alone tells bad from good" in found.why


def price(y: np.ndarray, table: dict[str, np.ndarray]) -> np.ndarray:
    """A rate set from the applicant's file and from what the officer heard besides."""
    random = np.random.default_rng(5)
    heard = 1.6 * y + random.normal(size=len(y))
    arrears = np.where(table["arrears"] < 0, 0, table["arrears"])
    return np.round(9 + heard + 0.5 * arrears, 2)


def test_a_verdict_is_found_by_evidence_with_its_look_alike(clean) -> None:
    table, y, dates = clean
    rate = price(y, table)
    band = np.array([f"band {int(v)}" for v in rate], dtype=object)
    planted = {**table, "colour": rate, "shade": band}  # names give nothing away
    found = check_leaks(planted, y, decided_at=dates)
    verdict = next(f for f in found.findings if f.kind == "verdict")
    assert set(verdict.columns) == {"colour", "shade"}
    assert verdict.numbers["without"] < verdict.numbers["all"] - 0.03
    assert not found.quotable
    cleared = check_leaks(planted, y, decided_at=dates, cleared=["colour", "shade"])
    assert kinds(cleared) == {"cleared"}
    assert cleared.quotable


def test_a_name_lowers_the_proof_that_is_needed(clean) -> None:
    table, y, dates = clean
    weak = price(y, table) + np.random.default_rng(6).normal(0, 2.0, 1500)
    assert "verdict" not in kinds(check_leaks({**table, "x": weak}, y, decided_at=dates))
    for name in ("int_rate", "subGrade", "Interest Rate", "risk-class"):
        found = check_leaks({**table, name: weak}, y, decided_at=dates)
        assert [f.columns for f in found.findings if f.kind == "verdict"] == [(name,)], name
    after = check_leaks({**table, "last_pymnt_amnt": weak}, y, decided_at=dates)
    assert kinds(after) == {"aftermath"}
    assert not after.quotable


def test_a_telling_name_without_weight_is_only_told(clean) -> None:
    table, y, dates = clean
    noise = np.random.default_rng(7).normal(size=1500)
    found = check_leaks({**table, "price": noise}, y, decided_at=dates)
    assert kinds(found) == {"named"}
    assert found.quotable


def test_a_value_known_after_the_decision_is_late(clean) -> None:
    table, y, dates = clean
    known = dates.copy()
    known[:30] += 1
    late = check_leaks(table, y, decided_at=dates, known_at={"age": known, "noise": dates})
    assert [(f.kind, f.columns) for f in late.findings] == [("late", ("age",))]
    assert late.findings[0].numbers["share"] == pytest.approx(30 / 1500)
    gone = {**table, "age": table["age"].copy()}
    gone["age"][:30] = np.nan  # nothing was known of the rows in question
    assert check_leaks(gone, y, decided_at=dates, known_at={"age": known}).quotable


def test_a_model_that_does_not_last_shows_out_of_time() -> None:
    random = np.random.default_rng(8)
    n = 3000
    dates = np.arange(n) * DAY
    x = random.normal(size=(4, n))
    sign = np.where(np.arange(n) < n * 0.7, 1.0, -1.0)  # the world turns round
    y = (random.random(n) < 1 / (1 + np.exp(1 - sign * x.sum(axis=0)))).astype(int)
    found = check_leaks({f"x{i}": x[i] for i in range(4)}, y, decided_at=dates)
    assert found.out_of_time is not None
    assert found.out_of_time.high < 0.5 < found.auc
    assert kinds(found) == {"fading"}
    assert "quote the latter" in found.findings[0].sentence


def test_many_rows_are_sampled_evenly_and_say_so() -> None:
    table, y = applications(3000)
    found = check_leaks(table, y, limits=Limits(rows=1000))
    assert 990 <= found.rows <= 1000
    assert found == check_leaks(table, y, limits=Limits(rows=1000))


def test_infinite_values_do_not_stop_the_check(clean) -> None:
    table, y, dates = clean
    ratio = np.where(np.arange(1500) % 50 == 0, np.inf, table["noise"])
    assert check_leaks({**table, "ratio": ratio}, y, decided_at=dates).quotable


def test_the_report_is_plain_data(clean) -> None:
    table, y, dates = clean
    found = check_leaks(table, y, decided_at=dates).to_dict()
    assert json.loads(json.dumps(found))["quotable"] is True


@pytest.mark.parametrize(
    "options",
    [
        {"known_at": {"age": np.zeros(1500, np.int64)}},
        {"decided_at": np.zeros(3, np.int64)},
        {"decided_at": np.zeros(1500)},
        {"decided_at": np.zeros(1500, np.int64), "known_at": {"agee": np.zeros(1500, np.int64)}},
        {"cleared": ["agee"]},
    ],
)
def test_times_and_names_must_fit(clean, options) -> None:
    table, y, _ = clean
    with pytest.raises(ContractError):
        check_leaks(table, y, **options)


def test_too_few_cases_are_refused(clean) -> None:
    table, _, _ = clean
    few = np.zeros(1500)
    few[:19] = 1
    with pytest.raises(ContractError, match="20 cases"):
        check_leaks(table, few)


def test_on_few_rows_what_may_be_chance_is_told_with_its_interval_and_does_not_refuse() -> None:
    chance = np.random.default_rng(3)
    few, many = 120, 8_000
    kinds = []
    for n in (few, many):
        y = (np.arange(n) % 2).astype(float)
        strong = y + chance.normal(0, 0.3, n)
        table = {"strong": strong, "age": chance.normal(40, 9, n)}
        found = check_leaks(table, y, decided_at=np.arange(n), cleared=["strong"])
        (told,) = (f for f in found.findings if "strong" in f.columns and "low" in f.numbers)
        assert f"{told.numbers['low']:.3f} to {told.numbers['high']:.3f}" in told.sentence
        kinds.append((told.kind, told.refuses))
    assert kinds == [("perhaps", False), ("certain", True)]
