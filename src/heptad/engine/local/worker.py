# SPDX-License-Identifier: Apache-2.0
"""Runs a question in a process of its own, with bounds on memory, CPU, time and answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from heptad.standards.errors import Busy, HeptadError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROGRAM = "heptad.engine.local.sandbox"
_LONGEST_LINE = 65_536
START_S = 60.0
"""Most seconds until the process has started and taken the tables; the machine may be busy."""


@dataclass(frozen=True)
class Limits:
    """What one question may take.

    Attributes:
        rows: most rows of the answer; what is beyond is left out.
        memory: most bytes beside the tables given.
        cpu_s: most seconds of CPU.
        wall_s: most seconds by the clock, once the tables are handed over.
        answer: most bytes of the answer.
    """

    rows: int = 1_000
    memory: int = 768 << 20
    cpu_s: int = 4
    wall_s: float = 4.0
    answer: int = 64 << 20


@dataclass(frozen=True)
class Answer:
    """What a question gave: rows, and whether some were left out."""

    rows: pa.Table
    more: bool


def answer_question(sql: str, tables: Mapping[str, pa.Table], limits: Limits) -> Answer:
    """Run one SELECT over the tables given, where nothing else can be reached.

    Args:
        sql: one checked SELECT; see `heptad.engine.sql.questions`.
        tables: all that it may see.
        limits: what it may take.

    Raises:
        InputError: if the query cannot be run.
        Busy: if it needs more than its limits.
    """
    asked = {
        "sql": sql,
        "tables": list(tables),
        "rows": limits.rows,
        "memory": limits.memory,
        "cpu_s": limits.cpu_s,
    }
    command = [sys.executable, "-I", "-m", _PROGRAM]
    with subprocess.Popen(  # noqa: S603 - this very interpreter and a module of ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            with _deadline(process, START_S):
                ready = _handed(process, asked, tables)
            if not ready:
                raise _stopped(process.wait())
            with _deadline(process, limits.wall_s):
                return _answered(process, limits)
        finally:
            process.kill()


@contextmanager
def _deadline(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """End the process if the block takes longer."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _handed(
    process: subprocess.Popen[bytes], asked: Mapping[str, Any], tables: Mapping[str, pa.Table]
) -> bool:
    """Hand the question and the tables over; whether the process is ready to answer."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    # Who was killed does not take the rest; that shows as an answer that is missing.
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(json.dumps(asked).encode() + b"\n")
        for table in tables.values():
            _send(table, pipe)
    return process.stdout.readline(_LONGEST_LINE).endswith(b"\n")


def _answered(process: subprocess.Popen[bytes], limits: Limits) -> Answer:
    """Read the answer, no more of it than allowed."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    said = process.stdout.readline(_LONGEST_LINE)
    if not said.endswith(b"\n"):
        raise _stopped(process.wait())
    result = json.loads(said)
    if result["error"]:
        raise _failure(result)
    data = process.stdout.read(limits.answer + 1)
    if len(data) > limits.answer:
        raise _too_much("its answer is too large")
    try:
        with pa.ipc.open_stream(data) as stream:
            rows = stream.read_all()
        rows.validate(full=True)
    except pa.ArrowException as error:
        raise _stopped(process.wait()) from error
    return Answer(rows, bool(result["more"]))


def _send(table: pa.Table, pipe: IO[bytes]) -> None:
    with pa.ipc.new_stream(pa.PythonFile(pipe, mode="w"), table.schema) as stream:
        stream.write_table(table)


def _stopped(code: int) -> HeptadError:
    """Return what somebody is told whose question was ended from outside."""
    if code == -signal.SIGXCPU:
        return _too_much("it took too much CPU")
    if code == -signal.SIGKILL:
        return _too_much("it took too long")
    return _too_much("its process ended")


def _failure(result: Mapping[str, Any]) -> HeptadError:
    """Return what the process itself reported."""
    from heptad.security.masks import redact

    if result["error"] == "memory":
        return _too_much("it needs too much memory")
    said = str(result.get("said", "")).partition("\n\n")[0].partition("LINE ")[0].strip()
    if result["error"] == "values":
        return InputError(
            "The question cannot be answered for all rows.",
            got=f"{said}, in a value that is not shown",
            do="use try_cast, which gives NULL where a value does not fit, or filter rows first",
        )
    return InputError(
        "The question cannot be answered.", got=redact(said), do="check its names and types"
    )


def _too_much(why: str) -> Busy:
    return Busy(
        "The question was stopped.", got=why, do="ask for less: filter rows, name columns, LIMIT"
    )
