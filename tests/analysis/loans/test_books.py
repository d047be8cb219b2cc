# SPDX-License-Identifier: Apache-2.0
"""Vintages, roll rates and expected loss of whole books, beside the plainest possible counting."""

from __future__ import annotations

from collections import Counter as Tally
from itertools import pairwise

import numpy as np
import pytest

from heptad.analysis.loans.losses import (
    Exposures,
    Risk,
    Scenarios,
    Worse,
    bridge,
    expected_loss,
    stages,
    total,
)
from heptad.analysis.loans.movements import Counter, Months, movements
from heptad.standards.errors import ContractError

MONTHS = 9


def drawn(loans: int, seed: int) -> dict[str, np.ndarray]:
    """Months of loans that worsen, cure, end, and sometimes miss a month."""
    random, rows = np.random.default_rng(seed), []
    for loan in range(loans):
        cohort, lent, b = int(random.integers(0, MONTHS)), int(random.integers(1, 10_000)), 0
        owed = lent
        for month in range(cohort, MONTHS):
            if b in (5, 6):
                break
            if random.random() < 0.9:
                rows.append((loan, month, cohort, b, owed, lent))
            b = int(np.clip(b + random.choice([-1, 0, 0, 1, 1]), 0, 4))
            b = int(random.choice([b, 5, 6], p=[0.9, 0.06, 0.04]))
            owed = owed * 9 // 10 if b < 5 else 0
    names = ("loan", "month", "cohort", "bucket", "balance", "lent")
    return dict(zip(names, np.array(rows).T, strict=True))


def test_movements_equal_plain_counting():
    rows = drawn(400, 3)
    found = movements(Months(**rows), MONTHS)
    by_loan: dict[int, list[tuple[int, ...]]] = {}
    for row in zip(*(rows[n].tolist() for n in rows), strict=True):
        by_loan.setdefault(row[0], []).append(row)
    moves, money, ever = Tally(), Tally(), Tally()
    for mine in by_loan.values():
        for one, other in pairwise(mine):
            if other[1] == one[1] + 1:
                moves[other[1], one[3], other[3]] += 1
                money[other[1], one[3], other[3]] += one[4]
        for e, worst in enumerate((2, 3, 4, 6)):
            hit = [r[1] - r[2] for r in mine if r[3] == 6 or (r[3] != 5 and r[3] >= worst)]
            if hit:
                ever[mine[0][2], min(hit), e] += 1
    assert Tally(dict(_nonzero(found.moves))) == moves
    assert Tally(dict(_nonzero(found.moved))) == money + Tally()
    assert Tally(dict(_nonzero(found.first))) == ever
    assert found.loans.sum() == len(by_loan)


def _nonzero(counts):
    return {tuple(int(i) for i in at): int(counts[tuple(at)]) for at in np.argwhere(counts)}.items()


def test_a_book_counted_in_batches_or_in_parts_is_the_same():
    rows = drawn(300, 5)
    whole = movements(Months(**rows), MONTHS)
    counter = Counter(MONTHS)
    for low in range(0, len(rows["loan"]), 17):
        counter.add(Months(**rows).take(slice(low, low + 17)))
    found = counter.movements()
    half = rows["loan"] < 150
    parts = [movements(Months(**rows).take(p), MONTHS) for p in (~half, half)]
    added = parts[0] + parts[1]
    for name in ("loans", "lent", "first", "first_lent", "moves", "moved", "last"):
        assert np.array_equal(getattr(whole, name), getattr(found, name)), name
        assert np.array_equal(getattr(whole, name), getattr(added, name)), name


def test_vintages_rise_and_end_where_the_book_ends():
    found = movements(Months(**drawn(500, 7)), MONTHS)
    for money in (False, True):
        curves = found.vintages(money=money)
        for cohort in range(MONTHS):
            known = curves[cohort, : MONTHS - cohort]
            assert np.isfinite(known).all()
            assert np.isnan(curves[cohort, MONTHS - cohort :]).all()
            assert (np.diff(known, axis=0) >= 0).all()
            assert (known[:, 0] >= known[:, 1]).all()


def test_a_hand_worked_matrix():
    # Two loans stand current, one of them goes to 1-30; then it cures, the other stays.
    rows = {
        "loan": [1, 1, 1, 2, 2, 2],
        "month": [0, 1, 2] * 2,
        "cohort": [0] * 6,
        "bucket": [0, 1, 0, 0, 0, 0],
        "balance": [300, 300, 200, 100, 100, 90],
        "lent": [300] * 3 + [100] * 3,
    }
    found = movements(Months(**rows), 3)
    matrix = found.matrix()
    assert matrix[0, :2].tolist() == [2 / 3, 1 / 3]  # three months began current, one got late
    assert matrix[1, 0] == 1.0
    assert found.matrix(money=True)[0, 1] == 300 / 500
    assert found.roll_rates()[1, 0] == 300 / 400
    assert matrix[5, 5] == matrix[6, 6] == 1.0


@pytest.mark.parametrize(
    "broken", [{"month": 99}, {"bucket": 7}, {"cohort": 8}, {"loan": -1}, {"month": 0}]
)
def test_rows_that_cannot_be_are_refused(broken):
    rows = {n: c.copy() for n, c in drawn(20, 1).items()}
    at = int(np.argmax(rows["month"] > 0))
    for name, value in broken.items():
        rows[name][at] = value
    if broken == {"month": 0}:
        rows["loan"][at - 1 : at + 1] = rows["loan"][at]
        rows["month"][at - 1] = 0
    with pytest.raises(ContractError, match="row"):
        movements(Months(**rows), MONTHS)


SCENARIOS = Scenarios(
    ("base", "better", "worse"),
    np.array([0.5, 0.2, 0.3]),
    np.random.default_rng(1).uniform(0, 0.03, (3, 4, 40)),
    np.array([[0.4, 0.2], [0.35, 0.15], [0.5, 0.3]]),
)


def book(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "balance": random.integers(0, 5_000_000, n), "rate": random.integers(0, 250_000, n),
        "remaining": random.integers(0, 61, n), "grade": random.integers(0, 4, n),
        "segment": random.integers(0, 2, n), "stage": random.integers(1, 4, n),
        "bullet": random.random(n) < 0.2,
    }  # fmt: skip


def plainly(loan: dict[str, int]) -> tuple[float, float]:
    """Twelve-month and lifetime loss of one loan, month by month."""
    monthly, months = loan["rate"] / 12e6, max(loan["remaining"], 1)
    found = [0.0, 0.0]
    for s, weight in enumerate(SCENARIOS.weights):
        alive, owed = 1.0, float(loan["balance"])
        level = owed / months
        if monthly:
            level = owed * monthly / (1 - (1 + monthly) ** -months)
        for m in range(1, months + 1):
            hazard = SCENARIOS.hazard[s, loan["grade"], min(m, 40) - 1]
            lost = weight * SCENARIOS.lgd[s, loan["segment"]] * alive * hazard * owed
            found[1] += lost / (1 + monthly) ** m
            found[0] += lost / (1 + monthly) ** m if m <= 12 else 0.0
            alive *= 1 - hazard
            owed = owed if loan["bullet"] else owed * (1 + monthly) - level
    return found[0], found[1]


def test_expected_loss_equals_the_sum_month_by_month():
    rows = book(300)
    found = expected_loss(Exposures(**rows), SCENARIOS)
    for n in range(300):
        year, life = plainly({k: int(v[n]) for k, v in rows.items()})
        assert abs(found.year[n] - year) <= 0.5 + 1e-6
        assert abs(found.lifetime[n] - life) <= 0.5 + 1e-6
        lgd = float(SCENARIOS.weights @ SCENARIOS.lgd[:, rows["segment"][n]])
        wanted = {1: year, 2: life, 3: lgd * rows["balance"][n]}[int(rows["stage"][n])]
        assert abs(found.booked[n] - wanted) <= 0.5 + 1e-6


def test_expected_loss_of_part_or_other_order_is_the_same():
    rows = book(500)
    whole = expected_loss(Exposures(**rows), SCENARIOS)
    order = np.random.default_rng(2).permutation(500)
    mixed = expected_loss(Exposures(**rows).take(order), SCENARIOS)
    short = rows["remaining"] < 9
    part = expected_loss(Exposures(**rows).take(short), SCENARIOS)
    assert np.array_equal(whole.lifetime[order], mixed.lifetime)
    assert np.array_equal(whole.booked[short], part.booked)
    assert np.array_equal(whole.each, mixed.each)


def test_a_worse_scenario_a_worse_stage_and_more_risk_never_lose_less():
    rows = book(400)
    found = expected_loss(Exposures(**rows), SCENARIOS)
    assert (found.lifetime >= found.year).all()
    worse = Scenarios(
        SCENARIOS.names, SCENARIOS.weights, np.minimum(1, SCENARIOS.hazard * 2), SCENARIOS.lgd
    )
    assert (expected_loss(Exposures(**rows), worse).year >= found.year).all()


def test_stages():
    worse = Worse()
    found = stages(
        [0, 30, 31, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0],
        Risk(
            now=np.array([0.01, 0.01, 0.01, 0.01, 0.01, 0.05, 0.05]),
            then=np.array([0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.02]),
            year=np.array([0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.002]),
        ),
        worse,
    )  # fmt: skip
    assert found.tolist() == [1, 1, 2, 3, 2, 2, 1]


def test_a_bridge_adds_up():
    before = {"a": (1, 1000, 10), "b": (1, 500, 7), "c": (2, 300, 40), "d": (1, 0, 3)}
    after = {"a": (1, 900, 12), "b": (2, 500, 60), "e": (1, 100, 1), "d": (1, 0, 0)}
    found = bridge(before, after)
    assert (found.before, found.after) == (60, 73)
    assert found.before + sum(found.parts.values()) == found.after
    assert found.parts == {
        "new": 1, "gone": -40, "repaid": -1, "stage 1 to 2": 53, "risk": 0 + 3 - 3,
    }  # fmt: skip


def test_scenarios_that_do_not_add_up_are_refused():
    good = {"names": ("one",), "weights": [1.0], "hazard": [[[0.1]]], "lgd": [[0.5]]}
    for broken in ({"weights": [0.9]}, {"hazard": [[[1.1]]]}, {"lgd": [0.5]}, {"hazard": [[0.1]]}):
        with pytest.raises(ContractError):
            Scenarios(**{k: np.array(v) if k != "names" else v for k, v in (good | broken).items()})
    with pytest.raises(ContractError, match="stage"):
        Exposures([1], [1], [1], [0], [0], [4])
    with pytest.raises(ContractError, match="length"):
        Exposures([1], [1], [1], [0], [0], [1, 2])
    with pytest.raises(ContractError, match="grade"):
        expected_loss(Exposures([1], [1], [1], [9], [0], [1]), SCENARIOS)


def test_totals_do_not_overflow():
    assert total([2**62, 2**62]) == 2**63
