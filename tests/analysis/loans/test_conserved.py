# SPDX-License-Identifier: Apache-2.0
"""No cent is lost or made, whatever happens to a loan; and later news touch later days only."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.loans.daycounts import RULES, adjusted, share_of_year
from heptad.analysis.loans.delinquency import Rule, standings
from heptad.analysis.loans.ledger import ORDER, Event, book
from heptad.analysis.loans.schedules import (
    Terms,
    internal_rate,
    level_instalment,
    schedule,
    split_level,
)
from heptad.standards.errors import ContractError

START = date(2024, 1, 31)
_kinds = st.sampled_from(["annuity", "linear", "bullet"])


@st.composite
def contracts(draw: st.DrawFn) -> Terms:
    return Terms(
        draw(st.integers(0, 5_000_000)), draw(st.integers(0, 400_000)), draw(st.integers(1, 14)),
        START, kind=draw(_kinds), day_count=draw(st.sampled_from(sorted(RULES))),
        every=draw(st.sampled_from([1, 3])), convention=draw(st.sampled_from(["none", "following"])),
    )  # fmt: skip


@st.composite
def lives(draw: st.DrawFn) -> tuple[Terms, list[Event]]:
    terms, events = draw(contracts()), []
    for n in range(draw(st.integers(0, 12))):
        day = START + timedelta(days=draw(st.integers(1, 700)))
        kind = draw(
            st.sampled_from(
                ["payment"] * 6 + ["prepayment", "fee", "reversal", "restructure", "write off"]
            )
        )
        amount = draw(st.integers(0, 1_500_000))
        new = replace(draw(contracts()), principal=0, start=day) if kind == "restructure" else None
        of = draw(st.sampled_from([e.id for e in events] or [""])) if kind == "reversal" else ""
        if kind in ("restructure", "write off", "reversal"):
            amount = 0
        events.append(Event(day, kind, f"e{n}", amount, of, new))
    return terms, events


def weekday(day: date) -> bool:
    return day.weekday() < 5


@settings(max_examples=150)
@given(contracts())
def test_a_schedule_pays_back_the_loan_exactly(terms):
    found = schedule(terms, weekday)
    assert sum(i.principal for i in found) == terms.principal
    assert found[-1].balance == 0
    assert all(i.principal >= 0 and i.interest >= 0 for i in found)
    owed = terms.principal
    for before, i in zip([terms.start, *(i.until for i in found)], found, strict=False):
        whole = owed * share_of_year(before, i.until, terms.day_count) * terms.rate / 1_000_000
        assert abs(i.interest - whole) <= Fraction(1, 2)
        owed -= i.principal


@settings(max_examples=200)
@given(lives(), st.integers(0, 900))
def test_money_is_conserved_through_everything(life, days):
    terms, events = life
    until = START + timedelta(days=days)
    made = book(terms, events, until, is_business=weekday)  # checks itself, and is checked again:
    undone = {e.of for e in events if e.kind == "reversal" and e.day <= until}
    came = sum(
        e.amount
        for e in events
        if e.kind in ("payment", "prepayment") and e.day <= until and e.id not in undone
    )
    went = sum(made.total(f"paid {part}") for part in ORDER)
    assert came == went + made.total("held") + made.total("recovered")
    received = [step.cash for step in made.steps]
    assert received == sorted(received)
    assert came == (received or [0])[-1]
    rise = sum(made.total(f"capitalised {part}") for part in ORDER)
    fall = made.total("paid principal") + made.total("written off principal")
    assert made.total("lent") + rise == fall + made.balance
    assert made.balance >= 0
    assert made.total("held") >= 0
    assert all(item.left >= 0 for item in made.items)


@settings(max_examples=30)
@given(lives(), st.integers(1, 650))
def test_what_comes_later_changes_no_day_before(life, days):
    terms, events = life
    edge = START + timedelta(days=days)
    rule, wanted = Rule(), [START + timedelta(days=n) for n in range(days)]
    whole = standings(book(terms, events, START + timedelta(days=800)), rule, wanted)
    undone = [e for e in events if e.kind != "reversal"]
    if len(undone) == len(events):
        part = standings(book(terms, [e for e in events if e.day < edge], edge), rule, wanted)
        assert part == whole


@settings(max_examples=60)
@given(lives(), st.randoms())
def test_the_order_in_which_events_are_told_does_not_matter(life, shuffler):
    terms, events = life
    until = START + timedelta(days=800)
    mixed = list(events)
    shuffler.shuffle(mixed)
    one, other = book(terms, events, until), book(terms, mixed, until)
    assert (one.totals, one.steps, one.items) == (other.totals, other.steps, other.items)


@settings(max_examples=80)
@given(st.integers(1_000, 10_000_000), st.integers(0, 500_000), st.integers(1, 60))
def test_amounts_alone_give_interest_and_principal_back(principal, rate, term):
    level = level_instalment(principal, [Fraction(rate, 12_000_000)] * term)
    dues = [level] * term
    if sum(dues) >= principal:
        _, parts = split_level(principal, dues)
        assert sum(parts) == principal
        own = [i.principal for i in schedule(Terms(principal, rate, term, date(2024, 1, 15)))]
        assert all(abs(a - b) <= 3 + term for a, b in zip(parts, own, strict=True))


def test_a_year_repaid_with_a_tenth_more_is_ten_per_cent():
    assert internal_rate([(0, -100), (1, 110)]) == pytest.approx(0.1, abs=1e-12)
    with pytest.raises(ContractError):
        internal_rate([(0, 100), (1, 110)])


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (Event(date(2024, 3, 1), "gift", "a", 5), "No event"),
        (Event(date(2024, 3, 1), "payment", "a", -5), "reversal"),
        (Event(date(2024, 3, 1), "refund", "a", 5), "held"),
        (Event(date(2024, 2, 1), "waiver", "a", 5), "due"),
        (Event(date(2024, 3, 1), "restructure", "a"), "terms"),
    ],
)
def test_what_cannot_be_is_refused(event, says):
    with pytest.raises(ContractError, match=says):
        book(Terms(10_000, 0, 3, START), [event], date(2024, 12, 31))
    with pytest.raises(ContractError, match="ids"):
        book(Terms(10_000, 0, 3, START), [Event(START, "payment", "a")] * 2, date(2024, 12, 31))


def test_terms_that_contradict_themselves_are_refused():
    with pytest.raises(ContractError, match="kind"):
        Terms(1, 0, 1, START, kind="balloon")
    with pytest.raises(ContractError, match="irregular"):
        Terms(10, 0, 1, START, kind="irregular", parts=((date(2024, 3, 1), 9),))
    with pytest.raises(ContractError, match="day count"):
        schedule(Terms(10, 0, 1, START, day_count="ACT/364"))
    with pytest.raises(ContractError, match="convention"):
        adjusted(START, "sideways", weekday)
    with pytest.raises(ContractError, match="after the start"):
        schedule(Terms(10, 0, 1, START, first_due=START))
