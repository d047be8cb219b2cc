# SPDX-License-Identifier: Apache-2.0
"""The rules: what is held, what is challenged, what passes, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.app import Inputs, Outcome, Reason
from heptad.standards.time import minute

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = {
    "burst_payments": 4,
    "burst_declined": 3,
    "spend_factor": 12.0,
    "spend_floor": 50_000,
    "amount_factor": 5.0,
    "travel_minutes": 45,
    "merchant_fraud_rate": 0.5,
    "merchant_checked": 5,
}
"""Limits that people may change; amounts in cents of EUR."""


def decide(x: Inputs) -> Outcome:
    """Hold what looks like theft, challenge what is merely unusual, approve the rest."""
    hold = [*_burst(x), *_travel(x), *_spend(x)]
    if hold:
        return Outcome("hold", hold)
    challenge = [*_new_device(x), *_merchant(x)]
    if challenge:
        return Outcome("challenge", challenge)
    return Outcome("approve", [Reason("ORDINARY", {"count_30d": x["count_30d"] or 0})])


def _limit(x: Inputs, name: str) -> Any:
    return x.policy[name]


def _burst(x: Inputs) -> Iterator[Reason]:
    """Many payments, or many refusals, in minutes."""
    now, month, declined = (x[n] or 0 for n in ("count_10m", "count_30d", "declined_1h"))
    if now >= _limit(x, "burst_payments"):
        usual = max(month - now, 0) / 30
        yield Reason("BURST", {"count_10m": now, "per_day": round(usual, 2)})
    if declined >= _limit(x, "burst_declined"):
        yield Reason("DECLINED", {"declined_1h": declined})


def _travel(x: Inputs) -> Iterator[Reason]:
    """At a terminal abroad too soon after the payment before."""
    before, here, then = x["previous_country"], x.row["country"], x["previous_time"]
    at = x.row["event_time"]
    if x.row["channel"] == "online" or None in (before, here, then) or before == here:
        return
    minutes = (int(at or 0) - then) // minute
    if minutes < _limit(x, "travel_minutes"):
        yield Reason("TRAVEL", {"from": before, "to": here, "minutes": minutes})


def _spend(x: Inputs) -> Iterator[Reason]:
    """A day's spending far above the customer's own days."""
    if x["spend_1d"] is None or x["spend_30d"] is None:
        return
    usual = max(x["spend_30d"] - x["spend_1d"], 0) / 29
    high = x["spend_1d"] > _limit(x, "spend_factor") * max(usual, 1)
    large = (
        x["this_amount"] is not None
        and x["mean_90d"] is not None
        and (x["this_amount"] > _limit(x, "amount_factor") * x["mean_90d"])
    )
    if high and large and x["spend_1d"] > _limit(x, "spend_floor"):
        yield Reason("SPEND", {"spend_1d": x["spend_1d"], "usual": round(usual)})


def _new_device(x: Inputs) -> Iterator[Reason]:
    """The first payment from a device, larger than anything before it."""
    if x.row["device"] is None or x["device_count_90d"] != 1 or x["this_amount"] is None:
        return
    if x["largest_90d"] is not None and x["this_amount"] > x["largest_90d"]:
        yield Reason("DEVICE", {"amount": x["this_amount"], "largest_90d": x["largest_90d"]})


def _merchant(x: Inputs) -> Iterator[Reason]:
    """A merchant at which confirmed fraud is frequent."""
    found, checked = x["merchant_fraud_28d"], x["merchant_checked_28d"]
    if found is None or (checked or 0) < _limit(x, "merchant_checked"):
        return
    if found >= _limit(x, "merchant_fraud_rate"):
        yield Reason("MERCHANT", {"rate": round(found, 4), "checked": checked})
