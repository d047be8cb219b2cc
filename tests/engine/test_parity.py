# SPDX-License-Identifier: Apache-2.0
"""Row, batch and SQL form of generated rules give the same, bit for bit, with every function."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from tests.engine.test_sql_expressions import DUCK, SCHEMA, Grower, bits

from heptad.engine.batch.columns import Frame
from heptad.engine.batch.expressions import compile_batch
from heptad.engine.sql.expressions import sql_text
from heptad.engine.sql.identifiers import quote
from heptad.standards.errors import HeptadError
from heptad.standards.evaluate import compile_row, resolve
from heptad.standards.expression import Call, Expression, Value
from heptad.standards.functions import FUNCTIONS

if TYPE_CHECKING:
    from pathlib import Path

ARROW = {
    "integer": pa.int64(), "instant": pa.int64(), "number": pa.float64(), "text": pa.string(),
    "flag": pa.bool_(), "day": pa.date32(),
}  # fmt: skip
CHOICES = {
    "zone": ["UTC", "Europe/Madrid", "America/New_York", "Asia/Kathmandu"],
    "calendar": ["weekdays", "TARGET", "own;weekend=5,6;years=2000-2030;free=2024-02-29"],
    "pattern": ["*", "a*", "?", "*é*b", "%_!", ""],
    "count": [0, 1, 2, 3],
}
NEAR = [1_767_225_600_000_000, 1_774_746_000_000_000, 1_774_745_999_999_999, 0, 86_399_999_999]
"""Instants beside midnights and beside changes of clocks."""


class Wide(Grower):
    """Grows trees of every operator and function."""

    def value(self, kind: str) -> object:
        if kind == "instant" and self.random.random() < 0.5:
            return self.random.choice(NEAR) + self.random.randrange(-2, 3) * 3_600_000_000
        if kind == "day" and self.random.random() < 0.3:
            return date(2024, self.random.randrange(1, 13), self.random.randrange(1, 29))
        if kind == "integer" and self.random.random() < 0.3:
            return self.random.randrange(-1_800_000_000, 1_800_000_001)
        return super().value(kind)

    def function(self, kind: str, depth: int) -> Expression:
        chosen = [f for f in FUNCTIONS.values() if f.gives == kind and f.bind is not None]
        declared = self.random.choice(chosen)
        parts: list[Expression] = [
            Value(self.random.choice(CHOICES[t]))
            if t in CHOICES
            else self.tree("integer" if t == "number" and self.random.random() < 0.2 else t, depth)
            for t in declared.takes
        ]
        return Call(declared.name, tuple(parts))

    def tree(self, kind: str, depth: int) -> Expression:
        if depth > 0 and kind != "instant" and self.random.random() < 0.3:
            return self.function(kind, depth - 1)
        return super().tree(kind, depth)


def parted(trees: list[Expression], rows: list[dict[str, Any]]) -> list[tuple[Any, Any, Any]]:
    """Return for each tree and row what the three forms give."""
    columns = {n: pa.array([r[n] for r in rows], ARROW[k]) for n, k in SCHEMA.items()}
    frame = Frame(columns, len(rows))
    batches = [compile_batch(t, SCHEMA)(frame).to_arrow(len(rows)).to_pylist() for t in trees]
    connection = duckdb.connect(config={"threads": 1})
    made = ", ".join(f"{quote(n)} {DUCK[k]}" for n, k in SCHEMA.items())
    connection.execute(f"create table rows (n BIGINT, {made})")
    marks = ", ".join("?" * (len(SCHEMA) + 1))
    connection.executemany(
        f"insert into rows values ({marks})", [[n, *r.values()] for n, r in enumerate(rows)]
    )
    texts = ", ".join(sql_text(tree, "r", SCHEMA) for tree in trees)
    answers = connection.execute(f"select {texts} from rows r order by n").fetchall()
    found = []
    for n, tree in enumerate(trees):
        function = compile_row(tree, SCHEMA)
        found += [(function(row), batches[n][i], answers[i][n]) for i, row in enumerate(rows)]
    return found


def assert_parity(seed: int, n: int) -> None:
    grower = Wide(seed)
    trees = [grower.tree(grower.random.choice(list(DUCK)), 4) for _ in range(n)]
    rows = [grower.row() for _ in range(12)]
    for at, (row, batch, sql) in enumerate(parted(trees, rows)):
        tree, where = trees[at // len(rows)], rows[at % len(rows)]
        assert bits(row) == bits(sql) == bits(batch), (str(tree), where, row, batch, sql)


@pytest.mark.parametrize("seed", range(2))
def test_three_forms_agree_on_generated_rules(seed: int) -> None:
    assert_parity(seed, 60)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_three_forms_agree_on_a_hundred_thousand_rules(tmp_path: Path) -> None:
    from tests.engine.parity_soak import soak

    assert soak(tmp_path / "told", 100_000, minutes=110) == 100_000


def test_a_soak_goes_on_where_it_was(tmp_path: Path) -> None:
    from tests.engine.parity_soak import FIRST, RULES, distinct, soak

    told = tmp_path / "told"
    assert soak(told, RULES, minutes=1) == RULES
    before = told.read_text()
    assert soak(told, RULES, minutes=1) == RULES
    assert told.read_text() == before
    assert f'"seed": {FIRST}' in before
    assert RULES * 0.8 < distinct(RULES) <= RULES


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.bind])
def test_each_function_agrees_on_its_own(name: str) -> None:
    grower = Wide(len(name))
    declared = FUNCTIONS[name]
    trees = [
        Call(
            name,
            tuple(
                Value(grower.random.choice(CHOICES[t])) if t in CHOICES else grower.leaf(t)
                for t in declared.takes
            ),
        )
        for _ in range(12)
    ]
    rows = [grower.row() for _ in range(40)]
    found = parted(trees, rows)
    for row, batch, sql in found:
        assert bits(row) == bits(sql) == bits(batch), (name, row, batch, sql)
    assert any(row is not None for row, _, _ in found), name


def test_fuzzed_trees_are_refused_or_run() -> None:
    """Whatever is put together by chance, nothing but our own errors comes out."""
    from heptad.standards.expression import OPERATORS, from_json

    grower = Wide(3)
    r = grower.random
    names = [*OPERATORS, "feature", "policy", "nonsense", "column", 5]

    def document(depth: int) -> Any:
        if depth == 0 or r.random() < 0.3:
            leaf = [
                {"column": r.choice(list(SCHEMA))},
                r.choice([None, True, 1, -(2**63), 0.5, "a"]),
            ]
            return r.choice([*leaf, {"column": 7}, [], {}, "Europe/Madrid", 2**70, float("inf")])
        parts = [document(depth - 1) for _ in range(r.randrange(0, 4))]
        return {r.choice(names): r.choice([parts, *parts])}

    ran = 0
    for _ in range(1500):
        try:
            tree = from_json(document(3))
            resolve(tree, SCHEMA)
        except HeptadError:
            continue
        row = grower.row()
        columns = {n: pa.array([row[n]], ARROW[k]) for n, k in SCHEMA.items()}
        one = compile_batch(tree, SCHEMA)(Frame(columns, 1)).to_arrow(1).to_pylist()[0]
        assert bits(compile_row(tree, SCHEMA)(row)) == bits(one), str(tree)
        sql_text(tree, "r", SCHEMA)
        ran += 1
    assert ran > 40
