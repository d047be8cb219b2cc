# SPDX-License-Identifier: Apache-2.0
"""Commands about local users: people who sign in with a password of this project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform


def add_user(platform: Platform, name: str, role: str, password: str) -> dict[str, Any]:
    """Add somebody who signs in with a password; nobody calls without a key or a session then."""
    made = platform.users.add(name, role, password, platform.clock.now())
    return {"user": made.name, "role": made.role}


def list_users(platform: Platform) -> dict[str, Any]:
    """List who signs in with a password."""
    return {
        "users": [
            {"user": user.name, "role": user.role, "since": format_instant(user.since)}
            for user in platform.users.all()
        ]
    }


def change_password(platform: Platform, name: str, password: str) -> dict[str, Any]:
    """Give somebody another password; whoever is signed in as them is not any more."""
    return {"user": platform.users.change(name, password).name, "changed": True}


def remove_user(platform: Platform, name: str) -> dict[str, Any]:
    """Let somebody sign in no more; whoever is signed in as them is not any more."""
    platform.users.remove(name)
    return {"user": name, "removed": True}
