# SPDX-License-Identifier: Apache-2.0
"""The page of functions is that of the code, names every operator, and its examples can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from heptad.engine.sql.forms import from_yaml
from heptad.service.rules.functions import PLAIN, page
from heptad.standards.expression import OPERATORS
from heptad.standards.functions import FUNCTIONS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "functions.md"


def test_the_page_is_that_of_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: see the page's own head"
    named = {name for names in PLAIN for name in names.split(", ")}
    assert named | set(FUNCTIONS) == set(OPERATORS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_example_is_an_expression_that_uses_it(name: str) -> None:
    tree = from_yaml(FUNCTIONS[name].example)
    assert name in {getattr(node, "op", "") for node in tree.walk()}
