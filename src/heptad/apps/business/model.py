# SPDX-License-Identifier: Apache-2.0
"""The scorecard of firms: what it learns from, and in which direction each input may count."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from heptad.apps.business.tables import BusinessOutcome
from heptad.service.app import Model
from heptad.service.scorecards import PointsModel
from heptad.standards import day

if TYPE_CHECKING:
    from collections.abc import Mapping


class BusinessScorecard(PointsModel):
    """A points scorecard of default within a year, monotone in what credit policy demands."""

    monotone: ClassVar[Mapping[str, str]] = {
        "equity_ratio": "down",
        "cash_to_debt": "down",
        "interest_cover": "down",
        "service_cover": "down",
        "operating_margin": "down",
        "net_trend": "down",
        "rating": "down",
        "outlook": "down",
    }


model = Model(
    name="scorecard",
    target=BusinessOutcome.default,
    link=BusinessOutcome.application,
    inputs=(
        "current_ratio",
        "equity_ratio",
        "cash_to_debt",
        "interest_cover",
        "service_cover",
        "operating_margin",
        "return_on_assets",
        "asset_turnover",
        "receivables_share",
        "net_trend",
        "rating",
        "outlook",
        "buyers_365d",
        "amount",
    ),
    estimator=BusinessScorecard,
    cleared=("operating_margin", "interest_cover", "rating"),
    matures=365 * day,
)
"""The margin and the interest are those of the firm's statements and the rating is the platform's:
all were there before the lender decided."""
