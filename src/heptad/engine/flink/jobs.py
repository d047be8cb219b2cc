# SPDX-License-Identifier: Apache-2.0
"""Jobs of Flink over files: what they read and write, and their end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from heptad.engine.flink import runner
from heptad.engine.flink.dialect import name
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.engine.flink.environment import Environment

_TYPES = {"text": "STRING", "integer": "BIGINT", "instant": "BIGINT", "day": "DATE",
          "flag": "BOOLEAN"}  # fmt: skip
_SETTINGS = {
    "parallelism.default": "2",
    "table.local-time-zone": "UTC",
    "execution.checkpointing.interval": "2 s",
    "state.backend.type": "hashmap",
}
MEMORY = "-Xmx1g"
"""Of the Java process that plans a job, and runs it where no cluster does."""


@dataclass
class Job:
    """One job: tables, what is written into them, and where they lie.

    Attributes:
        folder: of the job's files.
        settings: of Flink, beside or instead of ours.
        tables: statements that declare tables.
        inserts: statements that write rows.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    inserts: list[str] = field(default_factory=list)

    @property
    def started(self) -> Path:
        """The file that holds the number of the running job."""
        return self.folder / "started"

    def reads(self, table: str, columns: Sequence[tuple[str, str]], place: Path) -> None:
        """Declare a table of events in a file of JSON lines, in order of `_us`.

        Args:
            table: its name.
            columns: (name, kind), `_us` among them: the instant in microseconds.
            place: the file.
        """
        declared = ", ".join(f"{name(column)} {_TYPES[kind]}" for column, kind in columns)
        self.tables.append(
            f"CREATE TABLE {table} ({declared}, `_rt` AS TO_TIMESTAMP_LTZ(`_us` / 1000, 3), "
            "WATERMARK FOR `_rt` AS `_rt` - INTERVAL '0.001' SECOND) "
            f"WITH ({_files(place)})"
        )

    def writes(self, table: str, columns: Sequence[str], select: str) -> Path:
        """Write what a query gives, columns of text, into files; return their folder."""
        declared = ", ".join(f"{name(column)} STRING" for column in columns)
        place = self.folder / table
        self.tables.append(f"CREATE TABLE {table} ({declared}) WITH ({_files(place)})")
        self.inserts.append(f"INSERT INTO {table} {select}")
        return place


def _files(place: Path) -> str:
    path = str(place).replace("'", "''")
    return f"'connector' = 'filesystem', 'path' = '{path}', 'format' = 'json'"


def run(environment: Environment, job: Job, timeout_s: float = 3600) -> None:
    """Run a job to its end; its processes end with it.

    Raises:
        Busy: if it failed, or took too long.
    """
    told = {
        "settings": _SETTINGS | dict(job.settings),
        "tables": job.tables,
        "inserts": job.inserts,
        "started": str(job.started),
    }
    place = job.folder / "job.json"
    place.write_text(json.dumps(told), encoding="utf-8")
    asked = [str(environment.python), str(Path(runner.__file__)), str(place)]
    process = subprocess.Popen(  # noqa: S603 - the environment that we made
        asked,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"JAVA_TOOL_OPTIONS": MEMORY},
    )
    try:
        _, said = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise Busy("A job of Flink took too long.", got=f"{timeout_s:.0f} s") from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    (job.folder / "said").write_text(said, encoding="utf-8")
    if process.returncode:
        raise Busy("A job of Flink failed.", got=_cause(said))


def _cause(said: str) -> str:
    """Return the innermost cause of what Java said."""
    lines = [line.strip() for line in said.splitlines()]
    causes = [
        line for line in lines if re.match(r"(Caused by: |: )?[\w.$]+(Exception|Error)\b", line)
    ]
    return (causes or [line for line in lines if line] or ["no word"])[-1][:600]
