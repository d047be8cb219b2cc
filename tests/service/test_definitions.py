# SPDX-License-Identifier: Apache-2.0
"""A changed feature is another version: kept anew online, while old decisions keep the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from heptad.runtime import Platform
from heptad.service.app import App, Outcome, Reason
from heptad.service.decisions.decision import definitions_version
from heptad.service.features import count, total
from heptad.service.operators.definitions import behind, hash_of, versions
from heptad.service.operators.patterns import sequence
from heptad.standards import day, hour
from heptad.standards.errors import InputError
from heptad.standards.model import Payment
from heptad.standards.time import FixedClock, parse_instant
from heptad.terminal.commands import run

if TYPE_CHECKING:
    from pathlib import Path

NOW = parse_instant("2026-06-01T12:00:00Z")
BY = Payment.customer
SPENT = total(Payment.amount, by=BY, over=day, where=Payment.currency == "EUR")
HOURLY = {"count": count(Payment.id, by=BY, over=hour), "spent": SPENT}
DAILY = {"count": count(Payment.id, by=BY, over=day), "paid": SPENT}
FRAUD = {"purpose": "fraud", "role": "risk"}


def decide(x):
    """Hold the third payment."""
    held = (x["count"] or 0) >= 3
    return Outcome("hold" if held else "approve", [Reason("COUNT", {"n": x["count"]})])


def app(features) -> App:
    return App(name="counting", title="Counting", on=Payment, purpose="fraud", features=features,
               decide=decide)  # fmt: skip


def payment(n: int, at: str) -> dict[str, str]:
    return {"id": f"p{n}", "event_time": at, "customer": "c1", "merchant": "m", "amount": "10.00",
            "currency": "EUR", "status": "authorised"}  # fmt: skip


def opened(folder: Path, features) -> Platform:
    folder.mkdir(exist_ok=True)
    (folder / "heptad.toml").write_text('[project]\nname = "v"\n', encoding="utf-8")
    return Platform.open(folder, clock=FixedClock(NOW), apps=[app(features)], role="risk",
                         purpose="fraud")  # fmt: skip


@pytest.fixture
def changed(tmp_path: Path):
    """A project whose feature was changed after a decision."""
    with opened(tmp_path / "p", HOURLY) as platform:
        rows = [payment(1, "2026-06-01T08:00:00Z"), payment(2, "2026-06-01T11:30:00Z")]
        platform.store("Payment", rows)
        first = platform.decide("counting", keys=["p2"])
        platform.served.backfill(platform.features(["counting.count"]))
    platform = opened(tmp_path / "p", DAILY)
    yield platform, first[0]
    platform.close()


def test_the_project_knows_what_held_when(changed):
    platform, _ = changed
    found = versions(platform.catalog, "counting")["count"]
    assert [v.version for v in found] == [HOURLY["count"].version(), DAILY["count"].version()]
    assert found[0].definition == HOURLY["count"].definition()
    assert [v.version for v in versions(platform.catalog, "counting")["spent"]][-1] == ""
    shown = run(platform, "features.show", {"name": "counting.count"})
    assert [v["version"] for v in shown["versions"]] == [v.version for v in found]
    assert shown["online"] == "never filled"
    lines = run(platform, "features.list", {"app": "counting"})["features"]
    assert {line["name"]: line["versions"] for line in lines} == {
        "counting.count": 2, "counting.paid": 1,
    }  # fmt: skip


def test_old_decisions_keep_the_old_definition(changed):
    platform, first = changed
    told = platform.explain(first.decision.id, to="engineer")
    assert told["definitions"]["count"] == HOURLY["count"].definition()
    assert told["definitions_version"] == definitions_version(app(HOURLY))
    assert first.decision.features["count"] == 1
    report = platform.replay([first.decision.id])
    assert report.decided["identical"] == 1, "decided from the values that it kept"
    assert "definitions have changed" in str(report.findings)
    (again,) = platform.decide("counting", keys=["p2"])
    assert again.decision.features["count"] == 1, "an answer is not made again"
    platform.store("Payment", [payment(3, "2026-06-01T11:45:00Z")])
    (new,) = platform.decide("counting", keys=["p3"])
    assert new.decision.features["count"] == 3
    assert new.decision.outcome == "hold"
    newer = platform.explain(new.decision.id, to="engineer")
    assert newer["definitions"]["count"] == DAILY["count"].definition()


def test_online_the_old_values_are_not_those_of_the_new_version(changed):
    platform, _ = changed
    (feature,) = platform.features(["counting.count"])
    kept = platform.online({"Customer": "c1"}, [feature], exact=False).readings["count"]
    assert kept.state == "missing"
    read = platform.online({"Customer": "c1"}, [feature]).readings["count"]
    assert (read.value, read.state) == (2, "computed")
    run(platform, "features.backfill", {"features": ["counting.count"]})
    read = platform.online({"Customer": "c1"}, [feature]).readings["count"]
    assert (read.value, read.state) == (2, "fresh")
    (checked,) = [
        f for f in run(platform, "features.check", {})["features"] if f["name"] == "counting.count"
    ]
    assert checked["kept"] == "current"


def test_the_hash_of_definitions_is_that_of_decisions(changed):
    platform, _ = changed
    for features in (HOURLY, DAILY):
        wanted = definitions_version(app(features))
        assert hash_of({n: f.version() for n, f in features.items()}) == wanted
        assert behind(platform.catalog, "counting", wanted) == {
            n: f.definition() for n, f in features.items()
        }
    assert behind(platform.catalog, "counting", "0" * 16) == {}


def test_a_history_goes_from_file_to_file(changed, tmp_path):
    platform, _ = changed
    spine = tmp_path / "spine.csv"
    known = "2026-06-01T12:00:00Z"
    lines = [
        "Customer,event_time,known_time",
        f"c1,2026-06-01T11:00:00Z,{known}",
        f"c1,{known},{known}",
        f"007,{known},{known}",
    ]
    spine.write_text("\n".join([*lines, ""]), encoding="utf-8")
    for name in ("out.parquet", "out.csv"):
        to = str(tmp_path / name)
        asked = {"spine": str(spine), "features": ["counting"], "to": to, **FRAUD}
        assert run(platform, "features.history", asked)["rows"] == 3
        with pytest.raises(InputError, match="is there"):
            run(platform, "features.history", asked)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column("count").to_pylist() == [1, 2, 0]
    assert found.column("Customer").to_pylist()[2] == "007"
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").count("\n") == 4
    pq.write_table(
        found.select(["Customer", "event_time", "known_time"]), tmp_path / "spine.parquet"
    )
    again = {"spine": str(tmp_path / "spine.parquet"), "features": ["counting.paid"],
             "to": str(tmp_path / "more.parquet"), **FRAUD}  # fmt: skip
    run(platform, "features.history", again)
    assert pq.read_table(tmp_path / "more.parquet").column("paid").to_pylist() == [1000, 2000, 0]
    with pytest.raises(InputError, match="cannot be read"):
        run(platform, "features.history", again | {"spine": "absent.csv", "to": "x.csv"})


def test_the_reference_page_is_made_from_declarations(changed):
    platform, _ = changed
    page = run(platform, "features.page", {"app": "counting"})["markdown"]
    for name, feature in DAILY.items():
        assert f"| `{name}` | Customer | {feature.sentence()}" in page
        assert feature.version() in page


def test_a_history_of_lists_is_refused_as_csv_before_it_is_computed(tmp_path):
    features = {"count": HOURLY["count"], "row": sequence(Payment.merchant, 3, by=BY)}
    source = tmp_path / "spine.csv"
    source.write_text("Customer,event_time\nc1,2026-06-01T12:00:00Z\n", encoding="utf-8")
    with opened(tmp_path / "p", features) as platform:
        platform.store("Payment", [payment(1, "2026-06-01T08:00:00Z")])
        asked = FRAUD | {"spine": str(source), "features": ["counting.row"]}
        with pytest.raises(InputError, match="CSV cannot hold lists") as told:
            run(platform, "features.history", asked | {"to": str(tmp_path / "out.csv")})
        assert told.value.got == "row"
        assert not (tmp_path / "out.csv").exists()
        run(platform, "features.history", asked | {"to": str(tmp_path / "out.parquet")})
    assert pq.read_table(tmp_path / "out.parquet").column("row").to_pylist() == [["m"]]
