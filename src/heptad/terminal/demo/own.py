# SPDX-License-Identifier: Apache-2.0
"""`make demo DATA=path/heptad.toml`: the user's own files through the same layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.runtime import Platform
from heptad.terminal import show
from heptad.terminal.commands.decisions import row

if TYPE_CHECKING:
    from pathlib import Path

MOST = 5_000
"""Latest rows of each application's table that are decided."""


def run_own(folder: Path) -> bool:
    """Load, decide and replay a project of the user's; whether every decision replays."""
    with Platform.open(folder) as platform:
        reports = [r.to_dict() for r in platform.load()]
        show.show_table(reports, ["source", "table", "read", "accepted", "quarantined", "version"])
        for name, app in platform.apps.items():
            if not platform.lake.exists(app.on.__name__):
                continue
            made = platform.decide(name, latest=MOST)
            show.say(f"{name}: {len(made):,} of the latest {app.on.__name__} decided")
            for entry in [e for e in made if e.public["outcome"] != "approve"][:3]:
                line = row(platform, entry)
                show.say(
                    f"  {line['id'][:8]}  {line['when']}  {line['outcome'].upper()}  {line['why']}"
                )
        found = platform.replay()
        show.say(f"replayed: {show.cell(found.decided)}; derived: {show.cell(found.derived)}")
        return found.identical
