# SPDX-License-Identifier: Apache-2.0
"""What flows through a project: streams while it is served, topics, work on other engines."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.standards.errors import InputError
from heptad.standards.time import FixedClock, parse_instant
from heptad.terminal.commands import run
from heptad.terminal.commands.engines import recorded
from heptad.terminal.http.api import public
from tests.terminal.calling import Client
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPICS = """
[project]
name = "streams"

[[source]]
name = "pay"
table = "Payment"
from = "kafka://reader:${env:PAY}@broker:9093/payments?security=ssl"
map = { id = "id" }

[[sink]]
name = "held"
to = "kafka://broker:9093/decisions"
apps = ["fraud"]
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Some payments, a topic on either side."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "heptad.toml").write_text(TOPICS, encoding="utf-8")
    with Platform.open(folder, clock=FixedClock(parse_instant("2026-03-01T11:00:00Z"))) as opened:
        opened.store("Payment", [payment(n) for n in range(6)])
        opened.decide("fraud")
        yield opened


def seen(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = Client(public(platform)).get("/v1/streams").json()
    return found


def told_bytes(platform: Platform) -> float:
    """What the metrics tell of the memory of the streams of payments for fraud."""
    text = Client(public(platform)).get("/metrics").text
    (found,) = re.findall(
        r'^heptad_stream_bytes{app="fraud",table="Payment"} (\d+)$', text, re.MULTILINE
    )
    return float(found)


def test_a_project_that_is_not_served_keeps_no_stream_and_says_how_far_topics_are(
    platform: Platform,
) -> None:
    found = seen(platform)
    assert (found["served"], found["reels"], found["jobs"]) == (False, [], [])
    (source,) = found["sources"]
    assert (source["state"], source["topic"]) == ("empty", "broker:9093/payments")
    assert "reader" not in json.dumps(found)
    assert found["sinks"] == [
        {"sink": "held", "kind": "kafka", "topic": "broker:9093/decisions", "apps": ["fraud"],
         "outcomes": [], "at": 0, "waiting": 6}
    ]  # fmt: skip


def test_while_it_is_served_each_stream_tells_what_it_holds(platform: Platform) -> None:
    platform.quicken()
    quick = platform.intake.quick
    assert quick is not None
    try:
        quick.current.build()
        (reel, *_) = [r for r in seen(platform)["reels"] if r["app"] == "fraud"]
        assert (reel["state"], reel["table"]) == ("current", "Payment")
        assert reel["events"] >= reel["keys"] >= 1
        assert reel["cold_keys"] is None
        assert told_bytes(platform) > 6 * 100
        for slot in quick.current.slots["fraud"]:
            slot.reel = None
        assert {r["state"] for r in seen(platform)["reels"] if r["app"] == "fraud"} == {"building"}
        assert told_bytes(platform) == 0
        apart = {line["app"] for line in seen(platform)["apart"]}
        assert not apart & {r["app"] for r in seen(platform)["reels"]}
    finally:
        quick.stop()
        platform.intake.quick = None


def test_work_on_another_engine_stands_among_the_runs_until_it_ends(platform: Platform) -> None:
    with recorded(platform, "spark", "features of fraud") as told:
        assert seen(platform)["jobs"][0]["status"] == "running"
        told |= {"rows": 6, "features": 2}
    with (
        pytest.raises(InputError),
        recorded(platform, "flink", "features of fraud"),
    ):
        raise InputError("The file cannot be written.", do="name another")
    broken, done = seen(platform)["jobs"]
    assert (broken["status"], broken["error"]) == ("failed", "The file cannot be written.")
    assert (done["engine"], done["rows"], done["features"]) == ("spark", 6, 2)
    assert len(run(platform, "runs", {})["runs"]) == 2
