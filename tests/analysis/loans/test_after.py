# SPDX-License-Identifier: Apache-2.0
"""What is done about loans: recoveries, stress, concentration, behaviour, and the day's plan."""

from __future__ import annotations

from datetime import date
from itertools import product

import numpy as np
import pytest

from heptad.analysis.loans.behaviour import Signals, calendar, inputs, warnings
from heptad.analysis.loans.collecting import Action, Late, Outcome, kept, plan, uplift
from heptad.analysis.loans.concentration import concentration
from heptad.analysis.loans.delinquency import Rule, course
from heptad.analysis.loans.ledger import Event, book
from heptad.analysis.loans.recoveries import (
    Flow,
    Workout,
    loss_shares,
    recovery_curve,
    workout,
    workout_lgd,
)
from heptad.analysis.loans.schedules import Terms
from heptad.analysis.loans.stress import link, reverse, stressed
from heptad.standards.errors import ContractError


def test_loss_given_default_by_hand():
    # 440 after a year is worth 400, 242 after two is worth 200: 600 of 1000 came back.
    assert workout_lgd(1000, [Flow(365, 440), Flow(730, 242)], 0.1) == 0.4
    assert workout_lgd(1000, [Flow(365, 440, 110), Flow(730, 242)], 0.1) == 0.5
    assert workout_lgd(1000, [], 0.1) == 1.0
    assert workout_lgd(1000, [Flow(0, 0, 50)], 0.1) == 1.05
    with pytest.raises(ContractError):
        workout_lgd(0, [], 0.1)


def test_a_recovery_curve_counts_young_cases_where_they_can_be_seen():
    # Case a: 20 % in the first month and 30 % in the third, watched for three; case b: 40 % in the
    # first, watched for one only. First month (20 + 40) / 2, then 0 of one, then 30 of one.
    cases = [
        Workout(1000, 0.0, 3, (Flow(3, 200), Flow(70, 300), Flow(95, 999))),
        Workout(100, 0.0, 1, (Flow(0, 40),)),
    ]
    curve = recovery_curve(cases, 4)
    assert curve[:4].tolist() == pytest.approx([0, 0.3, 0.3, 0.6])
    assert np.isnan(curve[4])
    # Of all that is owed 40 % are lost; of the 70 % left after two months, four sevenths.
    assert loss_shares(curve[:4]).tolist() == pytest.approx([0.4, 4 / 7, 4 / 7, 1])
    assert loss_shares(np.array([0.0, 1.0])).tolist() == [0, 0]
    with pytest.raises(ContractError):
        recovery_curve([], 3)
    with pytest.raises(ContractError):
        recovery_curve([Workout(0, 0.1, 3, ())], 3)


def lent(*events: Event, until: date = date(2027, 1, 1)):
    """A loan of 1200 without interest, 100 a month from 1 February 2025, and its defaults."""
    made = book(Terms(1200_00, 0, 12, date(2025, 1, 1)), events, until)
    return made, course(made, Rule(amount=100)).defaults


def test_what_came_of_a_default():
    # Nothing is paid: in default 91 days after 1 February, when everything is still owed.
    since = date(2025, 5, 3)
    some = Event(date(2025, 6, 2), "payment", "p1", 60_00)
    made, defaults = lent(some)
    assert defaults == [(since, None)]
    found = workout(made, *defaults[0], 0.1)
    assert (found.exposure, found.watched, found.flows) == (1200_00, 19, (Flow(30, 60_00),))
    # What comes after a write-off is a recovery, and the write-off itself brings nothing.
    off = Event(date(2025, 7, 1), "write off", "w")
    made, defaults = lent(some, off, Event(date(2026, 5, 3), "payment", "p2", 240_00))
    found = workout(made, *defaults[0], 0.1)
    assert found.flows == (Flow(30, 60_00), Flow(365, 240_00))
    assert workout_lgd(found.exposure, found.flows, 0.0) == 0.75
    # A loan that is written off at once was owed until then.
    made, defaults = lent(Event(date(2025, 1, 20), "write off", "w"))
    assert defaults == [(date(2025, 1, 20), None)]
    assert workout(made, *defaults[0], 0.1).exposure == 1200_00


def test_what_is_owed_at_a_cure_counts_as_come_back():
    # All arrears and half of the rest are paid on 1 June; 90 days later it is cured.
    paid = [Event(date(2025, 6, 1), "payment", "p", 900_00)]
    made, defaults = lent(*paid, until=date(2025, 9, 15))
    ((since, until),) = defaults
    assert until == date(2025, 8, 29)
    found = workout(made, since, until, 0.0)
    # 700 have fallen due, 200 are held: of the 500 that are not paid back, 300 are to come.
    assert found.flows == (Flow(29, 900_00), Flow((until - since).days, 300_00))
    assert workout_lgd(found.exposure, found.flows, 0.0) == 0


def test_a_link_to_the_economy_finds_what_was_planted():
    random = np.random.default_rng(4)
    jobless, growth = random.normal(6, 1, 60), random.normal(2, 1, 60)
    odds = -4 + 0.5 * (jobless - 6) - 0.2 * (growth - 2)
    rates = np.concatenate([[0.02], 1 / (1 + np.exp(-odds))])[:60]
    found = link(rates, {"jobless": jobless, "growth": growth}, lag=1, reg=1e-9)
    assert found.weights / found.spread == pytest.approx([0.5, -0.2], abs=1e-6)
    assert found.explained > 0.999
    shift = found.shift({"jobless": [found.mean[0] + 2], "growth": [found.mean[1]]})
    assert shift == pytest.approx([1.0], abs=1e-6)
    with pytest.raises(ContractError, match="lacks"):
        found.shift({"jobless": [6]})
    with pytest.raises(ContractError, match="ten"):
        link([0.1] * 9, {"jobless": np.arange(9)})


def test_stress_moves_odds_and_fades():
    calm = np.full((1, 30), 0.01)
    hard = stressed(calm, [np.log(2)] * 6)
    assert hard[0, 0] == pytest.approx(0.02 / 1.01)  # odds of 1/99 doubled are 2/99
    assert (np.diff(hard[0, 6:]) < 0).all()
    assert hard[0, 17] == pytest.approx(1 / (1 + 99 / np.exp(np.log(2) / 2)))
    assert stressed(calm, [0.0]) == pytest.approx(calm)
    assert reverse([(0.0, 100), (1.0, 300), (2.0, 700)], 500) == 1.5
    assert reverse([(0.0, 100)], 500) is None


def test_concentration():
    found = concentration([("a", 50), ("b", 30), ("c", 20), ("a", 0)], {"": 0.25, "a": 0.6})
    assert found.index == pytest.approx(0.38)
    assert found.equal == pytest.approx(1 / 0.38)
    assert list(found.shares) == ["a", "b", "c"]
    assert found.over == {"b": 0.3}
    with pytest.raises(ContractError):
        concentration([("a", 0)])


def test_behaviour_and_warnings():
    none = np.nan
    late = np.array([[none, 0, 0, 5, 0, 0], [0, 0, 0, 0, 0, 12], [0, 3, 0, 40, 0, 0]])
    money = np.array([[100.0] * 6, [100.0] * 3 + [0.0] * 3, [100.0] * 6])
    wage = np.array([[100.0] * 6, [100.0] * 3 + [0.0] * 3, [100.0] * 3 + [0.0] * 3])
    found = inputs(late, [4, 9, 9], [0.2, 0.5, 0.5], money, wage, [50, 50, 80])
    assert found["worst_12m"].tolist() == [5, 12, 40]
    assert found["months_since_late"].tolist() == [2, 0, 2]
    assert found["months_without_salary"].tolist() == [0, 3, 3]
    assert found["inflow_to_due"].tolist() == [2, 0, 1.25]
    codes = warnings(found, Signals())
    assert codes == [[], [], ["NO_SALARY", "THIN_COVER", "LATE_AGAIN"]]


def test_a_calendar_of_stability():
    random = np.random.default_rng(0)
    old = {"score": random.normal(600, 50, 4000)}
    months = [
        ("2025-01", {"score": random.normal(600, 50, 2000)}),
        ("2025-02", {"score": random.normal(560, 50, 2000)}),
        ("2025-03", {"score": random.normal(600, 50, 20)}),
    ]
    found = calendar(old, months)
    assert [(m.month, m.light) for m in found] == [("2025-01", "green"), ("2025-02", "red")]


def test_uplift_is_what_chance_shows():
    cases = [Outcome("30", "call", x) for x in (0.6, 0.8)]
    cases += [Outcome("30", "", x) for x in (0.2, 0.4)] + [Outcome("90", "call", 1.0)] * 5
    found = uplift(cases, ["call", "letter"])
    assert list(found) == ["30"]
    assert found["30"]["call"].value == pytest.approx(0.4)
    # Variances 0.02 of two cases each: the error is sqrt(0.02 / 2 + 0.02 / 2) = 0.1414.
    assert found["30"]["call"].low == pytest.approx(0.4 - 1.959964 * 0.02**0.5)


def brute(cases, actions, lift):
    best = 0
    for choice in product([None, *actions], repeat=len(cases)):
        people = [c.customer for c, a in zip(cases, choice, strict=True) if a]
        used = {a.name: sum(b is a for b in choice) for a in actions}
        if len(set(people)) < len(people) or any(
            a.capacity is not None and used[a.name] > a.capacity for a in actions
        ):
            continue
        if any(a and a.name in c.barred for c, a in zip(cases, choice, strict=True)):
            continue
        best = max(
            best,
            sum(
                round(c.late * lift[c.stratum][a.name]) - a.cost
                for c, a in zip(cases, choice, strict=True)
                if a
            ),
        )
    return best


def test_a_plan_is_the_best_there_is():
    random = np.random.default_rng(8)
    actions = [Action("call", 300, 2), Action("visit", 1500, 1), Action("message", 10)]
    for _ in range(25):
        lift = {
            s: {a.name: float(random.uniform(-0.02, 0.3)) for a in actions} for s in ("30", "60")
        }
        cases = [
            Late(
                f"l{n}", f"c{random.integers(0, 4)}", int(random.integers(100, 60_000)),
                str(random.choice(["30", "60"])),
                frozenset({"call"} if random.random() < 0.2 else ()),
            )
            for n in range(5)
        ]  # fmt: skip
        found = plan(cases, actions, lift)
        assert sum(p.gain for p in found) == brute(cases, actions, lift)
        assert len({p.customer for p in found}) == len(found)
        assert sum(p.action == "call" for p in found) <= 2
        assert all(p.gain > 0 for p in found)
    assert plan([], actions, {}) == []
    with pytest.raises(ContractError):
        plan([], [Action("a", 1), Action("a", 2)], {})


def test_promises():
    made, by = date(2025, 5, 1), date(2025, 5, 10)
    paid = [(date(2025, 4, 30), 900), (date(2025, 5, 5), 60), (date(2025, 5, 13), 40)]
    assert kept(100, by, paid, made)
    assert not kept(100, by, paid, made, grace=2)
    assert not kept(101, by, paid, made)
