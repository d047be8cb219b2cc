# SPDX-License-Identifier: Apache-2.0
"""Spark's own physical plan as stages and what moves between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_HIDDEN = frozenset({"AdaptiveSparkPlan", "WholeStageCodegen", "InputAdapter", "ColumnarToRow"})
_LONGEST = 90


@dataclass
class Stage:
    """Work that goes on without rows moving between machines.

    Attributes:
        number: of the stage, from 1, sources first.
        steps: what is done, in order: (operator, what it says of itself).
        reads: how the results of other stages come: (stage, hash, range, single or broadcast, by).
    """

    number: int = 0
    steps: list[tuple[str, str]] = field(default_factory=list)
    reads: list[tuple[Stage, str, str]] = field(default_factory=list)


def stages_of(frame: DataFrame) -> list[Stage]:
    """Return the stages of Spark's physical plan, sources first."""
    plan = frame._jdf.queryExecution().executedPlan()
    found: list[Stage] = []
    made: dict[str, Stage] = {}
    last = _stage(plan, found, made)
    for number, stage in enumerate(found, 1):
        stage.number = number
    assert last is found[-1]  # noqa: S101 - a stage follows those that it reads
    return found


def shuffles(stages: list[Stage]) -> int:
    """Count how often rows move between machines."""
    return sum(kind != "broadcast" for stage in stages for _, kind, _ in stage.reads)


def _stage(plan: Any, found: list[Stage], made: dict[str, Stage]) -> Stage:
    """Return the stage that ends with a node, after those that it reads."""
    stage = Stage()
    _walk(plan, stage, found, made)
    found.append(stage)
    return stage


def _walk(plan: Any, stage: Stage, found: list[Stage], made: dict[str, Stage]) -> None:
    name = str(plan.nodeName())
    if name.startswith("AdaptiveSparkPlan"):
        _walk(plan.initialPlan(), stage, found, made)
        return
    if "Exchange" in name:
        kind, by = _moved(name, str(plan.simpleString(1000)))
        child = plan.children().apply(0) if plan.children().length() else plan.child()
        same = f"{kind} {by} {plan.canonicalized().hashCode()}"
        if same not in made:
            made[same] = _stage(child, found, made)
        stage.reads.append((made[same], kind, by))
        return
    children = plan.children()
    for n in range(children.length()):
        _walk(children.apply(n), stage, found, made)
    if name.split(" ", maxsplit=1)[0] not in _HIDDEN:
        stage.steps.append((name.strip(), _said(name, str(plan.simpleString(1000)))))


def _moved(name: str, said: str) -> tuple[str, str]:
    """Return how rows move, and by what."""
    if name.startswith("Broadcast"):
        return "broadcast", ""
    found = re.search(r"(hash|range|single)partitioning\((.*?)\)?, ENSURE", said, re.IGNORECASE)
    if found is None:
        return "single", ""
    inside = re.sub(r"#\d+L?", "", found.group(2))
    return found.group(1).lower(), _cut(inside)


def _said(name: str, said: str) -> str:
    """Return what an operator says of itself, without numbers of expressions."""
    text = re.sub(r"#\d+L?", "", said).removeprefix("File").removeprefix(name).strip()
    if name.startswith("Scan"):
        files = re.search(r"InMemoryFileIndex\((\d+) paths?\)", text)
        columns = re.search(r"\[[^\]]*\]", text)
        held = f"{files.group(1)} files" if files else ""
        return _cut(f"{held} {columns.group(0) if columns else ''}".strip())
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
