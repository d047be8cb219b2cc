# SPDX-License-Identifier: Apache-2.0
"""What the row check accepts, the batch checks accept with the same values; it never refuses."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st

from heptad.catalog.bindings import binding_of
from heptad.engine.local.duck import Duck
from heptad.ingest.checks import REASON, ROUNDED, Arrival, check_sql
from heptad.ingest.clean import clean
from heptad.ingest.rowwise import RowCheck, Unusual
from heptad.sources.binding import Source
from heptad.sources.cells import flat
from heptad.sources.posted import Posted
from heptad.sources.reading import FAULT, schema_of
from heptad.standards import (
    Code,
    Day,
    Flag,
    Instant,
    Integer,
    Money,
    Number,
    Place,
    Ref,
    Table,
    Text,
)
from heptad.standards.model import Customer, LoanApplication, Payment
from heptad.standards.time import parse_instant

NOW = parse_instant("2026-03-02")


class Reading(Table):
    """A row with a field of every kind and bound."""

    id = Text("Key", key=True, max_length=12)
    event_time = Instant("When")
    customer = Ref(Customer, "Who", subject=True)
    phone = Text("A number to call", optional=True)
    kind = Code("Which", standard={"a", "b b", "C"}, optional=True)
    currency = Code("Of the amount", standard="ISO 4217", optional=True)
    amount = Money("How much", currency="currency", ge=-5, le=1000, optional=True)
    level = Number("Measured", scale=3, ge=-2, le=7, optional=True)
    fine = Number("Measured finely", scale=9, optional=True)
    pieces = Integer("How many", ge=0, le=40, optional=True)
    born = Day("On which day", optional=True)
    seen = Instant("Last seen", optional=True)
    open = Flag("Whether it is open", optional=True)
    place = Place("Where", optional=True)
    card = Text("Card number", personal=True, pan=True, optional=True)


@pytest.fixture(scope="module")
def duck(tmp_path_factory):
    with Duck(tmp_path_factory.mktemp("rowwise"), threads=1) as engine:
        yield engine


def batch(duck, table, rows):
    """What the batch checks make of rows: typed rows, None for one that is refused or rounded."""
    reading = Posted(rows, [f.name for f in table.fields.values() if not f.optional])
    binding = binding_of(Source("posted", table.__name__, ""), table, reading.columns)
    sql = check_sql(binding, Arrival("arrival", NOW, 0, NOW), "incoming")
    (given_rows,) = reading.batches()
    incoming = pa.Table.from_batches([clean(given_rows, FAULT)], schema_of(reading.columns))
    names = [c.name for f in table.fields.values() for c in f.columns()]
    found = duck.arrow(f"SELECT * FROM ({sql}) ORDER BY _line", incoming=incoming).to_pylist()
    return [
        None if row[REASON] is not None or row[ROUNDED] else {name: row[name] for name in names}
        for row in found
    ]


def checked(table, row):
    try:
        return RowCheck(table)(flat(row))
    except Unusual:
        return None


CARDS = st.sampled_from(["4111111111111111", "5555555555554444", "4111111111111112", "4111 1111"])
DIGITS = st.from_regex(r"[-+]?[0-9]{0,20}(\.[0-9]{0,13})?", fullmatch=True)
INSTANTS = st.one_of(
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
    st.from_regex(
        r"(1899|1900|2026|9999|0001)-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9]"
        r"(\.[0-9]{0,7})?)?)?(Z|\+00:00|\+01:00| UTC)?",
        fullmatch=True,
    ),
    st.sampled_from(["infinity", "epoch", "2026-02-30T00:00:00Z", "2026-03-01T24:00:00Z"]),
)
TEXTS = st.one_of(
    st.text(max_size=14),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=14),
    st.sampled_from(["a", "b b", "C", "c", " a", "EUR", "JPY", "KWD", "eur", "XXX", "p1", "", " "]),
)
COLUMNS = {
    "id": TEXTS, "customer": TEXTS, "kind": TEXTS, "currency": st.sampled_from(
        ["EUR", "JPY", "KWD", "USD", "eur", "ZZZ", "CLF"]), "event_time": INSTANTS,
    "seen": INSTANTS, "born": st.one_of(INSTANTS, st.dates().map(date.isoformat)),
    "amount": DIGITS, "level": DIGITS, "fine": DIGITS, "pieces": DIGITS, "card": CARDS,
    "open": st.sampled_from(["true", "false", "yes", "0", "TRUE", "maybe"]),
    "place_lat": DIGITS, "place_lon": DIGITS, "phone": st.from_regex(
        r"(\+|00)?[0-9]{1,16}|[0-9 ()-]{3,12}", fullmatch=True),
}  # fmt: skip
PLAIN = {
    "id": "p1", "event_time": "2026-03-01T09:30:00Z", "customer": "c1", "amount": "12.50",
    "currency": "EUR", "level": "1.5", "pieces": "3", "born": "1990-02-28",
    "seen": "2026-03-01T09:30:00.123456Z", "open": "true", "place_lat": "41.9", "kind": "b b",
    "place_lon": "-12.4964", "card": "4111111111111111", "phone": "+39061234567",
}  # fmt: skip


ODD = st.one_of(*(st.tuples(st.just(name), values) for name, values in COLUMNS.items()))


@settings(max_examples=60, deadline=None)
@given(odd=st.lists(st.lists(ODD, min_size=1, max_size=2), min_size=1, max_size=12))
def test_what_is_accepted_is_accepted_in_batch_with_the_same_values(duck, odd):
    # A row of nothing but oddities is refused for the first one.
    rows = [PLAIN | dict(values) for values in odd]
    accepted = [checked(Reading, row) for row in rows]
    for row, found, wanted in zip(rows, accepted, batch(duck, Reading, rows), strict=True):
        assert found is None or found == wanted, row
    target(sum(found is not None for found in accepted))


def test_plain_rows_are_accepted(duck):
    rows = [
        PLAIN,
        {name: PLAIN[name] for name in ("id", "event_time", "customer")},
        PLAIN | {"amount": "-5", "currency": "JPY", "level": "-2.000", "pieces": "40"},
        PLAIN | {"amount": "0.125", "currency": "KWD", "event_time": "2026-03-01T09:30:00+00:00"},
        PLAIN | {"amount": "", "card": None, "kind": "", "place_lat": None, "place_lon": None},
        PLAIN | {"open": True, "pieces": 7, "level": 2.5},
    ]
    found = [checked(Reading, row) for row in rows]
    assert None not in found
    assert found == batch(duck, Reading, rows)
    assert found[0]["amount"] == 1250
    assert found[3]["amount"] == 125


@pytest.mark.parametrize(
    "more",
    [
        {"note": "a column that nobody knows"},
        {"_deleted": "true"},
        {"known_time": "2026-03-01"},
        {"id": None},
        {"id": " p1"},
        {"id": "pé"},
        {"customer": ""},
        {"kind": "A"},
        {"amount": "12.505"},
        {"amount": "1e3"},
        {"amount": "1001"},
        {"currency": None},
        {"level": "7.001"},
        {"place_lat": None},
        {"place_lat": "90.1"},
        {"event_time": "2026-03-01T09:30:00"},
        {"born": "1990-02-30"},
        {"open": "yes"},
    ],
)
def test_what_is_unusual_is_left_to_the_batch_checks(more):
    assert checked(Reading, PLAIN | more) is None


def test_only_event_tables_without_sealed_fields_are_checked_so():
    assert [RowCheck.fits(t) for t in (Payment, LoanApplication, Customer)] == [True, True, False]
