# SPDX-License-Identifier: Apache-2.0
"""Two writers on one project, a server and a command line, each killed again and again.

Run as `python two_writers.py FOLDER KILLS SEED`. One process serves the project; a client of it
asks for decisions, each with an id of its own, and asks again with the same id until it is
answered; another process drops files and runs `load` and `decide` as the command line does, through
the server or, while that is dead, by opening the project itself. What the clients were told is
written down. Prints what became of it as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import path_work
from path_work import PathWork, payment

from heptad.engine.local.owner import Owner
from heptad.runtime import Platform
from heptad.standards.errors import Busy
from heptad.terminal import serve
from heptad.terminal.connect import call

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = """\
[project]
name = "two-writers"
currency = "EUR"

[engine]
threads = 1

[[source]]
name = "payments"
table = "Payment"
from = "filed-*.csv"
"""
PAUSE_S = 0.05


class Notes:
    """What a client was told, a line each, kept whatever happens to it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hear(self, *what: Any) -> None:
        os.write(self._file, json.dumps(what).encode() + b"\n")


def heard(path: Path) -> list[list[Any]]:
    """Read notes; a line that a kill cut short was not told."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def serving(folder: Path, port: int) -> None:
    """Serve as soon as nobody else holds the project."""
    while True:
        try:
            serve.run(folder, host="127.0.0.1", port=port)
        except Busy:
            time.sleep(PAUSE_S)
        else:
            return


def asking(folder: Path, port: int) -> None:
    """Ask for decisions over HTTP, repeating each until it is answered."""
    path = folder.with_suffix(".asked")
    notes, done = Notes(path), {name for name, *_ in heard(path)}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        for n in count():
            name = f"asked-{n}"
            row = payment(0) | {"id": name, "customer": f"c{n % 4}"}
            while name not in done:
                try:
                    answer = client.post(
                        "/v1/apps/fraud/decide",
                        json={"row": row},
                        headers={"Idempotency-Key": name},
                    )
                except httpx.TransportError:
                    time.sleep(PAUSE_S)
                    continue
                if answer.status_code in (429, 503):
                    time.sleep(PAUSE_S)
                    continue
                assert answer.status_code == 200, answer.text
                body = answer.json()
                notes.hear(name, body["id"], body["outcome"])
                done.add(name)


def commanding(folder: Path, _: int) -> None:
    """Drop a file, load it, decide what it brought, as the command line does; again and again."""
    path = folder.with_suffix(".loaded")
    notes, done = Notes(path), {number for number, *_ in heard(path)}
    for n in count():
        if n in done:
            continue
        rows = [payment(i) | {"id": f"filed-{n}-{i}"} for i in range(3)]
        fresh = folder / f"fresh-{n}"
        path_work._csv(fresh, rows)
        fresh.replace(folder / f"filed-{n:04d}.csv")
        patiently(lambda: call(folder, "load", {}))
        keys = [row["id"] for row in rows]
        patiently(lambda keys=keys: call(folder, "decide", {"app": "fraud", "keys": keys}))
        notes.hear(n, keys)


def patiently(do: Callable[[], Any]) -> Any:
    """Do it until it is not refused as busy."""
    while True:
        try:
            return do()
        except Exception as error:
            if getattr(error, "exit", 1) != Busy.exit:
                raise
            time.sleep(PAUSE_S)


class Worker:
    """A process that is killed and begun again."""

    def __init__(self, work: Callable[[Path, int], None], folder: Path, port: int) -> None:
        self._work, self._folder, self._port = work, folder, port
        self.kills = 0
        self.begin()

    def begin(self) -> None:
        self.pid = os.fork()
        if not self.pid:
            try:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                quiet = os.open(os.devnull, os.O_WRONLY)
                os.dup2(quiet, 1)
                os.dup2(quiet, 2)
                self._work(self._folder, self._port)
            except BaseException:
                failed = self._folder.with_suffix(f".failed-{self._work.__name__}")
                failed.write_text(traceback.format_exc())
            os._exit(3)

    def kill(self) -> None:
        """Kill it, and see that it had not ended by itself."""
        os.kill(self.pid, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        failed = self._folder.with_suffix(f".failed-{self._work.__name__}")
        assert ended == -signal.SIGKILL, failed.read_text()
        self.kills += 1

    def end(self) -> None:
        """Kill it for good."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def wait_for_news(folder: Path, patience_s: float = 20) -> None:
    """Wait until a client is told something more."""
    paths = [folder.with_suffix(name) for name in (".asked", ".loaded")]
    before, until = sum(len(heard(p)) for p in paths), time.monotonic() + patience_s
    while sum(len(heard(p)) for p in paths) == before and time.monotonic() < until:
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(folder: Path) -> dict[str, int]:
    """Open the project as after any kill, and compare it with what was told."""
    asked, loaded = heard(folder.with_suffix(".asked")), heard(folder.with_suffix(".loaded"))
    with Platform.open(folder) as platform:
        PathWork().check(platform, {})
        platform.load()  # of what was told to be loaded, nothing is loaded again
        rows = platform.read("Payment", purpose="service").column("id").to_pylist()
        assert len(set(rows)) == len(rows), "a row is stored twice"
        told_rows = {name for name, *_ in asked} | {row for _, ids in loaded for row in ids}
        assert told_rows <= set(rows), sorted(told_rows - set(rows))[:5]
        made = {entry.public["id"]: entry.public for entry in platform.log.entries()}
        for name, answered, outcome in asked:
            assert answered == name
            assert made[name]["outcome"] == outcome, name
        report = platform.replay()
        assert report.decided == {"identical": len(made)}, report.findings
    return {"asked": len(asked), "loaded": len(loaded), "rows": len(rows), "decisions": len(made)}


def main(home: str, kills: str, seed: str) -> None:
    """Kill one of the two every now and then; check when all is over."""
    path_work.warm()
    folder, drawn, port = Path(home), random.Random(int(seed)), free_port()
    folder.mkdir()
    (folder / "heptad.toml").write_text(PROJECT)
    began = time.monotonic()
    workers = [Worker(work, folder, port) for work in (asking, serving, commanding)]
    try:
        _, server, command = workers
        for n in range(int(kills)):
            if n % 3:  # else it may be while one of them is opening the project
                wait_for_news(folder)
            time.sleep(drawn.uniform(0, 0.5))
            victim = drawn.choice([server, server, command])
            victim.kill()
            victim.begin()
        wait_for_news(folder)
    finally:
        for worker in workers:
            worker.end()
    failed = [p.read_text() for p in folder.parent.glob(f"{folder.name}.failed-*")]
    assert not failed, failed[0]
    assert Owner(folder).holder() is None
    told = check(folder)
    seconds = round(time.monotonic() - began)
    print(json.dumps(told | {"server": server.kills, "command": command.kills, "s": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
