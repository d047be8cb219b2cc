# SPDX-License-Identifier: Apache-2.0
"""What the demo does to its own bank, to show that it would notice."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.service.batch.history import compute
from heptad.service.decisions.decision import changed
from heptad.standards.errors import ContractError, Corrupt
from heptad.standards.time import FixedClock, format_instant, hour, second

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from heptad.runtime import Platform
    from heptad.service.batch.history import Spine
    from heptad.service.decisions.replaying import Replay


LONG = 8
"""Characters of a value from which it is looked for in files."""


@dataclass(frozen=True)
class Attack:
    """One attack: what was done, what was answered, and whether it failed as it must."""

    what: str
    answer: str
    held: bool


class Peeking:
    """The engine, made to look ahead: what a wrong join would do."""

    def __init__(self, queries: Any, ahead: int) -> None:
        self.queries, self.ahead = queries, ahead

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run a query with the edge of its windows, and what was known, moved into the future."""
        moved = {"e._us <= s._t": f"e._us <= s._t + {self.ahead}", "_us <= _t - 0": f"_us <= _t + {self.ahead}",
                 "e._from <= s._k": f"e._from <= s._k + {2 * self.ahead}",
                 "s._own IS NULL": "true"}  # fmt: skip
        for right, wrong in moved.items():
            sql = sql.replace(right, wrong)
        return self.queries.arrow(sql, params, **tables)


class Cut:
    """The engine, in a world that ended with the spine: no event after its t or known after its k."""

    def __init__(self, queries: Any) -> None:
        self.queries = queries

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run a query in which the future does not exist."""
        past = (
            "e AS (SELECT * FROM world WHERE _us <= (SELECT max(_t) FROM spine) "
            "AND _from <= (SELECT max(_k) FROM spine))"
        )
        sql = sql.replace("e AS (", "world AS (", 1).replace(", p AS (", f", {past}, p AS (", 1)
        return self.queries.arrow(sql, params, **tables)


def peek(platform: Platform) -> Attack:
    """Make the engine look ahead; comparing with a world cut off at t and k finds it.

    A declared feature cannot look ahead at all: `delay` below 0 is refused.
    """
    feature = platform.app("fraud").features["count_1h"]
    spine, ahead = _followed(platform)
    what = f"an engine made to peek {ahead // second} s ahead"

    def differing(queries: Any) -> int:
        seen = compute(queries, [feature], spine, platform.reads.stored)["count_1h"].to_pylist()
        blind = []
        for n in range(len(spine)):
            one = compute(Cut(queries), [feature], _row(spine, n), platform.reads.stored)
            blind += one["count_1h"].to_pylist()
        return sum(a != b for a, b in zip(seen, blind, strict=True))

    try:
        replace(feature, delay=-ahead)
        return Attack(what, "NOT NOTICED: a feature may be declared to look ahead", held=False)
    except ContractError:
        honest, caught = differing(platform.duck), differing(Peeking(platform.duck, ahead))
    if honest or not caught:
        return Attack(what, f"NOT NOTICED: {caught} of {len(spine)} values moved", held=False)
    return Attack(
        what, f"found: {caught} of {len(spine)} values change when the future is cut off", held=True
    )


def _followed(platform: Platform) -> tuple[Spine, int]:
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
    """Rows that arrived late: decisions made before stay, though what is known now differs.

    Looked at are the decisions about the same customers that lie after a late row happened and
    were made before it was known: just those whose windows it would have changed. If the day
    brought no such row, one is sent.
    """
    import pyarrow as pa

    rows = _late_rows(platform, keys)
    touched = _touched(platform, rows)
    if not touched:
        rows = _late_rows(platform, [*keys, *_send_late(platform)])
        touched = _touched(platform, rows)
    delay = max((known - t for _, t, known in rows), default=0)
    what = f"{len(rows)} row{'s' * (len(rows) > 1)} that arrived up to {delay // hour} hours late"
    if not touched:
        return Attack(what, "NOT SHOWN: no decision lies between a row and its arrival", held=False)
    app = platform.app("fraud")
    spine = platform.reads.spine(app, [d.row_key for d in touched])
    known_now = replace(spine, k=pa.array([platform.clock.now()] * len(spine), pa.int64()))
    compute_all = platform.reads.compute(list(app.features.values()))
    then, after = compute_all(spine), compute_all(known_now)
    at = {key: n for n, key in enumerate(spine.own.to_pylist() if spine.own is not None else [])}
    changed_then = changed_now = 0
    for decision in touched:
        n = at[decision.row_key]
        again = {name: column[n].as_py() for name, column in then.items()}
        seen = {name: column[n].as_py() for name, column in after.items()}
        changed_then += len(changed(decision.features, again))
        changed_now += len(changed(decision.features, seen))
    if changed_then or not changed_now:
        return Attack(what, f"NOT HELD: {changed_then} values moved", held=False)
    return Attack(
        what,
        f"{len(touched)} decisions before them unchanged; {changed_now} values differ as known now",
        held=True,
    )


def _send_late(platform: Platform) -> list[str]:
    """Send a payment that lies just before one that was decided earlier; return its key."""
    now = platform.clock.now()
    decided = [
        e.decision
        for e in platform.log.entries()
        if e.decision is not None and e.decision.app == "fraud" and e.decision.known_time < now
    ]
    if not decided:
        return []
    first, key = decided[0], f"late-{decided[0].row_key}"
    row = {
        "id": key,
        "event_time": format_instant(first.event_time - second),
        "customer": first.row["customer"],
        "amount": "1.00",
        "currency": "EUR",
        "status": "authorised",
    }
    platform.store("Payment", [row])
    return [key]


def _late_rows(platform: Platform, keys: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return customer, event_time and known_time of the first version of each late payment."""
    import pyarrow as pa

    from heptad.standards.model import Payment

    wanted = pa.table({"wanted_key": pa.array(list(keys), pa.string())})
    found = platform.duck.arrow(
        f"SELECT customer, event_time, min(known_time) AS known FROM "
        f"{platform.reads.stored(Payment).relation} r WHERE EXISTS "
        f"(SELECT 1 FROM wanted WHERE wanted_key = r.id) GROUP BY id, customer, event_time",
        wanted=wanted,
    )
    return [tuple(row.values()) for row in found.to_pylist()]


def _touched(platform: Platform, rows: Sequence[tuple[str, int, int]]) -> list[Any]:
    """Return the decisions that a late row would have changed, had it been known."""
    by_subject: dict[str, list[tuple[int, int]]] = {}
    for customer, t, known in rows:
        by_subject.setdefault(f"Customer:{customer}", []).append((t, known))
    return [
        entry.decision
        for entry in platform.log.entries()
        if entry.decision is not None
        and entry.decision.app == "fraud"
        and any(
            t <= entry.decision.event_time and entry.decision.known_time < known
            for t, known in by_subject.get(entry.subject, ())
        )
    ]


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


def erased(platform: Platform) -> Attack:
    """Erase a customer in a copy of the project, and look for what is left of them.

    Their decisions answer *erased*, the log verifies, no value or key of theirs is in any byte of
    any store, and the keys as they were before open with nothing that is left.
    """
    what = "one customer erased, in a copy"
    subject = next((e.subject for e in platform.log.entries() if not e.erased), None)
    if subject is None:
        return Attack(what, "NOT SHOWN: nobody was decided on", held=False)
    with tempfile.TemporaryDirectory(prefix="heptad-") as home:
        folder = Path(home) / "copy"
        _copy(platform.path, folder)
        return _erased(folder, subject, FixedClock(platform.clock.now()), what)


def _erased(folder: Path, subject: str, clock: FixedClock, what: str) -> Attack:
    from heptad.runtime import Platform

    with Platform.open(folder, clock=clock) as copy:
        page = copy.catalog.decisions.page(subject=subject, limit=1000)
        ids, entries = [e.id for e in page.entries], len(copy.log)
        (key,) = copy.keys.of([subject], create=False)
        kind, _, name = subject.partition(":")
        values = copy.erasing.values(kind, name)
        # A shorter value may stand in a file by chance.
        secrets = [key or b"", *(v.encode() for v in values if len(v) >= LONG)]
        shutil.copytree(folder / "keys", folder.parent / "keys")
        copy.erasing.erase([subject], "shown by the demo", who="demo", role="admin")
        closed = copy.replay(ids).decided
        whole = copy.log.ledger.verify().entries == entries
    shutil.copyfile(folder / "keys" / "kek", folder.parent / "keys" / "kek")
    files = [path for path in folder.rglob("*") if path.is_file()]
    left = sum(any(secret in data for secret in secrets) for data in map(Path.read_bytes, files))
    held = closed == {"erased": len(ids)} and whole and not left and _opens_nothing(folder.parent)
    if not held:
        return Attack(what, f"NOT HELD: {dict(closed)}, in {left} files", held=False)
    return Attack(
        what,
        f"{len(ids)} decisions answer erased, the log verifies; "
        f"{len(secrets)} values and keys in no byte of its stores; old keys open nothing",
        held=True,
    )


def _copy(project: Path, folder: Path) -> None:
    """Copy what a project stores, without the exports that it was loaded from."""
    folder.mkdir()
    shutil.copyfile(project / "heptad.toml", folder / "heptad.toml")
    for part in ("tables", "log", "keys", "models", "quarantine"):
        if (project / part).is_dir():
            shutil.copytree(project / part, folder / part)
    for path in project.glob("catalog.sqlite*"):
        shutil.copyfile(path, folder / path.name)


def _opens_nothing(home: Path) -> bool:
    """Whether the keys as they were before do not open with the key that is left."""
    from heptad.security.keys import Keys

    try:
        Keys(home / "keys").close()
    except Corrupt:
        return True
    return False


def replayed(platform: Platform) -> tuple[Attack, Replay]:
    """Replay every decision of the log."""
    found = platform.replay()
    n = len(platform.log)
    same = found.decided["identical"], found.derived["identical"]
    held = n > 0 and found.identical and same == (n, n)
    what = f"all {n:,} decisions replayed"
    return Attack(
        what, f"{same[0]:,} decided and {same[1]:,} derived identically", held=held
    ), found
