# SPDX-License-Identifier: Apache-2.0
"""Every record of a topic is loaded exactly once, whatever is in it and whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from brokers import broker, send, topic

from heptad.runtime import Platform
from heptad.service.schedule.draining import drain, drained
from heptad.sources.binding import Source
from heptad.sources.kafka import KafkaReading, options
from heptad.standards.errors import Busy, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def where() -> Iterator[str]:
    """A broker."""
    with broker() as found:
        yield found


def payment(n: int, **more: Any) -> bytes:
    """Return a payment as a record holds it."""
    row = {"id": f"p{n}", "event_time": f"2026-05-01T10:{n // 60 % 60:02d}:{n % 60:02d}Z",
           "customer": f"c{n % 7}", "merchant": "m1", "amount": "10.00", "currency": "EUR",
           "status": "authorised"}  # fmt: skip
    return json.dumps(row | more).encode()


def sent(where: str, name: str, numbers: range) -> None:
    """Send payments over two partitions."""
    send(where, name, [(f"p{n}", payment(n), n % 2) for n in numbers])


def bound(folder: Path, where: str, name: str, more: str = "") -> Path:
    """Write a project that loads the topic."""
    folder.mkdir(exist_ok=True)
    (folder / "heptad.toml").write_text(
        f'[project]\nname = "k"\n[[source]]\nname = "feed"\ntable = "Payment"\n'
        f'from = "kafka://{where}/{name}"\n{more}',
        encoding="utf-8",
    )
    return folder


def ids(platform: Platform) -> list[str]:
    """Return the payments that are stored, as often as they are."""
    rows = platform.reads.rows(platform.table("Payment"), version=platform.lake.version("Payment"))
    return sorted(rows.column("id").to_pylist(), key=lambda i: int(i[1:]))


def test_a_load_goes_on_where_the_last_one_ended(where: str, tmp_path: Path) -> None:
    name = topic(where)
    sent(where, name, range(50))
    with Platform.open(bound(tmp_path / "p", where, name)) as platform:
        (first,) = platform.load("feed")
        assert (first.read, first.accepted, first.known) == (50, 50, "assumed")
        (again,) = platform.load("feed")
        assert again.read == 0
        sent(where, name, range(50, 80))
        (more,) = platform.load("feed")
        assert (more.read, more.accepted, more.known) == (30, 30, "arrival")
        assert ids(platform) == [f"p{n}" for n in range(80)]


def test_a_poisoned_record_is_set_aside_and_stops_no_other(where: str, tmp_path: Path) -> None:
    name = topic(where)
    poison = [
        b"no json",
        b"[1]",
        b'{"id": "\xff"}',
        b'{"id": "x", "id": "y"}',
        b"",
        payment(3, amount="a lot"),
    ]
    send(where, name, [("k", b"first", 0)])
    with Platform.open(bound(tmp_path / "p", where, name)) as platform:
        assert platform.load("feed")[0].quarantined == {"json": 1}
        send(where, name, [("k", body, 0) for body in [payment(1), *poison, payment(2)]])
        (report,) = platform.load("feed")
        assert (report.read, report.accepted) == (8, 2)
        assert sum(report.quarantined.values()) == 6
        assert report.quarantined["json"] >= 3
        assert report.quarantined["encoding"] == 1
        assert len(platform.loading.quarantine.show("Payment", limit=10)) == 7
        assert platform.load("feed")[0].read == 0


def test_a_deletion_by_key_and_late_records(where: str, tmp_path: Path) -> None:
    name = topic(where, 1)
    mapped = ('map = { id = "coalesce(id, kafka_key)", deleted = "kafka_deleted", '
              'event_time = "coalesce(event_time, kafka_time)" }\n')  # fmt: skip
    send(where, name, [("p2", payment(2), 0), ("p1", payment(1), 0)])
    with Platform.open(bound(tmp_path / "p", where, name, mapped)) as platform:
        platform.load("feed")
        late = payment(0, event_time="2025-01-01T00:00:00Z")
        send(where, name, [("p0", late, 0), ("p1", payment(1, amount="11.00"), 0)])
        (report,) = platform.load("feed")
        assert (report.accepted, report.corrections) == (2, 1)
        held = platform.read("Payment")
        assert held.column("id").to_pylist() == ["p0", "p1", "p2"]
        assert held.column("amount").to_pylist() == [1000, 1100, 1000]


def test_a_load_takes_no_more_than_it_may(where: str, tmp_path: Path) -> None:
    name = topic(where)
    sent(where, name, range(40))
    source = Source("feed", "Payment", f"kafka://{where}/{name}")
    found, since = [], None
    for _ in range(5):
        reading = KafkaReading(source, tmp_path, since, most=15)
        batches = list(reading.batches())
        found += [i for batch in batches for i in batch.column("id").to_pylist()]
        since = reading.watermark
        reading.close()
    assert sorted(found) == sorted(f"p{n}" for n in range(40))
    assert json.loads(since or "") == {"0": 20, "1": 20}


def test_a_partition_that_is_missing_from_the_offsets_is_read_from_its_start(
    where: str, tmp_path: Path
) -> None:
    name = topic(where)
    sent(where, name, range(10))
    reading = KafkaReading(Source("s", "Payment", f"kafka://{where}/{name}"), tmp_path, '{"0": 5}')
    (batch,) = reading.batches()
    assert sorted(batch.column("kafka_partition").to_pylist()) == ["1"] * 5
    reading.close()


def test_records_that_are_gone_are_told_of(where: str, tmp_path: Path) -> None:
    name = topic(where, 1)
    send(where, name, [("a", payment(1), 0)])
    url = f"kafka://{where}/{name}"
    with pytest.raises(InputError, match="does not hold the next record"):
        KafkaReading(Source("s", "Payment", url), tmp_path, '{"0": -1}')
    reading = KafkaReading(Source("s", "Payment", f"{url}?gaps=skip"), tmp_path, '{"0": -1}')
    assert reading.watermark == '{"0": 1}'
    reading.close()


def test_what_is_wrong_is_told(where: str, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(InputError, match="no such topic"):
        KafkaReading(Source("s", "Payment", f"kafka://{where}/no-such-topic"), tmp_path)
    monkeypatch.setattr("heptad.sources.kafka.ANSWER_S", 0.5)
    with pytest.raises(Busy, match="does not answer"):
        KafkaReading(Source("s", "Payment", "kafka://127.0.0.1:1/t"), tmp_path)


def test_other_machines_are_asked_by_tls(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PW", "s3cret@")
    told, name, gaps = options("kafka://bank:${env:PW}@b1:9093,b2:9093/pay.in?ca=ca.pem", tmp_path)
    assert told["bootstrap.servers"] == "b1:9093,b2:9093"
    assert told["security.protocol"] == "SSL"
    assert told["ssl.ca.location"] == str(tmp_path / "ca.pem")
    assert (name, gaps) == ("pay.in", False)
    assert options("kafka://127.0.0.1:9092/t", tmp_path)[0]["security.protocol"] == "PLAINTEXT"
    for bad in ("kafka://b/", "kafka:///t", "kafka://b/t?x=1", "kafka://b/t?security=none"):
        with pytest.raises(InputError, match="kafka://host:port/topic"):
            options(bad, tmp_path)


LOADS = """
import sys
from heptad.runtime import Platform
with Platform.open(sys.argv[1]) as platform:
    print("open", flush=True)
    while True:
        (report,) = platform.load("feed")
        print(report.accepted, flush=True)
"""


def test_killed_loads_take_every_record_once(where: str, tmp_path: Path) -> None:
    """Killed at any instant of a load, the next process goes on without a loss or a repetition."""
    name = topic(where)
    folder = bound(tmp_path / "p", where, name)
    total = 0
    for round_ in range(3):
        sent(where, name, range(total, total + 60))
        total += 60
        process = subprocess.Popen(
            [sys.executable, "-c", LOADS, str(folder)], stdout=subprocess.PIPE, env=dict(os.environ)
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.03 + 0.2 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with Platform.open(folder) as platform:
        platform.load("feed")
        assert ids(platform) == [f"p{n}" for n in range(total)]


def test_a_served_project_takes_what_comes_and_decides_it(where: str, tmp_path: Path) -> None:
    name = topic(where)
    sent(where, name, range(5))
    with Platform.open(bound(tmp_path / "p", where, name)) as platform:
        assert drained(platform, "feed") == 5
        assert not list(platform.log.entries()), "history opens no decision"
        stopped = threading.Event()
        taking = threading.Thread(target=drain, args=[platform, stopped])
        taking.start()
        sent(where, name, range(5, 9))
        until = time.monotonic() + 40
        while len(list(platform.log.entries())) < 4 and time.monotonic() < until:
            time.sleep(0.1)
        stopped.set()
        taking.join()
        decided = sorted(str(entry.public["row_key"]) for entry in platform.log.entries())
        assert decided == ["p5", "p6", "p7", "p8"]
        send(where, name, [("p8", payment(8, amount="12.00"), 0)])
        assert drained(platform, "feed") == 1
        assert len(list(platform.log.entries())) == 4, "a correction opens no decision"


PUBLISHES = """
import sys
from heptad.runtime import Platform
from heptad.service.stream import publishing
publishing.BATCH = 3
with Platform.open(sys.argv[1]) as platform:
    print("open", flush=True)
    platform.work.publishing.publish()
    print("done", flush=True)
"""


def test_decisions_reach_a_topic_though_the_sender_is_killed(where: str, tmp_path: Path) -> None:
    """Each decision is there, a repeated one with the same bytes; a broker that is gone is told of."""
    name, out = topic(where), topic(where, 2)
    sent(where, name, range(40))
    sink = f'[[sink]]\nname = "all"\nto = "kafka://{where}/{out}"\n'
    folder = bound(tmp_path / "p", where, name, sink)
    with Platform.open(folder) as platform:
        platform.load("feed")
        made = {str(e.public["id"]) for e in platform.decide("fraud")}
    assert len(made) == 40
    for wait in (0.0, 0.02, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", PUBLISHES, str(folder)],
            stdout=subprocess.PIPE,
            env=dict(os.environ),
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with Platform.open(folder) as platform:
        (told,) = platform.work.publishing.publish()
        assert told["waiting"] == 0
        assert platform.work.publishing.publish()[0]["sent"] == 0
    reading = KafkaReading(Source("s", "Payment", f"kafka://{where}/{out}"), tmp_path)
    found = [row for batch in reading.batches() for row in batch.to_pylist()]
    reading.close()
    assert {row["kafka_key"] for row in found} == made
    plain = {
        (row["kafka_key"], row["outcome"], row["decided_at"], row["position"]) for row in found
    }
    assert len(plain) == len(made)


def test_a_topic_that_is_not_there_is_told_of(where: str, tmp_path: Path, monkeypatch: Any) -> None:
    from heptad.sources.kafka_out import KafkaWriting

    with pytest.raises(InputError, match="no such topic"):
        KafkaWriting(f"kafka://{where}/no-such-topic", tmp_path, "sink s")
    monkeypatch.setattr("heptad.sources.kafka_out.ANSWER_S", 0.5)
    with pytest.raises(Busy, match="does not answer"):
        KafkaWriting("kafka://127.0.0.1:1/t", tmp_path, "sink s")
