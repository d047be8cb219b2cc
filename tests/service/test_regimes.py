# SPDX-License-Identifier: Apache-2.0
"""Regimes as data, letters with reasons, and the person's own report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from heptad.security.purposes import PURPOSES, group_of
from heptad.service.app import Reason
from heptad.service.subjects.regimes import NAMES, reason_letter, regime
from heptad.service.subjects.report import page, report
from heptad.standards.errors import Refused, UnknownName
from heptad.standards.model import MODEL, Customer, Payment
from heptad.testing.scratch import project
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

LAWS = [name for name in NAMES if name != "none"]
HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize("name", LAWS)
def test_every_rule_has_a_legal_name_and_nothing_names_what_there_is_not(name) -> None:
    law = regime(name)
    groups = {group_of(table) for table in MODEL.values()}
    assert all(rule.cites and rule.says.endswith(".") for rule in law.rules.values())
    assert {kept.group for kept in law.retention} <= groups
    assert all(30 <= kept.days <= 4000 for kept in law.retention)
    assert law.report_days <= 45
    assert len(law.rights) >= 3
    assert set(law.purposes()) == set(PURPOSES)


def test_what_a_purpose_rests_on_differs_from_place_to_place() -> None:
    analytics = {name: regime(name).purposes()["analytics"].basis for name in NAMES}
    assert analytics == {"none": "legitimate interests", "cn": "consent",
                         "eu": "legitimate interests", "us-2026": "legitimate interests"}  # fmt: skip
    assert regime("us-2026").purposes()["marketing"].basis == "legitimate interests"
    assert regime("cn").keeps("accounts").days > regime("eu").keeps("accounts").days
    assert regime("eu").keeps("public") is None
    with pytest.raises(UnknownName):
        regime("moon")


@pytest.fixture
def bank() -> Iterator[Platform]:
    rows = {
        Customer: [customer(1) | {"name": HOSTILE}, customer(2)],
        Payment: [payment(n, customer=f"c{n % 2 + 1}") for n in range(4)],
    }
    with project(rows) as platform:
        platform.decide("fraud")
        yield platform


def test_in_china_a_study_of_behaviour_needs_consent(tmp_path) -> None:
    from heptad.runtime import Platform

    for name, seen in (("eu", 1), ("cn", 0)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "heptad.toml").write_text(f'[project]\nname = "bank"\nregime = "{name}"\n')
        with Platform.open(folder, role="analyst", purpose="analytics") as platform:
            platform.store("Payment", [payment(1)])
            assert platform.read("Payment").num_rows == seen


@pytest.mark.parametrize("name", LAWS)
def test_a_letter_gives_the_main_reasons_and_the_rule_by_its_name(bank, name) -> None:
    entry = next(iter(bank.log.entries()))
    from dataclasses import replace

    reasons = tuple(Reason("DECLINED", {"declined_1h": n}) for n in range(3, 9))
    refused = replace(entry.decision, outcome="decline", reasons=reasons)
    law = regime(name)
    letter = reason_letter(law, bank.app("fraud"), refused, "The Bank")
    assert letter["rule"] == law.rules[law.letter_rule].cites
    assert letter["text"].count("refused payments within an hour") == 4
    assert letter["rule"] in letter["text"]
    assert "The Bank" in letter["text"]
    assert "{" not in letter["title"] + letter["text"]
    assert letter["due"] > letter["title"][-10:]
    with pytest.raises(UnknownName, match="Reasons are owed"):
        reason_letter(law, bank.app("fraud"), entry.decision, "The Bank")
    with pytest.raises(UnknownName, match="No regime"):
        reason_letter(regime("none"), bank.app("fraud"), refused, "The Bank")


class TestReport:
    def test_it_holds_all_of_the_person_and_nothing_of_others(self, bank):
        bank.read("Customer", purpose="service", who="teller-7")
        found = report(bank, "c1", who="dpo", role="admin")
        text = json.dumps(found)
        assert HOSTILE.replace('"', "") in found["tables"][0]["rows"][0]["name"]
        assert "ana1@example.com" in text
        assert "ana2@example.com" not in text
        assert "Ana 2" not in text
        tables = {t["table"]: t for t in found["tables"]}
        assert {"Customer", "Payment"} <= tables.keys()
        assert [r["id"] for r in tables["Payment"]["rows"]] == ["p0", "p2"]
        assert tables["Payment"]["from"] == ["demo"]
        assert len(found["decisions"]) == 2
        assert any(r["action"] == "read" and r["basis"] == "contract" for r in found["reads"])
        assert "teller-7" not in text
        by = {p["purpose"]: p for p in found["purposes"]}
        assert by["fraud"]["you_may_end_it"] is False
        assert by["marketing"]["you_may_end_it"] is True
        last = bank.access.entries(limit=1)[0].record
        assert (last.action, last.purpose, last.who) == ("report", "legal", "dpo")

    def test_as_a_page_it_runs_nothing_of_what_it_shows(self, bank):
        told = page(report(bank, "c1", role="admin"))
        assert "<script>" not in told
        assert "&lt;script&gt;alert(1)" in told
        assert told.count("<h1>") == 1
        assert "http" not in told.partition("</style>")[0]

    def test_only_for_the_purpose_legal(self, bank):
        with pytest.raises(Refused):
            report(bank, "c1", role="risk")

    def test_of_an_erased_person_it_says_what_is_left(self, bank):
        bank.erasing.erase(["c1"], "asked for", who="ann", role="admin")
        found = report(bank, "c1", role="admin")
        assert found["state"] == "erased"
        assert "ana1@example.com" not in json.dumps(found)
        assert all("erased" in d for d in found["decisions"])
