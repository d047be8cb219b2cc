# SPDX-License-Identifier: Apache-2.0
"""`python -m heptad.terminal.demo`, as `make demo` calls it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from heptad.standards.errors import HeptadError
from heptad.terminal import show


def main() -> int:
    """Run the demo; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--serve", choices=("yes", "no"), default="yes")
    parser.add_argument("--real", choices=("yes", "no"), default="no")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--data", type=Path, default=None, help="your own heptad.toml")
    given = parser.parse_args()
    from heptad.terminal.demo.own import run_own
    from heptad.terminal.demo.story import run_demo

    folder: Path = given.folder
    try:
        if given.data is not None:
            folder = given.data.resolve().parent
            held = run_own(folder)
        else:
            held = run_demo(folder, seed=given.seed, size=given.size, fetch=given.real == "yes")
        if held and given.serve == "yes":
            from heptad.terminal.serve import run

            run(folder, host="127.0.0.1", port=given.port)
    except HeptadError as error:
        show.show_error(error)
        return error.exit
    except KeyboardInterrupt:
        show.console(error=True).print("stopped; what was acknowledged is kept")
        return 130
    return 0 if held else 9


if __name__ == "__main__":
    sys.exit(main())
