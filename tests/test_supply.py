# SPDX-License-Identifier: Apache-2.0
"""What Heptad is made from is locked by digest, permissively licensed, and listed in the wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENTRY = re.compile(r"\n(?=\S)")
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")
PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software|ISC|MPL|Mozilla|Zlib|Unlicense|0BSD", re.IGNORECASE
)
COPYLEFT = re.compile(r"(?<!L)\bA?GPL|GNU (?:Affero )?General Public", re.IGNORECASE)


def names(text):
    """Return package name, normalised → version."""
    found = (PINNED.match(line) for line in ENTRY.split(text))
    return {re.sub(r"[-_.]+", "-", m[1].lower()): m[2] for m in found if m}


@pytest.fixture(scope="module")
def locked():
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def needed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.match(r"[A-Za-z0-9._-]+", need)[0].lower() for need in project["dependencies"]}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        env=os.environ | {"HEPTAD_CONSOLE": "skip"},
        check=True,
        capture_output=True,
    )
    assert [p.suffix for p in folder.iterdir()] == [".whl"]
    return next(folder.iterdir())


def test_every_locked_file_has_a_digest_and_no_host_is_named(locked):
    for entry in ENTRY.split(locked.strip()):
        assert PINNED.match(entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in locked
    assert "--index" not in locked


def test_the_lock_has_all_that_is_needed_at_the_versions_of_the_constraints(locked, needed):
    pinned = names((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    found = names(locked)
    assert needed - found.keys() == set(), "run scripts/lock"
    elsewhere = {"colorama", "tzdata"}  # what only Windows needs
    assert {n: v for n, v in found.items() if pinned.get(n, v) != v} == {}
    assert found.keys() - pinned.keys() <= elsewhere


def test_every_locked_package_is_permissively_licensed(locked):
    for name in names(locked):
        try:
            told = metadata(name)
        except PackageNotFoundError:
            continue  # of another platform
        stated = told.get_all("Classifier") or []
        words = [told["License-Expression"] or "", *(c for c in stated if c.startswith("License"))]
        licence = " ".join(words).strip() or (told["License"] or "")[:300]
        assert PERMISSIVE.search(licence), (name, licence)
        assert not COPYLEFT.search(licence), (name, licence)


def test_the_wheel_lists_its_parts(wheel, locked):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/sboms/heptad.cdx.json"))
        listed = json.loads(archive.read(name))
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    assert listed["metadata"]["component"]["purl"].startswith("pkg:pypi/heptad@")
    parts = {part["purl"]: part for part in listed["components"]}
    for name, version in names(locked).items():
        part = parts[f"pkg:pypi/{name}@{version}"]
        digests = {h["content"] for r in part["externalReferences"] for h in r["hashes"]}
        entry = next(e for e in ENTRY.split(locked) if e.lower().startswith(f"{part['name']}=="))
        assert digests == set(re.findall(r"sha256:([0-9a-f]{64})", entry))
    packages = json.loads((ROOT / "console/package-lock.json").read_text())["packages"]
    bundled = {p.removeprefix("pkg:npm/") for p in parts if p.startswith("pkg:npm/")}
    assert f"react@{packages['node_modules/react']['version']}" in bundled
    assert not any(p.startswith("vite@") for p in bundled)  # builds it, and stays behind
    assert all("licenses" in part for purl, part in parts.items() if purl.startswith("pkg:npm/"))
    (root,) = (d for d in listed["dependencies"] if d["ref"].startswith("pkg:pypi/heptad@"))
    assert set(root["dependsOn"]) == parts.keys()
