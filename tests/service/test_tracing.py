# SPDX-License-Identifier: Apache-2.0
"""Lineage is what the code does: no column is read that it does not name, none named for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp

from heptad.runtime import Platform, discover, tables_of
from heptad.service.batch.windows import Stored, plan
from heptad.service.features import Feature, count, parts_of, total
from heptad.service.operators.declared import OPERATORS
from heptad.service.tracing import _reads
from heptad.standards import Path, day, hour
from heptad.standards.errors import Refused, UnknownName
from heptad.standards.model import Payment
from heptad.standards.time import FixedClock, parse_instant
from heptad.terminal.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path as FilePath

APPS = discover()
FEATURES = [
    (f"{a.name}.{n}", f)
    for a in APPS.values()
    for n, f in a.features.items()
    # What the kernel alone reads has no query.
    if all(OPERATORS[part.op].tier == 1 for part in parts_of([f]))
]
CSV = "id,event_time,who,eur,ccy,status\np1,2026-03-01T09:00:00Z,c1,1000,EUR,OK\n"
TOML = """
[project]
name = "traced"
[[source]]
table = "Payment"
from = "pay.csv"
[source.map]
customer = "who"
amount = "eur || ''"
currency = "ccy"
[source.codes.status]
OK = "authorised"
"""


def read_by_sql(feature: Feature) -> set[str]:
    """Return the declared columns that the engine's query of a feature reads."""
    tables = tables_of(APPS.values()).values()
    declared = {c.name for t in tables for c in t.columns() if not c.name.startswith("_")}
    queries = plan([feature], lambda t: Stored(f"{t.__name__}_rows", True), None, (0, 1))
    trees = [sqlglot.parse_one(q.sql, read="duckdb") for q in queries]
    return {column.name for tree in trees for column in tree.find_all(exp.Column)} & declared


@pytest.mark.parametrize(("name", "feature"), FEATURES, ids=[name for name, _ in FEATURES])
def test_every_column_that_a_query_reads_is_in_the_lineage(name: str, feature: Feature) -> None:
    found = {node.column for node, _ in _reads(replace(feature, name=name))}
    wanted = read_by_sql(replace(feature, name=name))
    assert "event_time" in wanted
    assert wanted <= found


@pytest.mark.parametrize(("name", "feature"), FEATURES, ids=[name for name, _ in FEATURES])
def test_nothing_stands_in_the_lineage_that_no_query_reads(name: str, feature: Feature) -> None:
    fields = feature.by.fields if isinstance(feature.by, Path) else (feature.by,)
    keys = {field.table.key.name for field in fields}
    found = {node.column for node, _ in _reads(replace(feature, name=name))}
    assert found <= read_by_sql(replace(feature, name=name)) | keys


@pytest.fixture
def folder(tmp_path: FilePath) -> FilePath:
    """A project with one file of payments."""
    (tmp_path / "pay.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "heptad.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


@pytest.fixture
def platform(folder: FilePath) -> Iterator[Platform]:
    """The project, open and loaded."""
    with Platform.open(folder, clock=_clock()) as opened:
        opened.load()
        yield opened


def _clock() -> FixedClock:
    return FixedClock(parse_instant("2026-03-05"))


def _edges(platform: Platform, node: str) -> set[tuple[str, str, str]]:
    lineage = platform.catalog.lineage
    graphs = (lineage.upstream(node), lineage.downstream(node))
    return {(e.origin.text, e.target.text, e.how) for graph in graphs for e in graph.edges}


def test_an_amount_comes_from_its_column_and_goes_into_features_and_applications(
    platform: Platform,
) -> None:
    found = _edges(platform, "Payment.amount")
    assert ("source:Payment.eur", "table:Payment.amount", "eur || ''") in found
    totals = {
        ("table:Payment.amount", f"feature:{name}", part.op)
        for name, feature in FEATURES
        for part in feature.parts or (feature,)
        if part.of is Payment.amount
    }
    assert len(totals) >= 5
    assert totals <= found
    assert ("feature:fraud.spend_1d", "app:fraud", "feature") in found
    assert ("table:Payment.amount", "app:fraud", "row that is decided") in found


def test_words_that_are_translated_say_so(platform: Platform) -> None:
    assert ("source:Payment.status", "table:Payment.status", "status, translated by codes") in (
        _edges(platform, "Payment.status")
    )


def test_a_changed_map_ends_the_old_edge_with_the_next_load_and_not_before(
    folder: FilePath,
) -> None:
    with Platform.open(folder, clock=_clock()) as platform:
        platform.load()
    changed = TOML.replace("eur || ''", "gross")
    (folder / "heptad.toml").write_text(changed, encoding="utf-8")
    more = CSV.replace("p1", "p2").replace("eur", "gross")
    with Platform.open(folder, clock=_clock()) as platform:
        before = platform.catalog.lineage.upstream("Payment.amount").nodes
        assert [n.title for n in before] == ["Payment.amount", "Payment.eur"]
        (folder / "pay.csv").write_text(more, encoding="utf-8")
        platform.load()
        after = platform.catalog.lineage.upstream("Payment.amount").nodes
        assert [n.title for n in after] == ["Payment.amount", "Payment.gross"]


def test_columns_that_are_posted_one_after_the_other_are_all_kept(folder: FilePath) -> None:
    row = {"id": "a", "event_time": "2026-03-01", "customer": "c", "amount": "1", "currency": "EUR",
           "status": "authorised"}  # fmt: skip
    for number, more in enumerate(({"country": "ES"}, {"channel": "online"})):
        with Platform.open(folder, clock=_clock()) as platform:
            platform.store("Payment", [row | more | {"id": f"r{number}"}])
    with Platform.open(folder, clock=_clock()) as platform:
        filled = {e.target.column for e in platform.catalog.lineage.into("Payment")}
    assert {"country", "channel", "amount"} <= filled


def test_a_model_stands_between_features_and_application_once_it_decides(
    platform: Platform,
) -> None:
    made = platform.catalog.models.register("credit-card", "credit", b"{}", trainer="ana")
    platform.trace()
    assert ("feature:credit.inflow_90d", "model:credit-card", "input") in (
        found := _edges(platform, "credit-card")
    )
    assert ("table:LoanApplication.term", "model:credit-card", "input") in found
    assert ("table:Label.default", "model:credit-card", "what is learned") in found
    assert not any(edge[1] == "app:credit" for edge in found)
    platform.approve(made.id, "bea", "good")
    assert ("model:credit-card", "app:credit", "score") in _edges(platform, "credit-card")


def test_a_challenger_is_traced_and_may_be_approved_to_decide(platform: Platform) -> None:
    made = platform.catalog.models.register("credit-tried", "credit", b"{}", trainer="ana")
    asked = {"number": made.id, "who": "bea", "note": "worth a try"}
    with pytest.raises(Refused, match="did not train"):
        run(platform, "models.challenge", asked | {"who": "ana"})
    assert run(platform, "models.challenge", asked)["stage"] == "challenger"
    assert ("table:LoanApplication.term", "model:credit-tried", "input") in _edges(
        platform, "credit-tried"
    )
    with pytest.raises(Refused, match="did not train"):
        run(platform, "models.approve", asked | {"who": "Ana"})
    assert run(platform, "models.approve", asked)["stage"] == "champion"
    assert ("model:credit-tried", "app:credit", "score") in _edges(platform, "credit-tried")


def test_a_feature_that_is_declared_no_longer_ends(folder: FilePath) -> None:
    fraud = APPS["fraud"]
    by = Payment.customer
    first = {"a": count(Payment.id, by=by, over=hour), "b": count(Payment.id, by=by, over=day)}
    second = {"a": total(Payment.amount, by=by, over=hour, into="EUR")}
    for features in (first, second):
        app = replace(fraud, features=features)
        with Platform.open(folder, clock=_clock(), apps=[app]) as platform:
            if features is second:
                up = platform.catalog.lineage.upstream("fraud.a")
                assert "total" in {e.how for e in up.edges}
                assert "count" not in {e.how for e in up.edges}
                assert platform.catalog.lineage.downstream("fraud.b").edges == ()


def test_opening_again_writes_nothing(folder: FilePath) -> None:
    from heptad.service.tracing import trace

    with Platform.open(folder, clock=_clock()) as platform:
        assert trace(platform.catalog, platform.apps) == 0


def test_an_unknown_name_is_told(platform: Platform) -> None:
    with pytest.raises(UnknownName, match="no such name"):
        platform.catalog.lineage.upstream("Payment.amnt")
