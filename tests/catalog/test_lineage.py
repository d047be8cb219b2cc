# SPDX-License-Identifier: Apache-2.0
"""Lineage: what comes from what, now and at an earlier instant, in answers of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.catalog.files import SourceFile
from heptad.catalog.lineage import LIMIT, Edge, Node
from heptad.catalog.loads import Counts
from heptad.catalog.openlineage import load_event, run_event
from heptad.standards.errors import ContractError, UnknownName
from heptad.standards.model.payments import Payment
from heptad.standards.time import FixedClock, hour
from tests.catalog.conftest import NOON, quick_catalog

if TYPE_CHECKING:
    from heptad.catalog import Catalog

TX, TEXT = Node("source", "cards.csv", "tx.amount"), Node("source", "cards.csv", "eur_text")
AMOUNT, ID = Node("table", "Payment", "amount"), Node("table", "Payment", "id")
SPEND, COUNT = Node("feature", "fraud.spend_7d"), Node("feature", "fraud.count_1h")
RISK, FRAUD = Node("model", "fraud-risk"), Node("app", "fraud")


@pytest.fixture
def drawn(catalog: Catalog) -> Catalog:
    """A lineage from a file to a decision."""
    catalog.lineage.record(
        "source:cards → Payment",
        [Edge(TEXT, AMOUNT, "CAST(eur_text AS DECIMAL)"), Edge(TX, ID, "tx.amount")],
        definition="c1",
    )
    catalog.lineage.record("feature:fraud.spend_7d", [Edge(AMOUNT, SPEND, "total")])
    catalog.lineage.record("feature:fraud.count_1h", [Edge(ID, COUNT, "count")])
    catalog.lineage.record("model:fraud-risk", [Edge(SPEND, RISK), Edge(COUNT, RISK)])
    catalog.lineage.record("app:fraud", [Edge(RISK, FRAUD), Edge(COUNT, FRAUD)])
    return catalog


class TestWalks:
    def test_up_and_down(self, drawn: Catalog) -> None:
        up = drawn.lineage.upstream(SPEND)
        assert up.nodes == (SPEND, AMOUNT, TEXT)
        assert up.edges == (
            Edge(TEXT, AMOUNT, "CAST(eur_text AS DECIMAL)"),
            Edge(AMOUNT, SPEND, "total"),
        )
        assert not up.truncated
        assert up.note == ""
        down = drawn.lineage.downstream(AMOUNT)
        assert down.nodes == (AMOUNT, SPEND, RISK, FRAUD)

    @pytest.mark.parametrize(
        ("word", "start"),
        [
            ("Payment.amount", {AMOUNT}),
            ("table:Payment.amount", {AMOUNT}),
            ("Payment", {AMOUNT, ID}),
            ("table:Payment", {AMOUNT, ID}),
            ("cards.csv", {TX, TEXT}),
            ("cards.csv.tx.amount", {TX}),
            ("source:cards.csv", {TX, TEXT}),
            ("fraud", {FRAUD}),
            ("fraud.spend_7d", {SPEND}),
        ],
    )
    def test_words_people_use(self, drawn: Catalog, word: str, start: set[Node]) -> None:
        assert set(drawn.lineage.downstream(word).start) == start

    def test_unknown_names(self, drawn: Catalog) -> None:
        with pytest.raises(UnknownName, match=r"Payment\.amount"):
            drawn.lineage.upstream("Payment.amuont")
        with pytest.raises(UnknownName):
            drawn.lineage.upstream(Node("app", "credit"))

    def test_impact(self, drawn: Catalog) -> None:
        impact = drawn.lineage.impact("cards.csv")
        assert impact.tables == ("Payment.amount", "Payment.id")
        assert impact.features == ("fraud.count_1h", "fraud.spend_7d")
        assert (impact.models, impact.apps) == (("fraud-risk",), ("fraud",))
        assert drawn.lineage.impact("fraud").apps == ()

    def test_cycles_end(self, catalog: Catalog) -> None:
        a, b = Node("table", "A", "x"), Node("table", "B", "x")
        catalog.lineage.record("s", [Edge(a, b), Edge(b, a), Edge(a, a)])
        assert set(catalog.lineage.upstream(a).nodes) == {a, b}

    def test_bounded_and_said_so(self, catalog: Catalog) -> None:
        columns = [Node("table", "Wide", f"c{n:04}") for n in range(LIMIT + 50)]
        catalog.lineage.record("s", [Edge(AMOUNT, column) for column in columns])
        found = catalog.lineage.downstream(AMOUNT)
        assert len(found.nodes) == LIMIT
        assert found.truncated
        assert str(LIMIT) in found.note
        assert catalog.lineage.impact(AMOUNT).truncated
        assert catalog.lineage.downstream(AMOUNT, limit=10_000).nodes == found.nodes
        few = catalog.lineage.downstream(AMOUNT, limit=5)
        assert few.nodes == (AMOUNT, *columns[:4])
        assert len(few.edges) == 4
        whole = catalog.lineage.upstream("Wide")
        assert whole.truncated
        assert len(whole.nodes) == LIMIT

    def test_a_full_answer_is_not_called_cut(self, catalog: Catalog) -> None:
        columns = [Node("table", "Wide", f"c{n:04}") for n in range(LIMIT - 1)]
        catalog.lineage.record("s", [Edge(AMOUNT, column) for column in columns])
        found = catalog.lineage.downstream(AMOUNT)
        assert len(found.nodes) == LIMIT
        assert not found.truncated

    @pytest.mark.parametrize("node", [Node("table", ""), Node("view", "a")])  # type: ignore[arg-type]
    def test_nodes_need_kind_and_name(self, catalog: Catalog, node: Node) -> None:
        with pytest.raises(ContractError):
            catalog.lineage.record("s", [Edge(AMOUNT, node)])
        with pytest.raises(UnknownName):
            catalog.lineage.upstream(AMOUNT)

    def test_names_that_look_alike(self, catalog: Catalog) -> None:
        one, other = Node("source", "a.b", "c"), Node("source", "a", "b.c")
        assert one.text == other.text
        catalog.lineage.record("s", [Edge(one, AMOUNT), Edge(other, ID)])
        assert set(catalog.lineage.downstream("a.b.c").nodes) == {one, other, AMOUNT, ID}
        assert catalog.lineage.downstream("a.b").nodes == (one, AMOUNT)


class TestHistory:
    def test_a_definition_that_changes(self, drawn: Catalog, clock: FixedClock) -> None:
        clock.set(NOON + hour)
        assert drawn.lineage.record("feature:fraud.spend_7d", [Edge(ID, SPEND, "total")]) == 2
        assert drawn.lineage.record("feature:fraud.spend_7d", [Edge(ID, SPEND, "total")]) == 0
        assert drawn.lineage.upstream(SPEND).nodes == (SPEND, ID, TX)
        assert drawn.lineage.upstream(SPEND, at=NOON).nodes == (SPEND, AMOUNT, TEXT)
        assert drawn.lineage.upstream(SPEND, at=NOON - 1).nodes == (SPEND,)
        drawn.lineage.record("feature:fraud.spend_7d", [])
        assert drawn.lineage.upstream(SPEND).nodes == (SPEND,)

    def test_scopes_are_apart(self, drawn: Catalog) -> None:
        drawn.lineage.record("source:pos → Payment", [Edge(TEXT, AMOUNT, "other")])
        drawn.lineage.record("source:cards → Payment", [])
        assert drawn.lineage.into("Payment") == [Edge(TEXT, AMOUNT, "other")]

    _nodes = st.sampled_from([Node("table", "T", letter) for letter in "abcde"])
    _steps = st.lists(
        st.tuples(st.sampled_from("xy"), st.sets(st.builds(Edge, _nodes, _nodes), max_size=6)),
        max_size=6,
    )

    @settings(max_examples=20, deadline=None)
    @given(_steps, st.integers(0, 6), _nodes)
    def test_as_by_brute_force(
        self, steps: list[tuple[str, set[Edge]]], at: int, start: Node
    ) -> None:
        """Walk a list of edges; the catalog says the same at every instant and now."""
        with quick_catalog() as catalog:
            clock = catalog.store.clock
            assert isinstance(clock, FixedClock)
            catalog.lineage.record("all", [Edge(Node("app", "x"), start)])
            past: list[dict[str, set[Edge]]] = []
            scopes: dict[str, set[Edge]] = {}
            for number, (scope, edges) in enumerate(steps):
                clock.set(NOON + number)
                catalog.lineage.record(scope, edges)
                scopes = scopes | {scope: edges}
                past.append(scopes)
            instants = [
                (None, scopes),
                *((NOON + n, then) for n, then in enumerate(past) if n == at),
            ]
            for instant, then in instants:
                edges = {edge for held in then.values() for edge in held}
                wanted, level = {start}, {start}
                while level:
                    level = {e.target for e in edges if e.origin in level} - wanted
                    wanted |= level
                found = catalog.lineage.downstream(start, at=instant)
                assert set(found.nodes) == wanted
                assert set(found.edges) == {e for e in edges if e.origin in wanted}


class TestOpenLineage:
    def test_a_load(self, drawn: Catalog) -> None:
        drawn.settings.set("project", "p1")
        drawn.versions.declare(Payment)
        load = drawn.loads.begin("cards.csv", "Payment", contract=Payment.version_hash()).id
        files = [SourceFile("a.csv", 10, "aa"), SourceFile("b.csv", 20, "bb")]
        drawn.loads.staged(load, Counts(read=5, accepted=4), files=files)
        drawn.loads.committed(load, 3)
        event = load_event(drawn, load)
        assert event["eventType"] == "COMPLETE"
        assert event["eventTime"] == "2024-10-04T12:00:00Z"
        assert event["job"]["namespace"] == "heptad://p1"
        (source,) = event["inputs"]
        statistics = source["inputFacets"]["inputStatistics"]
        assert {k: v for k, v in statistics.items() if k[0] != "_"} == {
            "rowCount": 5,
            "fileCount": 2,
            "size": 30,
        }
        (made,) = event["outputs"]
        assert made["name"] == "Payment"
        assert made["facets"]["version"]["datasetVersion"] == "3"
        assert made["outputFacets"]["outputStatistics"]["rowCount"] == 4
        fields = {field["name"]: field for field in made["facets"]["schema"]["fields"]}
        assert fields["amount"]["type"] == "Money"
        lineage = made["facets"]["columnLineage"]["fields"]["amount"]["inputFields"]
        assert lineage == [
            {
                "namespace": "heptad://p1",
                "name": "cards.csv",
                "field": "eur_text",
                "transformations": [
                    {
                        "type": "DIRECT",
                        "subtype": "TRANSFORMATION",
                        "description": "CAST(eur_text AS DECIMAL)",
                    }
                ],
            }
        ]
        assert event == load_event(drawn, load)
        assert every_facet_says_who(event)

    def test_states(self, catalog: Catalog) -> None:
        for end, said in (("failed", "FAIL"), ("refused", "ABORT")):
            load = catalog.loads.begin("s", "T").id
            assert load_event(catalog, load)["eventType"] == "RUNNING"
            getattr(catalog.loads, end)(load, "no disk")
            event = load_event(catalog, load)
            assert event["eventType"] == said
            assert event["run"]["facets"]["errorMessage"]["message"] == "no disk"
            assert event["outputs"] == []

    def test_a_run(self, catalog: Catalog) -> None:
        catalog.versions.add("Payment", 4, [])
        catalog.versions.add("Score", 1, [])
        run = catalog.runs.start("score", "2026-03-01").id
        catalog.runs.finish(run, inputs={"Payment": 4}, outputs={"Score": 1})
        event = run_event(catalog, run)
        assert event["eventType"] == "COMPLETE"
        assert event["job"]["name"] == "score"
        assert [table["name"] for table in event["inputs"]] == ["Payment"]
        assert event["outputs"][0]["facets"]["version"]["datasetVersion"] == "1"
        load = catalog.loads.begin("s", "T").id
        assert load == run
        assert load_event(catalog, load)["run"]["runId"] != event["run"]["runId"]
        assert every_facet_says_who(event)


def every_facet_says_who(value: object) -> bool:
    """OpenLineage wants _producer and _schemaURL in every facet."""
    if isinstance(value, dict):
        for name, facets in value.items():
            if name.lower().endswith("facets"):
                for facet in facets.values():
                    assert facet["_producer"].startswith("https://")
                    assert "#/$defs/" in facet["_schemaURL"]
        return all(map(every_facet_says_who, value.values()))
    return not isinstance(value, list) or all(map(every_facet_says_who, value))
