# SPDX-License-Identifier: Apache-2.0
"""Loans while they run: the day's standing and expected loss, use of funds, collections.

For servicing, risk and collections. Reads what is due and paid as it is known, and publishes
tables: where each loan stands, figures of the book, what a loan was used for, today's plan.
"""

from heptad.apps.credit.running.calling import plan_day
from heptad.apps.credit.running.funds import trace_day
from heptad.apps.credit.running.scoring import score_day
from heptad.apps.credit.running.servicing import close_day
from heptad.apps.credit.running.tables import (
    BehaviourScore,
    CollectionAction,
    FundsUse,
    LoanDay,
    LoanEvent,
    LoanFigure,
    PaymentPromise,
)
from heptad.service.app import Job
from heptad.standards.model import Listing, Loan, Macro, Payment, Repayment, Transfer

tables = (
    LoanEvent, LoanDay, LoanFigure, BehaviourScore, FundsUse, PaymentPromise, CollectionAction,
)  # fmt: skip
jobs = (
    Job(
        "loans",
        "Close a day of the loans: where each stands, its stage and loss, figures of the book",
        close_day,
        (Loan, Repayment, LoanEvent, Transfer, Macro, LoanDay),
    ),
    Job(
        "behaviour",
        "Learn a behaviour score from the book as it was, and score the loans that run",
        score_day,
        (Loan, Repayment, LoanEvent, Transfer),
    ),
    Job(
        "funds",
        "Follow what was paid out lately to where it went",
        trace_day,
        (Loan, Transfer, Payment, Listing),
    ),
    Job(
        "collections",
        "Plan what is done about late loans, within capacity",
        plan_day,
        (LoanDay, Loan, Repayment, LoanEvent, PaymentPromise, CollectionAction),
    ),
)

__all__ = ["jobs", "tables"]
