# SPDX-License-Identifier: Apache-2.0
"""Runs: done once, taken over from the dead, never from the living."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from heptad.catalog import Catalog, processes
from heptad.standards.errors import Busy, Conflict, ContractError, Refused, UnknownName
from heptad.standards.time import FixedClock, hour
from tests.catalog.conftest import NOON

if TYPE_CHECKING:
    from pathlib import Path

DATE = "2026-03-01"


def reopened(catalog: Catalog, target: str, tmp_path: Path) -> Catalog:
    """The catalog as the next process finds it after a kill."""
    return Catalog(target, models=tmp_path / "models", clock=catalog.store.clock)


class TestOnce:
    def test_a_finished_run_is_returned(self, catalog: Catalog, clock: FixedClock) -> None:
        run = catalog.runs.start("score", DATE)
        assert (run.status, run.attempt, run.started, run.finished) == ("running", 1, NOON, False)
        clock.set(NOON + hour)
        done = catalog.runs.finish(
            run.id, {"scored": 5}, inputs={"Payment": 3}, outputs={"Score": 1}
        )
        assert (done.result, done.ended, done.finished) == ({"scored": 5}, NOON + hour, True)
        assert (done.inputs, done.outputs) == ({"Payment": 3}, {"Score": 1})
        assert catalog.runs.start("score", DATE) == done
        assert catalog.runs.resume(run.id) == done
        assert catalog.runs.start("score", DATE, "again").id != run.id
        assert catalog.runs.start("score", "2026-03-02").id != run.id

    def test_a_running_one_is_not_started_twice(self, catalog: Catalog) -> None:
        run = catalog.runs.start("score", DATE)
        with pytest.raises(Busy, match="running"):
            catalog.runs.start("score", DATE)
        assert catalog.runs.resume(run.id) == run
        assert catalog.runs.resumable() == []

    def test_a_failed_one_starts_again(self, catalog: Catalog) -> None:
        run = catalog.runs.start("score", DATE)
        catalog.runs.done(run.id, "read", 5)
        failed = catalog.runs.fail(run.id, Refused("No purpose."))
        assert failed.error is not None
        assert failed.error["detail"] == "No purpose."
        again = catalog.runs.start("score", DATE)
        assert (again.id, again.attempt, again.status) == (run.id, 2, "running")
        assert (again.error, again.ended) == (None, None)
        assert again.steps["read"].done

    def test_as_a_block(self, catalog: Catalog) -> None:
        def broken() -> None:
            with catalog.runs.running("score", DATE):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            broken()
        assert catalog.runs.recent()[0].status == "failed"
        for _ in range(2):
            with catalog.runs.running("score", DATE) as run:
                if not run.finished:
                    catalog.runs.finish(run.id, 1)
        assert catalog.runs.get(run.id).attempt == 2

        def broken_after_the_end() -> None:
            with catalog.runs.running("score", DATE):
                raise RuntimeError

        with pytest.raises(RuntimeError):
            broken_after_the_end()
        assert catalog.runs.get(run.id).finished


class TestSteps:
    def test_checkpoints(self, catalog: Catalog, clock: FixedClock) -> None:
        run = catalog.runs.start("score", DATE).id
        catalog.runs.checkpoint(run, "read", {"offset": 10})
        clock.set(NOON + hour)
        catalog.runs.checkpoint(run, "read", {"offset": 20})
        catalog.runs.checkpoint(run, "a later step")
        steps = catalog.runs.get(run).steps
        assert list(steps) == ["read", "a later step"]
        assert steps["read"].checkpoint == {"offset": 20}
        assert (steps["read"].started, steps["read"].done) == (NOON, False)
        catalog.runs.done(run, "read", {"rows": 20})
        step = catalog.runs.get(run).steps["read"]
        assert (step.checkpoint, step.ended) == ({"rows": 20}, NOON + hour)
        with pytest.raises(ContractError):
            catalog.runs.checkpoint(run, "read", {1, 2})

    def test_only_while_it_runs(self, catalog: Catalog) -> None:
        run = catalog.runs.start("score", DATE).id
        catalog.runs.finish(run)
        for act in (catalog.runs.checkpoint, catalog.runs.done):
            with pytest.raises(Conflict):
                act(run, "late")
        with pytest.raises(Conflict):
            catalog.runs.fail(run, "late")
        with pytest.raises(UnknownName):
            catalog.runs.checkpoint(99, "x")


class TestTakingOver:
    def test_after_a_kill(self, catalog: Catalog, target: str, tmp_path: Path) -> None:
        dead = catalog.runs.start("score", DATE)
        catalog.runs.done(dead.id, "read", 5)
        with reopened(catalog, target, tmp_path) as next_:
            assert [run.id for run in next_.runs.resumable()] == [dead.id]
            run = next_.runs.start("score", DATE)
            assert (run.id, run.attempt) == (dead.id, 2)
            assert run.steps["read"].checkpoint == 5
            assert next_.runs.resumable() == []
            # What is left of the one before may not write any more.
            for act in (
                lambda: catalog.runs.checkpoint(dead.id, "read", 6),
                lambda: catalog.runs.finish(dead.id),
                lambda: catalog.runs.fail(dead.id, "x"),
            ):
                with pytest.raises(Conflict, match="no longer"):
                    act()
            next_.runs.finish(run.id, "done")
        assert catalog.runs.get(dead.id).result == "done"

    def test_not_from_another_living_process(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sqlite"
        code = (
            "import sys\nfrom heptad.catalog import Catalog\n"
            f"catalog = Catalog({str(path)!r})\n"
            f"catalog.runs.start('score', {DATE!r})\n"
            "print('started', flush=True)\nsys.stdin.read()\n"
        )
        with (
            subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as other,
            Catalog(path) as catalog,
        ):
            assert other.stdout is not None
            assert other.stdout.readline() == b"started\n"
            try:
                assert catalog.runs.resumable() == []
                for _ in range(2):
                    with pytest.raises(Busy):
                        catalog.runs.start("score", DATE)
            finally:
                other.kill()
                other.wait(timeout=10)
            assert [run.id for run in catalog.runs.resumable()] == [1]
            assert catalog.runs.start("score", DATE).attempt == 2

    def test_who_is_alive(self) -> None:
        me = processes.identity("now")
        boot, pid, started, _ = me.split("/")
        assert processes.alive(me, me)
        assert not processes.alive(processes.identity("before"), me)
        parent = os.getppid()
        other = f"{boot}/{parent}/{processes._started(parent)}/x"
        assert processes.alive(other, me)
        assert not processes.alive(f"another boot/{parent}/{processes._started(parent)}/x", me)
        assert not processes.alive(f"{boot}/{parent}/1/x", me)
        assert not processes.alive(f"{boot}/{2**22 + 1}/{started}/x", me)
        assert int(pid) == os.getpid()


def test_lists(catalog: Catalog) -> None:
    for number in range(4):
        catalog.runs.start(("score", "train")[number % 2], f"2026-03-0{number + 1}")
    catalog.runs.finish(1)
    assert [run.id for run in catalog.runs.recent(limit=3)] == [4, 3, 2]
    assert [run.id for run in catalog.runs.recent("train")] == [4, 2]
    assert [run.id for run in catalog.runs.recent(status="finished")] == [1]
    with pytest.raises(UnknownName):
        catalog.runs.get(9)
