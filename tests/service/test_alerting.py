# SPDX-License-Identifier: Apache-2.0
"""Many decisions become the cases that they would have become one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from heptad.apps.fraud import app as fraud
from heptad.service.cases.case import Worker, keys_of
from heptad.standards.model import Customer, Payment
from heptad.standards.time import parse_instant
from heptad.testing.scratch import project
from tests.service.test_cases import burst
from tests.terminal.rows import customer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heptad.runtime import Platform
    from heptad.service.decisions.decision import Decision

INBOX = fraud.inboxes[0]
PREFIX = count()


@pytest.fixture(scope="module")
def bank() -> Iterator[tuple[Platform, Decision]]:
    """A project, and a payment held in it."""
    with project({Customer: [customer(1)], Payment: []}) as platform:
        platform.clock.set(parse_instant("2026-03-01T10:05:00Z"))
        platform.accept("Payment", burst(4, 0))
        (held,) = [e.decision for e in platform.log.entries() if e.decision.outcome == "hold"]
        yield platform, held


def drawn(held: Decision, prefix: str, pairs: Sequence[tuple[int, int | None]]) -> list[Decision]:
    """Decisions about people and devices of one name space."""
    made = []
    for n, (who, device) in enumerate(pairs):
        row = dict(held.row) | dict.fromkeys(INBOX.by)
        row["device"] = None if device is None else f"{prefix}{device}"
        made.append(replace(held, id=f"{prefix}-{n}", subject=f"Customer:{prefix}{who}", row=row))
    return made


def expected(decisions: Sequence[Decision]) -> list[int]:
    """Number the groups of decisions that are joined by keys, as each of them came to be joined."""
    groups: list[tuple[set[str], list[int]]] = []
    for n, decision in enumerate(decisions):
        keys = set(keys_of(INBOX, decision))
        joined = [g for g in groups if g[0] & keys]
        first = joined[0] if joined else (set(), [])
        for keys_there, members in joined[1:]:
            first[0].update(keys_there)
            first[1].extend(members)
        first[0].update(keys)
        first[1].append(n)
        groups = [g for g in groups if g not in joined[1:]] + ([] if joined else [first])
    place = {n: k for k, (_, members) in enumerate(groups) for n in members}
    return [place[n] for n in range(len(decisions))]


def told(platform: Platform, prefix: str) -> list[dict[str, Any]]:
    """All that is known of the cases of one name space, names made equal."""
    found = []
    cases = platform.work.cases
    for case in sorted(cases.page(limit=10_000), key=lambda c: c.number):
        if not case.subject.startswith(f"Customer:{prefix}"):
            continue
        steps = [(e["action"], e["who"]) for e in cases.events(case)]
        assert case.revision == len(steps)
        found.append(
            {
                "subject": case.subject.removeprefix(f"Customer:{prefix}"),
                "as": (case.status, case.outcome, case.proposed, case.due),
                "keys": sorted(k.replace(prefix, "") for k in cases.keys(case)),
                "decisions": sorted(cases.decisions(case), key=lambda d: int(d.split("-")[1])),
                "steps": steps,
            }
        )
        found[-1]["decisions"] = [d.split("-")[1] for d in found[-1]["decisions"]]
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5)), min_size=1, max_size=14),
    st.integers(1, 14),
    st.booleans(),
)
def test_at_once_and_one_by_one_are_the_same_cases(bank, pairs, cut, propose) -> None:
    platform, held = bank
    cases = platform.work.cases
    seen = []
    for at_once in (True, False):
        prefix = f"n{next(PREFIX)}x"
        decisions = drawn(held, prefix, pairs)
        names = []
        for part in (decisions[:cut], decisions[cut:]):
            if at_once:
                names += cases.alert_all(fraud, INBOX, part)
                assert cases.alert_all(fraud, INBOX, part) == names[-len(part) :] or not part
            else:
                names += [cases.alert(fraud, INBOX, d) for d in part]
            if part is not decisions[cut:] and propose:
                first = cases.get(names[0])
                if first.status != "closed":
                    cases.propose(first.id, "fraud", "Seen before.", Worker("ann", "risk"))
        seen.append(told(platform, prefix))
        groups: dict[str, set[str]] = {}
        for d, group in zip(decisions, expected(decisions), strict=True):
            groups.setdefault(str(group), set()).add(d.id.split("-")[1])
        if not propose:
            there = [set(c["decisions"]) for c in seen[-1] if c["as"][0] != "closed"]
            assert sorted(map(sorted, there)) == sorted(map(sorted, groups.values()))
    assert seen[0] == seen[1]


def test_the_cases_of_some_keys_are_found_by_the_keys(bank: tuple[Platform, Decision]) -> None:
    platform, held = bank
    asked: list[tuple[str, Any]] = []
    engine = platform.catalog.store._writer

    def listen(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "case_keys" in statement and statement.startswith("SELECT") and "JOIN" in statement:
            asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", listen)
    try:
        platform.work.cases.alert_all(fraud, INBOX, drawn(held, "plan", [(1, 1), (2, 1)]))
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert asked
    with platform.catalog.store.read() as connection:
        for statement, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            steps = " ".join(str(row[-1]) for row in plan)
            assert "ix_case_keys_key" in steps, steps
            assert "ix_cases_app_inbox" not in steps, steps
