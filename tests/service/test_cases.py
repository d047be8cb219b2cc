# SPDX-License-Identifier: Apache-2.0
"""Cases: held payments become matters that people close with four eyes, and that are learned from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.apps.fraud import app as fraud
from heptad.security.purposes import ROLES, may_act
from heptad.service.cases.case import Worker, keys_of, same_person
from heptad.service.cases.evidence import kind_of
from heptad.service.following import FOLLOWED
from heptad.standards.errors import Conflict, ContractError, HeptadError, Refused, UnknownName
from heptad.standards.model import Customer, Label, Payment
from heptad.standards.time import day, hour, parse_instant
from heptad.terminal.commands import run
from heptad.testing.scratch import project
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform
    from heptad.service.cases.case import Case

ANN, BOB = Worker("ann", "risk"), Worker("bob", "risk")
PDF = b"%PDF-1.7\n1 0 obj\n"


def burst(n: int, start: int, who: str = "c1", **more: Any) -> list[dict[str, Any]]:
    """Payments within minutes of each other: from the fourth on they are held."""
    return [payment(start + k, customer=who, **more) for k in range(n)]


@pytest.fixture
def bank() -> Iterator[Platform]:
    """Four payments in a burst, of which the last is held."""
    with project({Customer: [customer(n) for n in (1, 2, 3)], Payment: []}) as platform:
        platform.clock.set(parse_instant("2026-03-01T10:05:00Z"))
        platform.accept("Payment", burst(5, 0))
        platform.work.settle()
        yield platform


def only(platform: Platform, **which: Any) -> Case:
    (case,) = platform.work.cases.page(**which)
    return case


def test_held_payments_of_one_person_are_one_case_and_drawn_once(bank) -> None:
    case = only(bank)
    decisions = bank.work.cases.decisions(case)
    assert len(decisions) == 2
    assert (case.app, case.inbox, case.subject, case.status) == (
        "fraud", "held", "Customer:c1", "open")  # fmt: skip
    bank.work.settle()
    bank.catalog.settings.set(FOLLOWED, 0)
    bank.work.settle()
    assert bank.work.cases.decisions(only(bank)) == decisions
    letters = bank.work.outbox.recent(decision=decisions[0])
    assert [(m.letter, m.channel, m.status) for m in letters] == [("held", "inbox", "waiting")]
    assert "10.00 EUR" in bank.work.outbox.text(letters[0]).title


def test_old_events_open_no_case_and_are_not_written_about(bank) -> None:
    bank.clock.set(bank.clock.now() + 40 * day)
    bank.accept("Payment", burst(5, 30, who="c2"))
    bank.work.settle()
    assert len(bank.work.cases.page()) == 1
    assert bank.work.outbox.recent(subject="Customer:c2") == []


def test_a_ring_behind_one_device_is_one_case_and_a_link_makes_two_cases_one(bank) -> None:
    for n, (who, device) in enumerate([("c2", "d2"), ("c3", "d3")]):
        bank.clock.set(parse_instant("2026-03-01T11:00:00Z") + n * hour)
        bank.accept("Payment", burst(4, 60 + 60 * n - 5, who=who, device=device))
    bank.work.settle()
    cases = bank.work.cases
    assert len(cases.page(status="open")) == 3
    two = only(bank, subject="Customer:c2")
    bank.clock.set(parse_instant("2026-03-01T12:05:00Z"))
    bank.accept("Payment", burst(5, 120, who="c3", device="d2"))
    bank.work.settle()
    assert {c.subject for c in cases.page(status="open")} == {"Customer:c1", "Customer:c2"}
    merged = only(bank, subject="Customer:c3")
    assert (merged.status, merged.outcome) == ("closed", "merged")
    kept = cases.get(two.id)
    assert {"Customer:c2", "Customer:c3", "device:d2", "device:d3"} <= set(cases.keys(kept))
    assert len(cases.decisions(kept)) >= 3


class TestFourEyes:
    def test_nobody_agrees_with_themselves_and_every_step_is_recorded(self, bank):
        cases, case = bank.work.cases, only(bank)
        before = len(bank.access)
        cases.assign(case.id, "ann", ANN)
        cases.note(case.id, "I called the customer.", ANN)
        asked = cases.propose(case.id, "genuine", "She was travelling.", ANN)
        assert (asked.status, asked.proposed, asked.proposer) == ("waiting", "genuine", "ann")
        for same in ("ann", " Ann ", "ANN"):
            with pytest.raises(Refused, match="of their own"):
                cases.agree(case.id, asked.revision, Worker(same, "risk"))
        closed = cases.agree(case.id, asked.revision, BOB)
        assert (closed.status, closed.outcome, closed.closer) == ("closed", "genuine", "bob")
        actions = [e.record.action for e in bank.access.entries(limit=len(bank.access) - before)]
        assert list(reversed(actions)) == ["case.assign", "case.note", "case.propose",
                                           *["case.agree"] * 4]  # fmt: skip
        said = {e["action"]: e["text"] for e in cases.events(closed)}
        assert said["propose"] == "She was travelling."
        raw = b"".join(p.read_bytes() for p in bank.path.glob("catalog.sqlite*"))
        assert b"travelling" not in raw

    def test_what_changed_since_it_was_seen_is_not_agreed_to(self, bank):
        cases, case = bank.work.cases, only(bank)
        seen = cases.propose(case.id, "genuine", "She was travelling.", ANN)
        cases.note(case.id, "Something new.", ANN)
        with pytest.raises(Conflict, match="changed since"):
            cases.agree(case.id, seen.revision, BOB)
        bank.accept("Payment", burst(1, 5))
        bank.work.settle()
        again = cases.get(case.id)
        assert (again.status, again.proposed) == ("working", "")
        with pytest.raises(Conflict, match="Nothing is proposed"):
            cases.agree(case.id, again.revision, BOB)

    def test_who_may_not_act_for_the_purpose_does_nothing_and_that_is_recorded(self, bank):
        cases, case = bank.work.cases, only(bank)
        for role in ROLES:
            worker = Worker("eve", role)
            if role == "admin" or may_act(role, "fraud"):
                cases.note(case.id, f"By a {role}.", worker)
            else:
                with pytest.raises(Refused):
                    cases.note(case.id, f"By a {role}.", worker)
                assert bank.access.entries(limit=1)[0].record.result == "refused"
        with pytest.raises(Refused):
            cases.note(case.id, "By nobody.", Worker(" ", "risk"))


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["propose genuine", "propose fraud", "agree", "reject", "assign"]),
            st.sampled_from(["ann", "Ann ", "bob", "carla"]),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_no_order_of_steps_passes_around_four_eyes(shared, steps) -> None:
    """Whatever is tried, an override is closed by somebody else than whoever proposed it last."""
    cases, case = shared()
    proposer = ""
    for act, who, stale in steps:
        worker, now = Worker(who, "risk"), cases.get(case.id)
        try:
            if act.startswith("propose"):
                outcome = act.split()[1]
                cases.propose(case.id, outcome, "For a reason.", worker)
                proposer = who if outcome == "genuine" else proposer
            elif act == "agree":
                cases.agree(case.id, now.revision - stale, worker)
            elif act == "reject":
                cases.reject(case.id, "For a reason.", worker)
            else:
                cases.assign(case.id, who, worker)
        except HeptadError:
            assert cases.get(case.id).status == now.status
            continue
        after = cases.get(case.id)
        if after.status == "closed" and after.outcome == "genuine":
            assert not same_person(after.closer, proposer)
            assert act == "agree"
            assert not stale


@pytest.fixture(scope="module")
def shared():
    """Make a fresh case in a project that the examples share."""
    with project({Customer: [customer(n) for n in (1, 2, 3)], Payment: []}) as platform:
        platform.clock.set(parse_instant("2026-03-01T10:05:00Z"))
        platform.accept("Payment", burst(4, 0))
        (held,) = [e.decision for e in platform.log.entries() if e.decision.outcome == "hold"]
        made = iter(range(10_000))

        def fresh():
            n = next(made)
            other = replace(held, id=f"d{n}", subject=f"Customer:x{n}")
            name = platform.work.cases.alert(fraud, fraud.inboxes[0], other)
            return platform.work.cases, platform.work.cases.get(name)

        yield fresh


class TestResuming:
    def test_a_closed_case_is_a_decision_that_replays_and_a_label_known_from_now(self, bank):
        cases, case = bank.work.cases, only(bank)
        asked = cases.propose(case.id, "genuine", "She was travelling.", ANN)
        bank.clock.set(bank.clock.now() + hour)
        cases.agree(case.id, asked.revision, BOB)
        for _ in range(2):
            bank.work.settle()
        made = [e.decision for e in bank.log.entries()]
        firsts = [d for d in made if d.outcome == "hold"]
        seconds = [d for d in made if "case" in d.policy]
        assert [d.outcome for d in seconds] == ["approve"] * 2
        assert {d.id.partition("-")[0] for d in seconds} == {d.id for d in firsts}
        assert bank.explain(seconds[0].id)["reasons"][0]["sentence"] == (
            f"decided by a person, case {case.id}"
        )
        replay = bank.replay()
        assert replay.decided == replay.derived == {"identical": len(made)}
        labels = bank.read("Label", purpose="service").to_pylist()
        found = {(row["payment"], row["fraud"]) for row in labels}
        assert found == {("p3", False), ("p4", False)}
        known = bank.read("Label", k=case.opened, purpose="service")
        assert known.num_rows == 0
        assert bank.work.cases.unresumed() == []

    def test_killed_between_closing_and_resuming_it_is_resumed_once(self, bank, monkeypatch):
        cases, case = bank.work.cases, only(bank)
        cases.propose(case.id, "fraud", "Confirmed by phone.", ANN)
        store = bank.work._resuming._store

        def dies(*_: Any) -> None:
            raise KeyboardInterrupt

        bank.work._resuming._store = dies
        with pytest.raises(KeyboardInterrupt):
            bank.work.settle()
        assert [c.id for c in cases.unresumed()] == [case.id]
        bank.work._resuming._store = store
        bank.work.settle()
        bank.work.settle()
        made = [e.decision for e in bank.log.entries() if "case" in e.decision.policy]
        assert [d.outcome for d in made] == ["decline"] * 2
        assert bank.read("Label", purpose="service").num_rows == 2
        with pytest.raises(Conflict, match="closed"):
            cases.note(case.id, "Too late.", ANN)

    def test_what_a_case_cannot_come_to_is_refused(self, bank):
        cases, case = bank.work.cases, only(bank)
        with pytest.raises(ContractError, match="'approve'"):
            cases.propose(case.id, "approve", "Because.", ANN)
        with pytest.raises(ContractError, match="A reason"):
            cases.propose(case.id, "fraud", " ", ANN)
        with pytest.raises(UnknownName):
            cases.get("c0")


def test_late_cases_are_raised_once_each_time_they_are_late(bank) -> None:
    cases, case = bank.work.cases, only(bank)
    assert case.due == parse_instant("2026-03-01T14:05:00Z")
    assert cases.escalate() == []
    bank.clock.set(case.due)
    assert cases.escalate() == [case.id]
    assert cases.escalate() == []
    raised = cases.get(case.id)
    assert raised.level == 1
    assert raised.due > case.due
    assert cases.counts()[0]["late"] == 0


class TestDocuments:
    def test_a_document_is_checked_hashed_sealed_and_read_back(self, bank):
        work, case = bank.work, only(bank)
        for _ in range(2):
            made = work.evidence.attach(case, "passport.pdf", PDF, ANN)
        (held,) = work.evidence.of(case)
        assert (held["name"], held["kind"], held["size"]) == (
            "passport.pdf", "application/pdf", len(PDF))  # fmt: skip
        (file,) = (bank.path / "evidence").iterdir()
        assert PDF not in file.read_bytes()
        assert work.evidence.read(case, made["id"], ANN) == ("application/pdf", PDF)
        assert bank.erasing.uncovered() == []
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        with pytest.raises(Exception, match=r".*"):
            work.evidence.read(case, made["id"], ANN)
        with pytest.raises(UnknownName):
            work.evidence.read(case, "another", ANN)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.pdf", b""), ("a.pdf", b"MZ\x90\x00"), ("a.exe", PDF), ("a.txt", b"<html>"),
            ("a.csv", b"#!/bin/sh"), ("a.txt", b"a\x00b"), ("a.txt", b"\xff\xfe"),
            ("a.png", b"\xff\xd8\xff\xe0"), ("a.txt", b" \n<?xml version='1.0'?>"),
        ],
    )  # fmt: skip
    def test_what_is_no_document_is_refused(self, name, content):
        with pytest.raises(ContractError):
            kind_of(name, content)

    def test_what_is_one_is_told_by_its_content(self):
        assert kind_of("a.JPG", b"\xff\xd8\xff\xe0") == "image/jpeg"
        assert kind_of("a.csv", "Größe,1\n".encode()) == "text/plain"


def test_erasing_a_person_leaves_that_there_was_a_case_and_nothing_of_them(bank) -> None:
    work, case = bank.work, only(bank)
    work.cases.note(case.id, "She lives in Cuenca.", ANN)
    made = work.evidence.attach(case, "passport.pdf", PDF, ANN)
    held = {h["what"] for h in bank.erasing.show("c1")["held"]}
    assert {"cases", "documents", "messages"} <= held
    bank.erasing.erase(["c1"], "asked for", who="ann", role="admin")
    assert list((bank.path / "evidence").iterdir()) == []
    assert {e["text"] for e in work.cases.events(case)} == {""}
    assert [d["name"] for d in work.evidence.of(case)] == ["(erased)"]
    with pytest.raises(UnknownName):
        work.evidence.read(case, made["id"], ANN)
    assert [m.status for m in work.outbox.recent(subject="Customer:c1")] == ["cancelled"] * 2
    assert bank.erasing.uncovered() == []
    bank.work.settle()


def test_alerts_are_grouped_by_what_they_share(bank) -> None:
    held = next(e.decision for e in bank.log.entries() if e.decision.outcome == "hold")
    row = {**held.row, "device": "d1"}
    assert keys_of(fraud.inboxes[0], replace(held, row=row)) == ["Customer:c1", "device:d1"]
    assert Label.__name__ == "Label"


def test_what_lies_around_a_case_shows_who_else_uses_the_device_and_what_was_held(bank) -> None:
    bank.clock.set(parse_instant("2026-03-01T12:00:00Z"))
    bank.accept("Payment", [payment(200, customer="c3", device="d9"), payment(201, customer="c3")])
    bank.accept("Payment", burst(5, 100, who="c2", device="d9", merchant="m1"))
    bank.work.settle()
    case = only(bank, subject="Customer:c2")
    found = run(bank, "cases.around", {"case": case.id, "purpose": "fraud", "role": "risk"})
    (read,) = bank.access.entries(limit=1)
    held = {str(entry["on"]).split()[1] for entry in
            run(bank, "cases.show", {"case": case.id})["decisions"]}  # fmt: skip
    assert {e["id"] for e in found["events"] if e["decided"]} == held
    # Of somebody else only what was paid with the same device.
    assert {e["id"] for e in found["events"] if e["who"] == "c3"} == {"p200"}
    nodes = {n["id"]: n for n in found["nodes"]}
    assert nodes["person c2"]["own"]
    assert not nodes["person c3"]["own"]
    uses = {(e["from"], e["to"]) for e in found["links"] if e["what"] == "uses"}
    assert uses == {("person c2", "device d9"), ("person c3", "device d9")}
    (pays,) = [e for e in found["links"] if e["what"] == "pays"]
    assert (pays["to"], pays["n"], pays["amount"]) == ("merchant m1", 5, 5000)
    assert all(bank.access.named(read.record, f"Customer:{who}") for who in ("c2", "c3"))
    assert {"amount", "device", "place_lat"} <= set(read.record.columns["Payment"])
    assert read.record.columns["Merchant"] == ["id", "name"]


def test_a_purpose_that_does_not_cover_payments_leaves_them_out(bank) -> None:
    from heptad.security.access import Read
    from heptad.service.cases.surroundings import around
    from heptad.service.reads.guard import Access

    access = Access(bank.guard, Read("test", "ann", "app", "reporting"))
    found = around(bank.reads.under(access), access, ["c1"], (0, 2**52))
    assert (found.events, found.left_out) == ([], ["Payment", "Transfer"])
