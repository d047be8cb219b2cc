# SPDX-License-Identifier: Apache-2.0
"""Figures of many cases, each asked in one question: how long people worked, and what is newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from heptad.catalog.casetables import AlertRow, CaseEventRow, CaseRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.catalog.store import Store

AT_ONCE = 500
"""Cases named in one question."""


def worked(store: Store, app: str, until: int | None = None) -> list[tuple[int, int, int]]:
    """Return of each closed case of an application when it was opened, taken up and closed.

    Args:
        store: the catalog's database.
        app: the application.
        until: only those closed by this instant, microseconds.

    Returns:
        Microseconds; a case that nobody took counts as taken when it was opened. Those that were
        merged into others are left out.
    """
    taken = (
        select(CaseEventRow.case, func.min(CaseEventRow.at).label("at"))
        .where(CaseEventRow.action == "assign")
        .group_by(CaseEventRow.case)
        .subquery()
    )
    times = select(CaseRow.opened, func.coalesce(taken.c.at, CaseRow.opened), CaseRow.closed)
    closed = (CaseRow.app == app, CaseRow.status == "closed", CaseRow.outcome != "merged")
    wanted = times.outerjoin(taken, taken.c.case == CaseRow.number).where(*closed)
    if until is not None:
        wanted = wanted.where(CaseRow.closed <= until)
    with store.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(wanted)]


def decided_by_people(store: Store, app: str, until: int | None = None) -> int:
    """Return how many decisions of an application people made by closing cases."""
    wanted = select(func.count()).select_from(AlertRow).join(CaseRow)
    wanted = wanted.where(CaseRow.app == app, CaseRow.status == "closed", CaseRow.resumed == 1)
    if until is not None:
        wanted = wanted.where(CaseRow.closed <= until)
    with store.read() as connection:
        return int(connection.execute(wanted).scalar_one())


def newest(store: Store, cases: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Return of cases, by number, the id of the last decision that each is about, and how many."""
    found: dict[int, tuple[str, int]] = {}
    wanted = select(AlertRow.case, AlertRow.decision).order_by(AlertRow.at, AlertRow.decision)
    with store.read() as connection:
        for start in range(0, len(cases), AT_ONCE):
            some = wanted.where(AlertRow.case.in_(list(cases[start : start + AT_ONCE])))
            for row in connection.execute(some):
                found[row.case] = (row.decision, found.get(row.case, ("", 0))[1] + 1)
    return found
