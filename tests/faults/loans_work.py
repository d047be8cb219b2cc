# SPDX-License-Identifier: Apache-2.0
"""A day of running loans: closed, traced and planned, then closed again after a correction."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from path_work import PathWork, _csv, _loaded, _tick, content, warmed

from heptad.security.keys import Keys
from heptad.service.schedule.jobs import AGAIN

if TYPE_CHECKING:
    from pathlib import Path

    from workload import Steps

    from heptad.runtime import Platform

DAY = "2026-02-27"
PROJECT = """\
[project]
name = "small"
currency = "EUR"
clock = "2026-03-01T12:00:00Z"

[engine]
threads = 1
low_water = "1MB"

[[source]]
name = "loans"
table = "Loan"
from = "loans.csv"

[[source]]
name = "repayments"
table = "Repayment"
from = "repayments.csv"
map = { days_late = "nullif(days_late, '')" }

[[source]]
name = "transfers"
table = "Transfer"
from = "transfers.csv"
"""
LOANS = 6


def warm() -> None:
    """Import all that the work will need; see `path_work.warm`."""
    warmed("loans_work:LoansWork")


def repayment(loan: int, n: int, *, late: bool) -> dict[str, str]:
    """Make the n-th instalment of a loan, paid on its day or not at all."""
    due = date(2025, 11, 1) + timedelta(days=30 * n + loan)
    return {"id": f"r{loan}-{n}", "event_time": f"{due}T10:00:00Z", "loan": f"l{loan}",
            "customer": f"c{loan}", "due": "105.00", "paid": "0.00" if late else "105.00",
            "currency": "EUR", "days_late": "" if late else "0"}  # fmt: skip


class LoansWork(PathWork):
    """Six loans, half of them late, one of them spent where it must not be."""

    def prepare(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        with Keys(home / "keys") as keys:
            keys.signing_key()
            keys.pepper("pan")
        (home / "heptad.toml").write_text(PROJECT)
        _csv(
            home / "loans.csv",
            [
                {"id": f"l{n}", "event_time": f"2025-11-0{1 + n}T09:00:00Z", "customer": f"c{n}",
                 "amount": "600.00", "currency": "EUR", "rate": "0.06", "term": "6",
                 "status": "running"}
                for n in range(LOANS)
            ],
        )  # fmt: skip
        paid = [
            repayment(n, m, late=bool(n % 2) and m > 1) for n in range(LOANS) for m in (1, 2, 3)
        ]
        _csv(home / "repayments.csv", paid)
        _csv(
            home / "transfers.csv",
            [
                {"id": f"t{n}-{out}", "event_time": f"2025-12-{1 + n:02d}T1{out}:00:00Z",
                 "customer": f"c{n}", "account": f"A{n}", "counterparty": "X1" if out else "E1",
                 "direction": "out" if out else "in", "amount": "900.00", "currency": "EUR",
                 "kind": "other" if out else "salary"}
                for n in range(LOANS) for out in (0, 1)
            ],
        )  # fmt: skip

    def steps(self, store: Platform) -> Steps:
        for source in store.project.sources:
            yield f"load {source.name}", lambda name=source.name: _loaded(store, name)
        for job in ("loans", "funds", "collections"):
            yield job, lambda job=job: _run(store, job)
        yield "correct", lambda: self._correct(store)
        yield "again", lambda: _run(store, "loans", f"{AGAIN}1")

    def _correct(self, platform: Platform) -> None:
        """The second instalment of the second loan was paid after all."""
        _tick(platform, 60)
        row: dict[str, Any] = repayment(1, 2, late=False)
        assert not platform.store("Repayment", [row | {"days_late": 5}]).rejected

    def check(self, store: Platform, told: dict[str, Any]) -> None:
        assert store.catalog.loads.unfinished(mine=True) == []
        for name in store.lake.names():
            assert not store.lake.damaged(name)
        for job in ("loans", "funds", "collections"):
            if job in told:
                runs = store.catalog.runs.recent(f"credit.{job}", status="finished")
                assert DAY in {run.date for run in runs}
        for name in ("LoanDay", "FundsUse", "CollectionAction"):
            if store.lake.exists(name):
                ids = store.read(name).column("id").to_pylist()
                assert len(set(ids)) == len(ids)

    def end(self, store: Platform) -> Any:
        messages = store.work.outbox.recent(app="credit", limit=100)
        return {
            "rows": {name: content(store, name) for name in store.lake.names()},
            "messages": sorted(message.id for message in messages),
        }


def _run(platform: Platform, job: str, key: str = "") -> bool:
    return platform.work.jobs.run(f"credit.{job}", DAY, key).finished
