# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from heptad.analysis.evaluation import auc
from heptad.analysis.fairness import by_group
from heptad.analysis.leaks import check_leaks
from heptad.analysis.merging import merge
from heptad.analysis.scorecard import Scorecard
from heptad.analysis.swaps import swap_set
from heptad.analysis.validation import Pack, validate
from heptad.analysis.validation_page import REGIMES, page
from heptad.standards.errors import ContractError
from tests.analysis.cases import applications


@pytest.fixture(scope="module")
def pack() -> Pack:
    table, y = applications(1500)
    fresh, z = applications(1500, seed=8)
    first = Scorecard().fit(table, y)
    bins = {"income": merge(first.bins_["income"], [0, 1], "<b>too few</b>", by="R. M.")}
    card = Scorecard(bins=bins, crosses=2).fit(table, y)
    chance = card.predict_proba(fresh)[:, 1]
    group = np.where(fresh["age"] < 30, "young", "older").astype(object)
    return validate(
        card, (table, y), (fresh, z), title="Loans & more", data="version 7", code="abc",
        challenger=np.clip(chance + 0.01 * np.sin(np.arange(1500)), 0, 1),
        leaks=check_leaks(table, y), fairness=by_group(group, chance < 0.3, chance, z),
        swap=swap_set(fresh["age"] > 30, chance < 0.3, z), limitations=["Drawn <rows>."],
        repeats=50,
    )  # fmt: skip


def test_the_figures_are_those_of_the_rows_measured_on(pack) -> None:
    fresh, z = applications(1500, seed=8)
    table, y = applications(1500)
    assert pack.trained == (1500, int(y.sum()))
    assert pack.evaluation.n == 1500
    assert pack.psi < 0.1
    assert {d.column for d in pack.drift} == {*pack.without}
    assert pack.without["income"] < pack.evaluation.auc.value
    curve = np.array(pack.roc)
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(
        pack.evaluation.auc.value, abs=5e-3
    )
    for at in (2, 3):
        assert sum(part[at] for part in pack.spread) == pytest.approx(1)
    assert 0.001 < pack.hosmer_lemeshow[1] <= 1
    assert auc(z, fresh["age"] * 0 + 1) == 0.5
    assert table.keys() == fresh.keys()


def test_every_figure_on_the_page_names_its_origin(pack) -> None:
    text = page(pack, regime="EU")
    assert page(pack, regime="EU") == text
    assert "Loans &amp; more" in text
    assert "Drawn &lt;rows&gt;." in text
    assert "<b>too few</b>" not in text
    assert "&lt;b&gt;too few&lt;/b&gt; (R. M.)" in text
    assert pack.origin.model in text
    assert pack.origin.rows in text
    assert REGIMES["EU"] in text
    found = re.findall(r'<data value="([^"]+)" title="([^"]+)">', text)
    assert len(found) > 60
    assert all(pack.origin.model[:12] in title for _, title in found)
    assert repr(pack.evaluation.auc.value) in {value for value, _ in found}
    assert "@media print" in text
    assert "http" not in text
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(re.sub(r"(\w+)=(\d+)(?=[ /])", r'\1="\2"', drawing))
    assert text.count("<svg") == 3


def test_what_was_not_done_is_said(pack) -> None:
    table, y = applications(400)
    fresh, z = applications(400, seed=3)
    bare = page(
        validate(Scorecard().fit(table, y), (table, y), (fresh, z), title="t", data="d", code="c",
                 repeats=20)
    )  # fmt: skip
    assert "Not compared with a challenger" in bare
    assert "Not checked." in bare
    assert "None were stated." in bare


def test_rows_that_the_card_has_seen_and_unknown_regimes_are_refused(pack) -> None:
    table, y = applications(300)
    card = Scorecard().fit(table, y)
    with pytest.raises(ContractError, match="not seen"):
        validate(card, (table, y), (table, y), title="t", data="d", code="c")
    with pytest.raises(ContractError, match="regime"):
        page(pack, regime="SR 11-7")
