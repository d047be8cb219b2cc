# SPDX-License-Identifier: Apache-2.0
"""Run by test_loading: load a project and die at one step, without any clean-up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from heptad.catalog import running, staging
from heptad.catalog.loads import Loads
from heptad.engine.local.lake import Lake
from tests.catalog.test_loading import HEAD, World, payment

STEPS = {
    "begun": (Loads, "begin"),
    "written": (staging.Judge, "finish"),
    "refused": (running.Run, "findings"),
    "staged": (Loads, "staged"),
    "landed": (Lake, "commit"),
    "committed": (Loads, "committed"),
}


def main(folder, point):
    """Load, and die once the step is done."""
    owner, name = STEPS[point]
    real = getattr(owner, name)

    def then_die(*args, **more):
        real(*args, **more)
        if point in ("staged", "committed"):
            # The step is durable when its transaction ends.
            args[0]._store.after_commit(lambda: os._exit(9))
            return real(*args, **more) if point == "committed" else None
        os._exit(9)

    setattr(owner, name, then_die)
    world = World(Path(folder))
    world.write("a.csv", HEAD + payment(1) + payment(2) + payment(3, amount="x"))
    world.load()


if __name__ == "__main__":
    main(*sys.argv[1:])
