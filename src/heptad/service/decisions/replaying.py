# SPDX-License-Identifier: Apache-2.0
"""Replay: run past decisions again from what was stored, in two steps, and report both."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.service.batch.history import Spine, instants, spine_of
from heptad.service.decisions.deciding import answer, plain_rows, score_of
from heptad.service.decisions.decision import (
    Decision,
    changed,
    definitions_version,
    differences,
    environment,
)
from heptad.service.modes import hidden, without
from heptad.standards.errors import HeptadError
from heptad.standards.model import Consent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from heptad.service.app import App, Inputs, Outcome, Plain
    from heptad.service.decisions.deciding import Scorer
    from heptad.service.decisions.records import Opened

    Seen = tuple[Mapping[str, Plain], Mapping[str, Plain]]

BATCH = 20_000
"""Decisions derived in one query."""


@dataclass
class Replay:
    """What a replay found.

    Attributes:
        decided: step `decide`: "identical", "different" or "erased" → how many.
        derived: step `derive`, the same.
        findings: (decision id, step, what differs), the first hundred.
        elsewhere: what of the environment, the code or the definitions differs from that of the
            decisions; bit-for-bit equality is promised only where nothing does.
    """

    decided: Counter[str] = field(default_factory=Counter)
    derived: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        """Whether both steps gave every readable decision again."""
        return not self.decided["different"] and not self.derived["different"]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "identical": self.identical,
            "decide": dict(self.decided),
            "derive": dict(self.derived),
            "findings": [dict(zip(("id", "step", "what"), f, strict=True)) for f in self.findings],
            "environment": self.elsewhere,
        }

    def found(self, name: str, step: str, what: Sequence[str]) -> None:
        """Count one result, keeping what differs."""
        counter = self.decided if step == "decide" else self.derived
        counter["different" if what else "identical"] += 1
        if what and len(self.findings) < 100:
            self.findings.append((name, step, "; ".join(what)))


@dataclass(frozen=True)
class Archive:
    """What a replay reads: applications, models by hash, stored rows and features as then."""

    apps: Mapping[str, App]
    scorer: Callable[[str, str], Scorer]
    rows: Callable[[App, Sequence[Decision]], pa.Table]
    features: Callable[[App, Spine, Decision], Mapping[str, pa.Array]]


def replay(entries: Iterable[Opened], archive: Archive) -> Replay:
    """Replay decisions.

    Step `decide` gives the stored inputs to the application again; step `derive` reads the row
    and computes the features again from the table versions named in the record.
    """
    report = Replay()
    groups: dict[tuple[Any, ...], list[Decision]] = defaultdict(list)
    for entry in entries:
        decision = entry.decision
        if decision is None:
            report.decided["erased"] += 1
            report.derived["erased"] += 1
            continue
        _decide_again(decision, archive, report)
        # Whose rows could be read is a matter of the instant where it rested on consents.
        at = decision.decided_at if Consent.__name__ in decision.tables else 0
        key = (decision.app, at, *sorted(decision.tables.items()))
        groups[key].append(decision)
        if len(groups[key]) >= BATCH:
            _derive_again(groups.pop(key), archive, report)
    for group in groups.values():
        _derive_again(group, archive, report)
    return report


def _decide_again(then: Decision, archive: Archive, report: Replay) -> None:
    """Run `decide` on the stored inputs."""
    now = environment()
    for name, value in then.environment.items():
        if now.get(name) != value:
            report.elsewhere[name] = f"{value} then, {now.get(name, 'absent')} now"
    app = archive.apps.get(then.app)
    if app is None:
        report.found(then.id, "decide", [f"the application {then.app} is gone"])
        return
    try:
        scorer = archive.scorer(then.app, then.model) if then.model else None
        score = score_of(app, scorer, then.features, then.row)
        what = differences(then, _answered(app, then.inputs()), score)
    except HeptadError as error:
        what = [error.what]
    if what and app.code_version() != then.code:
        what.append(f"the application's code has changed since ({then.code})")
    report.found(then.id, "decide", what)


def _answered(app: App, inputs: Inputs) -> Outcome:
    """Ask the application."""
    outcome: Outcome = answer(app, inputs)
    return outcome


def _derive_again(group: Sequence[Decision], archive: Archive, report: Replay) -> None:
    """Compute the features of decisions that read the same table versions."""
    app = archive.apps.get(group[0].app)
    if app is None:
        for then in group:
            report.found(then.id, "derive", [f"the application {then.app} is gone"])
        return
    _compare_definitions(app, group, report)
    try:
        now = _derived(app, group, archive)
    except HeptadError as error:
        for then in group:
            report.found(then.id, "derive", [error.what])
        return
    for then in group:
        report.found(then.id, "derive", _moved(then, now.get((then.row_key, then.known_time)), app))


def _compare_definitions(app: App, group: Sequence[Decision], report: Replay) -> None:
    """Say what of the application is not what it was, though it may answer the same."""
    for what, now, then in (
        ("code", app.code_version(), {d.code for d in group}),
        ("feature definitions", definitions_version(app), {d.definitions for d in group}),
    ):
        for other in sorted(then - {now}):
            report.elsewhere[f"{app.name} {what}"] = f"{other} then, {now} now"


def _derived(app: App, group: Sequence[Decision], archive: Archive) -> dict[tuple[str, int], Seen]:
    """Read rows and features again: (key, known_time) → the row and its features."""
    rows = archive.rows(app, group)
    features = archive.features(app, spine_of(app.on, rows), group[0])
    columns = [column.to_pylist() for column in features.values()]
    values = zip(*columns, strict=True) if columns else [()] * rows.num_rows
    found: dict[tuple[str, int], Seen] = {}
    known = instants(rows.column("known_time")).to_pylist()
    for row, at, value in zip(plain_rows(app.on, rows), known, values, strict=True):
        found[str(row[app.on.key.name]), at] = row, dict(zip(features, value, strict=True))
    return found


def _moved(then: Decision, seen: Seen | None, app: App) -> list[str]:
    """Name what of a decision's row and features is not in the tables that it names."""
    if seen is None:
        return [f"{then.on} {then.row_key} is not in its table"]
    row, values = seen
    features = without(values, hidden(app, then.policy))
    what = [
        f"{then.on}.{name}: {then.row[name]} then, {row.get(name)} now"
        for name in changed(then.row, {name: row.get(name) for name in then.row})
    ]
    what += [
        f"{name}: {then.features.get(name)} then, {features.get(name)} now"
        for name in changed(then.features, features)
    ]
    if what and definitions_version(app) != then.definitions:
        what.append("the feature definitions have changed since")
    return what
