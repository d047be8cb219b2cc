# SPDX-License-Identifier: Apache-2.0
"""The simulated bank of the demo: its history loaded, its model trained, its live day decided."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError
from heptad.standards.time import FixedClock, day, minute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import httpx

    from heptad.catalog.loading import LoadReport
    from heptad.runtime import Platform
    from heptad.service.training import Trained
    from heptad.sources.bank import Arrival, Bank

START, DAYS, CUSTOMERS = date(2025, 10, 1), 396, "HEPTAD_DEMO_CUSTOMERS"
STEP = 60 * minute
"""Simulated time of one micro-batch."""
STAMP, TAKEN = "bank.json", "demo/batches"


@dataclass
class Day:
    """What arrived on the live day: how many rows, and the keys of those that came late."""

    rows: int = 0
    late_keys: list[str] = field(default_factory=list)


def make(folder: Path, *, seed: int, size: int) -> Bank:
    """Write the bank's exports into a project folder, unless they are there."""
    from heptad.sources.bank import Bank
    from heptad.sources.bank.files import write_exports

    bank = Bank(customers(size), seed, START, DAYS)
    stamp = folder / STAMP
    wanted = {"seed": seed, "customers": customers(size), "start": START.isoformat(), "days": DAYS}
    if not (stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        # Stopped half-way, the folder is known as this bank's, and its files are written again.
        stamp.write_text(json.dumps(wanted | {"unfinished": True}), encoding="utf-8")
        write_exports(bank, folder)
        stamp.write_text(json.dumps(wanted), encoding="utf-8")
    return bank


def customers(size: int) -> int:
    """Return how many customers the bank has; tests set fewer."""
    return int(os.environ.get(CUSTOMERS, "5000")) * size


def fits(folder: Path, *, seed: int, size: int) -> bool:
    """Tell whether a folder holds this bank or nothing."""
    stamp = folder / STAMP
    if not stamp.exists():
        return not folder.exists() or not any(folder.iterdir())
    found = json.loads(stamp.read_text(encoding="utf-8"))
    return bool(found["seed"] == seed and found["customers"] == customers(size))


def load(platform: Platform, progress: Callable[[str, float], None] | None) -> list[LoadReport]:
    """Load the history."""
    return platform.load(progress=progress)


def train(platform: Platform, bank: Bank) -> Trained | None:
    """Train the credit scorecard on what is known at the end of the history; let it decide.

    Returns:
        The model with its figures, or None if one is in use already.
    """
    if platform.catalog.models.champion("credit") is not None:
        return None
    end = int(bank.world.end)
    trained = platform.train("credit", until=end, known=end, seed=0, trainer="demo trainer")
    (model,) = platform.catalog.models.recent(app="credit", limit=1)
    platform.catalog.models.approve(model.id, "demo approver", "held-out figures reviewed")
    platform.catalog.models.promote(model.id, "champion", "demo approver", "first model")
    return trained


@contextmanager
def served(platform: Platform) -> Iterator[httpx.Client]:
    """Serve the project on a free port of this machine, and give a client of it."""
    import httpx
    import uvicorn

    from heptad.terminal.http.api import public

    config = uvicorn.Config(public(platform), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the demo's server did not start")
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def batches(bank: Bank) -> Iterator[tuple[str, list[Arrival]]]:
    """Yield the live day as micro-batches of one table each, in order of arrival."""
    waiting: dict[str, list[Arrival]] = {}
    edge = 0
    for arrival in bank.live():
        if arrival.instant >= edge:
            yield from waiting.items()
            waiting, edge = {}, (arrival.instant // STEP + 1) * STEP
        waiting.setdefault(arrival.table, []).append(arrival)
    yield from waiting.items()


def live(platform: Platform, bank: Bank, progress: Callable[[float], None]) -> Day:
    """Post the live day over HTTP, each row known when it arrives, and have it decided."""
    out = Day()
    clock = platform.clock
    if not isinstance(clock, FixedClock):
        raise TypeError("a simulated day needs the project's simulated clock")
    end = int(bank.world.end)
    # Posted again, a row would undo its own correction: what came before has been taken.
    taken = int(platform.catalog.settings.get(TAKEN, 0))
    with served(platform) as client:
        for number, (table, arrivals) in enumerate(batches(bank), 1):
            _count(arrivals, out)
            if number > taken:
                clock.set(arrivals[-1].instant)
                _post(client, table, arrivals)
                platform.keep_clock()
                platform.catalog.settings.raise_to(TAKEN, number)
            progress(min((arrivals[-1].instant - end) / day, 1.0))
    return out


def _count(arrivals: Sequence[Arrival], out: Day) -> None:
    """Count what arrives."""
    out.rows += len(arrivals)
    out.late_keys += [json.loads(a.line)["id"] for a in arrivals if a.remark == "late"]


def _post(client: httpx.Client, table: str, arrivals: Sequence[Arrival]) -> None:
    """Post one micro-batch, which stores and decides it."""
    response = client.post(
        f"/v1/tables/{table}/rows",
        content=b"\n".join(a.line for a in arrivals),
        headers={"Content-Type": "application/x-ndjson"},
    )
    answer: dict[str, Any] = response.json()
    if response.is_error:
        raise InputError(
            f"The server refused rows of {table}.",
            got=answer.get("detail"),
            do=answer.get("do", ""),
        )
