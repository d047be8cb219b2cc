# SPDX-License-Identifier: Apache-2.0
"""Money as int64 minor units of its ISO 4217 currency, never through a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from heptad.standards.errors import ContractError, suggest

LARGEST = 2**63 - 1

_TWO = """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD
HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT
MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR
SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU
UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"""
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

CURRENCIES: dict[str, int] = (
    dict.fromkeys(_TWO.split(), 2)
    | dict.fromkeys(_NONE.split(), 0)
    | dict.fromkeys(_THREE.split(), 3)
    | {"CLF": 4, "UYW": 4}
)
"""ISO 4217 code → number of decimals of its minor unit."""


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency: EUR 2, JPY 0, KWD 3.

    Raises:
        ContractError: if the code is not in ISO 4217.
    """
    try:
        return CURRENCIES[currency]
    except KeyError:
        raise ContractError(
            "A currency must be an ISO 4217 code.", got=currency, do=suggest(currency, CURRENCIES)
        ) from None


def parse_minor(text: str, currency: str) -> int:
    """Read decimal text into minor units, exactly.

    Raises:
        ContractError: if it is not a number, has more decimals than the currency, or is too large.

    >>> parse_minor("12.5", "EUR"), parse_minor("500", "JPY")
    (1250, 500)
    """
    decimals = exponent(currency)
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ContractError("An amount must be a decimal number.", got=text, do="write 1234.56")
    if value.adjusted() > 18:
        raise ContractError("An amount must fit 64 bits.", got=text, do="check its unit")
    minor = value.scaleb(decimals)
    if minor != minor.to_integral_value():
        raise ContractError(
            f"An amount in {currency} has at most {decimals} decimals.",
            got=text,
            do="round it in the map, and say how",
        )
    if abs(minor) > LARGEST:
        raise ContractError("An amount must fit 64 bits.", got=text, do="check its unit")
    return int(minor)


def format_minor(minor: int, currency: str) -> str:
    """Write minor units as decimal text with thousands separators and the code.

    >>> format_minor(123456, "EUR")
    '1,234.56 EUR'
    """
    return f"{Decimal(minor).scaleb(-exponent(currency)):,f} {currency}"
