# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from heptad.analysis.connections import Stake, connected
from heptad.standards.errors import ContractError


def test_control_reaches_through_chains_and_adds_up() -> None:
    stakes = [
        Stake("ada", "holding", 0.8),
        Stake("holding", "shop", 0.4),
        Stake("ada", "shop", 0.2),
        Stake("ada", "farm", 0.3),
        Stake("ben", "farm", 0.7),
    ]
    owed = {"shop": 100, "holding": 50, "farm": 30, "alone": 5}
    assert connected(stakes, owed) == [
        (("ada", "holding", "shop"), 150),
        (("ben", "farm"), 30),
        (("alone",), 5),
    ]
    # Neither of ada's ways into the shop is control; together, 0.8 · 0.4 + 0.2, they are.
    assert connected(stakes[:2], owed)[0] == (("shop",), 100)


def test_guarantees_connect_and_circles_end() -> None:
    stakes = [Stake("a", "b", 0.9), Stake("b", "a", 0.9), Stake("c", "b", 1.0)]
    assert connected(stakes, {"a": 1, "b": 2, "c": 4}) == [(("a", "b", "c"), 7)]
    # Who is named is told of, though nothing is owed; who is not named is not.
    assert connected(stakes, {"c": 0, "d": 0}) == [(("a", "b", "c"), 0), (("d",), 0)]
    assert connected(stakes, {"d": 1}) == [(("d",), 1)]
    with pytest.raises(ContractError):
        connected([Stake("a", "b", 1.5)], {})
