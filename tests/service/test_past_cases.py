# SPDX-License-Identifier: Apache-2.0
"""Cases told as they stood at an instant are what they were then."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from heptad.service.cases.case import Worker
from heptad.service.cases.past import past_case, past_cases, past_decisions
from heptad.service.schedule.calendars import Calendar
from heptad.standards.model import Customer, Merchant, Payment
from heptad.standards.time import day, format_instant, hour, parse_instant
from heptad.terminal.commands import run
from heptad.testing.scratch import project
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

ANN, BOB = Worker("ann", "risk"), Worker("bob", "risk")
START = parse_instant("2026-03-01T10:00:00Z")


def burst(n: int, start: int, who: str, device: str) -> list[dict[str, Any]]:
    """Payments within minutes of each other, the last of them held."""
    return [payment(start + k, customer=who, device=device, merchant="m1") for k in range(n)]


def merchant(name: str, since: str) -> dict[str, Any]:
    """What a merchant was called from an instant on."""
    return {"id": "m1", "event_time": since, "name": name}


def snapshot(bank: Platform) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Return every case as it stands, with the decisions that it is about."""
    cases = bank.work.cases
    plain = {c.id: asdict(c) for c in cases.page(limit=500)}
    ids = {name: set(cases.decisions(cases.get(name))) for name in plain}
    for name, case in plain.items():
        # A case that became one with another keeps its keys, and is about nothing any more.
        merged = case["outcome"] == "merged"
        case.update({"keys": []} if merged else {"keys": cases.keys(cases.get(name)), "resumed": 0})
    return {name: (case, sorted(ids[name])) for name, case in plain.items()}


@pytest.fixture(scope="module")
def worked() -> Iterator[tuple[Platform, dict[int, Any]]]:
    """Two cases that become one, worked on step by step, with what stood after each step."""
    seen: dict[int, Any] = {}
    named = [merchant("Old Mill", "2026-01-01T00:00:00Z")]
    people = [customer(n) for n in (1, 2)]
    with project({Customer: people, Merchant: named, Payment: []}) as bank:
        cases, calendars = bank.work.cases, bank.work.calendars

        def renewed() -> None:
            calendars.get = lambda *_: Calendar(version="2")
            cases.escalate()

        def renamed() -> None:
            bank.store("Merchant", [merchant("New Mill", "2026-03-01T10:00:00Z")])

        def step(at: int, do: Any) -> None:
            bank.clock.set(START + at)
            do()
            bank.work.settle()
            seen[bank.clock.now()] = snapshot(bank)

        def case(who: str) -> str:
            return next(c.id for c in cases.page(subject=f"Customer:{who}"))

        step(5 * 60_000_000, lambda: bank.accept("Payment", burst(5, 0, "c1", "d1")))
        step(hour, lambda: bank.accept("Payment", burst(4, 55, "c2", "d2")))
        step(hour + 1, lambda: cases.assign(case("c1"), "ann", ANN))
        step(hour + 2, lambda: cases.note(case("c1"), "called the customer", ANN))
        step(hour + 3, lambda: cases.propose(case("c1"), "genuine", "was travelling", ANN))
        step(hour + 4, lambda: cases.reject(case("c1"), "ask again", BOB))
        step(hour + 5, lambda: cases.propose(case("c1"), "genuine", "was travelling", ANN))
        step(2 * hour, lambda: bank.accept("Payment", burst(5, 120, "c2", "d1")))
        step(3 * hour, renamed)
        step(9 * day, renewed)
        step(9 * day + 1, lambda: cases.propose(case("c1"), "fraud", "all of one ring", ANN))
        yield bank, seen


def test_each_case_is_told_as_it_stood_after_every_step(worked) -> None:
    bank, seen = worked
    cases = bank.work.cases
    assert {c["status"] for s in seen.values() for c, _ in s.values()} == {
        "open", "working", "waiting", "closed"}  # fmt: skip
    assert any(c["outcome"] == "merged" for c, _ in seen[max(seen)].values())
    for at, stood in seen.items():
        then = {c.id: asdict(c) for c in past_cases(cases, at)}
        for name, case in then.items():
            shown = run(bank, "cases.show", {"case": name, "t": format_instant(at)})
            case["keys"] = [] if case["outcome"] == "merged" else shown["keys"]
        assert then == {name: case for name, (case, _) in stood.items()}
        for name, (case, decisions) in stood.items():
            if case["outcome"] != "merged":
                found = past_decisions(cases, cases.get(name), at)
                assert sorted(found) == decisions
    assert past_case(cases, next(iter(stood)), START - 1) is None


def test_lists_and_a_case_are_read_as_of_an_instant(worked) -> None:
    bank, seen = worked
    waiting = next(at for at, s in seen.items() if any(c["proposed"] for c, _ in s.values()))
    text = "2026-03-01T11:00:00.000003Z"
    assert waiting == parse_instant(text)
    listed = run(bank, "cases.list", {"t": text, "app": "fraud"})
    assert listed["now"] == text
    assert {c["status"]: c["n"] for c in listed["counts"]} == {"open": 1, "waiting": 1}
    (one,) = [c for c in listed["cases"] if c["status"] == "waiting"]
    whole = run(bank, "cases.show", {"case": one["case"], "t": text})
    assert [e["action"] for e in whole["events"]][-1] == "propose"
    assert whole["revision"] == len(whole["events"])
    around = run(bank, "cases.around", {"case": one["case"], "t": text})
    assert {e["who"] for e in around["events"]} == {"c1"}
    assert {e["name"] for e in around["events"]} == {"Old Mill"}
    later = run(bank, "cases.around", {"case": one["case"]})
    assert {e["who"] for e in later["events"]} == {"c1", "c2"}
    assert {e["name"] for e in later["events"]} == {"New Mill"}


def test_a_list_of_the_past_reads_the_steps_once(worked, monkeypatch) -> None:
    bank, seen = worked
    cases, asked = bank.work.cases, []
    expected = {
        c.id: len(past_decisions(cases, c, max(seen))) for c in past_cases(cases, max(seen))
    }
    for name in ("steps", "events", "get"):
        as_ever = getattr(cases, name)
        monkeypatch.setattr(
            cases,
            name,
            lambda *a, _do=as_ever, _name=name, **b: asked.append(_name) or _do(*a, **b),
        )
    listed = run(bank, "cases.list", {"t": format_instant(max(seen))})
    assert {c["case"]: c["alerts"] for c in listed["cases"]} == expected
    assert len(expected) > 1
    assert asked == ["steps"]


def test_the_past_of_some_cases_is_told_without_reading_the_steps_of_others(worked) -> None:
    bank, seen = worked
    at = next(iter(seen))
    mine = past_cases(bank.work.cases, at, subject="Customer:c1")
    assert [c.subject for c in mine] == ["Customer:c1"]
    spoilt = text("UPDATE case_events SET detail = '{' WHERE \"case\" != :mine")
    with bank.catalog.store.write() as connection:
        connection.execute(spoilt, {"mine": mine[0].number})
    last = max(seen)
    assert len(past_cases(bank.work.cases, last, subject="Customer:c1")) == 1
    with pytest.raises(ValueError, match="Expecting property name"):
        past_cases(bank.work.cases, last)
