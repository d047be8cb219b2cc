# SPDX-License-Identifier: Apache-2.0
"""Spatial joins: places with countries, and with ports near by, beside geopandas and SedonaDB."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, child
from benchmarks.peer import ask

ATLAS = "world-atlas@2.0.2"
"""Natural Earth at 1:50 m as TopoJSON, a package of the npm registry (ISC; data: public domain)."""
COUNTRIES = "04342cdc1e3016bcd7db1630de95684d67b79fe3c8c460321e87aef469502394"
METRES = 10_000.0
PEERS = {"geopandas": 5.0, "sedona": 4.0}


def countries(folder: Path) -> Path | None:
    """Fetch the polygons of 241 countries with npm; None where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    done = subprocess.run([npm, "pack", "--silent", ATLAS], cwd=folder, check=False)
    if done.returncode:
        return None
    with tarfile.open(next(folder.glob("world-atlas-*.tgz"))) as package:
        package.extract("package/countries-50m.json", folder, filter="data")
    path = folder / "package" / "countries-50m.json"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == COUNTRIES, "another edition"
    return path


def ports() -> Path | None:
    """The World Port Index, from the folder of data."""
    path = Path(os.environ.get("HEPTAD_DATA") or "absent") / "ports" / "WPI_ports.csv"
    return path if path.exists() else None


def on_the_globe(n: int, seed: int) -> tuple[Any, Any]:
    """Places spread evenly over the sphere, in 1e-7 degrees."""
    made = np.random.default_rng(seed)
    lats = np.degrees(np.arcsin(made.uniform(-1, 1, n)))
    return np.round(lats * 1e7).astype(np.int64), made.integers(-(18 * 10**8), 18 * 10**8, n)


def regions_here(path: str, folder: str) -> dict[str, Any]:
    """Our join with regions; what is compiled once is loaded before."""
    from heptad.sources.shapes import regions

    held = np.load(f"{folder}/in.npz")
    regions(path).first(held["lat"][:1], held["lon"][:1])
    layer = regions(path)
    start, cpu = time.perf_counter(), time.process_time()
    i, j = layer.pairs(held["lat"], held["lon"])
    took = [time.perf_counter() - start, time.process_time() - cpu]
    np.savez(f"{folder}/out.npz", i=i, j=j)
    return {"wall": took[0], "cpu": took[1]}


def points_here(_: str, folder: str) -> dict[str, Any]:
    """Our join with points."""
    from heptad.analysis.legs import nearby

    held = np.load(f"{folder}/in.npz")
    of = held["lat"], held["lon"], held["point_lat"], held["point_lon"]
    nearby(of[0][:1], of[1][:1], *of[2:], METRES)
    start, cpu = time.perf_counter(), time.process_time()
    i, j, _mm = nearby(*of, METRES)
    took = [time.perf_counter() - start, time.process_time() - cpu]
    order = np.lexsort((j, i))
    np.savez(f"{folder}/out.npz", i=i[order], j=j[order])
    return {"wall": took[0], "cpu": took[1]}


def rings(path: Path) -> dict[str, Any]:
    """The corners of the countries for the peers, part by part, as rounded here."""
    import json
    from decimal import Decimal

    from heptad.sources.shapes import _ring, _topology

    data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    corners, part, region, parts = [], [], [], 0
    for number, feature in enumerate(_topology(data, "countries")):
        for of in feature["geometry"]["coordinates"]:
            corners += [_ring(ring) for ring in of]
            part += [parts] * len(of)
            region += [number] * len(of)
            parts += 1
    at = np.cumsum([0, *map(len, corners)])
    return {"corners": np.concatenate(corners), "ring_at": at, "part": part, "region": region}


def compared(
    what: str, work: str, path: Path, held: dict[str, Any], more: dict[str, Any]
) -> list[Row]:
    """Compare one join with that of the peers, pair by pair, before any time."""
    n = len(held["lat"])
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        np.savez(f"{scratch}/in.npz", **held)
        mine = child(f"benchmarks.places:{work}_here", path, scratch)
        found = dict(np.load(f"{scratch}/out.npz"))
    degrees = {f"{k}s": v / 1e7 for k, v in held.items()}
    rows = [
        Row(f"places-{work}", f"{n:,} places with {what}, {len(found['i']):,} pairs",
            n / mine.answer["cpu"], "places a CPU-second", 2_000_000, least=True,
            detail=vars(mine))
    ]  # fmt: skip
    for peer, target in PEERS.items():
        theirs = ask("places", f"{peer}_{work}", **degrees, **more)
        same = all(np.array_equal(found[name], theirs[name]) for name in ("i", "j"))
        assert same, f"pairs differ from those of {peer}: {len(found['i'])}, {len(theirs['i'])}"
        wall, cpu = theirs["took"].tolist()
        rows.append(
            Row(f"places-{work}-{peer}", f"the same in {peer} / here, equal per pair",
                wall / mine.answer["wall"], "ratio of seconds", target, least=True,
                detail={"wall": wall, "cpu": cpu, "cpu_ratio": cpu / mine.answer["cpu"]})
        )  # fmt: skip
    return rows


def place_rows(*, quick: bool, seed: int) -> list[Row]:
    """Places with countries; places with ports within 10 km."""
    lats, lons = on_the_globe(200_000 if quick else 2_000_000, seed)
    held, rows = {"lat": lats, "lon": lons}, []
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        path = countries(Path(scratch))
        if path is None:
            print(f"not run: absent: {ATLAS} (needs npm)", file=sys.stderr)
        else:
            rows += compared("241 countries", "regions", path, held, rings(path))
    listed = ports()
    if listed is None:
        print("not run: absent: ports (set HEPTAD_DATA)", file=sys.stderr)
        return rows
    with listed.open(encoding="utf-8") as file:
        found = [(float(r["latitude"]), float(r["longitude"])) for r in csv.DictReader(file)]
    near = np.round(np.array(found) * 1e7).astype(np.int64)
    held |= {"point_lat": near[:, 0], "point_lon": near[:, 1]}
    what = f"{len(near):,} ports within 10 km"
    return rows + compared(what, "points", listed, held, {"metres": METRES})
