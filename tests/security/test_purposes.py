# SPDX-License-Identifier: Apache-2.0
"""A read is allowed only where role, purpose and field all say so."""

from __future__ import annotations

import itertools

import pytest

from heptad.security.purposes import (
    DEFAULT_PURPOSES,
    PURPOSES,
    ROLES,
    basis_of,
    may_act,
    permitted,
    require,
)
from heptad.standards.errors import Refused, UnknownName
from heptad.standards.fields import Day, Instant, Integer, Place, Text
from heptad.standards.model import MODEL
from heptad.standards.tables import Table


class Person(Table, state=True):
    """One person."""

    id = Text("Surrogate id", key=True, subject=True)
    event_time = Instant("Since when this holds")
    points = Integer("Points collected")
    name = Text("Full name", personal=True)
    email = Text("Address for e-mail", personal=True, purposes={"service", "marketing"})
    birth = Day("Date of birth", personal=True, purposes={"credit"})
    card = Text("Card number", personal=True, pan=True, purposes={"fraud"})
    home = Place("Where the person lives", personal=True, purposes={"nothing known"})


def oracle(role: str, purpose: str, field) -> bool:
    """The rule said backwards: start from all that is allowed and look it up."""
    allowed = set()
    for acting in ROLES[role].purposes:
        allowed |= {(acting, f.name) for f in Person.fields.values() if not f.personal}
        allowed |= {(acting, name) for name, named in (
            ("name", {"service"}), ("email", {"service", "marketing"}),
            ("birth", {"credit"}), ("card", {"fraud"}), ("home", set()),
        ) if acting in named}  # fmt: skip
    return (purpose, field.name) in allowed


def test_every_read_is_decided_like_the_oracle():
    triples = list(itertools.product(ROLES, PURPOSES, Person.fields.values()))
    assert len(triples) == len(ROLES) * len(PURPOSES) * 8
    answers = [permitted(*triple) for triple in triples]
    assert answers == [oracle(*triple) for triple in triples]
    assert 0 < sum(answers) < len(answers) / 3


def test_a_few_reads_that_people_would_ask_about():
    assert permitted("app", "fraud", Person.card)
    assert permitted("risk", "fraud", Person.card)
    assert not permitted("marketer", "marketing", Person.card)
    assert not permitted("marketer", "fraud", Person.card)
    assert permitted("marketer", "marketing", Person.email)
    assert not permitted("marketer", "marketing", Person.name)
    assert not permitted("engineer", "analytics", Person.name)
    assert permitted("engineer", "analytics", Person.points)
    assert not permitted("engineer", "service", Person.points)
    assert permitted("officer", "service", Person.name)
    assert not permitted("auditor", "audit", Person.name)
    assert not any(permitted(r, p, Person.home) for r in ROLES for p in PURPOSES)


@pytest.mark.parametrize(
    ("role", "purpose", "hint"),
    [
        ("amdin", "fraud", "admin"),
        ("app", "frau", "fraud"),
        ("", "fraud", "use one of"),
        ("app", "", "use one of"),
        ("Admin", "service", "admin"),
    ],
)
def test_unknown_names_are_told_and_never_allowed(role, purpose, hint):
    for ask in (lambda: permitted(role, purpose, Person.points), lambda: require(role, purpose)):
        with pytest.raises(UnknownName, match=hint):
            ask()


def test_a_session_without_the_right_does_not_begin():
    require("app", "fraud")
    with pytest.raises(Refused, match="may not act") as refusal:
        require("marketer", "fraud")
    assert "marketing" in refusal.value.do


def test_the_declared_data_is_coherent():
    assert set(PURPOSES) >= DEFAULT_PURPOSES
    for name, purpose in PURPOSES.items():
        assert purpose.name == name
        assert purpose.sentence.endswith(".")
        # Consent can be withdrawn and legitimate interests objected to; a duty cannot be.
        assert purpose.withdrawable == (purpose.basis in ("consent", "legitimate interests"))
        assert any(may_act(role, name) for role in ROLES)
    for name, role in ROLES.items():
        assert role.name == name
        assert role.purposes
        assert role.purposes <= set(PURPOSES)
    assert basis_of("fraud") == "legal obligation"
    with pytest.raises(UnknownName, match="fraud"):
        basis_of("frauds")
    assert PURPOSES["fraud"].withdrawable is False
    assert PURPOSES["marketing"].basis == "consent"


def test_the_shared_model_names_known_purposes_only():
    fields = [f for table in MODEL.values() for f in table.fields.values()]
    assert any(f.personal for f in fields)
    assert {p for f in fields for p in f.purposes} <= set(PURPOSES)
