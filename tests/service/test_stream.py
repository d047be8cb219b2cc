# SPDX-License-Identifier: Apache-2.0
"""The stream reading equals the definition at every instant, for any restart and partition count."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.engine.local.kernel import asking, rings
from heptad.service.features import count, largest, last, named, total
from heptad.service.stream.stepping import Stepper
from heptad.service.stream.streams import OutOfReach, Stream, partition_of
from heptad.standards import Path, minute, second
from heptad.standards.errors import ContractError, Refused
from heptad.standards.model import Label, Payment
from heptad.testing.definition import Ask, Version, value
from tests.service import test_kernel, test_windows
from tests.service.test_windows import BY, EUR, PHASES, arrow, expected, payment, point, versions

pytestmark = pytest.mark.timeout(400)
"""The first test of a fresh checkout compiles the kernel."""


def streamed(features):
    """The features that a stream reads: asked of payments, by fields of theirs."""
    return [
        f for f in features
        if f.table is Payment and not f.into
        and not any(isinstance(by, Path) for p in (f.parts or (f,)) for by in p.keys)
    ]  # fmt: skip


FEATURES = list(named({
    f"{where}_{f.name}": f for where, made in (("one", test_windows), ("two", test_kernel))
    for f in streamed(made.FEATURES)
}).values())  # fmt: skip


class Streams:
    """All partitions of one stream, with restarts."""

    def __init__(self, features, partitions: int, **limits) -> None:
        self.features, self.limits, self.n = features, limits, partitions
        self.all = [self._new(n) for n in range(partitions)]

    def _new(self, n: int) -> Stream:
        return Stream(self.features, partition=n, partitions=self.n, **self.limits)

    def restart(self) -> None:
        for n, stream in enumerate(self.all):
            self.all[n] = self._new(n)
            self.all[n].restore(stream.snapshot())

    def apply(self, rows: list[Version]) -> None:
        table = arrow(Payment, rows)
        for stream in self.all:
            stream.apply(table)

    def values(self, asked, own: bool) -> dict:
        """Values at one point; each feature from the partition of its key."""
        parts = {"Customer": asked[0], "Merchant": asked[1]}
        found = {}
        for n, stream in enumerate(self.all):
            wanted = [f for f in self.features if self._owner([parts[e] for e in f.entities]) == n]
            if not wanted:
                continue
            keys = {e: [v] for e, v in parts.items()}
            names = {f.name for f in wanted}
            got = stream.values(keys, [asked[2]], [asked[4]] if own else None, names)
            found |= {name: column.to_pylist()[0] for name, column in got.items()}
        return found

    def _owner(self, key) -> int:
        return 0 if None in key else partition_of(key, self.n)


def play(streams: Streams, payments, points, restarts, own, *, reach: bool) -> int:
    """Ask each point when all that is known at its k was applied; compare with the definition."""
    rows = sorted(payments, key=lambda v: v.known)
    done, compared = 0, 0
    for n, asked in enumerate(sorted(points, key=lambda p: p[2] + p[3])):
        ready = [v for v in rows[done:] if v.known <= asked[2] + asked[3]]
        middle = len(ready) // 2
        for part in (ready[:middle], ready[middle:]):
            if part:
                streams.apply(part)
            if n in restarts:
                streams.restart()
        done += len(ready)
        try:
            found = streams.values(asked, own)
        except OutOfReach:
            assert reach
            continue
        for feature in streams.features:
            want = expected(feature, payments, [], asked, own)
            assert found[feature.name] == want, (feature.sentence(), asked)
            compared += 1
    return compared


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(
    versions(payment), st.lists(point, min_size=1, max_size=6), st.sets(st.integers(0, 5)),
    st.booleans(), st.sampled_from([1, 1, 3]),
)  # fmt: skip
def test_the_stream_equals_the_definition(payments, points, restarts, own, partitions):
    play(Streams(FEATURES, partitions), payments, points, restarts, own, reach=False)


LATE = list(named({
    "count": count(Payment.id, by=BY, over=3 * second),
    "last": largest(Payment.amount, by=BY, over=last(2), where=EUR),
    "total": total(Payment.amount, by=BY, over=8 * second, delay=second, where=EUR),
}).values())  # fmt: skip


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(
    versions(payment), st.lists(point, min_size=1, max_size=6), st.sets(st.integers(0, 5)),
    st.sampled_from([0, second, 5 * second]), st.sampled_from([1, 3, 100]),
)  # fmt: skip
def test_what_was_let_go_is_told_and_never_guessed(payments, points, restarts, late, most):
    """With little kept, an answer is the definition's or there is none."""
    streams = Streams(LATE, 1, late=late, most=most)
    play(streams, payments, points, restarts, False, reach=True)


def many(n: int, keys: int = 1, known_late: int = 0) -> list[Version]:
    return [
        Version({"id": f"p{i:06d}", "event_time": (i * 7919 % n) * second // 4, "customer": f"c{i % keys}",
                 "merchant": f"m{i % 7}", "country": "ES", "amount": i * 31 % 1000, "currency": "EUR",
                 "status": "authorised", "place_lat": None, "place_lon": None},
                max((i * 7919 % n) * second // 4, i * known_late))
        for i in range(n)
    ]  # fmt: skip


def test_long_runs_grow_move_and_forget_without_changing_an_answer():
    """Thousands of rows of few keys, in no order, with corrections and deletions between."""
    rows = sorted(many(3000, keys=3), key=lambda v: v.known)
    changes = [Version(v.values | {"amount": 5}, v.known + 9 * second, n % 14 == 0)
               for n, v in enumerate(rows) if n % 7 == 0]  # fmt: skip
    rows = sorted(rows + changes, key=lambda v: v.known)
    stream = Stream(LATE, late=20 * second)
    for start in range(0, len(rows), 97):
        stream.apply(arrow(Payment, rows[start : start + 97]))
        if start % 970 == 0:
            other = Stream(LATE, late=20 * second)
            other.restore(stream.snapshot())
            stream = other
        done = rows[: start + 97]
        now = done[-1].known
        asked = [("c0", now), ("c1", now - 3 * second), ("c2", now - 15 * second), ("z", now)]
        found = stream.values({"Customer": [k for k, _ in asked]}, [t for _, t in asked])
        for feature in LATE:
            want = [value(feature, {Payment: done}, Ask(k, t, now)) for k, t in asked]
            assert found[feature.name].to_pylist() == want


def test_a_hot_key_is_bounded_and_says_so():
    rows = many(2000)
    stream = Stream(LATE, most=50)
    stream.apply(arrow(Payment, sorted(rows, key=lambda v: v.known)))
    newest = max(v.known for v in rows)
    assert stream.values({"Customer": ["c0"]}, [newest])["count"].to_pylist() == [12]
    with pytest.raises(OutOfReach) as told:
        stream.values({"Customer": ["z", "c0"]}, [newest, newest - 400 * second])
    assert told.value.rows == [1]
    (group,) = stream.groups
    group.compact()
    assert int((group.ring.end - group.ring.begin).sum()) <= 50


def test_total_beyond_64_bits_is_refused():
    rows = many(4)
    big = [Version(v.values | {"amount": 2**62}, v.known) for v in rows]
    stream = Stream(LATE)
    stream.apply(arrow(Payment, big))
    with pytest.raises(ContractError, match="64 bits"):
        stream.values({"Customer": ["c0"]}, [8 * second])


def test_a_snapshot_that_is_damaged_or_of_others_is_refused():
    stream = Stream(LATE)
    stream.apply(arrow(Payment, many(50)))
    kept = bytearray(stream.snapshot())
    Stream(LATE).restore(bytes(kept))
    for at in (3, 40, len(kept) // 2, len(kept) - 1):
        broken = bytearray(kept)
        broken[at] ^= 1
        with pytest.raises(Refused, match="damaged"):
            Stream(LATE).restore(bytes(broken))
    with pytest.raises(Refused, match="other features"):
        Stream(LATE[:1]).restore(bytes(kept))


def test_keys_of_another_partition_are_refused():
    stream = Stream(LATE, partition=0, partitions=2)
    foreign = next(k for k in map(str, range(99)) if partition_of([k], 2) == 1)
    with pytest.raises(ContractError, match="partition 1"):
        stream.values({"Customer": [foreign]}, [0])


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ([count(Label.id, by=Label.payment.merchant, over=minute)], "walks to its key"),
        ([total(Payment.amount, by=BY, over=minute, into="EUR")], "converts money"),
        ([count(Payment.id, by=BY), count(Label.id, by=Label.customer)], "one event table"),
    ],
)
def test_what_a_stream_cannot_read_is_refused(features, says):
    with pytest.raises(ContractError, match=says):
        Stream(list(named({f"f{n}": f for n, f in enumerate(features)}).values()))


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(versions(payment), st.integers(1, 7))
def test_rows_that_are_followed_are_read_as_themselves(payments, size):
    """One pass over a batch equals reading each row at its own instant and known_time."""
    rows = sorted((v for v in payments if not v.deleted), key=lambda v: v.known)
    stream = Stream(FEATURES)
    start = 0
    while start < len(rows):
        stop = start + size
        while stop < len(rows) and rows[stop].known == rows[stop - 1].known:
            stop += 1
        part = rows[start:stop]
        found = stream.follow(arrow(Payment, part))
        for i, row in enumerate(part):
            v = row.values
            asked = (
                v["customer"],
                v["merchant"],
                v["event_time"],
                row.known - v["event_time"],
                v["id"],
            )
            for feature in FEATURES:
                want = expected(feature, rows, [], asked, True)
                assert found[feature.name].to_pylist()[i] == want, feature.sentence()
        start = stop


@settings(max_examples=12, deadline=None, phases=PHASES)
@given(versions(payment))
def test_one_row_at_a_time_reads_as_a_batch_does(payments):
    rows = sorted((v for v in payments if not v.deleted), key=lambda v: v.known)
    rows = [Version(v.values, v.known + n) for n, v in enumerate(rows)]
    stream, stepper = Stream(FEATURES), Stepper(Stream(FEATURES))
    for row in rows:
        found = stream.follow(arrow(Payment, [row]))
        got = stepper.follow(row.values | {"known_time": row.known})
        assert got == {name: column.to_pylist()[0] for name, column in found.items()}


def wrong_windows(monkeypatch, change):
    """Compile windows that differ from what was declared."""
    from heptad.service.batch.programs import Compiled

    honest = Compiled.window_array
    monkeypatch.setattr(Compiled, "window_array", lambda self: change(honest(self)))


def plant(monkeypatch, fault: str) -> None:
    """Plant a fault into the stream."""
    if fault == "window off by one":
        wrong_windows(monkeypatch, lambda w: w + np.array([0, 1, 0, 0]))
    elif fault == "future leak":
        wrong_windows(monkeypatch, lambda w: w - np.array([0, 0, second, 0]))
    elif fault == "lost late row":
        honest = rings.take
        monkeypatch.setattr(rings, "take", lambda pool, ring, rows, *more: honest(
            pool, ring, rows._replace(entity=rows.entity * (rows.known <= rows.us) - (rows.known > rows.us)),
            *more))  # fmt: skip
    elif fault == "correction ignored":
        honest = Stream.apply

        def apart(self, rows):
            pairs = zip(rows["id"].to_pylist(), rows["known_time"].to_pylist(), strict=True)
            honest(self, rows.set_column(0, "id", [[f"{i}-{k}" for i, k in pairs]]))

        monkeypatch.setattr(Stream, "apply", apart)
    elif fault == "known_time ignored":
        # Rows are taken by when they happened, so a correction to an earlier hour comes first.
        honest = Stream.apply

        def by_event_time(self, rows):
            honest(self, rows.take(pc.sort_indices(rows["event_time"])))

        monkeypatch.setattr(Stream, "apply", by_event_time)
    elif fault == "float state":
        took = rings.take

        def rounded(pool, *more):
            found = took(pool, *more)
            pool.s[:] = pool.s.astype(np.float64).astype(np.int64)
            return found

        monkeypatch.setattr(rings, "take", rounded)


@pytest.mark.parametrize(
    "fault",
    ["", "window off by one", "future leak", "lost late row", "correction ignored",
     "known_time ignored", "float state"],
)  # fmt: skip
def test_planted_faults_of_the_stream_are_caught(monkeypatch, fault):
    plant(monkeypatch, fault)
    rows = [
        Version(
            v.values | {"event_time": n * second, "amount": v.values["amount"] + 2**55 + 1},
            (n + n % 3) * second,
        )
        for n, v in enumerate(many(20))
    ]
    rows += [Version(rows[4].values | {"amount": 10**6}, 20 * second)]
    # Between two questions a row is put off, then brought forward; two others come again.
    for at, n, us in ((30, 18, 19 * second + 1), (31, 18, 17 * second), (32, 4, 0), (33, 5, 0)):
        moved = {"event_time": us} if us else {}
        rows += [Version(rows[n].values | moved, at * second)]
    points = [("c0", "m1", n * second, wait, None) for n in range(22) for wait in (0, minute)]
    points = [p for p in points if p[3] or p[2] <= 22 * second]
    caught = False
    try:
        play(Streams(LATE, 1), rows, points, set(), False, reach=False)
    except AssertionError:
        caught = True
    assert caught == bool(fault)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_stream_that_ignores_known_time_is_caught_reading_rows_as_themselves(
    monkeypatch, ignored
):
    """Rows of one batch must not see what came to be known after them."""
    if ignored:
        honest = asking.follow
        monkeypatch.setattr(asking, "follow", lambda pool, ring, rows, *more: honest(
            pool, ring, rows._replace(known=np.zeros_like(rows.known)), *more))  # fmt: skip
    rows = [Version(v.values | {"event_time": (20 - n) // 2 * second}, (n + 20) * second)
            for n, v in enumerate(many(20))]  # fmt: skip
    found = Stream(LATE).follow(arrow(Payment, rows))
    want = [
        value(LATE[0], {Payment: rows}, Ask("c0", v.values["event_time"], v.known, v.values["id"]))
        for v in rows
    ]
    assert (found["count"].to_pylist() == want) is not ignored
