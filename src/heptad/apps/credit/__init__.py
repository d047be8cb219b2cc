# SPDX-License-Identifier: Apache-2.0
"""Consumer credit: score an application from cash flow, decide, and say what would fit.

For credit officers and risk modellers. A points scorecard on features as known at the instant of
the application, a policy of cut-offs and affordability, true reasons by points lost, and a
counter-offer where a smaller amount would fit. What it refers becomes a case for people. After the
money is out: each day where every loan stands, what it was used for, and whom to call.
"""

from heptad.apps.credit.decide import POLICY, decide, flow
from heptad.apps.credit.demo import demo
from heptad.apps.credit.exposure import Connected, Guarantee
from heptad.apps.credit.exposure import jobs as exposure_jobs
from heptad.apps.credit.features import features
from heptad.apps.credit.model import model
from heptad.apps.credit.modes import modes
from heptad.apps.credit.pages import pages
from heptad.apps.credit.running import jobs as running_jobs
from heptad.apps.credit.running import tables as running_tables
from heptad.apps.credit.work import inboxes, letters, resume
from heptad.service.app import App
from heptad.standards.model import LoanApplication

app = App(
    name="credit",
    title="Consumer credit",
    on=LoanApplication,
    purpose="credit",
    features=features,
    tables=(Connected, Guarantee, *running_tables),
    jobs=(*exposure_jobs, *running_jobs),
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
