# SPDX-License-Identifier: Apache-2.0
"""Commands about flows in shadow: compare with what was decided, and ask them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heptad.runtime import Platform

WAITS_S = 20.0
"""How long a question waits for a shadow that is behind; what is left then is told."""


def compare(  # noqa: PLR0913, PLR0917 - which shadow, which swap, for whom
    platform: Platform,
    app: str,
    number: int = 0,
    was: str = "",
    would_be: str = "",
    limit: int = 20,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Set what a flow in shadow would have decided beside what was decided, in counts.

    With both outcomes of a swap, also the ids of the last decisions that it is made of.
    """
    shadows, chosen = platform.work.shadows, platform.app(app)
    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    with platform.reviewing("shadow", chosen.purpose, **aim, app=app, flow=number) as access:
        if platform.work.shadows.standing(chosen) is not None:
            shadows.catch_up(WAITS_S)
        found = shadows.compare(chosen, number)
        wanted = (found["number"], was, would_be, max(1, min(limit, 1000)))
        found["decisions"] = shadows.swapped(chosen, *wanted) if was and would_be else []
        access.read.rows = found["rows"]
    return found


def replay(
    platform: Platform,
    app: str,
    number: int = 0,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Ask a flow in shadow again of all that it was asked of; compare bit for bit."""
    chosen = platform.app(app)
    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    with platform.reviewing("shadow", chosen.purpose, **aim, app=app, flow=number) as access:
        found = platform.work.shadows.replay(chosen, number)
        access.read.rows = found["identical"] + found["different"]
    return found
