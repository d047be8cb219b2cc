# SPDX-License-Identifier: Apache-2.0
"""The page of engines says what the suites ask of each engine."""

from __future__ import annotations

from heptad.service.batch.flink_sql import why_not
from tests.engines.table import CLAUSES, FLINK, PAGE, SPARK, flat, page, refused_in_truth


def test_the_page_of_engines_is_up_to_date():
    """Write it again with `python -m tests.engines.table`."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text)


def test_what_is_called_refused_is_refused():
    assert refused_in_truth() == []
    for name, of in CLAUSES.items():
        if not any(map(of, flat(FLINK))):
            asked = [f for f in flat(SPARK) if of(f)]
            assert asked, name
            assert all(map(why_not, asked)), name
