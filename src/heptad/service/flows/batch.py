# SPDX-License-Identifier: Apache-2.0
"""A flow over a batch: the same rules by columns, with the outcomes that rows one by one would get."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.engine.batch.columns import Column, Frame, constant
from heptad.engine.batch.expressions import compile_batch
from heptad.service.app import OUTCOMES
from heptad.service.flows.flows import SEVERITY, WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from heptad.service.app import Plain
    from heptad.service.flows.flows import Flow, Stage

    Ints = npt.NDArray[np.int64]


@dataclass
class Verdicts:
    """What a flow decided of n rows.

    Attributes:
        outcomes: (n,) positions in `OUTCOMES`.
        stages: (n,) which stage decided.
        entered: stage → rows that reached it.
        decided: stage → rows that it decided.
        reasons: code → rows of which it is a reason.
    """

    outcomes: npt.NDArray[np.int8]
    stages: npt.NDArray[np.int8]
    entered: dict[str, int] = field(default_factory=dict)
    decided: dict[str, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """Return outcome → rows."""
        found = np.bincount(self.outcomes, minlength=len(OUTCOMES))
        return {o: int(n) for o, n in zip(OUTCOMES, found, strict=True) if n}


def frame_of(
    flow: Flow,
    columns: Mapping[str, Any],
    n: int,
    *,
    policy: Mapping[str, Plain] | None = None,
) -> Frame:
    """Lay fields, features, scores and policy of n rows out under the names that a flow uses.

    Args:
        flow: whose policy values hold where `policy` says nothing else.
        columns: name → Arrow array: fields of the row, features, `score.points` and
            `score.probability` where there is a model.
        n: rows.
        policy: values that people changed.
    """
    kinds: dict[type, Any] = {bool: "flag", int: "integer", float: "number", str: "text"}
    held = {**flow.policy, **(policy or {})}
    fixed = {f"policy.{k}": constant(kinds[type(v)], v) for k, v in held.items() if v is not None}
    frame = Frame({**columns, **fixed, "score.rules": constant("integer", 0)}, n)
    made = {
        name: _standing(frame.column(feature, "instant"), frame.column("event_time", "instant"))
        for name, feature in flow.listings.items()
    }
    return Frame({**columns, **fixed, **made, "score.rules": constant("integer", 0)}, n)


def _standing(until: Column, at: Column) -> Column:
    found = until.data > at.data
    return Column("flag", found if until.there is None else found & until.there)


def decide_batch(flow: Flow, frame: Frame) -> Verdicts:
    """Decide the rows of a frame; equal to asking the flow of each row.

    Args:
        flow: the flow.
        frame: as `frame_of` lays it out.
    """
    n = frame.n
    found = Verdicts(np.full(n, -1, np.int8), np.full(n, -1, np.int8))
    rows = np.arange(n)
    for number, stage in enumerate(flow.stages):
        found.entered[stage.name] = len(rows)
        if stage.amounts:
            for name, tree in stage.amounts.items():
                frame.put(f"amount.{name}", compile_batch(tree)(frame))
        if not stage.rules.rules or not len(rows):
            found.decided[stage.name] = 0
            continue
        verdict = _stage(stage, frame, found.reasons)
        here = verdict >= 0
        found.outcomes[rows[here]] = verdict[here]
        found.stages[rows[here]] = number
        found.decided[stage.name] = int(here.sum())
        if here.any():
            left = np.flatnonzero(~here)
            frame, rows = frame.taken(left), rows[left]
    return found


def _stage(stage: Stage, frame: Frame, reasons: Counter[str]) -> npt.NDArray[np.int8]:
    """Return the outcome that a stage gives each row, -1 where it decides nothing."""
    fired = list(stage.rules.each(frame))
    rules = stage.rules.rules
    verdict = np.full(frame.n, -1, np.int8)
    points = frame.column("score.rules", "integer").data
    for rule, fires in zip(rules, fired, strict=True):
        if not rule.outcome:
            points = points + np.where(fires, rule.points, 0)
            reasons[rule.code] += int(fires.sum())
    frame.put("score.rules", Column("integer", points))
    order = [n for n, rule in enumerate(rules) if rule.outcome]
    if stage.kind in WHOLE:
        order.sort(key=lambda n: SEVERITY.index(rules[n].outcome))
    for n in order:
        code = OUTCOMES.index(rules[n].outcome)
        free = verdict < 0
        told = fired[n] & (free | (verdict == code) if stage.kind in WHOLE else free)
        reasons[rules[n].code] += int(told.sum())
        verdict[told] = code
    return verdict
