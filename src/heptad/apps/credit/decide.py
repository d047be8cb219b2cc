# SPDX-License-Identifier: Apache-2.0
"""Knock-outs, score, affordability, then approve, counter, refer or decline: `flow.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from heptad.apps.credit.features import features
from heptad.service.flows.published import Flowing
from heptad.standards.model import LoanApplication

if TYPE_CHECKING:
    from heptad.service.app import Inputs, Outcome

CURRENCY = "EUR"
"""The one currency that amounts of applications are compared in; others go to a person."""

flow = Flowing(Path(__file__).with_name("flow.yaml"), LoanApplication, features)
POLICY = flow.own.policy
"""Cut-offs that people may change; amounts in cents of EUR, rates as fractions."""


def decide(x: Inputs) -> Outcome:
    """Decide one application.

    Knock-outs first, then the score, then affordability: an application that scores well but
    does not fit is answered with the amount that would.
    """
    return flow.decide(x)
