# SPDX-License-Identifier: Apache-2.0
"""While a project is served its schedule, cases and messages go on by themselves, and after a kill too."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import select

from heptad.catalog.outboxtables import NoticeRow
from heptad.runtime import Platform
from heptad.service.schedule import driving
from heptad.service.schedule.driving import keep_talking, keep_time
from heptad.sources.work import Schedule
from heptad.standards.errors import Busy
from heptad.standards.model import Customer, Payment
from heptad.standards.time import SystemClock, format_instant, hour, parse_instant
from heptad.testing.scratch import project
from tests.terminal.conftest import free_port, run_server
from tests.terminal.rows import customer, payment
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def driven(platform: Platform) -> Iterator[None]:
    """Do what is due in threads, as a server does."""
    stopped = threading.Event()
    threads = [
        threading.Thread(target=act, args=[platform.work, stopped])
        for act in (keep_time, keep_time, keep_talking)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setattr(driving, "EVERY_S", 0.02)
    monkeypatch.setattr(driving, "TIRED_S", 0.05)
    with project({Customer: [customer(1)], Payment: []}) as platform:
        platform.clock.set(parse_instant("2026-03-01T10:05:00Z"))  # type: ignore[attr-defined]
        due = Schedule("look", job="decide:fraud", cron="0 * * * *", since=platform.clock.now())
        platform.work.schedules.schedules["look"] = due
        yield platform


def burst() -> list[dict[str, Any]]:
    return [payment(k, customer="c1") for k in range(5)]


def test_what_follows_from_a_decision_comes_by_itself(bank) -> None:
    with driven(bank):
        bank.accept("Payment", burst())
        sent = until(lambda: bank.work.outbox.recent(status="sent"))
        assert [m.letter for m in sent] == ["held", "held"]
        (case,) = until(bank.work.cases.page)
        bank.clock.set(case.due + 1)
        until(lambda: bank.work.cases.get(case.id).level == 1)
        done = until(lambda: bank.work.schedules.overview()[0]["done"])
    finished = bank.catalog.runs.recent("decide:fraud", status="finished", limit=1000)
    assert done <= len(finished) == bank.work.schedules.overview()[0]["done"]


def test_what_breaks_is_told_and_tried_again(bank, monkeypatch, caplog) -> None:
    tries: list[int] = []
    send = bank.work.outbox.send

    def broken(most: int) -> dict[str, int]:
        tries.append(most)
        if len(tries) < 3:
            raise Busy("The disk has failed.") if len(tries) == 1 else ValueError("a mistake")
        return send(most)

    monkeypatch.setattr(bank.work.outbox, "send", broken)
    bank.accept("Payment", burst())
    with driven(bank):
        until(lambda: bank.work.outbox.recent(status="sent"))
    assert "The disk has failed." in caplog.text
    assert "a mistake" in caplog.text


def test_told_to_stop_a_job_leaves_the_rest_for_the_next_time(bank) -> None:
    bank.store("Payment", burst())
    bank.work.stopping.set()
    bank.clock.set(bank.clock.now() + hour)
    (slot,) = bank.work.schedules.run_due()
    assert slot["status"] == "due"
    assert bank.work.schedules.run_due(bank.work.stopping) == []
    bank.work.stopping.clear()
    bank.clock.set(bank.clock.now() + hour)
    assert {s["status"] for s in bank.work.schedules.run_due()} == {"done"}
    assert len(bank.log) == 5


@pytest.mark.slow
def test_killed_and_served_again_each_message_comes_once(tmp_path: Path) -> None:
    folder, port = tmp_path / "own", free_port()
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "killed"\n', encoding="utf-8")
    held = set(_served(folder, port, "a", signal.SIGKILL))
    held |= set(_served(folder, port, "b", signal.SIGTERM, waits_for=len(held)))
    with Platform.open(folder) as platform:
        found = platform.work.outbox.recent(limit=1000)
        assert {m.decision for m in found} == held
        assert {m.status for m in found} == {"sent"}
    notices = _notices(folder)
    assert sorted(notices) == sorted(m.id for m in found)


def _served(folder: Path, port: int, who: str, number: int, waits_for: int = 0) -> list[str]:
    """Serve until some payments are held, and end the server; return their decisions."""
    server = run_server(folder, "--port", str(port))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            until(lambda: _answers(client, server))
            held = [d for k in range(4) for d in _held(client, f"{who}{k}")]
            if waits_for:
                until(lambda: len(_notices(folder)) >= waits_for + len(held))
        server.send_signal(number)
        assert server.wait(30) == (0 if number == signal.SIGTERM else -number)
    finally:
        server.kill()
        server.communicate()
    return held


def _answers(client: httpx.Client, server: Any) -> bool:
    assert server.poll() is None, server.communicate()
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def _held(client: httpx.Client, who: str) -> list[str]:
    """Let a customer pay in a hurry; return the decisions that hold a payment."""
    found = []
    for k in range(6):
        row = {"id": f"{who}-{k}", "event_time": format_instant(SystemClock().now()), "customer": who,
               "amount": "10.00", "currency": "EUR", "status": "authorised"}  # fmt: skip
        made = client.post("/v1/apps/fraud/decide", json={"row": row}).json()
        found += [made["id"]] if made["outcome"] == "hold" else []
    return found


def _notices(folder: Path) -> list[str]:
    """Return the messages that lie in in-app inboxes, read beside the server."""
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///file:{folder}/catalog.sqlite?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            return list(connection.execute(select(NoticeRow.message)).scalars())
    finally:
        engine.dispose()
