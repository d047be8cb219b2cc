# SPDX-License-Identifier: Apache-2.0
"""Requests and answers are lost, torn, doubled and late: each id is decided once, the same."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from lossy import HOW, Lossy
from path_work import PathWork, payment

from heptad.runtime import Platform
from heptad.terminal.demo.bank import served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TRIES = 60


def persistently(port: int, n: int) -> dict[str, str]:
    """Ask for one decision until it is answered."""
    for _ in range(TRIES):
        try:
            answer = httpx.post(
                f"http://127.0.0.1:{port}/v1/apps/fraud/decide",
                json={"row": payment(n % 60) | {"id": f"p{n}"}},
                headers={"Idempotency-Key": f"ask-{n}", "Connection": "close"},
                timeout=10,
            )
        except httpx.TransportError:
            continue
        if answer.status_code in (429, 503):
            continue
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found
    raise AssertionError(f"ask-{n} was never answered")


@pytest.mark.parametrize("asked", [10, pytest.param(300, marks=pytest.mark.soak)])
def test_each_id_is_decided_once_whatever_the_network_does(tmp_path: Path, asked: int) -> None:
    home, work = tmp_path / "project", PathWork()
    work.prepare(home)
    told: dict[str, dict[str, str]] = {}
    with Platform.open(home) as platform:
        with (
            served(platform) as client,
            Lossy(client.base_url.port or 0, seed=1) as first,
            Lossy(client.base_url.port or 0, seed=2) as second,
        ):
            # Two clients ask for the same, as one that gave up and came back by another way.
            def ask(port: int) -> None:
                for n in range(asked):
                    got = persistently(port, n)
                    assert told.setdefault(got["id"], got) == got

            other = threading.Thread(target=ask, args=(second.port,))
            other.start()
            ask(first.port)
            other.join()
            went = first.became + second.became
        assert set(told) == {f"ask-{n}" for n in range(asked)}
        made = [entry.public["id"] for entry in platform.log.entries()]
        assert sorted(made) == sorted(told), "an id was decided twice, or not at all"
        ids = platform.read("Payment", purpose="service").column("id").to_pylist()
        assert sorted(ids) == sorted(f"p{n}" for n in range(asked))
        assert {e.public["outcome"] for e in platform.log.entries()} >= {"approve"}
        for entry in platform.log.entries():
            assert told[entry.public["id"]]["outcome"] == entry.public["outcome"]
        work.check(platform, {})
        assert platform.replay().decided == {"identical": asked}
    assert asked < 50 or set(went) == set(HOW), went
