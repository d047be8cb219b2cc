# SPDX-License-Identifier: Apache-2.0
"""The validation pack as one HTML page with its own plots, ready to be printed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heptad.analysis.intervals import Interval
    from heptad.analysis.validation import Pack

REGIMES = {
    "US": "Model risk management (SR 26-2, OCC 2026-13, FIL-15-2026)",
    "EU": "Validation of rating systems (CRR Art. 174 and 185)",
    "CN": "Validation of internal ratings and of internet lending models",
    "none": "Validation",
}
"""How a regime calls such a report. What it holds is the same: content, not a name, is checked."""

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%;font-size:.87rem}th,td{text-align:left;padding:.2rem .5rem;
border-bottom:1px solid #e5e5e5}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.origin{font-size:.8rem;color:#555;overflow-wrap:anywhere}svg{max-width:100%;height:auto}
.sign td{height:3rem}figure{margin:1rem 0}figcaption{font-size:.85rem;color:#555}
@page{size:A4;margin:18mm}@media print{body{margin:0;max-width:none;font-size:10.5pt}
h2{break-after:avoid}table,figure{break-inside:avoid}}
"""


def page(pack: Pack, *, regime: str = "none") -> str:
    """Write the pack as HTML. The same pack gives the same text.

    Args:
        pack: as `validation.validate` gives it.
        regime: whose words head the report: a key of `REGIMES`.

    Raises:
        ContractError: if the regime is unknown.
    """
    if regime not in REGIMES:
        raise ContractError("Unknown regime.", got=regime, do=f"choose from {', '.join(REGIMES)}")
    parts = [
        f"<h1>{escape(pack.title)}</h1><p>{escape(REGIMES[regime])}</p>",
        _origin(pack),
        _discrimination(pack),
        _calibration(pack),
        _stability(pack),
        _benchmark(pack),
        _integrity(pack),
        _people(pack),
        _card(pack),
        _closing(pack),
    ]
    head = f"<meta charset=utf-8><title>{escape(pack.title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _number(value: float, of: str, pack: Pack, digits: int = 4) -> str:
    """One figure with what it was made by, and of which model and data."""
    came = f"{of}; model {pack.origin.model[:12]}, rows {pack.origin.rows[:12]}"
    return f'<data value="{value!r}" title="{escape(came)}">{value:,.{digits}f}</data>'


def _between(found: Interval, of: str, pack: Pack) -> list[str]:
    return [_number(v, of, pack) for v in (found.value, found.low, found.high)]


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]], text: int = 1) -> str:
    """A table whose first `text` columns are words and whose others are numbers."""

    def line(cells: Sequence[Any], tag: str) -> str:
        made = [
            f"<{tag}{'' if i < text else ' class=n'}>{cell}</{tag}>" for i, cell in enumerate(cells)
        ]
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>"


def _origin(pack: Pack) -> str:
    rows = [
        ("Model", pack.origin.model),
        ("Data", pack.origin.data),
        ("Rows measured on", pack.origin.rows),
        ("Code", pack.origin.code),
        ("Seed of intervals", str(pack.origin.seed)),
        ("Trained on", f"{pack.trained[0]:,} rows, {pack.trained[1]:,} bad"),
        ("Measured on", f"{pack.evaluation.n:,} rows, {pack.evaluation.bads:,} bad"),
    ]
    held = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    return f'<h2>Origin</h2><table class="origin">{held}</table>'


def _discrimination(pack: Pack) -> str:
    found, by = pack.evaluation, "analysis.evaluation.evaluate"
    named = (
        ("AUC", found.auc),
        ("Gini", found.gini),
        ("KS", found.ks),
        ("Lift of the worst tenth", found.lift_10),
        ("Brier", found.brier),
        ("Log loss", found.log_loss),
    )
    rows = [(name, *_between(one, by, pack)) for name, one in named]
    points = [(40 + 300 * g, 320 - 300 * b) for g, b in pack.roc]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    curve = (
        _frame("Share of goods", "Share of bads")
        + '<line x1=40 y1=320 x2=340 y2=20 stroke="#bbb" stroke-dasharray="4"/>'
        + f'<polyline points="{path}" fill="none" stroke="#1f5fa8" stroke-width="2"/>'
    )
    return (
        "<h2>Discrimination</h2>"
        + _table(("Measure", "Value", "95 % from", "to"), rows)
        + _plot(curve, "Bads caught against goods caught, from the lowest total up.")
        + _plot(_bars(pack), "Totals of goods (blue) and bads (red).")
    )


def _frame(across: str, up: str) -> str:
    return (
        '<rect x=40 y=20 width=300 height=300 fill="none" stroke="#888"/>'
        f'<text x=190 y=345 text-anchor="middle" font-size="12">{escape(across)}</text>'
        f'<text x=14 y=170 text-anchor="middle" font-size="12" transform="rotate(-90 14 170)">'
        f"{escape(up)}</text>"
    )


def _plot(inside: str, caption: str) -> str:
    label = escape(caption, quote=True)
    return (
        f'<figure><svg viewBox="0 0 360 355" width="360" role="img" aria-label="{label}">{inside}'
        f"</svg><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _bars(pack: Pack) -> str:
    tallest = max(max(g, b) for _, _, g, b in pack.spread) or 1.0
    width, made = 300 / len(pack.spread), [_frame("Total points", "Share")]
    for i, (_, _, good, bad) in enumerate(pack.spread):
        for share, color, shift in ((good, "#1f5fa8", 0.0), (bad, "#b3372f", width / 2)):
            tall = 300 * share / tallest
            made.append(
                f'<rect x="{40 + i * width + shift:.1f}" y="{320 - tall:.1f}" '
                f'width="{width / 2:.1f}" height="{tall:.1f}" fill="{color}"/>'
            )
    low, high = pack.spread[0][0], pack.spread[-1][1]
    made.append(f'<text x=40 y=333 font-size="10">{low}</text>')
    made.append(f'<text x=340 y=333 font-size="10" text-anchor="end">{high}</text>')
    return "".join(made)


def _calibration(pack: Pack) -> str:
    found, by = pack.evaluation, "analysis.evaluation.calibration_table"
    top = max(max(b.predicted, b.rate.high) for b in found.calibration) or 1.0
    made = [
        _frame("Said", "Came"),
        '<line x1=40 y1=320 x2=340 y2=20 stroke="#bbb" stroke-dasharray="4"/>',
    ]
    rows = []
    for bucket in found.calibration:
        x = 40 + 300 * bucket.predicted / top
        low, high, at = (
            320 - 300 * v / top for v in (bucket.rate.low, bucket.rate.high, bucket.rate.value)
        )
        made.append(
            f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" stroke="#1f5fa8"/>'
        )
        made.append(f'<circle cx="{x:.1f}" cy="{at:.1f}" r="3" fill="#1f5fa8"/>')
        light = (
            "green"
            if bucket.rate.low <= bucket.predicted <= bucket.rate.high
            else ("red" if bucket.predicted < bucket.rate.low else "amber")
        )
        said = _number(bucket.predicted, by, pack)
        rows.append((f"{bucket.n:,}", said, *_between(bucket.rate, by, pack), light))
    value, chance = pack.hosmer_lemeshow
    test = (
        f"<p>Hosmer-Lemeshow {_number(value, 'analysis.validation', pack, 2)}, p "
        f"{_number(chance, 'analysis.validation', pack)}. Expected calibration error "
        f"{' / '.join(_between(found.ece, 'analysis.evaluation.ece', pack))} (value, from, to). "
        "Red: more came than was said, beyond chance; amber: less.</p>"
    )
    header = ("Cases", "Said", "Came", "95 % from", "to", "Light")
    return (
        "<h2>Calibration</h2>" + test + _table(header, rows, 0)
        + _plot("".join(made), "Probability said against rate come, with 95 % intervals.")
    )  # fmt: skip


def _stability(pack: Pack) -> str:
    by = "analysis.stability"
    rows = [
        (
            escape(d.column),
            _number(d.psi, by, pack),
            _number(d.shift, by, pack, 2),
            _number(pack.without.get(d.column, 0.0), "analysis.validation", pack),
        )
        for d in pack.drift
    ]
    header = ("Column", "PSI", "Points moved", "AUC without it")
    return (
        f"<h2>Stability and sensitivity</h2><p>PSI of the total {_number(pack.psi, by, pack)} "
        "(below 0.1 stable, above 0.25 moved).</p>" + _table(header, rows)
    )


def _benchmark(pack: Pack) -> str:
    if pack.challenger is None:
        return "<h2>Challenger</h2><p>Not compared with a challenger.</p>"
    parts = _between(pack.challenger.interval, "analysis.intervals.delong_paired", pack)
    chance = _number(pack.challenger.p_value, "analysis.intervals.delong_paired", pack)
    return (
        f"<h2>Challenger</h2><p>AUC of the card less the challenger's: {parts[0]} "
        f"({parts[1]} to {parts[2]}), p {chance}.</p>"
    )


def _integrity(pack: Pack) -> str:
    if pack.leaks is None:
        return "<h2>Leaks</h2><p>Not checked.</p>"
    found = "".join(f"<li>{escape(f.kind)}: {escape(f.sentence)}</li>" for f in pack.leaks.findings)
    said = "may be quoted" if pack.leaks.quotable else "may not be quoted"
    return f"<h2>Leaks</h2><p>Figures {said}. {escape(pack.leaks.why)}</p><ul>{found}</ul>"


def _people(pack: Pack) -> str:
    made = ""
    if pack.fairness is None:
        made += "<h2>Groups</h2><p>Not compared.</p>"
    else:
        by = "analysis.fairness.by_group"
        rows = [
            (
                escape(g.name), f"{g.n:,}", *_between(g.approved, by, pack),
                _number(g.impact, by, pack), "–" if g.auc is None else _number(g.auc, by, pack),
                _number(g.gap.value, by, pack),
            )
            for g in pack.fairness.groups
        ]  # fmt: skip
        header = (
            "Group",
            "Cases",
            "Approved",
            "95 % from",
            "to",
            "Impact",
            "AUC",
            "Said less came",
        )
        below = ", ".join(pack.fairness.below) or "none"
        made += (
            f"<h2>Groups</h2><p>Below {pack.fairness.least:g} of the most approved group, beyond "
            f"chance: {escape(below)}.</p>" + _table(header, rows)
        )
    if pack.swap is not None:
        words = {True: "approved", False: "not approved"}
        rows = [
            (words[old], words[new], f"{n:,}", f"{pack.swap.known[old, new]:,}",
             f"{pack.swap.bads[old, new]:,}")
            for (old, new), n in pack.swap.counts.items()
        ]  # fmt: skip
        gap = _between(pack.swap.difference, "analysis.swaps.swap_set", pack)
        made += (
            "<h2>Swap set</h2>" + _table(("Before", "Now", "Cases", "Known", "Bad"), rows, 2)
            + f"<p>Bad rate of the approved, now less before: {gap[0]} ({gap[1]} to {gap[2]}).</p>"
        )  # fmt: skip
    return made


def _card(pack: Pack) -> str:
    rows = [
        (
            escape(row["column"]), escape(row["bin"]), f"{row['cases']:,.0f}",
            f"{row['share']:.4f}", "–" if row["bad_rate"] is None else f"{row['bad_rate']:.4f}",
            f"{row['woe']:.4f}", row["points"],
        )
        for row in pack.card
    ]  # fmt: skip
    header = ("Column", "Bin", "Cases", "Share", "Bad rate", "Evidence", "Points")
    made = "<h2>The card</h2>" + _table(header, rows, 2)
    if pack.crossed:
        made += "<h2>Crossed features</h2>" + _table(
            ("Columns", "Fewest points", "Most"), [(escape(n), a, b) for n, a, b in pack.crossed]
        )
    by_hand = [f"<li>{escape(n)}: {escape(x)}</li>" for n, said in pack.notes.items() for x in said]
    return made + (f"<h2>Done by hand</h2><ul>{''.join(by_hand)}</ul>" if by_hand else "")


def _closing(pack: Pack) -> str:
    said = "".join(f"<li>{escape(one)}</li>" for one in pack.limitations)
    held = f"<ul>{said}</ul>" if said else "<p>None were stated.</p>"
    signs = "".join(
        f"<tr><th>{who}</th><td></td><td></td></tr>"
        for who in ("Model owner", "Validator", "Approver")
    )
    return (
        f"<h2>Limitations</h2>{held}<h2>Sign-off</h2><table class=sign><thead><tr><th>Role</th>"
        f"<th>Name and date</th><th>Signature</th></tr></thead><tbody>{signs}</tbody></table>"
    )
