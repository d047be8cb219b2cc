# SPDX-License-Identifier: Apache-2.0
"""What the demo does to its own bank, to show that it would notice."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.service.decisions import changed
from heptad.service.history import compute
from heptad.standards.errors import Corrupt
from heptad.standards.time import day, second

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from heptad.runtime import Platform
    from heptad.service.history import Spine
    from heptad.service.replaying import Replay


@dataclass(frozen=True)
class Attack:
    """One attack: what was done, what was answered, and whether it failed as it must."""

    what: str
    answer: str
    held: bool


class Peeking:
    """The engine, made to look ahead: what a wrong join would do.

    Args:
        queries: the engine.
        ahead: how far, microseconds.
    """

    def __init__(self, queries: Any, ahead: int) -> None:
        self.queries, self.ahead = queries, ahead

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run a query with both edges of its windows moved into the future."""
        moved = {
            "e._us <= s._t": f"e._us <= s._t + {self.ahead}",
            "_us <= _t - 0": f"_us <= _t + {self.ahead}",
            "e._from <= s._k": f"e._from <= s._k + {day}",
            "s._own IS NULL": "true",
        }
        for right, wrong in moved.items():
            sql = sql.replace(right, wrong)
        return self.queries.arrow(sql, params, **tables)


class Cut:
    """The engine, shown only what happened and was known by each spine row's own instant."""

    def __init__(self, queries: Any) -> None:
        self.queries = queries

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run a query in which no event after t, or known after k, exists."""
        blind = "e AS (SELECT e0.* FROM e1 e0 WHERE e0._us <= (SELECT max(_t) FROM spine))"
        if "WITH e AS (" in sql:
            sql = sql.replace("WITH e AS (", "WITH e1 AS (", 1).replace(
                "), p AS (", f"), {blind}, p AS (", 1
            )
        return self.queries.arrow(sql, params, **tables)


def peek(platform: Platform) -> Attack:
    """Make a feature look ahead; the check compares it with the future cut off."""
    feature = replace(platform.app("fraud").features["count_1h"], name="count_1h")
    spine, ahead = _busiest(platform)
    what = f"a feature made to peek {ahead // second} s ahead"

    def differing(queries: Any) -> int:
        seen = compute(queries, [feature], spine, platform.reads.stored)["count_1h"].to_pylist()
        blind = []
        for n in range(len(spine)):
            blind += compute(Cut(queries), [feature], _row(spine, n), platform.reads.stored)[
                "count_1h"
            ].to_pylist()
        return sum(a != b for a, b in zip(seen, blind, strict=True))

    honest, caught = differing(platform.duck), differing(Peeking(platform.duck, ahead))
    if honest or not caught:
        return Attack(what, f"NOT NOTICED: {caught} of {len(spine)} values moved", held=False)
    return Attack(
        what,
        f"refused: {caught} of {len(spine)} values change when the future is cut off",
        held=True,
    )


def _busiest(platform: Platform) -> tuple[Spine, int]:
    """Return payments that another of the same customer soon follows, and within what time."""
    from heptad.standards.model import Payment

    stored = platform.reads.stored(Payment)
    found = platform.duck.arrow(
        f"SELECT id, next - us AS gap FROM (SELECT id, event_time AS us, lead(event_time) "
        f"OVER (PARTITION BY customer ORDER BY event_time, id) AS next FROM {stored.relation} "
        f"WHERE NOT _deleted) WHERE next > us ORDER BY gap, id LIMIT 12"
    )
    gaps = found.column("gap").to_pylist()
    spine = platform.reads.spine(platform.app("fraud"), found.column("id").to_pylist())
    return spine, -(-max(gaps, default=0) // second) * second


def _row(spine: Spine, n: int) -> Spine:
    """Return one row of a spine."""
    keys = {name: column.slice(n, 1) for name, column in spine.keys.items()}
    own = spine.own.slice(n, 1) if spine.own is not None else None
    return replace(spine, keys=keys, t=spine.t.slice(n, 1), k=spine.k.slice(n, 1), own=own)


def late(platform: Platform, keys: Sequence[str]) -> Attack:
    """Rows that arrived late: past decisions stay, what is known now differs."""
    what = f"{len(keys)} rows that arrived up to 6 days late"
    moved = unmoved = 0
    for batch in _decided_about(platform, keys):
        now = platform.clock.now()
        app = platform.app("fraud")
        spine = platform.reads.spine(platform.app("fraud"), [d.row_key for d in batch])
        import pyarrow as pa

        known_now = replace(spine, k=pa.array([now] * len(spine), pa.int64()))
        then, after = (
            platform.reads.compute(list(app.features.values()))(s) for s in (spine, known_now)
        )
        own = spine.own.to_pylist() if spine.own is not None else []
        at = {key: n for n, key in enumerate(own)}
        for decision in batch:
            n = at[decision.row_key]
            again = {name: column[n].as_py() for name, column in then.items()}
            seen = {name: column[n].as_py() for name, column in after.items()}
            unmoved += not changed(decision.features, again)
            moved += len(changed(decision.features, seen))
        if unmoved != len(batch):
            return Attack(what, "PAST DECISIONS CHANGED", held=False)
    return Attack(
        what, f"past decisions unchanged; {moved:,} values differ as known now", held=True
    )


def _decided_about(platform: Platform, keys: Sequence[str]) -> list[list[Any]]:
    """Return the decisions about customers of late rows, in one batch."""
    import pyarrow as pa

    from heptad.standards.model import Payment

    wanted = pa.table({"id": pa.array(list(keys), pa.string())})
    rows = platform.duck.arrow(
        f"SELECT DISTINCT customer FROM {platform.reads.stored(Payment).relation} "
        f"WHERE id IN (SELECT id FROM wanted)",
        wanted=wanted,
    )
    subjects = {f"Customer:{c}" for c in rows.column("customer").to_pylist()}
    made = [
        e.decision
        for e in platform.log.entries()
        if e.decision is not None and e.decision.app == "fraud" and e.subject in subjects
    ]
    return [made] if made else []


def flip(platform: Platform, seed: int) -> Attack:
    """Flip one bit of a copy of the decision log."""
    from heptad.engine.local.segments import Segments
    from heptad.security.ledger import Ledger

    what = "one bit flipped in the decision log"
    rng = random.Random(seed)  # noqa: S311 - chooses a bit to flip, nothing secret
    with tempfile.TemporaryDirectory(prefix="heptad-") as folder:
        copy = Path(folder) / "decisions"
        shutil.copytree(platform.path / "log" / "decisions", copy)
        file = max(copy.iterdir(), key=lambda p: p.stat().st_size)
        data = bytearray(file.read_bytes())
        at = rng.randrange(len(data) // 4, len(data) * 3 // 4)
        data[at] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        try:
            with Segments(copy) as segments:
                Ledger(
                    segments,
                    platform.keys.signing_key(),
                    platform.project.security.origin,
                    floor=len(platform.log),
                ).verify()
        except Corrupt as error:
            return Attack(what, f"found: {error.what}", held=True)
    return Attack(what, "NOT FOUND", held=False)


def replayed(platform: Platform) -> tuple[Attack, Replay]:
    """Replay every decision of the log."""
    found = platform.replay()
    n = len(platform.log)
    same = found.decided["identical"], found.derived["identical"]
    held = found.identical and same == (n, n)
    what = f"all {n:,} decisions replayed"
    return Attack(
        what, f"{same[0]:,} decided and {same[1]:,} derived identically", held=held
    ), found
