# SPDX-License-Identifier: Apache-2.0
"""Persons are shown, held and erased from the command line and over HTTP, by whom may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.standards.model import Customer, Payment
from heptad.terminal.commands import run
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import ELSEWHERE, Client
from tests.terminal.conftest import heptad
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ERASE = "/v1/subjects/Customer:c1/erase"


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Two customers, two payments, decided."""
    with project({Customer: [customer(1), customer(2)], Payment: [payment(1), payment(2)]}) as p:
        p.decide("fraud")
        yield p


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed project with two customers."""
    (tmp_path / "heptad.toml").write_text("[project]\n")
    with Platform.open(tmp_path) as opened:
        opened.store("Customer", [customer(1), customer(2)])
    return tmp_path


def test_the_command_line_shows_holds_releases_and_erases(folder: Path) -> None:
    key = str(customer(1)["id"])

    def said(*words: str) -> Any:
        answer = heptad("subject", *words, project=folder)
        assert answer.code in (0, 6), answer.err
        return answer

    assert "sealed" in said("show", key).out
    said("hold", key, "--until", "2099-01-01", "--reason", "a suit")
    refused = said("erase", key, "--reason", "they asked")
    assert refused.code == 6
    assert "until 2099-01-01" in refused.err
    said("release", key, "--reason", "it was withdrawn")
    erased = said("erase", key, "--reason", "they asked", "--json").data
    assert [one["subject"] for one in erased["erased"]] == [f"Customer:{key}"]
    assert (erased["epoch"], erased["uncovered"], erased["erased"][0]["genuine"]) == (2, [], True)
    shown = said("show", key, "--json").data
    assert (shown["state"], shown["erasures"][0]["reason"]) == ("erased", "they asked")
    again = said("erase", key, "--reason", "again", "--json").data
    assert again["epoch"] == 2
    assert heptad("subject", "erase", "nobody", "--reason", "x", project=folder).code == 4


@pytest.mark.parametrize("inside", [True, False])
def test_files_of_sources_named_by_their_whole_path_are_told(tmp_path: Path, inside: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    file = (home if inside else tmp_path) / "customers.csv"
    file.write_text("id,event_time,name\nc1,2026-01-01T00:00:00Z,Ana\n")
    (home / "heptad.toml").write_text(
        f'[project]\nname = "x"\nallow = ["{tmp_path}"]\n'
        f'[[source]]\ntable = "Customer"\nfrom = "{file}"\n'
    )
    assert heptad("load", project=home).code == 0
    shown = heptad("subject", "show", "c1", "--json", project=home)
    assert shown.code == 0, shown.err
    assert ("sources", "yours", 1) in {(h["store"], h["fate"], h["n"]) for h in shown.data["held"]}
    done = heptad("subject", "erase", "c1", "--reason", "asked", "--json", project=home).data
    assert [left["store"] for left in done["erased"][0]["left"]] == ["sources"]
    assert done["uncovered"] == []
    assert heptad("subject", "erase", "nobody", "--reason", "x", project=home).code == 4


def test_decisions_are_found_by_the_bare_key_too(platform: Platform) -> None:
    key = str(customer(1)["id"])
    found = [run(platform, "decisions.list", {"subject": s}) for s in (key, f"Customer:{key}")]
    assert found[0]["decisions"]
    assert found[0]["decisions"] == found[1]["decisions"]


def keyed(platform: Platform, role: str, *purposes: str) -> Any:
    """Return somebody who calls with a key of their own."""
    text = run(platform, "keys.issue", {"role": role, "purposes": list(purposes)})["key"]
    client = Client(public(platform), ELSEWHERE)
    return lambda method, path, **more: client(
        method, path, headers={"Authorization": f"Bearer {text}"}, **more
    )


def test_over_http_a_person_is_held_released_and_erased_once(platform: Platform) -> None:
    call, name = keyed(platform, "admin", "legal"), f"Customer:{customer(1)['id']}"
    path = f"/v1/subjects/{name}"
    assert call("GET", path).json()["state"] == "held"
    made = call("POST", f"{path}/holds", json={"until": "2099-01-01", "reason": "a suit"})
    assert made.json()["until"] == "2099-01-01T00:00:00Z"
    refused = call("POST", f"{path}/erase", json={"reason": "they asked"})
    assert (refused.status_code, refused.json()["got"]) == (403, "a suit")
    assert call("POST", f"{path}/release", json={"reason": "over"}).json()["released"] == [1]
    first = call("POST", f"{path}/erase", json={"reason": "they asked"})
    assert (first.status_code, first.json()["epoch"]) == (200, 2)
    assert call("POST", f"{path}/erase", json={"reason": "they asked"}).json() == first.json()
    shown = call("GET", path).json()
    assert (shown["state"], [e["status"] for e in shown["erasures"]]) == ("erased", ["erased"])
    who = shown["erasures"][0]["who"]
    records = platform.access.entries(subject=name, limit=100)
    assert {(e.record.action, e.record.who) for e in records if e.record.purpose == "legal"} == {
        ("hold", who), ("release", who), ("erase", who)
    }  # fmt: skip


def test_nobody_without_the_purpose_legal_may_look_or_erase(platform: Platform) -> None:
    name = f"Customer:{customer(1)['id']}"
    for role, purpose in (("officer", "service"), ("auditor", "audit"), ("admin", "service")):
        call = keyed(platform, role, purpose)
        body = {"reason": "x", "until": "2099-01-01"}
        for method, path, sent in (
            ("GET", f"/v1/subjects/{name}", None),
            ("POST", f"/v1/subjects/{name}/erase", {"reason": "x"}),
            ("POST", f"/v1/subjects/{name}/holds", body),
            ("POST", f"/v1/subjects/{name}/release", {"reason": "x"}),
            ("POST", f"/v1/subjects/{name}/revive", {"reason": "x"}),
        ):
            assert call(method, path, json=sent).status_code == 403, (role, path)
    assert platform.erasing.show(name)["state"] == "held"


KNOWN = f"Customer:{customer(1)['id']}"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("Customer:nobody/erase", {"reason": "x"}, 404),
        ("Customer:1/erase", {}, 422),
        ("Customer:1/erase", {"reason": "x", "more": 1}, 422),
        (f"{KNOWN}/holds", {"until": "2001-01-01", "reason": "x"}, 422),
        (f"{KNOWN}/holds", {"until": "soon", "reason": "x"}, 422),
        ("Customer:1/release", {"reason": " "}, 422),
        (f"{KNOWN}/release", {"reason": "x"}, 404),
        ("Customer:nobody/holds", {"until": "2099-01-01", "reason": "x"}, 404),
        (f"{KNOWN}/revive", {"reason": "x"}, 409),
        ("Customer:1/revive", {"reason": ""}, 422),
    ],
)
def test_what_cannot_be_done_is_refused(
    platform: Platform, path: str, body: dict[str, str], status: int
) -> None:
    call = keyed(platform, "admin", "legal")
    assert call("POST", f"/v1/subjects/{path}", json=body).status_code == status
