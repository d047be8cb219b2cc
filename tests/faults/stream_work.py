# SPDX-License-Identifier: Apache-2.0
"""The work of a stream: rows taken batch by batch, nearly all keys cold, each batch kept."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from workload import Work

from heptad.engine.local.rows import Rows
from heptad.service.features import count, largest, last, latest, named, total
from heptad.service.stream.cold import Cold
from heptad.service.stream.streams import Stream
from heptad.standards import Instant, Integer, Table, Text, minute
from heptad.standards.time import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from workload import Steps

START = 1_767_225_600_000_000
KEYS, BATCHES, SIZE = 12, 16, 15
FEW = {"events": 40, "keys": 4, "sieve_bytes": 1 << 16}


class Sale(Table):
    """One sale of a market stall."""

    id = Text("Its number", key=True)
    event_time = Instant("When it was")
    buyer = Text("Who bought")
    stall = Text("Where")
    goods = Text("What")
    cents = Integer("What was paid")


FEATURES = list(named({
    "spent": total(Sale.cents, by=Sale.buyer, over=30 * minute),
    "times": count(Sale.id, by=Sale.buyer),
    "largest": largest(Sale.cents, by=Sale.buyer, over=last(3)),
    "latest": latest(Sale.goods, by=Sale.buyer, over=90 * minute),
    "takings": total(Sale.cents, by=Sale.stall, over=60 * minute),
    "both": count(Sale.id, by=(Sale.buyer, Sale.stall), over=300 * minute),
}).values())  # fmt: skip


def batch(n: int) -> pa.Table:
    """The n-th batch: sales, some known late, and corrections that move, change or delete others."""
    rows = [_sale(n * SIZE + i, START + (n * SIZE + i) * minute) for i in range(SIZE)]
    if n > 2:
        old = (n - 3) * SIZE
        known = START + (n + 1) * SIZE * minute - 1
        rows += [_sale(old + 1, known) | {"cents": 7}, _sale(old + 2, known) | {"buyer": "b0"},
                 _sale(old + 4, known) | {"_deleted": True}]  # fmt: skip
    return pa.Table.from_pylist(rows)


def _sale(i: int, known: int) -> dict[str, Any]:
    return {
        "id": f"s{i}", "event_time": START + (i - i % 5) * minute, "known_time": known,
        "_deleted": False, "buyer": f"b{i * 7 % KEYS}", "stall": f"t{i % 3}",
        "goods": f"g{i % 40}", "cents": 100 + i * 13 % 900,
    }  # fmt: skip


def warm() -> None:
    """Compile the kernels, and import what is imported at first use."""
    stream = Stream(FEATURES)
    stream.follow(batch(0).slice(0, 2))
    stream.snapshot()


class StreamWork(Work):
    """A stream that is kept after each batch; who opens it again goes on after its mark."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Stream]:
        with Rows(home / "rows", clock=FixedClock(START)) as rows:
            yield Stream(FEATURES, cold=self.cold(rows))

    def cold(self, rows: Rows) -> Cold:
        return Cold(rows, "Sales", **FEW)

    def steps(self, store: Stream) -> Steps:
        for n in range(1, BATCHES + 1):
            yield f"batch {n}", lambda n=n: self._take(store, n)

    @staticmethod
    def _take(stream: Stream, n: int) -> int:
        """Take what came after the mark up to a batch, and keep it."""
        for at in range(int(stream.mark or 0) + 1, n + 1):
            stream.apply(batch(at - 1), str(at))
        stream.keep()
        return n

    def check(self, store: Stream, told: dict[str, Any]) -> None:
        """What was told is kept: the stream goes on after it, and not before."""
        assert int(store.mark or 0) >= max(told.values(), default=0), (store.mark, told)

    def end(self, store: Stream) -> Any:
        """What every key is answered at some instants."""
        now = START + BATCHES * SIZE * minute
        assert max(group.held[0] for group in store.groups) <= FEW["keys"] + KEYS
        return [answers(store, now - back * minute) for back in (0, 20, 200)]


def answers(stream: Stream, t: int) -> Mapping[str, Sequence[Any]]:
    """All features of all keys at an instant."""
    keys = {"Sale.buyer": [f"b{n % KEYS}" for n in range(3 * KEYS)],
            "Sale.stall": [f"t{n // KEYS}" for n in range(3 * KEYS)]}  # fmt: skip
    found = stream.values(keys, [t] * 3 * KEYS)
    return {name: column.to_pylist() for name, column in found.items()}


class Forgetful(Cold):
    """Says how far it has got before what it got there is written: a planted mistake."""

    def keep(self, head: Any, texts: Any, states: Any, owners: Any) -> None:
        super().keep(head, texts, [], [])
        super().keep(head, {}, states, owners)


class StreamThatMarksFirst(StreamWork):
    """A stream whose mark is ahead of its state."""

    def cold(self, rows: Rows) -> Cold:
        return Forgetful(rows, "Sales", **FEW)
