# SPDX-License-Identifier: Apache-2.0
"""What a history costs as events grow, measured and plotted."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.features import write
from benchmarks.harness import RESULTS, Row, child

WIDE, TALL, EDGE = 560, 320, 56


def cost_rows(*, quick: bool, seed: int) -> list[Row]:
    """The same work at every size: ten events for each row of the spine, fifty for each key.

    The largest takes minutes, and memory for ten million rows of twelve values.
    """
    found = []
    for events in (10**5, 10**6) if quick else (10**5, 10**6, 10**7, 10**8):
        with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
            write(Path(scratch), events, events // 10, events // 50, seed)
            mine = child("benchmarks.features:ours", scratch)
        what = f"{events:,} events × {events // 10:,} rows: twelve window features, start included"
        found.append(
            Row(f"cost-{events}", what, mine.cpu, "CPU-seconds", detail={"ours": vars(mine)})
        )
    points = {int(row.name.partition("-")[2]): row.figure for row in found}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"cost{'-quick' if quick else ''}.svg").write_text(plot(points), encoding="utf-8")
    return found


def plot(points: dict[int, float]) -> str:
    """Draw CPU-seconds over events, both in powers of ten.

    Args:
        points: events → CPU-seconds.
    """
    from math import ceil, floor, log10

    left, right = floor(log10(min(points))), ceil(log10(max(points)))
    low, high = floor(log10(min(points.values()))), ceil(log10(max(points.values())))

    def at(x: float, y: float) -> tuple[float, float]:
        wide, tall = WIDE - 2 * EDGE, TALL - 2 * EDGE
        return (EDGE + wide * (x - left) / max(1, right - left),
                TALL - EDGE - tall * (y - low) / max(1, high - low))  # fmt: skip

    marks = []
    for x in range(left, right + 1):
        px, py = at(x, low)
        marks += [_line(px, py, px, EDGE), _text(px, py + 18, f"10^{x}", "middle")]
    for y in range(low, high + 1):
        px, py = at(left, y)
        marks += [_line(px, py, WIDE - EDGE, py), _text(px - 6, py + 4, f"{10**y:g} s", "end")]
    placed = [at(log10(n), log10(s)) for n, s in sorted(points.items())]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    marks.append(f'<polyline points="{path}" fill="none" stroke="#06c" stroke-width="2"/>')
    for (x, y), (n, s) in zip(placed, sorted(points.items()), strict=True):
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#06c"/>')
        marks.append(_text(x, y - 10, f"{s:.1f} s, {s / n * 1e6:.2g} µs an event", "middle"))
    title = "CPU of twelve window features of a history, by events"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {TALL}" role="img">'
        f"<title>{title}</title>{''.join(marks)}{_text(WIDE / 2, TALL - 12, 'events', 'middle')}</svg>\n"
    )


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#ccc"/>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="sans-serif" font-size="11" '
        f'text-anchor="{anchor}">{said}</text>'
    )
