# SPDX-License-Identifier: Apache-2.0
"""Loans while they run, on a simulated bank: what is published, and what a correction re-states."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from heptad.apps.credit.running import rules
from heptad.apps.credit.running.conduct import read_flows
from heptad.apps.credit.running.rows import asking
from heptad.service.reads.reads import Reads
from heptad.sources.bank.sample import sample
from heptad.standards.model import Loan, Repayment
from heptad.standards.time import day, format_instant, parse_instant
from heptad.terminal.commands.schedule import run_again
from heptad.testing.scratch import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

pytestmark = pytest.mark.slow
DAY, BEFORE = "2027-01-20", "2027-01-05"
TABLES = ("LoanApplication", "Loan", "Repayment", "Transfer", "Customer", "Account", "Payment")
SINKS = [
    {
        "id": f"sink {n}", "event_time": "2026-01-01T00:00:00Z", "list": rules.FORBIDDEN,
        "kind": "deny", "until": "2099-01-01T00:00:00Z", "account": f"K{n:09d}",
    }
    for n in range(12)
]  # fmt: skip


@pytest.fixture(scope="module")
def bank() -> Iterator[Platform]:
    """A bank of 120 customers after a year, with the day closed."""
    rows = sample(7, TABLES, customers=120, days=390)
    seen: set[Any] = set()
    later = [r for r in rows[Repayment] if r["id"] in seen or seen.add(r["id"])]
    again = {id(r) for r in later}
    rows[Repayment] = [r for r in rows[Repayment] if id(r) not in again]
    with project(rows) as platform:
        platform.store("Repayment", later)
        platform.store("Listing", SINKS)
        platform.truth = rows  # type: ignore[attr-defined]
        for job in ("loans", "funds", "collections"):
            assert platform.work.jobs.run(f"credit.{job}", DAY).finished
        yield platform


def published(platform: Platform, table: str, on: str = DAY) -> dict[str, dict[str, Any]]:
    rows = platform.read(table).to_pylist()
    return {
        r["id"]: r
        for r in rows
        if r["event_time"] // day == parse_instant(on + "T00:00:00Z") // day
    }


def test_conduct_reads_the_twelve_months_that_it_looks_at_and_no_more(bank):
    on = date.fromisoformat(DAY)
    with asking(bank, "test", on) as ask:
        near, far = read_flows(ask, on), read_flows(ask, on - timedelta(days=900))
    assert sum(len(f.days) for f in near.values()) < sum(len(f.days) for f in far.values())
    assert any(f.months(on).any() for f in near.values())
    for customer, flow in far.items():
        told = near[customer].months(on) if customer in near else np.zeros((2, 12))
        assert (told == flow.months(on)).all()


def test_each_loan_stands_where_the_bank_says(bank):
    stands = {r["loan"]: r for r in published(bank, "LoanDay").values()}
    last: dict[str, str] = {}
    for row in bank.truth[Loan]:
        if row["event_time"] < DAY:
            last[row["id"]] = row["status"]
    assert {loan for loan, r in stands.items() if r["default"]} == {
        loan for loan, status in last.items() if status == "defaulted"
    }
    assert stands.keys() == {loan for loan, status in last.items() if status != "repaid"}
    for r in stands.values():
        assert r["late"] == 0 or r["days_late"] > 0
        assert r["stage"] == 3 or not r["default"]
        assert 0 <= r["loss_year"] <= r["loss_lifetime"] <= r["balance"]
        assert r["loss"] == {1: r["loss_year"], 2: r["loss_lifetime"]}.get(r["stage"], r["loss"])


def test_figures_add_up(bank):
    found: dict[str, dict[tuple[str, str], float]] = {}
    for r in published(bank, "LoanFigure").values():
        found.setdefault(r["report"], {})[r["series"], r["at"]] = r["value"] / 1e6
        assert "Repayment@" in r["evidence"]
    days = published(bank, "LoanDay").values()
    loss = sum(v for (series, _), v in found["stage"].items() if series == "loss")
    assert loss == pytest.approx(sum(r["loss"] for r in days) / 100)
    steps = sorted((at, v) for (_, at), v in found["bridge"].items())
    assert sum(v for _, v in steps[:-1]) == pytest.approx(steps[-1][1])
    weighted = found["scenario"]
    certain = [weighted["loss if certain", name] for name in rules.SCENARIOS]
    assert float(rules.WEIGHTS @ certain) == pytest.approx(loss, abs=1)
    stress = [found["stress"]["loss", f"{s:.1f}"] for s in rules.STRESSES]
    assert stress == sorted(stress)
    assert stress[0] == pytest.approx(loss)
    for bucket in {series for series, _ in found["moves"]}:
        row = [v for (series, _), v in found["moves"].items() if series == bucket]
        assert sum(row) == pytest.approx(1, abs=1e-5)


def test_diverted_loans_are_found_with_the_path(bank):
    rows = published(bank, "FundsUse")
    by_truth = {r["customer"] for r in bank.truth[_named(bank, "Transfer")] if _to_sink(r)}
    recent = {r["customer"] for r in rows.values()}
    assert {r["customer"] for r in rows.values() if r["diverted"]} == by_truth & recent
    for r in rows.values():
        parts = ("purpose", "forbidden", "elsewhere", "lender", "unseen", "held")
        assert sum(r[name] for name in parts) == r["lent"]
        assert not r["diverted"] or "→ K0000000" in r["path"]
    assert {r["method"] for r in rows.values()} == {"fifo", "proportional"}


def _named(platform, name):
    return platform.table(name)


def _to_sink(row):
    return row.get("counterparty", "").startswith("K") and "2026-10-20" < row["event_time"] < DAY


def test_the_plan_keeps_to_capacity_and_goes_through_the_outbox(bank):
    rows = published(bank, "CollectionAction").values()
    late = [r for r in published(bank, "LoanDay").values() if r["days_late"]]
    assert {r["loan"] for r in rows} == {r["loan"] for r in late}
    for action in rules.ACTIONS:
        used = [r for r in rows if r["action"] == action.name]
        assert action.capacity is None or len(used) <= action.capacity
    acted = [r["customer"] for r in rows if r["action"] != "nothing"]
    assert len(acted) == len(set(acted))
    written = {r["message"] for r in rows if r["action"] in ("message", "letter")}
    assert written == {m.id for m in bank.work.outbox.recent(app="credit", limit=500)}
    for r in rows:
        assert r["drawn"] or r["action"] == "nothing" or r["gain"] > 0


@pytest.mark.parametrize("job", ["loans", "funds", "collections"])
def test_a_job_done_again_changes_nothing(bank, job):
    tables = ("LoanDay", "LoanFigure", "FundsUse", "CollectionAction")
    versions = {t: bank.lake.version(t) for t in tables}
    result = bank.work.jobs.run(f"credit.{job}", DAY, "once more").result
    assert result["written"] == result["gone"] == 0
    assert {t: bank.lake.version(t) for t in tables} == versions


def test_a_correction_restates_exactly_what_it_touches(bank):
    """An instalment that was thought to be paid was not: its loan, on the days that saw it."""
    bank.work.jobs.run("credit.loans", BEFORE)
    paid = [r for r in bank.read("Repayment").to_pylist() if r["paid"] and not r["days_late"]]
    days = published(bank, "LoanDay")
    calm = {r["loan"] for r in days.values() if r["stage"] == 1 and not r["days_late"]}
    # The latest instalment before one day and after the other.
    edge, end = (parse_instant(on + "T23:59:59Z") for on in (BEFORE, "2027-01-18"))
    row = max(
        (r for r in paid if r["loan"] in calm and r["event_time"] < end),
        key=lambda r: r["event_time"],
    )
    assert row["event_time"] > edge
    before = {on: published(bank, "LoanDay", on) for on in (BEFORE, DAY)}
    as_known = bank.clock.now()
    bank.clock.set(as_known + day)
    wrong = {
        "id": row["id"], "event_time": format_instant(row["event_time"]), "loan": row["loan"],
        "customer": row["customer"], "due": f"{row['due'] / 100:.2f}", "paid": "0.00",
        "currency": "EUR",
    }  # fmt: skip
    load = bank.store("Repayment", [wrong]).load
    told = run_again(bank, "Repayment.paid", load, do=True)
    assert {(r["job"], r["date"]) for r in told["runs"]} >= {
        ("credit.loans", DAY),
        ("credit.loans", BEFORE),
    }
    after = {on: published(bank, "LoanDay", on) for on in (BEFORE, DAY)}
    assert after[BEFORE] == before[BEFORE]
    changed = {k for k, r in after[DAY].items() if r != before[DAY][k]}
    assert changed == {f"{row['loan']}@{DAY}"}
    (now,) = (after[DAY][k] for k in changed)
    assert now["late"] == row["due"]
    # What was published then is still what was published then.
    then = bank.read("LoanDay", k=as_known).to_pylist()
    assert {r["id"]: r for r in then if r["id"] in before[DAY]} == before[DAY]


def test_the_book_of_a_loan_is_run_from_its_events(bank):
    customer, loan = "C00000001", "by hand"
    at = "2026-06-01T00:00:00Z"
    bank.store(
        "Loan",
        [{"id": loan, "event_time": at, "customer": customer, "amount": "1200.00", "rate": "0",
          "currency": "EUR", "term": 12, "status": "running"}],
    )  # fmt: skip

    def event(n: int, on: str, kind: str, amount: str = "0", **more: Any) -> dict[str, Any]:
        return {"id": f"{loan} {n}", "event_time": f"{on}T09:00:00Z", "loan": loan,
                "customer": customer, "kind": kind, "amount": amount, "currency": "EUR"} | more  # fmt: skip

    bank.store(
        "LoanEvent",
        [
            event(1, "2026-07-01", "payment", "100"),
            event(2, "2026-08-01", "payment", "60"),
            event(3, "2026-09-15", "restructure", rate="0.12", term=10, first_due="2026-12-15",
                  form="linear"),
        ],
    )  # fmt: skip
    bank.work.jobs.run("credit.loans", "2026-09-14")
    bank.work.jobs.run("credit.loans", "2026-12-20")
    before = published(bank, "LoanDay", "2026-09-14")[f"{loan}@2026-09-14"]
    # 40 of August and all of September are late: 44 days since 1 August.
    assert (before["late"], before["days_late"], before["bucket"]) == (14_000, 44, "31-60")
    after = published(bank, "LoanDay", "2026-12-20")[f"{loan}@2026-12-20"]
    # 1040.00 run on; 104.00 and three months' interest at 12 % fell due on 15 December.
    assert (after["late"], after["days_late"]) == (10_400 + 3_120, 5)
    assert after["watched"]
    assert after["stage"] == 2


def test_a_behaviour_score_is_learned_of_the_past_and_told_of_today(bank, monkeypatch):
    from heptad.apps.credit.running import scoring

    told = scoring.score_day(bank, DAY)
    assert told["scored"] == 0  # too few defaults to learn anything
    monkeypatch.setattr(scoring, "LEAST", 1)
    told = scoring.score_day(bank, DAY)
    scores = published(bank, "BehaviourScore")
    sound = {r["loan"] for r in published(bank, "LoanDay").values() if not r["default"]}
    assert {r["loan"] for r in scores.values()} - {"by hand"} == sound
    assert told["scored"] == told["written"] == len(scores)
    ranked = sorted(scores.values(), key=lambda r: r["points"])
    assert ranked[0]["probability"] >= ranked[-1]["probability"]
    assert scoring.score_day(bank, DAY)["written"] == 0


def test_default_rates_are_linked_to_the_economy(bank):
    rows = [
        {"id": f"jobless-{n}", "event_time": f"2026-{n:02d}-28T00:00:00Z", "series": "jobless",
         "value": f"{4 + n % 5}"}
        for n in range(1, 13)
    ]  # fmt: skip
    bank.store("Macro", rows)
    bank.work.jobs.run("credit.loans", DAY, "with the economy")
    told = [r for r in published(bank, "LoanFigure").values() if r["report"] == "economy"]
    found = {(r["series"], r["at"]): r["value"] / 1e6 for r in told}
    assert 0 <= found["explained", "all series"] <= 1
    loss = sum(r["loss"] for r in published(bank, "LoanDay").values()) / 100
    weight = found["log-odds for one deviation", "jobless"]
    assert (found["loss", "one deviation worse"] > loss) == (weight != 0)


def test_pages_show_the_day(bank):
    from heptad.terminal.commands import run

    def shown(path: str, about: str = "") -> dict[str, Any]:
        page = run(bank, "apps.page", {"name": "credit", "path": path, "about": about})
        assert all(b["problem"] is None for b in page["blocks"])
        return {b["title"]: b["data"] for b in page["blocks"]}

    book = shown("book")
    names = {s["name"] for s in book["Vintages: ever more than 30 days late"]["series"]}
    assert "2026-03" in names
    assert book["Loans"]["value"] > 50
    assert shown("funds")["Diverted"]["value"] >= 1
    some = next(r["loan"] for r in published(bank, "CollectionAction").values())
    life = shown("loan", some)
    assert [len(life[part]) > 0 for part in ("Asked for", "Lent", "Instalments")] == [True] * 3
    assert {r["loan"] for r in life["What was done"]} == {some}
    assert life["Decided"] == []
    (asked,) = (r["id"] for r in life["Asked for"])
    other = max(bank.read("LoanApplication")["id"].to_pylist())
    made = {d.public["row_key"]: d for d in bank.decide("credit", keys=[asked, other])}
    (told,) = shown("loan", some)["Decided"]
    assert (told["id"], told["on"]) == (made[asked].public["id"], f"LoanApplication {asked}")
    assert told["why"]


@pytest.mark.parametrize("job", ["loans", "behaviour", "funds", "collections", "exposure"])
def test_a_job_names_all_that_it_reads(bank, job, monkeypatch):
    """What is not named would not be made again after a correction."""
    read: set[str] = set()
    stored = Reads.stored

    def noting(self: Reads, table: Any, *more: Any, **how: Any) -> Any:
        read.add(table.__name__)
        return stored(self, table, *more, **how)

    monkeypatch.setattr(Reads, "stored", noting)
    assert bank.work.jobs.run(f"credit.{job}", DAY, "once more, watched").finished
    (declared,) = (j for j in bank.app("credit").jobs if j.name == job)
    published = {"LoanFigure", "FundsUse", "BehaviourScore", "Connected"}
    assert read - published == {table.__name__ for table in declared.reads}
