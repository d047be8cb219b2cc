# SPDX-License-Identifier: Apache-2.0
"""What the pages that applications declare show: the rows that each form draws."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from heptad.service.app import Block, Page
from heptad.service.decisions.explaining import explain
from heptad.service.features import unit_of
from heptad.standards.errors import ContractError, HeptadError, UnknownName, suggest
from heptad.standards.time import as_of, day, format_instant
from heptad.terminal.commands.cards import editor
from heptad.terminal.commands.modes import bearers, mode_rows
from heptad.terminal.commands.pagerows import chart_rows, count_rows, table_rows, timeline_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from heptad.runtime import Platform
    from heptad.service.app import App
    from heptad.service.decisions.records import Opened
    from heptad.service.reads.guard import Access

    Read = Callable[..., Any]

MOST = 2_000
"""Decisions that a chart by reason counts, the latest."""
_PAGE = 500
OVERVIEW = "overview"
"""Path of the page that every application has."""


def show_page(
    platform: Platform,
    name: str,
    path: str,
    about: str = "",
    t: str = "",
    **reader: str,
) -> dict[str, Any]:
    """Read what a declared page of an application shows.

    The data of a page are one value per read, shaped for its form: `stat` {value, unit}, `table`
    [row], `chart` {x, y, series [{name, points [[x, y]]}]}, `timeline` [{at, kind, text}],
    `decision` one explanation, `text` one text.

    Args:
        platform: the open project.
        name: of the application.
        path: of the page.
        about: the key that `$about` stands for in what the page reads; a clause that needs one
            is left out without it.
        t: as of this instant, ISO 8601: what had happened and was known by then; now by default.
        **reader: `purpose`, `role` and `who` reads.

    Raises:
        UnknownName: if the application declares no such page.
        ContractError: if the page reads what cannot be read in its form.
    """
    asked = ask_page(platform, name, path, about, t)
    page, at = asked.page, asked.at
    with asked.reading(platform, **reader):
        data = {
            what: read(platform, page.form, what, _about(text, about), at)
            for what, text in page.reads.items()
        }
        blocks = [show_block(platform, part, at) for part in asked.parts]
    return asked.head() | {"form": page.form, "data": data, "blocks": blocks}


class Asked(NamedTuple):
    """A page that somebody asks for.

    Attributes:
        app: the application.
        page: as declared.
        parts: its blocks, with the key that it is about in place.
        about: that key; "" for none.
        at: as of when, microseconds; None for now.
    """

    app: App
    page: Page
    parts: list[Block]
    about: str
    at: int | None

    def head(self) -> dict[str, Any]:
        """Return what is known of the page before anything is read."""
        return {
            "app": self.app.name,
            "title": self.app.title,
            "purpose": self.app.purpose,
            "path": self.page.path,
            "question": self.page.question,
        }

    def reading(self, platform: Platform, **reader: str) -> AbstractContextManager[Access]:
        """Let blocks of it be read; one record for as many as are read within."""
        aim: dict[str, Any] = {n: reader.get(n, "") for n in ("role", "who")}
        aim |= {"purpose": reader.get("purpose") or None, "about": self.about}
        aim |= {"app": self.app.name, "page": self.page.path}
        return platform.reviewing("page", self.app.purpose, **aim)


def ask_page(platform: Platform, name: str, path: str, about: str = "", t: str = "") -> Asked:
    """Find what somebody asks for; see `show_page`. A past has no form to decide in.

    Raises:
        UnknownName: if the application declares no such page.
    """
    app = platform.app(name)
    pages = {page.path: page for page in pages_of(app)}
    if path not in pages:
        raise UnknownName(f"{name} has no page {path!r}.", got=path, do=suggest(path, pages))
    at = as_of(t)
    parts = [part for part in pages[path].parts() if at is None or part.form != "form"]
    whole = [replace(part, read=_about(part.read, about)) for part in parts]
    return Asked(app, pages[path], whole, about, at)


def _about(text: str, key: str) -> str:
    """Put a key where `$about` stands; without one, leave those clauses out."""
    if "$about" not in text:
        return text
    if any(c.isspace() for c in key):
        raise ContractError("A key that a page is about has no spaces.", got=key)
    return " ".join(c.replace("$about", key) for c in text.split() if key or "$about" not in c)


def pages_of(app: App) -> list[Page]:
    """Return the pages of an application: one that all have, then those that it declares."""
    declared = [page for page in app.pages if page.path != OVERVIEW]
    own = [page for page in app.pages if page.path == OVERVIEW]
    return [*(own or [_overview(app)]), *declared]


def _overview(app: App) -> Page:
    """Return the page that an application has without declaring any."""
    of = f"app={app.name}"
    blocks = [
        Block("stat", f"decisions {of}", "Decisions", width=3),
        Block("stat", f"decisions {of} outcome=approve", "Approved", width=3),
        Block("stat", f"decisions {of} outcome=refer,hold,challenge", "For a person", width=3),
        Block("stat", f"decisions {of} outcome=decline", "Declined", width=3),
        Block("chart", f"decisions {of}", "Decisions by day and outcome", width=8),
        Block("timeline", f"decisions {of} limit=6", "Latest", width=4),
        Block("table", f"decisions {of} limit=12", "Latest decisions"),
        Block("form", f"decide {of}", "Decide a case by hand"),
    ]
    return Page(OVERVIEW, app.title, blocks=blocks)


def block_head(part: Block) -> dict[str, Any]:
    """Return what is known of a block before it is read."""
    return {"form": part.form, "title": part.title, "note": part.note, "width": part.width}


def show_block(platform: Platform, part: Block, at: int | None) -> dict[str, Any]:
    """Read one block; one that cannot be read says so and leaves the others alone."""
    what, _, clauses = part.read.partition(" ")
    try:
        data = part.read if part.form == "text" else read(platform, part.form, what, clauses, at)
    except HeptadError as error:
        return block_head(part) | {"data": None, "problem": error.to_dict()}
    return block_head(part) | {"data": data, "problem": None}


def read(platform: Platform, form: str, what: str, text: str, at: int | None = None) -> Any:
    """Read one thing in a form, as of an instant in microseconds; a text is shown as it is.

    Raises:
        ContractError: if it cannot be read in that form, by those clauses, or as of an instant.
    """
    if form == what == "text":
        return text
    if (form, what) not in _READS:
        raise ContractError(
            f"A page of the form {form} cannot read {what}.",
            got=what,
            do=suggest(what, {w for f, w in _READS if f == form}),
        )
    reader, clauses = _READS[form, what], _clauses(text)
    form_of = signature(reader)
    if "at" in form_of.parameters:
        clauses |= {"at": at}
    elif at is not None and form != "form":
        raise ContractError(f"{what} as {form} shows the present only.", do="go back to now")
    try:
        bound = form_of.bind(platform, **clauses)
    except TypeError as error:
        raise ContractError(
            f"A page that reads {what} has other clauses.", got=text, do=str(error)
        ) from error
    return reader(*bound.args, **bound.kwargs)


def _clauses(text: str) -> dict[str, Any]:
    """Read `app=fraud outcome=hold`."""
    parts = [part.partition("=") for part in text.split()]
    for name, equals, value in parts:
        if not (equals and value):
            raise ContractError(
                "A page's read is clauses like app=fraud.", got=name, do="write name=value"
            )
    return {name: value for name, _, value in parts}


def _rows(
    platform: Platform,
    app: str,
    outcome: str = "",
    limit: str = "20",
    through: str = "",
    at: int | None = None,
) -> list[dict[str, Any]]:
    """Return the latest decisions; `through=Loan.application:l1` only those on what l1 refers to."""
    from heptad.service.decisions.deciding import subject_of
    from heptad.terminal.commands.decisions import row

    if not through:
        return [row(platform, entry) for entry in latest(platform, int(limit), app, outcome, at)]
    table = platform.app(app).on
    asked = table_rows(platform, table.__name__, limit=limit, at=at, through=through)
    keys = {str(r[table.key.name]) for r in asked}
    return [
        row(platform, entry)
        for who in sorted({subject_of(table, r) for r in asked})
        for entry in latest(platform, MOST, app, outcome, at, who)
        if entry.public["row_key"] in keys
    ][: int(limit)]


def _number(
    platform: Platform, app: str, outcome: str = "", at: int | None = None
) -> dict[str, Any]:
    counts = platform.catalog.decisions.counts(app, at=at)
    some = outcome.split(",") if outcome else list(counts)
    value = sum(counts.get(name, 0) for name in some)
    return {"value": value, "unit": "decisions"}


def _by_day(
    platform: Platform, app: str, outcome: str = "", by: str = "outcome", at: int | None = None
) -> dict[str, Any]:
    """Count decisions by day, one series for each outcome or reason."""
    if by == "reason":
        counted = _reasons(platform, app, outcome, at)
    else:
        days = platform.catalog.decisions.by_day(app, at=at).items()
        counted = Counter(
            {(at, name): n for at, of in days for name, n in of.items() if outcome in ("", name)}
        )
    names = sorted({name for _, name in counted})
    series = [
        {
            "name": name,
            "points": [
                [format_instant(at), n] for (at, of), n in sorted(counted.items()) if of == name
            ],
        }
        for name in names
    ]
    return {"x": "day", "y": "decisions", "series": series}


def _reasons(
    platform: Platform, app: str, outcome: str, at: int | None
) -> Counter[tuple[int, str]]:
    """Count the latest decisions by day and reason code."""
    counted: Counter[tuple[int, str]] = Counter()
    for entry in latest(platform, MOST, app, outcome, at):
        first = entry.public["event_time"] // day * day
        counted.update((first, code) for code in entry.public["reasons"])
    return counted


def latest(
    platform: Platform,
    most: int,
    app: str,
    outcome: str,
    at: int | None = None,
    subject: str = "",
) -> list[Opened]:
    """Return the latest decisions of what had happened by an instant, the last one first."""
    found: list[Opened] = []
    cursor: str | None = None
    while len(found) < most:
        limit = min(_PAGE, most - len(found))
        page = platform.catalog.decisions.page(
            app=app,
            subject=subject or None,
            outcome=outcome or None,
            until=at,
            cursor=cursor,
            limit=limit,
        )
        opened = platform.log.stored(e.id for e in page.entries)
        found += platform.reviewed([opened[e.id] for e in page.entries])
        cursor = page.cursor
        if cursor is None:
            break
    return found


def _events(
    platform: Platform, app: str, outcome: str = "", limit: str = "20", at: int | None = None
) -> list[dict[str, Any]]:
    rows = _rows(platform, app, outcome, limit, at=at)
    return [{"at": row["when"], "kind": row["outcome"], "text": row["why"]} for row in rows]


def _decision(
    platform: Platform, app: str, outcome: str = "", at: int | None = None
) -> dict[str, Any] | None:
    """Explain the latest decision."""
    found = latest(platform, 1, app, outcome, at)
    return explain(found[0], platform.app(app)) if found else None


def _card(platform: Platform, app: str, at: int | None = None) -> list[dict[str, Any]]:
    """Return the points of the model in use, a row for each bin; none without a scorecard."""
    from heptad.service.scorecards import PointsModel

    champion = platform.catalog.models.champion(app, at)
    if champion is None:
        return []
    model = platform.desk.scorer(app, champion.sha256).estimator
    return model.rows() if isinstance(model, PointsModel) else []


def _quality(
    platform: Platform, app: str, metric: str = "auc", at: int | None = None
) -> dict[str, Any]:
    """Return a figure of the model in use, with its interval."""
    champion = platform.catalog.models.champion(app, at)
    found = (champion.metrics or {}).get("ours", {}).get(metric, {}) if champion else {}
    kept = {n: found[n] for n in ("low", "high", "n") if n in found}
    return {"value": found.get("value"), "unit": metric} | kept


def _stages(
    platform: Platform, app: str, limit: str = str(MOST), at: int | None = None
) -> list[dict[str, Any]]:
    """Return the stages of the flow in force with how many decisions each of them made."""
    from heptad.terminal.commands.pace import counts

    names = ("name", "kind", "entered", "decided", "outcomes")
    told = counts(platform, app, int(limit), t=_said(at))
    rows = [{n: stage[n] for n in names} for stage in told["stages"]]
    return [row | {"outcomes": ", ".join(row["outcomes"])} for row in rows]


def _straight(
    platform: Platform, app: str, what: str = "straight", at: int | None = None
) -> dict[str, Any]:
    """Return the share of decisions that needed no person, or the minutes of work per decision."""
    from heptad.terminal.commands.pace import pace

    return {
        "value": pace(platform, app, t=_said(at))[what],
        "unit": "minutes" if what != "straight" else "share",
    }


def _said(at: int | None) -> str:
    return "" if at is None else format_instant(at)


def _schema(platform: Platform, app: str) -> dict[str, Any]:
    """Return what a form asks for to have one row decided: the schema of a row that is posted."""
    from heptad.terminal.http.document import row_schema

    return {"app": app, "schema": row_schema(platform.app(app).on)}


def _spread(
    platform: Platform, app: str, name: str, at: int | None = None
) -> dict[str, Any] | None:
    """Say how the values of a feature, or of a column decided on, spread in the latest decisions."""
    from heptad.service.decisions.contrast import place, values_of

    known = [e.decision for e in latest(platform, MOST, app, "", at) if e.decision is not None]
    spot = place(values_of(known, name), None)
    feature = platform.app(app).features.get(name)
    unit = unit_of(feature) if feature is not None else ""
    return None if spot is None else spot._asdict() | {"name": name, "unit": unit}


def _moved(platform: Platform, app: str, at: int | None = None) -> dict[str, Any]:
    """Return where and when money moved, with what the application stopped."""
    from heptad.service.reads.movements import movements

    access = _access(platform)
    stopped = latest(platform, MOST, app, "hold,challenge,decline", at)
    keys = {str(entry.public["row_key"]) for entry in stopped}
    return movements(platform.reads.under(access), access, keys, at)._asdict()


def _linked(platform: Platform, app: str, at: int | None = None) -> dict[str, Any]:
    """Return who is linked with whom in the case that is due first."""
    from heptad.service.cases.past import past_cases
    from heptad.terminal.commands.cases import around_case

    cases = platform.work.cases
    first = cases.page(app=app, limit=1) if at is None else past_cases(cases, at, app=app)
    open_ones = [c for c in first if c.status != "closed"]
    if not open_ones:
        return {"case": "", "nodes": [], "links": []}
    found = around_case(platform, _access(platform), open_ones[0], at)
    return {"case": open_ones[0].id, "nodes": found["nodes"], "links": found["links"]}


def _access(platform: Platform) -> Access:
    """Return the read under which the page is read."""
    access = platform.guard.current
    assert access is not None  # noqa: S101 - a page is read under one
    return access


_READS: dict[tuple[str, str], Read] = {
    ("table", "decisions"): _rows,
    ("stat", "decisions"): _number,
    ("chart", "decisions"): _by_day,
    ("distribution", "feature"): _spread,
    ("graph", "case"): _linked,
    ("map", "movements"): _moved,
    ("timeline", "decisions"): _events,
    ("decision", "decisions"): _decision,
    ("table", "model"): _card,
    ("stat", "model"): _quality,
    ("table", "stages"): _stages,
    ("table", "modes"): mode_rows,
    ("table", "bearers"): bearers,
    ("stat", "pace"): _straight,
    ("form", "decide"): _schema,
    ("form", "bins"): editor,
    ("table", "rows"): table_rows,
    ("chart", "rows"): chart_rows,
    ("timeline", "rows"): timeline_rows,
    ("stat", "rows"): count_rows,
}
"""Form and what is read → what reads it."""
