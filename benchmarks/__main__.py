# SPDX-License-Identifier: Apache-2.0
"""Run the rows of an area and say which targets hold; exits 1 if one does not."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from benchmarks.harness import Row, keep, table

AREAS = ("platform", "features", "care", "decisions", "credit", "recommend")


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("area", choices=(*AREAS, "all"))
    parser.add_argument("rows", nargs="*", help="names of rows; all by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--require-data", action="store_true", help="fail where data are absent")
    given = parser.parse_args()
    missed = False
    for area in AREAS if given.area == "all" else (given.area,):
        module = import_module(f"benchmarks.{area}")
        names = given.rows or list(module.ROWS)
        rows: list[Row] = []
        for name in names:
            print(f"{area} {name} …", file=sys.stderr, flush=True)
            found = module.ROWS[name](quick=given.quick, seed=given.seed)
            if found:
                # At once, so that a run that is broken off goes on with the next name.
                kept = keep(area, found, seed=given.seed, quick=given.quick)
                print(f"kept in {kept}", file=sys.stderr)
            rows += found
        print(table(rows))
        missed |= any(row.holds is False for row in rows)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
