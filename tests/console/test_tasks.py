# SPDX-License-Identifier: Apache-2.0
"""What people come to do, done in a browser against the real server, most of it by keyboard."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.terminal.conftest import Served

pytestmark = pytest.mark.slow


def test_the_palette_finds_a_table_and_opens_it(visiting: Callable[..., Any]) -> None:
    with visiting() as visit:
        page = visit.page
        visit.open("/")
        page.keyboard.press("Control+k")
        box = page.get_by_role("combobox")
        box.fill("Payment.am")
        page.get_by_role("option", name="Payment.amount").wait_for()
        box.fill("Paym")
        page.get_by_role("option", name=re.compile(r"^Payment\s*table$")).click()
        page.wait_for_url("**/tables/Payment")
        page.keyboard.press("Control+k")
        page.keyboard.press("Escape")
        page.get_by_role("combobox").wait_for(state="detached")
        assert not visit.wrong


def test_rows_are_masked_until_a_purpose_is_stated_and_read_as_of_an_instant(
    visiting: Callable[..., Any],
) -> None:
    with visiting() as visit:
        page = visit.page
        visit.open("/tables/Customer")
        assert "•••" in page.inner_text(".sheet")
        page.get_by_role("button", name="Purpose").click()
        page.get_by_role("button", name="service").click()
        page.wait_for_url("**purpose=service**")
        page.locator(".sheet", has_text="@").wait_for()
        # The purpose goes along, so that a link shows the same to a colleague.
        page.get_by_role("link", name="Tables", exact=True).first.click()
        page.wait_for_url("**/tables?purpose=service")
        visit.open("/decisions?as_of=2026-01-20T00:00:00Z")
        assert "what came later is left out" in visit.text()
        shown = []
        for path in ("/apps/fraud?as_of=2026-01-20T00:00:00Z", "/apps/fraud"):
            visit.open(path)
            figure = page.get_by_role("region", name="Decisions", exact=True).locator("dd").first
            shown.append(int(figure.inner_text().replace(",", "")))
        assert 0 < shown[0] < shown[1]
        for path in ("/", "/apps/fraud", "/apps/fraud/movement", "/inbox", "/access", "/log"):
            visit.open(f"{path}?as_of=2026-01-20T00:00:00Z")
            assert "what came later is left out" in visit.text(), path
        visit.open("/messages?as_of=2026-01-20T00:00:00Z")
        assert "This page shows the present" in visit.text()
        visit.open("/tables/Payment?as_of=2025-06-01T00:00:00Z")
        assert "holds no rows" in visit.text()
        assert not visit.wrong


def test_an_engineer_repairs_a_quarantined_row_by_keyboard(visiting: Callable[..., Any]) -> None:
    with visiting(who="emil") as visit:
        page = visit.page
        visit.open("/tables/Payment?tab=quarantine")
        waited = int(page.locator(".tabs [aria-current] .n").inner_text())
        page.keyboard.press("c")
        page.get_by_text("rows were checked again").wait_for()
        visit.drawn()
        at = page.locator("tbody tr", has_text="Payment.amount").first
        reach(page, at)
        box = page.get_by_role("dialog")
        box.wait_for()
        assert "refused" in box.inner_text()
        page.keyboard.press("Control+a")
        page.keyboard.type("a lot")
        page.keyboard.press("Enter")
        box.get_by_role("status").get_by_text("Payment.amount").wait_for()
        page.keyboard.press("Control+a")
        page.keyboard.type("12,50")
        page.keyboard.press("Enter")
        box.get_by_text("would be stored").wait_for()
        page.keyboard.press("Control+Enter")
        box.wait_for(state="detached")
        page.locator(".tabs [aria-current] .n", has_text=str(waited - 1)).wait_for()
        assert not visit.wrong


def test_a_case_is_decided_by_hand_and_a_refusal_says_what_to_do(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="desk") as visit:
        page = visit.page
        visit.open("/apps/fraud")
        row = {"id": "by-hand", "event_time": "2026-01-15T09:30:00Z", "customer": "C00000001"}
        for name, value in {**row, "amount": "ten", "currency": "EUR"}.items():
            page.locator(f"[id$='-{name}-f']").fill(value)
        page.locator("[id$='-status-f']").select_option("authorised")
        page.get_by_role("button", name="Store and decide").click()
        page.get_by_role("alert").wait_for()
        assert "do:" in page.get_by_role("alert").inner_text()
        page.locator("[id$='-amount-f']").fill("10.00")
        page.get_by_role("button", name="Store and decide").click()
        page.locator(".form [role=status], .form [role=alert]:not(:has-text('read as'))").wait_for()
        assert "do:" not in page.locator(".form").inner_text()
        page.get_by_role("status").get_by_role("link", name="Open").click()
        page.wait_for_url("**/decisions/*")
        page.get_by_text("Payment by-hand").first.wait_for()


def test_a_compliance_officer_proves_a_decision_and_a_persons_accesses_by_keyboard(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="audrey") as visit:
        page = visit.page
        visit.open("/")
        go(page, "d", "Decisions")
        reach(page, page.locator("tbody tr").nth(1))
        page.wait_for_url("**/decisions/*")
        page.get_by_role("heading", name="What would have changed it").wait_for()
        page.keyboard.press("r")
        page.get_by_text("equal, bit for bit").wait_for()
        page.get_by_text("signed").wait_for()
        person = page.get_by_role("link", name="Customer:").first.inner_text()
        go(page, "p", "Decision log")
        page.keyboard.press("v")
        page.get_by_text("the log is whole").wait_for()
        go(page, "a", "Accesses")
        page.keyboard.press("f")
        page.keyboard.type(person)
        page.keyboard.press("Enter")
        page.wait_for_url("**subject=**")
        page.locator("tbody tr", has_text="replay").first.wait_for()
        assert "auditor" in page.locator("tbody tr").first.inner_text()
        assert not visit.wrong


def reach(page: Any, row: Any) -> None:
    """Go to a row by the key that leads down, and open it."""
    row.wait_for()
    for _ in range(int(row.evaluate("e => [...e.parentNode.children].indexOf(e)")) + 1):
        page.keyboard.press("j")
    page.keyboard.press("Enter")


def go(page: Any, letter: str, title: str) -> None:
    """Go to a page by the two keys that lead there."""
    page.keyboard.press("g")
    page.keyboard.press(letter)
    page.get_by_role("heading", name=title, level=1).wait_for()


def test_a_chart_is_also_a_table(visiting: Callable[..., Any]) -> None:
    with visiting() as visit:
        visit.open("/apps/fraud")
        visit.page.keyboard.press("t")
        visit.page.get_by_role("columnheader", name="Approved").wait_for()
        assert not visit.wrong


def test_a_second_person_approves_a_model_by_keyboard(visiting: Callable[..., Any]) -> None:
    with visiting(who="ann") as visit:
        page = visit.page
        visit.open("/")
        go(page, "m", "Models")
        row = page.locator("tbody tr", has_text="credit-scorecard 2")
        row.wait_for()
        for _ in range(1 + int(row.evaluate("e => [...e.parentNode.children].indexOf(e)"))):
            page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.get_by_placeholder("What you looked at").wait_for()
        page.keyboard.press("p")
        page.keyboard.type("figures of later cases")
        page.keyboard.press("Enter")
        page.get_by_text(re.compile("Approved by .+: figures of later cases")).wait_for()
        assert "champion" in visit.text()
        assert not visit.wrong


def test_an_analyst_works_a_case_to_a_label_by_keyboard_and_another_agrees(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="ann") as visit:
        page = visit.page
        visit.open("/")
        page.keyboard.press("g")
        page.keyboard.press("i")
        page.get_by_role("heading", name="Inbox", level=1).wait_for()
        page.locator("tbody tr").first.wait_for()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/cases/*")
        page.get_by_role("heading", name="Who is linked").wait_for()
        page.keyboard.press("a")
        page.get_by_text("assigned to you").wait_for()
        page.keyboard.press("n")
        page.get_by_label("Why, in some words").wait_for()
        page.keyboard.type("called: does not know the shop")
        page.keyboard.press("Control+Enter")
        page.get_by_role("dialog").wait_for(state="detached")
        page.get_by_text("called: does not know the shop").wait_for()
        page.keyboard.press("2")
        assert "Somebody else must agree first." in page.get_by_role("dialog").inner_text()
        page.keyboard.type("remembered it after all")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Somebody else must agree.").wait_for()
        where = page.url.removeprefix(visit.url)
        page.keyboard.press("y")
        page.get_by_role("alert").get_by_text("Nobody agrees to a proposal of their own").wait_for()
        assert [w for w in visit.wrong if "403" not in w] == []
    with visiting(who="bob") as visit:
        visit.open(where)
        visit.page.keyboard.press("y")
        visit.page.get_by_text("closed as genuine").wait_for()
        assert "agreed" in visit.text().lower()
        assert not visit.wrong


def test_a_credit_officer_reads_a_refusal_refers_it_overrides_and_replays_by_keyboard(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="olga") as visit:
        page = visit.page
        visit.open("/decisions?app=credit&outcome=decline")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/decisions/*")
        visit.drawn()
        page.get_by_role("button", name="Letter").wait_for()
        page.keyboard.press("l")
        page.locator(".paper", has_text="cannot agree to").wait_for()
        page.keyboard.press("Escape")
        page.locator(".paper").wait_for(state="detached")
        page.keyboard.press("r")
        page.get_by_text("equal, bit for bit").wait_for()
        page.keyboard.press("e")
        page.get_by_label("Why, in some words").wait_for()
        page.keyboard.type("the income was misread")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/cases/*")
        page.get_by_text("the income was misread").wait_for()
        page.keyboard.press(
            page.locator(".acts button", has_text="approve").locator("kbd").inner_text()
        )
        page.get_by_label("Why, in some words").wait_for()
        page.keyboard.type("payslips of three months seen")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Somebody else must agree.").wait_for()
        where = page.url.removeprefix(visit.url)
        assert not visit.wrong
    with visiting(who="bob") as visit:
        visit.open(where)
        visit.page.get_by_role("button", name="Agree: approve").wait_for()
        visit.page.keyboard.press("y")
        visit.page.get_by_text("closed as approve").wait_for()
        visit.page.get_by_role("link", name="Customer:").first.click()
        visit.page.wait_for_url("**/decisions**subject=**")
        visit.page.locator("tbody tr", has_text="Approved").first.wait_for()
        assert [w for w in visit.wrong if "403" not in w] == []


def test_a_flow_is_changed_tried_on_history_and_decides_once_another_agreed(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="ann") as visit:
        page = visit.page
        visit.open("/apps/fraud/flow")
        page.get_by_label("spend_floor").fill("1000")
        page.get_by_role("button", name="Changes", exact=True).click()
        page.get_by_text("spend_floor: 1000").wait_for()
        page.get_by_role("button", name="Back-test").click()
        page.get_by_role("heading", name="What would change").wait_for()
        page.get_by_role("button", name="YAML").click()
        text = page.get_by_label("The flow as YAML")
        whole = text.input_value()
        text.fill(whole.replace("outcome: hold", "outcome: nothing", 1))
        page.get_by_role("alert").wait_for()
        assert page.get_by_role("button", name="Propose").is_disabled()
        text.fill(whole)
        page.get_by_role("alert").wait_for(state="detached")
        page.get_by_role("button", name="Propose").click()
        page.get_by_text("Somebody else must approve these bytes.").wait_for()
        page.get_by_role("link", name="Open").click()
        page.get_by_role("button", name="Approve").click()
        page.get_by_label("Why, in some words").fill("my own")
        page.keyboard.press("Control+Enter")
        page.get_by_role("alert").wait_for()
        where = page.url.removeprefix(visit.url)
    with visiting(who="bob") as visit:
        visit.open(where)
        for step in ("Approve", "Publish"):
            visit.page.get_by_role("button", name=step, exact=True).click()
            visit.page.get_by_label("Why, in some words").fill("swaps reviewed")
            visit.page.keyboard.press("Control+Enter")
            visit.page.get_by_role("dialog").wait_for(state="detached")
        visit.page.get_by_text("champion").wait_for()
        visit.open("/apps/fraud/flow")
        assert visit.page.get_by_label("spend_floor").input_value() == "1000"
        assert not visit.wrong


def test_a_segment_is_made_as_a_picture_counted_kept_and_put_on_a_list(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="ann") as visit:
        page = visit.page
        visit.open("/segments")
        page.get_by_role("button", name="analytics").click()
        page.get_by_label("Comparison").select_option("there")
        page.get_by_text("of 30 who may be read").wait_for()
        page.get_by_role("button", name="Condition", exact=True).click()
        page.get_by_label("Field or feature").nth(1).select_option("fraud.spend_30d")
        page.get_by_label("Comparison").nth(1).select_option("ge")
        page.get_by_label("Value", exact=True).fill("12.50")
        page.get_by_text("30 alone").first.wait_for()
        page.get_by_role("button", name="Expression").click()
        text = page.get_by_label("The condition as an expression")
        whole = text.input_value()
        assert "1250" in whole, "amounts are typed in their currency and kept as they are stored"
        text.fill(whole.replace("fraud.spend_30d", "fraud.spend_30"))
        page.get_by_role("alert").get_by_text("spend_30d").wait_for()
        text.fill(whole)
        page.get_by_role("alert").wait_for(state="detached")
        page.get_by_role("button", name="Picture").click()
        assert page.get_by_label("Value", exact=True).input_value() == "12.5"
        page.get_by_label("Name").fill("spenders")
        page.get_by_role("button", name="Keep the segment").click()
        page.get_by_role("button", name="Put its members on a list").click()
        page.get_by_text("stand on the list spenders now").wait_for()
        n = page.locator(".figure").inner_text()
        assert [w for w in visit.wrong if "422" not in w and "404" not in w] == []
        visit.open("/lists?list=spenders")
        page.get_by_text(f"{n} of {n}").wait_for()


def test_what_a_flow_in_shadow_would_change_leads_to_the_decisions(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="ann") as visit:
        page = visit.page
        visit.open("/trials")
        page.get_by_role("button", name="Approved would be Held").click()
        page.keyboard.press("r")
        page.get_by_text("asked again: equal, bit for bit").wait_for()
        page.locator(".ids a").first.click()
        page.wait_for_url("**/decisions/*")
        page.get_by_text("Approved").first.wait_for()
        assert not visit.wrong


def test_an_officer_sees_what_a_person_agreed_to_and_asks_for_the_name_for_a_purpose(
    visiting: Callable[..., Any],
) -> None:
    with visiting(who="olga") as visit:
        page = visit.page
        visit.open("/customers/C00000001")
        page.get_by_text("Without asking:").wait_for()
        assert page.locator("tbody tr", has_text="marketing").first.is_visible()
        before = page.locator("h1").inner_text()
        page.get_by_role("button", name="Show the name, for collections").click()
        page.locator("h1 .called").wait_for()
        assert len(page.locator("h1 .called").inner_text()) > 3
        assert before.startswith("C00000001")
        assert not visit.wrong
    with visiting(who="audrey") as visit:
        visit.open("/customers/C00000001")
        visit.page.get_by_role("link", name="Who read what").click()
        visit.page.locator("tbody tr", has_text="collections").first.wait_for()


def test_an_open_page_follows_what_others_do(
    visiting: Callable[..., Any], served: Served, keys: dict[str, str]
) -> None:
    with visiting() as visit:
        visit.open("/decisions?app=fraud")
        before = visit.page.locator("tbody tr").first.inner_text()
        row = {"id": "live", "event_time": "2026-01-30T23:59:00Z", "customer": "C00000002"}
        more = {"amount": "12.00", "currency": "EUR", "status": "authorised"}
        asked = Request(
            f"{served.url}/v1/apps/fraud/decide",
            json.dumps({"row": row | more}).encode(),
            {"Authorization": f"Bearer {keys['desk']}", "Content-Type": "application/json"},
        )
        urlopen(asked).close()
        visit.page.locator("tbody tr", has_text="Payment live").wait_for()
        assert visit.page.locator("tbody tr").first.inner_text() != before
        assert not visit.wrong


def test_pages_ask_only_for_what_their_reader_may_see(visiting: Callable[..., Any]) -> None:
    for who, path, says in (("ann", "/", "Latest decisions"), ("emil", "/inbox", "ask for a key")):
        with visiting(who=who) as visit:
            visit.open("/")
            visit.open(path)
            visit.page.get_by_text(says).first.wait_for()
            assert not visit.wrong
