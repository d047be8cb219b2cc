# SPDX-License-Identifier: Apache-2.0
"""Duplicates, corrections and conflicts agree with a row-by-row oracle."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.ingest.duplicates import candidates, identity_sql, verdict_sql
from heptad.standards import Instant, Table, Text

ARRIVAL = 1_000


class Event(Table):
    """One event, for tests."""

    id = Text("Key", key=True)
    event_time = Instant("When")
    value = Text("Value", optional=True)


class State(Table, state=True):
    """One state, for tests."""

    id = Text("Key", key=True)
    event_time = Instant("Since when")
    value = Text("Value", optional=True)


def cases(random, most, *, keys):
    """Return rows of hundreds of small cases, told apart by their keys."""
    return [
        (
            f"{case}{random.choice('ab')}",
            random.randint(1, 2),
            random.choice(["x", "y", None]),
            random.randint(1, 4),
            random.random() < 0.3,
        )
        for case in range(keys)
        for _ in range(random.randint(0, most))
    ]


def relation(rows, *, load):
    """Return rows as they are staged or stored."""
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], [], []]
    types = [pa.string(), pa.int64(), pa.string(), pa.int64(), pa.bool_()]
    names = ["id", "event_time", "value", "known_time", "_deleted"]
    table = {n: pa.array(list(c), t) for n, c, t in zip(names, columns, types, strict=True)}
    table["_line"] = pa.array(range(1, len(rows) + 1), pa.int64())
    table["_load"] = pa.array([load] * len(rows), pa.int64())
    return pa.table(table)


def judged(table, fresh, stored, *, mapped):
    """Return line → (verdict, new known_time) of the rows that the SQL judges."""
    with duckdb.connect() as connection:
        connection.register("fresh", relation(fresh, load=2))
        connection.register("stored", relation(stored, load=1))
        hashes = [
            [
                connection.sql(f"SELECT {identity_sql(table)} AS h FROM {name}")
                .to_arrow_table()["h"]
                .to_numpy()
            ]
            for name in ("fresh", "stored")
        ]
        twice = candidates([h.copy() for h in hashes[0]], hashes[1])
        connection.register("candidates", pa.table({"h": pa.array(twice)}))
        sql = verdict_sql(table, "fresh", "stored", mapped=mapped, arrival=ARRIVAL)
        return {r[0]: (r[1], r[2]) for r in connection.sql(sql).fetchall()}


def oracle(table, fresh, stored, *, mapped):
    """Judge row by row."""
    identity = (lambda r: r[:2]) if table.state else (lambda r: r[:1])
    content = lambda r: (*r[:3], r[4])  # noqa: E731
    verdicts = {}
    held, came = defaultdict(list), defaultdict(list)
    for n, r in enumerate(stored, 1):
        held[identity(r)].append((r[3], 1, n, r))
    for n, r in enumerate(fresh, 1):
        came[identity(r)].append((n, r))
    for key, new in came.items():
        old = held[key]
        verdicts |= _mapped(old, new, content) if mapped else _arrived(old, new, content)
    return verdicts


def _mapped(old, new, content):
    verdicts, former, follows = {}, None, False
    for known in sorted({o[0] for o in old} | {r[3] for _, r in new}):
        same = sorted(o for o in old if o[0] == known)
        heads = [same[-1][3]] if same else []
        for line, row in sorted((n, r) for n, r in new if r[3] == known):
            if heads:
                verdict = "duplicate" if content(row) == content(heads[0]) else "conflict"
            elif follows:
                verdict = "duplicate" if content(row) == former else "correction"
            else:
                verdict = "correction" if old else "new"
            verdicts[line] = (verdict, None)
            heads = heads or [row]
        former, follows = content(heads[0]), True
    return verdicts


def _arrived(old, new, content):
    verdicts = {}
    last = max(old) if old else None
    for place, (line, row) in enumerate(new):
        if place:
            verdict = "duplicate" if content(row) == content(new[0][1]) else "conflict"
        elif last is None:
            verdict = "new"
        else:
            verdict = "duplicate" if content(row) == content(last[3]) else "correction"
        known = max(ARRIVAL, row[1], last[0]) if verdict == "correction" else None
        verdicts[line] = (verdict, known)
    return verdicts


@pytest.mark.parametrize("table", [Event, State])
@pytest.mark.parametrize("mapped", [True, False])
def test_verdicts_are_those_of_the_oracle(table, mapped):
    random = Random(11)
    fresh, stored = cases(random, 6, keys=400), cases(random, 4, keys=400)
    # The stored rows are what such verdicts left: one per identity and known_time.
    kept = list({(r[0], r[1] if table.state else 0, r[3]): r for r in stored}.values())
    found = judged(table, fresh, kept, mapped=mapped)
    wanted = oracle(table, fresh, kept, mapped=mapped)
    assert found == {n: v for n, v in wanted.items() if n in found}
    assert all(verdict == "new" for n, (verdict, _) in wanted.items() if n not in found)
    assert {v for v, _ in found.values()} == {"new", "duplicate", "conflict", "correction"}


@settings(max_examples=100)
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=3),
    st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=3),
)
def test_candidates_are_all_that_stand_twice(fresh, stored):
    found = candidates(
        [np.array(p, np.int64) for p in fresh], [np.array(p, np.int64) for p in stored]
    )
    flat = [x for p in fresh for x in p]
    wanted = {x for x in flat if flat.count(x) > 1} | ({x for p in stored for x in p} & set(flat))
    assert set(found.tolist()) == wanted
