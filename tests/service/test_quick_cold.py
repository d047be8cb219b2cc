# SPDX-License-Identifier: Apache-2.0
"""The quick way of a project whose streams keep few events in memory, the others in the row store."""

from __future__ import annotations

import pytest

from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Family
from heptad.runtime import Platform
from heptad.service.stream.cold import PREFIX
from heptad.standards.time import hour
from tests.service.quickly import (
    NOW,
    opened,
    payment,
    quickened,
    rate,
    served,
    settled,
    slowly,
    written,
)
from tests.service.test_quick import (
    test_decisions_are_those_of_the_batch_reading_bit_for_bit as decided_as_in_batch,
)
from tests.waiting import until


@pytest.fixture
def cold(tmp_path):
    """The same project, whose streams keep three events in memory and the others in the row store."""
    with served(tmp_path, "[engine]\nstream_events = 3\n") as found:
        yield found


def test_decisions_from_cold_keys_are_those_of_the_batch_reading(cold):
    decided_as_in_batch(cold)
    assert any(name.startswith(PREFIX) for name in cold._stores.rows.tables())


def test_streams_are_dropped_when_serving_ends_and_one_erasure_writes_the_files_anew(
    cold, monkeypatch
):
    cold.accept("Payment", [payment(500)])
    settled(cold)
    rows = cold._stores.rows
    assert any(name.startswith(PREFIX) for name in rows.tables())
    rows.create(f"{PREFIX}gone_0", {"h": Family()})
    folder = cold.path
    cold.close()
    purged, purge = [], Rows.purge
    monkeypatch.setattr(Rows, "purge", lambda self: purged.append(1) or purge(self))
    with Platform.open(folder) as again:
        assert not any(name.startswith(PREFIX) for name in again._stores.rows.tables())
        for n, name in enumerate(("someone", "somebody")):
            again.store("Customer", [customer(name)])
            again.erasing.erase([name], "asked for", who="ann", role="admin")
            assert len(purged) == 1, f"erasure {n}"
        again._stores.rows.create(f"{PREFIX}killed_0", {"h": Family()})
        again.quicken()
        assert f"{PREFIX}killed_0" not in again._stores.rows.tables()
        assert again._stores.streams_left


def customer(name):
    return {"id": name, "event_time": written(NOW - 90 * 24 * hour), "name": "Ana"}


def test_who_is_erased_lies_in_no_stream(cold):
    """Also those whose keys nobody asked about for long."""
    found = cold.read("Payment", purpose="").column("customer").to_pylist()
    name = "someone-to-be-erased"
    cold.store(
        "Customer", [{"id": name, "event_time": written(NOW - 90 * 24 * hour), "name": "Ana"}]
    )
    cold.accept("Payment", [payment(500 + n) | {"customer": name} for n in range(3)])
    cold.accept(
        "Payment", [payment(510 + n) | {"customer": other} for n, other in enumerate(found)]
    )
    settled(cold)
    rows = cold._stores.rows
    rows._store.flush()
    files = [p for p in (cold.path / "rows").iterdir() if p.suffix in (".sst", ".log")]
    assert any(name.encode() in p.read_bytes() for p in files)
    cold.erasing.erase([f"Customer:{name}"], "asked for it", who="test", role="admin")
    settled(cold)
    rows._store.flush()
    files = [p for p in (cold.path / "rows").iterdir() if p.is_file()]
    assert not any(name.encode() in p.read_bytes() for p in files)


def test_streams_go_on_after_an_erasure_while_they_are_served(cold, monkeypatch):
    """What they had laid away is dropped with the person; the others are decided on as before."""
    cold.accept("Payment", [payment(500 + n, customer=f"k{n}") for n in range(9)])
    settled(cold)
    slots = [slot for slot in cold.intake.quick.current.slots["fraud"] if slot.reel.laid]
    before = [slot.reel for slot in slots]
    assert {reel.table.__name__ for reel in before} == {"Payment"}
    cold.store("Customer", [customer("k0")])
    laid = {table for table in cold._stores.rows.tables() if table.startswith(PREFIX)}
    dropped, drop = [], Rows.drop

    def noted(rows, table):
        dropped.append(table)
        drop(rows, table)

    with monkeypatch.context() as patched:
        patched.setattr(Rows, "drop", noted)
        cold.erasing.erase(["Customer:k0"], "asked for it", who="test", role="admin")
    assert laid
    assert laid <= {*dropped}
    until(lambda: all(slot.reel not in (None, *before) for slot in slots))
    settled(cold)
    for n in range(5):
        _, made = cold.accept("Payment", [payment(600 + n, customer=f"k{n + 1}")])
        assert dict(made[0].decision.features) == slowly(cold, made[0])


def test_a_stream_that_grows_while_it_is_served_lies_there_from_then_on(tmp_path):
    """It began with few events; nothing is opened before there are too many."""
    with opened(tmp_path, more="[engine]\nstream_events = 40\n") as platform:
        platform.store("Rate", [rate(1, "USD", "0.9"), rate(2, "JPY", "0.006")])
        quickened(platform)
        for n in range(60):
            _, made = platform.accept("Payment", [payment(n, customer=f"k{n % 9}", device="d")])
            assert n > 4 or not (platform.path / "rows").exists()
            for slot in platform.intake.quick.current.all:
                assert slot.reel._stream._held()[1] <= 40, n
            assert n % 20 or dict(made[0].decision.features) == slowly(platform, made[0])
        assert any(name.startswith(PREFIX) for name in platform._stores.rows.tables())
        assert platform.replay().identical
