# SPDX-License-Identifier: Apache-2.0
"""What is held, what is challenged, what passes, and why: the flow of `flow.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from heptad.apps.fraud.features import features
from heptad.service.flows.published import Flowing
from heptad.standards.model import Payment

if TYPE_CHECKING:
    from heptad.service.app import Inputs, Outcome

flow = Flowing(Path(__file__).with_name("flow.yaml"), Payment, features)
POLICY = flow.own.policy
"""Limits that people may change; amounts in cents of EUR."""


def decide(x: Inputs) -> Outcome:
    """Hold what looks like theft, challenge what is merely unusual, approve the rest."""
    return flow.decide(x)
