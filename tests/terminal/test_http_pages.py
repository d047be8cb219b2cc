# SPDX-License-Identifier: Apache-2.0
"""Declared pages answered block by block, with Arrow for what is large; and read as of an instant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from heptad.standards.errors import Busy
from heptad.standards.model import Payment
from heptad.standards.time import format_instant, minute
from heptad.terminal.commands import run
from heptad.terminal.commands.pages import show_block
from heptad.terminal.http import pages
from heptad.terminal.http.api import public
from heptad.terminal.http.pages import ARROW, FRAMES, MOST_PLAIN, frame
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

PAGE = "/v1/apps/fraud/pages/overview"
THEN = "2026-02-03T10:00:00Z"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Eight payments a day apart, known as they happened, decided; and one that was set aside."""
    apart = [payment(n) | {"event_time": f"2026-02-{n + 1:02}T09:00:00Z"} for n in range(8)]
    with project({Payment: apart}) as opened:
        opened.decide("fraud")
        yield opened


@pytest.fixture(scope="module")
def api(platform: Platform) -> Client:
    """The API, called from this machine."""
    return Client(public(platform))


def framed(data: bytes) -> list[dict[str, Any]]:
    """Read frames; what follows a line as Arrow is put under `tables`."""
    found = []
    while data:
        line, _, data = data.partition(b"\n")
        told = json.loads(line)
        told["tables"] = {}
        for name, size in told.get("arrow", []):
            told["tables"][name] = pa.ipc.open_stream(data[:size]).read_all()
            data = data[size:]
        found.append(told)
    return found


def test_a_page_as_frames_says_the_same_as_a_page_as_json(api: Client) -> None:
    whole = api.get(PAGE).json()
    head, *blocks = framed(api.get(PAGE, headers={"Accept": FRAMES}).content)
    assert head["question"] == whole["question"]
    assert [b["title"] for b in head["blocks"]] == [b["title"] for b in whole["blocks"]]
    assert [b["block"] for b in blocks] == [*range(len(whole["blocks"]))]
    assert [b["data"] for b in blocks] == [b["data"] for b in whole["blocks"]]
    assert api.get("/v1/apps/fraud/pages/no", headers={"Accept": FRAMES}).status_code == 404


def test_blocks_read_quickly_share_one_record_and_none_is_told_unrecorded(
    api: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = []
    for together_s in (600.0, 0.0):
        monkeypatch.setattr(pages, "TOGETHER_S", together_s)
        before = len(platform.access)
        count = len(framed(api.get(PAGE, headers={"Accept": FRAMES}).content)) - 1
        records.append(len(platform.access) - before)
    assert records == [1, count]
    assert count > 1

    def full(_: object) -> None:
        raise Busy("The disk is full.", do="free some")

    monkeypatch.setattr(platform.access, "record", full)
    _, *blocks = framed(api.get(PAGE, headers={"Accept": FRAMES}).content)
    assert len(blocks) == count
    assert all(b["data"] is None and b["problem"]["title"] for b in blocks)


def test_a_block_that_fails_unforeseen_says_so_and_the_others_are_told(
    api: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(platform: Platform, part: Any, at: int | None) -> dict[str, Any]:
        if part.form == "chart":
            raise ZeroDivisionError("secret of Ana")
        return show_block(platform, part, at)

    monkeypatch.setattr(pages, "TOGETHER_S", 600.0)
    monkeypatch.setattr(pages, "show_block", fails)
    head, *blocks = framed(api.get(PAGE, headers={"Accept": FRAMES}).content)
    wrong = [b["form"] == "chart" for b in head["blocks"]]
    assert [b["problem"] is not None for b in blocks] == wrong
    assert 0 < sum(wrong) < len(wrong)
    told = next(b["problem"] for b in blocks if b["problem"])
    assert told["title"] == "The server failed to answer."
    assert "secret of Ana" in caplog.text


def test_more_than_two_thousand_rows_travel_as_arrow() -> None:
    n = MOST_PLAIN + 1
    points = {"at": [*range(n)], "lat": [1.5] * n, "lon": [2.5] * n, "who": [*range(n)],
              "amount": [7] * n, "mark": [0] * n}  # fmt: skip
    arcs = {"at": [1], "from": [[1.0, 2.0]], "to": [[3.0, 4.0]], "amount": [5]}
    data = {"points": points, "arcs": arcs, "of": n}
    (told,) = framed(frame(3, {"form": "map", "data": data, "problem": None}))
    assert told["tables"]["points"].to_pydict() == points
    assert told["data"] == {"points": None, "arcs": arcs, "of": n}
    rows = [{"a": k, "b": f"b{k}"} for k in range(n)]
    (told,) = framed(frame(0, {"form": "table", "data": rows, "problem": None}))
    assert told["tables"]["rows"].to_pylist() == rows
    (told,) = framed(frame(0, {"form": "table", "data": rows[:5], "problem": None}))
    assert (told["data"], told["tables"]) == (rows[:5], {})


def test_rows_of_a_table_come_as_arrow_to_whoever_accepts_it(api: Client) -> None:
    path = "/v1/tables/Payment/rows"
    plain = api.get(path, params={"limit": 3}).json()
    answer = api.get(path, params={"limit": 3}, headers={"Accept": ARROW})
    found = pa.ipc.open_stream(answer.content).read_all()
    assert found.to_pylist() == plain["rows"]
    told = {k.decode(): v.decode() for k, v in found.schema.metadata.items()}
    assert (json.loads(told["money"]), told["after"]) == (plain["money"], plain["after"])
    last = api.get(path, params={"limit": 9_000}, headers={"Accept": ARROW})
    assert pa.ipc.open_stream(last.content).schema.metadata[b"after"] == b""
    assert api.get(path, params={"limit": 10_001}).status_code == 422


def test_a_page_is_read_as_of_an_instant(api: Client) -> None:
    now = {b["title"]: b["data"] for b in api.get(PAGE).json()["blocks"]}
    past = api.get(PAGE, params={"t": THEN}).json()
    then = {b["title"]: b["data"] for b in past["blocks"]}
    assert (now["Decisions"]["value"], then["Decisions"]["value"]) == (8, 3)
    assert "Decide a case by hand" in now.keys() - then.keys()
    assert [d["on"] for d in then["Latest decisions"]] == ["Payment p2", "Payment p1", "Payment p0"]
    days = then["Decisions by day and outcome"]["series"][0]["points"]
    assert days[-1] == ["2026-02-03T00:00:00Z", 1]
    assert all(block["problem"] is None for block in past["blocks"])


def test_home_applications_log_and_accesses_are_read_as_of_an_instant(
    api: Client, platform: Platform
) -> None:
    seen = api.get("/v1/overview", params={"t": THEN}).json()
    assert {f["name"]: f["value"] for f in seen["figures"]}["decisions"] == 3
    assert seen["now"] == THEN
    assert sum(api.get("/v1/apps/fraud", params={"t": THEN}).json()["decisions"].values()) == 3
    assert sum(api.get("/v1/log", params={"t": THEN}).json()["counts"].values()) == 3
    for _ in range(3):
        platform.clock.set(platform.clock.now() + minute)
        api.get(PAGE)
    listed = api.get("/v1/access", params={"limit": 1000}).json()["accesses"]
    platform.clock.set(platform.clock.now() + minute)
    middle = listed[2]
    then = api.get("/v1/access", params={"until": middle["when"], "limit": 1000}).json()["accesses"]
    assert [a["number"] for a in then] == [
        a["number"] for a in listed if a["when"] <= middle["when"]
    ]
    few = api.get("/v1/access", params={"until": middle["when"], "limit": 2}).json()["accesses"]
    assert few == then[:2]
    assert platform.catalog.models.champion("credit", 0) is None


def test_home_finds_what_was_then_behind_whatever_came_since() -> None:
    def nodes(told: dict[str, Any]) -> dict[str, str]:
        return {n["id"]: n["note"] for layer in told["layers"] for n in layer["nodes"]}

    with project({Payment: [payment(0)]}) as opened:
        catalog, clock = opened.catalog, opened.clock
        catalog.models.register("one", "fraud", b"{}", trainer="ana")
        catalog.runs.start("sweep", "2026-01-01")
        then, before = clock.now(), nodes(run(opened, "overview", {}))
        clock.set(then + minute)
        for n in range(101):
            catalog.models.register("one", "fraud", b"%d" % n, trainer="ana")
            catalog.runs.start("sweep", f"later {n}")
        past = nodes(run(opened, "overview", {"t": format_instant(then)}))
        assert {k: past[k] for k in ("models", "runs")} == {
            k: before[k] for k in ("models", "runs")
        }
        assert (past["models"], past["runs"]) == ("1 trained", "1 runs")
        assert catalog.loads.recent(until=0) == []
        assert [load.table for load in catalog.loads.recent(until=then)] == ["Payment"]
