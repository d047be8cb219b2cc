# SPDX-License-Identifier: Apache-2.0
"""Online features and rows, by command, over HTTP and through HBase's protocol."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import happybase
import pytest
from Hbase_thrift import IOError as HBaseError

from heptad.engine.hbase.gateway import Gateway
from heptad.service.online.values import column_of
from heptad.standards.errors import InputError, Refused, UnknownName
from heptad.standards.model import Customer, Payment
from heptad.terminal.commands import run
from heptad.terminal.commands.online import pairs
from heptad.terminal.commands.rows import shown
from heptad.terminal.http.api import public
from heptad.terminal.serve import Hbase, beside
from heptad.terminal.verbs import rows as verbs
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

FRAUD: dict[str, Any] = {"role": "risk", "purpose": "fraud"}
ASK = {"keys": {"Customer": "c1"}, "features": ["fraud.count_1h"]}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Eight payments; the features of fraud about customers are kept online."""
    rows = {Customer: [customer(1), customer(2)], Payment: [payment(n) for n in range(8)]}
    with project(rows) as opened:
        names = [f"fraud.{n}" for n, f in opened.app("fraud").features.items()
                 if f.entity == "Customer"]  # fmt: skip
        run(opened, "features.backfill", {"features": names})
        yield opened


def test_features_are_read_over_http_with_how_fresh_they_are(platform) -> None:
    api = Client(public(platform))
    answer = api.post("/v1/online", json=ASK)
    assert answer.status_code == 200, answer.text
    (told,) = answer.json()["features"]
    assert told["name"] == "count_1h"
    assert told["state"] == "fresh"
    true = run(platform, "features.read", {"app": "fraud", "key": "c1", **FRAUD})
    (same,) = [f for f in true["features"] if f["name"] == "count_1h"]
    assert told["value"] == same["value"]


def test_over_http_keys_and_features_must_be_there(platform) -> None:
    api = Client(public(platform))
    assert api.post("/v1/online", json={"keys": {}, "features": []}).status_code == 422
    odd = {"keys": {"Customer": "c1"}, "features": ["fraud.none"]}
    assert api.post("/v1/online", json=odd).status_code == 404
    both = {"keys": {"Customer": "c1"}, "features": ["fraud.count_1h", "credit"]}
    assert api.post("/v1/online", json=both).status_code == 403


def test_features_that_are_kept_are_told_apart(platform) -> None:
    kept = {f["name"]: f["kept"] for f in run(platform, "features.check", {})["features"]}
    assert kept["fraud.count_1h"] == "current"
    assert "never filled" in kept.values()


def test_keys_are_written_with_their_entity() -> None:
    assert pairs(["Customer=42", "Merchant=a=b"]) == {"Customer": "42", "Merchant": "a=b"}
    with pytest.raises(InputError, match="ENTITY=KEY"):
        pairs(["42"])


def test_a_row_is_drawn(platform, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(platform, "row.show", {"table": "online_Customer", "key": "c1", **FRAUD})
    (family,) = told["families"]
    assert family["family"] == "v"
    assert any(c["qualifier"].startswith("count_1h@") for c in family["columns"])
    verbs._row(told)
    drawn = capsys.readouterr().out
    assert "online_Customer  c1" in drawn
    assert "└─ v  keeps 1" in drawn
    assert "(as of " in drawn
    assert {"table": "online_Customer", "families": "v"} in run(platform, "row.list", FRAUD)[
        "tables"
    ]
    keys = [
        r["key"] for r in run(platform, "row.list", {"table": "online_Customer", **FRAUD})["rows"]
    ]
    assert "c1" in keys
    with pytest.raises(UnknownName, match="no row"):
        run(platform, "row.show", {"table": "online_Customer", "key": "none", **FRAUD})


def test_values_are_written_for_people() -> None:
    assert shown(b"plain") == "plain"
    assert shown(b"\xff\x00") == "\\xff\x00"
    assert shown(b"x" * 100).endswith("…")


def test_what_a_purpose_does_not_cover_is_masked(platform) -> None:
    told = run(platform, "row.show", {
        "table": "online_Customer", "key": "c1", "role": "marketer", "purpose": "marketing",
    })  # fmt: skip
    values = {c["value"] for f in told["families"] for x in f["columns"] for c in x["cells"]}
    assert values == {"•••"}


@pytest.fixture
def table(platform) -> Iterator[Any]:
    """The online rows of customers, read by an unmodified client."""
    with Gateway(platform.gate(**FRAUD, who="gateway"), port=0) as gateway:
        client = happybase.Connection("127.0.0.1", gateway.port)
        yield client.table("online_Customer")
        client.close()


def test_the_gateway_answers_online_rows_and_records_who_was_read(platform, table) -> None:
    (feature,) = platform.features(["fraud.count_1h"])
    row = table.row(b"c1", columns=[column_of(feature)])
    assert "as of" in shown(row[column_of(feature)])
    entry = platform.access.entries(limit=1)[0]
    assert (entry.record.action, entry.record.who) == ("row get", "gateway")
    assert (entry.record.role, entry.record.purpose) == ("risk", "fraud")
    assert platform.access.entries(subject="Customer:c1", limit=1)[0].record == entry.record
    keys = [key for key, _ in table.scan()]
    assert b"c1" in keys
    ended = platform.access.entries(limit=1)[0].record
    assert (ended.action, ended.rows) == ("row scanned", len(keys))


def test_through_the_gateway_online_rows_cannot_be_written(table) -> None:
    for write in (
        lambda: table.put(b"c1", {b"v:x": b"1"}),
        lambda: table.delete(b"c1"),
        lambda: table.counter_inc(b"c1", b"v:n"),
    ):
        with pytest.raises(HBaseError, match="kept by the platform"):
            write()
    with pytest.raises(HBaseError, match="kept by the platform"):
        table.connection.delete_table("online_Customer", disable=True)
    table.connection.enable_table("online_Customer")
    table.connection.create_table("own", {"f": {}})
    own = table.connection.table("own")
    own.put(b"r", {b"f:a": b"1"})
    assert own.row(b"r") == {b"f:a": b"1"}


def test_a_gateway_needs_a_role_that_may_act_for_its_purpose(platform) -> None:
    with pytest.raises(Refused, match="may not act"):
        platform.gate(role="marketer", purpose="fraud")


def test_a_served_project_keeps_online_features_up(platform, monkeypatch) -> None:
    monkeypatch.setattr("heptad.service.online.serving.EVERY_S", 0.05)
    done = threading.Event()
    real = platform.served.catch_up

    def caught() -> Any:
        found = real()
        if found.features:
            done.set()
        return found

    monkeypatch.setattr(platform.served, "catch_up", caught)
    with beside(platform, Hbase(0, "risk", "fraud")):
        platform.store("Payment", [payment(77)])
        assert done.wait(20)
    assert "online" not in {thread.name for thread in threading.enumerate()}
