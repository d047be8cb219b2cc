# SPDX-License-Identifier: Apache-2.0
"""The demo's lists: funds for a simulated customer, and films for a real one on request."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from heptad.runtime import Platform, discover
from heptad.standards.errors import InputError
from heptad.standards.time import day, format_instant, minute
from heptad.terminal.demo.real import Line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED, SHOWN, FEWEST = 7, 3, 10
"""Of the simulated customers; items printed of a list; likes that a film of the demo has at least."""
LIST = ("BECAUSE", "GOES_WITH", "ALIKE", "POPULAR", "NEW", "DRAWN")
SOURCE = "simulated"


def funds(platform: Platform) -> Iterator[Line]:
    """Learn from what simulated customers looked at, make lists for all of them, measure these.

    Everything lies in the project that is served; a second run finds it there.
    """
    app = discover()["recommend"]
    assert app.demo is not None  # noqa: S101 - a plain fact of this application
    given, now = app.demo(SEED), platform.clock.now() // day * day
    if platform.catalog.models.champion("recommend") is None:
        for table, rows in given.items():
            if table is not app.on:
                platform.store(table.__name__, list(rows), source=SOURCE)
    yield from _learned(platform, "funds")
    for customer, what in (("c002", "profile R3"), ("c000", "no questionnaire")):
        yield from _list(platform, customer, what, "funds", now)
    customers = sorted({str(row["customer"]) for row in given[app.on]})
    yield from _measured(platform, customers, now)


def _measured(platform: Platform, customers: list[str], now: int) -> Iterator[Line]:
    """Make everybody a list eight days ago, let half of them take something of it, and measure."""
    draw, taken = random.Random(SEED), []  # noqa: S311 - simulated
    for customer in customers:
        at = format_instant(now - 8 * day)
        row = {"id": f"demo-week-{customer}", "event_time": at, "customer": customer,
               "catalogue": "funds", "channel": "web"}  # fmt: skip
        made = platform.decide_one("recommend", row=row).decision
        assert made is not None  # noqa: S101 - nobody of the demo is erased
        shown = [str(r.numbers["item"]) for r in made.reasons if r.code in LIST]
        place, takes = int(draw.random() ** 2 * len(shown)), draw.random() < 0.5
        if shown and takes:
            taken.append({"id": f"demo-week-{customer}", "customer": customer, "item": shown[place],
                          "event_time": format_instant(now - 5 * day), "action": "purchase"})  # fmt: skip
    platform.store("Interaction", taken, source=SOURCE)
    platform.run("recommend.measure", format_instant(now)[:10])
    rows = platform.read("ListFigure", purpose="advice", role="app").to_pylist()
    found = {(r["report"], r["series"], r["at"]): r for r in rows}
    hit = found["cohort", "hit", "everybody"]
    seen = found["exposure", "items ever shown", "all"]["value"] / 1e6
    yield Line(
        f"{hit['n']} lists of a week ago",
        f"{hit['value'] / 1e6:.0%} of their readers took something of them (simulated); {seen:.0%} of "
        "all funds were shown   heptad apps recommend cohorts",
    )


def films(folder: Path, data: Path) -> Iterator[Line]:
    """Learn from the dated ratings of MovieLens small, and make a list for one of its users."""
    if not (folder / "heptad.toml").exists():
        command = [sys.executable, "-m", "heptad.apps.recommend.published", "movielens", str(data),
                   str(folder), "--agreed", "--fewest", str(FEWEST)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise InputError("The films could not be read.", got=done.stderr[-200:])
    with Platform.open(folder) as platform:
        platform.load()
        yield from _learned(platform, "films")
        yield from _list(platform, "15", "a user of MovieLens small", "films", platform.clock.now())


def _learned(platform: Platform, what: str) -> Iterator[Line]:
    """Train the ranker and let it recommend, unless one does already."""
    models = platform.catalog.models
    if models.champion("recommend") is None:
        platform.run("recommend.learn", format_instant(platform.clock.now())[:10])
        (made,) = models.recent(app="recommend", limit=1)
        platform.approve(made.id, "demo approver", "figures on later events reviewed")
    model = models.champion("recommend")
    assert model is not None  # noqa: S101 - it was approved just now
    ours, popular = (model.metrics.get(n, {}).get("ndcg", {}) for n in ("ours", "popularity"))
    yield Line(
        f"{what}: ranker, on later events",
        f"NDCG@10 {_interval(ours)}, popularity {_interval(popular)}, {ours.get('n')} people",
        held=bool(ours),
    )


def _interval(found: dict[str, Any]) -> str:
    return (
        f"{found['value']:.3f} [{found['low']:.3f} {found['high']:.3f}]" if found else "not judged"
    )


def _list(platform: Platform, customer: str, who: str, catalogue: str, at: int) -> Iterator[Line]:
    """Make a list and print its head, what was left out, and the steps."""
    row = {"id": f"demo-{customer}", "event_time": format_instant(at // minute * minute),
           "customer": customer, "catalogue": catalogue, "channel": "app"}  # fmt: skip
    made = platform.decide_one("recommend", row=row)
    assert made.decision is not None  # noqa: S101 - nobody of the demo is erased
    told = platform.explain(str(made.public["id"]))["reasons"]
    says = [reason if isinstance(reason, str) else reason["sentence"] for reason in told]
    codes = [reason.code for reason in made.decision.reasons]
    shown = [s for s, code in zip(says, codes, strict=True) if code in LIST]
    left = [s for s, code in zip(says, codes, strict=True) if code not in {*LIST, "STEPS"}]
    steps = [s for s, code in zip(says, codes, strict=True) if code == "STEPS"]
    yield Line(
        f"{catalogue} for {customer}, {who}", "; ".join(shown[:SHOWN]) or "nothing may be offered"
    )
    for text in ("; ".join(left), *steps):
        if text:
            yield Line("", text)
