# SPDX-License-Identifier: Apache-2.0
"""Replay: run past decisions again from what was stored, in two steps, and report both."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.service.deciding import answer, score_of
from heptad.service.decisions import (
    Decision,
    changed,
    definitions_version,
    differences,
    environment,
)
from heptad.service.history import Spine, spine_of
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from heptad.service.app import App, Inputs, Outcome
    from heptad.service.deciding import Scorer
    from heptad.service.records import Opened

BATCH = 20_000
"""Decisions derived in one query."""


@dataclass
class Replay:
    """What a replay found.

    Attributes:
        decided: step `decide`: "identical", "different" or "erased" → how many.
        derived: step `derive`, the same.
        findings: (decision id, step, what differs), the first hundred.
        elsewhere: what of the environment differs from that of the decisions; bit-for-bit
            equality is promised only where nothing does.
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
    """What a replay reads: applications, models by hash, stored rows and features at versions."""

    apps: Mapping[str, App]
    scorer: Callable[[str, str], Scorer]
    rows: Callable[[App, Sequence[Decision]], pa.Table]
    features: Callable[[App, Spine, Mapping[str, int]], Mapping[str, pa.Array]]


def replay(entries: Iterable[Opened], archive: Archive) -> Replay:
    """Replay decisions.

    Step `decide` gives the stored inputs to the application again; step `derive` computes the
    features again from the table versions named in the record.
    """
    report = Replay()
    groups: dict[tuple[str, tuple[tuple[str, int], ...]], list[Decision]] = defaultdict(list)
    for entry in entries:
        decision = entry.decision
        if decision is None:
            report.decided["erased"] += 1
            report.derived["erased"] += 1
            continue
        _decide_again(decision, archive, report)
        key = (decision.app, tuple(sorted(decision.tables.items())))
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
    redefined = definitions_version(app) != group[0].definitions
    rows = archive.rows(app, group)
    features = archive.features(app, spine_of(app.on, rows), group[0].tables)
    names = list(features)
    columns = [features[n].to_pylist() for n in names]
    by_key = {
        (key, known): n
        for n, (key, known) in enumerate(
            zip(
                rows.column(app.on.key.name).to_pylist(),
                rows.column("known_time").cast(pa.int64()).to_pylist(),
                strict=True,
            )
        )
    }
    for then in group:
        n = by_key.get((then.row_key, then.known_time))
        if n is None:
            report.found(then.id, "derive", [f"{then.on} {then.row_key} is not in its table"])
            continue
        now = {name: column[n] for name, column in zip(names, columns, strict=True)}
        what = [
            f"{f}: {then.features.get(f)} then, {now.get(f)} now"
            for f in changed(then.features, now)
        ]
        if what and redefined:
            what.append("the feature definitions have changed since")
        report.found(then.id, "derive", what)
