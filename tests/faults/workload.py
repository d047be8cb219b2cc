# SPDX-License-Identifier: Apache-2.0
"""What a client does with a store that may fail at any instant, and what must be so afterwards.

A piece of work is a list of named steps. The client is told each step's answer when it is
acknowledged. What it heard nothing of it asks for again: once more, then through a store opened
anew. After the fault a fresh process opens the store: everything that was told must be there, once;
every step, told or not, answers as before when it is asked again; and the end is that of a run in
which nothing failed.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import outside

from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    Steps = Iterable[tuple[str, Callable[[], Any]]]

TRIES = 2
"""How often a step is asked for before the store is opened anew."""


class Work:
    """One piece of work; each kind of store has its own."""

    def prepare(self, home: Path) -> None:
        """Make what is there, durable, before the work begins."""
        home.mkdir(parents=True, exist_ok=True)

    def open(self, home: Path, told: dict[str, Any]) -> AbstractContextManager[Any]:
        """Open the store as its owner does, recovering what a crash left."""
        raise NotImplementedError

    def steps(self, store: Any) -> Steps:
        """Name each step and how to do it; done again, it answers as the first time."""
        raise NotImplementedError

    def check(self, store: Any, told: dict[str, Any]) -> None:
        """Assert that nothing told is lost, and nothing is there twice."""

    def end(self, store: Any) -> Any:
        """Return what must be the same after every course of events, as JSON."""
        raise NotImplementedError


def find(name: str) -> Work:
    """Return the work named `module:Class`."""
    module, _, kind = name.partition(":")
    found = getattr(importlib.import_module(module), kind)()
    assert isinstance(found, Work)
    return found


def told(acks: Path) -> dict[str, Any]:
    """What the client was told: answer by step."""
    lines = acks.read_text().splitlines() if acks.exists() else []
    return dict(ack["told"] for ack in map(json.loads, lines) if "told" in ack)


def refusals(acks: Path) -> list[str]:
    """The codes of the errors that the client met."""
    lines = acks.read_text().splitlines() if acks.exists() else []
    return [ack["refused"][1] for ack in map(json.loads, lines) if "refused" in ack]


class _Client:
    """Remembers what it was told, where no fault reaches it."""

    def __init__(self, acks: str, tries: int) -> None:
        self._tries = tries
        self._acks = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._library = ctypes.CDLL(None)
        self.told = told(Path(acks))

    def hear(self, step: str, answer: Any) -> None:
        self.told[step] = answer
        self._note({"told": [step, answer]})

    def meet(self, step: str, refusal: HeptadError) -> None:
        self._note({"refused": [step, refusal.code, str(refusal.got)]})

    def _note(self, what: dict[str, Any]) -> None:
        line = json.dumps(what)
        os.write(self._acks, line.encode() + b"\n")
        if hasattr(self._library, "fault_note"):
            self._library.fault_note(line.encode())

    def ask(self, step: str, do: Callable[[], Any]) -> None:
        """Ask until it is told, some times at most."""
        for left in reversed(range(self._tries)):
            try:
                answer = do()
            except HeptadError as refusal:
                self.meet(step, refusal)
                if not left:
                    raise
            else:
                self.hear(step, answer)
                return


def prepare(name: str, home: str) -> None:
    """Make what the work begins with."""
    find(name).prepare(Path(home))


def perform(name: str, home: str, acks: str, tries: int = TRIES) -> None:
    """Do the whole work, from where the client stands."""
    outside.ACKS[0] = acks
    work, client = find(name), _Client(acks, tries)
    for _ in range(TRIES + 1):
        try:
            with work.open(Path(home), client.told) as store:
                for step, do in work.steps(store):
                    if step not in client.told:
                        client.ask(step, do)
        except HeptadError as refusal:
            client.meet("open", refusal)
        else:
            return


def verify(name: str, home: str, acks: str, calm: str) -> None:
    """Check the store after a fault, ask for every step again, and compare the end."""
    outside.ACKS[0] = acks
    work, heard = find(name), told(Path(acks))
    with work.open(Path(home), dict(heard)) as store:
        work.check(store, heard)
        for step, do in work.steps(store):
            answer = json.loads(json.dumps(do()))
            assert answer == heard.setdefault(step, answer), (step, answer, heard[step])
        work.check(store, heard)
        end = json.loads(json.dumps(work.end(store)))
    path = Path(calm)
    if not path.exists():
        path.write_text(json.dumps(end))
    assert end == json.loads(path.read_text()), (end, path.read_text()[:2000])


def warm() -> None:
    """Nothing to import."""


def main() -> None:
    """Run a function of this module in a process of its own: NAME FUNCTION ARGUMENTS…."""
    sys.path.insert(0, str(Path(__file__).parent))
    globals()[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
