# SPDX-License-Identifier: Apache-2.0
"""A small history with planted fraud, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.standards import Table


def demo(seed: int) -> Mapping[type[Table], Sequence[Mapping[str, Any]]]:
    """Return the payments, labels and rates of forty customers of a simulated bank."""
    from heptad.sources.bank.sample import sample

    return sample(seed, ["Payment", "Label", "Rate"], customers=40, days=90)
