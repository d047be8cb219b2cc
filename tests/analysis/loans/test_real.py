# SPDX-License-Identifier: Apache-2.0
"""The 682 loans of the Czech bank of PKDD'99: instalments as they were agreed."""

from __future__ import annotations

import csv
import os
from datetime import date
from pathlib import Path

import pytest

from heptad.analysis.loans.concentration import concentration
from heptad.analysis.loans.schedules import Terms, schedule, split_level

FILE = Path(os.environ.get("HEPTAD_DATA") or "absent") / "berka" / "loan.asc"


@pytest.mark.skipif(not FILE.exists(), reason="set HEPTAD_DATA")
def test_instalments_of_real_loans_are_ours():
    with FILE.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert len(rows) == 682
    for row in rows:
        start = date.fromisoformat(f"19{row['date']}")
        amount, term = int(row["amount"]) * 100, int(row["duration"])
        agreed = round(float(row["payments"]) * 100)
        made = schedule(Terms(amount, 0, term, start))
        # Crowns were rounded to whole ones: the last instalment takes what is left.
        assert abs(made[0].total - agreed) <= 100
        assert sum(i.total for i in made) == amount
        if agreed * term >= amount:
            rate, parts = split_level(amount, [agreed] * term)
            assert sum(parts) == amount
            assert rate / 1e12 < 0.001
    spread = concentration([(row["status"], int(row["amount"])) for row in rows])
    assert set(spread.shares) == {"A", "B", "C", "D"}
    assert sum(spread.shares.values()) == pytest.approx(1)
