# SPDX-License-Identifier: Apache-2.0
"""Every failure says what, got and do, ends with its documented code, and never with a traceback."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.standards.errors import HeptadError
from heptad.terminal import cli
from tests.terminal.conftest import heptad

if TYPE_CHECKING:
    from pathlib import Path

    from tests.terminal.conftest import Said, Served

FAILURES = {
    "wrong verb": (["tabels"], 2, "Did you mean 'tables'"),
    "wrong inner verb": (["tables", "shw"], 2, "Did you mean 'show'"),
    "wrong option": (["load", "--plam"], 2, "--plan"),
    "missing argument": (["explain"], 2, "heptad explain --help"),
    "nothing named": (["replay"], 2, "--all"),
    "unknown table": (["tables", "show", "Paymnt"], 4, "did you mean 'Payment'?"),
    "unknown feature": (["features", "show", "fraud.cnt_1h"], 4, "did you mean 'fraud.count_1h'?"),
    "unknown app": (["decide", "frud"], 4, "did you mean 'fraud'?"),
    "unknown page": (["apps", "fraud", "hold"], 4, "did you mean 'held'?"),
    "unknown source": (["load", "rate"], 4, "did you mean 'rates'?"),
    "unknown decision": (["explain", "zzz"], 4, "heptad decisions"),
    "ambiguous decision": (["explain", ""], 4, "more of the id"),
    "unknown row": (["decide", "fraud", "zzz"], 4, "heptad tables rows Payment"),
    "unknown lineage": (["lineage", "Payment.amnt"], 4, "did you mean 'Payment.amount'?"),
    "unknown role": (["keys", "issue", "--role", "admn", "--purpose", "audit"], 4, "'admin'"),
    "unknown model": (["models", "approve", "99", "--who", "a", "--note", "b"], 4, "models"),
    "unknown entity": (["features", "read", "fraud", "1", "--entity", "Custmer"], 4, "'Customer'"),
    "bad instant": (["tables", "rows", "Payment", "--t", "soon"], 3, "2026-03-01T09:30:00Z"),
    "bad duration": (["retention", "--keep", "ages"], 3, "2 days"),
    "bad cursor": (["decisions", "--cursor", "zzz"], 3, "without a cursor"),
    "unreadable checkpoint": (["log", "verify", "--against", "nowhere"], 3, "kept in"),
    "refused purpose": (["tables", "rows", "Customer", "--purpose", "marketing"], 6, "audit"),
    "refused key": (["keys", "issue", "--role", "analyst", "--purpose", "credit"], 6, "analytics"),
    "unknown version": (["tables", "rows", "Rate", "--version", "99"], 4, ""),
}


@pytest.mark.parametrize(("command", "code", "cure"), FAILURES.values(), ids=FAILURES)
def test_a_failure_names_its_cure_and_ends_with_its_code(
    served: Served, command: list[str], code: int, cure: str
) -> None:
    said = heptad(*command, project=served.project)
    assert (said.code, said.out) == (code, "")
    assert cure in said.err
    assert "Traceback" not in said.err
    assert "  do:  " in said.err or cure == ""


@pytest.mark.parametrize("name", ["wrong option", "unknown table", "bad instant", "wrong verb"])
def test_asked_for_json_a_failure_is_a_problem_document(served: Served, name: str) -> None:
    command, code, _ = FAILURES[name]
    said = heptad(*command, "--json", project=served.project)
    problem = json.loads(said.err)
    assert (said.code, said.out) == (code, "")
    assert problem.keys() >= {"type", "title", "status", "code", "detail", "do"}


def test_every_kind_of_failure_has_a_documented_code() -> None:
    def kinds(kind: type[HeptadError]) -> list[type[HeptadError]]:
        return [kind, *(k for below in kind.__subclasses__() for k in kinds(below))]

    documented = {int(part.split()[0]) for part in cli.EXITS.partition(": ")[2].split("·")}
    assert {kind.exit for kind in kinds(HeptadError)} <= documented


def test_without_a_project_the_way_to_one_is_said(tmp_path: Path) -> None:
    said = heptad("tables", project=tmp_path)
    assert said.code == 3
    assert "heptad init" in said.err


def test_a_mistake_in_the_project_file_is_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "heptad.toml").write_text('[project]\ncurrency = "EURO"\n', encoding="utf-8")
    said = heptad("tables", project=tmp_path)
    assert said.code == 3
    assert "line 2" in said.err


def test_a_project_is_found_from_a_folder_below(bank: Path) -> None:
    below = bank / "tables" / "Rate"
    assert heptad("log", "--json", project=below).data["entries"] == 100


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch, *more: str) -> Said:
    """Run a command that raises."""

    def fail(*_: object, **__: object) -> Any:
        raise error

    monkeypatch.setattr(cli, "ask", fail)
    return heptad("loads", *more)


def test_a_fault_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failing(ZeroDivisionError("by zero"), monkeypatch)
    assert said.code == 1
    assert "ZeroDivisionError: by zero" in said.err
    assert "HEPTAD_TRACE=1" in said.err
    told = json.loads(failing(ZeroDivisionError("by zero"), monkeypatch, "--json").err)
    assert told["code"] == "fault"


def test_where_a_fault_came_from_is_shown_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPTAD_TRACE", "1")
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError("by zero"), monkeypatch)


def test_control_c_says_that_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failing(KeyboardInterrupt(), monkeypatch)
    assert said.code == 130
    assert said.err == "stopped; what was acknowledged is kept\n"


def test_a_reader_that_goes_away_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.argv[1:] = ['--help']\nfrom heptad.terminal.cli import main\nmain()"
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert ran.stderr == b""


def test_data_cannot_command_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "heptad.toml").write_text('[project]\nname = "odd"\n', encoding="utf-8")
    row = {"id": "p\x1b[2J1", "event_time": "2026-03-01", "customer": "c\x07", "amount": "1",
           "currency": "EUR", "status": "authorised"}  # fmt: skip
    with Platform.open(tmp_path) as platform:
        platform.store("Payment", [row])
    for command in (["tables", "rows", "Payment"], ["quarantine", "show", "Payment"]):
        said = heptad(*command, project=tmp_path)
        assert "\x1b" not in said.out
        assert "\x07" not in said.out


def test_a_heading_cannot_command_the_terminal(bank: Path) -> None:
    said = heptad("explore", 'SELECT 1 AS "\x1b[2Jx", 2 AS "[red]y"', project=bank)
    assert said.code == 0, said.err
    assert "\x1b" not in said.out
    assert "\\x1b[2Jx" in said.out
    assert "[red]y" in said.out


@pytest.mark.parametrize(
    "command",
    [
        ["access", "--since", ""],
        ["decide", "fraud", "--since", ""],
        ["decide", "fraud", "--until", " "],
        ["explore", "SELECT 1", "--t", ""],
        ["export", "--sql", "SELECT 1", "--k", ""],
        ["features", "read", "fraud", "1", "--t", ""],
        ["features", "read", "fraud", "1", "--k", ""],
        ["flow", "backtest", "fraud", "--since", ""],
        ["flow", "backtest", "fraud", "--until", ""],
        ["lists", "upload", "sanctions", "names.csv", "--since", ""],
        ["lists", "upload", "sanctions", "names.csv", "--until", ""],
        ["restore", "vault", "again", "--to", ""],
        ["run", "decide:fraud", "2026-03-01", "--until", ""],
        ["segments", "count", "young", "--at", ""],
        ["subject", "hold", "Customer:1", "--reason", "court", "--until", ""],
        ["tables", "rows", "Payment", "--t", ""],
        ["tables", "rows", "Payment", "--k", ""],
        ["train", "fraud", "--until", ""],
        ["train", "fraud", "--known", ""],
    ],
    ids=lambda command: f"{command[0]} {command[-2]}",
)
def test_a_variable_that_is_not_set_names_no_time(command: list[str]) -> None:
    said = heptad(*command)
    assert (said.code, said.out) == (3, "")
    assert f"{command[-2]} is given, but names no time" in said.err


def in_terminal(project: Path, *arguments: str, **environment: str) -> str:
    """Run the command line in a terminal; return what it showed."""
    code = "from heptad.terminal.cli import main; main()"
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-p", str(project), *arguments],
        stdout=follower,
        stderr=follower,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
    )
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 4096):
            shown += chunk
    except OSError:
        pass
    os.close(leader)
    process.wait(30)
    return shown.decode()


def test_a_terminal_gets_a_panel_in_colour_and_without_colour_if_asked(tmp_path: Path) -> None:
    shown = in_terminal(tmp_path, "tables")
    assert "\x1b[31m input " in shown
    plain = in_terminal(tmp_path, "tables", NO_COLOR="1")
    assert "╭─ input" in plain
    assert "\x1b[31m" not in plain
