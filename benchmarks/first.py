# SPDX-License-Identifier: Apache-2.0
"""From a stranger's CSV to a first decision: the commands of the how-to page, each in its process."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.harness import Row

WORDS = {"OK": "authorised", "KO": "declined"}
"""What the person who knows the file fills in where `heptad init` asks for it."""


def write_payments(path: Path, rows: int, seed: int) -> None:
    """Write payments as another system does: local times, decimal commas, words of its own."""
    draw, start = random.Random(seed), datetime(2025, 3, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        file.write("Reference;Booked;Client;Shop;Country;Value;Result\n")
        for n in range(rows):
            booked = start + timedelta(seconds=n * 31_000_000 // rows)
            value = f"{draw.randrange(1, 900)},{draw.randrange(100):02d}"
            file.write(
                f"P-{n:07d};{booked:%d/%m/%Y %H:%M};C{draw.randrange(rows // 20)};"
                f"Shop {draw.randrange(500)};{draw.choice(('ES', 'FR', 'PT'))};{value};"
                f"{draw.choices(('OK', 'KO'), (97, 3))[0]}\n"
            )


def first_rows(*, quick: bool, seed: int) -> list[Row]:
    """Bind, load and decide; the words are filled in as the comments of the project file say."""
    rows = 20_000 if quick else 200_000
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        write_payments(Path(scratch, "payments.csv"), rows, seed)

        def heptad(name: str, *words: str) -> str:
            start = time.perf_counter()
            command = [str(Path(sys.executable).with_name("heptad")), *words]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            spent[name] = time.perf_counter() - start
            if done.returncode:
                raise SystemExit(f"heptad {' '.join(words)}: {done.stderr}")
            return done.stdout

        heptad("init", "init", "shop", "--from", "payments.csv")
        project = Path(scratch, "shop", "heptad.toml")
        text = project.read_text(encoding="utf-8")
        for word, meant in WORDS.items():
            asked = f'# "{word}" = "…"'
            assert asked in text, text
            text = text.replace(asked, f'"{word}" = "{meant}"')
        project.write_text(text, encoding="utf-8")
        loaded = json.loads(heptad("load", "-p", "shop", "load", "--json"))
        decided = json.loads(
            heptad("decide", "-p", "shop", "decide", "fraud", "P-0000007", "--json")
        )
    assert "P-0000007" in json.dumps(decided), decided
    assert f'"accepted": {rows}' in json.dumps(loaded), loaded
    what = f"a foreign CSV of {rows:,} payments bound, loaded and a first one decided"
    return [Row("first", what, sum(spent.values()) / 60, "minutes", detail=spent)]
