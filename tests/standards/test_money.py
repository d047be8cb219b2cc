# SPDX-License-Identifier: Apache-2.0
"""Money is read and written exactly, in the decimals of its currency."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.standards.errors import ContractError
from heptad.standards.money import (
    CURRENCIES,
    LARGEST,
    exponent,
    format_minor,
    parse_minor,
    parse_scaled,
)


def test_the_exponents_of_iso_4217() -> None:
    expected = {
        "EUR": 2,
        "USD": 2,
        "CNY": 2,
        "JPY": 0,
        "KRW": 0,
        "CLP": 0,
        "KWD": 3,
        "TND": 3,
        "CLF": 4,
    }
    assert {code: exponent(code) for code in expected} == expected
    assert len(CURRENCIES) > 150
    assert all(code.isascii() and code.isupper() and len(code) == 3 for code in CURRENCIES)
    assert set(CURRENCIES.values()) == {0, 2, 3, 4}


@pytest.mark.parametrize("code", ["eur", "EURO", "", "XXQ", "€", None])
def test_an_unknown_currency_is_refused(code: str) -> None:
    with pytest.raises(ContractError, match="ISO 4217"):
        exponent(code)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.5", "EUR", 1250), ("12", "EUR", 1200), (" 12.50 ", "EUR", 1250), ("12.500", "EUR", 1250),
        ("-0.01", "EUR", -1), ("+7", "EUR", 700), (".5", "EUR", 50), ("5.", "EUR", 500), ("0", "JPY", 0),
        ("500", "JPY", 500), ("500.0", "JPY", 500), ("1.234", "KWD", 1234), ("-0", "EUR", 0),
        ("1e3", "EUR", 100_000), ("1.5E1", "EUR", 1500), ("15e-1", "EUR", 150), ("0e999", "EUR", 0),
        ("92233720368547758.07", "EUR", LARGEST), ("-92233720368547758.07", "EUR", -LARGEST),
        ("000000000000000000000000000001.5", "EUR", 150), ("0.29", "EUR", 29), ("1.005", "KWD", 1005),
    ],
)  # fmt: skip
def test_amounts_are_exact(text: str, currency: str, minor: int) -> None:
    assert parse_minor(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "words"),
    [
        ("1.234", "EUR", "at most 2 decimals"), ("0.5", "JPY", "at most 0 decimals"),
        ("1." + "0" * 40 + "1", "EUR", "at most 2 decimals"), ("1e-3", "EUR", "at most 2 decimals"),
        ("1e-999", "EUR", "at most 2 decimals"), ("92233720368547758.08", "EUR", "64 bits"),
        ("1e999", "EUR", "64 bits"), ("9" * 60, "JPY", "64 bits"), ("", "EUR", "decimal number"),
        (" ", "EUR", "decimal number"), (".", "EUR", "decimal number"), ("-", "EUR", "decimal number"),
        ("e5", "EUR", "decimal number"), ("nan", "EUR", "decimal number"), ("inf", "EUR", "decimal number"),
        ("-Infinity", "EUR", "decimal number"), ("1,5", "EUR", "decimal number"), ("1_000", "EUR", "decimal number"),
        ("1 000", "EUR", "decimal number"), ("0x10", "EUR", "decimal number"), ("--1", "EUR", "decimal number"),
        ("\u0661\u0662", "EUR", "decimal number"), ("\uff11", "EUR", "decimal number"), ("1e99999", "EUR", "decimal number"),
        ("1" * 500, "EUR", "decimal number"), ("5 EUR", "EUR", "decimal number"), ("1\x00", "EUR", "decimal number"),
        ("5", "eur", "ISO 4217"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str, currency: str, words: str) -> None:
    with pytest.raises(ContractError, match=words) as caught:
        parse_minor(text, currency)
    assert caught.value.do


@given(minor=st.integers(-LARGEST, LARGEST), currency=st.sampled_from(sorted(CURRENCIES)))
def test_what_is_written_is_read_back(minor: int, currency: str) -> None:
    shown = format_minor(minor, currency)
    digits, code = shown.split(" ")
    assert code == currency
    assert parse_minor(digits.replace(",", ""), currency) == minor


@given(
    value=st.decimals(allow_nan=False, allow_infinity=False, places=6), decimals=st.integers(0, 12)
)
def test_scaling_agrees_with_exact_decimals(value: Decimal, decimals: int) -> None:
    with decimal.localcontext(prec=200):
        scaled = value.scaleb(decimals)
        whole = scaled == scaled.to_integral_value() and abs(scaled) <= LARGEST
    try:
        got = parse_scaled(str(value), decimals)
    except ContractError:
        assert not whole
    else:
        assert whole
        assert got == scaled


@given(text=st.text(alphabet="0123456789.-+eE ,_x\u0663", max_size=25))
def test_noise_is_read_as_decimals_reads_it_or_refused(text: str) -> None:
    try:
        got = parse_minor(text, "EUR")
    except ContractError:
        return
    assert "_" not in text
    assert Decimal(text.strip()) * 100 == got


def test_the_ambient_decimal_context_changes_nothing() -> None:
    with decimal.localcontext(prec=3, rounding=decimal.ROUND_UP):
        assert parse_minor("12345.67", "EUR") == 1234567
        assert format_minor(LARGEST, "EUR") == "92,233,720,368,547,758.07 EUR"
        assert format_minor(-5, "JPY") == "-5 JPY"
        assert format_minor(-5, "KWD") == "-0.005 KWD"
