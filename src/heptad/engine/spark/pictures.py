# SPDX-License-Identifier: Apache-2.0
"""Draw the stages of a plan: as text, as Mermaid, as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.engine.spark.plans import Stage

_WIDE, _LINE, _GAP, _PAD, _LONGEST = 560, 17, 56, 12, 72
_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1b2733}"
    ".h{font-weight:700}.m{fill:#8a3b00}rect{fill:#f4f7fa;stroke:#7c8ea0;rx:6}"
    "path{fill:none;stroke:#8a3b00;stroke-width:1.5;marker-end:url(#a)}"
    "path.b{stroke-dasharray:5 4}"
)


def text(stages: Sequence[Stage]) -> str:
    """Say a plan in lines, sources first."""
    lines: list[str] = []
    for stage in stages:
        lines.append(f"stage {stage.number}")
        lines += [f"  <- stage {s.number} {_way(kind, by)}" for s, kind, by in stage.reads]
        lines += [f"  {name} {said}".rstrip() for name, said in stage.steps]
    return "\n".join(lines)


def mermaid(stages: Sequence[Stage]) -> str:
    """Write a plan as a Mermaid flow chart."""
    lines = ["flowchart BT"]
    for stage in stages:
        told = "<br/>".join(_plain(f"{name} {said}".strip()) for name, said in stage.steps)
        lines.append(f'  s{stage.number}["<b>stage {stage.number}</b><br/>{told}"]')
    for stage in stages:
        for other, kind, by in stage.reads:
            arrow = "-.->" if kind == "broadcast" else "-->"
            lines.append(f'  s{other.number} {arrow}|"{_plain(_way(kind, by))}"| s{stage.number}')
    return "\n".join(lines)


def svg(stages: Sequence[Stage], title: str) -> str:
    """Draw a plan: sources at the top, an arrow wherever rows move between machines."""
    columns = _columns(stages)
    wide = (max(columns.values()) + 1) * (_WIDE + _GAP) + _GAP
    places: dict[int, tuple[int, int, int]] = {}
    top = _GAP
    for level in _levels(stages):
        high = 0
        for stage in level:
            height = _PAD * 2 + _LINE * (len(stage.steps) + 1)
            places[stage.number] = (_GAP + columns[stage.number] * (_WIDE + _GAP), top, height)
            high = max(high, height)
        top += high + _GAP
    drawn = [_box(stage, *places[stage.number]) for stage in stages]
    drawn += [
        _arrow(places[other.number], places[stage.number], _way(kind, by))
        for stage in stages
        for other, kind, by in stage.reads
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {top}" width="{wide}" '
        f'height="{top}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<style>{_STYLE}</style><defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" '
        'style="fill:#8a3b00;stroke:none"/></marker></defs>'
        f'<text x="{_GAP}" y="28" class="h">{escape(title)}</text>{"".join(drawn)}</svg>'
    )


def _levels(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Return the stages by how many others stand before them."""
    depth: dict[int, int] = {}
    for stage in stages:
        depth[stage.number] = max((depth[s.number] + 1 for s, _, _ in stage.reads), default=0)
    deepest = max(depth.values())
    return [[s for s in stages if depth[s.number] == d] for d in range(deepest + 1)]


def _columns(stages: Sequence[Stage]) -> dict[int, int]:
    """Return the column that each stage stands in."""
    return {s.number: n for level in _levels(stages) for n, s in enumerate(level)}


def _box(stage: Stage, x: int, y: int, height: int) -> str:
    lines = [f"stage {stage.number}", *(f"{n} {said}".strip() for n, said in stage.steps)]
    told = "".join(
        f'<text x="{x + _PAD}" y="{y + _PAD + _LINE * (n + 1) - 5}" class="{"" if n else "h"}">'
        f"{escape(_cut(line))}</text>"
        for n, line in enumerate(lines)
    )
    return f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{height}"/>{told}'


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _arrow(start: tuple[int, int, int], end: tuple[int, int, int], way: str) -> str:
    x, y = start[0] + _WIDE // 2, start[1] + start[2]
    to_x, to_y = end[0] + _WIDE // 2, end[1]
    middle = (y + to_y) // 2
    dashed = ' class="b"' if way.startswith("broadcast") else ""
    return (
        f'<path{dashed} d="M{x} {y}C{x} {middle} {to_x} {middle} {to_x} {to_y - 2}"/>'
        f'<text class="m" x="{(x + to_x) // 2 + 8}" y="{middle}">{escape(_cut(way))}</text>'
    )


def _way(kind: str, by: str) -> str:
    if kind == "broadcast":
        return "broadcast to all"
    return f"shuffle by {kind} {by}".strip()


def _plain(said: str) -> str:
    """Return text that means itself inside a Mermaid label."""
    return escape(said).replace("&quot;", "'").replace("[", "(").replace("]", ")")
