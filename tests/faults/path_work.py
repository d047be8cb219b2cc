# SPDX-License-Identifier: Apache-2.0
"""The whole path of a small project: load, decide, log; what was told must hold after any fault."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import traceback
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from workload import Work, find, perform, verify

from heptad.runtime import Platform, discover
from heptad.security.keys import Keys
from heptad.service.decisions.decision import decision_id
from heptad.standards import Text
from heptad.standards.time import FixedClock, parse_instant, second

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workload import Steps

TABLE = "SELECT {} FROM {} ORDER BY ALL"
START = parse_instant("2026-03-01T12:00:00Z")
PROJECT = """\
[project]
name = "small"
currency = "EUR"
clock = "2026-03-01T12:00:00Z"

[engine]
threads = 1
low_water = "1MB"

[[source]]
name = "customers"
table = "Customer"
from = "customers.csv"

[[source]]
name = "payments"
table = "Payment"
from = "payments.csv"
"""


def warm() -> None:
    """Import all that the work will need."""
    warmed("path_work:PathWork")


def warmed(work: str) -> None:
    """Import all that a work will need, which a child that does it once tells.

    Here itself nothing is done: what starts threads must not come before a fork.
    """
    discover()
    told, tells = os.pipe()
    if not (pid := os.fork()):
        try:
            os.close(told)
            _rehearse(work)
            with os.fdopen(tells, "w") as pipe:
                pipe.write(" ".join(sys.modules))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(tells)
    with os.fdopen(told) as pipe:
        names = pipe.read().split()
    assert os.waitpid(pid, 0)[1] == 0
    for name in names:
        with suppress(ImportError):
            import_module(name)


def _rehearse(work: str) -> None:
    """Do the whole work once, where nothing fails."""
    with TemporaryDirectory() as folder:
        home, acks, calm = (str(Path(folder, name)) for name in ("home", "acks", "calm"))
        find(work).prepare(Path(home))
        perform(work, home, acks)
        verify(work, home, acks, calm)


def payment(number: int, amount: str = "10.00") -> dict[str, Any]:
    """Make a payment; a minute lies between one number and the next."""
    at = f"2026-03-01T{10 + number // 60:02d}:{number % 60:02d}:00Z"
    return {"id": f"p{number}", "event_time": at, "customer": f"c{number % 4}", "amount": amount,
            "currency": "EUR", "status": "authorised", "card": "5555555555554444"}  # fmt: skip


class PathWork(Work):
    """Files loaded, rows posted and corrected, decisions made, small files merged."""

    FILED = 2

    def prepare(self, home: Path) -> None:
        super().prepare(home)
        with Keys(home / "keys") as keys:  # what is hashed under them is the same in every run
            keys.signing_key()
            keys.pepper("pan")
        (home / "heptad.toml").write_text(PROJECT)
        customers = [
            {"id": f"c{n}", "event_time": "2026-01-01T00:00:00Z", "name": f"Ana {n}"}
            for n in range(4)
        ]
        _csv(home / "customers.csv", customers)
        _csv(home / "payments.csv", [payment(n, f"{10 + n}.00") for n in range(self.FILED)])

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Platform]:
        with Platform.open(home) as platform:
            yield platform

    def steps(self, store: Platform) -> Steps:
        for source in store.project.sources:
            yield f"load {source.name}", lambda name=source.name: _loaded(store, name)
        filed = [f"p{n}" for n in range(self.FILED)]
        yield "decide", lambda: _ids(store.decide("fraud", keys=filed))
        yield "post 2", lambda: self._post(store, 2)
        yield "ask 3", lambda: self._ask(store, 3)
        yield "correct", lambda: self._correct(store)
        yield "compact", lambda: _nothing(store.compact("Payment"))

    def _post(self, platform: Platform, n: int) -> list[str]:
        _tick(platform, n)
        return _ids(platform.accept("Payment", [payment(n)])[1])

    def _ask(self, platform: Platform, n: int) -> list[str]:
        _tick(platform, n)
        return _ids([platform.decide_one("fraud", row=payment(n), name=f"ask-{n}")])

    def _correct(self, platform: Platform) -> list[str]:
        _tick(platform, 15)
        report, made = platform.accept("Payment", [payment(1, "99.00")])
        assert not report.rejected
        return _ids(made)[:0]  # first it opens none, then it answers the first one

    def check(self, store: Platform, told: dict[str, Any]) -> None:
        made = [entry.public["id"] for entry in store.log.entries()]
        assert len(set(made)) == len(made), "a decision is in the log twice"
        assert store.log.ledger.verify().entries == len(made)
        committed = {x.id for x in store.catalog.loads.recent(status="committed", limit=10_000)}
        for step, answer in told.items():
            if step.startswith("load"):
                assert {n for n in answer if n is not None} <= committed, step
            elif answer is not None:
                assert set(answer) <= set(made), step
        assert store.catalog.loads.unfinished(mine=True) == []
        for name in store.lake.names():
            assert not store.lake.damaged(name)
            assert not list((store.lake.folder / name).glob(".stage-*"))

    def end(self, store: Platform) -> Any:
        return end(store)


def _loaded(platform: Platform, source: str) -> list[int]:
    """Load a source; which loads of it count."""
    platform.load(source)
    done = platform.catalog.loads.recent(status="committed", limit=100)
    return sorted(load.id for load in done if load.source == source)


def _ids(made: list[Any]) -> list[str]:
    return [entry.public["id"] for entry in made]


def _tick(platform: Platform, n: int) -> None:
    """Let the simulated clock stand where the row arrives, never behind where it stood."""
    assert isinstance(platform.clock, FixedClock)
    platform.clock.set(max(platform.clock.now(), START + n * second))
    platform.keep_clock()


def _nothing(_: object) -> None:
    """Forget an answer that may differ when a step is done again."""


def _csv(path: Path, rows: list[dict[str, str]]) -> None:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def end(platform: Platform, tick: int = 1) -> dict[str, Any]:
    """What an uninterrupted run must equal: rows, decisions, and whether they replay.

    Args:
        platform: the project.
        tick: microseconds to which the instants at which things became known are compared.
    """
    again = platform.load()
    assert not any(report.accepted for report in again), again
    report = platform.replay()
    n = len(platform.log)
    assert report.decided == report.derived == {"identical": n}, report.findings
    decisions = [entry.decision.to_dict() for entry in platform.log.entries()]
    for decision in decisions:
        del decision["tables"]
        about, k = [decision[part] for part in ("app", "on", "row_key")], decision["known_time"]
        decision["known_time"] -= k % tick
        if decision["id"] == decision_id(*about, k):
            decision["id"] = decision_id(*about, decision["known_time"])
    return {
        "rows": {name: content(platform, name, tick) for name in platform.lake.names()},
        "decisions": [decision["id"] for decision in decisions],
        "bytes": digest(json.dumps(decisions, default=str, sort_keys=True)),
    }


def content(platform: Platform, name: str, tick: int = 1) -> list[Any]:
    """Number and hash of a table's row versions, without what differs between any two projects.

    That are numbers of loads, and what is sealed or hashed under the project's own keys.
    """
    table = platform.table(name)
    hidden = {"_load", "_line", "_hash"}
    for field in table.fields.values():
        if field.sealed or (isinstance(field, Text) and field.pan):
            hidden |= {column.name for column in field.columns()}
    names = ", ".join(f'"{c.name}"' for c in table.columns() if c.name not in hidden)
    relation = platform.lake.relation(name, table=table)
    rows = platform.duck.arrow(TABLE.format(names, relation)).to_pylist()
    for row in rows:
        row["known_time"] -= row["known_time"] % tick
    return [len(rows), digest(repr(rows))]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
