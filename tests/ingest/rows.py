# SPDX-License-Identifier: Apache-2.0
"""Rows put through the checks by a plain DuckDB, as dictionaries."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from heptad.catalog.bindings import binding_of
from heptad.ingest.checks import Arrival, check_sql
from heptad.ingest.clean import clean
from heptad.sources.binding import Format, Source
from heptad.sources.posted import Posted
from heptad.sources.reading import FAULT
from heptad.standards import (
    Code,
    Day,
    Flag,
    Instant,
    Integer,
    Money,
    Number,
    Place,
    Table,
    Text,
)
from heptad.standards.time import parse_instant

NOW = parse_instant("2026-03-01T12:00:00Z")


class Sample(Table):
    """One row with a field of every kind, for tests."""

    id = Text("Key", key=True, max_length=20)
    event_time = Instant("When")
    amount = Money("Amount", currency="currency", ge=0, optional=True)
    currency = Code("Currency", standard="ISO 4217", optional=True)
    country = Code("Country", standard="ISO 3166-1 alpha-2", optional=True)
    status = Code("Status", standard={"authorised", "declined"}, optional=True)
    rate = Number("Rate", scale=6, ge=0, le=2, optional=True)
    count = Integer("Count", ge=-5, optional=True)
    day = Day("Day", optional=True)
    flag = Flag("Flag", optional=True)
    until = Instant("Until", optional=True)
    note = Text("Note", max_length=10, optional=True)
    phone = Text("Telephone", optional=True)
    place = Place("Place", optional=True)


def check(rows, *, table=Sample, known="assumed", known_after=0, arrival=NOW, now=NOW, **binding):
    """Return the checked rows in the order in which they were given."""
    form = Format(decimal=binding.pop("decimal", "."), thousands=binding.pop("thousands", ""))
    source = Source("test", table.__name__, "", format=form, **binding)
    reading = Posted(rows, ["id", "event_time"])
    bound = binding_of(source, table, reading.columns)
    sql = check_sql(bound, Arrival(known, arrival, known_after, now), "incoming")
    incoming = pa.Table.from_batches([clean(b, FAULT) for b in reading.batches()])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        connection.register("incoming", incoming)
        found = connection.sql(sql).to_arrow_table().to_pylist()
    return sorted(found, key=lambda row: row["_line"])
