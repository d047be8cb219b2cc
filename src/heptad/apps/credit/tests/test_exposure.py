# SPDX-License-Identifier: Apache-2.0
"""Whoever is connected with great debts is looked at by people before more is lent."""

from heptad.apps.credit.exposure import Guarantee, groups
from heptad.standards.model import Loan
from heptad.standards.time import day, hour, parse_instant
from heptad.testing.scratch import project

AT, LATER = "2026-03-01T10:00:00Z", "2026-03-01T10:30:00Z"


def loan(who, euros, status="running"):
    return {"id": f"l{who}", "event_time": AT, "customer": who, "amount": f"{euros}.00",
            "currency": "EUR", "rate": "0.08", "term": 24, "status": status}  # fmt: skip


def test_a_guarantor_is_held_against_what_the_group_owes():
    given = [{"id": "g1", "event_time": AT, "guarantor": "rich", "borrower": "deep", "active": True},
             {"id": "g2", "event_time": AT, "guarantor": "free", "borrower": "deep",
              "active": False}]  # fmt: skip
    loans = [loan("deep", 600_000), loan("rich", 1_000), loan("free", 2_000),
             loan("gone", 900_000, "repaid")]  # fmt: skip
    with project({Loan: loans, Guarantee: given}) as platform:
        told = platform.run("credit.exposure", "2026-03-01")
        assert (told["persons"], told["groups"]) == (3, 2)
        now = platform.clock.now()
        owed = {r["customer"]: r["owed"] for r in platform.read("Connected", now, now).to_pylist()}
        assert owed == {"rich": 60_100_000, "deep": 60_100_000, "free": 200_000}
        platform.clock.set(now + hour)
        for who, code in (("rich", "GROUP_DEBT"), ("free", "NO_MODEL")):
            row = {"id": f"a {who}", "event_time": LATER, "customer": who, "amount": "5000.00",
                   "currency": "EUR", "term": 24, "age": 40}  # fmt: skip
            made = platform.decide_one("credit", row=row)
            assert made.public["reasons"] == [code]


def test_companies_connect_their_owners():
    rows = {
        "Loan": [{"id": "1", "customer": "a", "amount": 10, "currency": "EUR", "status": "late"},
                 {"id": "2", "customer": "b", "amount": 5, "currency": "EUR", "status": "running"},
                 {"id": "3", "customer": "c", "amount": 7, "currency": "USD", "status": "running"}],
        "Ownership": [{"company": "x", "owner": "a", "owner_company": None, "share": 600_000},
                      {"company": "y", "owner": None, "owner_company": "x", "share": 900_000},
                      {"company": "y", "owner": "b", "owner_company": None, "share": 100_000}],
        "Guarantee": [],
        "LoanDay": [],
    }  # fmt: skip
    assert groups(rows) == [(("company x", "company y", "person a"), 10), (("person b",), 5)]


def test_a_loan_that_runs_counts_with_what_is_owed_on_it():
    rows = {
        "Loan": [{"id": n, "customer": "a", "amount": 1000, "currency": "EUR", "status": "running"}
                 for n in ("watched", "new")],
        "LoanDay": [{"loan": "watched", "event_time": 2, "balance": 300},
                    {"loan": "watched", "event_time": 1, "balance": 700}],
        "Ownership": [],
        "Guarantee": [],
    }  # fmt: skip
    assert groups(rows) == [(("person a",), 1300)]


def test_a_day_asked_for_later_is_dated_that_day_and_paid_debts_fall_to_nothing():
    given = [
        {"id": "g1", "event_time": AT, "guarantor": "rich", "borrower": "deep", "active": True}
    ]
    loans = [loan("deep", 600), loan("free", 2)]
    with project({Loan: loans, Guarantee: given}) as platform:
        platform.run("credit.exposure", "2026-03-01")
        platform.store(
            "Loan", [loan("deep", 600, "repaid") | {"event_time": "2026-03-02T09:00:00Z"}]
        )
        platform.clock.set(platform.clock.now() + 9 * day)
        told = platform.run("credit.exposure", "2026-03-02")
        assert (told["persons"], told["groups"]) == (3, 1)
        rows = platform.read("Connected", parse_instant("2026-03-03T00:00:00Z")).to_pylist()
        owed = {r["customer"]: r["owed"] for r in rows if r["id"].startswith("2026-03-02")}
        assert owed == {"rich": 0, "deep": 0, "free": 200}
        # Once told, it need not be told again.
        assert platform.run("credit.exposure", "2026-03-03")["persons"] == 1
