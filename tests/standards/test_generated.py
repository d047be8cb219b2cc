# SPDX-License-Identifier: Apache-2.0
"""Rules compiled together tell of each row what each condition tells alone."""

from __future__ import annotations

from tests.engine.test_parity import Wide
from tests.engine.test_sql_expressions import SCHEMA

from heptad.standards.evaluate import condition, resolve
from heptad.standards.expression import Column
from heptad.standards.generated import compile_all


def test_compiled_together_equals_asked_one_by_one() -> None:
    for seed in range(3):
        grower = Wide(seed)
        trees = [grower.tree("flag", 4) for _ in range(150)]
        fired = compile_all([resolve(tree, SCHEMA) for tree in trees])
        tests = [condition(tree, SCHEMA) for tree in trees]
        some = 0
        for _ in range(30):
            row = grower.row()
            if grower.random.random() < 0.3:
                row.pop(grower.random.choice(list(row)))
            alone = [n for n, test in enumerate(tests) if test(row)]
            assert fired(row) == alone, [str(trees[n]) for n in set(fired(row)) ^ set(alone)]
            some += len(alone)
        assert some > 100


def test_what_a_user_wrote_is_never_a_part_of_the_code() -> None:
    name = "x'); import os #\n"
    fired = compile_all([resolve(Column(name) == "__import__('os')", {name: "text"})])
    assert fired({name: "__import__('os')"}) == [0]
    assert fired({name: "other"}) == []
    assert fired({}) == []
