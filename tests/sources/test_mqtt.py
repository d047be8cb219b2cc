# SPDX-License-Identifier: Apache-2.0
"""What a broker kept for us is stored once: acknowledged only after its load."""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt import client as mqtt

from heptad.runtime import Platform
from heptad.sources.binding import Source
from heptad.sources.mqtt import MqttReading
from heptad.standards.errors import Busy, InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def where() -> str:
    """A broker, and a topic of the test's own."""
    url = os.environ.get("HEPTAD_MQTT")
    if not url:
        pytest.skip("needs an MQTT broker (HEPTAD_MQTT): run it by scripts/with-servers")
    return f"{url}/heptad/{uuid.uuid4().hex[:8]}"


def send(where: str, bodies: list[bytes]) -> None:
    """Publish messages, and wait until the broker has them."""
    host, _, port = where.removeprefix("mqtt://").partition("/")[0].partition(":")
    name = where.removeprefix("mqtt://").partition("/")[2]
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect(host, int(port))
    client.loop_start()
    for body in bodies:
        client.publish(name, body, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def payment(n: int) -> bytes:
    """Return a payment as a message holds it."""
    return json.dumps({
        "id": f"p{n}", "event_time": "2026-05-01T10:00:00Z", "customer": "c1", "merchant": "m1",
        "amount": "10.00", "currency": "EUR", "status": "authorised",
    }).encode()  # fmt: skip


def project(folder: Path, where: str) -> Path:
    """Write a project that loads the topic."""
    folder.mkdir()
    (folder / "heptad.toml").write_text(
        f'[project]\nname = "m"\n[[source]]\nname = "m{where[-8:]}"\ntable = "Payment"\n'
        f'from = "{where}"\n',
        encoding="utf-8",
    )
    return folder


def ids(platform: Platform) -> list[str]:
    """Return the payments that are stored, as often as they are."""
    rows = platform.reads.rows(platform.table("Payment"), version=platform.lake.version("Payment"))
    return sorted(rows.column("id").to_pylist())


def test_the_broker_keeps_for_us_what_comes_while_nobody_loads(where, tmp_path: Path) -> None:
    with Platform.open(project(tmp_path / "p", where)) as platform:
        assert platform.load()[0].read == 0
        send(where, [payment(1), b"no json", payment(2)])
        (report,) = platform.load()
        assert (report.read, report.accepted, dict(report.quarantined)) == (3, 2, {"json": 1})
        assert platform.load()[0].read == 0
        send(where, [payment(n) for n in range(3, 60)])
        while platform.load()[0].read:
            pass
        assert ids(platform) == sorted(f"p{n}" for n in range(1, 60))


def test_what_was_not_acknowledged_comes_again_and_is_stored_once(where, tmp_path: Path) -> None:
    with Platform.open(project(tmp_path / "p", where)) as platform:
        platform.load()
        send(where, [payment(1), payment(2)])
        source = platform.project.sources[0]
        lost = MqttReading(source, platform.path)
        assert sum(len(b) for b in lost.batches()) == 2
        lost.close()  # Killed before it was stored.
        real = MqttReading.landed
        MqttReading.landed = lambda _: None  # type: ignore[method-assign]
        try:  # Killed after it was stored, before the broker heard of it.
            assert platform.load()[0].accepted == 2
        finally:
            MqttReading.landed = real  # type: ignore[method-assign]
        (again,) = platform.load()
        assert (again.read, again.duplicates, again.accepted) == (2, 2, 0)
        assert platform.load()[0].read == 0
        assert ids(platform) == ["p1", "p2"]


def test_a_load_takes_no_more_than_it_may(where, tmp_path: Path) -> None:
    source = Source(where[-8:], "Payment", where)
    MqttReading(source, tmp_path).close()
    send(where, [payment(n) for n in range(10)])
    first = MqttReading(source, tmp_path, most=4)
    assert sum(len(b) for b in first.batches()) == 4
    first.landed()
    first.close()
    rest: list[Any] = []
    second = MqttReading(source, tmp_path)
    for batch in second.batches():
        rest += batch.column("id").to_pylist()
    second.landed()
    second.close()
    assert sorted(rest) == [f"p{n}" for n in range(4, 10)]


def test_other_machines_are_asked_by_tls_only(tmp_path: Path) -> None:
    for url in ("mqtt://broker.example/t", "mqtts:///t", "mqtts://b/t?x=1", "mqtt://127.0.0.1"):
        with pytest.raises(InputError, match="mqtts://host:port/topic"):
            MqttReading(Source("s", "Payment", url), tmp_path)
    with pytest.raises(Busy, match="does not answer"):
        MqttReading(Source("s", "Payment", "mqtt://127.0.0.1:1/t"), tmp_path)
