# SPDX-License-Identifier: Apache-2.0
"""What the pages of an application show of the modes in which it may run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.modes import LOSS_SHARE, MODE

if TYPE_CHECKING:
    from heptad.runtime import Platform


def mode_rows(platform: Platform, app: str) -> list[dict[str, Any]]:
    """Return each mode with its sources: table, holder, basis, and the features that rest on it."""
    chosen = platform.app(app)
    now = platform.desk.policy(chosen).get(MODE)
    return [
        {"in force": "yes" if name == now else "", **row}
        for name, mode in chosen.modes.items()
        for row in mode.rows(chosen.features)
    ]


def bearers(platform: Platform, app: str) -> list[dict[str, Any]]:
    """Return each mode with who lends, who bears which share of a loss, and what it sets."""
    chosen = platform.app(app)
    now = platform.desk.policy(chosen).get(MODE)
    rows = []
    for name, mode in chosen.modes.items():
        own = {n: v for n, v in mode.settings().items() if n not in (MODE, LOSS_SHARE)}
        rows.append(
            {"in force": "yes" if name == now else "", "mode": name, "title": mode.title,
             "lender": mode.lender,
             "bears": ", ".join(f"{who} {share:.0%}" for who, share in mode.bears.items()),
             "sets": ", ".join(f"{n} {v}" for n, v in own.items())}
        )  # fmt: skip
    return rows
