# SPDX-License-Identifier: Apache-2.0
"""Running loans without a project: what is drawn, learned, measured and added up."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heptad.analysis.loans.collecting import Action, Late
from heptad.analysis.loans.ledger import Book, Step
from heptad.analysis.loans.recoveries import Flow, Workout
from heptad.analysis.loans.schedules import Terms
from heptad.apps.credit import app
from heptad.apps.credit.running import rules
from heptad.apps.credit.running.books import Held
from heptad.apps.credit.running.calling import _payments, _rows, learned
from heptad.apps.credit.running.figures import figures
from heptad.apps.credit.running.scoring import known_by, split
from heptad.apps.credit.running.servicing import close, hazards, month_ends
from heptad.apps.credit.running.tables import LoanEvent
from heptad.apps.credit.running.workouts import measured
from heptad.standards.model import Loan
from heptad.standards.time import parse_instant


def test_the_page_for_people_says_what_jobs_read():
    text = (Path(__file__).parents[2] / "docs/how-to/watch-a-loan.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `credit\.(\w+)` \| (.*?) \|", text, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", reads)) for name, reads in lines}
    assert told == {job.name: {t.__name__ for t in job.reads} for job in app.jobs}


def test_hazards_are_first_passages():
    matrix = np.zeros((7, 7))
    matrix[0, [0, 1]] = 0.9, 0.1
    matrix[1, [0, 2]] = 0.5, 0.5
    matrix[2, 3] = matrix[3, 4] = 1
    matrix[[4, 5, 6], [4, 5, 6]] = 1
    found = hazards(matrix, 5)
    assert found[3, 0] == 1
    assert found[2].tolist()[:2] == [0, 1]
    # Current to 91+ takes four months: 0.1 × 0.5 × 1 × 1, and one more way in the fifth.
    assert found[0, :4].tolist() == pytest.approx([0, 0, 0, 0.05])
    assert found[0, 4] == pytest.approx(0.9 * 0.05 / 0.95)


def test_what_was_drawn_is_learned_from():
    rows, paid = [], {}
    for n in range(80):
        loan, called = f"l{n}", n % 2 == 0
        rows.append({"loan": loan, "event_time": parse_instant("2026-01-01T00:00:00Z"), "drawn": True,
                     "late": 100, "action": "call" if called else "nothing"})  # fmt: skip
        paid[loan] = [(date(2026, 1, 20), 60 if called else 20)]
    assert learned(rows, paid, date(2026, 1, 15)) == rules.LIFT
    found = learned(rows, paid, date(2026, 3, 1))
    assert {b: found[b]["call"] for b in found} == dict.fromkeys(rules.LIFT, pytest.approx(0.4))
    assert found["1-30"]["letter"] == rules.LIFT["1-30"]["letter"]


def test_months_that_are_over():
    assert month_ends(date(2025, 11, 30), date(2026, 1, 30)) == [
        date(2025, 11, 30),
        date(2025, 12, 31),
    ]
    assert month_ends(date(2026, 1, 5), date(2026, 1, 30)) == [date(2026, 1, 30)]


def held(*steps: Step) -> Held:
    terms = Terms(1000, 0, 10, date(2026, 1, 1))
    book = Book(terms, terms.start, date(2026, 12, 31), [], steps=list(steps))
    return Held("l", "c", "EUR", "", 1000, 0, 10, terms.start, book)


def test_promises_are_kept_by_money_and_by_nothing_else():
    """Interest alone is money, although no principal falls; a write-off is none."""

    def step(month: int, cash: int, balance: int, status: str = "running") -> Step:
        return Step(date(2026, month, 1), None, 0, balance, balance, cash, status)

    paid = _payments(held(step(2, 0, 1000), step(3, 40, 1000), step(4, 40, 0, "written off")))
    assert paid == [(date(2026, 3, 1), 40)]


def cases(n: int) -> list[Late]:
    """Late loans, of which every third shares its customer with the one before; some barred."""
    names = frozenset(a.name for a in rules.ACTIONS)
    return [
        Late(f"l{i}", f"c{i - (i % 3 == 2)}", 10_000 + 7 * i, "1-30", names if i % 11 == 0 else frozenset())
        for i in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize("n", [3, 60, 1500])
def test_what_is_drawn_keeps_to_capacity_and_customers_and_says_how_likely_it_was(n, monkeypatch):
    actions = (Action("call", 600, 5), Action("letter", 150, 200), Action("message", 5))
    monkeypatch.setattr(rules, "ACTIONS", actions)
    late, told, days = cases(n), {}, 120 if n < 100 else 6
    rows = [{"currency": "EUR"}] * n
    for at in range(days):
        made = _rows(rows, late, rules.LIFT, date(2026, 1, 1) + timedelta(days=at))
        acted = [r["customer"] for r in made if r["action"] != "nothing"]
        assert len(acted) == len(set(acted))
        assert sum(r["action"] == "call" for r in made) <= 5
        for r, case in zip(made, late, strict=True):
            assert not (case.barred and (r["drawn"] or r["action"] != "nothing"))
            if r["drawn"]:
                told.setdefault(r["propensity"], []).append(r["action"])
    (propensity,) = told
    drawn, people = told[propensity], len({c.customer for c in late if not c.barred})
    assert propensity <= 1e6 * rules.EXPLORED / 4
    expected = 4 * propensity / 1e6 * people * days
    assert len(drawn) == pytest.approx(expected, abs=4 * expected**0.5)
    share = [drawn.count(name) / len(drawn) for name in ("nothing", "call", "letter", "message")]
    assert share == pytest.approx([0.25] * 4, abs=3 / len(drawn) ** 0.5)


def test_months_that_a_card_is_measured_on_are_none_that_it_learned_of():
    ends = month_ends(date(2023, 1, 1), date(2024, 12, 31))
    learned, measured = split(ends)
    assert measured == ends[17:]
    assert learned == ends[:12]  # to 31 December 2023: 180 days later is 28 June 2024
    assert known_by(learned[-1]) <= measured[0] < known_by(ends[12])
    assert split(ends[:1]) == ([], [])


def test_a_share_lost_is_measured_when_there_are_enough_own_defaults():
    def young(watched: int) -> Workout:
        return Workout(1000, 0.0, watched, (Flow(40, 300), Flow(200, 200)))

    few = measured([young(24)] * 29 + [young(11)] * 50)
    assert (few.own, few.cases, few.by_scenario.tolist()) == (False, 79, rules.LGD.tolist())
    enough = measured([young(24)] * 30 + [young(11)] * 50)
    assert (enough.own, enough.watched, enough.realised) == (True, 30, 0.5)
    # Half is lost of all; of what two months have left, 5 of 7; of what seven months have left, all.
    shares = enough.by_scenario[0, [0, 1, 2, 7, 24]].tolist()
    assert shares == pytest.approx([0.5, 0.5, 5 / 7, 1, 1])
    assert enough.by_scenario[:, 0].tolist() == pytest.approx([0.5, 0.45, 0.6])


def a_book(*groups: tuple[int, str, str]) -> Any:
    """Rows of loans of 1200 over twelve months without interest: (how many, start, currency).

    Those of 2024 are paid for a month, then 120 ten months after that, and nothing else; of the
    others all is paid that fell due up to 1 March 2026.
    """
    rows: dict[type, list[dict[str, Any]]] = {Loan: [], LoanEvent: []}
    for group, (n, start, currency) in enumerate(groups):
        for i in range(n):
            loan = f"{group}-{i}"
            rows[Loan].append(
                {"id": loan, "event_time": parse_instant(f"{start}T09:00:00Z"), "customer": loan,
                 "amount": 120_000, "currency": currency, "rate": 0, "term": 12, "status": "running",
                 "purpose": None}
            )  # fmt: skip
            paid = [("2024-02-01", 10_000), ("2024-12-01", 12_000)]
            if start > "2025":
                paid = [("2026-02-01", 10_000), ("2026-03-01", 10_000)]
            for k, (day, amount) in enumerate(paid):
                rows[LoanEvent].append(
                    {"id": f"{loan}-{k}", "event_time": parse_instant(f"{day}T09:00:00Z"),
                     "loan": loan, "kind": "payment", "amount": amount, "of": None}
                )  # fmt: skip
    return lambda table, *_, **how: rows.get(table, [])


def test_what_own_defaults_lost_reaches_expected_loss():
    on = date(2026, 3, 10)
    few = close(a_book((29, "2024-01-01", "EUR"), (10, "2026-01-01", "EUR")), on)
    enough = close(a_book((30, "2024-01-01", "EUR"), (10, "2026-01-01", "EUR")), on)
    assert not few.share.own
    assert enough.share.own
    # 1100 were owed at default on 1 June 2024, 120 came 183 days later, and nothing since.
    lost = 1 - 12 / 110
    assert enough.share.realised == pytest.approx(lost)
    assert enough.scenarios.lgd[:, 0] == pytest.approx([lost, lost - 0.05, lost + 0.1])
    old = [n for n, h in enumerate(enough.held) if h.started.year == 2024]
    new = [n for n, h in enumerate(enough.held) if h.started.year == 2026]
    # In default for 21 months, when nothing came any more: all that is owed is lost, better or worse.
    assert {int(enough.exposures.segment[n]) for n in old} == {21}
    assert {int(enough.loss.booked[n]) for n in old} == {round(98_000 * (0.5 + 0.2 * 0.95 + 0.3))}
    assumed = {int(few.loss.booked[n]) for n, h in enumerate(few.held) if h.started.year == 2024}
    assert assumed == {round(98_000 * float(rules.WEIGHTS @ rules.LGD[:, 0]))}
    assert min(enough.loss.booked[n] for n in new) > 0
    told = {(r["report"], r["series"], r["at"]): r for r in figures(enough, {}, "")}
    assert told["lgd", "loss share, own defaults", "base"]["value"] == round(lost * 1e6)
    assert told["recovery", "came back", "006"]["value"] == 0
    assert told["recovery", "came back", "007"]["value"] == round(12 / 110 * 1e6)
    assert ("lgd", "loss share, assumed", "base") in {
        (r["report"], r["series"], r["at"]) for r in figures(few, {}, "")
    }


def test_money_of_other_currencies_is_not_added_to_figures():
    on = date(2026, 3, 10)
    closed = close(a_book((6, "2026-01-01", "EUR"), (5, "2026-01-01", "JPY")), on)
    assert closed.currency == "EUR"
    mine = [n for n, h in enumerate(closed.held) if h.currency == "EUR"]
    owed = sum(closed.now[n].balance for n in mine) / 100
    loss = sum(int(closed.loss.booked[n]) for n in mine) / 100
    found: dict[str, dict[tuple[str, str], float]] = {}
    for r in figures(closed, {"0-0": (1, 110_000, 500)}, ""):
        found.setdefault(r["report"], {})[r["series"], r["at"]] = r["value"] / 1e6
        if r["report"] in ("scenario", "stress", "bridge"):
            assert r["n"] == 6
    assert owed == 6 * 1000
    assert sum(v for (s, _), v in found["stage"].items() if s == "balance") == owed
    certain = [found["scenario"]["loss if certain", name] for name in rules.SCENARIOS]
    assert float(rules.WEIGHTS @ certain) == pytest.approx(loss, abs=0.06)
    assert found["stress"]["loss", "0.0"] == pytest.approx(loss)
    steps = sorted((at, v) for (_, at), v in found["bridge"].items())
    assert steps[0][1] == 5
    assert steps[-1][1] == pytest.approx(loss)
    assert sum(v for _, v in steps[:-1]) == pytest.approx(loss)
    # Owed at the end of January by what stood so at the end of February.
    assert int(closed.counted.moved.sum()) == 6 * 120_000


def test_a_reverse_stress_finds_the_shift_that_could_not_be_borne(monkeypatch):
    closed = close(a_book((30, "2026-01-01", "EUR")), date(2026, 3, 10))

    def told() -> dict[tuple[str, str], float]:
        rows = figures(closed, {}, "")
        return {(r["series"], r["at"]): r["value"] / 1e6 for r in rows if r["report"] == "stress"}

    loss = told()
    owed = sum(s.balance for s in closed.now) / 100
    monkeypatch.setattr(rules, "BEARABLE", (loss["loss", "0.5"] + loss["loss", "1.0"]) / 2 / owed)
    place = f"{rules.BEARABLE:.0%} of what is owed"
    assert told()["reached by a shift of", place] == pytest.approx(0.75, abs=0.01)
    monkeypatch.setattr(rules, "BEARABLE", 1.0)
    assert ("reached by a shift of", "100% of what is owed") not in told()
