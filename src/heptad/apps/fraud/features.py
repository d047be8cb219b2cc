# SPDX-License-Identifier: Apache-2.0
"""What a payment is compared with: the customer's own habit, the device and the merchant."""

from heptad.service.features import (
    count,
    earliest,
    largest,
    last,
    mean,
    rate,
    total,
)
from heptad.standards import day, hour, minute
from heptad.standards.model import Label, Payment

_paid = Payment.status == "authorised"
_there = Payment.channel != "online"

features = {
    "count_10m": count(Payment.id, by=Payment.customer, over=10 * minute),
    "count_1h": count(Payment.id, by=Payment.customer, over=hour),
    "count_30d": count(Payment.id, by=Payment.customer, over=30 * day),
    "declined_1h": count(
        Payment.id, by=Payment.customer, over=hour, where=Payment.status == "declined"
    ),
    "spend_1d": total(Payment.amount, by=Payment.customer, over=day, where=_paid, into="EUR"),
    "spend_30d": total(Payment.amount, by=Payment.customer, over=30 * day, where=_paid, into="EUR"),
    "mean_90d": mean(Payment.amount, by=Payment.customer, over=90 * day, where=_paid, into="EUR"),
    "largest_90d": largest(
        Payment.amount, by=Payment.customer, over=90 * day, where=_paid, into="EUR", delay=minute
    ),
    "this_amount": largest(Payment.amount, by=Payment.customer, over=last(1), into="EUR"),
    "previous_country": earliest(Payment.country, by=Payment.customer, over=last(2), where=_there),
    "previous_time": earliest(Payment.event_time, by=Payment.customer, over=last(2), where=_there),
    "device_count_90d": count(Payment.id, by=Payment.device, over=90 * day),
    "merchant_checked_28d": count(
        Label.fraud, by=Label.payment.merchant, over=28 * day, delay=7 * day
    ),
    "merchant_fraud_28d": rate(
        Label.fraud, by=Label.payment.merchant, over=28 * day, delay=7 * day
    ),
}
