# SPDX-License-Identifier: Apache-2.0
"""What a load brought, taken by the reels that rest on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.model import Rate

if TYPE_CHECKING:
    import pyarrow as pa

    from heptad.service.stream.rates import Rates
    from heptad.service.stream.slots import Slot


class Load:
    """What one load brought.

    Attributes:
        name: of the table.
        rows: its row versions in the order in which they became known; None if they are many.
        corrected: whether rows that were known are among them.
        linked: for reels that walk to their key, the events with it.
    """

    def __init__(self, name: str, rows: pa.Table | None, *, corrected: bool) -> None:
        self.name, self.rows, self.corrected = name, rows, corrected
        self.linked: dict[Slot, pa.Table] = {}


def follows(slot: Slot, load: Load, rates: Rates | None, k: int) -> bool:
    """Let a reel take what a load brought.

    Args:
        slot: the reel's.
        load: committed, and read.
        rates: as of k.
        k: the present, microseconds; what is known later waits in the slot.

    Returns:
        Whether it could; if not, it is old.
    """
    reel, shape = slot.reel, slot.shape
    if load.rows is None or reel is None or load.name == Rate.__name__:
        return False
    times = load.rows.column("known_time").to_numpy()
    if shape.table.__name__ != load.name:
        (walked,) = (table for table in shape.walked if table.__name__ == load.name)
        named = load.rows.column(walked.key.name).to_pylist()
        return not load.corrected and slot.orphans.isdisjoint(named)
    if reel.known is not None and len(times) and int(times[0]) < reel.known:
        return False
    if shape.links:
        return not load.corrected and int(times[-1]) <= k and _link(slot, load, rates)
    due = int(np.searchsorted(times, k, side="right"))
    if due:
        reel.apply(load.rows.slice(0, due), rates)
    later = [*slot.later, *load.rows.slice(due).to_pylist()]
    slot.later = sorted(later, key=lambda row: int(row["known_time"]))
    return True


def _link(slot: Slot, load: Load, rates: Rates | None) -> bool:
    """Let a reel take events with the keys that they walk to."""
    assert slot.reel is not None  # noqa: S101 - looked at by the caller
    assert load.rows is not None  # noqa: S101 - looked at by the caller
    events = load.linked[slot]
    for path in slot.reel.links.values():
        first = path.fields[0].name
        named, met = (set(rows.column(first).to_pylist()) for rows in (load.rows, events))
        slot.orphans |= named - met - {None}
    if events.num_rows:
        slot.reel.apply(events, rates)
    return True
