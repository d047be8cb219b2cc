# SPDX-License-Identifier: Apache-2.0
"""Many callers at once: what each is answered is what one after the other would have been."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from heptad.runtime import Platform
from heptad.standards.time import FixedClock, parse_instant
from heptad.terminal import serve
from heptad.terminal.http.api import public
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

THREADS = 20


@contextmanager
def listening(platform: Platform) -> Iterator[str]:
    """Serve a project from a thread of this process; give its address."""
    with serve.listening("127.0.0.1", 0) as listener:
        server = serve.Server(serve._config(public(platform)))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A project with ten payments of two customers."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "busy"\n', encoding="utf-8")
    with Platform.open(tmp_path, clock=FixedClock(parse_instant("2026-03-02"))) as opened:
        opened.store("Payment", [payment(n, customer=f"c{n % 2}") for n in range(10)])
        yield opened


def together(url: str, ask: Callable[[httpx.Client, int], Any]) -> list[Any]:
    """Ask from twenty threads at once."""
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> Any:
        with httpx.Client(base_url=url, timeout=120) as client:
            barrier.wait()
            return ask(client, number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


@pytest.mark.slow
def test_twenty_threads_post_decide_and_read_and_everything_replays(platform: Platform) -> None:
    def ask(client: httpx.Client, number: int) -> list[int]:
        row = payment(60 + number, customer=f"c{number % 2}")
        answers = [
            client.post("/v1/apps/fraud/decide", json={"row": row}),
            client.get("/v1/tables/Payment/rows"),
            client.get(f"/v1/features/fraud/c{number % 2}"),
            client.post("/v1/tables/Payment/rows", json=[payment(100 + number)]),
            client.get("/v1/decisions"),
        ]
        name = answers[0].json()["id"]
        answers.append(client.get(f"/v1/decisions/{name}"))
        assert answers[-1].json()["on"] == f"Payment {row['id']}"
        assert row["id"] in {r["id"] for r in answers[1].json()["rows"]}
        return [answer.status_code for answer in answers]

    with listening(platform) as url:
        statuses = Counter(s for found in together(url, ask) for s in found)
    assert statuses == {200: 6 * THREADS}
    assert len(platform.read("Payment")) == 10 + 2 * THREADS
    report = platform.replay()
    assert report.identical, report.findings[:3]
    assert report.derived["identical"] == len(platform.log) == 2 * THREADS
    assert platform.log.ledger.verify().entries == 2 * THREADS


def test_one_request_sent_twenty_times_at_once_is_decided_once(platform: Platform) -> None:
    def ask(client: httpx.Client, _: int) -> dict[str, Any]:
        header = {"Idempotency-Key": "order-1"}
        body = {"row": payment(30)}
        found: dict[str, Any] = client.post(
            "/v1/apps/fraud/decide", json=body, headers=header
        ).json()
        return found

    with listening(platform) as url:
        answers = together(url, ask)
    assert answers == [answers[0]] * THREADS
    assert len(platform.log) == 1


def test_of_twenty_bodies_under_one_key_one_is_decided_and_stored(platform: Platform) -> None:
    def ask(client: httpx.Client, number: int) -> int:
        header = {"Idempotency-Key": "order-1"}
        body = {"row": payment(60 + number)}
        return client.post("/v1/apps/fraud/decide", json=body, headers=header).status_code

    with listening(platform) as url:
        statuses = Counter(together(url, ask))
    assert statuses == {200: 1, 409: THREADS - 1}
    assert len(platform.log) == 1
    assert len(platform.read("Payment")) == 11


@pytest.mark.slow
def test_a_row_posted_by_all_is_stored_once(platform: Platform) -> None:
    with listening(platform) as url:
        found = together(
            url, lambda c, _: c.post("/v1/tables/Payment/rows", json=[payment(40)]).json()
        )
    assert Counter(f["accepted"] for f in found) == {1: 1, 0: THREADS - 1}
    assert len({f["decisions"][0]["id"] for f in found}) == 1


def test_reads_of_a_moment_are_the_same_whatever_is_stored_meanwhile(platform: Platform) -> None:
    """Threads share the engine: what one has registered, another must not see."""
    at = {"t": "2026-03-01T10:05:00Z", "k": "2026-03-03"}

    def ask(client: httpx.Client, number: int) -> str:
        if number % 4 == 0:
            rows = [payment(200 + number, customer="c0")]
            return str(client.post("/v1/tables/Payment/rows", json=rows).status_code)
        return client.get("/v1/features/fraud/c0", params=at).text

    alone = platform.read("Payment", t=parse_instant(at["t"]))
    with listening(platform) as url:
        with httpx.Client(base_url=url, timeout=60) as client:
            wanted = client.get("/v1/features/fraud/c0", params=at).text
        found = together(url, ask)
    assert set(found) == {"200", wanted}
    assert platform.read("Payment", t=parse_instant(at["t"])) == alone
