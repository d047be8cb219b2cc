# SPDX-License-Identifier: Apache-2.0
"""Impact: exactly what a column touched, and exactly which decisions would be others today."""

from __future__ import annotations

import pytest

from heptad.runtime import Platform
from heptad.service.app import App, Outcome, Reason
from heptad.standards import Instant, Integer, Table, Text
from heptad.standards.errors import UnknownName
from heptad.standards.model import Payment
from heptad.standards.time import FixedClock, day, format_instant, hour
from heptad.terminal.commands.impact import diff, impact
from heptad.terminal.commands.upgrading import plan
from heptad.terminal.verbs.changing import _differs
from tests.fixtures import frozen
from tests.fixtures.make_project import PROJECTS

START = 1_767_225_600_000_000
N = 60


def at(n: int) -> int:
    return START + n * 5 * hour


def payment(n: int, **more) -> dict:
    return {"id": f"p{n}", "event_time": format_instant(at(n)), "customer": f"c{n % 3}",
            "amount": f"{n + 1}.00", "currency": "EUR", "status": "authorised",
            "merchant": f"m{n % 4}", "country": "ES"} | more  # fmt: skip


@pytest.fixture
def platform(tmp_path):
    """Sixty payments in two loads, each decided when it was there."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "impact"\n', encoding="utf-8")
    with Platform.open(tmp_path, clock=FixedClock(at(N)), apps=[frozen.app]) as opened:
        for part in (range(30), range(30, N)):
            opened.store("Payment", [payment(n) for n in part])
            opened.decide("frozen", keys=[f"p{n}" for n in part])
        yield opened


def ids(platform, numbers) -> list[str]:
    by_key = {e.public["row_key"]: e.public["id"] for e in platform.log.entries()}
    return [by_key[f"p{n}"] for n in numbers]


def test_a_column_is_followed_down_to_each_decision(platform):
    found = impact(platform, "Payment.amount")
    assert "frozen.total_2d" in found["features"]
    assert "frozen.since" not in found["features"]
    assert "frozen" in found["apps"]
    assert found["decisions"] == {"frozen": ids(platform, range(N))}
    assert impact(platform, "LoanApplication.amount")["decisions"] == {}
    with pytest.raises(UnknownName):
        impact(platform, "Payment.amuont")


def test_a_source_of_the_same_name_is_no_hindrance(tmp_path):
    """The source `Payment` has a column `amount` too."""
    (tmp_path / "heptad.toml").write_text(
        '[project]\nname = "x"\n[[source]]\ntable = "Payment"\nfrom = "p.csv"\n', encoding="utf-8"
    )
    names = list(payment(0))
    lines = [",".join(names), ",".join(payment(0).values())]
    (tmp_path / "p.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with Platform.open(tmp_path, clock=FixedClock(at(N)), apps=[frozen.app]) as platform:
        platform.load()
        platform.decide("frozen")
        assert impact(platform, "Payment.amount", since=1)["counts"] == {"frozen": 1}


def test_since_a_load_only_what_could_have_read_it(platform):
    loads = {x.version: x.id for x in platform.catalog.loads.recent() if x.version}
    found = impact(platform, "Payment.amount", since=loads[max(loads)])
    assert found["decisions"] == {"frozen": ids(platform, range(30, N))}
    first = impact(platform, "Payment.amount", since=loads[min(loads)])
    assert first["counts"] == {"frozen": N}
    with pytest.raises(UnknownName, match="brought no rows into"):
        impact(platform, "LoanApplication.amount", since=loads[min(loads)])


def test_models_that_learned_from_a_column_are_named(platform):
    models = platform.catalog.models
    version = platform.lake.version("Payment")
    old = models.register(
        "frozen-card", "frozen", frozen.card(1), trainer="a", versions={"Payment": 1}
    )
    new = models.register("frozen-card", "frozen", frozen.card(2), trainer="a",
                          versions={"Payment": version})  # fmt: skip
    models.approve(new.id, "b", "read")
    models.promote(new.id, "champion", "b")
    platform.trace()
    found = impact(platform, "Payment.amount")
    assert {m["model"] for m in found["models"]} >= {new.title, old.title}
    loads = {x.version: x.id for x in platform.catalog.loads.recent() if x.version}
    since = impact(platform, "Payment.amount", since=loads[max(loads)])
    assert [m["model"] for m in since["models"]] == [new.title]


def test_a_rerun_names_exactly_the_decisions_that_would_be_others(platform):
    """A corrected amount: the payments of that customer in the two days from then on."""
    records = [e.decision.to_bytes() for e in platform.log.entries()]
    nothing = impact(platform, "Payment.amount", rerun=True)["rerun"]
    assert (nothing["same"], nothing["moved"], nothing["differ"], nothing["left"]) == (N, 0, [], {})
    platform.clock.set(at(N) + 9 * day)
    platform.store("Payment", [payment(20, amount="777.00")])
    report = impact(platform, "Payment.amount", rerun=True)["rerun"]
    wanted = [n for n in range(N) if n % 3 == 20 % 3 and at(20) <= at(n) < at(20) + 2 * day]
    differ = {d["id"]: d for d in report["differ"]}
    assert sorted(differ) == sorted(ids(platform, wanted))
    assert report["same"] == N - len(wanted)
    assert report["moved"] > 0
    (own,) = ids(platform, [20])
    assert {"total_2d", "amount"} <= {*differ[own]["moved"]}
    assert records == [e.decision.to_bytes() for e in platform.log.entries()]
    assert platform.replay().identical


def test_what_cannot_be_made_again_says_why(platform):
    platform.clock.set(at(N) + day)
    platform.store("Payment", [payment(4) | {"_deleted": True}])
    platform.keys.destroy("Customer:c0")
    left = impact(platform, "Payment.amount", rerun=True)["rerun"]["left"]
    assert left[ids(platform, [4])[0]] == "Payment p4 is gone"
    assert {left[name] for name in ids(platform, range(0, N, 3))} == {"erased"}
    assert len(left) == 1 + N // 3


def test_two_versions_differ_as_a_dictionary_says(platform):
    old = platform.lake.version("Payment")
    platform.clock.set(at(N) + 30 * day)
    platform.store("Payment", [payment(7, amount="1.50", country="PT"), payment(8, merchant="m9")])
    platform.store("Payment", [payment(9) | {"_deleted": True}, payment(100), payment(101)])
    found = diff(platform, "Payment", old, platform.lake.version("Payment"))
    assert found["counts"] == {"added": 2, "changed": 2, "removed": 1}
    assert found["columns"] == {"amount": 1, "country": 1, "merchant": 1}
    assert {r["key"]: (r["what"], r["columns"]) for r in found["rows"]} == {
        "p100": ("added", []), "p101": ("added", []), "p9": ("removed", []),
        "p7": ("changed", ["country", "amount"]), "p8": ("changed", ["merchant"]),
    }  # fmt: skip
    touched = {t["column"]: t for t in found["touches"]}
    assert "frozen.total_2d" in touched["amount"]["features"]
    assert "frozen" in touched["merchant"]["apps"]
    same = diff(platform, "Payment", old, old)
    assert same["counts"] == {"added": 0, "changed": 0, "removed": 0}
    platform.compact("Payment")
    last = platform.lake.version("Payment")
    assert diff(platform, "Payment", last - 1, last)["rows"] == []
    with pytest.raises(UnknownName):
        diff(platform, "Payment", 0, 999)


def test_sealed_values_are_told_to_differ_and_never_which(platform):
    ana = {"id": "c1", "event_time": format_instant(START), "name": "Ana Gil", "email": "a@b.es"}
    platform.store("Customer", [ana])
    old = platform.lake.version("Customer")
    platform.clock.set(at(N) + day)
    platform.store("Customer", [ana | {"name": "Ana Paz"}])
    found = diff(platform, "Customer", old, platform.lake.version("Customer"))
    assert found["rows"] == [{"key": "c1", "what": "changed", "columns": ["a sealed value"]}]
    assert "Paz" not in str(found)


def measure(**more) -> App:
    """An application with a table of its own."""
    fields = {
        "id": Text("Its key", key=True),
        "event_time": Instant("When it was read"),
        "level": Integer("What was read", ge=0),
        "note": Text("What was said", optional=True),
    } | more
    kept = {name: field for name, field in fields.items() if field is not None}
    table = type("Reading", (Table,), {"__doc__": "One reading.", **kept})
    return App(name="measure", title="Readings", on=Payment, purpose="fraud", tables=[table], features={},
               decide=lambda x: Outcome("kept", [Reason("READ")]))  # fmt: skip


def read_at(n: int, level: int) -> dict:
    return {"id": f"r{n}", "event_time": format_instant(at(n)), "level": level}


@pytest.fixture
def measured(tmp_path):
    """Opens a project by one declaration of its table, then by another."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "measured"\n', encoding="utf-8")

    def opened(**more) -> Platform:
        return Platform.open(tmp_path, clock=FixedClock(at(N)), apps=[measure(**more)])

    with opened() as platform:
        platform.store("Reading", [read_at(n, n) for n in range(5)])
    return opened


def says(found: dict, where: str) -> dict[str, bool]:
    return {change["says"]: change["breaking"] for change in found[where]}


def test_a_version_that_no_load_made_is_compared_by_its_declaration(measured, capsys):
    """All rows of the load were refused: it left the table with a column more, and no row."""
    narrower = {"level": Integer("What was read", ge=10), "place": Text("Where", optional=True)}
    with measured(**narrower) as platform:
        platform.store("Reading", [read_at(7, 7)])
        assert platform.lake.version("Reading") == 2
        found = diff(platform, "Reading", 1, 2)
        assert found["counts"] == {"added": 0, "changed": 0, "removed": 0}
        wanted = {"Reading.level: ge was 0, is 10.": True,
                  "Reading.place was added, optional.": False}  # fmt: skip
        assert says(found, "schema") == wanted
        assert found["declared"] == []
        _differs(found)
        said = capsys.readouterr().out
        assert "breaks: Reading.level: ge was 0, is 10." in said
        assert "nothing to show" not in said
        platform.store("Reading", [read_at(8, 80)])
        assert says(diff(platform, "Reading", 1, 3), "schema") == wanted
        assert diff(platform, "Reading", 2, 3)["schema"] == []
        assert diff(platform, "Reading", 0, 1)["schema"] == []


@pytest.mark.parametrize(
    ("more", "change"),
    [
        ({"note": None}, "Reading.note was removed."),
        ({"level": Text("What was read")}, "Reading.level: type was Integer, is Text."),
        ({"place": Text("Where", optional=True)}, "Reading.place was added, optional."),
    ],
)
def test_a_declaration_that_does_not_fit_what_is_stored_is_named(measured, more, change, capsys):
    with measured(**more) as platform:
        found = diff(platform, "Reading", 0, 1)
        assert change in says(found, "declared")
        assert (found["schema"], found["counts"], found["rows"]) == ([], {}, [])
        _differs(found)
        said = capsys.readouterr().out
        assert "Reading 0 → 1: no rows are compared" in said
        assert f"with the next load: {change}" in said
        with pytest.raises(UnknownName, match="no version 9"):
            diff(platform, "Reading", 0, 9)


@pytest.mark.parametrize("folder", sorted(PROJECTS.glob("*/")), ids=lambda p: p.name)
def test_a_dry_run_says_what_a_project_of_an_earlier_release_needs(folder):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    found = plan(folder)
    assert found["made_by"] == folder.name
    assert found["catalog"][0]["revision"] == "0002"
    assert not any(change["breaking"] for change in found["tables"])
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
