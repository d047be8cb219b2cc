# SPDX-License-Identifier: Apache-2.0
"""A declared page as one HTML file that prints well: no script, no style from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, EDGE = 720, 240, 42
STYLE = """
:root { font: 14px/1.45 system-ui, sans-serif; color: #1a1d21; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.note, footer { color: #5c6570; } .stat { font-size: 1.6rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { text-align: left; padding: .2rem .5rem .2rem 0; border-bottom: 1px solid #d8dde3;
  vertical-align: top; overflow-wrap: anywhere; } td.n { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
section.s { display: inline-block; min-width: 11rem; margin-right: 1.5rem; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: #5c6570; }
@page { size: A4; margin: 16mm; }
@media print { body { max-width: none; margin: 0; } section { break-inside: avoid; }
  table { break-inside: auto; } tr { break-inside: avoid; } thead { display: table-header-group; } }
"""
INKS = ("#1f5fa8", "#b3472f", "#3d7a4a", "#7a4f9a", "#8a6a1f", "#2f7f86", "#a13d6c", "#5c6570")


def paper(page: Mapping[str, Any], made: str) -> str:
    """Return a page that was read as a whole HTML document.

    Args:
        page: as `show_page` answers it.
        made: what stands at its foot: when, of what, by which version.
    """
    blocks = "".join(_block(block) for block in page["blocks"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(page['question'])}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(page['question'])}</h1><p class=note>{escape(page['title'])}</p>{blocks}"
        f"<footer><p>{escape(made)}</p></footer></body></html>\n"
    )


def _block(block: Mapping[str, Any]) -> str:
    note = f"<p class=note>{escape(block['note'])}</p>" if block["note"] else ""
    if block["problem"]:
        inside = f"<p>{escape(str(block['problem'].get('detail') or block['problem']))}</p>"
    else:
        drawn: Any = {"stat": _stat, "table": _table, "chart": _chart, "timeline": _timeline}
        inside = drawn.get(block["form"], _text)(block["data"])
    kind = " class=s" if block["form"] == "stat" else ""
    return f"<section{kind}><h2>{escape(block['title'])}</h2>{note}{inside}</section>"


def _stat(data: Mapping[str, Any]) -> str:
    value = "none" if data["value"] is None else f"{data['value']:,}"
    return f"<p><span class=stat>{value}</span> {escape(str(data['unit']))}</p>"


def _text(data: Any) -> str:
    return f"<p>{escape(str(data))}</p>"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "<p class=note>nothing</p>"
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(_cell(v) for v in row.values())}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"<td class=n>{value:,}</td>"
    return f"<td>{'' if value is None else escape(str(value))}</td>"


def _timeline(events: Sequence[Mapping[str, Any]]) -> str:
    return _table([{"at": e["at"], "what": e["kind"], "": e["text"]} for e in events])


def _chart(data: Mapping[str, Any]) -> str:
    """Draw each series as a line over the places of x in order, and give its numbers below."""
    places = sorted({str(x) for s in data["series"] for x, _ in s["points"]})
    values = [float(y) for s in data["series"] for _, y in s["points"] if y is not None]
    if not values:
        return "<p class=note>nothing</p>"
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0
    step = (WIDTH - 2 * EDGE) / max(len(places) - 1, 1)
    across = {x: EDGE + n * step for n, x in enumerate(places)}

    def up(y: float) -> float:
        return HEIGHT - EDGE - (y - low) / span * (HEIGHT - 2 * EDGE)

    lines = [
        f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{up(y):.1f}" y2="{up(y):.1f}" '
        f'stroke="#d8dde3"/><text x="2" y="{up(y) + 4:.1f}">{y:,.4g}</text>'
        for y in sorted({low, high, 0.0})
    ]
    for n, series in enumerate(data["series"]):
        dots = " ".join(
            f"{across[str(x)]:.1f},{up(float(y)):.1f}" for x, y in series["points"] if y is not None
        )
        ink = INKS[n % len(INKS)]
        lines.append(
            f'<polyline fill="none" stroke="{ink}" stroke-width="1.5" points="{dots}">'
            f"<title>{escape(str(series['name']))}</title></polyline>"
        )
    for x in {places[0], places[-1]}:
        anchor = "start" if x == places[0] else "end"
        lines.append(
            f'<text x="{across[x]:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{escape(x)}</text>'
        )
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(lines)}</svg>'
    return drawn + _table(_columns(data, places))


def _columns(data: Mapping[str, Any], places: Sequence[str]) -> list[dict[str, Any]]:
    """Return the numbers behind a chart: a row for each series, a column for each place."""
    rows = []
    for series in data["series"]:
        at = {str(x): y for x, y in series["points"]}
        last = places if len(places) <= 13 else [p for n, p in enumerate(places) if n % 3 == 0]
        rows.append({"": series["name"]} | {p: at.get(p) for p in last})
    return rows
