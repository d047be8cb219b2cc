# SPDX-License-Identifier: Apache-2.0
"""Who need not be kept is let go: after the last duty, never before it, never under a hold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heptad.runtime import Platform
from heptad.standards.errors import ContractError
from heptad.standards.time import FixedClock, day, format_instant, parse_instant
from heptad.terminal.commands import run
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

START = parse_instant("2026-01-01T00:00:00Z")
YEARS5 = 1827 * day
ACCOUNT = {"id": "a3", "event_time": "2026-01-01T00:00:00Z", "customer": "c3", "kind": "current",
           "currency": "EUR", "status": "open"}  # fmt: skip


@pytest.fixture
def bank() -> Iterator[Platform]:
    """Five customers: one still pays, one has an account, one is under a hold."""
    with tempfile.TemporaryDirectory(prefix="heptad-") as folder:
        Path(folder, "heptad.toml").write_text(
            '[project]\nname = "kept"\nregime = "eu"\n', encoding="utf-8"
        )
        with Platform.open(folder, clock=FixedClock(START + 90 * day)) as platform:
            platform.store("Customer", [customer(n) for n in (1, 2, 3, 4, 5)])
            platform.store("Payment", [payment(n, customer=f"c{n}") for n in (1, 2, 4)])
            platform.store("Account", [ACCOUNT])
            later = format_instant(START + 400 * day)
            platform.clock.set(START + 401 * day)  # type: ignore[attr-defined]
            platform.store("Payment", [payment(99, customer="c2", event_time=later)])
            platform.erasing.hold("c4", START + 4000 * day, "a case", who="eva", role="admin")
            yield platform


def named(bank: Platform, **more) -> list[str]:
    return [p["subject"] for p in run(bank, "retention.persons", more)["persons"]]


def test_nobody_goes_before_the_last_duty_has_run_out(bank) -> None:
    paid = parse_instant("2026-03-01T10:01:00Z")
    bank.clock.set(paid + YEARS5 - 1)
    assert named(bank) == ["Customer:c5"]
    bank.clock.set(paid + YEARS5 + 1)
    assert named(bank) == ["Customer:c5", "Customer:c1"]
    bank.clock.set(START + 400 * day + YEARS5 + 1)
    told = run(bank, "retention.persons", {})
    assert [p["subject"] for p in told["persons"]] == ["Customer:c5", "Customer:c1", "Customer:c2"]
    assert (told["held"], told["applied"]) == (1, False)
    closed = ACCOUNT | {"event_time": format_instant(START + 500 * day), "status": "closed"}
    bank.store("Account", [closed])
    assert "Customer:c3" not in named(bank)
    bank.clock.set(START + 500 * day + YEARS5 + 1)
    assert "Customer:c3" in named(bank)


def test_who_is_let_go_is_erased_once_and_what_is_kept_stays(bank) -> None:
    bank.clock.set(START + 500 * day + YEARS5)
    done = run(bank, "retention.persons", {"apply": True, "most": 2})
    assert [p["subject"] for p in done["persons"]] == ["Customer:c5", "Customer:c1"]
    shown = bank.read("Customer", purpose="service").to_pylist()
    assert {r["id"] for r in shown if str(r["name"]).startswith("Ana")} == {"c2", "c3", "c4"}
    assert named(bank) == ["Customer:c2"]
    last = bank.access.entries(limit=1)[0].record
    assert (last.action, last.purpose) == ("retention", "legal")


def test_without_a_law_nothing_is_carried_out() -> None:
    with tempfile.TemporaryDirectory(prefix="heptad-") as folder:
        Path(folder, "heptad.toml").write_text('[project]\nname = "none"\n', encoding="utf-8")
        with Platform.open(folder) as platform, pytest.raises(ContractError, match="No law"):
            run(platform, "retention.persons", {})
