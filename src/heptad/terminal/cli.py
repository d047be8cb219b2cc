# SPDX-License-Identifier: Apache-2.0
"""The command line: each verb names a command, its arguments and how its answer is printed."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heptad import __version__
from heptad.standards.errors import HeptadError, InputError
from heptad.terminal import show

if TYPE_CHECKING:
    from collections.abc import Callable

EXITS = """Exit codes: 0 done · 1 failed · 2 wrong usage · 3 bad input · 4 unknown name ·
5 conflict · 6 refused · 7 busy, try again · 8 a store is damaged · 9 a check did not hold ·
130 stopped"""

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
CHECK_FAILED, STOPPED = 9, 130
TRACE = "HEPTAD_TRACE"
"""Environment variable: show where a fault came from."""

Json = Annotated[bool, typer.Option("--json", help="Print plain data as JSON.")]


def instant(says: str, *flags: str) -> Any:
    """Declare an option that takes an instant or a day; left out it is empty, given it must name one."""
    return typer.Option(*flags, help=says, callback=_named)


def _named(context: typer.Context, option: typer.CallbackParam, value: str) -> str:
    """Refuse what a script gives whose variable is not set."""
    source = context.get_parameter_source(option.name or "")
    if not value.strip() and source is not None and source.name == "COMMANDLINE":
        raise InputError(
            f"{option.opts[0]} is given, but names no time.",
            got=value,
            do=f"give an instant or a day, for example 2026-03-01, or leave {option.opts[0]} out",
        )
    return value


@app.callback(invoke_without_command=True)
def _options(
    project: Annotated[
        Path, typer.Option("--project", "-p", envvar="HEPTAD_PROJECT", help="Project folder.")
    ] = Path(),
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    session.project = project
    if version:
        show.write(f"heptad {__version__}\n", None)
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


class WrongUsage(HeptadError):
    """The command was not understood."""

    code, status, exit = "usage", 400, 2


class Fault(HeptadError):
    """Something failed that nobody foresaw."""

    code = "fault"


def main() -> None:
    """Run the command line, turning errors into a panel and a documented exit code."""
    # Small products gain nothing from a second thread of the linear algebra, which waits for the
    # next one by spinning and takes a core from whoever asks; and bits must not depend on cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import heptad.terminal.verbs  # noqa: F401 - declares the verbs on `app`

    session.json = "--json" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _run() -> int:
    """Run the verb; return the exit code."""
    try:
        # Where typer ends a verb early it returns the exit code instead of raising.
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except HeptadError as error:
        return _failed(error)
    except BrokenPipeError:
        # Whoever read has seen enough; what is left must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (typer.Abort, KeyboardInterrupt):
        code = STOPPED
    except Exception as error:  # noqa: BLE001 - a fault is told as one, not as a stack of calls
        return _failed(_understood(error))
    if code == STOPPED:
        show.say("stopped; what was acknowledged is kept", error=True)
    return code if isinstance(code, int) else 0


def _failed(error: HeptadError) -> int:
    show.show_error(error, as_json=session.json)
    return error.exit


def _understood(error: Exception) -> HeptadError:
    """Return what a wrong command line or a fault is told as."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return WrongUsage(str(error.format_message()))  # type: ignore[attr-defined]
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "heptad"
        said = str(error.format_message()) or "The command is incomplete."
        return WrongUsage(said, do=f"see `{command} --help`")
    if os.environ.get(TRACE):
        raise error
    return Fault(
        "Heptad failed in a way that nobody foresaw.",
        got=f"{type(error).__name__}: {error}",
        do=f"run it again with {TRACE}=1 and report what it prints",
    )
