# SPDX-License-Identifier: Apache-2.0
"""How events are parted into what a model may see and what it is judged on, and a check of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.analysis.arrays import Codes
    from heptad.analysis.recommend.interactions import Interactions


@dataclass(frozen=True)
class Split:
    """One split.

    Attributes:
        train: what a model may see.
        test: what it is judged on.
        rows: (m,) users judged, ascending.
        kind: how it was made.
    """

    train: Interactions
    test: Interactions
    rows: Codes
    kind: str


def by_time(data: Interactions, share: float = 0.1, *, fewest: int = 5) -> Split:
    """Hold out the last events of all, by one instant for everybody: nothing sees the future.

    Args:
        data: the events.
        share: of the events held out, about: events of the cut's own instant are all held out.
        fewest: events that a user must have before the cut to be judged.

    Raises:
        ContractError: if nothing is left on a side.
    """
    if not len(data):
        raise ContractError("There are no events to split.")
    place = min(int(len(data) * (1 - share)), len(data) - 1)
    return at_instant(data, int(data.times[place]), fewest=fewest)


def at_instant(
    data: Interactions, instant: int, *, until: int | None = None, fewest: int = 5
) -> Split:
    """Hold out what happened from an instant on, and before another if one is given."""
    train = data.before(instant)
    test = data.since(instant)
    return judged_on(train, test if until is None else test.before(until), fewest, "time")


def judged_on(train: Interactions, test: Interactions, fewest: int, kind: str) -> Split:
    """Return a split whose users have so many events in train and one in test."""
    known = np.bincount(train.users, minlength=train.n_users) >= fewest
    rows = np.flatnonzero(known & (np.bincount(test.users, minlength=test.n_users) > 0))
    return Split(train, test, rows, kind)


def last_out(data: Interactions) -> Split:
    """Hold out each user's last event; among equal instants the last row given is the last.

    It lets a model see what others do later: for comparing with published figures only.
    """
    back = np.empty(len(data), dtype=np.int64)
    order, steps = data._steps
    back[order] = steps
    return judged_on(data.part(back > 0), data.part(back == 0), 1, "last out")


def warm(data: Interactions, share: float = 0.1, *, seed: int = 0) -> Split:
    """Hold out events at random; it leaks the future, for comparing with published figures only."""
    held = np.zeros(len(data), dtype=bool)
    random = np.random.default_rng(seed)
    held[random.permutation(len(data))[: int(len(data) * share)]] = True
    return judged_on(data.part(~held), data.part(held), 1, "warm")


def cold_users(data: Interactions, share: float = 0.1, *, given: int = 0, seed: int = 0) -> Split:
    """Hold out users whole; of each the first `given` events are known when they are judged."""
    random = np.random.default_rng(seed)
    chosen = np.zeros(data.n_users, dtype=bool)
    chosen[random.permutation(data.n_users)[: int(data.n_users * share)]] = True
    order, _ = data._steps
    counts = np.bincount(data.users, minlength=data.n_users)
    rank = np.empty(len(data), dtype=np.int64)
    rank[order] = np.arange(len(data)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = chosen[data.users] & (rank >= given)
    return judged_on(data.part(~held), data.part(held), given, "cold users")


def cold_items(data: Interactions, share: float = 0.1, *, seed: int = 0, fewest: int = 1) -> Split:
    """Hold out items whole: nobody was seen with them."""
    random = np.random.default_rng(seed)
    chosen = np.zeros(data.n_items, dtype=bool)
    chosen[random.permutation(data.n_items)[: int(data.n_items * share)]] = True
    held = chosen[data.items]
    return judged_on(data.part(~held), data.part(held), fewest, "cold items")


def leaks(split: Split) -> list[str]:
    """Say in sentences how a split lets a model see what it is judged on; none if it does not."""
    found = []
    train, test = split.train, split.test
    one, other = (d.users * d.n_items + d.items for d in (train, test))
    both = len(np.intersect1d(one, other))
    if both:
        found.append(f"{both} pairs of user and item stand in train and test")
    if len(train) and len(test):
        later = int((train.times > test.times.min()).sum())
        if later:
            share = later / len(train)
            found.append(f"{share:.1%} of train happened after the first event of test")
    return found
