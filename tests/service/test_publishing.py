# SPDX-License-Identifier: Apache-2.0
"""Decisions sent to sinks: none left out, the same bytes under the same key, no person in them."""

from __future__ import annotations

import json

import pytest

from heptad.apps import fraud
from heptad.service.stream import publishing
from heptad.service.stream.publishing import Publishing
from heptad.sources.kafka_out import KafkaWriting
from heptad.sources.work import Sink
from heptad.standards.errors import Busy, InputError, UnknownName
from heptad.testing.scratch import project


class Topic:
    """A topic that refuses the records that its faults name, by how many it has taken."""

    def __init__(self, faults=()) -> None:
        self.taken, self.faults = [], set(faults)

    def write(self, records):
        for record in records:
            if len(self.taken) in self.faults:
                self.faults.discard(len(self.taken))
                raise Busy("no answer")
            self.taken.append(record)


@pytest.fixture(scope="module")
def platform():
    app = fraud.app
    with project(app.demo(7), apps=()) as found:
        found.decide(app.name)
        assert len(found.log) > 20
        yield found


def publishing_to(platform, topic, *sinks):
    return Publishing(platform.log, platform.catalog, sinks, platform.path, lambda *_: topic)


def test_every_decision_goes_once_and_names_no_person(platform):
    topic = Topic()
    sent = publishing_to(platform, topic, Sink("all", "kafka://b/t"))
    (told,) = sent.publish()
    entries = list(platform.log.entries())
    assert told == {"sink": "all", "looked_at": len(entries), "sent": len(entries), "waiting": 0}
    assert [key.decode() for key, _ in topic.taken] == [e.public["id"] for e in entries]
    for n, ((_, value), entry) in enumerate(zip(topic.taken, entries, strict=True)):
        record = json.loads(value)
        assert record["position"] == n
        assert record["outcome"] == entry.public["outcome"]
        assert entry.subject not in json.dumps({**record, "row_key": ""})
    assert sent.publish()[0]["sent"] == 0
    assert publishing_to(platform, topic, Sink("all", "kafka://b/t")).publish()[0]["sent"] == 0


def test_only_the_decisions_that_a_sink_takes_go(platform):
    topic = Topic()
    outcomes = [str(e.public["outcome"]) for e in platform.log.entries()]
    rare = min(set(outcomes), key=outcomes.count)
    publishing_to(platform, topic, Sink("rare", "kafka://b/t", outcomes=(rare,))).publish()
    assert {json.loads(v)["outcome"] for _, v in topic.taken} == {rare}
    assert len(topic.taken) == outcomes.count(rare)
    other = Topic()
    publishing_to(platform, other, Sink("other", "kafka://b/t", apps=("credit",))).publish()
    publishing_to(platform, other, Sink("now", "kafka://b/t", since="now")).publish()
    assert not other.taken


@pytest.mark.parametrize("size", [1, 7, 512])
def test_stopped_at_any_instant_none_is_left_out_and_what_goes_again_is_the_same(
    platform, monkeypatch, size
):
    """The broker or the catalog fails at each step in turn; a new process goes on."""
    monkeypatch.setattr(publishing, "BATCH", size)
    name, total = f"faults-{size}", len(platform.log)
    topic = Topic(range(0, total, 5))
    honest, failing = platform.catalog.settings.set, {"n": 0}

    def keeps(key, value):
        failing["n"] += 1
        if key.startswith("published:") and failing["n"] % 3 == 2:
            raise OSError("no power")
        honest(key, value)

    monkeypatch.setattr(platform.catalog.settings, "set", keeps)
    for _ in range(10 * total):
        try:
            sent = publishing_to(platform, topic, Sink(name, "kafka://b/t"))
            if sent.publish()[0]["waiting"] == 0:
                break
        except (Busy, OSError):
            continue
    first = dict(reversed(topic.taken))
    assert len(first) == total
    assert len(topic.taken) > total
    assert all(first[key] == value for key, value in topic.taken)
    positions = [json.loads(value)["position"] for value in first.values()]
    assert sorted(positions) == list(range(total))


def test_a_sink_that_is_away_keeps_no_other_waiting(platform):
    taken, away = Topic(), Topic(faults=range(1000))
    sinks = (Sink("away", "kafka://b/away"), Sink("there", "kafka://b/there"))
    opened = {"kafka://b/away": away, "kafka://b/there": taken}
    sent = Publishing(
        platform.log, platform.catalog, sinks, platform.path, lambda to, *_: opened[to]
    )
    with pytest.raises(Busy):
        sent.publish()
    assert len(taken.taken) == len(platform.log)
    assert not away.taken


def test_a_writer_that_failed_is_not_asked_again_but_made_anew(platform):
    made = []

    def opens(*_):
        made.append(Topic(faults=[3] if not made else ()))
        return made[-1]

    sent = Publishing(
        platform.log, platform.catalog, [Sink("anew", "kafka://b/t")], platform.path, opens
    )
    with pytest.raises(Busy):
        sent.publish()
    assert sent.publish()[0]["waiting"] == 0
    assert len(made) == 2
    assert len(made[1].taken) == len(platform.log)
    sent.publish()
    assert len(made) == 2


def test_what_a_producer_raises_itself_is_told_as_busy(tmp_path, monkeypatch):
    kafka = pytest.importorskip("confluent_kafka")
    writing = object.__new__(KafkaWriting)
    writing._topic, writing._place, writing._kafka = "t", "sink s", kafka
    writing._producer = kafka.Producer(
        {"bootstrap.servers": "127.0.0.1:1", "message.max.bytes": 1000}
    )
    with pytest.raises(Busy, match="does not take"):
        writing.write([(b"k", b"x" * 10_000)])


def test_what_is_wrong_is_told(platform):
    with pytest.raises(UnknownName, match="no such sink"):
        publishing_to(platform, Topic(), Sink("alerts", "kafka://b/t")).publish("alarts")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[sink]]\nname = "a"\nto = "https://b/t"\n', "sends to a topic"),
        ('[[sink]]\nname = "a"\n', "does not say to"),
        ('[[sink]]\nname = "a"\nto = "kafka://b/t"\nsince = "then"\n', "since has no such value"),
        ('[[sink]]\nname = "a"\nto = "kafka://b/t"\nkey = "x"\n', "no key 'key'"),
    ],
)
def test_a_sink_that_is_written_wrongly_is_refused(tmp_path, text, says):
    from heptad.sources.config import read_project

    (tmp_path / "heptad.toml").write_text(f'[project]\nname = "k"\n{text}', encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_project(tmp_path)
