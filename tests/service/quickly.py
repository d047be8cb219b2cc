# SPDX-License-Identifier: Apache-2.0
"""A project of payments that is served the quick way."""

from __future__ import annotations

import random
from contextlib import contextmanager
from datetime import UTC, datetime

from heptad.runtime import Platform
from heptad.service.batch.history import spine_of
from heptad.standards.time import hour, minute, parse_instant, second
from tests.waiting import until

NOW = parse_instant("2026-03-02T12:00:00Z")


class Ticking:
    """A clock that moves by itself, so that each row has an instant of its own."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        self.at += 3
        return self.at


def written(us: int) -> str:
    return datetime.fromtimestamp(us / second, UTC).isoformat()


DRAW = random.Random(1)


def payment(n, draw=DRAW, **more):
    """A payment of the last hour; now and then in another currency, or declined."""
    row = {
        "id": f"p{n}",
        "event_time": written(NOW - draw.randrange(hour)),
        "customer": f"c{draw.randrange(4)}",
        "merchant": f"m{draw.randrange(3)}",
        "device": draw.choice(["d1", "d2", None]),
        "country": draw.choice(["IT", "FR"]),
        "channel": draw.choice(["terminal", "online"]),
        "amount": f"{draw.randrange(1, 90_000)}",
        "currency": draw.choice(["EUR", "EUR", "USD", "JPY", "CHF"]),
        "status": draw.choice(["authorised", "authorised", "declined"]),
        "card": "4111111111111111",
    }
    return row | more


def rate(n, base, value, at=NOW - 48 * hour):
    return {"id": f"r{n}", "event_time": written(at), "base": base, "quote": "EUR", "rate": value}


def label(n, about):
    return {
        "id": f"l{n}",
        "event_time": written(NOW - 9 * 24 * hour + n * minute),
        "customer": "c1",
        "payment": about,
        "fraud": "true" if n % 2 else "false",
    }


def opened(folder, clock=None, more=""):
    text = '[project]\nname = "quick"\n' + more
    (folder / "heptad.toml").write_text(text, encoding="utf-8")
    return Platform.open(folder, clock=clock or Ticking(NOW))


def settled(platform):
    """Wait until the reels are built."""
    until(lambda: platform.intake.quick.current.ready)
    return platform


def quickened(platform):
    platform.quicken()
    return settled(platform)


@contextmanager
def served(folder, more=""):
    """A project with rates and forty payments, served the quick way."""
    with opened(folder, more=more) as found:
        found.store("Rate", [rate(1, "USD", "0.9"), rate(2, "JPY", "0.006")])
        found.accept("Payment", [payment(n) for n in range(40)])
        yield quickened(found)


def slowly(platform, entry):
    """What the batch reading gives for the row of a decision, at its own versions and instants."""
    app, then = platform.apps[entry.decision.app], entry.decision
    spine_rows = platform.desk._rows_then(app, [then])
    found = platform.desk._features_then(app, spine_of(app.on, spine_rows), then)
    return {name: column.to_pylist()[0] for name, column in found.items()}


def bypassed(platform):
    """Whether rows are really taken the quick way: nothing of them is stored yet."""
    return sum(line.rows for line in platform.intake.quick.pending.lines.values())
