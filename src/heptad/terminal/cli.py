# SPDX-License-Identifier: Apache-2.0
"""The command line: each verb names a command, its arguments and how its answer is printed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heptad import __version__
from heptad.standards.errors import HeptadError
from heptad.terminal import show

if TYPE_CHECKING:
    from collections.abc import Callable

EXITS = """Exit codes: 0 done · 1 failed · 2 wrong usage · 3 bad input · 4 unknown name ·
5 conflict · 6 refused · 7 busy, try again · 8 a store is damaged · 9 a check did not hold"""

app = typer.Typer(
    name="heptad",
    help="Map your data once; get decisions that carry reasons, can be explained and replayed.",
    epilog=EXITS,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Session:
    """What the options before the verb say."""

    project: Path = Path()
    json: bool = False


session = Session()
CHECK_FAILED = 9

Json = Annotated[bool, typer.Option("--json", help="Print plain data as JSON.")]


@app.callback(invoke_without_command=True)
def _options(
    project: Annotated[
        Path, typer.Option("--project", "-p", envvar="HEPTAD_PROJECT", help="Project folder.")
    ] = Path(),
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    session.project = project
    if version:
        show.say(f"heptad {__version__}")
        raise typer.Exit


def ask(command: str, as_json: bool = False, /, **arguments: Any) -> dict[str, Any]:
    """Run a command on the chosen project, here or in the process that holds it."""
    from heptad.terminal.connect import call, find_project

    session.json = as_json
    with show.progress_bar(quiet=as_json) as progress:
        return call(find_project(session.project), command, arguments, progress)


def answer(
    command: str,
    as_json: bool,
    printed: Callable[[dict[str, Any]], None],
    /,
    **arguments: Any,
) -> dict[str, Any]:
    """Run a command and print its answer, as JSON if asked."""
    data = ask(command, as_json, **arguments)
    if as_json:
        show.show_json(data)
    else:
        printed(data)
    return data


def main() -> None:
    """Run the command line, turning errors into a panel and a documented exit code."""
    import heptad.terminal.verbs  # noqa: F401 - declares the verbs on `app`

    session.json = "--json" in sys.argv
    try:
        app(standalone_mode=False)
    except HeptadError as error:
        show.show_error(error, as_json=session.json)
        sys.exit(error.exit)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        show.console(error=True).print("stopped; what was acknowledged is kept")
        sys.exit(130)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            show.console(error=True).print(error.format_message(), markup=False)
            sys.exit(error.exit_code)
        raise
