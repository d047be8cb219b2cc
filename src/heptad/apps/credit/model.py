# SPDX-License-Identifier: Apache-2.0
"""The scorecard: what it learns from, and in which direction each input may count."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from heptad.service.app import Model
from heptad.service.scorecards import PointsModel
from heptad.standards import day
from heptad.standards.model import Label

if TYPE_CHECKING:
    from collections.abc import Mapping


class CreditScorecard(PointsModel):
    """A points scorecard of default within a year, monotone where credit policy demands it."""

    monotone: ClassVar[Mapping[str, str]] = {
        "inflow_90d": "down",
        "inflow_trend": "down",
        "bills_to_inflow": "up",
        "spend_to_inflow": "up",
        "declined_share_90d": "up",
        "late_days_365d": "up",
        "bureau_overdue": "up",
        "bureau_enquiries": "up",
        "bureau_worst_late": "up",
        "term": "up",
    }


model = Model(
    name="scorecard",
    target=Label.default,
    link=Label.application,
    inputs=(
        "inflow_90d",
        "inflow_trend",
        "inflow_spread_180d",
        "salaries_180d",
        "bills_to_inflow",
        "spend_to_inflow",
        "declined_share_90d",
        "late_days_365d",
        "bureau_overdue",
        "bureau_enquiries",
        "bureau_worst_late",
        "bureau_open_loans",
        "amount",
        "term",
    ),
    estimator=CreditScorecard,
    matures=190 * day,
)
"""Age, home and other personal traits are no inputs: the score rests on money and on delays alone.
That an applicant is of legal age is checked by policy."""
