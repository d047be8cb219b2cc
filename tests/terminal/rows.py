# SPDX-License-Identifier: Apache-2.0
"""Rows that tests post."""

from __future__ import annotations

from typing import Any

CARD = "5555555555554444"


def payment(number: int, **more: Any) -> dict[str, Any]:
    """Return a payment; a minute lies between one number and the next."""
    at = f"2026-03-01T{10 + number // 60:02d}:{number % 60:02d}:00Z"
    return {"id": f"p{number}", "event_time": at, "customer": "c1", "amount": "10.00",
            "currency": "EUR", "status": "authorised", "card": CARD} | more  # fmt: skip


def customer(number: int) -> dict[str, Any]:
    """Return a customer."""
    return {"id": f"c{number}", "event_time": "2026-01-01T00:00:00Z", "name": f"Ana {number}",
            "email": f"ana{number}@example.com"}  # fmt: skip


def consent(number: int, **more: Any) -> dict[str, Any]:
    """Return a customer's consent to marketing with whatever is known of them."""
    return {"id": f"n{number}", "event_time": "2026-01-02T00:00:00Z", "customer": f"c{number}",
            "purpose": "marketing", "scope": "all", "mode": "direct",
            "status": "active"} | more  # fmt: skip
