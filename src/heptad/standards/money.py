# SPDX-License-Identifier: Apache-2.0
"""Money as int64 minor units of its ISO 4217 currency, never through a float."""

from __future__ import annotations

import re

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
            "A currency must be an ISO 4217 code.",
            got=currency,
            do=suggest(str(currency), CURRENCIES),
        ) from None


_NUMBER = re.compile(r"([+-]?)(\d{0,400})(?:\.(\d{0,400}))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)


def parse_scaled(text: str, decimals: int, *, what: str = "A number", unit: str = "") -> int:
    """Read decimal text into value × 10^decimals, exactly.

    Args:
        text: ASCII digits with an optional sign, point and exponent; spaces around are ignored.
        decimals: how many decimals the result keeps.
        what: the noun that an error begins with.
        unit: what has that many decimals, for the error: " in EUR".

    Raises:
        ContractError: if it is not a number, has more decimals, or does not fit 64 bits.

    >>> parse_scaled("0.125", 4)
    1250
    """
    found = _NUMBER.fullmatch(text.strip())
    if not found or not (found[2] or found[3]):
        raise ContractError(f"{what} must be a decimal number.", got=text, do="write 1234.56")
    fraction = found[3] or ""
    digits, shift = int(found[2] + fraction), int(found[4] or 0) - len(fraction) + decimals
    whole, rest = divmod(digits * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    if rest:
        raise ContractError(
            f"{what}{unit} has at most {decimals} decimals.",
            got=text,
            do="round it in the map, and say how",
        )
    if whole > LARGEST:
        raise ContractError(f"{what} must fit 64 bits.", got=text, do="check its unit")
    return int(-whole if found[1] == "-" else whole)


def parse_minor(text: str, currency: str) -> int:
    """Read decimal text into minor units, exactly.

    Raises:
        ContractError: if it is not a number, has more decimals than the currency, or is too large.

    >>> parse_minor("12.5", "EUR"), parse_minor("500", "JPY")
    (1250, 500)
    """
    return parse_scaled(text, exponent(currency), what="An amount", unit=f" in {currency}")


def format_minor(minor: int, currency: str) -> str:
    """Write minor units as decimal text with thousands separators and the code.

    >>> format_minor(123456, "EUR")
    '1,234.56 EUR'
    """
    decimals = exponent(currency)
    whole, rest = divmod(abs(minor), 10**decimals)
    fraction = f".{rest:0{decimals}}" if decimals else ""
    return f"{'-' if minor < 0 else ''}{whole:,}{fraction} {currency}"
