# SPDX-License-Identifier: Apache-2.0
"""What is known of an applicant: inflow and its trend, burden, delays, and the bureau's word."""

from heptad.apps.credit.exposure import Connected
from heptad.service.features import (
    Feature,
    count,
    largest,
    latest,
    ratio,
    share,
    spread,
    total,
)
from heptad.standards import day
from heptad.standards.model import CreditRecord, LoanApplication, Payment, Repayment, Transfer

_in, _out = Transfer.direction == "in", Transfer.direction == "out"
_who = Transfer.customer


def _inflow(**window: int) -> Feature:
    """Money received in a window."""
    return total(Transfer.amount, by=_who, where=_in, into="EUR", **window)


features = {
    "inflow_90d": _inflow(over=90 * day),
    "inflow_trend": ratio(_inflow(over=90 * day), _inflow(over=90 * day, delay=90 * day)),
    "inflow_spread_180d": spread(Transfer.amount, by=_who, where=_in, into="EUR", over=180 * day),
    "salaries_180d": count(Transfer.id, by=_who, where=Transfer.kind == "salary", over=180 * day),
    "bills_to_inflow": ratio(
        total(Transfer.amount, by=_who, where=_out, into="EUR", over=90 * day),
        _inflow(over=90 * day),
    ),
    "spend_to_inflow": ratio(
        total(
            Payment.amount,
            by=Payment.customer,
            where=Payment.status == "authorised",
            into="EUR",
            over=90 * day,
        ),
        _inflow(over=90 * day),
    ),
    "declined_share_90d": share(
        Payment.id, by=Payment.customer, where=Payment.status == "declined", over=90 * day
    ),
    "late_days_365d": largest(Repayment.days_late, by=Repayment.customer, over=365 * day),
    "bureau_overdue": latest(CreditRecord.overdue, by=CreditRecord.customer, over=400 * day),
    "bureau_enquiries": latest(CreditRecord.enquiries, by=CreditRecord.customer, over=400 * day),
    "bureau_worst_late": latest(CreditRecord.worst_late, by=CreditRecord.customer, over=400 * day),
    "applications_1d": count(LoanApplication.id, by=LoanApplication.customer, over=day),
    "applications_30d": count(LoanApplication.id, by=LoanApplication.customer, over=30 * day),
    "group_debt": latest(Connected.owed, by=Connected.customer, over=40 * day),
    "bureau_open_loans": latest(CreditRecord.open_loans, by=CreditRecord.customer, over=400 * day),
}
