# SPDX-License-Identifier: Apache-2.0
"""Decisions of the credit flow with a score, reasons and the durable log, in batches."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.apps.credit import app

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from heptad.service.decisions.deciding import Scorer

BATCH = 2000


def applications(n: int, seed: int, missing: float = 0.0) -> tuple[pa.Table, dict[str, pa.Array]]:
    """Draw applications and their features, of which a share is not known.

    Nothing ends the flow early: what is decided goes through the score to the amounts.
    """
    import pyarrow as pa

    draw = np.random.default_rng(seed)
    whole = {
        f for f, of in app.features.items() if of.op not in ("ratio", "share", "spread", "mean")
    }
    values = {
        f: draw.integers(0, 5, n) if f in whole else draw.lognormal(0, 0.5, n) for f in app.features
    }
    values["inflow_90d"] = draw.integers(200_000, 3_000_000, n)
    given = {f: pa.array(v, mask=draw.random(n) < missing) for f, v in values.items()}
    fixed = {"bureau_overdue": 0, "applications_1d": 1, "applications_30d": 1, "group_debt": 0}
    given |= {name: pa.array(np.full(n, value)) for name, value in fixed.items()}
    t = 1_750_000_000_000_000 + np.arange(n) * 1_000_000
    rows = pa.table({
        "id": [f"a{k:07d}" for k in range(n)], "event_time": t, "known_time": t,
        "customer": [f"c{k % 5000}" for k in range(n)], "amount": draw.integers(100_000, 3_000_000, n),
        "currency": ["EUR"] * n, "term": draw.choice([12, 24, 36, 60], n), "age": np.full(n, 40),
        "purpose": ["medical"] * n,
    })  # fmt: skip
    return rows, given


def durable(
    scorer: Scorer, rows: pa.Table, given: Mapping[str, pa.Array], *, shadow: bool = False
) -> dict[str, Any]:
    """Decide applications and record them; CPU seconds.

    With a shadow, another flow is asked of the same decisions afterwards, as it is while serving.
    """
    from heptad.service.decisions.deciding import Circumstances, decide
    from heptad.testing.scratch import project

    outcomes: Counter[str] = Counter()
    with project({}, apps=[app]) as platform:
        if shadow:
            _publish_shadow(platform)
        start = time.process_time()
        for at in range(0, len(rows), BATCH):
            part, batch = {f: v.slice(at, BATCH) for f, v in given.items()}, rows.slice(at, BATCH)
            now, policy = batch["event_time"][0].as_py(), platform.desk.policy(app)
            held = Circumstances(policy, {"LoanApplication": 0}, "contract", now, scorer)
            made, failed = decide(app, batch, lambda _, part=part: part, held)
            assert not failed
            outcomes.update(one.outcome for one in made)
            platform.log.record(made)
        spent = time.process_time() - start
        assert platform.log.ledger.verify().entries == outcomes.total() == len(rows)
        found = {"seconds": spent, "decisions": len(rows), "outcomes": dict(outcomes)}
        if shadow:
            start = time.process_time()
            platform.work.shadows.catch_up()
            found["asked"] = time.process_time() - start
            told = platform.work.shadows.compare(app)
            assert (told["rows"], told["failed"]) == (len(rows), 0)
            assert platform.work.shadows.replay(app)["identical"] == len(rows)
    return found


def _publish_shadow(platform: Any) -> None:
    """Let the application's own flow, run in shadow."""
    from heptad.service.flows.publishing import approve, propose, publish

    text, models = app.flow.own.text + "\n# tried in shadow\n", platform.catalog.models
    made = propose(models, app, text, "ann")
    approve(models, app, made.id, made.sha256, "bob", "to be measured")
    publish(models, app, text, "bob", shadow=len(platform.log))
