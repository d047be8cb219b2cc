# SPDX-License-Identifier: Apache-2.0
"""Rows of tables on pages: what stands there, in the units of people, about one key or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad.standards.errors import ContractError
from heptad.standards.model import Loan, LoanApplication, Repayment
from heptad.terminal.commands import run
from heptad.terminal.commands.pages import read
from heptad.testing.scratch import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

OWED = {"customer": "c1", "currency": "EUR"}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Two loans, one of them with three instalments."""
    asked = {"id": "a1", "event_time": "2026-01-01T00:00:00Z", "amount": "500", "term": 3} | OWED
    lent = [
        {"id": f"l{n}", "event_time": "2026-01-02T00:00:00Z", "application": f"a{n}", "rate": "0.06",
         "amount": "500", "term": 3, "status": "running"} | OWED
        for n in (1, 2)
    ]  # fmt: skip
    due = [
        {"id": f"r{n}", "event_time": f"2026-0{n + 1}-02T10:00:00Z", "loan": "l1", "due": "168.50",
         "paid": "168.50" if n < 3 else "0", "days_late": n} | OWED
        for n in (1, 2, 3)
    ]  # fmt: skip
    with project({LoanApplication: [asked], Loan: lent, Repayment: due}) as platform:
        yield platform


def test_rows_in_each_form(platform):
    assert read(platform, "stat", "rows", "table=Repayment total=due unit=EUR") == {
        "value": 505.5,
        "unit": "EUR",
    }
    assert read(platform, "stat", "rows", "table=Repayment latest=yes")["value"] == 1
    chart = read(platform, "chart", "rows", "table=Repayment x=event_time y=paid by=loan")
    assert chart["series"][0]["points"] == [
        ["2026-02-02T10:00:00Z", 168.5],
        ["2026-03-02T10:00:00Z", 168.5],
        ["2026-04-02T10:00:00Z", 0.0],
    ]
    (latest, *_) = read(
        platform, "timeline", "rows", "table=Repayment loan=l1 kind=loan text=due,days_late"
    )
    assert latest == {"at": "2026-04-02T10:00:00Z", "kind": "l1", "text": "due 168.5, days_late 3"}
    rows = read(platform, "table", "rows", "table=Loan id=l1,l2 columns=id,rate")
    assert rows == [{"id": "l1", "rate": 0.06}, {"id": "l2", "rate": 0.06}]
    assert read(platform, "table", "rows", "table=Repayment loan=l2") == []


def test_a_row_is_found_through_another(platform):
    through = "table=LoanApplication through=Loan.application"
    assert [r["id"] for r in read(platform, "table", "rows", f"{through}:l1")] == ["a1"]
    assert read(platform, "table", "rows", f"{through}:l2") == []


@pytest.mark.parametrize("clauses", ["table=Loan colour=red", "table=Loan through=Loan.colour:l1"])
def test_an_unknown_field_is_named(platform, clauses):
    with pytest.raises(ContractError, match="no field"):
        read(platform, "table", "rows", clauses)


def test_quotes_in_a_value_stay_a_value(platform):
    assert read(platform, "table", "rows", "table=Loan id=l1'OR'1'='1") == []


def test_a_page_about_one_loan_and_about_all(platform):
    def shown(about: str) -> dict[str, object]:
        page = run(platform, "apps.page", {"name": "credit", "path": "loan", "about": about})
        assert all(b["problem"] is None for b in page["blocks"])
        return {b["title"]: b["data"] for b in page["blocks"]}

    assert [r["id"] for r in shown("l1")["Lent"]] == ["l1"]
    assert [r["id"] for r in shown("l1")["Asked for"]] == ["a1"]
    assert shown("l2")["Instalments"] == []
    assert {r["id"] for r in shown("")["Lent"]} == {"l1", "l2"}
    with pytest.raises(ContractError, match="spaces"):
        shown("l1 limit=9")


@pytest.mark.parametrize("path", ["book", "stability", "funds", "collections", "loan"])
def test_pages_of_running_loans_say_no_problem_before_the_first_day(platform, path):
    page = run(platform, "apps.page", {"name": "credit", "path": path})
    assert [b["problem"] for b in page["blocks"]] == [None] * len(page["blocks"])


def test_a_page_is_printed_as_paper(platform):
    from html.parser import HTMLParser

    from heptad.terminal.paper import paper

    page = run(platform, "apps.page", {"name": "credit", "path": "loan", "about": "l1"})
    page["blocks"].append(
        {"form": "chart", "title": "<b>", "note": "", "problem": None,
         "data": {"x": "m", "y": "v", "series": [{"name": "a & b", "points": [["1", 0.5], ["2", -1]]}]}}
    )  # fmt: skip
    page["blocks"].append(
        {
            "form": "stat",
            "title": "x",
            "note": "n",
            "problem": {"detail": "no <rows>"},
            "data": None,
        }
    )
    text = paper(page, "made by a test")
    open_: list[str] = []

    class Balanced(HTMLParser):
        def handle_starttag(self, tag, _):
            if tag not in ("meta", "line"):
                open_.append(tag)

        def handle_endtag(self, tag):
            assert tag == "line" or open_.pop() == tag

    reader = Balanced()
    reader.feed(text)
    reader.close()
    assert open_ == []
    assert "168.5" in text
    assert "&lt;b&gt;" in text
    assert "a &amp; b" in text
    assert "no &lt;rows&gt;" in text
    assert "<script" not in text
    assert "@media print" in text


def test_a_total_is_of_all_rows_of_one_currency_and_says_whom_it_is_about() -> None:
    lent = [
        {"id": f"l{n}", "event_time": "2026-01-02T00:00:00Z", "application": f"a{n}", "rate": "0.06",
         "amount": amount, "term": 3, "status": "running", "customer": f"c{n}", "currency": currency}
        for n, (amount, currency) in enumerate([("0.10", "EUR"), ("0.20", "EUR"), ("900", "JPY")])
    ]  # fmt: skip
    with project({Loan: lent}) as platform:
        told = read(platform, "stat", "rows", "table=Loan total=amount unit=lent")
        assert told == {"value": 0.3, "unit": "lent EUR", "others": {"JPY": 900}}
        assert read(platform, "stat", "rows", "table=Loan") == {"value": 3, "unit": "rows"}
        assert read(platform, "stat", "rows", "table=Loan total=rate")["value"] == 0.18
        assert read(platform, "stat", "rows", "table=Loan id=none total=amount")["value"] == 0
        (entry,) = platform.access.entries(limit=1)
        read(platform, "stat", "rows", "table=Loan currency=JPY total=amount")
        (entry,) = platform.access.entries(limit=1)
        assert platform.access.named(entry.record, "Customer:c2")
        assert not platform.access.named(entry.record, "Customer:c1")
        assert "amount" in entry.record.columns["Loan"]
        with pytest.raises(ContractError, match="cannot be added up"):
            read(platform, "stat", "rows", "table=Loan total=status")


def test_what_is_stored_sealed_is_not_added_up_for_whoever_may_open_it(platform, monkeypatch):
    monkeypatch.setattr(Loan.term, "personal", True)
    assert Loan.term.sealed
    reader = {"who": "ann", "role": "admin", "purpose": "service"}
    with platform.guard.reading("rows", **reader) as access:
        assert access.opens(Loan.term)
        with pytest.raises(ContractError, match="cannot be added up"):
            read(platform, "stat", "rows", "table=Loan total=term")
