# SPDX-License-Identifier: Apache-2.0
"""Credit to firms and merchants: loans, revolving lines and draws at check-out.

For lenders to small firms and to merchants of a platform. A firm is decided from its statements and
their ratios, the outlook of its industry, its invoices and what the firms connected with it owe; a
merchant from the stressed cash flow of its trade: trend, volatility, season, the platform's rating.
Lines fall at once and rise by steps. What is granted without a person is held against the room
that its industry had when the portfolio was last reckoned; grants since then are not taken off it.
"""

from heptad.apps.business.decide import POLICY, decide, flow, modes
from heptad.apps.business.demo import demo
from heptad.apps.business.features import features
from heptad.apps.business.jobs import jobs
from heptad.apps.business.model import model
from heptad.apps.business.pages import pages
from heptad.apps.business.tables import BusinessApplication, tables
from heptad.apps.business.work import inboxes, letters, resume
from heptad.service.app import App

app = App(
    name="business",
    title="Credit to firms",
    on=BusinessApplication,
    purpose="credit",
    features=features,
    tables=tables,
    jobs=jobs,
    decide=decide,
    flow=flow,
    model=model,
    policy=POLICY,
    pages=pages,
    demo=demo,
    letters=letters,
    inboxes=inboxes,
    resume=resume,
    modes=modes,
)

__all__ = ["app"]
