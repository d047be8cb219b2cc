# SPDX-License-Identifier: Apache-2.0
"""The quick way of a small project: rows taken into the journal, decided, and stored later."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from path_work import PathWork, _ids, _loaded, _nothing, end, warmed

from heptad.runtime import Platform
from heptad.service.decisions.quick import quickened
from heptad.standards.time import second

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workload import Steps

    from heptad.service.decisions.quick import Quick
    from heptad.service.decisions.taking import Ask, Taken


def warm() -> None:
    """Import all that the work will need; see `path_work.warm`."""
    warmed("quick_work:QuickWork")


class Inline:
    """The quick way in the caller's own thread, so that every run makes the same storage calls."""

    def __init__(self, quick: Quick) -> None:
        self.quick = quick
        quick.current.build()

    def ask(self, ask: Ask) -> Taken | None:
        found, _ = self.quick._served([ask])
        return found.get(ask)

    def stop(self) -> None:
        """Leave what waits in the journal: whoever opens the project next stores it."""


class QuickWork(PathWork):
    """Rows posted the quick way, stored in between, then corrected, merged, and posted again."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Platform]:
        with Platform.open(home) as platform:
            parts = platform._stores, platform.apps, platform.reads, platform.desk, platform.guard
            platform.intake.quick = Inline(quickened(*parts))  # type: ignore[assignment]
            yield platform

    def steps(self, store: Platform) -> Steps:
        for source in store.project.sources:
            yield f"load {source.name}", lambda name=source.name: _loaded(store, name)
        filed = [f"p{n}" for n in range(self.FILED)]
        yield "decide", lambda: _ids(store.decide("fraud", keys=filed))
        for n in (2, 3, 4):
            yield f"post {n}", lambda n=n: self._post(store, n)
        yield "store", lambda: _stored(store)
        yield "ask 5", lambda: self._ask(store, 5)
        yield "post 6", lambda: self._post(store, 6)
        yield "correct", lambda: self._correct(store)
        yield "post 20", lambda: self._post(store, 20)
        yield "compact", lambda: _nothing(store.compact("Payment"))
        yield "ask 21", lambda: self._ask(store, 21)
        yield "post 22", lambda: self._post(store, 22)

    def check(self, store: Platform, told: dict[str, Any]) -> None:
        """No answered row is lost or doubled, beside what holds of every path."""
        super().check(store, told)
        keys = store.read("Payment", version=store.lake.version("Payment")).column("id").to_pylist()
        for step, answer in told.items():
            kind, _, number = step.partition(" ")
            if kind in ("post", "ask") and answer is not None:
                assert keys.count(f"p{number}") == 1, (step, keys)

    def end(self, store: Platform) -> Any:
        """Compare to the second: what is asked again after a fault takes an instant of its own.

        The simulated clock stands still meanwhile, so the next row is known a microsecond later.
        """
        return end(store, tick=second)


def _stored(platform: Platform) -> None:
    """Store what waits, and tidy up."""
    platform._stores.pending.pour_all()
    platform.log.settle()
    platform._stores.pending.trim()
