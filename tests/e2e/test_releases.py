# SPDX-License-Identifier: Apache-2.0
"""Projects that earlier releases wrote: this one opens them, proves them and goes on with them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from heptad.runtime import Platform
from heptad.standards.time import FixedClock, day, format_instant
from tests.fixtures import frozen
from tests.fixtures.make_project import END, PROJECTS, make

KEPT = sorted(path.parent for path in PROJECTS.glob("*/heptad.toml"))
OURS = {"heptad", "python", "cpu", "os", "numpy", "scipy", "numba", "pyarrow", "duckdb",
        "deltalake", "lightgbm"}  # fmt: skip


@pytest.fixture(scope="module")
def present(tmp_path_factory) -> Path:
    """A project as it is written today."""
    folder = tmp_path_factory.mktemp("present") / "project"
    make(folder)
    return folder


@pytest.fixture(params=[*KEPT, None], ids=lambda p: p.name if p else "present")
def folder(request, tmp_path) -> Path:
    """A copy of a project; Git keeps no modes, so its keys are given theirs again."""
    source = request.param or request.getfixturevalue("present")
    copy = Path(shutil.copytree(source, tmp_path / "project"))
    for path in [copy / "keys", *(copy / "keys").iterdir()]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    return copy


def opened(folder: Path, later: int = 10 * day) -> Platform:
    return Platform.open(folder, apps=[frozen.app], clock=FixedClock(END + later))


def expected(folder: Path) -> dict:
    return json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def stored(platform: Platform) -> dict:
    counts = {n: sum(f.rows for f in platform.lake.files(n)) for n in platform.lake.names()}
    return {name: n for name, n in counts.items() if n}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git: apt-get install git")
def test_a_clone_holds_every_file_of_a_release():
    """No rule of what Git leaves out may swallow keys, databases or Parquet files."""
    assert KEPT, "make the project of this release: python -m tests.fixtures.make_project"
    files = [path.as_posix() for kept in KEPT for path in kept.rglob("*") if path.is_file()]
    git = ["git", "-C", str(PROJECTS), "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(
        git, input="\n".join(files), text=True, capture_output=True, check=False, timeout=60
    )
    if "not a git repository" in done.stderr:
        pytest.skip("these are the files of an archive, not a clone")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr


def test_what_was_written_is_there(folder):
    wanted = expected(folder)
    with opened(folder) as platform:
        assert stored(platform) == wanted["rows"]
        assert not any(platform.lake.damaged(name) for name in platform.lake.names())
        platform.catalog.check()
        made = {e.public["id"]: e.public["outcome"] for e in platform.log.entries()}
        assert made == wanted["decisions"]
        verified = platform.log.ledger.verify(wanted["checkpoint"])
        assert verified.entries == len(made)
        assert len(platform.loading.quarantine.show("Payment")) == wanted["quarantined"]


def test_every_decision_replays(folder):
    """Those of an application that never changes bit for bit; of others unless they changed."""
    wanted = expected(folder)
    with opened(folder) as platform:
        entries = list(platform.log.entries())
        by_app = Counter(e.public["app"] for e in entries)
        erased = Counter(e.public["app"] for e in entries if e.subject == wanted["erased"])
        assert set(by_app) == {"frozen", "fraud", "credit"}
        assert erased["frozen"]
        for app, n in by_app.items():
            ids = [e.public["id"] for e in entries if e.public["app"] == app]
            report = platform.replay(ids)
            assert report.decided["erased"] == report.derived["erased"] == erased[app]
            assert report.decided.total() == report.derived.total() == n
            elsewhere = report.elsewhere.keys() - OURS
            if app == "frozen":
                assert report.identical, report.findings
                assert not elsewhere
            assert report.identical or elsewhere, report.findings


def test_personal_values_open_with_the_keys_that_lie_beside(folder):
    wanted = expected(folder)
    gone = wanted["erased"].partition(":")[2]
    with opened(folder) as platform:
        rows = {r["id"]: r for r in platform.read("Customer", purpose="service").to_pylist()}
        assert len(rows) == wanted["rows"]["Customer"]
        assert rows[gone]["name"] == "(erased)"
        assert all(" " in r["name"] for k, r in rows.items() if k != gone)


def test_it_goes_on(folder):
    """Files that were loaded are known, one more row is loaded, another posted and decided."""
    with opened(folder) as platform:
        assert [r.load for r in platform.load()] == [None] * len(platform.project.sources)
        n = stored(platform)["Payment"]
        lines = (folder / "Payment_1.csv").read_text(encoding="utf-8").splitlines()
        key = lines[-1].split(",")[0]
        more = lines[-1].replace(key, "loaded-later")
        (folder / "Payment_2.csv").write_text(f"{lines[0]}\n{more}\n", encoding="utf-8")
        (report,) = platform.load("Payment")
        assert (report.read, report.accepted, report.quarantined) == (1, 1, {})
        who = next(e for e in platform.log.entries() if not e.erased).decision.row["customer"]
        row = {"id": "posted-later", "event_time": format_instant(END + 9 * day), "customer": who,
               "amount": "9.99", "currency": "EUR", "status": "authorised"}  # fmt: skip
        _, made = platform.accept("Payment", [row])
        assert {"frozen", "fraud"} <= {o.public["app"] for o in made}
        assert stored(platform)["Payment"] == n + 2
        assert platform.replay([o.public["id"] for o in made]).identical
        platform.compact("Payment")
    with opened(folder, 11 * day) as platform:
        assert platform.replay([o.public["id"] for o in made]).identical
        assert platform.log.ledger.verify().entries == len(platform.log)
