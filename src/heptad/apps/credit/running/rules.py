# SPDX-License-Identifier: Apache-2.0
"""What the running of loans goes by: default, stages, scenarios, following, actions."""

from __future__ import annotations

import numpy as np

from heptad.analysis.loans.behaviour import Signals
from heptad.analysis.loans.collecting import Action
from heptad.analysis.loans.delinquency import Rule
from heptad.analysis.loans.losses import Worse
from heptad.analysis.loans.tracing import FIFO, PROPORTIONAL

RULE = Rule(days=90, amount=100, probation=90, forborne=365)
WORSE = Worse()
SIGNALS = Signals()
SCENARIOS = ("base", "better", "worse")
WEIGHTS = np.array([0.5, 0.2, 0.3])
SHIFTS = (0.0, -0.3, 0.6)
"""Change of the log-odds of default in the first year of each scenario; after it fades."""
LGD = np.array([[0.45], [0.40], [0.55]])
"""Share that a default is assumed to lose in each scenario, until the book has enough of its own;
how far the scenarios lie apart holds for the book's own share as well."""
WORKED, WORKOUT = 30, (12, 60)
"""Defaults watched for so many months, at least and at most, from which on the own share is used."""
HORIZON = 60
"""Months for which hazards are told apart."""
PRIOR = np.array(
    [
        [0.955, 0.025, 0.000, 0.000, 0.000, 0.020, 0.0],
        [0.450, 0.250, 0.280, 0.000, 0.000, 0.020, 0.0],
        [0.150, 0.100, 0.250, 0.490, 0.000, 0.010, 0.0],
        [0.050, 0.050, 0.100, 0.200, 0.590, 0.010, 0.0],
        [0.020, 0.000, 0.000, 0.000, 0.970, 0.010, 0.0],
        [0.000, 0.000, 0.000, 0.000, 0.000, 1.000, 0.0],
        [0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 1.0],
    ]
)
"""Moves of a month that are assumed with the weight of `PRIOR_LOANS`, until a book has its own."""
PRIOR_LOANS = 25
STRESSES = (0.0, 0.5, 1.0, 1.5)
"""Changes of the log-odds in every scenario, shown beside what is booked."""
BEARABLE, HARDEST = 0.2, 4.0
"""Share of what is owed whose loss could not be borne, and the hardest stress tried to reach it."""
METHODS = (PROPORTIONAL, FIFO)
TRACED = 90
"""Days after paying out for which a loan's money is traced each day."""
FORBIDDEN, PURPOSE = "use:forbidden", "use:"
"""Names of lists: where lent money must not go, and what serves a purpose, `use:car`."""
ACTIONS = (Action("call", 600, 40), Action("letter", 150, 200), Action("message", 5))
"""What can be done about a late loan: cost in minor units, and how often a day."""
LIFT = {
    "1-30": {"message": 0.04, "letter": 0.03, "call": 0.09},
    "31-60": {"message": 0.02, "letter": 0.04, "call": 0.08},
    "61-90": {"message": 0.01, "letter": 0.03, "call": 0.06},
    "91+": {"message": 0.002, "letter": 0.01, "call": 0.02},
}
"""Share of what is late that an action is assumed to bring, until enough cases were drawn."""
EXPLORED = 0.1
"""Share of late loans for which the action is drawn by chance, to learn what actions bring."""
LEARNED = 30
"""Cases drawn of an action, and of doing nothing, from which on what was learned is used."""
WATCHED = 30
"""Days within which money counts as brought by an action."""
