# SPDX-License-Identifier: Apache-2.0
"""The person's own report: what is held of them, from where, who read it, on what basis; HTML too."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.identifiers import quote
from heptad.security.purposes import group_of
from heptad.security.sealing import open_sealed, subject_names
from heptad.service.subjects.holders import naming
from heptad.service.subjects.regimes import regime
from heptad.standards.time import day, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heptad.security.erasure import Person
    from heptad.standards import Table

PURPOSE = "legal"
MOST_ROWS, MOST_READS = 1_000, 10_000


def report(platform: Any, name: str, *, who: str = "", role: str = "") -> dict[str, Any]:
    """Return all that is held of a person, for themselves; the report is a recorded read.

    Args:
        platform: the open project.
        name: `Customer:42`, or `42`.
        who: who makes the report.
        role: in which role; it must be allowed to act for the purpose legal.

    Raises:
        Refused: if the role may not.
    """
    person = platform.erasing.person(name)
    law, now = regime(platform.project.regime), platform.clock.now()
    reader = {"who": who or platform.who, "role": role or platform.role, "purpose": PURPOSE}
    platform.work.settle()
    with platform.guard.reading("report", **reader, subject=person.subject) as access:
        access.review()
        access.about([person.subject])
        tables = list(_tables(platform, person, access))
        held = platform.erasing.show(name)
        found = {
            "subject": person.subject,
            "made": format_instant(now),
            "by": platform.project.name,
            "regime": law.title,
            "answer_by": format_instant(now + law.report_days * day),
            "state": held["state"],
            "held": held["held"],
            "holds": held["holds"],
            "tables": tables,
            "decisions": _decisions(platform, person),
            "messages": _messages(platform, person),
            "cases": _cases(platform, person),
            "reads": _reads(platform, person),
            "purposes": _purposes(platform, {t["group"] for t in tables}),
            "rights": list(law.rights),
        }
        access.read.rows = sum(len(t["rows"]) for t in tables)
    return found


def _tables(platform: Any, person: Person, access: Any) -> Iterator[dict[str, Any]]:
    """Yield each table that names the person: where its rows came from, and what they say."""
    law = regime(platform.project.regime)
    for table in platform.tables.values():
        fields = naming(table, person.type)
        relation = platform.loading.stored(table) if fields else None
        if relation is None:
            continue
        access.read.columns[table.__name__] = list(table.fields)
        where = " OR ".join(f"{quote(f.name)} = ?" for f in fields)
        rows = platform.duck.arrow(
            f"SELECT * FROM {relation} WHERE {where} ORDER BY event_time, _load, _line "
            f"LIMIT {MOST_ROWS}",
            [person.key] * len(fields),
        )
        if not rows.num_rows:
            continue
        loads = sorted({*rows.column("_load").to_pylist()})
        kept = law.keeps(group_of(table))
        yield {
            "table": table.__name__,
            "what": (table.__doc__ or "").strip().splitlines()[0],
            "group": group_of(table),
            "from": sorted({platform.catalog.loads.get(n).source for n in loads}),
            "since": format_instant(min(platform.catalog.loads.get(n).arrival for n in loads)),
            "kept": f"{kept.days} days after {kept.after}" if kept else "as long as the contract",
            "rule": law.rules[kept.rule].cites if kept else "",
            "rows": _opened(platform, table, rows, person),
        }


def _opened(platform: Any, table: type[Table], rows: Any, person: Person) -> list[dict[str, Any]]:
    """Open what is sealed for this person; what is another's stays closed."""
    sealed: dict[str, list[Any]] = {}
    who = table.subject
    for field in table.fields.values():
        if not field.sealed or who is None:
            continue
        column = rows.column(field.columns()[0].name)
        subjects = subject_names(table, rows.column(who.name))
        opened = open_sealed(column, subjects, platform.keys, table.__name__, field.name)
        mine = [s == person.subject for s in subjects.to_pylist()]
        cells = zip(opened.values.to_pylist(), mine, strict=True)
        sealed[field.columns()[0].name] = [v if own else "(another person)" for v, own in cells]
    plain = [c.name for f in table.fields.values() for c in f.columns()]
    listed = rows.select([n for n in plain if n in rows.column_names and n not in sealed])
    found = listed.to_pylist()
    for name, values in sealed.items():
        for row, value in zip(found, values, strict=True):
            row[name] = value
    return [{n: _shown(table, n, v) for n, v in row.items()} for row in found]


def _shown(table: type[Table], name: str, value: Any) -> Any:
    from heptad.standards import Instant

    if isinstance(table.fields.get(name), Instant) and isinstance(value, int):
        return format_instant(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _decisions(platform: Any, person: Person) -> list[dict[str, Any]]:
    """Return decisions about the person as they are explained to them."""
    from heptad.service.decisions.explaining import explain

    page = platform.catalog.decisions.page(subject=person.subject, limit=500)
    entries = platform.log.stored(e.id for e in page.entries).values()
    return [
        explain(entry, platform.apps[str(entry.public["app"])], to="customer")
        | {"purpose": entry.public["purpose"], "basis": entry.public["basis"]}
        for entry in entries
        if str(entry.public["app"]) in platform.apps
    ]


def _messages(platform: Any, person: Person) -> list[dict[str, Any]]:
    outbox, found = platform.work.outbox, []
    for message in outbox.recent(subject=person.subject, limit=500):
        text = outbox.text(message)
        found.append(
            {
                "when": format_instant(message.created),
                "by": message.channel,
                "purpose": message.purpose,
                "status": message.status,
                "reason": message.reason,
                "title": text.title if text else "(erased)",
            }
        )
    return found


def _cases(platform: Any, person: Person) -> list[dict[str, Any]]:
    names = ("id", "app", "inbox", "status", "outcome")
    cases = platform.work.cases.page(subject=person.subject, limit=500)
    return [{n: getattr(c, n) for n in names} | {"opened": format_instant(c.opened)} for c in cases]


def _reads(platform: Any, person: Person) -> list[dict[str, Any]]:
    """Return who read about the person: roles and purposes; the names of staff stay inside."""
    found = []
    for entry in platform.access.entries(subject=person.subject, limit=MOST_READS):
        r = entry.record
        found.append(
            {
                "when": format_instant(r.at),
                "role": r.role,
                "purpose": r.purpose,
                "basis": ", ".join(sorted({b for b in r.grounds.values() if b})),
                "action": r.action,
                "result": r.result,
                "tables": sorted(r.columns),
            }
        )
    return found


def _purposes(platform: Any, groups: set[str]) -> list[dict[str, Any]]:
    """Return for what the groups that are held may be read, on which basis, and how to end it."""
    law = regime(platform.project.regime)
    found = []
    for purpose in platform.guard.purposes.values():
        grounds = {g: b for g in sorted(groups) if (b := purpose.on(g)) is not None}
        if grounds:
            rule = law.bases.get(purpose.name)
            found.append(
                {
                    "purpose": purpose.name,
                    "says": purpose.sentence,
                    "grounds": grounds,
                    "you_may_end_it": purpose.withdrawable,
                    "rule": law.rules[rule[1]].cites if rule else "",
                }
            )
    return found


def page(found: Mapping[str, Any]) -> str:
    """Write a report as one page of HTML that needs nothing else."""
    parts = [
        f"<h1>What {_e(found['by'])} holds about {_e(found['subject'])}</h1>",
        f"<p>Made {_e(found['made'])} · {_e(found['regime'])} · state: {_e(found['state'])}</p>",
        "<h2>Your rights</h2><ul>"
        + "".join(f"<li>{_e(r)}</li>" for r in found["rights"])
        + "</ul>",
        "<h2>In short</h2>" + _grid(found["held"], ("store", "what", "n", "fate", "why")),
        "<h2>Why it may be read</h2>"
        + _grid(found["purposes"], ("purpose", "says", "grounds", "you_may_end_it", "rule")),
    ]
    for table in found["tables"]:
        names = tuple(table["rows"][0])
        parts.append(
            f"<h2>{_e(table['table'])}</h2><p>{_e(table['what'])} From "
            f"{_e(', '.join(table['from']))}, since {_e(table['since'])}; kept {_e(table['kept'])}. "
            f"{_e(table['rule'])}</p>" + _grid(table["rows"], names)
        )
    for title, key in (("Decisions", "decisions"), ("Messages", "messages"), ("Cases", "cases"),
                       ("Who read it", "reads"), ("Legal holds", "holds")):  # fmt: skip
        rows = found[key]
        body = (
            _grid(rows, tuple(dict.fromkeys(n for r in rows for n in r)))
            if rows
            else "<p>None.</p>"
        )
        parts.append(f"<h2>{title}</h2>{body}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Report</title><style>'
        "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;display:block;overflow-x:auto}"
        "td,th{border:1px solid #8884;padding:.25rem .5rem;text-align:left;vertical-align:top}"
        f"</style><main>{''.join(parts)}</main></html>"
    )


def _grid(rows: Any, names: tuple[str, ...]) -> str:
    head = "".join(f'<th scope="col">{_e(n.replace("_", " "))}</th>' for n in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{_e(_cell(row.get(n)))}</td>" for n in names) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_cell(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_cell(v) for v in value)
    return (
        "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    )


def _e(value: object) -> str:
    return html.escape(str(value))
