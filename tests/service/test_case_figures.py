# SPDX-License-Identifier: Apache-2.0
"""Figures of many cases: right beyond ten thousand of them, and each asked in one question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from heptad.catalog import Catalog
from heptad.catalog.casetables import AlertRow, CaseEventRow, CaseRow
from heptad.catalog.inserts import insert_all
from heptad.service.cases.figures import decided_by_people, newest, worked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N = 10_050


def case(n: int) -> dict[str, Any]:
    merged = n % 50 == 0
    return {
        "number": n, "id": f"k{n}", "app": "fraud" if n % 2 else "credit", "inbox": "held",
        "subject": "Customer:c1", "status": "closed", "assignee": "", "opened": 1_000 * n, "due": 0,
        "calendar": "", "level": 0, "revision": 0, "proposed": "", "proposer": "",
        "outcome": "merged" if merged else "genuine", "closed": 1_000 * n + 600, "closer": "ann",
        "resumed": int(not merged),
    }  # fmt: skip


def rows(catalog: Catalog, model: Any, found: Iterator[dict[str, Any]]) -> None:
    given = list(found)
    with catalog.store.write() as connection:
        insert_all(connection, model, list(given[0]), [tuple(row.values()) for row in given])


def test_every_closed_case_counts_and_is_asked_in_one_question(tmp_path: Path) -> None:
    with Catalog(tmp_path / "c.sqlite") as catalog:
        numbers = range(1, N + 1)
        rows(catalog, CaseRow, (case(n) for n in numbers))
        step = {"who": "ann", "role": "risk", "action": "assign", "detail": "{}", "sealed": None}
        rows(catalog, CaseEventRow,
             ({"case": n, "at": 1_000 * n + later} | step for n in numbers if n % 3 == 0
              for later in (200, 100)))  # fmt: skip
        rows(catalog, AlertRow,
             ({"decision": f"d{n}-{k}", "inbox": "held", "case": n, "subject": "Customer:c1", "at": k}
              for n in numbers for k in range(1 + n % 2)))  # fmt: skip
        asked: list[str] = []
        event.listen(
            catalog.store._reader, "before_cursor_execute",
            lambda *given: asked.append(given[2]) if "SELECT" in given[2] else None,
        )  # fmt: skip
        times = worked(catalog.store, "credit")
        assert len(asked) == 1
        expected = [
            (1_000 * n, 1_000 * n + (100 if n % 3 == 0 else 0), 1_000 * n + 600)
            for n in numbers if n % 2 == 0 and n % 50
        ]  # fmt: skip
        assert sorted(times) == expected
        assert len(worked(catalog.store, "credit", 1_000 * 100 + 600)) == 48
        assert decided_by_people(catalog.store, "fraud") == N
        assert decided_by_people(catalog.store, "credit") == len(expected)
        asked.clear()
        found = newest(catalog.store, list(numbers)[:500])
        assert len(asked) == 1
        assert found == {n: (f"d{n}-{n % 2}", 1 + n % 2) for n in list(numbers)[:500]}
