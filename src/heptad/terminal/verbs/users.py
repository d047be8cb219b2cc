# SPDX-License-Identifier: Apache-2.0
"""Verbs about local users, where there is no identity provider."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app

users = typer.Typer(help="People who sign in with a password.", no_args_is_help=True)
app.add_typer(users, name="users")

Name = Annotated[str, typer.Argument(help="By which they are called.")]
Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@users.command("add")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="admin, engineer, analyst, risk, officer …")],
    password_stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Add somebody; from then on nobody calls without a key or a session."""
    given = _password(stdin=password_stdin)
    answer("users.add", as_json, show.show_facts, name=name, role=role, password=given)


@users.command("list")
def list_users(as_json: Json = False) -> None:
    """List who signs in with a password."""
    answer("users.list", as_json, lambda d: show.show_table(d["users"], ["user", "role", "since"]))


@users.command("password")
def password(name: Name, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """Give somebody another password; their sessions end."""
    given = _password(stdin=password_stdin)
    answer("users.password", as_json, show.show_facts, name=name, password=given)


@users.command("remove")
def remove(name: Name, as_json: Json = False) -> None:
    """Let somebody sign in no more; their sessions end."""
    answer("users.remove", as_json, show.show_facts, name=name)


def _password(*, stdin: bool) -> str:
    """Read a password twice from whoever types it, or once from a pipe."""
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
