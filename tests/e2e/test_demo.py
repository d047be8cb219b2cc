# SPDX-License-Identifier: Apache-2.0
"""The demo on a small bank: the same bytes in every folder, true claims, and attacks that fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from heptad.runtime import Platform
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports
from heptad.terminal.demo.bank import CUSTOMERS, DAYS, START
from heptad.terminal.demo.story import _digest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FEW = 300


def run(folder, seed=7) -> subprocess.CompletedProcess:
    """Run the demo as `make demo SERVE=no` does, from another place."""
    command = [sys.executable, "-m", "heptad.terminal.demo", "--folder", str(folder)]
    return subprocess.run(
        [*command, "--seed", str(seed), "--serve", "no"],
        env=os.environ | {CUSTOMERS: str(FEW), "NO_COLOR": "1", "COLUMNS": "200"},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


class Told:
    """What a run printed."""

    def __init__(self, done: subprocess.CompletedProcess) -> None:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        self.text = done.stdout

    def number(self, pattern: str) -> int:
        return int(self.word(pattern).replace(",", ""))

    def word(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        assert found, f"{pattern}\n{self.text}"
        return found[1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two fresh folders of one seed, the first run again, and another seed: two at a time."""
    one, other, eight = (tmp_path_factory.mktemp("demo") / n for n in ("one", "other", "eight"))
    with ThreadPoolExecutor(2) as pool:
        first, wild = pool.map(run, (one, eight), (7, 8))
        written = {p: p.stat().st_mtime_ns for p in one.glob("*.*") if p.suffix in (".gz", ".csv")}
        again, second = pool.map(run, (one, other))
    told = {"first": first, "again": again, "second": second, "eight": wild}
    return one, written, {name: Told(done) for name, done in told.items()}


DIGEST = r"digest of all decisions +([0-9a-f]{32})"


def test_fresh_folders_and_later_runs_give_the_same_decisions(runs):
    _, __, told = runs
    digests = {name: t.word(DIGEST) for name, t in told.items()}
    assert digests["first"] == digests["second"] == digests["again"]
    assert digests["eight"] != digests["first"]


def test_a_later_run_loads_and_decides_nothing_again(runs):
    folder, written, told = runs
    assert all(p.stat().st_mtime_ns == at for p, at in written.items())
    assert "loaded before" in told["again"].text
    live = list(Bank(FEW, 7, START, DAYS).live())
    with Platform.open(folder) as platform:
        loads = platform.catalog.loads.recent(limit=10_000)
        posted = [load.counts for load in loads if load.source == "posted"]
        assert sum(c.read for c in posted) == len(live)
        assert sum(c.accepted for c in posted) == len(live) - 1
        files = [load for load in loads if load.source != "posted"]
        sources = {load.source for load in files}
        assert not any(load.counts.accepted for load in files[: -len(sources)])


def test_the_attacks_fail_on_any_bank(runs):
    for told in runs[2].values():
        assert re.search(r"an engine made to peek \d+ s ahead +found: [1-9]", told.text)
        assert re.search(r"one bit flipped in the decision log +found: ", told.text)
        assert re.search(r"hours late +[1-9]\d* decisions before them unchanged; [1-9]", told.text)
        assert "NOT" not in told.text.split("WE ATTACKED IT")[1].split("ON REAL DATA")[0]


def test_what_is_printed_is_so(runs, tmp_path):
    """Each figure of the first run, from the bank's own count of its dirt or the project."""
    folder, _, told = runs
    say = told["first"]
    bank = Bank(FEW, 7, START, DAYS)
    exports = write_exports(bank, tmp_path / "again")
    live = list(bank.live())
    assert say.number(r"stream +([\d,]+) rows") == sum(exports.rows.values())
    refused = sum((exports.refused(name) for name in exports.dirt), Counter())
    assert say.number(r"ingest +([\d,]+) quarantined") == refused.total()
    doubled = sum(found.get("duplicate", 0) for found in exports.dirt.values())
    assert say.number(r"([\d,]+) duplicates dropped") == doubled
    assert say.number(r"([\d,]+) rows arrived") == len(live)
    fresh = {(a.table, a.line) for a in live if a.remark not in ("duplicate", "correction")}
    made = say.number(r"fraud ([\d,]+)") + say.number(r"credit ([\d,]+)")
    assert made == say.number(r"all ([\d,]+) decisions replayed") == len(fresh)
    assert say.number(r"replayed +([\d,]+) decided") == made
    assert say.number(r"decided and ([\d,]+) derived identically") == made
    assert say.number(r"decision log +found: The log is damaged at entry \d+ of (\d+)") == made
    with Platform.open(folder) as platform:
        rows = sum(f.rows for n in platform.lake.names() for f in platform.lake.files(n))
        posted = [x.counts for x in platform.catalog.loads.recent(source="posted", limit=10_000)]
        before = rows - sum(c.accepted for c in posted)
        assert say.number(r"tables, \d+ MB, ([\d,]+) row versions") == before
        assert say.number(r"engine +(\d+) tables") == len(platform.lake.names())
        assert _digest(platform)[:32] == say.word(DIGEST)
        assert platform.log.ledger.verify().entries == made
        three = say.text.split("THREE OF THEM")[1].split("WE ATTACKED")[0].strip().splitlines()
        assert len(three) == 3
        for line in three:
            app, start, _, outcome = line.split()[:4]
            (name,) = platform.catalog.decisions.starting(start)
            public = platform.log.get(name).public
            assert (public["app"], public["outcome"]) == (app, outcome.lower())
        assert platform.replay().identical


def test_too_few_defaults_are_said_and_the_demo_goes_on(runs):
    for told in runs[2].values():
        assert "no scorecard yet: The training rows are too few" in told.text
        if "credit " in told.text.split("THREE OF THEM")[1].split("WE ATTACKED")[0]:
            assert re.search(r"credit .* REFER +no approved model", told.text)


def test_real_purchases_equal_brute_force(runs):
    pytest.importorskip("lifetimes")
    for told in runs[2].values():
        assert "CDNOW, 69,659 purchases" in told.text
        assert told.text.count("4,500 of 4,500") == 2


def test_a_folder_of_another_bank_is_left_alone(runs, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine", encoding="utf-8")
    done = run(tmp_path / "other")
    assert done.returncode not in (0, 1)
    assert "holds something else" in done.stdout + done.stderr
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["mine.txt"]
    done = run(runs[0], seed=9)
    assert done.returncode not in (0, 1)
    assert "SEED=9" in done.stdout + done.stderr


def test_the_day_after_the_history_is_the_live_day():
    """The claims above count on the demo's own bank."""
    assert date.fromordinal(START.toordinal() + DAYS).isoformat() == "2026-11-01"
