# SPDX-License-Identifier: Apache-2.0
"""A small history of borrowers and their cash flow, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.standards import Table

TABLES = ("LoanApplication", "Transfer", "Payment", "Repayment", "CreditRecord", "Rate", "Label")


def demo(seed: int) -> Mapping[type[Table], Sequence[Mapping[str, Any]]]:
    """Return what sixty customers of a simulated bank did and asked for."""
    from heptad.sources.bank.sample import sample

    return sample(seed, TABLES, customers=60, days=150)
