# SPDX-License-Identifier: Apache-2.0
"""The demo's lists: funds for a simulated customer, and films for a real one on request."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from heptad.runtime import Platform, discover
from heptad.standards.errors import InputError
from heptad.standards.time import FixedClock, format_instant, minute, parse_instant, second
from heptad.terminal.demo.real import Line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED, SHOWN, FEWEST = 7, 3, 10
"""Of the simulated customers; items printed of a list; likes that a film of the demo has at least."""
LIST = ("BECAUSE", "ALIKE", "POPULAR", "NEW", "DRAWN")


def funds(folder: Path) -> Iterator[Line]:
    """Learn from what simulated customers looked at, and make a list for one of them."""
    app = discover()["recommend"]
    assert app.demo is not None  # noqa: S101 - a plain fact of this application
    rows = app.demo(SEED)
    end = max(parse_instant(row["event_time"]) for given in rows.values() for row in given)
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "heptad.toml"
    fresh = not made.exists()
    if fresh:
        made.write_text('[project]\nname = "funds"\n', encoding="utf-8")
    with Platform.open(folder, clock=FixedClock(end + second)) as platform:
        if fresh:
            for table, given in rows.items():
                if table is not app.on:
                    platform.store(table.__name__, list(given), source="simulated")
        yield from _learned(platform, "funds")
        for customer, what in (("c002", "profile R3"), ("c000", "no questionnaire")):
            yield from _list(platform, customer, what, "funds", end)


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
