# SPDX-License-Identifier: Apache-2.0
"""Erase a person in processes that die at a given point: `FOLDER POINT FOLDER POINT …`.

One program forks them all, before it has opened a project itself: a store's threads would not
live on in a fork.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from heptad.runtime import Platform, discover
from heptad.security.keys import Keys

KILLED = 9
WARM = (
    "heptad.catalog.loading",
    "heptad.engine.local.lake",
    "heptad.engine.local.rows",
    "heptad.service.decisions.desk",
    "heptad.service.decisions.intake",
    "heptad.service.subjects.refused",
    "heptad.service.tracing",
    "sqlalchemy.dialects.sqlite",
)


def die(*_: object, **__: object) -> NoReturn:
    """End at once, with nothing flushed or closed."""
    os._exit(KILLED)


def killed(folder: Path, point: str) -> None:
    """Erase Customer:c1, and die on coming to a holder, a method of the key store, or the end."""
    with Platform.open(folder) as platform:
        holders = {holder.name: type(holder) for holder in platform.erasing.holders}
        erasures = type(platform.catalog.erasures)
        target = (holders[point], "erase") if point in holders else (Keys, point)
        target = (erasures, "finish") if point == "finish" else target
        with patch.object(*target, die):
            platform.erasing.erase(["c1"], "request no. 17", who="clerk", role="admin")


def main(words: list[str]) -> int:
    """Run each in a process of its own; 0 if all died where they should."""
    discover()
    for module in WARM:
        import_module(module)  # once, instead of in each child
    codes = []
    for folder, point in zip(words[::2], words[1::2], strict=True):
        child = os.fork()
        if child == 0:
            try:
                killed(Path(folder), point)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return 0 if set(codes) == {KILLED} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
