# SPDX-License-Identifier: Apache-2.0
"""Firms and merchants: loans, lines with their reviews, and draws at check-out, by `flow.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from heptad.apps.business.features import features
from heptad.apps.business.tables import BusinessApplication
from heptad.service.flows.published import Flowing
from heptad.service.modes import read_modes

if TYPE_CHECKING:
    from heptad.service.app import Inputs, Outcome

CURRENCY = "EUR"
flow = Flowing(Path(__file__).with_name("flow.yaml"), BusinessApplication, features)
modes = read_modes(Path(__file__).with_name("modes"))
POLICY = flow.own.policy
"""Cut-offs and limits that people may change; amounts in cents of EUR, rates as fractions."""


def decide(x: Inputs) -> Outcome:
    """Decide one request.

    A draw is held against the line and what is drawn already. Loans and lines go through the
    same stages as credit of persons; what they may come to is the least of what statements and
    trade carry, what the expected loss allows, and the room that the portfolio has.
    """
    return flow.decide(x)
