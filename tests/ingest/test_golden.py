# SPDX-License-Identifier: Apache-2.0
"""The golden pairs: text of a source → what is stored, or why it is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from heptad.standards.time import format_instant
from tests.ingest.rows import Sample, check

FOLDER = Path(__file__).parent / "golden"
SYNONYMS = {"status": {"A": "authorised"}}


def pairs():
    """Yield one parameter per pair."""
    for path in sorted(FOLDER.glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        for field, cases in document["cases"].items():
            yield pytest.param(document, field, cases, id=f"{path.stem}-{field}")


def row_of(field, given):
    """Return a row in which one field is given."""
    row = {"id": "a", "event_time": "2026-01-01"}
    if field == "amount":
        currency, _, amount = given.partition(" ")
        return row | {"amount": amount, "currency": currency}
    return row | {field: given}


def outcome(field, row):
    """Return what became of a row, as the golden files write it."""
    if row["__reason"] is not None:
        return "! " + row["__reason"].partition("|")[0]
    if field == "place":
        return [row["place_lat"], row["place_lon"]]
    value = row[field]
    if field in ("until", "event_time") and value is not None:
        return format_instant(value)
    return "" if value is None else str(value) if field == "day" else value


@pytest.mark.parametrize(("document", "field", "cases"), list(pairs()))
def test_a_value_becomes_what_the_file_says(document, field, cases):
    settings = {k: document[k] for k in ("decimal", "thousands", "zone") if k in document}
    mapped = document.get("map")
    if mapped:
        kept = {
            n: t for n, t in mapped.items() if n == field or (field, n) == ("amount", "currency")
        }
        rows = [{"id": "a", "event_time": "2026-01-01", "given": given} for given in cases]
        found = check(rows, map=kept)
    else:
        found = check([row_of(field, given) for given in cases], codes=SYNONYMS, **settings)
    told = dict(zip(cases, (outcome(field, row) for row in found), strict=True))
    assert told == cases
    for row in found:
        if row["__reason"] is not None:
            assert row["__raw"]
            assert row["__reason"].partition("|")[2] in {*Sample.fields, ""}
