# SPDX-License-Identifier: Apache-2.0
"""A simulated bank's live day goes the quick way, in both applications, and replays bit for bit."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest

from heptad.runtime import Platform
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports
from heptad.standards.time import FixedClock, format_instant
from tests.service.quickly import settled
from tests.service.test_replay import champion

BANK = Bank(60, 7, date(2026, 1, 1), 120)


def application(key, like, now):
    """An application for a loan handed in now, by somebody who has applied before."""
    names = ("customer", "currency", "term", "channel", "home", "age")
    row = {name: like[name] for name in names if like[name] is not None}
    amounts = {n: f"{like[n] / 100:.2f}" for n in ("amount", "income", "expenses") if like[n]}
    return row | amounts | {"id": key, "event_time": format_instant(now)}


@pytest.mark.slow
def test_the_live_day_is_decided_quickly_by_both_applications(tmp_path, monkeypatch):
    write_exports(BANK, tmp_path)
    clock = FixedClock(int(BANK.world.end))
    with Platform.open(tmp_path, clock=clock) as platform:
        platform.load()
        champion(platform, 1)
        platform.quicken()
        quick = settled(platform).intake.quick
        ways: Counter[str] = Counter()
        ask = quick.ask

        def asked(request):
            taken = ask(request)
            if taken is not None:
                ways["taken"] += 1
                ways.update(entry.public["app"] for entry in taken.made)
                ways["left"] += len(taken.undecided)
            else:
                ways["slow"] += 1
            return taken

        monkeypatch.setattr(quick, "ask", asked)
        known = platform.reads.rows(platform.table("LoanApplication")).to_pylist()
        for n, arrival in enumerate(BANK.live()):
            clock.set(max(arrival.instant, clock.now()))
            platform.accept(arrival.table, [json.loads(arrival.line)])
            if n % 8 == 0:
                row = application(f"new-{n}", known[n % len(known)], clock.now())
                platform.accept("LoanApplication", [row])
        made = [entry.decision for entry in platform.log.entries()]
        assert ways["fraud"] + ways["credit"] > 0.6 * len(made), ways
        assert ways["credit"] >= 3, ways
        assert any(d.score is not None and d.features["inflow_90d"] for d in made)
        report = platform.replay()
        assert report.identical, report.findings[:3]
        assert report.derived == {"identical": len(made)}
