# SPDX-License-Identifier: Apache-2.0
"""Random draws as a pure function of (seed, purpose, entity, counter), in integers only."""

from __future__ import annotations

import hashlib
from decimal import Decimal, localcontext
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
"""int64 values of any shape."""
Words: TypeAlias = NDArray[np.uint64]
"""Random 64-bit words."""
Bools: TypeAlias = NDArray[np.bool_]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_TURN = np.uint64(0xD1B54A32D192ED03)
_ONE = np.uint64(0xBF58476D1CE4E5B9)
_TWO = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = (np.uint64(n) for n in (27, 30, 31, 32))

UNIT = 65_536
"""Fixed point: one standard deviation, one octave and one whole are all 65,536."""
RATE = 128
"""Fixed point of a rate of events: `poisson` takes rates in 1/128, up to 8."""
_RATES, _COUNTS = 8 * RATE + 1, 30
_FRACTIONS = 4096


class Draws:
    """Random words keyed by a seed.

    Nothing is drawn *in turn*: every word is hashed from what it is for, so that any block of
    entities or any day can be generated alone and equals the same part of a full run. The words
    and all that is derived from them here are integers, so that they are the same on every
    processor and with every release of numpy.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._keys: dict[str, np.uint64] = {}

    def key(self, purpose: str) -> np.uint64:
        """Return the 64-bit key of one purpose."""
        if purpose not in self._keys:
            digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
            self._keys[purpose] = np.uint64(int.from_bytes(digest[:8], "big"))
        return self._keys[purpose]

    def of(self, purpose: str, entity: Ints | Words, counter: Ints | int | None = None) -> Words:
        """Return one word per entity (and counter), by the splitmix64 finaliser.

        Args:
            purpose: what the word decides.
            entity: (n,) keys of the entities.
            counter: (n,) or one number: the day, the slot or the row of that entity.
        """
        words = mixed(entity.astype(np.uint64) * _STEP + self.key(purpose))
        if counter is None:
            return words
        turns = np.atleast_1d(np.asarray(counter, dtype=np.int64)).astype(np.uint64)
        return mixed(words + turns * _TURN)


def mixed(words: Words) -> Words:
    """Return the splitmix64 finaliser of each word: a bijection on 64 bits.

    Source: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, 2014.
    """
    out = words ^ (words >> _S30)
    out *= _ONE
    out ^= out >> _S27
    out *= _TWO
    out ^= out >> _S31
    return out


def below(words: Words, n: Ints | int) -> Ints:
    """Return integers in [0, n), from the upper half of each word; n at most 2^31."""
    return ((words >> _S32) * np.asarray(n).astype(np.uint64) >> _S32).astype(np.int64)


def chance(words: Words, per_million: Ints | int) -> Bools:
    """Return True with the given probability in millionths."""
    return below(words, 1_000_000) < per_million


def field(words: Words, low: int, width: int) -> Ints:
    """Return `width` bits of each word, from bit `low` on: small independent draws."""
    return ((words >> np.uint64(low)) & np.uint64((1 << width) - 1)).astype(np.int64)


def bell(words: Words) -> Ints:
    """Return near-normal values, one standard deviation = `UNIT`, cut at 3.46 deviations."""
    total = field(words, 0, 16) + field(words, 16, 16) + field(words, 32, 16)
    return (total + field(words, 48, 16) - 131_070) * 56_756 >> 15


def power(octaves: Ints) -> Ints:
    """Return 2^(octaves / UNIT) × UNIT, exactly rounded from a table; octaves in ±14 UNIT."""
    bounded = np.clip(octaves, -14 * UNIT, 14 * UNIT - 1)
    whole = bounded >> 16
    mantissa: Ints = _octave()[(bounded & 65_535) >> 4]
    return mantissa >> (14 - whole)


def spread(level: Ints | int, words: Words, sigma: Ints | int) -> Ints:
    """Return log-normal values with median `level`; `sigma` in octaves × UNIT."""
    return np.asarray(level, dtype=np.int64) * power(bell(words) * sigma >> 16) >> 16


def poisson(words: Words, rate: Ints) -> Ints:
    """Return Poisson counts; `rate` in 1/128 events, cut at 8."""
    table, uniform = _poisson(), words >> _S32
    rows = np.clip(rate, 0, _RATES - 1)
    counts = np.zeros(len(words), dtype=np.int64)
    active = np.arange(len(words))
    for k in range(_COUNTS):
        active = active[uniform[active] >= table[rows[active], k]]
        if not len(active):
            break
        counts[active] += 1
    return counts


def choose(sixteen: Ints, table: Ints) -> Ints:
    """Look a 16-bit draw up in a table made by `weighted`."""
    return table[sixteen]


def weighted(weights: list[int]) -> Ints:
    """Spread weights over 65,536 slots, so that a 16-bit draw picks in one look-up."""
    total, sums = sum(weights), np.cumsum(np.array(weights, dtype=np.int64))
    return np.searchsorted(sums * UNIT // total, np.arange(UNIT), side="right").astype(np.int64)


@cache
def _octave() -> Ints:
    """2^(i / 4096) × 2^30, by decimal arithmetic, which is the same everywhere."""
    with localcontext(prec=30):
        step = (Decimal(2).ln() / _FRACTIONS).exp()
        values, value = [], Decimal(2**30)
        for _ in range(_FRACTIONS):
            values.append(int(value))
            value *= step
    return np.array(values, dtype=np.int64)


@cache
def _poisson() -> Words:
    """Cumulative probabilities × 2^32, one row per rate."""
    rows = np.empty((_RATES, _COUNTS), dtype=np.uint64)
    with localcontext(prec=30):
        for row in range(_RATES):
            rate = Decimal(row) / RATE
            term = total = (-rate).exp()
            for k in range(_COUNTS):
                rows[row, k] = min(int(total * 2**32), 2**32)
                term = term * rate / (k + 1)
                total += term
    return rows
