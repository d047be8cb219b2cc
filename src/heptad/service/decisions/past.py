# SPDX-License-Identifier: Apache-2.0
"""What an application decided in a time, read by its own jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from heptad.service.reads.guard import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from heptad.service.decisions.decision import Decision

T = TypeVar("T")
PAGE = 500


def decided(  # noqa: PLR0913 - what is read, by name
    platform: Any,
    app: str,
    read: Callable[[Decision], T | None],
    *,
    since: int,
    who: str,
    until: int | None = None,
    outcome: str | None = None,
    known: Container[str] = (),
) -> list[T]:
    """Read an application's decisions on what happened in a time, the last decided first.

    They are read as the application reads: in its role and for its purpose, those about people
    without a basis for it left out; recorded as one read. Of persons who are erased nothing is
    read.

    Args:
        platform: the open project.
        app: its name.
        read: takes from a decision what is wanted; None leaves it out.
        since: of what happened from this instant on, microseconds.
        who: the job that reads, as the access log names it.
        until: of what had happened by this instant, microseconds.
        outcome: only those with this outcome, or one of several with commas between.
        known: ids of decisions that are not opened.
    """
    chosen, found, cursor = platform.app(app), list[T](), None
    own = {"role": APPLICATION, "purpose": chosen.purpose, "who": who}
    with platform.guard.reading("decided", **own, app=app, since=since) as access:
        while True:
            page = platform.catalog.decisions.page(
                app=app, outcome=outcome, since=since, until=until, cursor=cursor, limit=PAGE
            )
            ids = [entry.id for entry in page.entries if entry.id not in known]
            opened = platform.log.stored(ids)
            for one in access.decisions(chosen, [opened[i] for i in ids]):
                value = None if one.decision is None else read(one.decision)
                if value is not None:
                    found.append(value)
            cursor = page.cursor
            if cursor is None:
                return found
