# SPDX-License-Identifier: Apache-2.0
"""What is shipped: its weight, its lockfile, and nothing that loads from elsewhere."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from heptad.terminal.http.site import FOLDER
from tests.console.conftest import ROOT, built

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KB = 1_000
FIRST_LOAD, ROUTE, SHARED, MAP, WHEEL = 130 * KB, 15 * KB, 25 * KB, 290 * KB, 1_500 * KB


def weight(paths: Iterable[Path]) -> int:
    """Return how many bytes travel for scripts and styles, compressed."""
    return sum(len(gzip.compress(p.read_bytes(), 9)) for p in paths if p.suffix in (".js", ".css"))


def needed(entry: Path) -> set[Path]:
    """Return a script with all that it imports before it runs."""
    found, rest = set(), [entry]
    while rest:
        path = rest.pop()
        if path not in found:
            found.add(path)
            text = path.read_text(encoding="utf-8")
            names = re.findall(r'(?:import|from)\s*"\./([\w.-]+\.js)"', text)
            rest += [path.parent / name for name in names]
    return found


def test_the_lockfile_names_no_registry_and_every_package_has_a_hash() -> None:
    text = (ROOT / "console/package-lock.json").read_text(encoding="utf-8")
    assert "registry" not in text
    assert '"resolved"' not in text
    packages = {n: p for n, p in json.loads(text)["packages"].items() if n}
    assert all(package.get("integrity", "").startswith("sha512-") for package in packages.values())


def test_the_first_page_is_light() -> None:
    built()
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script>|style=|https?://", page), "nothing inline, nothing from afar"
    files = {FOLDER / name for name in re.findall(r'(?:src|href)="/([^"]+)"', page)}
    home = next(FOLDER.glob("assets/home-*.js"))
    entry = next(path for path in files if path.name.startswith("index-") and path.suffix == ".js")
    first = files | needed(entry) | needed(home) | set(FOLDER.glob("assets/home-*.css"))
    assert weight(first) <= FIRST_LOAD
    (places,) = FOLDER.glob("assets/places-*.js")
    drawing = needed(places) - first
    assert weight(drawing) <= MAP
    names = re.findall(r'import\(["\'`]\./([\w.-]+\.js)["\'`]\)', entry.read_text(encoding="utf-8"))
    routes = {entry.parent / name for name in names}
    assert {"home", "decision", "case", "flow"} < {path.name.split("-")[0] for path in routes}
    for path in FOLDER.glob("assets/*.js"):
        if path not in first | drawing:
            assert weight([path]) <= (ROUTE if path in routes else SHARED), path.name
    (case,) = FOLDER.glob("assets/case-*.js")
    assert places not in needed(case), "a case loads maps before they are wanted"


def test_all_of_it_is_small_and_nothing_is_loaded_from_elsewhere() -> None:
    built()
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= WHEEL
    for path in files:
        if path.suffix in (".css", ".html"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"url\(['\"]?https?:|@import", text), path.name


@pytest.mark.slow
def test_types_hold_and_no_chinese_message_is_missing() -> None:
    compiler = ROOT / "console/node_modules/typescript/bin/tsc"
    if not compiler.is_file():
        pytest.skip("the compiler is not there: `make built` gets it from npm")
    done = subprocess.run(
        [compiler, "--noEmit", "-p", ROOT / "console"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
