# SPDX-License-Identifier: Apache-2.0
"""Every command answers the same here and through the process that serves the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heptad.runtime import Platform
from heptad.terminal import connect, http, verbs
from heptad.terminal.commands import COMMANDS, run
from tests.terminal.conftest import Said, copied, heptad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.terminal.conftest import Served

READS = {
    "tables": ["tables"],
    "tables show": ["tables", "show", "Payment"],
    "tables rows": ["tables", "rows", "Payment", "--limit", "5"],
    "tables rows at": ["tables", "rows", "Customer", "--t", "2026-01-20", "--k", "2026-01-20"],
    "tables rows why": ["tables", "rows", "Customer", "--purpose", "service", "--limit", "3"],
    "tables rows version": ["tables", "rows", "Payment", "--version", "1", "--limit", "3"],
    "tables versions": ["tables", "versions", "Payment"],
    "loads": ["loads"],
    "load plan": ["load", "rates", "--plan"],
    "quarantine list": ["quarantine", "list"],
    "quarantine show": ["quarantine", "show", "Payment", "--limit", "5"],
    "lineage": ["lineage", "Payment.amount"],
    "features": ["features", "--app", "fraud"],
    "features show": ["features", "show", "fraud.spend_1d"],
    "models": ["models"],
    "decisions": ["decisions", "--app", "fraud", "--limit", "5"],
    "apps": ["apps"],
    "apps show": ["apps", "fraud"],
    "apps page": ["apps", "fraud", "held"],
    "config": ["config"],
    "keys list": ["keys", "list"],
    "log": ["log"],
    "log verify": ["log", "verify"],
    "log checkpoint": ["log", "checkpoint"],
    "export contract": ["export", "contract", "Payment"],
    "export decisions": ["export", "decisions"],
    "retention": ["retention"],
    "replay": ["replay", "--all"],
}
PLACES = {"folder", "seconds", "sha256", "note"}
"""What differs between two copies of a project by its nature."""


@pytest.fixture(scope="module")
def held(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A copy of the bank, open here."""
    with Platform.open(copied(bank, tmp_path_factory.mktemp("held") / "bank")) as platform:
        yield platform


def plain(data: object) -> object:
    """Leave out what differs by its nature."""
    if isinstance(data, dict):
        return {n: plain(v) for n, v in data.items() if n not in PLACES}
    return [plain(v) for v in data] if isinstance(data, list) else data


def good(said: Said) -> Said:
    """Return what was said by a command that did not fail."""
    assert said.code == 0, said.err
    return said


@pytest.mark.parametrize("command", READS.values(), ids=READS)
def test_a_read_is_the_same_here_and_through_the_server(
    held: Platform, served: Served, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = good(heptad(*command, "--json", project=served.project))
    # Opened once for all of these tests, instead of by each command.
    monkeypatch.setattr(connect, "call", lambda _, name, given, *__: run(held, name, given))
    here = good(heptad(*command, "--json", project=held.path))
    assert not here.err
    assert not there.err
    assert here.data
    assert plain(here.data) == plain(there.data)


@pytest.mark.parametrize("command", READS.values(), ids=READS)
def test_a_read_prints_plain_lines_for_people_and_programs(
    served: Served, command: list[str]
) -> None:
    said = good(heptad(*command, project=served.project))
    assert said.out
    assert "\x1b" not in said.out + said.err


def test_decisions_are_explained_to_three_readers(bank: Path, served: Served) -> None:
    name = heptad("decisions", "--json", project=bank).data["decisions"][0]["id"]
    for reader in ("customer", "officer", "engineer"):
        ask = ("explain", name[:12], "--to", reader)
        here, there = (good(heptad(*ask, "--json", project=p)) for p in (bank, served.project))
        assert here.data == there.data
        assert here.data["id"] == name
        assert good(heptad(*ask, project=served.project)).out.startswith(f"fraud {name}")
    said = good(heptad("replay", name, "--json", project=served.project)).data
    assert (said["identical"], said["of"]) == (True, 1)


def test_features_of_a_key_are_read(served: Served) -> None:
    who = heptad("tables", "rows", "Payment", "--json", project=served.project).data
    customer = who["rows"][0]["customer"]
    found = good(heptad("features", "read", "fraud", customer, "--json", project=served.project))
    assert {f["name"] for f in found.data["features"]} >= {"count_30d", "spend_1d"}
    assert (
        customer
        not in good(heptad("features", "read", "fraud", customer, project=served.project)).out
    )


def test_decide_answers_what_was_decided_and_decides_the_rest(own: Path) -> None:
    first = good(heptad("decide", "fraud", "--since", "2026-01-25", "--json", project=own)).data
    again = good(heptad("decide", "fraud", "--since", "2026-01-25", "--json", project=own)).data
    assert first == again
    assert first["decided"] > 0
    key = first["decisions"][0]["on"].split()[1]
    one = good(heptad("decide", "fraud", key, "--json", project=own)).data
    assert one["decisions"] == first["decisions"][:1]
    assert good(heptad("decide", "credit", project=own)).out.count("refer")
    early = good(heptad("decide", "fraud", "--until", "1990-01-01", project=own)).out
    assert "nothing decided: no such row of Payment is stored" in early


def test_a_second_load_finds_nothing_new_and_a_third_what_came(own: Path) -> None:
    assert {x["status"] for x in good(heptad("load", "--json", project=own)).data["loads"]} == {
        "nothing new"
    }
    more = "id,event_time,base,quote,rate\nEURUSD-x,2026-01-30T12:00:00Z,EUR,USD,1.25\n"
    (own / "rates.csv").write_text(more, encoding="utf-8")
    (loaded,) = good(heptad("load", "rates", "--json", project=own)).data["loads"]
    assert (loaded["status"], loaded["accepted"]) == ("loaded", 1)


@pytest.mark.slow
def test_quarantine_is_retried_and_dropped(own: Path) -> None:
    before = heptad("quarantine", "list", "--json", project=own).data["reasons"]
    n = sum(r["rows"] for r in before if r["table"] == "Payment")
    assert n >= 3
    # The words are translated now that were no codes before.
    toml = (own / "heptad.toml").read_text(encoding="utf-8")
    (own / "heptad.toml").write_text(toml.replace('zone = "Europe/Berlin"', 'zone = "UTC"'))
    tried = good(heptad("quarantine", "retry", "Payment", "--json", project=own)).data
    assert tried["read"] == n, "what the file said of each row is kept"
    assert tried["accepted"] + tried["quarantined"] == n
    dropped = good(heptad("quarantine", "drop", "Payment", "--yes", "--json", project=own)).data
    assert dropped["dropped"] == tried["quarantined"]
    left = heptad("quarantine", "list", "--json", project=own).data["reasons"]
    assert "Payment" not in {r["table"] for r in left}


@pytest.mark.slow
def test_upkeep_leaves_every_decision_replayable(own: Path) -> None:
    made = good(heptad("compact", "Payment", "--json", project=own)).data["tables"][0]
    assert made["files"] < made["files_before"]
    good(heptad("retention", "--keep", "1 second", "--yes", "--json", project=own))
    assert good(heptad("replay", "--all", "--json", project=own)).data["identical"]
    checks = good(heptad("doctor", "--scrub", "--json", project=own)).data["checks"]
    assert all(check["ok"] for check in checks)


@pytest.mark.slow
def test_doctor_names_a_damaged_file_and_exits_with_9(own: Path) -> None:
    file = next((own / "tables" / "Rate").rglob("*.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    assert heptad("doctor", project=own).code == 0
    said = heptad("doctor", "--scrub", "--json", project=own)
    assert said.code == 9
    (bad,) = [check for check in said.data["checks"] if not check["ok"]]
    assert bad["what"] == "table Rate"
    assert file.name in bad["do"]


@pytest.mark.slow
def test_a_checkpoint_is_kept_and_verified_against(own: Path, tmp_path: Path) -> None:
    kept = tmp_path / "head.txt"
    good(heptad("log", "checkpoint", "--out", str(kept), project=own))
    good(heptad("decide", "credit", project=own))
    said = good(heptad("log", "verify", "--against", str(kept), "--json", project=own)).data
    assert said["verified"]
    assert heptad("log", "verify", "--against", str(own / "heptad.toml"), project=own).code == 3


def test_exports_are_written_to_files(bank: Path, tmp_path: Path) -> None:
    out = tmp_path / "decisions.jsonl"
    said = good(heptad("export", "decisions", "--app", "fraud", "--out", str(out), project=bank))
    assert said.out == ""
    assert len(out.read_text(encoding="utf-8").splitlines()) == 100
    contract = good(heptad("export", "contract", "Payment", project=bank)).out
    assert contract.startswith("apiVersion: v3")


def test_training_without_labels_says_what_is_wanting(own: Path) -> None:
    said = heptad("train", "credit", project=own)
    assert said.code == 3
    assert "No LoanApplication has a label" in said.err


@pytest.mark.slow
def test_keys_are_issued_once_listed_without_text_and_revoked(own: Path) -> None:
    ask = ("keys", "issue", "--role", "officer", "--purpose", "credit", "--json")
    issued = good(heptad(*ask, project=own)).data
    assert issued["key"].startswith(f"hep_{issued['id']}_")
    listed = good(heptad("keys", "list", "--json", project=own))
    assert issued["key"] not in listed.out
    assert listed.data["keys"][0]["purposes"] == ["credit"]
    good(heptad("keys", "revoke", issued["id"], project=own))
    assert good(heptad("keys", "list", "--json", project=own)).data["keys"][0]["revoked"]


def test_after_a_rotation_the_project_opens_and_a_copy_of_the_key_does_not(own: Path) -> None:
    before = (own / "keys" / "kek").read_bytes()
    rotated = good(heptad("keys", "rotate", "--json", project=own)).data
    after = (own / "keys" / "kek").read_bytes()
    assert after != before
    good(heptad("replay", "--all", "--json", project=own))
    assert (
        good(heptad("keys", "rotate", "--json", project=own)).data["epoch"] == rotated["epoch"] + 1
    )
    (own / "keys" / "kek").write_bytes(before)
    assert heptad("log", "verify", project=own).code == 8


@pytest.mark.slow
def test_commands_that_change_go_through_the_server(
    bank: Path, tmp_path: Path, serving: Callable[[Path], Served]
) -> None:
    server = serving(copied(bank, tmp_path / "bank"))
    at = server.project
    good(heptad("decide", "credit", project=at))
    good(heptad("compact", project=at))
    good(heptad("quarantine", "drop", "Transfer", "--yes", project=at))
    assert good(heptad("load", "--json", project=at)).data["loads"][0]["status"] == "nothing new"
    issued = good(
        heptad("keys", "issue", "--role", "admin", "--purpose", "audit", "--json", project=at)
    ).data
    assert good(heptad("keys", "revoke", issued["id"], project=at)).code == 0
    assert good(heptad("replay", "--all", "--json", project=at)).data["identical"]
    assert good(heptad("doctor", "--json", project=at)).data
    assert server.stop() == 0
    assert good(heptad("log", "--json", project=at)).data["counts"]["refer"] > 0


def test_a_model_is_approved_by_somebody_else(own: Path) -> None:
    with Platform.open(own) as platform:
        made = platform.catalog.models.register("card", "credit", b"{}", trainer="ana")
    ask = ("models", "approve", str(made.id), "--note", "figures reviewed", "--json")
    assert heptad(*ask, "--who", "ana", project=own).code == 6
    assert good(heptad(*ask, "--who", "bea", project=own)).data["stage"] == "champion"
    assert good(heptad("models", "--json", project=own)).data["models"][0]["stage"] == "champion"


def test_every_command_has_a_verb_or_a_route() -> None:
    """A command that neither names is one that nobody can call."""
    folders = (Path(verbs.__file__).parent, Path(http.__file__).parent)
    text = "".join(p.read_text(encoding="utf-8") for f in folders for p in f.glob("*.py"))
    assert not [name for name in COMMANDS if f'"{name}"' not in text]
