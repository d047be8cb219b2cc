# SPDX-License-Identifier: Apache-2.0
"""Which products a person may be offered, by command and over HTTP, as of what may be read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad.standards.errors import HeptadError, Refused
from heptad.standards.model import Consent, Customer, Holding
from heptad.terminal.commands import run
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import consent, customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

TERMS = """
adult: {purpose: service, youngest: 18, once: false}
card: {purpose: service, once: true}
fund: {purpose: service, risk: R3, licence: funds, residence: [ES, FR]}
advert: {purpose: marketing}
"""


@pytest.fixture(scope="module")
def bank() -> Iterator[Platform]:
    rows = {
        Customer: [customer(1) | {"birth": "1990-05-01", "country": "ES"},
                   customer(2) | {"birth": "2015-05-01", "country": "US"}, customer(3)],
        Consent: [consent(1)],
        Holding: [{"id": "h1", "event_time": "2026-01-05T00:00:00Z", "customer": "c1",
                   "product": "card", "active": True},
                  {"id": "h2", "event_time": "2026-01-05T00:00:00Z", "customer": "c2",
                   "product": "card", "active": False}],
    }  # fmt: skip
    with project(rows) as platform:
        yield platform


def judged(bank: Platform, who: str, **more) -> tuple[list[str], set[tuple[str, str]]]:
    told = run(bank, "eligible", {"text": TERMS, "customer": who} | more)
    return told["admitted"], {(e["product"], e["code"]) for e in told["excluded"]}


def test_each_term_is_held_against_what_is_known(bank) -> None:
    licensed = {"licences": {"ES": ["funds"]}}
    assert judged(bank, "c1", profile="R3", **licensed) == (
        ["adult", "fund", "advert"], {("card", "ALREADY_HELD")})  # fmt: skip
    assert judged(bank, "c1", profile="R2") == (
        ["adult", "advert"],
        {("card", "ALREADY_HELD"), ("fund", "TOO_RISKY"), ("fund", "NO_LICENCE")})  # fmt: skip
    assert judged(bank, "c2") == (
        ["card"], {("adult", "TOO_YOUNG"), ("fund", "NO_PROFILE"), ("fund", "RESIDENCE"),
                   ("fund", "NO_LICENCE"), ("advert", "NO_CONSENT")})  # fmt: skip


def test_what_is_not_known_or_may_not_be_read_excludes(bank) -> None:
    admitted, excluded = judged(bank, "c3")
    assert admitted == ["card"]
    assert {("adult", "AGE_UNKNOWN"), ("fund", "RESIDENCE_UNKNOWN")} <= excluded
    assert ("adult", "AGE_UNKNOWN") in judged(bank, "c1", purpose="")[1]
    assert judged(bank, "nobody")[0] == ["card"]


def test_the_read_is_recorded_about_the_person_and_a_role_without_the_purpose_is_refused(bank):
    judged(bank, "c1")
    last = bank.access.entries(limit=1)[0].record
    assert (last.action, last.purpose) == ("eligible", "service")
    with pytest.raises(Refused):
        judged(bank, "c1", role="risk", purpose="marketing")


def test_a_mistake_in_the_terms_names_its_line(bank) -> None:
    with pytest.raises(HeptadError, match="no term") as refused:
        run(bank, "eligible", {"text": "card: {purpose: service, yongest: 3}", "customer": "c1"})
    assert "products.yaml line 1" in str(refused.value.to_dict())


def test_over_http_the_answer_is_the_same(bank) -> None:
    asked = {"text": TERMS, "customer": "c1", "profile": "R3", "licences": {"ES": ["funds"]}}
    answer = Client(public(bank))("POST", "/v1/eligible", json=asked,
                                  headers={"Heptad-Purpose": "service"})  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.json() == run(bank, "eligible", asked)
