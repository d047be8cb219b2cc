# SPDX-License-Identifier: Apache-2.0
"""Decisions: thirty rules by row and batch beside GoRules, a back-test of months, durable decisions."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Row, child
from heptad.standards import Code, Instant, Integer, Money, Ref, Table, Text
from heptad.standards.model import Customer

if TYPE_CHECKING:
    import pyarrow as pa

RULES = Path(__file__).with_name("rules30.yaml")
CARDS = "card-transactions/transactions_2018-04_2018-08.parquet"
COUNTRIES = ("BE", "FR", "NL", "DE", "US", "ES", "NG", "RU")
NAMES = ("Jonathan Smythe", "Jonathon Smith", "Élodie Dubois", "Ann Peeters", "Müller Hans")


class Swipe(Table):
    """One card payment with what is known of it, as the benchmarks lay it out."""

    id = Text("Its id", key=True)
    event_time = Instant("When it was made")
    payer = Ref(Customer, "Who paid", subject=True)
    customer = Integer("Number of the customer")
    terminal = Integer("Number of the terminal")
    amount = Money("What was paid", currency="currency")
    currency = Code("Its currency", standard="ISO 4217")
    country = Text("Country of the terminal")
    home = Text("Country of the customer")
    channel = Text("Where it was made")
    category = Text("Merchant category")
    holder = Text("Name given", optional=True)
    lat = Integer("Latitude of the terminal, 1e-7 degrees")
    lon = Integer("Longitude of the terminal, 1e-7 degrees")
    last_lat = Integer("Latitude of the one before")
    last_lon = Integer("Longitude of the one before")
    count_1h = Integer("Payments of the customer in an hour")
    count_1d = Integer("Payments of the customer in a day")
    count_7d = Integer("Payments of the customer in a week")
    spend_1d = Integer("Spent in a day")
    spend_7d = Integer("Spent in a week")
    mean_28d = Integer("Mean amount of four weeks")
    terminal_1d = Integer("Payments at the terminal in a day")
    terminal_7d = Integer("Payments at the terminal in a week")


def cards(limit: int = 0) -> pa.Table:
    """Read the card payments, with eight features by DuckDB's own windows.

    What the data do not have (country, channel, name, place) is drawn from a hash of the ids.
    """
    import duckdb

    path = Path(os.environ.get("HEPTAD_DATA", "/nowhere")) / CARDS
    con = duckdb.connect(config={"threads": 1, "memory_limit": "3GB"})
    first = f"LIMIT {limit}" if limit else ""
    listed = "[" + ", ".join(f"'{c}'" for c in COUNTRIES) + "]"
    names = "[" + ", ".join(f"'{n}'" for n in NAMES) + "]"
    window = "(PARTITION BY {0} ORDER BY t RANGE BETWEEN {1} PRECEDING AND CURRENT ROW)"
    day = 86_400_000_000

    def over(key: str, span: int) -> str:
        return window.format(key, span)

    return con.sql(
        f"""WITH p AS (SELECT transaction_id AS n, epoch_us("at") AS t, customer_id AS customer,
          terminal_id AS terminal, amount_cents AS amount, coalesce(fraud, false) AS fraud
          FROM '{path}' ORDER BY n {first})
        SELECT n::VARCHAR AS id, t AS event_time, customer::BIGINT AS customer,
          terminal::BIGINT AS terminal, amount::BIGINT AS amount, fraud,
          {listed}[1 + (CASE WHEN hash(n, 1) % 20 = 0 THEN hash(n, 2) % 8 ELSE 0 END)::INT] AS country,
          'BE' AS home, CASE WHEN hash(n, 3) % 4 = 0 THEN 'online' ELSE 'terminal' END AS channel,
          CASE WHEN hash(terminal, 4) % 50 = 0 THEN '7995' ELSE '5411' END AS category,
          CASE WHEN hash(n, 5) % 100 = 0 THEN NULL ELSE {names}[1 + (hash(customer) % 5)::INT] END AS holder,
          (505000000 + (hash(terminal, 6) % 20000000)::BIGINT)::BIGINT AS lat,
          (30000000 + (hash(terminal, 7) % 30000000)::BIGINT)::BIGINT AS lon,
          CASE WHEN hash(n, 8) % 50 = 0 THEN 407000000::BIGINT ELSE 508500000::BIGINT END AS last_lat,
          CASE WHEN hash(n, 8) % 50 = 0 THEN -740000000::BIGINT ELSE 43500000::BIGINT END AS last_lon,
          count(*) OVER {over("customer", day // 24)} AS count_1h,
          count(*) OVER {over("customer", day)} AS count_1d,
          count(*) OVER {over("customer", 7 * day)} AS count_7d,
          (sum(amount) OVER {over("customer", day)})::BIGINT AS spend_1d,
          (sum(amount) OVER {over("customer", 7 * day)})::BIGINT AS spend_7d,
          (avg(amount) OVER {over("customer", 28 * day)})::BIGINT AS mean_28d,
          count(*) OVER {over("terminal", day)} AS terminal_1d,
          count(*) OVER {over("terminal", 7 * day)} AS terminal_7d
        FROM p ORDER BY n"""
    ).to_arrow_table()


def there() -> bool:
    """Whether the card payments are on this machine."""
    return (Path(os.environ.get("HEPTAD_DATA", "/nowhere")) / CARDS).exists()


def ruleset() -> Any:
    """Read the thirty rules."""
    from heptad.service.rules.files import read_rules

    return read_rules(RULES.read_text(encoding="utf-8"), {"Swipe": Swipe}, name=RULES.name)


def by_row(limit: int) -> dict[str, Any]:
    """Ask the thirty rules of each row."""
    rules = ruleset().rules
    rows = cards(limit).to_pylist()
    fired = rules.fired
    start = time.process_time()
    found = [fired(row) for row in rows]
    spent = time.process_time() - start
    return {"seconds": spent, "rows": len(rows), "checks": _counts(found)}


def _counts(found: list[list[int]]) -> list[int]:
    counts = [0] * 30
    for fired in found:
        for n in fired:
            counts[n] += 1
    return counts


def by_batch(limit: int) -> dict[str, Any]:
    """Ask the thirty rules of all rows by columns, and compare a sample with the row form."""
    from heptad.engine.batch.columns import Frame

    rules = ruleset().rules
    table = cards(limit)
    small = table.slice(0, 1000)
    list(
        rules.each(Frame({n: small.column(n) for n in small.column_names}, 1000))
    )  # compiles loops
    wall, start = time.perf_counter(), time.process_time()
    frame = Frame({n: table.column(n) for n in table.column_names}, table.num_rows)
    found = list(rules.each(frame))
    spent, waited = time.process_time() - start, time.perf_counter() - wall
    every = max(1, table.num_rows // 20_000)
    picked = np.arange(0, table.num_rows, every)
    fires = np.stack([f[picked] for f in found])
    for at, row in enumerate(table.take(picked).to_pylist()):
        assert np.flatnonzero(fires[:, at]).tolist() == rules.fired(row), row
    return {
        "seconds": spent, "wall": waited, "rows": table.num_rows,
        "checks": [int(f.sum()) for f in found], "compared": len(picked),
    }  # fmt: skip


ZEN = {
    "C01": "amount > 22000", "C02": "amount >= 50000", "C03": "amount < 100",
    "C04": "amount > 10000 and country == 'US'", "C05": "country != home",
    "C06": "country != home and amount > 15000", "C07": "channel == 'online'",
    "C08": "channel == 'online' and amount > 9000", "C09": "amount >= 9900 and amount <= 9999",
    "C10": "amount < 50 or amount > 90000", "C11": "terminal <= 10",
    "C12": "not (channel == 'terminal')",
    "C13": "customer >= 4000 and customer < 4100 and amount > 5000", "C14": "holder == null",
    "F01": "count_1h >= 3", "F02": "count_1d >= 10", "F03": "spend_1d > 100000",
    "F04": "count_7d >= 20 and amount > 8000", "F05": "amount > mean_28d * 4",
    "F06": "spend_7d > 300000", "F07": "terminal_1d >= 6 and amount > 12000",
    "F08": "terminal_7d > 40", "L01": "terminal in [17, 404, 1999, 3156, 5210, 7777, 9001]",
    "L02": "customer in [13, 666, 4961, 2718]", "L03": "country in ['NG', 'RU', 'KP', 'IR']",
    "L04": "category in ['7995', '7801', '7802'] and amount > 5000",
}  # fmt: skip
"""What GoRules can say of the thirty; it has no time zones with holidays, distance or fuzzy match."""


def by_zen(limit: int) -> dict[str, Any]:
    """Ask GoRules zen-engine the 26 rules that it can say, in one graph, row by row."""
    import zen

    expressions = [{"id": c, "key": c, "value": text} for c, text in ZEN.items()]
    graph = {
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", "position": {"x": 0, "y": 0}},
            {"id": "e", "type": "expressionNode", "name": "e", "position": {"x": 1, "y": 0},
             "content": {"expressions": expressions}},
            {"id": "out", "type": "outputNode", "name": "out", "position": {"x": 2, "y": 0}},
        ],
        "edges": [
            {"id": "1", "sourceId": "in", "targetId": "e", "type": "edge"},
            {"id": "2", "sourceId": "e", "targetId": "out", "type": "edge"},
        ],
    }  # fmt: skip
    decision = zen.ZenEngine().create_decision(json.dumps(graph))
    drop = ("fraud", "event_time", "lat", "lon", "last_lat", "last_lon", "id")
    rows = [{k: v for k, v in r.items() if k not in drop} for r in cards(limit).to_pylist()]
    start = time.process_time()
    answers = [decision.evaluate(row)["result"] for row in rows]
    spent = time.process_time() - start
    counts = [sum(1 for a in answers if a[c] is True) for c in ZEN]
    return {"seconds": spent, "rows": len(rows), "checks": counts}


def rules_row(*, quick: bool, seed: int) -> list[Row]:
    """Row and batch form of the thirty rules, and GoRules on the 26 that it can say."""
    del seed
    if not there():
        print("not run: absent: card-transactions (set HEPTAD_DATA)")
        return []
    limit = 20_000 if quick else 200_000
    ours, zen = (
        child("benchmarks.decisions:by_row", limit),
        child("benchmarks.decisions:by_zen", min(limit, 50_000)),
    )
    same = child("benchmarks.decisions:by_row", min(limit, 50_000))
    assert same.answer["checks"][:26] == zen.answer["checks"], (same.answer, zen.answer)
    batch = child("benchmarks.decisions:by_batch", limit)
    assert batch.answer["checks"] == ours.answer["checks"]
    rate = ours.answer["rows"] / ours.answer["seconds"]
    theirs = zen.answer["rows"] / zen.answer["seconds"]
    rules = 30 * batch.answer["rows"] / batch.answer["seconds"] / 1e6
    detail = {"rules": 30, "counts": ours.answer["checks"], "zen rules": 26}
    return [
        Row("rules-row", "thirty rules, row by row, CPU", rate, "rows/s", 50_000, True, detail),
        Row("rules-zen", "GoRules zen-engine, 26 of them, CPU", theirs, "rows/s"),
        Row("rules-ratio", "ours over GoRules, rows", rate / theirs, "times", 1, True),
        Row("rules-batch", "thirty rules by columns, CPU", rules, "M rules/s", 20, True),
    ]


def months(*, quick: bool, seed: int) -> list[Row]:
    """Back-test of all card payments with thirty rules, equal to asking row by row."""
    del seed
    if not there():
        print("not run: absent: card-transactions (set HEPTAD_DATA)")
        return []
    run = child("benchmarks.decisions:by_batch", 100_000 if quick else 0)
    detail = {"rows": run.answer["rows"], "compared with rows": run.answer["compared"],
              "whole process with features": run.wall, "peak MiB": run.peak_mib}  # fmt: skip
    what = f"back-test of {run.answer['rows']:,} payments, 30 rules"
    return [
        Row("months", what, run.answer["seconds"], "CPU s", 20, False, detail),
        Row("months-all", "the same with reading and eight features", run.cpu, "CPU s"),
    ]


def flow(decisions: int, shadow: bool = False) -> dict[str, Any]:
    """Decide by the credit flow and a card of four inputs: the model's own cost is measured elsewhere."""
    from benchmarks.durable import applications, durable
    from heptad.service.app import Score
    from heptad.service.decisions.deciding import Scorer

    class Card:
        """A card of four inputs."""

        def score(self, row: dict[str, Any]) -> Score:
            lost = [(n, 30) for n in ("amount", "term", "inflow_90d", "bills_to_inflow") if row[n]]
            return Score(0.04, 640 - 30 * len(lost), lost)

    rows, given = applications(decisions, 0, missing=0.25)
    return durable(Scorer(Card(), ""), rows, given, shadow=shadow)  # type: ignore[arg-type]


def shadow_row(*, quick: bool, seed: int) -> list[Row]:
    """The same flow asked in shadow of what was decided: sealed, durable, replayed."""
    del seed
    answer = child("benchmarks.decisions:flow", 4_000 if quick else 20_000, True).answer
    rate = answer["decisions"] / answer["asked"]
    detail = {"decided beside it, per CPU s": answer["decisions"] / answer["seconds"]}
    return [Row("shadow", "credit flow in shadow, sealed and durable", rate, "asked/CPU s",
                detail=detail)]  # fmt: skip


def flow_row(*, quick: bool, seed: int) -> list[Row]:
    """The credit flow with score, reasons and the durable log."""
    del seed
    run = child("benchmarks.decisions:flow", 4_000 if quick else 20_000)
    rate = run.answer["decisions"] / run.answer["seconds"]
    what = "credit flow: features given, score, reasons, durable log"
    return [
        Row("flow", what, rate, "decisions/CPU s", 5_000, True, {"batch": 2000}),
        Row("core-hour", "durable decisions per core-hour", rate * 3600 / 1e6, "M"),
    ]


def send_many(n: int) -> dict[str, Any]:
    """Plan n messages to three persons and deliver them to their inboxes; each arrives once."""
    from sqlalchemy import func, select

    from heptad.catalog.outboxtables import NoticeRow
    from heptad.service.letters import Text
    from heptad.service.outbox.messages import Wanted
    from heptad.standards.model import Customer
    from heptad.testing.scratch import project

    people = [{"id": f"c{k}", "event_time": "2026-01-01T00:00:00Z"} for k in range(3)]
    with project({Customer: people}) as platform:
        outbox = platform.work.outbox
        start, cpu = time.perf_counter(), time.process_time()
        for first in range(0, n, 500):
            outbox.plan(
                [Wanted(f"key {k}", "fraud", f"Customer:c{k % 3}", ("inbox",), "service",
                        Text("Title", "Some text."), urgent=True) for k in range(first, first + 500)]
            )  # fmt: skip
        planned = time.perf_counter() - start
        sent = outbox.send()["sent"]
        spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - start}
        with platform.catalog.store.read() as connection:
            arrived = connection.execute(
                select(func.count(func.distinct(NoticeRow.message)))
            ).scalar_one()
    assert sent == arrived == n, (sent, arrived)
    return spent | {"planned": planned, "n": n}


def messages_row(*, quick: bool, seed: int) -> list[Row]:  # noqa: ARG001
    """CPU seconds of sending a hundred thousand messages, all of them in this process."""
    found = child("benchmarks.decisions:send_many", 10_000 if quick else 100_000).answer
    what = f"{found['n']:,} messages planned, judged, sealed, delivered and noted, CPU"
    return [Row("messages", what, found["cpu"], "s", 300.0, detail=found)]


ROWS = {
    "rules": rules_row,
    "months": months,
    "flow": flow_row,
    "shadow": shadow_row,
    "messages": messages_row,
}
