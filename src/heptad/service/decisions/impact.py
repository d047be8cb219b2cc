# SPDX-License-Identifier: Apache-2.0
"""What one column touched: features, models and each decision; and what a decision would be today."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.sql.identifiers import quote
from heptad.service.app import Inputs
from heptad.service.batch.spines import spine_of
from heptad.service.decisions.deciding import BATCH, answer, plain_rows, score_of
from heptad.service.decisions.decision import changed, differences
from heptad.service.decisions.records import public_of
from heptad.service.modes import hidden, without
from heptad.service.reads.asof import read_sql
from heptad.standards.errors import HeptadError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from heptad.catalog import Catalog
    from heptad.catalog.models import Model
    from heptad.service.app import App
    from heptad.service.decisions.deciding import Scorer
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.decisions.records import Opened
    from heptad.service.reads.guard import Guard
    from heptad.service.reads.reads import Reads
    from heptad.standards import Table

    Scorers = Callable[[str, str], Scorer]


_MODELS = 1000
"""Most models of one name that are listed."""


@dataclass(slots=True)
class Touched:
    """What a node of the lineage touched.

    Attributes:
        node: as it was asked for, `Payment.amount`.
        version: only what read its table at this version or later; None without a load.
        features: `app.feature`, sorted.
        models: those that learned from it, the last one first.
        apps: sorted.
        decisions: application → ids, in the order in which they were made.
    """

    node: str
    version: int | None
    features: tuple[str, ...]
    models: list[Model]
    apps: tuple[str, ...]
    decisions: dict[str, list[str]] = field(default_factory=dict)


def touched(log: DecisionLog, catalog: Catalog, node: str, since: int | None = None) -> Touched:
    """Find what a column, table or feature touched, down to each decision.

    Args:
        log: the decisions.
        catalog: knows lineage, loads and models.
        node: a word that the lineage knows.
        since: a load: only what read the table as this load left it, or later.

    Raises:
        UnknownName: if there is no such node or load.
    """
    start = catalog.lineage.downstream(node).start
    reached = catalog.lineage.impact(node)
    tables = {n.name for n in start if n.kind == "table"} | {
        n.partition(".")[0] for n in reached.tables
    }
    version = None if since is None else _version(catalog, since, tables)
    apps = {*reached.apps, *(n.name for n in start if n.kind == "app")}
    found = Touched(node, version, reached.features, [], tuple(sorted(apps)))
    table = catalog.loads.get(since).table if since is not None else ""
    for name in reached.models:
        found.models += catalog.models.recent(name=name, limit=_MODELS)
    if version is not None:
        found.models = [m for m in found.models if m.versions.get(table, -1) >= version]
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for _, public in map(public_of, log.ledger.iterate()):
        if public["app"] in apps and _reads(public["tables"], tables, table, version):
            ids[public["app"]].append(public["id"])
    found.decisions = dict(ids)
    return found


def _version(catalog: Catalog, load: int, tables: set[str]) -> int:
    """Return the version of its table that a load made."""
    made = catalog.versions.of_load(load)
    into = catalog.loads.get(load).table
    if made is None or into not in tables:
        raise UnknownName(
            f"Load {load} brought no rows into {', '.join(sorted(tables)) or 'a table'}.",
            got=into,
            do="see `heptad loads`",
        )
    return made.version


def _reads(versions: Mapping[str, int], tables: set[str], table: str, since: int | None) -> bool:
    """Whether a decision that read these versions is concerned."""
    if since is not None:
        return versions.get(table, -1) >= since
    return not tables or bool(tables & versions.keys())


@dataclass(slots=True)
class Rerun:
    """What decisions would be with what is known today; nothing is recorded.

    Attributes:
        same: how many would be what they were.
        differ: decisions with another outcome, score or reasons: what they were, what they would
            be and which values moved.
        moved: how many would be the same though values moved.
        left: id → why it could not be made again.
    """

    same: int = 0
    moved: int = 0
    differ: list[dict[str, Any]] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def rerun(
    apps: Mapping[str, App], reads: Reads, guard: Guard, scorers: Scorers, entries: Iterable[Opened]
) -> Rerun:
    """Make decisions again from what is known now of the same instant, by the same rules.

    The row and its features are read as of the decision's event time and today's knowledge;
    model and policy are those of the decision, so that only data can make a difference.
    """
    report = Rerun()
    groups: defaultdict[str, list[Decision]] = defaultdict(list)
    for entry in entries:
        decision = entry.decision
        if decision is None:
            report.left[str(entry.public["id"])] = "erased"
        elif decision.app not in apps:
            report.left[decision.id] = f"the application {decision.app} is gone"
        else:
            groups[decision.app].append(decision)
    for name, decisions in groups.items():
        under = reads.under(guard.deciding(apps[name]))
        for start in range(0, len(decisions), BATCH):
            _again(
                apps[name], under, scorers, decisions[start : start + BATCH], guard.now(), report
            )
    return report


def _again(
    app: App, reads: Reads, scorers: Scorers, group: Sequence[Decision], at: int, report: Rerun
) -> None:
    """Make a batch of one application's decisions again, as known at an instant."""
    found_now = {
        str(row[app.on.key.name]): (row, values) for row, values in _present(app, reads, group, at)
    }
    for then in group:
        if then.row_key not in found_now:
            report.left[then.id] = f"{then.on} {then.row_key} is gone"
            continue
        row, values = found_now[then.row_key]
        features = without(values, hidden(app, then.policy))
        try:
            score = score_of(
                app, scorers(app.name, then.model) if then.model else None, features, row
            )
            found = answer(app, Inputs(features, row, then.policy, score, then.known_time))
        except HeptadError as error:
            report.left[then.id] = error.what
            continue
        moved = changed(then.features, features)
        moved += changed(then.row, {name: row.get(name) for name in then.row})
        if what := differences(then, found, score):
            report.differ.append(
                {
                    "id": then.id,
                    "app": app.name,
                    "row": then.row_key,
                    "then": then.outcome,
                    "now": found.outcome,
                    "what": what,
                    "moved": moved,
                }
            )
        else:
            report.same += 1
            report.moved += bool(moved)


def _present(
    app: App, reads: Reads, group: Sequence[Decision], now: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the present row of each decision with its features as known today."""
    table: type[Table] = app.on
    names = [c.name for c in table.columns() if not c.name.startswith("_") and c.kind != "sealed"]
    relation = read_sql(table, reads.stored(table).relation, t=None, k=None, columns=names)
    key = quote(table.key.name)
    wanted = pa.table({"wanted_key": pa.array([d.row_key for d in group], pa.string())})
    rows = reads.queries.arrow(
        f"SELECT * FROM ({relation}) r WHERE EXISTS "
        f"(SELECT 1 FROM wanted WHERE wanted_key = r.{key}) ORDER BY event_time, {key}",
        wanted=wanted,
    )
    known = pa.array([now] * rows.num_rows, pa.int64())
    at = rows.column_names.index("known_time")
    spine = spine_of(table, rows.set_column(at, "known_time", known))
    values = reads.compute(list(app.features.values()))(spine)
    columns = [column.to_pylist() for column in values.values()]
    each = zip(*columns, strict=True) if columns else [()] * rows.num_rows
    for row, value in zip(plain_rows(table, rows), each, strict=True):
        yield row, dict(zip(values, value, strict=True))
