# SPDX-License-Identifier: Apache-2.0
"""The page of operators, made from their declarations."""

from __future__ import annotations

from heptad.service.operators.declared import OPERATORS, Operator

_STREAM_LACKS = "walks to the key, `into`"


def page() -> str:
    """Return the page of operators as Markdown."""
    rows = "\n".join(_row(o) for o in OPERATORS.values())
    return f"""# Operators

Made from `src/heptad/service/operators/declared.py`; `tests/service/test_catalogue.py` fails when this page
differs.

A feature asks one operator of one field: `operator(field, by=…, over=…, …)`.

| clause | means |
|---|---|
| `by` | the field, or walk over Refs, whose value is the key; several in brackets |
| `over` | a length of time, `last(n)` events, or nothing for all history |
| `every` | the window's end moves back to a whole multiple of this since 1970, so that the value changes only then; without `over`, the window is one such period |
| `where` | which events of the window count |
| `delay` | the window ends so much before t |
| `into` | the currency that money is converted to, tier 1 in batch only |
| `default` | what stands where there is no value |

The window of (key, t, k) holds the events with edge - over < event_time <= edge that were known at
k, where edge is t - delay, moved back to a whole `every`. A row that is itself an event ends its
window at its own (event_time, key).

| operator | clauses | of | gives | unit | join | kernel | stream | what it answers |
|---|---|---|---|---|---|---|---|---|
{rows}

*join* is the range join in DuckDB, *kernel* the compiled plan in batch, *stream* the reading in
memory. Where several columns say yes they give the same bits, which
`tests/service/test_windows.py`, `tests/service/test_kernel.py` and `tests/service/test_stream.py`
hold against one definition in plain Python. The stream reads no {_STREAM_LACKS}. No operator
estimates: `distinct` and `percentile` are exact for any window, at a cost that grows with it.
"""


def _row(o: Operator) -> str:
    """Return the line of one operator."""
    clauses = ", ".join(f"`{c}`" for c in o.clauses) or "–"
    join = "yes" if o.tier == 1 else "no"
    unit = o.unit or ("–" if o.gives == "flag" else "the field's")
    says = o.says.replace("|", "\\|")
    return (
        f"| `{o.name}` | {clauses} | {o.takes} | {o.gives} | {unit} | {join} | yes | yes | {says} |"
    )
