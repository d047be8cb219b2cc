# SPDX-License-Identifier: Apache-2.0
"""The conformance kit: checks that every application must pass, run for free on each one found."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from heptad.security.purposes import ground_of
from heptad.service.app import Inputs, Outcome
from heptad.service.decisions.decision import changed
from heptad.service.decisions.explaining import READERS, explain
from heptad.service.decisions.sentences import messages
from heptad.service.features import parts_of
from heptad.service.reads.guard import APPLICATION
from heptad.standards import Field, Money, Text
from heptad.testing.scratch import instant, project, store_later

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.runtime import Platform
    from heptad.service.app import App
    from heptad.service.decisions.records import Opened
    from heptad.standards import Table

SEED = 7
TRAITS = frozenset(
    {"gender", "sex", "religion", "ethnicity", "race", "nationality", "marital", "disability"}
)
"""Protected traits: no application may learn from a field or feature of such a name."""


def it_says_what_it_is(app: App) -> None:
    """The package has a docstring of at least two sentences, and the application a title."""
    module = inspect.getmodule(app.decide)
    package = module.__package__ if module else None
    doc = inspect.getdoc(__import__(package, fromlist=["app"])) if package else ""
    assert (doc or "").count(".") >= 2, f"{app.name}: say what, for whom and from which sources"
    assert app.title.strip()
    assert (inspect.getdoc(app.decide) or "").strip(), f"{app.name}: say what decide does"


def every_field_and_feature_is_documented(app: App) -> None:
    """Fields of its tables say what they mean; features can be said in words."""
    for table in app.tables:
        assert all(len(field.doc) > 2 for field in table.fields.values()), table
    assert app.features, f"{app.name} reads no features"
    assert all(feature.sentence() for feature in app.features.values())


def it_learns_from_no_protected_trait(app: App) -> None:
    """Inputs of the model and keys of features are no protected traits and no sealed fields."""
    names = {*app.features, *(app.model.inputs if app.model else ())}
    assert not {n for n in names if TRAITS & set(n.lower().split("_"))}
    for feature in parts_of(app.features.values()):
        assert not feature.of.sealed
        assert not any(end.sealed for end in feature.ends)


def its_purpose_covers_what_it_reads(app: App) -> None:
    """Every table that a decision or a training reads may be read for the application's purpose."""
    learned = [app.model.target.table] if app.model is not None else []
    for table in [*app.used_tables(), *learned]:
        ground_of(APPLICATION, app.purpose, table)


def the_demo_is_reproducible(app: App) -> None:
    """The same seed gives the same rows, another seed others."""
    assert app.demo is not None, f"{app.name} has no demo rows"
    assert app.demo(SEED) == app.demo(SEED)
    assert app.demo(SEED) != app.demo(SEED + 1)
    assert app.demo(SEED).get(app.on), f"the demo has no {app.on.__name__}"


def decide_is_pure(app: App) -> None:
    """The same inputs give the same outcome, and inputs without values do not break it."""
    row = dict.fromkeys(c.name for f in app.on.fields.values() if not f.sealed for c in f.columns())
    empty = Inputs(dict.fromkeys(app.features), row | {app.on.key.name: "x"}, app.policy)
    one, other = app.decide(empty), app.decide(empty)
    assert isinstance(one, Outcome)
    assert one == other, f"{app.name}.decide answers differently the second time"


def its_decisions_can_be_explained_and_replayed(app: App) -> None:
    """Each decision has reasons in words for three readers, and replays bit for bit."""
    with _decided(app) as (platform, made):
        assert made, f"{app.name} decided nothing of its demo"
        for entry in made:
            _explained(app, entry)
        report = platform.replay()
        assert report.identical, report.findings[:3]
        assert report.decided["identical"] == report.derived["identical"] == len(made)
        assert platform.log.ledger.verify().entries == len(made)


def _explained(app: App, entry: Opened) -> None:
    """Each reason has a sentence, and every reader gets an answer without sealed values."""
    decision = entry.decision
    assert decision is not None
    known = messages(app.folder, "en")
    said = app.flow.says if app.flow is not None else lambda _code, _language: None
    codes = {r.code for r in decision.reasons if not said(r.code, "en")}
    assert codes <= known.keys(), f"messages/en.toml lacks {sorted(codes - known.keys())}"
    sealed = {f.name for f in app.on.fields.values() if f.sealed or _is_pan(f)}
    assert not sealed & decision.row.keys()
    for reader in READERS:
        assert explain(entry, app, to=reader)["reasons"]


def _is_pan(field: Field) -> bool:
    return isinstance(field, Text) and field.pan


def a_repeated_request_answers_the_first_decision(app: App) -> None:
    """Deciding a row again changes nothing."""
    with _decided(app) as (platform, made):
        again = platform.decide(app.name)
        assert [_bytes(entry) for entry in again] == [_bytes(entry) for entry in made]
        assert len(platform.log) == len(made)


def _bytes(entry: Opened) -> bytes:
    assert entry.decision is not None
    return entry.decision.to_bytes()


def no_feature_sees_the_future(app: App) -> None:
    """Whatever happens or becomes known after t and k changes no feature at (t, k).

    The features of the rows up to the middle of the demo, each as known at its own instant, must
    stay bit for bit when the rest is left out, is there, is other than it was, when rows up to the
    middle become known later, and when every row up to the middle is corrected or deleted later.
    """
    assert app.demo is not None
    rows = app.demo(SEED)
    times = sorted(instant(row["event_time"]) for row in rows[app.on])
    edge = times[len(times) // 2]
    early = {t: [r for r in given if instant(r["event_time"]) <= edge] for t, given in rows.items()}
    later = {t: [r for r in given if instant(r["event_time"]) > edge] for t, given in rows.items()}
    before = _features_until(app, early, edge)
    assert before, f"{app.name}: no rows before the middle of the demo"
    gone = {t: [{**row, "_deleted": True} for row in given] for t, given in early.items()}
    futures: tuple[tuple[str, _Rows], ...] = (
        ("there, with rows of the past that come late", _both(later, _late(early))),
        ("changed", _perturbed(later)),
        ("correcting the past", _perturbed(early)),
        ("deleting the past", gone),
    )
    for what, after in futures:
        found = _features_until(app, early, edge, after)
        for key, values in before.items():
            differs = changed(values, found[key])
            assert not differs, f"{app.name}.{differs} of {key} change when the future is {what}"


def _late(rows: _Rows) -> _Rows:
    """Repeat every row under another key: what happened in the past and comes to be known later."""
    return {
        table: [{**row, table.key.name: f"{row[table.key.name]}-late"} for row in given]
        for table, given in rows.items()
    }


def _both(one: _Rows, other: _Rows) -> _Rows:
    return {table: [*one.get(table, ()), *other.get(table, ())] for table in {**one, **other}}


def _perturbed(rows: _Rows) -> _Rows:
    """Make every amount larger, every number greater and every flag the other."""
    changed: dict[type[Table], list[dict[str, Any]]] = {}
    for table, given in rows.items():
        changed[table] = [
            {name: _other(table, name, value) for name, value in row.items()} for row in given
        ]
    return changed


def _other(table: type[Table], name: str, value: Any) -> Any:
    """Return another value that the field accepts."""
    if isinstance(value, bool):
        return not value
    if isinstance(table.fields.get(name), Money):
        return f"1{value}"
    return value + 1 if isinstance(value, int) and name != "event_time" else value


def _features_until(
    app: App, rows: _Rows, edge: int, after: _Rows | None = None
) -> dict[str, dict[str, Any]]:
    """Return the features of each row of `on` up to an instant, as known at its own.

    What comes `after` is stored much later, so that it is known only then.
    """
    import pyarrow as pa

    with project(rows, apps=[app]) as platform:
        store_later(platform, after or {})
        keys = [r[app.on.key.name] for r in rows[app.on] if instant(r["event_time"]) <= edge]
        spine = platform.reads.spine(app, keys)
        values = platform.reads.compute(list(app.features.values()))(spine)
        assert isinstance(spine.own, pa.ChunkedArray)
        columns = {name: column.to_pylist() for name, column in values.items()}
        own = spine.own.to_pylist()
        return {key: {n: c[i] for n, c in columns.items()} for i, key in enumerate(own)}


class _decided:  # noqa: N801 - reads as a word
    """Context: a project with the demo, and all its decisions made."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __enter__(self) -> tuple[Platform, list[Opened]]:
        assert self.app.demo is not None
        self._project = project(self.app.demo(SEED), apps=[self.app])
        platform = self._project.__enter__()
        return platform, platform.decide(self.app.name)

    def __exit__(self, *error: Any) -> None:
        self._project.__exit__(*error)


if TYPE_CHECKING:
    _Rows = Mapping[type[Table], Sequence[Mapping[str, Any]]]

CHECKS: tuple[Callable[[App], None], ...] = (
    it_says_what_it_is,
    every_field_and_feature_is_documented,
    it_learns_from_no_protected_trait,
    its_purpose_covers_what_it_reads,
    the_demo_is_reproducible,
    decide_is_pure,
    its_decisions_can_be_explained_and_replayed,
    a_repeated_request_answers_the_first_decision,
    no_feature_sees_the_future,
)
"""Every check; `heptad.testing.conformance` is public, so an application elsewhere runs them too."""
