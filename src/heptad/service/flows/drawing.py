# SPDX-License-Identifier: Apache-2.0
"""A flow drawn by itself: as plain data for the console, as Mermaid text and as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from heptad.service.flows.flows import SAYS, SEVERITY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.service.flows.flows import Flow, Stage

WIDTH, HEIGHT, GAP, SIDE = 300, 64, 34, 190
"""Sizes of a box of the drawing, in pixels."""


def to_plain(flow: Flow, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a flow as plain data.

    Args:
        flow: the flow.
        told: how many rows entered each stage and were decided there, as a back-test gives it.
    """
    counts = told or {}
    return {
        "flow": flow.name,
        "version": flow.version,
        "on": flow.on,
        "sha256": flow.sha256,
        "policy": dict(flow.policy),
        "stages": [
            {
                "name": stage.name,
                "kind": stage.kind,
                "says": SAYS[stage.kind],
                "entered": counts.get("entered", {}).get(stage.name),
                "decided": counts.get("decided", {}).get(stage.name),
                "outcomes": _outcomes(stage),
                "rules": [
                    {
                        "code": rule.code,
                        "when": rule.when.title or "always",
                        "outcome": rule.outcome,
                        "points": rule.points,
                        "rows": counts.get("reasons", {}).get(rule.code),
                    }
                    for rule in stage.rules.rules
                ],
                "amounts": {name: tree.title for name, tree in stage.amounts.items()},
                "features": list(stage.features),
            }
            for stage in flow.stages
        ],
    }


def _outcomes(stage: Stage) -> list[str]:
    found = {rule.outcome for rule in stage.rules.rules if rule.outcome}
    return sorted(found, key=SEVERITY.index)


def _heading(stage: Mapping[str, Any]) -> str:
    rules = len(stage["rules"])
    what = (
        f"{rules} rule{'s' if rules != 1 else ''}"
        if rules
        else ", ".join(stage["amounts"]) or "read"
    )
    name = stage["name"] if stage["name"] == stage["kind"] else f"{stage['kind']} {stage['name']}"
    return f"{name}: {what}"


def mermaid(plain: Mapping[str, Any]) -> str:
    """Write a flow, as `to_plain` gives it, as a Mermaid flow chart."""
    lines = ["flowchart TD"]
    stages = plain["stages"]
    for n, stage in enumerate(stages):
        seen = "" if stage["entered"] is None else f"<br/>{stage['entered']:,} rows"
        heading = _heading(stage).replace('"', "'")
        lines.append(f'  s{n}["{heading}{seen}"]')
        if n + 1 < len(stages):
            lines.append(f"  s{n} --> s{n + 1}")
        if stage["outcomes"]:
            count = "" if stage["decided"] is None else f"|{stage['decided']:,}|"
            lines.append(f'  s{n} -->{count} o{n}(["{" / ".join(stage["outcomes"])}"])')
    return "\n".join(lines) + "\n"


def svg(plain: Mapping[str, Any]) -> str:
    """Write a flow, as `to_plain` gives it, as an SVG that takes the colours of its page."""
    stages = plain["stages"]
    height = len(stages) * (HEIGHT + GAP) + GAP
    title = f"Flow {plain['flow']} {plain['version']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + SIDE + 80} {height}" '
        f'role="img" font-family="sans-serif" font-size="13" fill="none" stroke="currentColor">',
        f"<title>{escape(title)}</title>",
    ]
    for n, stage in enumerate(stages):
        top = GAP + n * (HEIGHT + GAP)
        parts += _box(10, top, WIDTH, _heading(stage), stage["entered"], "rows")
        if n + 1 < len(stages):
            middle, foot = 10 + WIDTH // 2, top + HEIGHT
            parts.append(f'<path d="M{middle} {foot}v{GAP - 4}m-4 -6l4 6l4 -6"/>')
        if stage["outcomes"]:
            left = 10 + WIDTH
            parts.append(f'<path d="M{left} {top + HEIGHT // 2}h42m-6 -4l6 4l-6 4"/>')
            words = " / ".join(stage["outcomes"])
            parts += _box(left + 46, top, SIDE, words, stage["decided"], "decided")
    return "".join([*parts, "</svg>"])


def _box(left: int, top: int, width: int, text: str, count: int | None, what: str) -> list[str]:
    made = [f'<rect x="{left}" y="{top}" width="{width}" height="{HEIGHT}" rx="8"/>']
    lines = [text if len(text) <= width // 7 else text[: width // 7 - 1] + "…"]
    lines += [] if count is None else [f"{count:,} {what}"]
    for n, line in enumerate(lines):
        y = top + HEIGHT // 2 + 5 + (n * 2 - (len(lines) - 1)) * 10
        made.append(
            f'<text x="{left + width // 2}" y="{y}" text-anchor="middle" fill="currentColor" '
            f'stroke="none">{escape(line)}</text>'
        )
    return made
