# SPDX-License-Identifier: Apache-2.0
"""Exchange rates in memory: an amount in another currency, as the batch reading converts it."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.service.batch.spines import instants
from heptad.standards.money import CURRENCIES, exponent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

_MOST = 2**63 - 1


class Rates:
    """The rates known at an instant.

    Args:
        rows: `id`, `event_time`, `base`, `quote` and `rate` of the rows of `Rate` that are known.
    """

    def __init__(self, rows: pa.Table) -> None:
        found: dict[tuple[str, str], dict[int, tuple[str, int]]] = {}
        columns = [rows.column(n).to_pylist() for n in ("id", "base", "quote", "rate")]
        for us, key, base, quote, rate in zip(
            instants(rows.column("event_time")).to_pylist(), *columns, strict=True
        ):
            # Of two rates of one instant the one with the greater key applies.
            at = found.setdefault((base, quote), {})
            at[us] = max(at.get(us, ("", 0)), (key, rate))
        self._rates: Mapping[tuple[str, str], tuple[list[int], list[int]]] = {
            pair: (sorted(at), [at[us][1] for us in sorted(at)]) for pair, at in found.items()
        }

    def convert(self, amount: int | None, currency: str | None, us: int, into: str) -> int | None:
        """Return an amount at the rate that applied at an instant; None where no rate was known.

        Whole minor units, halves away from zero.

        Raises:
            OverflowError: if it leaves 64 bits.
        """
        if amount is None or currency == into:
            return amount
        if currency is None:
            return None
        times, rates = self._rates.get((currency, into), ((), ()))
        at = bisect_right(times, us) - 1
        if at < 0:
            return None
        scale = 10 ** (9 + CURRENCIES[currency] - exponent(into))
        found: int = (abs(amount) * rates[at] * 2 + scale) // (scale * 2)
        if found > _MOST:
            raise OverflowError(currency)
        return -found if amount < 0 else found

    def column(
        self, amounts: pa.Array, currencies: pa.Array, us: npt.NDArray[np.int64], into: str
    ) -> pa.Array:
        """Convert many amounts; see `convert`.

        Args:
            amounts: (n,) int64 minor units.
            currencies: (n,) codes.
            us: (n,) int64 microseconds.
            into: the currency wanted.
        """
        if not currencies.null_count and currencies.unique().to_pylist() in ([into], []):
            return amounts
        codes, plain, at = currencies.to_pylist(), amounts.to_pylist(), us.tolist()
        return pa.array(
            [self.convert(*row, into) for row in zip(plain, codes, at, strict=True)], pa.int64()
        )
