# SPDX-License-Identifier: Apache-2.0
"""Credit by every way: a card by row, in bulk, in SQL and on Spark; decisions durable and over HTTP."""

from __future__ import annotations

import json
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import http, load
from benchmarks.harness import Row, child
from heptad.analysis.scorecard import Scorecard

if TYPE_CHECKING:
    from collections.abc import Callable

CROSSES = 20
SPARK = {
    "spark.driver.memory": "3g",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
}
RATE, LAST_S = 100, 20


def odd(table: dict[str, Any], card: Scorecard, seed: int) -> None:
    """Put what is hard to score alike into a tenth of each column: cuts, their neighbours, NaN, ∞."""
    draw = np.random.default_rng(seed)
    for name, values in table.items():
        cuts = [*(card.bins_[name].edges or ())]
        hard = [np.nan, np.inf, -np.inf, -0.0, *cuts, *np.nextafter(cuts, -np.inf)]
        at = draw.integers(0, len(values), len(values) // 10)
        values[at] = draw.choice(np.array(hard), len(at))


def four_ways(folder: str, n: int, seed: int) -> dict[str, Any]:
    """Score n rows by row, in bulk and by DuckDB, and write them with what came out."""
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    from benchmarks.credit import drawn

    table, y = drawn(n, 23, seed)
    some = {k: v[:20_000].copy() for k, v in table.items()}
    card = Scorecard(crosses=CROSSES).fit(some, y[:20_000])
    odd(table, card, seed)
    Path(folder, "card.json").write_text(card.to_json())
    totals, chance = card.totals(table), card.predict_proba(table)[:, 1]
    start, wrong = time.process_time(), 0
    names = list(table)
    for at in range(0, n, 50_000):
        rows = zip(*(table[k][at : at + 50_000].tolist() for k in names), strict=True)
        for i, values in enumerate(rows, at):
            total = card.total(dict(zip(names, values, strict=True)))
            wrong += total != totals[i] or card.probability(total) != chance[i]
    spent = time.process_time() - start
    pq.write_table(pa.table({**table, "ours": totals, "chance": chance}), f"{folder}/rows.parquet")
    said = f"{card.to_sql()} = ours AND {card.to_sql('probability')} = chance"
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as connection:
        asked = f"SELECT count(*) FILTER ({said}), count(*) FROM '{folder}/rows.parquet'"
        found = connection.execute(asked).fetchone()
    assert found is not None
    return {"seconds": spent, "rows": n, "by row": int(wrong), "by SQL": found[1] - found[0],
            "pairs": len(card.crosses_)}  # fmt: skip


def on_spark(folder: str) -> dict[str, Any]:
    """Ask Spark of each row whether it comes to the same total and probability."""
    from heptad.engine.spark.session import Spark

    card = Scorecard.from_json(Path(folder, "card.json").read_text())
    with Spark(2, {**SPARK, "spark.local.dir": folder}) as spark:
        frame = spark.session.read.parquet(f"{folder}/rows.parquet")
        same = frame.selectExpr(
            f"{card.to_sql(dialect='spark')} = ours AS points",
            f"{card.to_sql('probability', 'spark')} = chance AS chance",
        )
        rows, right = same.selectExpr("count(*)", "count_if(points AND chance)").collect()[0]
    return {"rows": rows, "on Spark": rows - right}


def parity(*, quick: bool, seed: int) -> list[Row]:
    """Points and probability of a million rows, by row, in bulk, by SQL and on Spark: all alike."""
    n = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="heptad-credit-") as scratch:
        mine = child("benchmarks.credit_ways:four_ways", scratch, n, seed).answer
        spark = child("benchmarks.credit_ways:on_spark", scratch).answer
    assert spark["rows"] == n, spark
    found = mine | spark
    wrong = sum(found[way] for way in ("by row", "by SQL", "on Spark"))
    what = f"of {n:,} rows with {found['pairs']} crosses differ in points or probability from bulk:"
    return [Row("parity", f"{what} by row, by SQL, on Spark", wrong, "rows", 0, detail=found)]


def rescore_on_spark(folder: str, card: str) -> dict[str, Any]:
    """Rescore accounts on Spark, Parquet to Parquet, and add the points up."""
    from heptad.engine.spark.session import Spark

    one = Scorecard.from_json(Path(card).read_text())
    with Spark(2, {**SPARK, "spark.local.dir": folder}) as spark:
        frame = spark.session.read.parquet(f"{folder}/accounts.parquet")
        start = time.perf_counter()
        # The probability is read from the card's table by the total, as everywhere.
        total, lowest = one.to_sql(dialect="spark"), one.lowest_
        table = ", ".join(f"CAST('{v!r}' AS DOUBLE)" for v in one.probabilities_)
        scored = frame.selectExpr("id", f"{total} AS points").selectExpr(
            "id", "points", f"element_at(array({table}), points - ({lowest}) + 1) AS probability"
        )
        scored.write.mode("overwrite").parquet(f"{folder}/spark.parquet")
        spent = time.perf_counter() - start
    return {"seconds": spent} | sums(f"{folder}/spark.parquet/*.parquet")


def sums(files: str) -> dict[str, Any]:
    """Add up ids, points and the bits of probabilities, so that no two rows can be exchanged."""
    import duckdb

    told = "count(*), sum(points), sum(points::HUGEINT * (id % 999983)), bit_xor(hash(id, probability))"
    with duckdb.connect(config={"threads": 2, "memory_limit": "3GB"}) as connection:
        found = connection.execute(f"SELECT {told} FROM '{files}'").fetchone()
    assert found is not None
    return dict(zip(("n", "total", "placed", "bits"), map(int, found), strict=True))


def rescored(folder: str, card: str) -> dict[str, Any]:
    """Rescore accounts here, and tell the same sums."""
    from benchmarks.credit import rescore

    return rescore(folder, card) | sums(f"{folder}/out.parquet")


def accounts_spark(*, quick: bool, seed: int) -> list[Row]:
    """Ten million accounts rescored here and on Spark, row for row the same bits."""
    from benchmarks.credit import write_accounts

    with tempfile.TemporaryDirectory(prefix="heptad-credit-") as scratch:
        card = write_accounts(Path(scratch), 2 if quick else 20, seed)
        ours = child("benchmarks.credit_ways:rescored", scratch, str(card)).answer
        spark = child("benchmarks.credit_ways:rescore_on_spark", scratch, str(card)).answer
    differ = [name for name in ("n", "total", "placed", "bits") if ours[name] != spark[name]]
    what = f"{ours['n']:,} accounts × 30 on Spark local[2], Parquet to Parquet"
    return [
        Row("accounts_spark", f"wall s, {what}; here {ours['seconds']:.1f} s on one core",
            spark["seconds"], "s", 180.0, detail={"ours": ours, "spark": spark}),
        Row("accounts_equal", "sums of ids, points and bits of probabilities differ on Spark",
            len(differ), "sums", 0),
    ]  # fmt: skip


def trained_flow(decisions: int, seed: int) -> dict[str, Any]:
    """Decide applications by flow and a trained card, with reasons, price, limit and the log."""
    from benchmarks.durable import applications, durable
    from heptad.apps.credit import app
    from heptad.apps.credit.model import CreditScorecard
    from heptad.service.decisions.deciding import Scorer

    rows, given = applications(decisions, seed)
    known = {"amount": rows["amount"], "term": rows["term"]} | given
    learned = {f: known[f].to_numpy().astype(np.float64) for f in app.model.inputs}
    late, inflow, bills = (
        known[f].to_numpy() for f in ("late_days_365d", "inflow_90d", "bills_to_inflow")
    )
    z = -3 + 0.5 * late - inflow / 1e6 + bills
    bad = (np.random.default_rng(seed).random(decisions) < 1 / (1 + np.exp(-z))).astype(int)
    card = CreditScorecard.train(learned, bad, seed=seed)
    return durable(Scorer(card, ""), rows, given) | {"inputs": len(card.card.parts_)}


def flow(*, quick: bool, seed: int) -> list[Row]:
    """The whole credit flow with a trained card, its reasons and the durable log."""
    found = child("benchmarks.credit_ways:trained_flow", 4_000 if quick else 20_000, seed).answer
    rate = found["decisions"] / found["seconds"]
    what = "credit flow: features given, a trained card, reasons, price, limit, durable log"
    return [Row("flow", what, rate, "decisions/CPU s", 5_000, True, found)]


# Over HTTP: a lender with cash flows, a card in use, and applications that come one by one.

CUSTOMERS = 5_000


def application(number: int, draw: random.Random, at: float) -> dict[str, Any]:
    """Return an application handed in at an instant, seconds since 1970."""
    return {
        "id": f"a{number}",
        "event_time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "customer": f"c{number % CUSTOMERS}", "amount": f"{draw.randrange(5, 200)}00.00",
        "currency": "EUR", "term": draw.choice((12, 24, 36, 60)), "age": draw.randrange(19, 80),
        "income": f"{draw.randrange(12, 60)}00.00", "expenses": f"{draw.randrange(3, 10)}00.00",
        "purpose": draw.choice(("education", "medical", "travel")),
    }  # fmt: skip


def made_lender(home: str, seed: int) -> dict[str, Any]:
    """Make a project with cash flows and a year of labelled applications, and train its card."""
    from heptad.runtime import Platform

    draw, now = random.Random(seed), time.time()
    transfers, past, labels, records = [], [], [], []
    for n in range(CUSTOMERS):
        pay = draw.randrange(900, 5000)
        for k in range(6):
            at = datetime.fromtimestamp(now - (30 * k + draw.random() * 20 + 1) * 86_400, UTC)
            transfers.append({"id": f"t{n} {k}", "event_time": at.isoformat(), "customer": f"c{n}",
                              "direction": "in", "amount": f"{pay}.00", "currency": "EUR",
                              "kind": "salary"})  # fmt: skip
        asked = draw.randrange(8)
        bad = draw.random() < 1 / (1 + 2.718281828 ** (1.2 + (pay - 2500) / 1200 - 0.4 * asked))
        one = application(10_000_000 + n, draw, now - (260 + draw.random() * 60) * 86_400)
        early = datetime.fromisoformat(one["event_time"]).timestamp() - 3 * 86_400
        transfers.append({"id": f"s{n}", "event_time": datetime.fromtimestamp(early, UTC).isoformat(),
                          "customer": f"c{n}", "direction": "in", "amount": f"{pay}.00",
                          "currency": "EUR", "kind": "salary"})  # fmt: skip
        for k, late in enumerate((early, now - 2 * 86_400)):
            at = datetime.fromtimestamp(late, UTC).isoformat()
            records.append({"id": f"b{n} {k}", "event_time": at, "customer": f"c{n}", "overdue": 0,
                            "open_loans": 1, "enquiries": asked, "worst_late": 0})  # fmt: skip
        past.append(one | {"customer": f"c{n}"})
        labels.append({"id": f"l{n}", "event_time": one["event_time"], "customer": f"c{n}",
                       "application": one["id"], "default": bad})  # fmt: skip
    folder = Path(home)
    people = [
        {"id": f"c{n}", "event_time": "2020-01-01T00:00:00Z", "name": f"Ana {n}"}
        for n in range(CUSTOMERS)
    ]
    tables = {
        "Customer": people,"Transfer": transfers, "LoanApplication": past, "Label": labels,
              "CreditRecord": records}  # fmt: skip
    for table, rows in tables.items():
        lines = [",".join(rows[0]), *(",".join(str(v) for v in row.values()) for row in rows)]
        (folder / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sources = [f'[[source]]\ntable = "{t}"\nfrom = "{t}.csv"\n' for t in tables]
    head = '[project]\nname = "lender"\n[engine]\nthreads = 1\n'
    (folder / "heptad.toml").write_text(head + "".join(sources), encoding="utf-8")
    with Platform.open(home) as platform:
        platform.load()
        trained = platform.train("credit")
        model = platform.catalog.models.recent(app="credit", limit=1)[0]
        platform.catalog.models.approve(model.id, "a second person", "benchmark")
        platform.catalog.models.promote(model.id, "champion", "a second person", "benchmark")
    return {"auc": trained.metrics["ours"]["auc"]["value"], "rows": trained.rows}


def drive(port: int, rate: float, seconds: float, first: int, seed: int) -> dict[str, Any]:
    """Send applications in an open loop; see `benchmarks.http.drive`."""
    return http.drive(port, rate, seconds, first, seed, "credit", application)


def over_http(*, quick: bool, seed: int) -> list[Row]:
    """Durable credit decisions over HTTP beside an empty handler, and what a kill leaves of them."""
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        home, answered = Path(scratch, "project"), Path(scratch, "answered.json")
        home.mkdir()
        lender = child("benchmarks.credit_ways:made_lender", home, seed).answer
        with (
            load.server("benchmarks.http:served", home) as ours,
            load.server("benchmarks.load:empty") as empty,
        ):
            long = 5 if quick else LAST_S
            # What is asked first finds the streams still being built.
            child("benchmarks.credit_ways:drive", ours.port, RATE, long / 2, 1_000_000, seed)
            bare = child("benchmarks.http:drive", empty.port, RATE, long, 0, seed).answer
            told = child(
                "benchmarks.credit_ways:drive", ours.port, RATE, long, 2_000_000, seed
            ).answer
        answered.write_text(json.dumps(told["ids"]), encoding="utf-8")
        found = child("benchmarks.http:audit", home, answered, 200, "LoanApplication").answer
    assert found["identical"] and not found["lost"] and not found["doubled"], found
    detail = {k: v for k, v in told.items() if k != "ids"} | found | lender
    detail["empty"] = {k: v for k, v in bare.items() if k != "ids"}
    bound, missed = 2 * bare["p99_windows"] + 3, load.unanswered(empty=bare, ours=told)
    return [
        Row("http", f"p50 of durable credit decisions at {RATE}/s, {told['sent']:,} sent",
            told["p50"], "ms", 5.0, detail=detail, missed=missed),
        Row("http_p99", f"p99 by seconds, median; twice the empty handler's + 3 ms is {bound:.1f}",
            told["p99_windows"], "ms", bound, missed=missed),
    ]  # fmt: skip


ROWS: dict[str, Callable[..., list[Row]]] = {
    "parity": parity,
    "accounts_spark": accounts_spark,
    "flow": flow,
    "http": over_http,
}
