# SPDX-License-Identifier: Apache-2.0
"""Schedules, books and expected losses equal what was worked out by hand, cent by cent."""

from __future__ import annotations

import ast
import operator
import tomllib
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heptad.analysis.loans.delinquency import Rule, standings
from heptad.analysis.loans.ledger import Event, book
from heptad.analysis.loans.losses import Exposures, Scenarios, expected_loss
from heptad.analysis.loans.schedules import Terms, schedule

FOLDER = Path(__file__).parent / "worked"
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: operator.pow,
}  # fmt: skip


def read(name: str) -> list[Any]:
    cases = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["case"]
    return [pytest.param(case, id=case["name"]) for case in cases]


def exactly(text: str) -> Fraction:
    """Work out an expression of decimal numbers with + - * / ** as a fraction."""

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            left, right = value(node.left), value(node.right)
            if isinstance(node.op, ast.Pow):
                right = int(right)  # type: ignore[assignment]
            return Fraction(_OPERATORS[type(node.op)](left, right))
        assert isinstance(node, ast.Constant)
        return Fraction(ast.get_source_segment(text, node) or "")

    return value(ast.parse(text, mode="eval").body)


def checked(case: dict[str, Any]) -> None:
    """The arithmetic of a case is right."""
    assert case["work"]
    for line in case["work"]:
        left, right = (part.strip() for part in line.split("="))
        decimals = len(right.partition(".")[2])
        assert round(exactly(left), decimals) == Fraction(right), line


def terms_of(given: dict[str, Any]) -> Terms:
    parts = tuple((day, amount) for day, amount in given.get("parts", ()))
    return Terms(**(given | {"parts": parts}))


def weekday(day: Any) -> bool:
    return bool(day.weekday() < 5)


def test_there_are_enough_cases():
    names = [p.values[0]["name"] for file in ("schedules", "books", "losses") for p in read(file)]
    assert len(set(names)) == len(names) >= 60


def test_wrong_arithmetic_is_found():
    checked({"work": ["1/3 = 0.333", "5/2 = 2"]})
    with pytest.raises(AssertionError):
        checked({"work": ["100000*6/1200 = 501"]})


@pytest.mark.parametrize("case", read("schedules"))
def test_schedules(case):
    checked(case)
    made = schedule(terms_of(case["terms"]), weekday)
    assert [i.due for i in made] == case["due"]
    assert [i.principal for i in made] == case["principal"]
    assert [i.interest for i in made] == case["interest"]


PLAIN = {"principal": 30000, "rate": 120000, "term": 3, "kind": "linear"}


@pytest.mark.parametrize("case", read("books"))
def test_books(case):
    checked(case)
    events = []
    for n, given in enumerate(case.get("events", ())):
        made = dict(given)
        if "terms" in made:
            made["terms"] = Terms(principal=0, start=made["day"], **made["terms"])
        events.append(Event(**({"id": f"e{n}"} | made)))
    found = book(Terms(**PLAIN, start=date(2025, 1, 1)), events, case["on"])
    (stands,) = standings(found, Rule(**case.get("rule", {})))
    for name, value in case["expect"].items():
        if hasattr(stands, name):
            assert getattr(stands, name) == value, name
        else:
            assert found.total(name) == value, name


@pytest.mark.parametrize("case", read("losses"))
def test_losses(case):
    checked(case)
    hazard = np.array(case["hazard"])
    weights = np.array(case.get("weights", [1.0]))
    names = tuple(f"s{n}" for n in range(len(weights)))
    scenarios = Scenarios(names, weights, hazard[:, None, :], np.array(case["lgd"])[:, None])
    loan = case["loan"]
    owed = [[loan[name]] for name in ("balance", "rate", "remaining")]
    book = Exposures(*owed, [0], [0], [loan["stage"]], [loan.get("bullet", False)])
    found = expected_loss(book, scenarios)
    for name, value in case["expect"].items():
        assert getattr(found, name).tolist() == (value if name == "each" else [value]), name
