# SPDX-License-Identifier: Apache-2.0
"""A small house of funds: customers of four tastes, and visits with lists that were proposed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heptad.apps.recommend.tables import Item, Questionnaire, Visit
from heptad.standards.model import Consent, Interaction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.standards import Table

SECTORS = ("bonds", "energy", "health", "technology")
START = datetime(2025, 6, 1, tzinfo=UTC)
FUNDS, CUSTOMERS = 40, 60


def demo(seed: int) -> Mapping[type[Table], Sequence[Mapping[str, Any]]]:
    """Return funds, what customers agreed to, answered and did, and their visits."""
    rng = random.Random(seed)
    funds = [_fund(i, rng) for i in range(FUNDS)]
    people = [f"c{i:03d}" for i in range(CUSTOMERS)]
    acts = [row for who, person in enumerate(people) for row in _acts(who, person, funds, rng)]
    return {
        Item: funds,
        Consent: [_consent(p) for i, p in enumerate(people) if i % 5],
        Questionnaire: [_answers(i, p, rng) for i, p in enumerate(people) if i % 7],
        Interaction: sorted(acts, key=lambda row: str(row["event_time"])),
        Visit: [_visit(i, p, funds, rng) for i, p in enumerate(people)],
    }


def _fund(i: int, rng: random.Random) -> dict[str, Any]:
    sector = SECTORS[i % 4]
    risk = 1 + min(4, i % 4 + (i // 4) % 2)
    row: dict[str, Any] = {
        "id": f"f{i:02d}", "event_time": START.isoformat(), "catalogue": "funds",
        "title": f"{sector.capitalize()} {'fund' if i % 2 else 'index fund'} {i // 4 + 1}",
        "categories": sector, "number": 1990 + rng.randrange(30), "risk": f"R{risk}",
        "value": f"{0.01 * risk + rng.randrange(200) / 10_000:.4f}", "youngest": 18,
    }  # fmt: skip
    row |= {"licence": "abroad"} if i % 8 == 7 else {}
    return row | ({"residence": "GR"} if i % 10 == 9 else {})


def _consent(person: str) -> dict[str, Any]:
    return {"id": f"k-{person}", "event_time": START.isoformat(), "customer": person,
            "purpose": "advice", "scope": "all", "mode": "direct", "status": "active"}  # fmt: skip


def _answers(i: int, person: str, rng: random.Random) -> dict[str, Any]:
    row = {"id": f"q-{person}", "event_time": START.isoformat(), "customer": person,
           "profile": f"R{1 + i % 5}", "age": 16 + rng.randrange(60)}  # fmt: skip
    return row | ({"residence": "DE" if i % 3 else "GR"} if i % 11 else {})


def _acts(
    who: int, person: str, funds: Sequence[Mapping[str, Any]], rng: random.Random
) -> list[dict[str, Any]]:
    """Mostly funds of the own sector, its first ones more often; some of any."""
    rows, at = [], START + timedelta(hours=rng.randrange(24 * 60))
    for n in range(rng.randrange(4, 14)):
        at += timedelta(hours=1 + rng.randrange(200))
        own = rng.random() < 0.75
        place = int(len(funds) / 4 * rng.random() ** 1.5) * 4 + (
            who % 4 if own else rng.randrange(4)
        )
        rows.append(
            {"id": f"i-{person}-{n}", "event_time": at.isoformat(), "customer": person,
             "item": funds[place]["id"], "action": "dismiss" if rng.random() < 0.05 else "view",
             "channel": "app" if at.hour % 2 else "web"}
        )  # fmt: skip
    return rows


def _visit(
    i: int, person: str, funds: Sequence[Mapping[str, Any]], rng: random.Random
) -> dict[str, Any]:
    """A visit with a list that nobody has checked: the gate has to."""
    names = ("title", "risk", "youngest", "residence", "licence")
    items = [
        {"item": f["id"], "why": "POPULAR", "propensity": 1.0} | {n: f[n] for n in names if n in f}
        for f in rng.sample(list(funds), 8)
    ]
    at = START + timedelta(days=200, minutes=i)
    return {"id": f"v{i:03d}", "event_time": at.isoformat(), "customer": person, "channel": "app",
            "catalogue": "funds", "slate": json.dumps({"items": items})}  # fmt: skip
