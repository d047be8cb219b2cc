# SPDX-License-Identifier: Apache-2.0
"""Print for people: tables, panels and progress in a terminal, plain text elsewhere."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heptad.standards.showing import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console, JustifyMethod

    from heptad.standards.errors import HeptadError


def console(*, error: bool = False) -> Console:
    """Return where to print; colours only in a terminal, and never with NO_COLOR."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    # One line a row where another program reads, whatever its length.
    width = None if stream.isatty() else 1000
    return Console(stderr=error, highlight=False, soft_wrap=not stream.isatty(), width=width)


def show_json(data: Any) -> None:
    """Print plain data as JSON, keys as they come."""
    sys.stdout.write(_json(data, indent=2) + "\n")


def show_error(error: HeptadError, *, as_json: bool = False) -> None:
    """Print an error: what, got, in, do."""
    if as_json:
        sys.stderr.write(_json(error.to_dict()) + "\n")
        return
    out = console(error=True)
    if not sys.stderr.isatty():
        out.print(str(error), markup=False)
        return
    from rich.panel import Panel
    from rich.text import Text

    out.print(Panel(Text(str(error)), title=error.code, border_style="red", title_align="left"))


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows under their columns; numbers to the right."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console().print("nothing to show")
        return
    names = list(columns or rows[0])
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in names:
        numeric = all(isinstance(r.get(name), int | float | None) for r in rows)
        side: JustifyMethod = "right" if numeric else "left"
        table.add_column(Text(printable(name)), justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(row.get(name))) for name in names))
    console().print(table)


def cell(value: Any) -> str:
    """Write one value of a table."""
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{printable(str(k))} {cell(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return printable(str(value))


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    shown = {printable(name): value for name, value in facts.items()}
    width = max(map(len, shown), default=0)
    out = console()
    for name, value in shown.items():
        out.print(f"{name:<{width}}  {cell(value)}".rstrip(), markup=False)


def say(text: str, *, error: bool = False) -> None:
    """Print one line."""
    console(error=error).print(printable(text), markup=False)


def _json(data: Any, indent: int | None = None) -> str:
    """Write JSON that moves no terminal: what is not printable is escaped."""
    text = json.dumps(data, ensure_ascii=False, indent=indent, default=str)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def write(text: str, out: Path | None) -> None:
    """Write text as it is: to a file, or to where the output goes."""
    if out is None:
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    say(f"wrote {out}", error=True)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, float], None] | None]:
    """Give a function that draws progress, in a terminal; None elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(error=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=1.0)
            bar.update(tasks[what], completed=share)

        yield tell
