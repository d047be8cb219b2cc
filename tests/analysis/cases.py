# SPDX-License-Identifier: Apache-2.0
"""Loan applications to test on: drawn ones with every awkward value, and real ones if present."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest


def applications(n: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw n applications whose missing values, codes and levels all tell something."""
    random = np.random.default_rng(seed)
    income = np.round(np.exp(random.normal(10, 0.6, n)), 2)
    age = random.integers(18, 80, n).astype(float)
    arrears = random.poisson(0.6, n).astype(float)
    jobs = np.array(["clerk", "owner", "none", "sales, travel", 'o\'brien & "sons"'], dtype=object)
    job = jobs[random.integers(0, len(jobs), n)]
    town = np.array([f"town {i}" for i in random.integers(0, 40, n)], dtype=object)
    unknown = random.random(n) < 0.15
    z = (
        -1.2
        - 0.9 * (np.log(income) - 10)
        + 0.0008 * (age - 48) ** 2
        + 0.7 * arrears
        + 0.8 * (job == "none")
        + 0.9 * unknown
    )
    y = (random.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    income[unknown] = np.nan
    arrears[random.random(n) < 0.1] = -999
    job[random.random(n) < 0.05] = None
    table = {"income": income, "age": age, "arrears": arrears, "job": job, "town": town}
    return table | {"noise": random.normal(size=n)}, y


def rows(table: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """The same table as one mapping per row, of plain Python values."""
    listed = {name: values.tolist() for name, values in table.items()}
    return [dict(zip(listed, values, strict=True)) for values in zip(*listed.values(), strict=True)]


def take(table: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[chosen] for name, values in table.items()}


def folds(y: np.ndarray, n: int = 5, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows of n stratified folds."""
    random = np.random.default_rng(seed)
    part = np.empty(len(y), int)
    for kind in (0, 1):
        place = random.permutation(np.flatnonzero(y == kind))
        part[place] = np.arange(len(place)) % n
    return [(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(n)]


def _real(path: str) -> Path:
    folder = os.environ.get("HEPTAD_DATA")
    found = Path(folder or "absent") / path
    if not found.exists():
        pytest.skip(f"not run: {path} is absent; set HEPTAD_DATA to the folder that holds it")
    return found


def _columns(header: list[str], lines: list[list[str]]) -> dict[str, np.ndarray]:
    table = {}
    for name, values in zip(header, zip(*lines, strict=True), strict=True):
        plain = [None if v.strip() in {"", ".", "NA"} else v.strip() for v in values]
        try:
            table[name.strip()] = np.array([np.nan if v is None else float(v) for v in plain])
        except ValueError:
            table[name.strip()] = np.array(plain, dtype=object)
    return table


def hmeq() -> tuple[dict[str, np.ndarray], np.ndarray]:
    with gzip.open(_real("hmeq/hmeq.csv.gz"), "rt", encoding="utf-8-sig") as file:
        header, *lines = list(csv.reader(file))
    table = _columns(header, lines)
    return table, table.pop("BAD").astype(int)


def german() -> tuple[dict[str, np.ndarray], np.ndarray]:
    text = _real("german-credit/german.data").read_text()
    header, *lines = [line.split() for line in text.splitlines()]
    table = _columns(header, lines)
    return table, (table.pop("CLASSIFICATION") == 0).astype(int)


def sba() -> tuple[dict[str, np.ndarray], np.ndarray]:
    with gzip.open(_real("sba-loans/SBAnational_part.csv.gz"), "rt", encoding="utf-8-sig") as file:
        header, *lines = list(csv.reader(file))
    at = header.index("MIS_Status")
    lines = [line for line in lines if line[at] in {"P I F", "CHGOFF"}]
    kept = ["State", "BankState", "NoEmp", "NewExist", "UrbanRural", "RevLineCr", "LowDoc", "Term"]
    chosen = [[line[header.index(name)] for name in kept] for line in lines]
    return _columns(kept, chosen), np.array([line[at] == "CHGOFF" for line in lines]).astype(int)
