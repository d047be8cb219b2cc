# SPDX-License-Identifier: Apache-2.0
"""Write a new project, with a first binding guessed from a file, or a new application."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from heptad.standards.errors import Conflict, ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.standards import Field, Table

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_TEMPLATES = Path(__file__).parent / "templates"

_PROJECT = """\
# What is bound here is loaded by `heptad load`. See docs/how-to/bind-your-data.md.
[project]
name = "$name"
currency = "EUR"
"""

_EXAMPLE = """
# One block for each source. `from` is a file or a glob below this folder, a database
# ("sqlite:///core.db" with query = "…"), or "package:…". Each entry of `map` is one SQL
# expression over the source's columns; a field whose column has its own name needs none.
#
# [[source]]
# table = "Payment"
# from  = "data/payments_*.csv.gz"
# separator = ";"
# decimal = ","
# zone  = "Europe/Madrid"
# known_after = "2 days"
# map   = { id = "tx_id", event_time = "strptime(ts, '%d/%m/%Y %H:%M')", currency = "'EUR'" }
"""


def init_project(folder: Path, files: Sequence[Path], table: str) -> list[str]:
    """Make a project folder with its heptad.toml; return what to say.

    Args:
        folder: made if absent; must not be a project already.
        files: files to bind first.
        table: the table whose rows they hold; guessed from their columns if "".

    Raises:
        Conflict: if there is a project already.
        InputError: if a file cannot be read.
    """
    target = folder / "heptad.toml"
    if target.exists():
        raise Conflict(
            "There is a project here already.",
            got=str(target),
            do="edit it, or choose another folder",
        )
    text = Template(_PROJECT).substitute(name=folder.resolve().name)
    said = [f"made {target}"]
    outside = [f for f in files if folder.resolve() not in f.parents]
    if outside:
        allow = ", ".join(f'"{p}"' for p in sorted({str(f.parent) for f in outside}))
        text += f"allow = [{allow}]\n"
    for file in files:
        from heptad.terminal.guess import binding

        block, notes = binding(file, folder.resolve(), table)
        text += "\n" + block
        said += notes
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(text if files else text + _EXAMPLE, encoding="utf-8")
    if files:
        said.append("check the map in it, then: heptad load --plan")
    else:
        said.append("bind your data in it, then: heptad load --plan")
    return said


def new_app(name: str, on: str, folder: Path | None) -> list[str]:
    """Write an application that passes the conformance kit; return what to say.

    Args:
        name: of the application, lower case.
        on: the table whose rows it decides.
        folder: where its folder is written, for example src/heptad/apps; by default a package
            `heptad-NAME` of its own is written here.

    Raises:
        Conflict: if something of that name is there.
        ContractError: if the name or the table cannot be used.
    """
    from heptad.runtime import discover
    from heptad.standards.tables import named

    if not _NAME.fullmatch(name):
        raise ContractError(
            "An application's name is lower-case letters, digits and _.",
            got=name,
            do="heptad new loyalty",
        )
    if name in discover():
        raise Conflict(f"There is an application {name} already.", got=name, do="see `heptad apps`")
    table = _with_subject(named(on))
    package = folder is None
    root = Path(f"heptad-{name}") if folder is None else folder
    module = f"heptad_{name}" if package else f"heptad.apps.{name}"
    inside = root / "src" / module if package else root / name
    if (root if package else inside).exists():
        raise Conflict("Something of that name is there.", got=str(root), do="choose another name")
    words = {"name": name, "title": name.replace("_", " ").capitalize(), "on": on, "module": module,
             "subject": "" if table.subject is None else table.subject.name, "fields": demo_fields(table)}  # fmt: skip
    for source in sorted(_TEMPLATES.rglob("*.txt")):
        relative = source.relative_to(_TEMPLATES).with_suffix("")
        if relative.parts[0] == "package" and not package:
            continue
        at = (
            root / relative.relative_to("package")
            if relative.parts[0] == "package"
            else inside / relative.relative_to("app")
        )
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(
            Template(source.read_text(encoding="utf-8")).substitute(words), encoding="utf-8"
        )
    said = [f"wrote {inside}"]
    if package:
        said.append(f"make it known: pip install -e {root}")
    said += [
        f"see it: heptad -p PROJECT apps {name}; a server that runs knows it once started again",
        f"test it: pip install pytest, then python -m pytest {inside}/tests",
    ]
    return said


def _with_subject(table: type[Table]) -> type[Table]:
    """Return a table that decisions can be made on.

    Raises:
        ContractError: if its rows are about nobody, or are no events.
    """
    if table.subject is None or table.state:
        raise ContractError(
            f"Decisions are made on events about somebody, which {table.__name__} does not hold.",
            got=table.__name__,
            do="choose Payment, LoanApplication, Transfer, Claim or Interaction",
        )
    return table


def demo_fields(table: type[Table]) -> str:
    """Return the lines of a demo row for the fields that a table requires."""
    needed = [
        f for f in table.fields.values() if not (f.optional or f.key or f.name == "event_time")
    ]
    return "\n".join(f'            "{field.name}": {_demo_value(field)},' for field in needed)


def _demo_value(field: Field) -> str:
    """Return the Python text of a value that a field accepts."""
    from heptad.standards import Code, Day, Flag, Instant, Integer, Money, Number

    if field.subject:
        return 'f"c{n % 20}"'
    if isinstance(field, Code):
        return repr("EUR" if "EUR" in field.codes else min(field.codes))
    if isinstance(field, Integer):
        return str(max(field.ge or 1, 1))
    texts: dict[type[Field], str] = {
        Money: 'f"{rng.randrange(1, 50_000) / 100:.2f}"',
        Number: '"0"',
        Flag: "n % 2 == 0",
        Day: '"2026-01-01"',
        Instant: '"2026-01-01"',
    }
    return texts.get(type(field), f'f"{field.name}{{n % 9}}"')
