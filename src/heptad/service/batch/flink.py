# SPDX-License-Identifier: Apache-2.0
"""Features on Flink: events out to a file, one job, answers back; rows that it would misread refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.sql.identifiers import quote
from heptad.security.sealing import subject_names
from heptad.service.batch.encoding import filled
from heptad.service.batch.flink_sql import EVENTS, MILLISECOND, FlinkQuery, flink_plan, parsed
from heptad.service.features import parts_of, result_of, steps_of
from heptad.standards.errors import Busy, ContractError
from heptad.standards.time import micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from heptad.engine.flink.environment import Environment
    from heptad.service.batch.sweep import Queries
    from heptad.service.batch.windows import Stored
    from heptad.service.features import Feature
    from heptad.service.reads.guard import Access
    from heptad.standards import Table

    Answer = Mapping[str, str | None]

_ARROW = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string(), "instant": pa.int64(),
          "day": pa.date32(), "flag": pa.bool_()}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """The events that Flink is given.

    Attributes:
        table: whose rows they are.
        stored: where they are for the local engine.
        queries: the local engine.
    """

    table: type[Table]
    stored: Stored
    queries: Queries


def on_flink(
    environment: Environment,
    features: Sequence[Feature],
    source: Source,
    folder: Path,
    settings: Mapping[str, str] | None = None,
) -> pa.Table:
    """Compute features at every row of their table, each row as known when it came.

    Args:
        environment: where Flink lies.
        features: of one table, named.
        source: the events.
        folder: an empty one for the job's files.
        settings: of Flink, such as where a cluster is.

    Returns:
        The key of each row, and a column per feature, in order of event_time and key.

    Raises:
        ContractError: if Flink cannot compute a feature, or these rows, exactly.
        Busy: if the job failed.
    """
    from heptad.engine.flink.jobs import Job, run

    planned, key = flink_plan(features), source.table.key.name
    refuse_rows(features, source)
    columns = _columns(features)
    chosen = ", ".join(quote(c) for c, _ in columns)
    rows = source.queries.arrow(
        f"SELECT {quote(key)} AS _id, event_time AS _us, {chosen} "
        f"FROM {source.stored.relation} WHERE NOT _deleted ORDER BY _us, _id"
    )
    if not len(rows):
        raise ContractError(f"{source.table.__name__} has no rows.", do="heptad load")
    job = Job(folder, dict(settings or {}))
    _written(rows, folder / "events.json")
    job.reads(EVENTS, [("_id", "text"), ("_us", "instant"), *columns], folder / "events.json")
    places = []
    for n, query in enumerate(planned):
        keys = [f"_key{i}" for i in range(query.keys)]
        leading = [*keys, "_edge"] if query.edged else ["_id"]
        names = [*leading, *(c for made in query.columns.values() for c in made)]
        places.append(job.writes(f"answer{n}", names, query.sql))
    run(environment, job)
    values: dict[str, pa.Array] = {}
    for query, place in zip(planned, places, strict=True):
        values |= _answered(query, features, rows, read_lines(place))
    return pa.table({key: rows.column("_id")} | filled(features, values))


def note(access: Access, source: Source) -> None:
    """Note in the record of a read how many rows it is of, and whom they are about."""
    subject = source.table.subject
    who = quote(subject.name) if subject is not None else "NULL"
    found = source.queries.arrow(f"SELECT {who} AS who FROM {source.stored.relation}")
    access.read.rows += len(found)
    if subject is not None:
        access.about(subject_names(source.table, found.column("who").drop_null().unique()))


def _columns(features: Sequence[Feature]) -> list[tuple[str, str]]:
    """Return the stored columns that the queries read, with their kinds."""
    table = features[0].table
    kinds = {column.name: column.kind for column in table.columns()}
    names: dict[str, None] = {}
    for feature in parts_of(features):
        names |= dict.fromkeys(steps_of(by)[0].name for by in feature.keys)
        names |= dict.fromkeys(column.name for column in feature.of.columns())
        names |= dict.fromkeys(sorted(feature.where.columns()) if feature.where is not None else ())
    return [(column, kinds[column]) for column in names]


def refuse_rows(features: Sequence[Feature], source: Source) -> None:
    """Refuse rows that Flink's windows would count otherwise than ours.

    Raises:
        ContractError: if there are such rows; the first kind of them is named.
    """
    relation, key = source.stored.relation, quote(source.table.key.name)
    title = source.table.__name__
    ask = source.queries.arrow
    (found,) = ask(
        f"SELECT count(*) - count(DISTINCT {key}) + count(*) FILTER (WHERE _deleted) AS again, "
        f"count(*) FILTER (WHERE event_time < {MILLISECOND}) AS old, "
        f"count(*) FILTER (WHERE event_time % {MILLISECOND} <> 0) AS fine FROM {relation}"
    ).to_pylist()
    _refuse(title, found["again"], "were corrected or deleted: Flink sees each row once, for good")
    _refuse(title, found["old"], "happened before 1970-01-01: Flink drops them in silence")
    _refuse(
        title, found["fine"], "are finer than a millisecond, which Flink's event time counts in"
    )
    for keys in {tuple(steps_of(by)[0].name for by in f.keys) for f in parts_of(features)}:
        by = ", ".join(map(quote, keys))
        there = " AND ".join(f"{quote(k)} IS NOT NULL" for k in keys)
        (found,) = ask(
            f"SELECT count(*) FILTER (WHERE tied > 1) AS tied, "
            f"count(*) FILTER (WHERE newest > known_time) AS late FROM (SELECT known_time, "
            f"count(*) OVER (PARTITION BY {by}, event_time) AS tied, max(known_time) OVER "
            f"(PARTITION BY {by} ORDER BY event_time, {key}) AS newest FROM {relation} "
            f"WHERE {there})"
        ).to_pylist()
        _refuse(
            title, found["tied"], "share key and instant: Flink's windows end after all of them"
        )
        _refuse(title, found["late"], "were known before an earlier one: Flink has no known_time")


def _refuse(title: str, n: int, why: str) -> None:
    if n:
        raise ContractError(
            f"{title} is not computed on Flink: some rows {why}.",
            got=f"{n:,} rows",
            do="compute it here or on Spark, which read both times",
        )


def _written(rows: pa.Table, place: Path) -> None:
    """Write rows as JSON lines."""
    import polars

    frame: Any = polars.from_arrow(rows)
    frame.write_ndjson(place)


def read_lines(place: Path) -> list[Answer]:
    """Read what a job has written: the files that it has finished."""
    files = sorted(p for p in place.rglob("part-*") if not p.name.startswith("."))
    return [json.loads(line) for p in files for line in p.read_text(encoding="utf-8").splitlines()]


def _answered(
    query: FlinkQuery, features: Sequence[Feature], rows: pa.Table, lines: Sequence[Answer]
) -> dict[str, pa.Array]:
    """Return the values of a query's features at every row.

    Raises:
        Busy: if Flink did not answer every row or window exactly once.
    """
    asked = [f for f in parts_of(features) if f.name in query.columns]
    times = rows.column("_us").to_pylist()
    expected, wanted = _places(query, asked[0], rows, times)
    held = {_place(query, line): line for line in lines}
    if len(lines) != len(held) or held.keys() != expected:
        raise Busy(
            "Flink did not answer every row once.",
            got=f"{len(lines):,} answers, {len(expected):,} expected",
            do="run it again; if it stays so, compute it here",
        )
    found: dict[str, pa.Array] = {}
    for feature in asked:
        names = query.columns[feature.name]
        nothing: Answer = dict.fromkeys(names)
        states = ([held.get(w, nothing)[name] for name in names] for w in wanted)
        values = [parsed(feature, state, t) for state, t in zip(states, times, strict=True)]
        found[feature.name] = pa.array(values, _ARROW[result_of(feature)])
    return found


def _places(
    query: FlinkQuery, feature: Feature, rows: pa.Table, times: Sequence[int]
) -> tuple[set[Any], list[Any]]:
    """Return what Flink must answer, and which of the answers stands for each row."""
    keys = [rows.column(steps_of(by)[0].name).to_pylist() for by in feature.keys]
    owners = [tuple(map(_said, owner)) for owner in zip(*keys, strict=True)]
    if not query.edged:
        ids = rows.column("_id").to_pylist()
        return {i for i, owner in zip(ids, owners, strict=True) if None not in owner}, ids
    assert isinstance(feature.over, int)  # noqa: S101 - others are refused
    every, expected = query.every, set()
    for owner, t in zip(owners, times, strict=True):
        first = -(-t // every) * every
        edges = range(first, first + feature.over, every)
        expected |= {(*owner, edge) for edge in edges if None not in owner}
    return expected, [(*owner, t // every * every) for owner, t in zip(owners, times, strict=True)]


def _place(query: FlinkQuery, line: Answer) -> Any:
    """Return what an answer of Flink is about: a row, or a key and the edge of a window."""
    if not query.edged:
        return line["_id"]
    return (*(line[f"_key{n}"] for n in range(query.keys)), _edge(line["_edge"]))


def _said(value: object) -> str | None:
    """Return a part of a key as Flink writes it."""
    if isinstance(value, bool):
        return str(value).upper()
    return None if value is None else str(value)


def _edge(text: str | None) -> int:
    """Return the instant before which a window of Flink ends."""
    return micros(datetime.fromisoformat(str(text)).replace(tzinfo=UTC)) - MILLISECOND
