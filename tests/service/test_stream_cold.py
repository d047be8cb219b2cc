# SPDX-License-Identifier: Apache-2.0
"""A stream whose keys lie in the row store answers as one that is in memory, after any end of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.engine.local.rows import Rows
from heptad.service.features import count, last, named, total
from heptad.service.stream.cold import Cold, packed, unpacked
from heptad.service.stream.stepping import Stepper
from heptad.service.stream.streams import OutOfReach, Stream
from heptad.standards import second
from heptad.standards.errors import ContractError
from heptad.standards.model import Payment
from heptad.testing.definition import Ask, Version, value
from tests.service.test_stream import FEATURES, LATE, Streams, many, play
from tests.service.test_windows import BY, EUR, PHASES, arrow, payment, point, versions

pytestmark = pytest.mark.timeout(400)
"""The first test of a fresh checkout compiles the kernel."""
FEW = {"events": 6, "keys": 2, "sieve_bytes": 1 << 16}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with Rows(tmp_path_factory.mktemp("cold") / "rows") as store:
        yield store


def begun(rows: Rows, name: str, **told) -> Cold:
    """A place in the row store where nothing is."""
    Cold(rows, name).close()
    return Cold(rows, name, **told)


class ColdStreams(Streams):
    """All partitions of one stream, nearly all of whose keys lie in the row store."""

    def __init__(self, features, partitions: int, rows: Rows, *, kept: bool) -> None:
        self._rows, self._kept = rows, kept
        self._taken: list[Version] = []
        for n in range(partitions):
            Cold(rows, f"Stream{n}").close()
        super().__init__(features, partitions)

    def _new(self, n: int) -> Stream:
        cold = Cold(self._rows, f"Stream{n}", **FEW)
        return Stream(self.features, partition=n, partitions=self.n, cold=cold)

    def restart(self) -> None:
        """End as after a kill, or in good order; then take again what came after the mark."""
        for n, stream in enumerate(self.all):
            if self._kept:
                stream.keep()
            fresh = self.all[n] = self._new(n)
            assert not self._kept or fresh.mark == stream.mark
            left = self._taken[int(fresh.mark or 0) :]
            if left:
                fresh.apply(arrow(Payment, left), str(len(self._taken)))

    def apply(self, rows: list[Version]) -> None:
        self._taken += rows
        for stream in self.all:
            stream.apply(arrow(Payment, rows), str(len(self._taken)))


@settings(max_examples=20, deadline=None, phases=PHASES)
@given(
    versions(payment), st.lists(point, min_size=1, max_size=6), st.sets(st.integers(0, 5)),
    st.booleans(), st.sampled_from([1, 1, 3]), st.booleans(),
)  # fmt: skip
def test_cold_keys_answer_as_the_definition(rows, payments, points, restarts, own, n, kept):
    play(ColdStreams(FEATURES, n, rows, kept=kept), payments, points, restarts, own, reach=False)


@pytest.mark.parametrize("lasting", [True, False])
def test_many_cold_keys_with_corrections_that_move_them(rows, lasting):
    """Rows of forty keys with corrections into other keys and deletions; three keys in memory."""
    made = sorted(many(1200, keys=40), key=lambda v: v.known)
    changes = [
        Version(v.values | {"amount": 5, "customer": f"c{n % 39}"}, v.known + 9 * second, n % 21 == 0)
        for n, v in enumerate(made) if n % 7 == 0
    ]  # fmt: skip
    made = sorted(made + changes, key=lambda v: v.known)
    features = list(named({f.name: f for f in FEATURES}).values())
    plain, cold = (
        Stream(features),
        Stream(features, cold=begun(rows, "Moved", lasting=lasting, **FEW)),
    )
    laid = 0
    for start in range(0, len(made), 60):
        part = arrow(Payment, made[start : start + 60])
        for stream in (plain, cold):
            stream.apply(part)
        t = [made[min(start + 59, len(made) - 1)].known] * 3
        keys = {"Customer": [f"c{start % 40}", f"c{(start + 7) % 40}", "nobody"],
                "Merchant": ["m1", "m2", "m3"]}  # fmt: skip
        want, found = plain.values(keys, t), cold.values(keys, t)
        assert {n: c.to_pylist() for n, c in found.items()} == {
            n: c.to_pylist() for n, c in want.items()
        }
        laid += max(group.held[0] for group in cold.groups) <= FEW["keys"]
    assert laid > 10
    assert not Stream(features, cold=Cold(rows, "Moved", **FEW)).mark


def test_rows_one_by_one_are_followed_as_in_memory(rows):
    made = sorted(many(120, keys=20), key=lambda v: v.known)
    made = [Version(v.values, v.known + n) for n, v in enumerate(made)]
    plain = Stepper(Stream(LATE))
    cold = Stepper(Stream(LATE, cold=begun(rows, "Steps", **FEW)))
    for v in made:
        row = v.values | {"known_time": v.known}
        assert cold.follow(row) == plain.follow(row)


def test_what_was_let_go_of_a_cold_key_is_told(rows):
    made = sorted(many(400, keys=2), key=lambda v: v.known)
    stream = Stream(LATE, most=20, late=second, cold=begun(rows, "Gone", **FEW))
    for start in range(0, len(made), 50):
        stream.apply(arrow(Payment, made[start : start + 50]))
    now = made[-1].known
    with pytest.raises(OutOfReach):
        stream.values({"Customer": ["c0"]}, [now - 50 * second])
    found = stream.values({"Customer": ["c0", "c1"]}, [now, now])
    for feature in LATE:
        want = [value(feature, {Payment: made}, Ask(k, now, now)) for k in ("c0", "c1")]
        assert found[feature.name].to_pylist() == want


def test_opened_again_and_again_it_forgets_nobody(rows):
    """Also after turns that wrote nothing new."""
    made = sorted(many(300), key=lambda v: v.known)
    made = [Version(v.values | {"customer": f"c{n // 3 if n % 2 else n % 7}"}, v.known)
            for n, v in enumerate(made)]  # fmt: skip
    made[60::10] = [Version(v.values | {"id": made[n].values["id"]}, v.known)
                    for n, v in enumerate(made[60::10])]  # fmt: skip
    plain, few = Stream(LATE), {"events": 6, "keys": 2}
    Cold(rows, "Again").close()
    for n, start in enumerate(range(0, len(made), 30)):
        part = arrow(Payment, made[start : start + 30])
        stream = Stream(LATE, cold=Cold(rows, "Again", **few))
        assert stream.mark == (str(n) if n else "")
        plain.apply(part)
        for at in range(0, 30, 10):
            stream.apply(part.slice(at, 10), str(n + 1))
            stream.keep()
        names, t = [f"c{k}" for k in range(100)], [made[start + 29].known] * 100
        found, want = (s.values({"Customer": names}, t) for s in (stream, plain))
        assert {f: c.to_pylist() for f, c in found.items()} == {
            f: c.to_pylist() for f, c in want.items()
        }


def test_other_features_begin_anew(rows):
    stream = Stream(LATE, cold=begun(rows, "Other", **FEW))
    stream.apply(arrow(Payment, sorted(many(50), key=lambda v: v.known)), "50")
    stream.keep()
    assert Stream(LATE, cold=Cold(rows, "Other", **FEW)).mark == "50"
    assert not Stream(LATE[:1], cold=Cold(rows, "Other", **FEW)).mark


def test_a_kept_stream_has_no_snapshot(rows):
    stream = Stream(LATE, cold=begun(rows, "Snap"))
    with pytest.raises(ContractError, match="kept in the row store"):
        stream.snapshot()
    with pytest.raises(ContractError, match="kept in the row store"):
        stream.restore(b"")
    for cold in (None, Cold(rows, "Passing", lasting=False)):
        with pytest.raises(ContractError, match="not kept for later"):
            Stream(LATE, cold=cold).keep()


@pytest.mark.parametrize("fault", ["", "owners", "mark", "state"])
def test_planted_faults_of_cold_keys_are_caught(rows, monkeypatch, fault):
    """What forgets owners, the mark or changed states does not answer as the definition."""
    honest = Cold.keep

    def wrong(self, head, texts, states, owners):
        if fault == "owners":
            owners = [(n, [], marks[:0]) for n, _, marks in owners]
        elif fault == "mark":
            head = dict(head) | {"mark": ""}
        elif fault == "state":
            states = [(n, names[1:], kept[1:]) for n, names, kept in states]
        honest(self, head, texts, states, owners)

    monkeypatch.setattr(Cold, "keep", wrong)
    made = sorted(many(60, keys=6), key=lambda v: v.known)
    made += [Version(v.values | {"amount": 7, "customer": "c1"}, made[-1].known + n)
             for n, v in enumerate(made[:50:7])]  # fmt: skip
    now = made[-1].known
    points = [
        (f"c{n}", "m1", t, now - t, None) for n in range(6) for t in range(0, now, 3 * second)
    ]
    streams = ColdStreams(LATE, 1, rows, kept=True)
    for start in range(0, len(made), 10):
        streams.apply(made[start : start + 10])
    caught = False
    try:
        streams.restart()
        play_all(streams, made, points, now)
    except (AssertionError, KeyError):
        caught = True
    assert caught == bool(fault)


def play_all(streams: Streams, made: list[Version], points: list, now: int) -> None:
    """Compare all points with the definition, everything being applied."""
    for asked in points:
        found = streams.values(asked, False)
        for feature in LATE:
            want = value(feature, {Payment: made}, Ask(asked[0], asked[2], now))
            assert found[feature.name] == want, (feature.sentence(), asked)


def test_states_come_back_as_they_were():
    stream = Stream(LATE)
    stream.apply(arrow(Payment, sorted(many(40, keys=3), key=lambda v: v.known)))
    (group,) = stream.groups
    names, states, _, _ = group.changed()
    assert sorted(names) == ["c0", "c1", "c2"]
    for state in states:
        cut, arrays = unpacked(state, *group.made.kept[:2])
        assert packed(cut, arrays) == state


@pytest.mark.parametrize("lasting", [True, False])
def test_what_a_key_let_go_of_as_it_came_back_stays_gone(rows, lasting):
    """A row that was corrected into another key, when its own had no room for it any more."""
    counted = list(named({"total": total(Payment.amount, by=BY, over=last(5), where=EUR)}).values())
    plain = Stream(counted, late=second)
    cold = Stream(counted, late=second, cold=begun(rows, "Back", lasting=lasting, **FEW))
    blank = many(1)[0].values | {"amount": 1}

    def comes(at: int, *told: tuple) -> None:
        part = [
            Version(blank | {"id": i, "customer": c, "event_time": us * second} | more, at * second)
            for i, c, us, more in told
        ]
        for stream in (plain, cold):
            stream.apply(arrow(Payment, part))

    def others(at: int) -> None:
        for n in range(4):
            comes(at + n, (f"o{at + n}", f"o{n}", at, {}))

    comes(1, *((f"a{n}", "A", n, {}) for n in range(22)))
    others(100)
    assert "A" not in cold.groups[0]._entity
    comes(110, ("b", "B", 0, {}))
    comes(200, ("a1", "B", 1, {"amount": 1000}))
    others(300)
    for name in ("B", "A", "B"):
        want, found = (s.values({"Customer": [name]}, [400 * second]) for s in (plain, cold))
        assert found["total"].to_pylist() == want["total"].to_pylist(), name


def test_keys_of_one_group_are_laid_away_though_another_is_hot(rows):
    """A merchant of whom every row is stays in memory; the customers make room."""
    features = list(named({
        "shops": count(Payment.id, by=Payment.merchant, over=4000 * second),
        "count": count(Payment.id, by=BY, over=4000 * second),
    }).values())  # fmt: skip
    cold, blank = begun(rows, "Hot", lasting=False, events=10_000), many(1)[0].values
    stream = Stream(features, late=second, cold=cold)
    for start in range(0, 12_000, 200):
        part = [
            Version(
                blank | {"id": f"p{n}", "customer": f"c{n}", "event_time": n * second}, n * second
            )
            for n in range(start, start + 200)
        ]
        stream.apply(arrow(Payment, part))
        assert stream._held()[1] <= cold.events
        assert list(stream.groups[0]._entity) == [blank["merchant"]]


def test_keys_of_any_length_are_followed():
    rows = many(2, keys=2)
    rows = [Version(v.values | {"id": name}, n * second)
            for n, (v, name) in enumerate(zip(rows, ("a", "b" * 100_000), strict=True))]  # fmt: skip
    stream = Stream(LATE)
    assert stream.follow(arrow(Payment, rows))["count"].to_pylist() == [1, 1]
