# SPDX-License-Identifier: Apache-2.0
"""Payment fraud: watch every payment, and hold or challenge the abnormal ones before they leave.

For the fraud desk of a bank or a card issuer. Five rules on exact windows; each reason carries
the numbers that fired it. What it holds becomes a case for people. It leaves learned scores and
distance to later releases.
"""

from heptad.apps.fraud.decide import POLICY, decide, flow
from heptad.apps.fraud.demo import demo
from heptad.apps.fraud.features import features
from heptad.apps.fraud.pages import pages
from heptad.apps.fraud.work import inboxes, letters
from heptad.service.app import App
from heptad.standards.model import Payment

app = App(
    name="fraud",
    title="Payment fraud",
    on=Payment,
    purpose="fraud",
    features=features,
    decide=decide,
    flow=flow,
    policy=POLICY,
    pages=pages,
    demo=demo,
    letters=letters,
    inboxes=inboxes,
)

__all__ = ["app"]
