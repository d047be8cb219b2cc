# SPDX-License-Identifier: Apache-2.0
"""Numbers as fixed-width text, by look-up instead of formatting: ids, card numbers, IBANs."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from heptad.sources.bank.draws import Ints, Words, mixed

Bytes: TypeAlias = NDArray[np.bytes_]
"""Text as fixed-width ASCII."""

_BINS = np.array([400_000, 222_300, 555_555], dtype=np.int64)
"""Issuer ranges that payment processors reserve for tests."""
_SCATTER = 387_420_489
"""3^18: prime to 10^9, so that multiplying by it permutes nine-digit numbers."""

_FIRST = 271_828_182


def decimal(values: Ints, width: int, prefix: str = "") -> Bytes:
    """Return numbers with leading zeros behind a prefix; `width` at most 16."""
    groups, rest = [], values.astype(np.int64)
    for _ in range((width + 3) // 4):
        groups.append(_quads()[rest % 10_000])
        rest = rest // 10_000
    text = np.stack(groups[::-1], axis=1).view("S1").reshape(len(values), 4 * len(groups))
    return _joined(text[:, text.shape[1] - width :], prefix)


def scrambled(values: Ints | Words, key: np.uint64) -> Bytes:
    """Return 16 hexadecimal digits per number: unique if the numbers are, in no order."""
    words = mixed(values.astype(np.uint64) ^ key)
    pairs = words.astype(">u8").view(np.uint8).reshape(-1, 8)
    return _pairs()[pairs].view("S16").reshape(-1)


def card_numbers(cards: Ints) -> Bytes:
    """Return 16-digit card numbers of test ranges with their Luhn digit, one per card."""
    return decimal(_card_numbers(cards), 16)


def ibans(accounts: Ints) -> Bytes:
    """Return Spanish IBANs of a bank that does not exist, with valid check digits."""
    number = (accounts * _SCATTER + _FIRST) % 10**9
    # 0999 0001 00 and ten digits; the letters E and S count as 14 and 28.
    rest = (999_000_100 % 97 * 10**10 + number) % 97
    check = 98 - (rest * 10**6 + 142_800) % 97
    return np.char.add(np.char.add(decimal(check, 2, "ES"), b"0999000100"), decimal(number, 10))


def luhn_valid(number: str) -> bool:
    """Tell whether a number carries its Luhn digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in reversed(number)]
    doubled = (sum(divmod(2 * d, 10)) for d in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _card_numbers(cards: Ints) -> Ints:
    """Card numbers as integers: issuer, scattered account, Luhn digit."""
    body = _BINS[cards % 3] * 10**9 + (cards * _SCATTER + _FIRST) % 10**9
    total, rest = np.zeros(len(cards), dtype=np.int64), body * 10
    for _ in range(4):
        total += _luhn()[rest % 10_000]
        rest = rest // 10_000
    return body * 10 + (10 - total % 10) % 10


def _joined(text: Bytes, prefix: str) -> Bytes:
    """Put a prefix before rows of single characters."""
    head = np.frombuffer(prefix.encode(), dtype="S1")
    out = np.empty((len(text), len(head) + text.shape[1]), dtype="S1")
    out[:, : len(head)], out[:, len(head) :] = head, text
    return out.view(f"S{out.shape[1]}").reshape(-1)


@cache
def _quads() -> Bytes:
    return np.array([f"{n:04d}" for n in range(10_000)], dtype="S4")


@cache
def _pairs() -> Bytes:
    return np.array([f"{n:02x}" for n in range(256)], dtype="S2")


@cache
def _luhn() -> Ints:
    """Luhn sum of four digits whose last one is not doubled."""
    doubled = np.array([sum(divmod(2 * d, 10)) for d in range(10)])
    n: Ints = np.arange(10_000)
    total: Ints = n % 10 + doubled[n // 10 % 10] + n // 100 % 10 + doubled[n // 1000]
    return total
