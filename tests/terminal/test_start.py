# SPDX-License-Identifier: Apache-2.0
"""The command line starts at once: help imports nothing heavy and takes little time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

HEAVY = {
    "numpy", "pandas", "pyarrow", "duckdb", "sqlalchemy", "alembic", "fastapi", "starlette",
    "uvicorn", "httpx", "deltalake", "lightgbm", "sklearn", "scipy", "numba", "polars", "sqlglot",
    "msgspec", "cryptography", "rocksdict", "rich",
}  # fmt: skip
CODE = """
import json, resource, sys
sys.argv[0] = "heptad"
from heptad.terminal.cli import main
try:
    main()
finally:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    cpu = spent.ru_utime + spent.ru_stime
    print(json.dumps([cpu, sorted({m.partition(".")[0] for m in sys.modules})]), file=sys.stderr)
"""


def started(*arguments: str) -> tuple[str, float, set[str]]:
    """Run the command line; return what it printed, its CPU seconds and the modules it imported."""
    ran = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True
    )
    cpu, modules = json.loads(ran.stderr.splitlines()[-1])
    return ran.stdout, cpu, set(modules)


def verbs() -> list[list[str]]:
    """Return every verb of the command line, with those that stand under another."""
    import typer

    import heptad.terminal.verbs  # noqa: F401
    from heptad.terminal.cli import app

    def below(command: Any, path: list[str]) -> list[list[str]]:
        found = [path] if path else []
        for name, inner in getattr(command, "commands", {}).items():
            found += below(inner, [*path, name])
        return found

    return below(typer.main.get_command(app), [])


def test_help_is_quick_and_light() -> None:
    runs = [started("--help") for _ in range(3)]
    assert "Exit codes: 0 done" in runs[0][0]
    assert not HEAVY & runs[0][2]
    assert min(cpu for _, cpu, _ in runs) <= 0.2


def test_the_version_is_printed() -> None:
    said, _, modules = started("--version")
    assert said == "heptad 0.1.0\n"
    assert not HEAVY & modules


def test_help_of_every_verb_is_light() -> None:
    """All in one process: what one of them imports, the last check sees."""
    code = CODE.replace("    main()\n", "    for verb in json.loads(sys.argv.pop()):\n"
                        "        sys.argv[1:] = [*verb, '--help']\n"
                        "        try:\n            main()\n"
                        "        except SystemExit as done:\n            assert done.code == 0\n")  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", code, json.dumps(verbs())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = set(json.loads(ran.stderr.splitlines()[-1])[1])
    assert not HEAVY & modules
    assert ran.stdout.count("Usage: heptad") == len(verbs())


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_every_verb_and_option_says_what_it_does(verb: list[str]) -> None:
    import typer

    from heptad.terminal.cli import app

    command: Any = typer.main.get_command(app)
    for name in verb:
        command = command.commands[name]
    assert len(command.help or "") > 10
    for parameter in command.params:
        if getattr(parameter, "param_type_name", "") == "option":
            assert parameter.help, f"{' '.join(verb)} {parameter.name}"


def test_linear_algebra_has_one_thread_for_its_bits_and_for_whoever_asks() -> None:
    code = CODE.partition("finally:")[0] + "except SystemExit:\n    pass\n"
    code += (
        "import numpy, threadpoolctl as t\nprint([p['num_threads'] for p in t.threadpool_info()])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    ran = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True,
        env=environment,
    )  # fmt: skip
    assert json.loads(ran.stdout.splitlines()[-1]) == [1]
