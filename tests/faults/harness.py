# SPDX-License-Identifier: Apache-2.0
"""The fault harness: every storage call of a piece of work meets every fault.

How to use it for a new store: write a `Work` (workload.py) that names its steps and says what must
hold, give it to `Harness`, and call

    harness.fail(mode, most)      each call fails (eio, enospc, short), fails from then on (persist,
                                  full), or is the last of the process (kill)
    harness.lose(most)            power loss before each call, by the model of recording.py: what is
                                  left is only what was synced; and, drawn, more than that, torn
    harness.fail_syncs(most)      each sync fails, the client goes on, then the power fails
    harness.forget(most)          a process ends before each sync, another goes on with what the
                                  system remembers and the disk does not hold, then the power fails
    harness.cut(disk, most)       power loss before each call on a real file system (needs root)
    harness.die(disk, most)       the same, but the process lives on and its client asks again;
                                  with mode "lies", during each sync, which says it has succeeded

Each returns a `Tally`. `most` bounds how many calls are tried, spread evenly: sampled in CI, all of
them in `make soak`. After each fault a process of its own opens the store and checks it; see
workload.py for what must hold. fault.c is preloaded into the nursery, whose children do the work.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from injector import Disk, Injector, Outcome, sampled
from recording import calls, losses
from workload import TRIES, refusals, told

if TYPE_CHECKING:
    from pathlib import Path

    from recording import Call

NOWHERE = "/nonexistent"
LIMIT_S = 120


@dataclass
class Tally:
    """What was tried: points, how many ended in a refusal that the client saw, what was told."""

    total: int
    points: int = 0
    refused: int = 0
    told: int = 0
    codes: set[str] = field(default_factory=set)

    def add(self, acks: Path) -> None:
        codes = refusals(acks)
        self.points += 1
        self.refused += bool(codes)
        self.codes |= set(codes)
        self.told += len(told(acks))


class Harness:
    """One piece of work, done once undisturbed, then again and again with a fault.

    Args:
        injector: has imported the module of the work.
        work: `module:Class`.
        folder: for what it writes; quick storage is best.

    Attributes:
        calls: storage calls of the undisturbed run.
        seconds: that it took.
        recorded: what the calls were.
        part: which of how many parts of the points are tried, (0, 1) for all of them.
    """

    def __init__(self, injector: Injector, work: str, folder: Path) -> None:
        self.work, self._injector, self._folder = work, injector, folder
        self.part = (0, 1)
        self.home, self._base = folder / "home", folder / "base"
        self._acks, self._calm = folder / "acks", folder / "calm.json"
        self._record = folder / "record"
        folder.mkdir(parents=True, exist_ok=True)
        self._do("prepare", [self._base], "")
        self._reset()
        calm = folder / "calm.record"
        began = time.monotonic()
        self.calls = self._perform(self.home, self.home, record=calm).calls
        self.seconds = time.monotonic() - began
        self.steps = len(told(self._acks))
        self.verify(self.home)
        self.recorded = calls(calm)

    def points(self, most: int) -> list[int]:
        """Numbers of the calls to try."""
        return self._mine(sampled(self.calls, most))

    def _mine(self, points: list[int]) -> list[int]:
        which, of = self.part
        return points[which::of]

    def fail(self, mode: str, most: int) -> Tally:
        """Let each call in turn meet a fault."""
        tally = Tally(self.calls)
        for nth in self.points(most):
            with self._at(f"{mode} at call {nth} of {self.calls}"):
                self._reset()
                outcome = self._perform(self.home, self.home, nth, mode)
                expected = {"killed"} if mode == "kill" else {"done"}
                if nth > self.calls * 0.8:  # what is written at last may differ from run to run
                    expected.add("done")
                assert outcome.status in expected, outcome.status
                if mode in ("eio", "enospc", "short"):
                    assert len(told(self._acks)) == self.steps, self._acks.read_text()
                self.verify(self.home)
                tally.add(self._acks)
        return tally

    def lose(self, most: int, seed: int | None = None) -> Tally:
        """Let the power fail before each call, and leave what the model of a disk says.

        Args:
            most: how many calls are tried.
            seed: if given, what was not synced is there in part, drawn and torn; else not at all.
        """
        chance = None if seed is None else random.Random(seed)
        self._reset()
        total = len(self._made())
        wanted, tally = set(self._mine(sampled(total + 1, most))), Tally(total)
        for nth, disk, noted in losses(self.home, self.recorded):
            if nth in wanted:
                kind = "strictly" if chance is None else f"torn, seed {seed}"
                with self._at(f"power lost ({kind}) before call {nth} of {total}"):
                    disk.lose(self.home, chance)
                    self._acks.write_text("".join(f"{note}\n" for note in noted))
                    self.verify(self.home)
                    tally.add(self._acks)
        return tally

    def fail_syncs(self, most: int, tries: int = TRIES) -> Tally:
        """Let each sync in turn fail; the client goes on; then the power fails.

        Args:
            most: how many syncs are tried.
            tries: how often the client asks before it opens the store anew.
        """
        total = sum(call.kind == "S" for call in self.recorded)
        tally = Tally(total)
        for nth in sampled(total, most):
            with self._at(f"sync {nth} of {total} failed, then the power"):
                self._reset()
                self._record.unlink(missing_ok=True)
                outcome = self._perform(
                    self.home, self.home, nth, "sync", record=self._record, tries=tries
                )
                assert outcome.status == "done", outcome.status
                assert len(told(self._acks)) == self.steps, self._acks.read_text()
                self._lose_recorded()
                tally.add(self._acks)
        return tally

    def forget(self, most: int) -> Tally:
        """Let a process end before each sync, another one go on, and the power fail at its first word.

        The second finds what the first wrote and never synced, and must not answer from it.
        """
        syncs = [n for n, call in enumerate(self._made(), 1) if call.kind == "S"]
        tally = Tally(len(syncs))
        for nth in sampled(len(syncs), most):
            with self._at(f"killed before sync {nth} of {len(syncs)}, gone on, then the power"):
                self._reset()
                self._record.unlink(missing_ok=True)
                self._perform(self.home, self.home, syncs[nth - 1], "kill", record=self._record)
                before = len(told(self._acks))
                outcome = self._perform(self.home, self.home, record=self._record)
                assert outcome.status == "done", outcome.status
                assert len(told(self._acks)) == self.steps, self._acks.read_text()
                self._lose_recorded(before + 1)
                tally.add(self._acks)
        return tally

    def cut(self, disk: Disk, most: int) -> Tally:
        """Let the power of a real file system fail before each call."""
        tally = Tally(self.calls)
        for nth in self.points(most):
            with self._at(f"{disk.kind} lost power before call {nth} of {self.calls}"):
                self._acks.unlink(missing_ok=True)
                disk.wipe()
                with disk.mounted() as mount:
                    shutil.copytree(self._base, mount / "home")
                    disk.settle()
                    outcome = self._perform(mount / "home", mount, nth, "power", mount)
                if nth <= self.calls * 0.8:
                    assert outcome.status == "killed", outcome.status
                with disk.mounted() as mount:
                    self.verify(mount / "home")
                tally.add(self._acks)
        return tally

    def die(self, disk: Disk, most: int, mode: str = "dies") -> Tally:
        """Let a real file system drop what is not on it, under a process that lives on.

        The client asks again, also through a store that the same process opens anew.

        Args:
            disk: the file system.
            most: how many calls are tried.
            mode: "dies" before each call; "lies" during each sync, which says it has succeeded.
        """
        lies = mode == "lies"
        total = sum(call.kind == "S" for call in self.recorded) if lies else self.calls
        tally = Tally(total)
        for nth in sampled(total, most):
            with self._at(f"{disk.kind} {mode} at call {nth} of {total}"):
                self._acks.unlink(missing_ok=True)
                disk.wipe()
                with disk.mounted() as mount:
                    shutil.copytree(self._base, mount / "home")
                    disk.settle()
                    outcome = self._perform(mount / "home", mount, nth, mode, mount)
                # What maps a file of a dead xfs is ended by the system; it told nobody anything.
                assert outcome.status in ("done", "killed"), outcome.status
                with disk.mounted() as mount:
                    self.verify(mount / "home")
                tally.add(self._acks)
        return tally

    def cut_at_random(self, disk: Disk, cuts: int, seed: int = 0) -> Tally:
        """Let the power of a real file system fail at random instants of the work."""
        drawn, tally = random.Random(seed), Tally(self.calls)
        for n in range(cuts):
            moment = drawn.uniform(0, self.seconds)
            with self._at(f"{disk.kind} lost power for the {n + 1}. time, after {moment:.3f} s"):
                self._acks.unlink(missing_ok=True)
                disk.wipe()
                with disk.mounted() as mount:
                    shutil.copytree(self._base, mount / "home")
                    disk.settle()
                    power = threading.Timer(moment, disk.cut)
                    power.start()
                    outcome = self._perform(mount / "home", mount)
                    power.join()
                assert outcome.status in ("done", "killed"), outcome.status
                with disk.mounted() as mount:
                    self.verify(mount / "home")
                tally.add(self._acks)
        return tally

    def verify(self, home: Path) -> None:
        """Let a fresh process open the store, check it, and go on to the end."""
        outcome = self._do("verify", [self.work, home, self._acks, self._calm])
        assert outcome == "done", outcome

    def _perform(
        self,
        home: Path,
        watched: Path,
        nth: int = 0,
        mode: str = "",
        mount: Path | None = None,
        record: Path | None = None,
        tries: int = TRIES,
    ) -> Outcome:
        work = "workload:perform"
        arguments = [self.work, home, self._acks, tries]
        return self._injector.run(
            work, arguments, watched, nth, mode, mount, record=record, limit_s=LIMIT_S
        )

    def _do(self, function: str, arguments: list, expected: str | None = None) -> str:
        if function == "prepare":
            arguments = [self.work, *arguments]
        outcome = self._injector.run(f"workload:{function}", arguments, NOWHERE, limit_s=LIMIT_S)
        if expected is not None:
            assert outcome.status == "done", outcome.status
        return outcome.status

    def _made(self) -> list[Call]:
        """The storage calls of the undisturbed run."""
        return [call for call in self.recorded if call.kind != "!"]

    def _lose_recorded(self, words: int = 0) -> None:
        """Let the power fail after what was recorded, or after so many words; check what is left."""
        self._copy(self._base, self.home)
        for _, at, noted in losses(self.home, calls(self._record)):
            disk = at
            if words and len(noted) >= words:
                self._acks.write_text("".join(f"{note}\n" for note in noted))
                break
        disk.lose(self.home)
        self.verify(self.home)

    def _reset(self) -> None:
        self._acks.unlink(missing_ok=True)
        self._copy(self._base, self.home)

    @staticmethod
    def _copy(base: Path, home: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(base, home)

    def _at(self, where: str) -> _Where:
        return _Where(f"{self.work}: {where}")


class _Where:
    """Says of an error at which fault it came."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(self._where)
