# SPDX-License-Identifier: Apache-2.0
"""The demo on a small bank: the same bytes in every folder, true claims, and attacks that fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from heptad.runtime import Platform
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports
from heptad.terminal.demo.bank import CUSTOMERS, DAYS, STAMP, START, TAKEN
from heptad.terminal.demo.story import _digest
from tests.fixtures.make_project import PROJECTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FEW = 120
MADE = {"posted", "credit-jobs", "simulated", "recommend.measure"}
"""What stores rows after the files are loaded: the live day, the day that loans are closed on, lists."""
LATER = {"CollectionAction", "FundsUse", "Listing", "LoanDay", "LoanFigure", "Interaction",
         "Item", "ListFigure", "Questionnaire", "Visit"}  # fmt: skip
"""Tables that are filled after the files are loaded."""
DEMO = [sys.executable, "-m", "heptad.terminal.demo", "--serve", "no"]
PLACE = os.environ | {CUSTOMERS: str(FEW), "NO_COLOR": "1", "COLUMNS": "200"}


def run(folder, seed=7, *, more=()) -> subprocess.CompletedProcess:
    """Run the demo as `make demo SERVE=no` does, from another place."""
    return subprocess.run(
        [*DEMO, "--folder", str(folder), "--seed", str(seed), *more],
        env=PLACE,
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def writing(folder: Path) -> bool:
    """The bank writes its exports."""
    return any(folder.glob("*.gz"))


def loading(folder: Path) -> bool:
    """Some tables are loaded, others not."""
    return len(list(folder.glob("tables/*/_delta_log/*1.json"))) > 3


def deciding(folder: Path) -> bool:
    """Half of the live day is decided."""
    try:
        with closing(sqlite3.connect(f"file:{folder}/catalog.sqlite?mode=ro", uri=True)) as db:
            found = db.execute("SELECT value FROM settings WHERE name = ?", [TAKEN]).fetchone()
    except sqlite3.OperationalError:
        return False
    return found is not None and int(found[0]) > 10


def killed(folder: Path) -> list[str]:
    """Kill the demo in the middle of each of its works, and say how far each had come."""
    come = []
    for far in (writing, loading, deciding):
        with subprocess.Popen(
            [*DEMO, "--folder", str(folder)], env=PLACE, cwd=folder.parent,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                while not far(folder) and process.poll() is None:
                    time.sleep(0.02)
            finally:
                process.kill()
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        come.append(f"{far.__name__} {process.returncode} {stamp.get('unfinished', False)}")
    return come


def stopped(folder: Path) -> tuple[list[str], subprocess.CompletedProcess]:
    """Kill the demo again and again, then let it end."""
    return killed(folder), run(folder)


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
    """Two fresh folders of one seed, of which one was killed on its way, the first run again, and
    another seed: two at a time."""
    one, other, eight = (tmp_path_factory.mktemp("demo") / n for n in ("one", "other", "eight"))
    with ThreadPoolExecutor(2) as pool:
        wild, second = pool.submit(run, eight, 8), pool.submit(stopped, other)
        first = run(one)
        written = {p: p.stat().st_mtime_ns for p in one.glob("*.*") if p.suffix in (".gz", ".csv")}
        again = run(one)
    come, ended = second.result()
    assert come == ["writing -9 True", "loading -9 False", "deciding -9 False"]
    told = {"first": first, "again": again, "second": ended, "eight": wild.result()}
    return one, written, {name: Told(done) for name, done in told.items()}


DIGEST = r"digest of all decisions +([0-9a-f]{32})"


def test_fresh_folders_and_later_runs_give_the_same_decisions(runs):
    """In a folder in which the demo was killed three times too."""
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
        tables = {arrival.table for arrival in live}
        posted = [x.counts for x in loads if x.source == "posted" and x.table in tables]
        # A run that finds no late row which touches a decision sends one, the same each time.
        keys = platform.read("Payment", purpose="").column("id").to_pylist()
        sent = sum(key.startswith("late-") for key in keys)
        assert sum(c.read for c in posted) == len(live) + 2 * sent
        twice = sum(a.remark == "duplicate" for a in live)
        assert twice > 0
        assert sum(c.accepted for c in posted) == len(live) - twice + sent
        files = [load for load in loads if load.source not in MADE]
        sources = {load.source for load in files}
        assert not any(load.counts.accepted for load in files[: -len(sources)])
        closed = Counter(load.table for load in loads if load.source == "credit-jobs")
        assert closed["LoanDay"] == max(closed.values()) == 1


def test_the_attacks_fail_on_any_bank(runs):
    for told in runs[2].values():
        assert re.search(r"an engine made to peek \d+ s ahead +found: [1-9]", told.text)
        assert re.search(r"one bit flipped in the decision log +found: ", told.text)
        assert re.search(r"hours late +[1-9]\d* decisions before them unchanged; [1-9]", told.text)
        assert re.search(
            r"kill -9, 20 times, during a stream +0 of [1-9][\d,]* values differ", told.text
        )
        assert "NOT" not in told.text.split("WE ATTACKED IT")[1].split("WHAT PEOPLE DO")[0]


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
        loads = platform.catalog.loads.recent(limit=10_000)
        before = rows - sum(
            x.counts.accepted for x in loads if x.source in MADE or x.table in LATER
        )
        assert say.number(r"tables, \d+ MB, ([\d,]+) row versions") == before
        assert say.number(r"engine +(\d+) tables") == len({x.table for x in loads} - LATER)
        assert _digest(platform)[:32] == say.word(DIGEST)
        lists = sum(platform.catalog.decisions.counts("recommend").values())
        assert lists > 60
        assert platform.log.ledger.verify().entries == made + lists
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


@pytest.fixture
def own(tmp_path) -> Path:
    """Somebody's own files with the configuration that binds them."""
    folder = tmp_path / "own"
    folder.mkdir()
    for path in [PROJECTS / "0.1.0" / "heptad.toml", *(PROJECTS / "0.1.0").glob("*_1.csv")]:
        shutil.copy(path, folder)
    return folder


def test_own_files_go_through_the_same_layers(own):
    """`make demo DATA=own/heptad.toml`: loaded, decided and replayed, and once only."""
    rows = len((own / "Payment_1.csv").read_text(encoding="utf-8").splitlines()) - 1
    outputs = []
    for _ in range(2):
        told = Told(run(own, more=["--data", "own/heptad.toml"]))
        made = told.number(r"fraud: ([\d,]+) of the latest Payment decided")
        made += told.number(r"credit: ([\d,]+) of the latest LoanApplication decided")
        replayed = rf"replayed: identical[: ]+{made}; derived: identical[: ]+{made}"
        assert re.search(replayed, told.text), told.text
        assert told.number(r"fraud: ([\d,]+) of") == rows
        outputs.append(told.text)
    first, again = (re.search(r"Payment +Payment +.*", text)[0].split() for text in outputs)
    assert first[2:4] == [str(rows), str(rows)]
    assert again != first
    decided = [text.split("fraud: ")[1] for text in outputs]
    assert decided[0] == decided[1]
    with Platform.open(own) as platform:
        assert len(platform.catalog.loads.recent(source="Payment", limit=9)) == 1
        assert not (own / STAMP).exists(), "a bank was made beside somebody's own files"


@pytest.mark.parametrize("text", [None, "[project", '[project]\nname = "x"\nclock = 3\n'])
def test_own_files_that_cannot_be_read_are_told(tmp_path, text):
    own = tmp_path / "own"
    own.mkdir()
    if text is not None:
        (own / "heptad.toml").write_text(text, encoding="utf-8")
    done = run(own, more=["--data", "own/heptad.toml"])
    assert done.returncode not in (0, 1)
    assert str(own) in done.stderr or "heptad.toml" in done.stderr
    assert "do:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make: apt-get install make")
def test_make_hands_over_what_is_asked():
    root = Path(__file__).parents[2]
    asked = ["SEED=8", "SIZE=10", "SERVE=no", "REAL=yes", "DEMO=there", "DATA=own/heptad.toml"]
    done = subprocess.run(
        ["make", "-n", "demo", *asked], cwd=root, capture_output=True, text=True, check=True
    )
    words = done.stdout.replace("\\\n", " ").split()
    given = dict(pairwise(words))
    assert [given[f"--{n}"] for n in ("seed", "size", "serve", "real", "folder", "data")] == [
        "8", "10", "no", "yes", "there", "own/heptad.toml"
    ]  # fmt: skip


def test_the_day_after_the_history_is_the_live_day():
    """The claims above count on the demo's own bank."""
    assert date.fromordinal(START.toordinal() + DAYS).isoformat() == "2026-11-01"
