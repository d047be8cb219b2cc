# SPDX-License-Identifier: Apache-2.0
"""Amounts: the SQL reads what the standard reads, to the digit."""

from __future__ import annotations

from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from heptad.standards.errors import ContractError
from heptad.standards.money import parse_minor
from tests.ingest.rows import check

CURRENCIES = ["EUR", "JPY", "KWD", "CLF", "USD", "ISK", "UYW"]
random_texts = st.text("0123456789+-. ,x", min_size=1, max_size=24)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None).map(lambda d: f"{d:f}")
plain = st.from_regex(r"[-+]?[0-9]{0,20}([.][0-9]{0,6})?", fullmatch=True)


def expected(text, currency):
    """Return the minor units, or None where the standard refuses."""
    try:
        minor = parse_minor(text, currency)
    except ContractError:
        return None
    return minor if minor >= 0 else None


def compared(pairs):
    """Assert that the SQL reads (text, currency) pairs as the standard does."""
    rows = [
        {"id": "a", "event_time": "2026-01-01", "amount": text, "currency": currency}
        for text, currency in pairs
    ]
    for (text, currency), row in zip(pairs, check(rows), strict=True):
        wanted = expected(text, currency) if text.strip() else None
        refused = row["__reason"] is not None
        assert refused == (wanted is None and bool(text.strip())), (text, currency, row)
        assert refused or row["amount"] == wanted, (text, currency)


def test_thousands_of_near_amounts_are_read_as_the_standard_reads_them():
    random = Random(7)
    letters = "0123456789" * 3 + "..+-,x "
    texts = ["".join(random.choices(letters, k=random.randint(1, 9))) for _ in range(20_000)]
    compared([(text, random.choice(CURRENCIES)) for text in texts])


@settings(max_examples=30)
@given(random_texts | numbers | plain, st.sampled_from(CURRENCIES))
@example("92233720368547758.07", "EUR")
@example("-0.00", "EUR")
@example("...", "EUR")
@example("1.2.3", "KWD")
@example("0.285", "EUR")
@example("-.0", "JPY")
@example("00012.50", "EUR")
def test_an_amount_is_read_as_the_standard_reads_it(text, currency):
    compared([(text, currency)])


@settings(max_examples=10)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1), st.sampled_from(CURRENCIES))
def test_every_amount_that_fits_comes_back(values, currency):
    decimals = {"JPY": 0, "ISK": 0, "KWD": 3, "CLF": 4, "UYW": 4}.get(currency, 2)
    texts = [
        f"{v // 10**decimals}" + (f".{v % 10**decimals:0{decimals}d}" if decimals else "")
        for v in values
    ]
    rows = [
        {"id": "a", "event_time": "2026-01-01", "amount": t, "currency": currency} for t in texts
    ]
    assert [row["amount"] for row in check(rows)] == values


def test_bounds_are_in_the_unit_that_people_read():
    from heptad.standards.model import MODEL

    row = {"id": "a", "event_time": "2026-01-01", "customer": "c", "term": "12"}
    rows = [row | {"amount": "0.99", "currency": "EUR"}, row | {"amount": "1", "currency": "EUR"}]
    first, second = check(rows, table=MODEL["LoanApplication"])
    assert first["__reason"] == "range|amount"
    assert (second["__reason"], second["amount"]) == (None, 100)
