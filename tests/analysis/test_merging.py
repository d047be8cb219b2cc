# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.binning import bin_column
from heptad.analysis.merging import merge
from heptad.analysis.scorecard import Scorecard
from heptad.standards.errors import ContractError
from tests.analysis.cases import applications, rows


def test_merged_neighbours_hold_both_their_cases_and_the_reason() -> None:
    table, y = applications(1500)
    bins = bin_column(table["income"], y, name="income")
    merged = merge(bins, [1, 2], "too few to tell apart", by="R. Modeller")
    assert merged.edges == (bins.edges[0], *bins.edges[2:])
    assert merged.good[1] == bins.good[1] + bins.good[2]
    assert sum(merged.bad) == sum(bins.bad)
    assert min(bins.woe[1:3]) <= merged.woe[1] <= max(bins.woe[1:3])
    assert merged.woe[0] == pytest.approx(bins.woe[0])
    assert merged.iv < bins.iv
    assert "too few to tell apart (R. Modeller)" in merged.notes[0]
    assert bins.labels[1] in merged.notes[0]


def test_levels_of_text_merge_wherever_they_stand() -> None:
    table, y = applications(1500)
    bins = bin_column(table["job"], y, name="job")
    merged = merge(bins, [0, bins.regular - 1], "one product")
    assert set(merged.groups[0]) == {*bins.groups[0], *bins.groups[-1]}
    assert merged.regular == bins.regular - 1
    assert merged.find(bins.groups[-1][0]) == 0
    assert merged.find(None) == merged.missing


@pytest.mark.parametrize(
    ("which", "reason", "said"),
    [([0, 2], "gap", "neighbouring"), ([0], "one", "Two or more"), ([0, 1], " ", "reason")],
)
def test_what_cannot_be_merged_is_refused(which, reason, said) -> None:
    table, y = applications(1500)
    with pytest.raises(ContractError, match=said):
        merge(bin_column(table["income"], y, name="income"), which, reason)


def test_missing_stays_on_its_own() -> None:
    table, y = applications(1500)
    bins = bin_column(table["income"], y, name="income")
    with pytest.raises(ContractError):
        merge(bins, [bins.regular - 1, bins.missing], "they look alike")


def test_a_card_trains_on_bins_made_by_hand_and_keeps_why() -> None:
    table, y = applications(1500)
    first = Scorecard().fit(table, y)
    by_hand = {"income": merge(first.bins_["income"], [0, 1], "policy of the branch")}
    card = Scorecard(bins=by_hand).fit(table, y)
    assert card.bins_["income"].edges == by_hand["income"].edges
    assert "policy of the branch" in card.to_json()
    again = Scorecard.from_json(card.to_json())
    assert again.bins_["income"].notes == by_hand["income"].notes
    assert again.to_json() == card.to_json()
    assert again.hash() == card.hash() != first.hash()
    totals = card.totals(table)
    assert [card.total(row) for row in rows(table)][:200] == totals[:200].tolist()
    # New rows are counted in the same bins.
    other, z = applications(1500, seed=4)
    recounted = Scorecard(bins=by_hand).fit(other, z)
    assert recounted.bins_["income"].edges == by_hand["income"].edges
    assert sum(recounted.bins_["income"].good) == pytest.approx(np.sum(z == 0))
