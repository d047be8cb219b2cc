# SPDX-License-Identifier: Apache-2.0
"""The process in which a question runs: it holds the rows it was given, and can reach nothing else.

Started as a program by `heptad.engine.local.worker`. Standard input brings one line of JSON and an
Arrow stream for each table; standard output gives a line of JSON when it is ready, a line of JSON
with what came of it and, if that went well, an Arrow stream. Before the question is looked at, the process gives up opening files and sockets, writing
files, memory and CPU beyond its share, and, where the kernel has Landlock, the file system itself.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = resource.getpagesize()
_CREATE_RULESET, _RESTRICT_SELF, _NO_NEW_PRIVILEGES = 444, 446, 38
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Landlock's version → how many kinds of access to files it knows; 16 from version 5 on."""


def main() -> None:
    """Answer one question."""
    asked = json.loads(sys.stdin.buffer.readline())
    tables = {name: _received() for name in asked["tables"]}
    # What is loaded on first use must be loaded while files can still be opened.
    _written(pa.table({"a": pa.array([1])}), pa.BufferOutputStream())
    with duckdb.connect(":memory:") as connection:
        for name, table in tables.items():
            connection.register(name, table)
        for setting in _settings(asked):
            connection.execute(f"SET {setting}")
        connection.sql("SELECT 1").to_arrow_table()
        confine(asked)
        _say({"ready": True})
        _answer(connection, asked)


def _settings(asked: Mapping[str, Any]) -> list[str]:
    """Return DuckDB's settings: no files, no extensions, one thread, a bounded memory."""
    return [
        "threads = 1",
        f"memory_limit = '{int(asked['memory']) // 2}B'",
        "temp_directory = ''",
        "TimeZone = 'UTC'",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        "allow_persistent_secrets = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ]


def confine(asked: Mapping[str, Any]) -> None:
    """Give up, for good, all that answering does not need."""
    with open("/proc/self/statm", encoding="ascii") as held:  # noqa: PTH123 - nothing more is loaded
        used = int(held.read().split()[0]) * _PAGE
    _leave_files()
    limits = {
        resource.RLIMIT_AS: used + asked["memory"],
        resource.RLIMIT_CPU: asked["cpu_s"],
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))


def _leave_files() -> None:
    """Let the kernel refuse every access to files by path, where it can (Landlock)."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1 or libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return
    rights = ctypes.c_uint64((1 << _RIGHTS.get(version, 16)) - 1)
    rules = libc.syscall(_CREATE_RULESET, ctypes.byref(rights), ctypes.sizeof(rights), 0)
    if rules >= 0:
        libc.syscall(_RESTRICT_SELF, rules, 0)


def _answer(connection: duckdb.DuckDBPyConnection, asked: Mapping[str, Any]) -> None:
    """Run the question; write what came of it."""
    planned = None
    try:
        sql = f"SELECT * FROM ({asked['sql']}) LIMIT {int(asked['rows']) + 1}"
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            _say({"error": "refused", "said": "not one SELECT"})
            return
        planned = connection.sql(statements[0])
        found = planned.to_arrow_table()
        sink = pa.BufferOutputStream()
        _written(found.slice(0, asked["rows"]), sink)
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        _say({"error": "memory"})
    except duckdb.Error as error:
        # What is said once rows are read may quote them.
        said = str(error) if planned is None else str(error).partition(":")[0]
        _say({"error": "query" if planned is None else "values", "said": said})
    else:
        _say({"error": "", "more": found.num_rows > asked["rows"]})
        sys.stdout.buffer.write(sink.getvalue())
        sys.stdout.buffer.flush()


def _received() -> pa.Table:
    with pa.ipc.open_stream(sys.stdin.buffer) as stream:
        return stream.read_all()


def _written(table: pa.Table, sink: pa.NativeFile) -> None:
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
