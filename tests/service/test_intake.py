# SPDX-License-Identifier: Apache-2.0
"""Served together, callers are answered what one after the other would have been answered."""

from __future__ import annotations

import random
import shutil
from collections import Counter

import pytest

from heptad.runtime import Platform
from heptad.service.decisions.intake import _apart, _keys, _Please, _Post
from heptad.standards.errors import Conflict, ContractError, HeptadError, InputError, UnknownName
from heptad.standards.model import Payment
from heptad.standards.time import FixedClock, parse_instant
from tests.terminal.rows import payment

NOW = parse_instant("2026-03-02")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A project with ten payments, closed."""
    folder = tmp_path_factory.mktemp("intake") / "project"
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "busy"\n', encoding="utf-8")
    with Platform.open(folder, clock=FixedClock(NOW)) as platform:
        platform.accept("Payment", [payment(n, customer=f"c{n % 3}") for n in range(10)])
    return folder


@pytest.fixture
def twins(begun, tmp_path):
    """The same project twice: one is asked in groups, the other one by one."""
    folders = [shutil.copytree(begun, tmp_path / name) for name in ("groups", "alone")]
    with (
        Platform.open(folders[0], clock=FixedClock(NOW)) as groups,
        Platform.open(folders[1], clock=FixedClock(NOW)) as alone,
    ):
        yield groups, alone


def told(answer):
    """What a caller sees, without what depends on which load a row came with."""
    if isinstance(answer, HeptadError):
        return type(answer).__name__, answer.what, str(answer.got)
    if isinstance(answer, tuple):
        report, made = answer
        refused = [(r.line, r.key, r.reason, r.field, r.says, r.do) for r in report.rejected]
        counts = report.corrections, report.became
        return report.accepted, report.duplicates, refused, counts, [told(m) for m in made]
    d = answer.decision
    return d.app, d.row_key, d.outcome, d.reasons, d.features, d.row, d.request, d.event_time


def one_by_one(platform, calls):
    found = []
    for call in calls:
        try:
            if isinstance(call, _Post):
                found.append(platform.accept(call.table, call.rows))
            else:
                name = call.asked.id if call.asked else None
                found.append(platform.decide_one(call.app, row=call.row, key=call.key, name=name))
        except HeptadError as error:
            found.append(error)
    return found


POSTS = [
    [payment(20)],
    [payment(21), payment(22, amount="no")],
    [],
    [payment(20)],
    [payment(20, amount="99.00")],
    [payment(3), payment(23, country="XX"), payment(24)],
    [{"nonsense": "1"}],
    [payment(25) | {"id": " P25 "}, payment(25)],
    [payment(26) | {"note": "an extra column"}],
    [payment(5) | {"_deleted": "true"}],
    [payment(27) | {"_deleted": "true"}, payment(28)],
    ["no row at all"],
    [payment(29), payment(29, amount="7.77")],
]


def test_posts_in_a_group_are_answered_as_one_by_one(twins):
    groups, alone = twins
    calls = [_Post("Payment", rows) for rows in POSTS]
    together = groups.intake._accepted(calls)
    apart = one_by_one(alone, calls)
    for rows, one, other in zip(POSTS, together, apart, strict=True):
        assert told(one) == told(other), rows
    assert groups.read("Payment").column("amount") == alone.read("Payment").column("amount")
    assert len(groups.log) == len(alone.log)
    assert groups.replay().identical
    assert isinstance(together[11], InputError)
    assert together[0][0].accepted == ("p20",)


def test_requests_in_a_group_are_answered_as_one_by_one(twins):
    groups, alone = twins
    ask = groups.desk.asked
    rows = [payment(40), payment(41, amount="no"), payment(40, amount="5.00"), payment(3)]
    calls = [
        _Please("fraud", row, None, ask("fraud", row, f"id-{n}")) for n, row in enumerate(rows)
    ]
    calls += [_Please("fraud", None, key, None) for key in ("p1", "p2", "absent", "p1")]
    calls += [_Please("fraud", payment(42), None, None)]
    together = groups.intake._decided(calls)
    apart = one_by_one(alone, calls)
    for call, one, other in zip(calls, together, apart, strict=True):
        assert told(one) == told(other), call
    kinds = [type(found) for found in together]
    assert (kinds[1], kinds[2], kinds[6]) == (ContractError, Conflict, UnknownName)
    assert groups.replay().identical


def test_a_row_that_an_application_fails_on_fails_alone(twins, monkeypatch):
    groups, _ = twins
    app = groups.apps["fraud"]
    decide = app.decide

    def failing(x):
        if x.row["id"] == "p51":
            raise ZeroDivisionError
        return decide(x)

    monkeypatch.setitem(groups.apps, "fraud", _with(app, failing))
    found = groups.intake._accepted([_Post("Payment", [payment(n)]) for n in (50, 51, 52)])
    assert [type(x) for x in found] == [tuple, HeptadError, tuple]
    assert [found[n][0].accepted for n in (0, 2)] == [("p50",), ("p52",)]
    assert {r["id"] for r in groups.read("Payment").to_pylist()} >= {"p50", "p51", "p52"}


def _with(app, decide):
    from dataclasses import replace

    return replace(app, decide=decide)


def test_calls_about_the_same_row_do_not_go_together():
    posts = [_Post("Payment", [{"id": key}]) for key in ("a", "b", " A", "c", "b", "d")]
    groups = _apart(posts, lambda p: p.table, lambda p: _keys(Payment, p.rows))
    assert groups == [[0, 1], [2, 3, 4, 5]]


def test_groups_keep_the_order_of_calls_about_one_row():
    draw = random.Random(5)
    posts = [_Post("Payment", [{"id": str(draw.randrange(6))}]) for _ in range(200)]
    groups = _apart(posts, lambda p: p.table, lambda p: _keys(Payment, p.rows))
    assert Counter(n for group in groups for n in group) == Counter(range(200))
    place = {n: g for g, group in enumerate(groups) for n in group}
    for key in "012345":
        places = [place[n] for n, post in enumerate(posts) if post.rows[0]["id"] == key]
        assert places == sorted(set(places))
