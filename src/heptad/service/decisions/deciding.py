# SPDX-License-Identifier: Apache-2.0
"""Decide rows: read their features, score them, ask the application, and record what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pyarrow as pa

from heptad.engine.sql.identifiers import quote
from heptad.service.app import Inputs, Plain, Score
from heptad.service.batch.history import instants, spine_of
from heptad.service.cases.resuming import CASE_OUTCOME, resumed
from heptad.service.decisions.decision import (
    Decision,
    decision_id,
    definitions_version,
    environment,
)
from heptad.service.modes import hidden, without
from heptad.standards import Text
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from heptad.service.app import App, Estimator
    from heptad.service.batch.history import Queries, Spine
    from heptad.service.batch.windows import Stored
    from heptad.standards import Table


BATCH = 20_000
"""Rows decided in one go."""
FEW = 2_000
"""Keys up to which rows are looked for in two steps."""

_SHOWN: WeakKeyDictionary[type[Table], tuple[tuple[str, str], ...]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Scorer:
    """A trained model and the hash of its bytes."""

    estimator: Estimator
    sha256: str
    name: str = ""


@dataclass(frozen=True)
class Asked:
    """A request whose caller gave it an id: the idempotency key, and a hash of the body."""

    id: str
    body: str


@dataclass(frozen=True)
class Circumstances:
    """What holds for a batch of decisions beside the rows.

    Attributes:
        policy: named values, the application's own with the project's changes.
        tables: version of each table read.
        basis: lawful basis of the purpose.
        now: when the decisions are made, microseconds.
        scorer: the champion model, if the application has one.
        asked: by row key, the requests whose callers gave them an id.
        code: hash of the application's files; "" to read them.
        definitions: hash of its features' definitions; "" to make it.
    """

    policy: Mapping[str, Plain]
    tables: Mapping[str, int]
    basis: str
    now: int
    scorer: Scorer | None = None
    asked: Mapping[str, Asked] = field(default_factory=dict)
    code: str = ""
    definitions: str = ""


def decide(
    app: App,
    rows: pa.Table,
    compute: Callable[[Spine], Mapping[str, pa.Array]],
    circumstances: Circumstances,
) -> tuple[list[Decision], dict[str, HeptadError]]:
    """Decide each row of `app.on`.

    Args:
        app: the application that decides.
        rows: (n,) stored rows of `app.on` with their known_time.
        compute: gives the features of a spine.
        circumstances: what else the decision rests on.

    Returns:
        The decisions in the order of the rows, and what failed of the others, by row key; nothing
        is recorded yet.
    """
    features = compute(spine_of(app.on, rows))
    names = list(features)
    values = zip(*(features[n].to_pylist() for n in names), strict=True) if names else ()
    plain = plain_rows(app.on, rows)
    found = values if names else iter([()] * len(plain))
    times = zip(
        *(instants(rows.column(c)).to_pylist() for c in ("event_time", "known_time")), strict=True
    )
    given = (dict(zip(names, value, strict=True)) for value in found)
    return decide_each(app, zip(plain, given, times, strict=True), circumstances)


def decide_each(
    app: App,
    rows: Iterable[tuple[Mapping[str, Plain], Mapping[str, Plain], tuple[int, int]]],
    circumstances: Circumstances,
) -> tuple[list[Decision], dict[str, HeptadError]]:
    """Decide rows whose features are known; see `decide`.

    Args:
        app: the application that decides.
        rows: of each the row as plain data, its features, and its event_time and known_time.
        circumstances: what else the decisions rest on.
    """
    shared = {
        "code": circumstances.code or app.code_version(),
        "definitions": circumstances.definitions or definitions_version(app),
        "environment": environment(),
        "purpose": app.purpose,
        "basis": circumstances.basis,
        "decided_at": circumstances.now,
        "tables": dict(circumstances.tables),
        "policy": dict(circumstances.policy),
        "model": circumstances.scorer.sha256 if circumstances.scorer else "",
    }
    made: list[Decision] = []
    failed: dict[str, HeptadError] = {}
    nobodys = hidden(app, circumstances.policy)
    for row, given, times in rows:
        try:
            decision = _decide_one(app, row, without(given, nobodys), times, circumstances, shared)
            decision.to_bytes()
            made.append(decision)
        except HeptadError as error:
            failed[str(row[app.on.key.name])] = error
    return made, failed


def _decide_one(
    app: App,
    row: Mapping[str, Plain],
    features: Mapping[str, Plain],
    times: tuple[int, int],
    circumstances: Circumstances,
    shared: Mapping[str, Any],
) -> Decision:
    """Decide one row."""
    score = score_of(app, circumstances.scorer, features, row)
    outcome = answer(app, Inputs(features, row, circumstances.policy, score, times[1]))
    row_key = str(row[app.on.key.name])
    own = circumstances.asked.get(row_key)
    return Decision(
        id=own.id if own else decision_id(app.name, app.on.__name__, row_key, times[1]),
        app=app.name,
        on=app.on.__name__,
        row_key=row_key,
        subject=subject_of(app.on, row),
        event_time=times[0],
        known_time=times[1],
        outcome=outcome.outcome,
        reasons=tuple(outcome.reasons),
        amounts=dict(outcome.amounts),
        features=features,
        row=row,
        score=score,
        request=own.body if own else "",
        **shared,
    )


def answer(app: App, inputs: Inputs) -> Any:
    """Ask the application, naming it if its code fails.

    Raises:
        HeptadError: if `decide` raises; the row is not decided.
    """
    try:
        return resumed(app, inputs) if CASE_OUTCOME in inputs.policy else app.decide(inputs)
    except HeptadError:
        raise
    except Exception as error:
        raise HeptadError(
            f"The application {app.name} failed to decide {app.on.__name__} "
            f"{inputs.row[app.on.key.name]}: {type(error).__name__}.",
            do=f"see `decide` in {app.folder}; features may be None",
        ) from error


def score_of(
    app: App, scorer: Scorer | None, features: Mapping[str, Plain], row: Mapping[str, Plain]
) -> Score | None:
    """Score one row with the model of the application, or None without one."""
    if app.model is None or scorer is None:
        return None
    return scorer.estimator.score(
        {n: features[n] if n in features else row.get(n) for n in app.model.inputs}
    )


def subject_of(table: type[Table], row: Mapping[str, Plain]) -> str:
    """Return whom a row is about, `Table:key`."""
    field_ = table.subject
    if field_ is None:
        return ""
    return f"{table.subject_type()}:{row[field_.name]}"


def plain_rows(table: type[Table], rows: pa.Table) -> list[dict[str, Plain]]:
    """Return rows as plain data without what says who a person is.

    Instants are int64 microseconds, days ISO text, amounts and numbers their stored integers.
    """
    columns: dict[str, list[Plain]] = {}
    there = set(rows.column_names)
    for name, kind in _shown(table):
        if name not in there:
            continue
        values = rows.column(name)
        if kind == "instant":
            columns[name] = instants(values).to_pylist()
        elif kind == "day":
            columns[name] = [None if d is None else d.isoformat() for d in values.to_pylist()]
        else:
            columns[name] = values.to_pylist()
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain_row(table: type[Table], row: Mapping[str, Any]) -> dict[str, Plain]:
    """Return one checked row as `plain_rows` gives it once it is stored."""
    found: dict[str, Plain] = {}
    for name, _ in _shown(table):
        value = row.get(name)
        found[name] = value.isoformat() if isinstance(value, date) else value
    return found


def _shown(table: type[Table]) -> tuple[tuple[str, str], ...]:
    """Return name and kind of each column that does not say who a person is."""
    found = _SHOWN.get(table)
    if found is None:
        found = _SHOWN[table] = tuple(
            (column.name, column.kind)
            for field_ in table.fields.values()
            if not (field_.sealed or (isinstance(field_, Text) and field_.pan))
            for column in field_.columns()
        )
    return found


def select_rows(  # noqa: PLR0913 - what rows are chosen by
    queries: Queries,
    table: type[Table],
    stored: Stored,
    *,
    keys: Sequence[str] | None = None,
    known: Sequence[int] | None = None,
    between: tuple[int, int] | None = None,
    latest: int | None = None,
) -> pa.Table:
    """Read the rows that ask for a decision: the first version of each key.

    Args:
        queries: runs the query.
        table: the table decided on.
        stored: where its row versions are.
        keys: only these rows.
        known: the known_time of each key's version wanted, instead of the first.
        between: only from ≤ event_time < to, microseconds.
        latest: only so many rows, the last to have happened.

    Returns:
        The columns that decisions read, ordered by (event_time, key).
    """
    key = quote(table.key.name)
    columns = [c.name for c in table.columns() if not c.name.startswith("_") and c.kind != "sealed"]
    chosen = ", ".join(f"r.{quote(c)}" for c in columns)
    where = ["NOT r._deleted"]
    tables: dict[str, pa.Table] = {}
    if keys is not None:
        tables["wanted"] = _wanted(keys, known)
        where += _asked(queries, f"{stored.relation} r", key, tables["wanted"])
    if stored.corrected:
        # A row that was corrected before it happened has two versions of one known_time.
        one = key if known is None else f"{key}, r.known_time"
        where.append(
            f"true QUALIFY row_number() OVER (PARTITION BY r.{one} "
            f"ORDER BY r.known_time, r._load, r._line) = 1"
        )
    sql = f"SELECT {chosen} FROM {stored.relation} r WHERE {' AND '.join(where)}"
    if between is not None:
        low, high = int(between[0]), int(between[1])
        sql = f"SELECT * FROM ({sql}) WHERE event_time >= {low} AND event_time < {high}"
    if latest is not None:
        sql = f"SELECT * FROM ({sql}) ORDER BY event_time DESC, {key} DESC LIMIT {int(latest)}"
    return queries.arrow(f"SELECT * FROM ({sql}) ORDER BY event_time, {key}", **tables)


def _wanted(keys: Sequence[str], known: Sequence[int] | None) -> pa.Table:
    """Return the relation of the keys asked for, with the known_time of each if it is fixed."""
    wanted: dict[str, Any] = {"wanted_key": pa.array(list(keys), pa.string())}
    if known is not None:
        wanted["wanted_known"] = pa.array(list(known), pa.int64())
    return pa.table(wanted)


def _asked(queries: Queries, relation: str, key: str, wanted: pa.Table) -> list[str]:
    """Return the conditions that a row is wanted.

    Few rows are first looked for by key and instant alone, so that the months and row groups
    without them are not read for the other columns.
    """
    exactly = " AND r.known_time = wanted_known" if "wanted_known" in wanted.column_names else ""
    found = f"EXISTS (SELECT 1 FROM wanted WHERE wanted_key = r.{key}{exactly})"
    if wanted.num_rows > FEW:
        return [found]
    span = queries.arrow(
        f"SELECT min(r.event_time) AS low, max(r.event_time) AS high FROM {relation} WHERE {found}",
        wanted=wanted,
    )
    low, high = (span.column(n)[0].as_py() for n in ("low", "high"))
    if low is None:
        return ["false"]
    return [found, f"r.event_time BETWEEN {low} AND {high}"]
