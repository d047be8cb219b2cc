# SPDX-License-Identifier: Apache-2.0
"""The room that a stream takes: what is let go of is used again, and memory has a bound."""

from __future__ import annotations

import random

import pytest

from heptad.engine.local.rows import Rows
from heptad.service.features import count, named, total
from heptad.service.stream import streams
from heptad.service.stream.cold import Cold
from heptad.service.stream.streams import Stream
from heptad.standards import second
from heptad.standards.model import Payment
from heptad.testing.definition import Ask, Version, value
from tests.service.test_windows import BY, EUR, arrow

pytestmark = pytest.mark.timeout(400)
FEATURES = list(named({
    "count": count(Payment.id, by=BY, over=30 * second),
    "total": total(Payment.amount, by=BY, over=30 * second, where=EUR),
}).values())  # fmt: skip
"""Of thirty seconds, so that all older events can be let go of."""


def paid(n: int, draw: random.Random, keys: int) -> Version:
    """One payment a second of some keys; ids are of many lengths, a tenth come again later."""
    came = n - 7 if n > 7 and n % 10 == 0 else n
    values = {"id": f"p{came}" + "x" * (came % 40), "event_time": came * second,
              "customer": f"c{draw.randrange(keys)}", "merchant": "m", "country": "ES",
              "amount": draw.randrange(1000), "currency": "EUR", "status": "authorised",
              "place_lat": None, "place_lon": None}  # fmt: skip
    return Version(values, n * second, n % 50 == 0)


@pytest.fixture
def moves(monkeypatch):
    """Every time that a group moves what it holds into more room."""
    moves: list[int] = []
    honest = streams.Group._move
    monkeypatch.setattr(streams.Group, "_move", lambda *told: moves.append(1) or honest(*told))
    return moves


def test_where_as_much_comes_as_goes_nothing_is_moved_for_room(moves):
    draw, stream = random.Random(5), Stream(FEATURES, late=second)
    made: list[Version] = []
    for n in range(60):
        more = [paid(100 * n + i, draw, keys=12) for i in range(100)]
        made += more
        stream.apply(arrow(Payment, more))
        now = made[-1].known
        keys = [f"c{k}" for k in range(12)]
        found = stream.values({"Customer": keys}, [now] * 12)
        for feature in FEATURES:
            known = {Payment: made[-300:]}
            want = [value(feature, known, Ask(k, now, now)) for k in keys]
            assert found[feature.name].to_pylist() == want
    assert not moves


def test_a_bound_of_events_holds_though_keys_come_and_go(tmp_path, monkeypatch, moves):
    """A little is laid away at a time; what is not needed is not opened."""
    laid: list[int] = []
    honest = streams.Group.let_go
    monkeypatch.setattr(
        streams.Group,
        "let_go",
        lambda group, which: laid.append(len(which)) or honest(group, which),
    )
    opened: list[Rows] = []

    def store() -> Rows:
        opened[:] = opened or [Rows(tmp_path / "rows")]
        return opened[0]

    draw, bound = random.Random(6), 2000
    cold = Cold(store, "Bound", events=bound, sieve_bytes=1 << 16, lasting=False)
    plain, stream = Stream(FEATURES), Stream(FEATURES, cold=cold)
    begun = settled = 0
    for n in range(200):
        more = [paid(100 * n + i, draw, keys=n + 100) for i in range(100)]
        for each in (plain, stream):
            each.apply(arrow(Payment, more))
        assert stream.groups[0].held[1] <= bound
        settled = len(moves) if n == 100 else settled
        begun = begun or (n if opened else 0)
        keys = [f"c{draw.randrange(n + 100)}" for _ in range(20)]
        want, found = (s.values({"Customer": keys}, [more[-1].known] * 20) for s in (plain, stream))
        assert {f: c.to_pylist() for f, c in found.items()} == {
            f: c.to_pylist() for f, c in want.items()
        }
    assert 5 < begun < 25
    assert len(moves) - settled < 10
    assert len(laid) > 50
    assert max(laid) <= bound // 8
    assert all(len(group.ring.begin) < 3 * bound for group in stream.groups)
    opened[0].close()
