# SPDX-License-Identifier: Apache-2.0
"""Payments decided while the clock steps; run under libfaketime, or with a clock of our own.

Run as `python clock_work.py FOLDER OFFSETS`, offsets in seconds with commas, one for each payment;
FAKETIME_TIMESTAMP_FILE names the file that steps the machine's clock. Prints what was decided.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.runtime import Platform
from heptad.security.apikeys import Unauthorised
from heptad.standards.time import format_instant, minute, second
from heptad.terminal.http.access import api_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.standards.time import Clock

PROJECT = '[project]\nname = "clock"\ncurrency = "EUR"\n[engine]\nthreads = 1\n'
WINDOWS = ("count_10m", "count_1h", "spend_1d", "mean_90d")


class Stepped:
    """A clock that is wrong by as much as one says."""

    def __init__(self, true: int) -> None:
        self.true, self.offset = true, 0

    def now(self) -> int:
        return self.true + self.offset


def decided(
    folder: Path,
    offsets: list[int],
    step: Callable[[int, int], None],
    start: int,
    clock: Clock | None,
) -> dict[str, Any]:
    """Let a payment come each minute, whatever the clock says, and decide it.

    Args:
        folder: for the project.
        offsets: how wrong the clock is at each payment, seconds.
        step: told (number, offset) before each payment.
        start: the true time of the first payment, microseconds.
        clock: the platform's; the machine's own by default.
    """
    folder.mkdir()
    folder.joinpath("heptad.toml").write_text(PROJECT)
    made: list[dict[str, Any]] = []
    keys: list[bool] = []
    with Platform.open(folder, clock=clock) as platform:
        issued = api_keys(platform)
        key = issued.issue("short", "admin", ["service"], expires=platform.clock.now() + 3 * minute)
        for n, offset in enumerate(offsets):
            step(n, offset)
            row = {"id": f"p{n}", "event_time": format_instant(start + n * minute), "customer": "c1",
                   "amount": "10.00", "currency": "EUR", "status": "authorised"}  # fmt: skip
            report, opened = platform.accept("Payment", [row])
            assert not report.rejected, report.rejected
            for decision in (entry.decision for entry in opened):
                windows = {name: str(decision.features[name]) for name in WINDOWS}
                made.append({"row": decision.row_key, "outcome": decision.outcome} | windows)
            keys.append(admitted(issued, key.text))
    with Platform.open(folder, clock=clock) as platform:
        entries = list(platform.log.entries())
        replay = platform.replay()
        known = [e.decision.known_time for e in entries]
        arrivals = platform.catalog.loads.recent(limit=1000)
        return {
            "made": made,
            "log": [entry.decision.row_key for entry in entries],
            "replay": [dict(replay.decided), dict(replay.derived)],
            "known": known,
            "arrivals": [load.arrival for load in sorted(arrivals, key=lambda load: load.id)],
            "verified": platform.log.ledger.verify().entries,
            "admitted": keys,
        }


def admitted(keys: Any, text: str) -> bool:
    """Whether an API key is let in now."""
    try:
        keys.authenticate(text)
    except Unauthorised:
        return False
    return True


def main(folder: str, offsets: str) -> None:
    """Step the machine's clock, as this process sees it."""
    from heptad.standards.time import SystemClock

    start = SystemClock().now() - second
    file = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])

    def step(n: int, offset: int) -> None:
        file.write_text(f"{n * 60 + offset:+d}\n")

    told = decided(Path(folder), [int(x) for x in offsets.split(",")], step, start, None)
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
