# SPDX-License-Identifier: Apache-2.0
"""Loans while they run: equal to independent libraries, whole books at speed, money traced."""

from __future__ import annotations

import tempfile
import time
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Row, child
from benchmarks.peer import ask

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = date(1970, 1, 1)
RULES = ("30/360", "30E/360", "ACT/360", "ACT/365", "ACT/ACT")
UNSEEN = range(1000, 1010)
"""Seeds of worlds on which nothing was chosen; thresholds were chosen on 0, 1 and 2."""
BOOK_MONTHS, AGES = 60, 24


def day(n: int) -> date:
    """A day counted from 1970."""
    return EPOCH + timedelta(days=int(n))


def equal(*, quick: bool, seed: int) -> list[Row]:
    """Day counts, due days, instalments, rates and expected losses beside independent libraries."""
    random = np.random.default_rng(seed)
    n = 100 if quick else 1000
    differ = {
        "day counts": _day_counts(random, n),
        "due days": _due_days(random, n // 4),
        "instalments": _instalments(random, n),
        "yearly rates": _rates(random, n // 4),
        "expected losses": _losses(random, n // 2),
    }
    told = ", ".join(f"{name} {bad} of {of}" for name, (bad, of) in differ.items())
    print(f"  differing from QuantLib, pyxirr and creditriskengine: {told}", flush=True)
    bad, of = (int(sum(column)) for column in zip(*differ.values(), strict=True))
    return [
        Row("loans_equal", f"of {of:,} random cases differ from QuantLib, pyxirr, creditriskengine",
            bad, "cases", 0.0, detail={k: [int(x) for x in v] for k, v in differ.items()})
    ]  # fmt: skip


def _day_counts(random: np.random.Generator, n: int) -> tuple[int, int]:
    from heptad.analysis.loans.daycounts import share_of_year

    start = random.integers(10_000, 25_000, n)
    end = start + random.integers(0, 3000, n)
    theirs = ask("loans", "shares", rules=list(RULES), start=start, end=end)["share"]
    bad = 0
    for rule, shares in zip(RULES, theirs, strict=True):
        ours = [float(share_of_year(day(a), day(b), rule)) for a, b in zip(start, end, strict=True)]
        bad += int((np.abs(np.array(ours) - shares) > 1e-12).sum())
    return bad, n * len(RULES)


def _due_days(random: np.random.Generator, n: int) -> tuple[int, int]:
    from heptad.analysis.loans.schedules import Terms, schedule

    first = 16_000
    start, term = random.integers(first, first + 2000, n), random.integers(1, 60, n)
    names = ("none", "following", "preceding", "modified following")
    rule = [names[i] for i in random.integers(0, len(names), n)]
    theirs = ask("loans", "schedules", start=start, term=term, convention=rule,
                 first=first, last=first + 4500)  # fmt: skip
    works = theirs["works"]
    bad = 0
    for a, t, c, due in zip(start, term, rule, theirs["due"], strict=True):
        terms = Terms(100_000, 50_000, int(t), day(a), convention=c)
        made = schedule(terms, lambda d: bool(works[(d - EPOCH).days - first]))
        bad += [(i.due - EPOCH).days for i in made] != due[: int(t)].tolist()
    return bad, n


def _instalments(random: np.random.Generator, n: int) -> tuple[int, int]:
    from heptad.analysis.loans.schedules import Terms, level_instalment, schedule

    amount = random.integers(10_000, 50_000_000, n)
    yearly, term = random.integers(1, 300_000, n), random.integers(1, 361, n)
    none = np.zeros((0, 1))
    theirs = ask("loans", "annuities", amount=amount, rate=yearly / 12e6, term=term,
                 days=none, flows=none)  # fmt: skip
    bad = 0
    for a, r, t, level, balance in zip(
        amount.tolist(), yearly.tolist(), term.tolist(), theirs["level"], theirs["balance"],
        strict=True,
    ):  # fmt: skip
        ours = level_instalment(a, [Fraction(r, 12_000_000)] * t)
        made = schedule(Terms(a, r, t, date(2024, 1, 15)))
        # Each cent that is rounded on the way may move the balance by one, and by its interest.
        slack = (t // 2 + 1) * (1 + r / 12e6) ** (t // 2)
        off = abs(made[(t // 2 or 1) - 1].balance - balance)
        bad += abs(ours - level) > 0.5 + 1e-6 * level / 1e3 or off > slack
    return bad, n


def _rates(random: np.random.Generator, n: int) -> tuple[int, int]:
    from heptad.analysis.loans.schedules import internal_rate

    days = np.cumsum(random.integers(10, 80, (n, 13)), axis=1) + 16_000
    flows = np.concatenate([-np.ones((n, 1)) * 1000, random.uniform(80, 120, (n, 12))], axis=1)
    none = np.zeros(0)
    theirs = ask("loans", "annuities", amount=none, rate=none, term=none, days=days, flows=flows)
    years = (days - days[:, :1]) / 365
    ours = [internal_rate(list(zip(y, f, strict=True))) for y, f in zip(years, flows, strict=True)]
    return int((np.abs(np.array(ours) - theirs["xirr"]) > 1e-9).sum()), n


def _losses(random: np.random.Generator, n: int) -> tuple[int, int]:
    from heptad.analysis.loans.losses import Exposures, expected_loss

    may, rows = scenarios(), exposures(random, n)
    rows = Exposures(*rows.columns()[:5], np.full(n, 2), np.ones(n, np.bool_))
    owed = np.repeat(rows.balance[:, None], 60, axis=1).astype(float)
    theirs = ask(
        "loans", "losses", months=np.maximum(rows.remaining, 1), grade=rows.grade, owed=owed,
        rate=rows.rate / 12e6, lost=may.marginal(), lgd=may.lgd[:, 0], weights=may.weights,
    )  # fmt: skip
    start = time.process_time()
    ours = expected_loss(
        Exposures(*rows.columns()[:4], np.zeros(n), rows.stage, rows.bullet), may
    ).lifetime
    spent = time.process_time() - start
    print(f"  {n} lifetime losses: {spent:.4f} CPU s, creditriskengine {theirs['seconds']:.2f}")
    return int((np.abs(ours - theirs["ecl"]) > 0.5 + 1e-6).sum()), n


def scenarios() -> Any:
    """Three scenarios of ten grades over sixty months, with two segments."""
    from heptad.analysis.loans.losses import Scenarios
    from heptad.analysis.loans.stress import stressed

    base = np.linspace(0.0005, 0.03, 10)[:, None] * np.linspace(1.2, 0.7, 60)
    hazard = np.stack([base, stressed(base, [-0.3] * 12), stressed(base, [0.6] * 12)])
    lgd = np.array([[0.45, 0.2], [0.4, 0.15], [0.55, 0.3]])
    return Scenarios(("base", "better", "worse"), np.array([0.5, 0.2, 0.3]), hazard, lgd)


def exposures(random: np.random.Generator, n: int, longest: int = 60) -> Any:
    """Random loans."""
    from heptad.analysis.loans.losses import Exposures

    return Exposures(
        random.integers(10_000, 5_000_000, n), random.integers(20_000, 200_000, n),
        np.full(n, longest) if longest < 0 else random.integers(1, longest + 1, n),
        random.integers(0, 10, n), random.integers(0, 2, n), random.integers(1, 4, n),
    )  # fmt: skip


def write_book(path: str, loans: int, seed: int) -> dict[str, Any]:
    """Write loans at the ends of their first 24 months, as Parquet, 250,000 loans at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from heptad.apps.credit.running.rules import PRIOR

    random, writer = np.random.default_rng(seed), None
    edges = np.cumsum(PRIOR, axis=1).astype(np.float32)
    edges[:, -1] = 2
    for low in range(0, loans, 250_000):
        n = min(250_000, loans - low)
        cohort = random.integers(0, BOOK_MONTHS - AGES + 1, n).astype(np.uint8)
        lent = (random.integers(1, 500, n) * 10_000).astype(np.int32)
        at = np.zeros((n, AGES), np.uint8)
        for age in range(1, AGES):
            drawn = random.random(n, dtype=np.float32)
            at[:, age] = (drawn[:, None] >= edges[at[:, age - 1]]).sum(axis=1)
        # What is repaid or written off is told once.
        there = np.ones((n, AGES), np.bool_)
        there[:, 1:] = at[:, :-1] < 5
        left = lent[:, None] // 24 * (24 - np.arange(AGES, dtype=np.int32))
        balance = np.where(at < 5, left, 0).astype(np.int32)
        kept = there.ravel()
        columns = {
            "loan": np.repeat(np.arange(low, low + n, dtype=np.int32), AGES),
            "month": (cohort[:, None] + np.arange(AGES, dtype=np.uint8)).ravel(),
            "cohort": np.repeat(cohort, AGES), "bucket": at.ravel(), "balance": balance.ravel(),
            "lent": np.repeat(lent, AGES),
        }  # fmt: skip
        table = pa.table({name: c[kept] for name, c in columns.items()})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="lz4")
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return {"rows": pq.read_metadata(path).num_rows}


def count_book(path: str) -> dict[str, Any]:
    """Vintages and roll rates of a book, from Parquet, batch by batch."""
    import pyarrow.parquet as pq

    from heptad.analysis.loans.movements import Counter, Months

    few = next(pq.ParquetFile(path).iter_batches(10))
    Counter(BOOK_MONTHS).add(Months(*(column.to_numpy() for column in few.columns)))
    start, counter = time.process_time(), Counter(BOOK_MONTHS)
    for batch in pq.ParquetFile(path).iter_batches(2_000_000):
        counter.add(Months(*(column.to_numpy() for column in batch.columns)))
    found = counter.movements()
    curves, rolls = found.vintages(), found.roll_rates()
    seconds = time.process_time() - start
    told = (found.loans, found.first, found.moves, found.moved)
    return {
        "seconds": seconds,
        "sums": [int(part.sum()) for part in told],
        "check": [int((part * np.arange(1, part.size + 1).reshape(part.shape) % 1_000_003).sum())
                  for part in told],
        "known": [int(np.isfinite(curves).sum()), int(np.isfinite(rolls).sum())],
    }  # fmt: skip


def count_in_sql(path: str) -> dict[str, Any]:
    """The same counts by DuckDB."""
    import duckdb

    with duckdb.connect(config={"threads": 1, "memory_limit": "6GB"}) as connection:
        start = time.process_time()
        moves = connection.execute(
            "SELECT month, was, bucket, count(*), sum(owed) FROM (SELECT month, bucket, "
            "lag(bucket) OVER w AS was, lag(month::INT) OVER w AS before, lag(balance) OVER w AS owed "
            f"FROM '{path}' WINDOW w AS (PARTITION BY loan ORDER BY month)) "
            "WHERE before + 1 = month GROUP BY ALL"
        ).fetchnumpy()
        ages = "month::INT - cohort::INT"
        first = connection.execute(
            "WITH hits AS (SELECT loan, any_value(cohort) AS cohort, "
            f"min({ages}) FILTER (bucket IN (2, 3, 4, 6)) AS e0, "
            f"min({ages}) FILTER (bucket IN (3, 4, 6)) AS e1, "
            f"min({ages}) FILTER (bucket IN (4, 6)) AS e2, min({ages}) FILTER (bucket = 6) AS e3 "
            f"FROM '{path}' GROUP BY loan) SELECT cohort, e, age, count(*) FROM "
            "(SELECT cohort, unnest([0, 1, 2, 3]) AS e, unnest([e0, e1, e2, e3]) AS age FROM hits) "
            "WHERE age IS NOT NULL GROUP BY ALL"
        ).fetchnumpy()
        cohorts = connection.execute(
            f"SELECT cohort, count(DISTINCT loan) FROM '{path}' GROUP BY cohort"
        ).fetchnumpy()
        seconds = time.process_time() - start
    size, ever = 7, 4
    loans = np.zeros(BOOK_MONTHS, np.int64)
    which, how_many = cohorts.values()
    loans[which] = how_many
    firsts = np.zeros((BOOK_MONTHS, BOOK_MONTHS, ever), np.int64)
    c, e, age, n = first.values()
    firsts[c, age, e] = n
    table = np.zeros((2, BOOK_MONTHS, size, size), np.int64)
    month, was, now, count, owed = moves.values()
    table[0, month, was, now] = count
    table[1, month, was, now] = np.asarray(owed, np.float64).astype(np.int64)
    told = (loans, firsts, table[0], table[1])
    return {
        "seconds": seconds,
        "sums": [int(part.sum()) for part in told],
        "check": [int((part * np.arange(1, part.size + 1).reshape(part.shape) % 1_000_003).sum())
                  for part in told],
    }  # fmt: skip


def moves(*, quick: bool, seed: int) -> list[Row]:
    """Vintages and roll rates of 10 M loans over 24 months, from Parquet, on one core."""
    whole, part = (1_000_000, 100_000) if quick else (10_000_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="heptad-loans-") as scratch:
        small, large = f"{scratch}/small.parquet", f"{scratch}/large.parquet"
        child("benchmarks.loans:write_book", small, part, seed + 1)
        ours = child("benchmarks.loans:count_book", small).answer
        peer = child("benchmarks.loans:count_in_sql", small).answer
        assert ours["sums"] == peer["sums"], (ours, peer)
        assert ours["check"] == peer["check"], (ours, peer)
        rows = child("benchmarks.loans:write_book", large, whole, seed).answer["rows"]
        run = child("benchmarks.loans:count_book", large)
    ratio = peer["seconds"] / ours["seconds"]
    what = (
        f"CPU s, vintages and roll rates of {whole:,} loans × {AGES} months, {rows:,} rows of "
        f"Parquet, one core; on a tenth DuckDB counts the same and takes {ratio:.1f} × as long"
    )
    seconds = run.answer["seconds"]
    return [
        Row(
            "loans_moves",
            what,
            seconds,
            "s",
            60.0,
            detail={"small": ours, "duckdb": peer, "wall": run.wall},
        ),
        Row("loans_moves_mem", "peak memory of it", run.peak_mib, "MiB", 8192.0),
    ]


def write_exposures(path: str, loans: int, seed: int) -> dict[str, Any]:
    """Write loans of sixty months each as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    found = exposures(random, loans)
    found.remaining[:] = 60
    names = ("balance", "rate", "remaining", "grade", "segment", "stage")
    pq.write_table(pa.table(dict(zip(names, found.columns(), strict=False))), path)
    return {}


def lose_book(path: str) -> dict[str, Any]:
    """Expected losses of a book from Parquet to Parquet, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from heptad.analysis.loans.losses import Exposures, expected_loss

    may = scenarios()
    few = next(pq.ParquetFile(path).iter_batches(10))
    expected_loss(Exposures(*(column.to_numpy() for column in few.columns)), may)
    start, sums = time.process_time(), [0, 0, 0]
    schema = pa.schema([(n, pa.int64()) for n in ("booked", "year", "lifetime")])
    with pq.ParquetWriter(path + ".out", schema) as out:
        for batch in pq.ParquetFile(path).iter_batches(1_000_000):
            rows = Exposures(*(column.to_numpy() for column in batch.columns))
            found = expected_loss(rows, may)
            parts = (found.booked, found.year, found.lifetime)
            out.write_batch(pa.record_batch(list(map(pa.array, parts)), schema=schema))
            sums = [s + int(p.sum()) for s, p in zip(sums, parts, strict=True)]
    return {"seconds": time.process_time() - start, "sums": sums}


def lose_plainly(path: str) -> dict[str, Any]:
    """The same by numpy over whole columns, month by month."""
    import pyarrow.parquet as pq

    may, sums = scenarios(), [0, 0]
    lost = may.marginal()
    start = time.process_time()
    for batch in pq.ParquetFile(path).iter_batches(250_000):
        balance, rate, remaining, grade, segment, _ = (c.to_numpy() for c in batch.columns)
        monthly, months = rate / 12e6, np.maximum(remaining, 1)
        level = balance * monthly / (1 - (1 + monthly) ** -months.astype(float))
        weight = may.weights[:, None] * may.lgd[:, segment]
        owed, discount = balance.astype(float), np.ones(len(balance))
        by, year = np.zeros((3, len(balance))), np.zeros((3, len(balance)))
        for m in range(60):
            discount = discount / (1 + monthly)
            by += lost[:, grade, m] * (owed * discount)
            if m == 11:
                year = by.copy()
            owed = owed * (1 + monthly) - level
        for n, part in enumerate((year, by)):
            sums[n] += int(np.rint((weight * part).sum(axis=0)).sum())
    return {"seconds": time.process_time() - start, "sums": sums}


def losses(*, quick: bool, seed: int) -> list[Row]:
    """Expected losses of 10 M loans over 60 months in three scenarios, on one core."""
    whole, part = (1_000_000, 100_000) if quick else (10_000_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="heptad-loans-") as scratch:
        small, large = f"{scratch}/small.parquet", f"{scratch}/large.parquet"
        child("benchmarks.loans:write_exposures", small, part, seed + 1)
        ours = child("benchmarks.loans:lose_book", small).answer
        peer = child("benchmarks.loans:lose_plainly", small).answer
        gap = max(abs(a - b) for a, b in zip(ours["sums"][1:], peer["sums"], strict=True))
        assert gap <= part / 100, (ours, peer)  # the odd loan on the edge of half a cent
        child("benchmarks.loans:write_exposures", large, whole, seed)
        run = child("benchmarks.loans:lose_book", large)
    ratio = peer["seconds"] / ours["seconds"]
    what = (
        f"CPU s, expected losses of {whole:,} loans × 60 months × 3 scenarios, Parquet to "
        f"Parquet, one core; on a tenth numpy finds the same and takes {ratio:.1f} × as long"
    )
    return [
        Row("loans_ecl", what, run.answer["seconds"], "s", 60.0,
            detail={"small": ours, "numpy": peer, "wall": run.wall}),
        Row("loans_ecl_mem", "peak memory of it", run.peak_mib, "MiB", 8192.0),
    ]  # fmt: skip


def follow_many(n: int, seed: int, method: str) -> dict[str, Any]:
    """Trace loans through a random network of transfers."""
    from heptad.analysis.loans.tracing import DAY, Following, Transfers, trace, use_of_funds

    random, accounts = np.random.default_rng(seed), max(n // 10, 100)
    loans = max(n // 100, 10)
    kind = random.choice(5, accounts, p=[0.8, 0.05, 0.05, 0.02, 0.08])
    paid = np.full(n, -1)
    paid[np.sort(random.choice(n * 2 // 3, loans, replace=False))] = np.arange(loans)
    amount = np.exp(random.normal(9, 1, n)).astype(np.int64) * np.where(paid >= 0, 20, 1)
    moved = Transfers(np.arange(n) * (90 * DAY // n), random.integers(0, accounts, n),
                      random.integers(0, accounts, n), amount, paid)  # fmt: skip
    following = Following(method=method)
    few = Transfers(*(c[:0] for c in (moved.time, moved.source, moved.target, amount, paid)))
    trace(few, kind > 0, following)
    start = time.process_time()
    moves = trace(moved, kind > 0, following)
    use = use_of_funds(moves, moved, kind, following)
    seconds = time.process_time() - start
    whole = use.purpose + use.forbidden + use.elsewhere + use.lender + use.unseen + use.held
    assert (whole == use.lent).all()
    return {"seconds": seconds, "moves": len(moves.loan), "loans": loans}


def tracing(*, quick: bool, seed: int) -> list[Row]:
    """10 M transfers followed by either method, on one core."""
    n, rows = 1_000_000 if quick else 10_000_000, []
    for method in ("fifo", "proportional"):
        run = child("benchmarks.loans:follow_many", n, seed, method)
        told = run.answer
        rows.append(
            Row(f"loans_{method}", f"CPU s, {told['loans']:,} loans followed through {n:,} "
                f"transfers ({told['moves']:,} carried lent money), every cent accounted for",
                told["seconds"], "s", 60.0, detail=told | {"wall": run.wall})
        )  # fmt: skip
        rows.append(Row(f"loans_{method}_mem", "peak memory of it", run.peak_mib, "MiB", 8192.0))
    return rows


def agreement(seeds: Any, how: dict[str, Any]) -> tuple[dict[str, tuple[float, float]], int]:
    """Precision and recall by each method and by either, over worlds of these seeds."""
    from heptad.analysis.loans.tracing import METHODS, Following, trace, use_of_funds
    from heptad.testing.spending import world

    counts, there = {m: [0, 0] for m in (*METHODS, "either")}, 0
    for seed in seeds:
        w = world(400, seed, **how)
        found = {}
        for method in METHODS:
            following = Following(method=method)
            moved = trace(w.transfers, w.kind > 0, following)
            suits = w.serves[w.transfers.target[moved.transfer]] == w.purpose[moved.loan]
            found[method] = use_of_funds(
                moved, w.transfers, w.kind, following, suits=suits
            ).diverted
        found["either"] = found["fifo"] | found["proportional"]
        for name, flags in found.items():
            counts[name][0] += int((flags & w.diverted).sum())
            counts[name][1] += int(flags.sum())
        there += int(w.diverted.sum())
    return {m: (r / max(t, 1), r / max(there, 1)) for m, (r, t) in counts.items()}, there


def funds(*, quick: bool, seed: int) -> list[Row]:
    """Diverted loans found on unseen seeds, and how noise and camouflage wear it down."""
    seeds = [s + seed * 100 for s in (UNSEEN[:3] if quick else UNSEEN)]
    plain, there = agreement(seeds, {})
    curves: dict[str, Any] = {"plain": plain}
    for name, values in (("noise", (0.0, 0.5, 2.0, 4.0)), ("camouflage", (0.25, 0.5, 0.75, 1.0))):
        for value in values:
            curves[f"{name} {value:g}"], _ = agreement(seeds[: 3 if quick else 5], {name: value})
    for name, found in curves.items():
        told = "   ".join(f"{m} {p:.3f} / {r:.3f}" for m, (p, r) in found.items())
        print(f"  precision / recall, {name:<16} {told}", flush=True)
    what = f"of diverted loans on {len(seeds)} unseen seeds, {there} diverted, either method"
    return [
        Row("loans_precision", f"precision {what}", plain["either"][0], "share", 0.95,
            least=True, detail=curves),
        Row("loans_recall", f"recall {what}", plain["either"][1], "share", 0.95, least=True),
        *bank_funds(quick=quick, seed=seed),
    ]  # fmt: skip


def bank_funds(*, quick: bool, seed: int) -> list[Row]:
    """The same on the simulated bank, with its own truth, on seeds that nothing was chosen on."""
    import pyarrow as pa

    from heptad.apps.credit.running.funds import build, use_rows
    from heptad.sources.bank import Bank

    right = told = there = 0
    for n in range(1 if quick else 3):
        bank = Bank(1500, 900 + seed * 10 + n, date(2026, 1, 1), 240)
        tables = {t: _plain(bank, t) for t in ("Loan", "Transfer")}
        first: dict[str, dict[str, Any]] = {}
        for row in tables["Loan"]:
            if row["id"] not in first or row["event_time"] < first[row["id"]]["event_time"]:
                first[row["id"]] = row
        sinks = {r["counterparty"] for r in tables["Transfer"] if r["counterparty"][0] == "K"}
        moved = pa.Table.from_pylist(tables["Transfer"])
        found = build(list(first.values()), moved, None, {"use:forbidden": sinks})
        flagged = {r["loan"] for r in use_rows(found, date(2026, 9, 1)) if r["diverted"]}
        bad = {
            row["id"]
            for loans in (bank.lending.loans,)
            for row, is_bad in zip(
                _starts(bank), bank.lending.diverted(
                    loans.customer.astype(np.int64), loans.slot.astype(np.int64)), strict=True)
            if is_bad and row["id"] in first
        }  # fmt: skip
        seen = {str(loan["id"]) for loan in found.loans}
        right, told = right + len(flagged & bad), told + len(flagged)
        there += len(bad & seen)
    what = f"on the simulated bank, {there} diverted loans"
    return [
        Row("loans_bank_p", f"precision {what}", right / max(told, 1), "share", 0.95, least=True),
        Row("loans_bank_r", f"recall {what}", right / max(there, 1), "share", 0.95, least=True),
    ]


def _plain(bank: Any, name: str) -> list[dict[str, Any]]:
    rows = []
    for batch in bank.table(name):
        columns = [c.astype("U") if c.dtype.kind == "S" else c for c in batch.values()]
        rows += [
            dict(zip(batch, row, strict=True))
            for row in zip(*(c.tolist() for c in columns), strict=True)
        ]
    return rows


def _starts(bank: Any) -> list[dict[str, Any]]:
    return [{"id": str(i, "ascii")} for i in bank.loans.ids(bank.lending.loans).tolist()]


def close_once(customers: int, seed: int) -> dict[str, Any]:
    """Close one day of a simulated bank after thirteen months."""
    from heptad.sources.bank.sample import sample
    from heptad.standards.model import Repayment
    from heptad.testing.scratch import project

    rows = sample(
        seed + 7, ("Loan", "Repayment", "Transfer", "Customer"), customers=customers, days=390
    )
    last = {row["id"]: row for row in rows[Repayment]}
    rows[Repayment] = list(last.values())
    with project(rows) as platform:
        platform.work.jobs.run("credit.loans", "2027-01-19")
        start = time.process_time()
        told = platform.work.jobs.run("credit.loans", "2027-01-20").result
        seconds = time.process_time() - start
        books = len(set(platform.read("Loan")["id"].to_pylist()))
    return {"seconds": seconds, "books": books, **told}


def closing(*, quick: bool, seed: int) -> list[Row]:
    """What the day's job of the loans costs for each loan of the book."""
    run = child("benchmarks.loans:close_once", 300 if quick else 1200, seed)
    told = run.answer
    each = told["seconds"] / told["books"] * 1000
    what = (
        f"CPU ms for each of {told['books']:,} loans to close a day: books, standings, stages, "
        f"expected loss and {told['figures']:,} figures read, made and stored"
    )
    return [
        Row("loans_day", what, each, "ms", 5.0, detail=told | {"wall": run.wall}),
        Row("loans_day_mem", "peak memory of it", run.peak_mib, "MiB", 8192.0),
    ]


ROWS: dict[str, Callable[..., list[Row]]] = {
    "loans_equal": equal,
    "loans_moves": moves,
    "loans_ecl": losses,
    "loans_tracing": tracing,
    "loans_funds": funds,
    "loans_day": closing,
}
"""Rows of the credit area that are about loans while they run."""
