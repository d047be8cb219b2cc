# SPDX-License-Identifier: Apache-2.0
"""Hold a hundred thousand generated rules to one answer for a row, a batch and SQL, some at a time.

    nice python -m tests.engine.parity_soak TOLD [--rules 100000] [--minutes 9]

Each seed that was tried is a line of JSON in the file TOLD, with a digest of the code that was tried,
and is not tried again while the code is the same. Exits 1 at the first rule that has two answers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine.test_parity import Wide, parted
from tests.engine.test_sql_expressions import DUCK, SCHEMA, bits

import heptad
from heptad.standards.evaluate import resolve
from heptad.standards.generated import compile_all

if TYPE_CHECKING:
    from heptad.standards.expression import Expression

FIRST = 1_000_000
"""The first seed; the others follow it."""
RULES, OTHERS, ROWS = 40, 10, 12
"""Of each seed: conditions, expressions of numbers and amounts, and rows."""
DEPTHS = (1, 1, 2, 2, 2, 2, 3, 3, 3, 4)
"""How deep expressions are nested: as people write them, and some deeper."""
CODE = ("standards", "engine/batch", "engine/sql")


def grown(seed: int) -> tuple[list[Expression], list[Expression], list[dict[str, object]]]:
    """Return the conditions, the other expressions and the rows of a seed."""
    grower = Wide(seed)
    kinds = [kind for kind in DUCK if kind != "flag"]
    rules = [grower.tree("flag", grower.random.choice(DEPTHS)) for _ in range(RULES)]
    others = [
        grower.tree(grower.random.choice(kinds), grower.random.choice(DEPTHS))
        for _ in range(OTHERS)
    ]
    return rules, others, [grower.row() for _ in range(ROWS)]


def tried(seed: int) -> None:
    """Try the rules of a seed: each alone as a row, as a batch and as SQL, and all as one function.

    Raises:
        AssertionError: naming the seed, the rule and the row.
    """
    rules, others, rows = grown(seed)
    trees = [*rules, *others]
    fires: list[list[int]] = [[] for _ in rows]
    for at, (row, batch, sql) in enumerate(parted(trees, rows)):
        n, i = divmod(at, len(rows))
        if not bits(row) == bits(sql) == bits(batch):
            raise AssertionError((seed, str(trees[n]), rows[i], row, batch, sql))
        if n < len(rules) and row is True:
            fires[i].append(n)
    together = compile_all([resolve(tree, SCHEMA) for tree in rules])
    for row_, alone in zip(rows, fires, strict=True):
        if together(row_) != alone:
            raise AssertionError((seed, row_, alone, together(row_)))


def digest() -> str:
    """Return a digest of the code that gives the answers."""
    folder = Path(heptad.__file__).parent
    files = sorted(f for part in CODE for f in (folder / part).rglob("*.py"))
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def soak(told: Path, rules: int, minutes: float) -> int:
    """Go on until so many rules were tried or the time is over; return how many were."""
    code, end = digest(), time.monotonic() + 60 * minutes
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    done = {line["seed"] for line in map(json.loads, lines) if line["code"] == code}
    seed = FIRST
    with told.open("a", encoding="utf-8") as file:
        while len(done) * RULES < rules and time.monotonic() < end:
            if seed not in done:
                tried(seed)
                done.add(seed)
                file.write(json.dumps({"seed": seed, "code": code, "rules": RULES}) + "\n")
                file.flush()
            seed += 1
    return len(done) * RULES


def distinct(rules: int) -> int:
    """Return how many of the first so many rules are not the same as another one."""
    seeds = range(FIRST, FIRST + rules // RULES)
    return len({str(tree) for seed in seeds for tree in grown(seed)[0]})


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("told", type=Path)
    parser.add_argument("--rules", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=9)
    given = parser.parse_args()
    begun = time.monotonic()
    try:
        n = soak(given.told, given.rules, given.minutes)
    except AssertionError as error:
        sys.exit(f"two answers: {error}")
    spent = time.monotonic() - begun
    print(f"{n:,} rules tried, code {digest()}, {spent:.0f} s", end="")
    print(f", {distinct(n):,} of them distinct" if n >= given.rules else "; run it again to go on")


if __name__ == "__main__":
    main()
