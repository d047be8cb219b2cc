# SPDX-License-Identifier: Apache-2.0
"""The gate: whatever was proposed, by whatever, nothing passes that may not be offered."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.recommend.reranking import HOW
from heptad.apps.recommend import app
from heptad.apps.recommend.decide import WHY, decide
from heptad.apps.recommend.serving import Advisor, Asking
from heptad.apps.recommend.shelf import Shelf
from heptad.service.app import Inputs, Outcome
from heptad.service.rules.eligibility import CLASSES, House, Person

terms = st.fixed_dictionaries(
    {"item": st.sampled_from([f"f{i}" for i in range(9)])},
    optional={
        "risk": st.sampled_from([*CLASSES, "R9"]),
        "youngest": st.integers(0, 70) | st.just("old"),
        "oldest": st.integers(20, 90),
        "residence": st.sampled_from(["GR", "DE|GR", "US"]),
        "licence": st.sampled_from(["funds", "abroad", ""]),
        "again": st.booleans(),
        "why": st.text(max_size=3),
        "title": st.text(max_size=5),
    },
)
person = st.fixed_dictionaries(
    {
        "age": st.none() | st.integers(0, 99),
        "residence": st.sampled_from([None, "GR", "DE"]),
        "profile": st.sampled_from([None, *CLASSES]),
    }
)


def asked(slate: Any, features: dict[str, Any], licences: str = "GR:funds") -> Outcome:
    row = {
        "id": "v",
        "customer": "c",
        "slate": slate if isinstance(slate, str) else json.dumps(slate),
    }
    given = dict.fromkeys(app.features) | features
    return decide(Inputs(given, row, dict(app.policy) | {"licences": licences}))


def may(  # noqa: PLR0911 - one return a rule
    entry: dict[str, Any], who: dict[str, Any], held: list[str]
) -> bool:
    """The rules said once more, plainly."""
    age, home, profile = who["age"], who["residence"], who["profile"]
    if not isinstance(entry.get("youngest", 0), int) or entry.get("risk") == "R9":
        return False
    if ("youngest" in entry or "oldest" in entry) and age is None:
        return False
    if age is not None and not entry.get("youngest", 0) <= age <= entry.get("oldest", 200):
        return False
    if "residence" in entry and home not in entry["residence"].split("|"):
        return False
    if entry.get("licence") and (entry["licence"], home) != ("funds", "GR"):
        return False
    if entry.get("risk") and (profile is None or entry["risk"] > profile):
        return False
    return bool(entry.get("again")) or entry["item"] not in held


@settings(max_examples=150)
@given(st.lists(terms, max_size=8), person, st.lists(st.sampled_from(["f0", "f1", "f2"])))
def test_exactly_what_may_be_offered_passes_in_the_order_proposed(items, who, held):
    found = asked({"items": items, "held": held}, who)
    shown = [r.numbers["item"] for r in found.reasons if r.code in WHY]
    assert shown == [e["item"] for e in items if may(e, who, held)]
    assert found.outcome == ("offer" if shown else "skip")


@given(st.text() | st.sampled_from(['{"items": 3}', "[]", '{"items": [1], "left": [], "steps": {}}',
                                    '{"items": [{}]}', "null", '{"left": {"X": -1}}']))  # fmt: skip
def test_a_list_that_is_none_offers_nothing(text):
    found = asked(text, {})
    assert found.outcome == "skip"
    assert found.reasons


def shelf(n: int = 30) -> Shelf:
    return Shelf.of(
        {"id": f"f{i:02d}", "event_time": i, "catalogue": "funds" if i % 3 else "films",
         "title": f"Fund {i} ünï 基金", "categories": "a|b" if i % 2 else "b", "risk": CLASSES[i % 5],
         "withdrawn": i == 7}
        for i in range(n)
    )  # fmt: skip


@settings(max_examples=50)
@given(person, st.sets(st.integers(0, 29)), st.sampled_from(["funds", "films", "cars"]),
       st.lists(st.integers(0, 29), max_size=6), st.floats(0, 1), st.integers(1, 12),
       st.sampled_from(HOW), st.floats(0, 1), st.sampled_from(["", "a:1 b:3", "b:0 z:1"]))  # fmt: skip
def test_a_project_without_a_ranker_still_keeps_every_rule(  # noqa: PLR0917 - drawn
    who, held, catalogue, chosen, explore, n, how, weight, quotas
):
    given_shelf = shelf()
    facts = Person("Customer:c", who["age"], who["residence"], who["profile"],
                   frozenset(f"f{i:02d}" for i in held))  # fmt: skip
    allowed, left = given_shelf.allowed(
        facts, House({}, {"advice": "contract"}), catalogue, ["f08"], chosen
    )
    more = {"explore": explore, "rerank": how, "variety": weight, "value": weight, "quotas": quotas}
    advisor = Advisor(given_shelf, None, "")
    asking = Asking(chosen, {"hour": 1}, 0.5)
    slate = advisor.slate(asking, allowed, n, dict(app.policy) | more, 3)
    assert allowed[slate.items].all()
    assert left["SEEN"] == len(
        {c for c in chosen if given_shelf.items[c]["catalogue"] == catalogue}
    )
    assert not set(slate.items.tolist()) & set(chosen)
    entries = [advisor.shelf.entry(p) for p in slate.items.tolist()]
    gate = asked({"items": entries, "held": sorted(facts.held)}, who)
    assert [r.numbers["item"] for r in gate.reasons if r.code in WHY] == [
        e["item"] for e in entries
    ]
    for row, place in zip(given_shelf.items, range(30), strict=True):
        if allowed[place]:
            assert row["catalogue"] == catalogue
            assert row["id"] not in {"f07", "f08"}
            assert place not in held
            assert who["profile"] is not None
    assert sum(allowed) or left or catalogue == "cars"


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_and_a_tiny_shelf(n):
    given_shelf = shelf(n)
    allowed, _ = given_shelf.allowed(Person("Customer:c", profile="R5"), House({}, {"advice": "contract"}),
                                     "films", [])  # fmt: skip
    found = Advisor(given_shelf, None, "").slate(Asking([], {}, np.nan), allowed, 5, app.policy, 0)
    assert len(found.items) == n
