# SPDX-License-Identifier: Apache-2.0
"""The table of operators and engines, made from what the conformance suites ask each of them."""

from __future__ import annotations

from pathlib import Path

from heptad.service.batch.flink_sql import why_not
from heptad.service.features import Feature, Last, parts_of, steps_of
from heptad.service.operators.declared import OPERATORS
from tests.engines import test_flink, test_spark
from tests.service import test_kernel, test_windows

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "engines.md"
BEGIN, END = "<!-- made by `python -m tests.engines.table` -->", "<!-- end -->"
LOCAL = [*test_windows.FEATURES, *test_kernel.FEATURES]
SPARK = test_spark.FEATURES
FLINK = [*test_flink.FEATURES, *test_flink.FLAGS]
CLAUSES = {
    "`over` a length of time": lambda f: isinstance(f.over, int) and not f.every,
    "`over=last(n)`": lambda f: isinstance(f.over, Last),
    "all history": lambda f: f.over is None and not f.every,
    "`every`, `over` one or whole periods":
        lambda f: bool(f.every) and isinstance(f.over, int) and f.over % f.every == 0,
    "`every`, other windows":
        lambda f: bool(f.every) and not (isinstance(f.over, int) and f.over % f.every == 0),
    "`where`": lambda f: f.where is not None,
    "`delay`": lambda f: bool(f.delay),
    "`default`": lambda f: f.default is not None,
    "`by` several keys": lambda f: len(f.keys) > 1,
    "`by` a walk over Refs": lambda f: any(len(steps_of(by)) > 1 for by in f.keys),
    "`into` a currency": lambda f: bool(f.into),
}  # fmt: skip


def spark_way(feature: Feature) -> str:
    return "SQL" if OPERATORS[feature.op].tier == 1 else "kernel"


def flat(features: list[Feature]) -> list[Feature]:
    """The features and, of ratios, their parts under the name of the ratio."""
    return [*features, *parts_of(features)]


def operator_rows() -> list[str]:
    rows = []
    for op, operator in OPERATORS.items():
        here = "join, kernel" if operator.tier == 1 else "kernel"
        assert any(f.op == op for f in LOCAL), f"nobody asks {op} here"
        there = [f for f in SPARK if f.op == op]
        flink = [f for f in FLINK if f.op == op]
        windows = [
            word
            for word, of in (
                ("time", CLAUSES["`over` a length of time"]),
                ("rows", CLAUSES["`over=last(n)`"]),
                ("tumbling", lambda f: bool(f.every)),
            )
            if any(of(g) for f in flink for g in (f.parts or (f,)))
        ]
        rows.append(
            f"| `{op}` | {here} | {spark_way(there[0]) if there else 'no'} | "
            f"{', '.join(windows) or 'refused'} |"
        )
    return rows


def clause_rows() -> list[str]:
    return [
        f"| {name} | {'yes' if any(map(of, flat(SPARK))) else 'no'} | "
        f"{'yes' if any(map(of, flat(FLINK))) else 'refused'} |"
        for name, of in CLAUSES.items()
    ]


def table() -> str:
    return "\n".join([
        BEGIN, "",
        "| operator | local | Spark | Flink, windows of |", "|---|---|---|---|", *operator_rows(), "",
        "| clause | Spark | Flink |", "|---|---|---|", *clause_rows(), "",
        END,
    ])  # fmt: skip


def page(before: str) -> str:
    """The page with the table made anew."""
    head, _, rest = before.partition(BEGIN)
    return head + table() + rest.partition(END)[2]


def refused_in_truth() -> list[str]:
    """What the table calls refused and Flink's plan would take, or the other way."""
    held = {f.op for f in FLINK}
    wrong = [f.sentence() for f in SPARK if f.op not in held and not why_not(f)]
    return wrong + [f.sentence() for f in FLINK if why_not(f)]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
