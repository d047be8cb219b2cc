# SPDX-License-Identifier: Apache-2.0
"""A stream of the demo's payments, killed again and again in a process of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.local.rows import Rows
from heptad.engine.sql.identifiers import quote
from heptad.service.features import count, largest, last, named, total
from heptad.service.stream.cold import Cold
from heptad.service.stream.streams import Stream
from heptad.standards import day, hour
from heptad.standards.model import Payment
from heptad.terminal.demo.attacks import Attack

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.runtime import Platform

KILLS, ROWS, BATCH = 20, 20_000, 500
CHILD = """
import pathlib, sys
from heptad.terminal.demo.killing import main
main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
"""
_WORD = struct.Struct("=q")
"""How far the stream has got, as it tells it."""
BY, EUR = Payment.customer, Payment.currency == "EUR"


def features() -> list[Any]:
    """What the stream keeps of each customer."""
    return list(named({
        "times": count(Payment.id, by=BY),
        "spent": total(Payment.amount, by=BY, over=7 * day, where=EUR),
        "hour": count(Payment.id, by=BY, over=hour),
        "largest": largest(Payment.amount, by=BY, over=last(5), where=EUR),
    }).values())  # fmt: skip


def killed(platform: Platform, seed: int) -> Attack:
    """Kill a stream of the newest payments in a process of its own; compare it with one left alone."""
    what = f"kill -9, {KILLS} times, during a stream"
    columns = ", ".join(map(quote, Stream(features()).columns))
    rows = platform.duck.arrow(
        f"SELECT * EXCLUDE (_load, _line) FROM (SELECT {columns}, _load, _line "
        f"FROM {platform.reads.stored(Payment).relation} ORDER BY known_time DESC, _load DESC, "
        f"_line DESC LIMIT {ROWS}) ORDER BY known_time, _load, _line"
    )
    with tempfile.TemporaryDirectory(prefix="heptad-") as folder:
        with pa.OSFile(f"{folder}/rows", "wb") as file, pa.ipc.new_file(file, rows.schema) as out:
            out.write_table(rows)
        asked = [sys.executable, "-c", CHILD, folder, str(seed)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        return Attack(what, f"NOT SHOWN: {done.stderr.strip()[-200:]}", held=False)
    found = json.loads(done.stdout.splitlines()[-1])
    answer = (
        f"{found['differ']} of {found['values']:,} values differ from a stream left alone; "
        f"back in {found['back_s']:.2f} s"
    )
    return Attack(what, answer, held=not found["differ"] and found["kills"] == KILLS)


def main(folder: Path, seed: int) -> None:
    """Kill the stream where chance says, let it end, and print what differs."""
    with pa.OSFile(str(folder / "rows"), "rb") as file:
        rows = pa.ipc.open_file(file).read_all()
    alone = Stream(features())
    alone.apply(rows)
    rng = random.Random(seed)  # noqa: S311 - says when to kill, nothing secret
    steps = -(-len(rows) // BATCH)
    back = []
    for n in range(KILLS):
        # Each kill somewhere on the way, wherever in the work of that batch it happens to hit.
        began, at = time.perf_counter(), max(1, steps * (n + 1) // (KILLS + 1))
        child, told = _start(folder, rows, upto=min(at + 1, steps))
        said = _heard(told, 0)
        back.append(time.perf_counter() - began)
        _heard(told, at, said)
        time.sleep(rng.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        _ended(child, told, -signal.SIGKILL)
    child, told = _start(folder, rows)
    _heard(told, steps)
    _ended(child, told, 0)
    with Rows(folder / "kept") as store:
        differ, values = _differing(_stream(store), alone, rows)
    print(json.dumps({
        "differ": differ, "values": values, "kills": len(back), "back_s": statistics.median(back),
    }))  # fmt: skip


def _stream(store: Rows) -> Stream:
    return Stream(features(), cold=Cold(store, "Payments", events=5_000, keys=200))


def _start(folder: Path, rows: pa.Table, upto: int | None = None) -> tuple[int, socket.socket]:
    """Start the stream in a process of its own; it tells how far it has got.

    Args:
        folder: where it is kept.
        rows: what comes.
        upto: the batch after which it waits to be killed; None has it take all and end.
    """
    told, says = socket.socketpair()
    child = os.fork()
    if child:
        says.close()
        return child, told
    told.close()
    try:
        _work(folder, rows, says, upto)
    except BaseException:  # noqa: BLE001 - a forked process ends here, whatever was raised
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _work(folder: Path, rows: pa.Table, says: socket.socket, upto: int | None) -> None:
    """Take the batches that are left, and say after each how many are kept."""
    with Rows(folder / "kept") as store:
        stream = _stream(store)
        begin, steps = int(stream.mark or 0), -(-len(rows) // BATCH)
        says.send(_WORD.pack(begin))
        for at in range(begin, steps if upto is None else upto):
            stream.apply(rows.slice(at * BATCH, BATCH), str(at + 1))
            stream.keep()
            says.send(_WORD.pack(at + 1))
        if upto is not None:
            says.recv(1)  # until it is killed, or nobody is there to kill it


def _heard(told: socket.socket, until: int, said: int = -1) -> int:
    """Wait until the stream has got so far, or has ended; return how far it has."""
    while said < until and (word := told.recv(_WORD.size, socket.MSG_WAITALL)):
        (said,) = _WORD.unpack(word)
    return said


def _ended(child: int, told: socket.socket, how: int) -> None:
    """See that a stream ended as it should; it said itself why if it did not."""
    told.close()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != how:
        sys.exit(1)


def _differing(one: Stream, two: Stream, rows: pa.Table) -> tuple[int, int]:
    """Return how many values of all customers differ, and how many there are."""
    names = rows.column("customer").unique().drop_null()
    t = [one.known or 0] * len(names)
    left, right = (stream.values({"Customer": names}, t) for stream in (one, two))
    pairs = [(left[name].to_pylist(), right[name].to_pylist()) for name in left]
    differ = sum(a != b for mine, theirs in pairs for a, b in zip(mine, theirs, strict=True))
    return differ, sum(len(mine) for mine, _ in pairs)
