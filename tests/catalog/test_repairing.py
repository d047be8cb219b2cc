# SPDX-License-Identifier: Apache-2.0
"""One refused row is written anew, checked, and let in by the way that all rows take."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING

import pytest

from heptad.catalog.repairing import Place
from heptad.runtime import Platform
from heptad.standards.errors import ContractError, UnknownName
from heptad.terminal.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROJECT = """[project]
name = "shop"
[[source]]
name = "shop"
table = "Customer"
from = "customers.csv"
map = { id = "No", event_time = "Since", name = "Name", email = "Mail", country = "Land" }
"""
ROWS = """No,Since,Name,Mail,Land
c1,2026-01-01T00:00:00Z,Ana Gil,ana@example.com,AT
c2,yesterday,Ben Oz,ben@example.com,AT
c3,2026-01-03T00:00:00Z,Cem Ak,cem@example.com,Atlantis
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Platform]:
    """Three customers of whom two are refused."""
    (tmp_path / "heptad.toml").write_text(PROJECT)
    (tmp_path / "customers.csv").write_text(ROWS)
    with Platform.open(tmp_path) as opened:
        opened.load()
        yield opened


def waiting(shop: Platform) -> list[tuple[Place, str]]:
    rows = shop.loading.quarantine.show("Customer", clear=True)
    return [(Place(r.load, r.file, r.line), r.field) for r in rows]


def test_a_row_is_checked_then_stored_with_what_nobody_saw_of_it(shop: Platform) -> None:
    (when, field), (where, _) = waiting(shop)
    assert field == "event_time"
    still = shop.loading.repair("Customer", when, {"Since": "tomorrow"}, check=True)
    assert (still.report.accepted, still.reasons[0]["field"]) == (0, "event_time")
    fine = {"Since": "2026-01-02T00:00:00Z"}
    assert shop.loading.repair("Customer", when, fine, check=True).report.accepted == 1
    assert len(waiting(shop)) == 2, "a check changes nothing"
    before = len(shop.access)
    done = run(shop, "quarantine.repair", {"table": "Customer", **when._asdict(), "cells": fine})
    assert (done["accepted"], done["reasons"]) == (1, [])
    assert waiting(shop) == [(where, "country")]
    assert len(shop.access) == before + 1
    rows = shop.read("Customer", purpose="service", role="admin").to_pylist()
    assert [(r["id"], r["name"]) for r in rows] == [("c1", "Ana Gil"), ("c2", "Ben Oz")]
    with pytest.raises(UnknownName, match="does not wait"):
        shop.loading.repair("Customer", when, fine)
    assert shop.loading.retry("Customer")[0].accepted == 0


def test_a_row_refused_again_waits_as_it_was_written(shop: Platform) -> None:
    when = waiting(shop)[0][0]
    done = shop.loading.repair("Customer", when, {"Since": "2026-01-02T00:00:00Z", "Land": "XX9"})
    assert [r["field"] for r in done.reasons] == ["country"]
    again = [place for place, field in waiting(shop) if place.load != when.load]
    assert len(again) == 1
    assert len(waiting(shop)) == 2
    cured = shop.loading.repair("Customer", again[0], {"Land": "AT"})
    assert cured.report.accepted == 1
    assert {"c1", "c2"} == {r["id"] for r in shop.read("Customer").to_pylist()}


def test_what_is_shown_of_a_row_is_masked_and_told_apart(shop: Platform) -> None:
    first, second = run(shop, "tables.quarantine", {"name": "Customer"})["rows"]
    cells = {c["name"]: (c["value"], c["hidden"]) for c in first["cells"]}
    assert cells["Since"] == ("yesterday", False)
    assert cells["Name"] == ("•••", True)
    assert "Ben" not in str(first)
    assert second["cells"]


def test_what_cannot_be_repaired_says_so(shop: Platform, tmp_path: Path) -> None:
    when = waiting(shop)[0][0]
    with pytest.raises(UnknownName, match="no column 'Sinse'"):
        shop.loading.repair("Customer", when, {"Sinse": "2026"})
    with pytest.raises(UnknownName):
        shop.loading.repair("Customer", when._replace(line=77), {"Since": "2026"})
    (tmp_path / "customers.csv").write_text('No,Since,Name,Mail,Land\n"c9,2026,\n')
    shop.load()
    places = [p for p, field in waiting(shop) if not field]
    for place in places:
        with pytest.raises(ContractError, match="No change"):
            shop.loading.repair("Customer", place, {"Since": "2026-01-02T00:00:00Z"})
    assert places


def test_a_check_is_recorded_and_waits_for_no_load(shop: Platform) -> None:
    when, loading = waiting(shop)[0][0], shop.loading
    cells = {"Since": "2026-01-02T00:00:00Z"}
    asked = {"table": "Customer", **when._asdict(), "cells": cells, "check": True}
    before, found = len(shop.access), []
    loading.changing = None  # type: ignore[assignment]
    checking = threading.Thread(target=lambda: found.append(run(shop, "quarantine.repair", asked)))
    with loading._lock:
        checking.start()
        checking.join(30)
    assert [f["accepted"] for f in found] == [1]
    assert len(shop.access) == before + 1
    (entry,) = shop.access.entries(limit=1)
    assert entry.record.action == "check"


def test_what_is_kept_of_a_repaired_row_confirms_no_guess(shop: Platform) -> None:
    (when, _), *_ = waiting(shop)
    cells = {"Since": "2026-01-02T00:00:00Z"}
    (raw,) = (
        r.raw for r in shop.loading.quarantine.show("Customer", clear=True) if r.line == when.line
    )
    text = json.dumps(json.loads(raw) | cells, ensure_ascii=False)
    load = shop.loading.repair("Customer", when, cells).report.load
    (kept,) = shop.catalog.loads.files(load)
    guesses = [f"{when}|{text}", text, f"{tuple(when)}|{text}"]
    assert kept.size == len(text)
    assert kept.sha256 not in {hashlib.sha256(g.encode()).hexdigest() for g in guesses}
    assert len(kept.sha256) == 64
