# SPDX-License-Identifier: Apache-2.0
"""Back-test a flow over history: what would change, for whom, and what it would cost and gain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.service.app import OUTCOMES
from heptad.service.batch.history import spine_of
from heptad.service.decisions.deciding import select_rows
from heptad.service.flows.batch import Verdicts, decide_batch, frame_of
from heptad.service.modes import hidden
from heptad.standards import Flag, Money, Ref
from heptad.standards.errors import UnknownName, suggest
from heptad.standards.model import Label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from heptad.service.app import App, Plain
    from heptad.service.decisions.deciding import Scorer
    from heptad.service.flows.flows import Flow
    from heptad.service.reads.reads import Reads

    Progress = Callable[[str, float], None]

BATCH = 200_000
"""Rows whose features are computed in one go."""
STOPPED = ("decline", "hold", "challenge")
"""Outcomes that keep a payment or a loan from going ahead at once."""


@dataclass
class Backtest:
    """What two flows decide of the same rows.

    Attributes:
        rows: how many were decided.
        now: what the flow in force decides, `then` the one that is tried.
        swaps: (was, would be) → rows, labelled bad and good among them, and their amount.
        worth: of each flow what it stops: bad and good rows, amounts, cost and gain.
    """

    rows: int = 0
    now: dict[str, Any] = field(default_factory=dict)
    then: dict[str, Any] = field(default_factory=dict)
    swaps: list[dict[str, Any]] = field(default_factory=list)
    worth: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """Rows whose outcome would be another."""
        return sum(swap["rows"] for swap in self.swaps if swap["was"] != swap["would_be"])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "rows": self.rows, "changed": self.changed, "now": self.now, "then": self.then,
            "swaps": self.swaps, "worth": self.worth,
        }  # fmt: skip


@dataclass(frozen=True)
class History:
    """Rows of an application's table with all that a flow reads, in columns.

    Attributes:
        columns: name → Arrow array.
        n: rows.
        amounts: (n,) minor units, 0 where there is none.
        bad: (n,) 1 bad, 0 good, -1 not known.
    """

    columns: Mapping[str, Any]
    n: int
    amounts: npt.NDArray[np.int64]
    bad: npt.NDArray[np.int8]


def compare(one: Verdicts, other: Verdicts, history: History, *, false_alarm: int = 0) -> Backtest:
    """Set what two flows decided side by side.

    Args:
        one: of the flow in force.
        other: of the flow that is tried.
        history: the rows that both decided.
        false_alarm: what it costs to stop a row that was good, minor units.
    """
    report = Backtest(history.n, _told(one), _told(other))
    pairs = one.outcomes.astype(np.int64) * len(OUTCOMES) + other.outcomes
    for pair in np.unique(pairs):
        here = pairs == pair
        was, would_be = divmod(int(pair), len(OUTCOMES))
        report.swaps.append(
            {
                "was": OUTCOMES[was],
                "would_be": OUTCOMES[would_be],
                "rows": int(here.sum()),
                "bad": int((history.bad[here] == 1).sum()),
                "good": int((history.bad[here] == 0).sum()),
                "amount": int(history.amounts[here].sum()),
            }
        )
    report.worth = {
        "now": _worth(one, history, false_alarm), "then": _worth(other, history, false_alarm)
    }  # fmt: skip
    report.worth["change"] = {
        name: report.worth["then"][name] - value for name, value in report.worth["now"].items()
    }
    return report


def _told(verdicts: Verdicts) -> dict[str, Any]:
    return {
        "outcomes": verdicts.counts(),
        "reasons": dict(sorted(verdicts.reasons.items())),
        "entered": verdicts.entered,
        "decided": verdicts.decided,
    }


def _worth(verdicts: Verdicts, history: History, false_alarm: int) -> dict[str, int]:
    """Count what is stopped: amounts of bad rows are gained, each good row costs."""
    codes = [OUTCOMES.index(outcome) for outcome in STOPPED]
    stopped = np.isin(verdicts.outcomes, codes)
    bad, good = stopped & (history.bad == 1), stopped & (history.bad == 0)
    gain, cost = int(history.amounts[bad].sum()), int(good.sum()) * false_alarm
    return {
        "stopped_bad": int(bad.sum()), "stopped_good": int(good.sum()),
        "gain": gain, "cost": cost, "net": gain - cost,
    }  # fmt: skip


def gather(  # noqa: PLR0913 - what is gathered, by name
    app: App,
    reads: Reads,
    scorer: Scorer | None,
    *,
    between: tuple[int, int],
    label: str = "",
    policy: Mapping[str, Plain] | None = None,
    progress: Progress | None = None,
) -> History:
    """Read rows of an application with their features and scores as known at their own instants.

    Args:
        app: the application.
        reads: rows and features, as one may read them.
        scorer: the model in use, if the application has one.
        between: from ≤ event_time < to, microseconds.
        label: name of the Flag of Label that says bad; "" for none.
        policy: values in force; in their mode some features are not known.
        progress: told (what, share done).
    """
    rows = select_rows(reads.queries, app.on, reads.stored(app.on), between=between)
    compute = reads.compute(list(app.features.values()))
    parts: dict[str, list[pa.Array]] = {name: [] for name in app.features}
    for start in range(0, rows.num_rows, BATCH):
        made = compute(spine_of(app.on, rows.slice(start, BATCH)))
        for name, values in made.items():
            whole = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
            parts[name].extend(whole)
        if progress is not None:
            progress("features", min(1.0, (start + BATCH) / max(rows.num_rows, 1)))
    columns: dict[str, Any] = {n: rows.column(n) for n in rows.column_names}
    columns |= {n: pa.chunked_array(p) for n, p in parts.items() if p}
    for name in hidden(app, policy or {}):
        columns[name] = pa.chunked_array([pa.nulls(rows.num_rows, columns[name].type)])
    if app.model is not None and scorer is not None:
        columns |= _scores(app, scorer, columns, rows.num_rows)
    bad = _labels(app, reads, rows, label) if label else np.full(rows.num_rows, -1, np.int8)
    return History(columns, rows.num_rows, _amounts(app, rows), bad)


def _scores(app: App, scorer: Scorer, columns: Mapping[str, Any], n: int) -> dict[str, pa.Array]:
    """Score row by row, as decisions do."""
    names = list(app.model.inputs) if app.model is not None else []
    cells = [columns[name].to_pylist() for name in names]
    found = [
        scorer.estimator.score(dict(zip(names, values, strict=True)))
        for values in (zip(*cells, strict=True) if cells else [()] * n)
    ]
    return {
        "score.points": pa.array([s.points for s in found], pa.int64()),
        "score.probability": pa.array([s.probability for s in found], pa.float64()),
    }


def _amounts(app: App, rows: pa.Table) -> npt.NDArray[np.int64]:
    money = [f.name for f in app.on.fields.values() if isinstance(f, Money)]
    if not money:
        return np.zeros(rows.num_rows, np.int64)
    return np.array(rows.column(money[0]).fill_null(0), np.int64)


def _labels(app: App, reads: Reads, rows: pa.Table, label: str) -> npt.NDArray[np.int8]:
    """Say of each row whether it turned out bad, as known now."""
    flags = {n: f for n, f in Label.fields.items() if isinstance(f, Flag)}
    if label not in flags:
        raise UnknownName(f"Label has no flag {label!r}.", got=label, do=suggest(label, flags))
    links = [
        f.name for f in Label.fields.values()
        if isinstance(f, Ref) and f.target_name == app.on.__name__
    ]  # fmt: skip
    found = reads.rows(Label)
    keys, values = found.column(links[0]).to_pylist(), found.column(label).to_pylist()
    known = {k: v for k, v in zip(keys, values, strict=True) if k is not None and v is not None}
    own = rows.column(app.on.key.name).to_pylist()
    return np.array([-1 if k not in known else int(known[k]) for k in own], np.int8)


def backtest(
    flow: Flow,
    tried: Flow,
    history: History,
    *,
    policy: Mapping[str, Plain] | None = None,
    false_alarm: int = 0,
    progress: Progress | None = None,
) -> Backtest:
    """Decide history by the flow in force and by another one.

    Args:
        flow: in force.
        tried: the other.
        history: rows with all that both read.
        policy: values that people changed, for both.
        false_alarm: what it costs to stop a row that was good, minor units.
        progress: told (what, share done).
    """
    found = []
    for n, one in enumerate((flow, tried)):
        frame = frame_of(one, history.columns, history.n, policy=policy)
        found.append(decide_batch(one, frame))
        if progress is not None:
            progress("decisions", (n + 1) / 2)
    return compare(found[0], found[1], history, false_alarm=false_alarm)
