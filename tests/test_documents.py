# SPDX-License-Identifier: Apache-2.0
"""The documents name files, tests, commands, tables and links that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from heptad.standards.model import MODEL

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:src|tests|docs|benchmarks|scripts)/[\w./-]*|[A-Z]+\.md|\w+\.toml")
TEST = re.compile(r"test_\w+")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"^(?:\$ )?heptad(?: -p \S+)? ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)
BARE = re.compile(r"(?:^|: |  )(heptad (?:-p )?[^\n;,`]+)", re.MULTILINE)
MADE_LATER = {"heptad.toml", "en.toml", "zh.toml"}
"""Files of a user's project or of every application."""


@cache
def names_of_tests() -> frozenset[str]:
    found: set[str] = set()
    for file in [*(ROOT / "tests").rglob("*.py"), *ROOT.glob("src/heptad/apps/*/tests/*.py")]:
        found |= set(re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8")))
        found.add(file.stem)
    return frozenset(found)


@cache
def verbs() -> dict[str, frozenset[str]]:
    """Return the verbs of the command line, each with the verbs below it."""
    return {
        name: frozenset(getattr(command, "commands", {}))
        for name, command in line().commands.items()
    }


@cache
def line() -> Any:
    """Return the command line, with every verb."""
    import heptad.terminal.verbs  # noqa: F401 - declares them
    from heptad.terminal.cli import app

    return typer.main.get_command(app)


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_links_lead_to_files(document: Path) -> None:
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    assert [link for link in LINK.findall(text) if not (document.parent / link).exists()] == []


def test_paths_named_exist(document: Path) -> None:
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    named = {code for code in CODE.findall(text) if PATH.fullmatch(code)} - MADE_LATER
    wanted = {name for name in named if not name.endswith("fixtures/projects/")}
    assert sorted(name for name in wanted if not (ROOT / name).exists()) == []


def test_tests_named_exist(document: Path) -> None:
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    named = {code for code in CODE.findall(text) if TEST.fullmatch(code)}
    assert sorted(named - names_of_tests()) == []


def test_commands_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    spelled = [*CODE.findall(text), *BLOCK.findall(text)]
    unknown = []
    for verb, below in (words for part in spelled for words in COMMAND.findall(part)):
        if verb not in verbs() or (verbs()[verb] and below and below not in verbs()[verb]):
            unknown.append(f"heptad {verb} {below}")
    assert unknown == []


def test_commands_that_an_error_or_an_answer_names_exist() -> None:
    unknown = []
    for file in sorted((ROOT / "src" / "heptad").rglob("*.py")):
        text = "\n".join(said(file))
        for code in (*CODE.findall(text), *BARE.findall(text)):
            if code.split()[:1] == ["heptad"] and (wrong := misnamed(code.split()[1:])):
                unknown.append(f"{file.name}: {code}: no {wrong}")
    assert unknown == []


def test_a_command_or_option_that_does_not_exist_is_noticed() -> None:
    said = {
        "loads": "",
        "-p desk backup --check": "",
        "restore BACKUPS FOLDER --kek FILE": "",
        "flow publish … FILE --share 0.1": "",
        "tables --loads": "--loads",
        "table rows": "table",
        "tables row": "row",
    }
    assert {code: misnamed(code.split()) for code in said} == said


def misnamed(words: list[str]) -> str:
    """Return the first word after `heptad` that is no command or option there; "" if all are."""
    at: Any = line()
    value = False
    for word in words:
        options = {name: o for o in at.params for name in (*o.opts, *o.secondary_opts)}
        below = getattr(at, "commands", {})
        if value:
            value = False
        elif word.startswith("-"):
            name, _, given = word.partition("=")
            if name not in {*options, "--help"}:
                return name
            value = not given and not getattr(options.get(name), "is_flag", True)
        elif word in below:
            at = below[word]
        elif below and word.islower():
            return word
    return ""


def said(file: Path) -> list[str]:
    """Return the texts of a module, with … for what is filled in."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in node.values}  # fmt: skip
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = [getattr(part, "value", "") for part in node.values]
            found.append("".join(v if isinstance(v, str) else "…" for v in values))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            found.append(node.value)
    return found


def test_the_papers_name_tables_that_exist() -> None:
    text = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    named = {code for code in CODE.findall(text) if re.fullmatch(r"[A-Z][A-Za-z]+", code)}
    assert sorted(named - MODEL.keys()) == []
