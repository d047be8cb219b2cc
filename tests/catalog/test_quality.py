# SPDX-License-Identifier: Apache-2.0
"""Quality: profiles over time, without a trace of persons, and drifts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from heptad.catalog.loads import Counts
from heptad.catalog.quality import MASKED, ColumnProfile
from heptad.standards.errors import Conflict, ContractError
from heptad.standards.time import FixedClock, hour
from tests.catalog.conftest import NOON

if TYPE_CHECKING:
    from heptad.catalog import Catalog

AMOUNT = ColumnProfile(
    "amount",
    count=100,
    missing=3,
    distinct=80,
    smallest=-(2**63),
    largest=2**63 - 1,
    mean=0.1 + 0.2,
    quantiles=[0, 5, 9],
    top=[["EUR", 60], ["汇", 40]],
    histogram={"edges": [0, 5, 9], "counts": [50, 47]},
)


def load(catalog: Catalog, *profiles: ColumnProfile, table: str = "Payment") -> int:
    """Load something with these profiles."""
    number = catalog.loads.begin("cards", table).id
    catalog.quality.record(number, table, profiles)
    catalog.loads.staged(number, Counts())
    catalog.loads.committed(number, None)
    return number


def test_what_is_kept(catalog: Catalog) -> None:
    empty = ColumnProfile("note", count=0, missing=0)
    number = load(catalog, empty, AMOUNT)
    assert catalog.quality.profile(number) == [AMOUNT, empty]
    assert catalog.quality.latest("Payment") == [AMOUNT, empty]
    assert catalog.quality.latest("Loan") == []


def test_nothing_of_a_person(catalog: Catalog) -> None:
    personal: dict[str, Any] = {
        "smallest": "Ada Lovelace",
        "largest": "Zeno Quimby",
        "mean": 12.5,
        "quantiles": ["Bob Ross"],
        "top": [["Cy Young", 2]],
        "histogram": {"edges": ["Dee"], "counts": []},
    }
    number = load(catalog, ColumnProfile("name", 10, 1, 9, personal=True, **personal))
    (kept,) = catalog.quality.profile(number)
    assert kept == ColumnProfile("name", 10, 1, 9, MASKED, MASKED, personal=True)
    with catalog.store.read() as connection:
        stored = json.dumps(connection.execute(text("SELECT * FROM profiles")).all(), default=str)
    for word in ("Ada", "Zeno", "Bob", "Cy", "Dee", "12.5"):
        assert word not in stored


def test_history_of_committed_loads(catalog: Catalog, clock: FixedClock) -> None:
    first = load(catalog, AMOUNT)
    lost = catalog.loads.begin("cards", "Payment").id
    catalog.quality.record(lost, "Payment", [ColumnProfile("amount", 1, 1)])
    clock.set(NOON + hour)
    last = load(catalog, ColumnProfile("amount", 5, 0))
    load(catalog, ColumnProfile("amount", 7, 0), table="Loan")
    history = catalog.quality.history("Payment", "amount")
    assert [(p.load, p.arrival, p.profile.count) for p in history] == [
        (last, NOON + hour, 5),
        (first, NOON, 100),
    ]
    assert len(catalog.quality.history("Payment", "amount", limit=1)) == 1
    assert catalog.quality.latest("Payment")[0].count == 5


def test_a_load_is_profiled_once(catalog: Catalog) -> None:
    number = load(catalog, AMOUNT)
    with pytest.raises(Conflict):
        catalog.quality.record(number, "Payment", [AMOUNT])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_only_plain_data(catalog: Catalog, value: object) -> None:
    number = catalog.loads.begin("cards", "Payment").id
    with pytest.raises(ContractError):
        catalog.quality.record(number, "Payment", [ColumnProfile("a", 1, 0, smallest=value)])
    assert catalog.quality.profile(number) == []


def test_drifts(catalog: Catalog) -> None:
    first, second = load(catalog, AMOUNT), load(catalog, AMOUNT)
    moved = catalog.quality.drifted(
        second, "Payment", "amount", "reported", "It moved.", psi=0.31, limit=0.25, against=first
    )
    gone = catalog.quality.drifted(second, "Payment", "", "refused", "fee is gone: map it.")
    assert (moved.psi, moved.against, moved.instant, gone.psi) == (0.31, first, NOON, None)
    assert catalog.quality.drifts("Payment") == [gone, moved]
    assert catalog.quality.drifts(load=second, limit=1) == [gone]
    assert catalog.quality.drifts("Loan") == catalog.quality.drifts(load=first) == []
