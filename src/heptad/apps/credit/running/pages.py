# SPDX-License-Identifier: Apache-2.0
"""What the console shows of loans while they run, as data."""

from heptad.service.app import Block, Page

_OF = "rows table=LoanFigure latest=yes"
_DAY = "rows table=LoanDay latest=yes"
_LINES = "columns=series,at,value,unit,n,evidence limit=200"

pages = (
    Page(
        path="book",
        question="Where does the book of loans stand, and what will it lose?",
        blocks=(
            Block("stat", f"{_DAY} unit=loans", "Loans", width=3),
            Block("stat", f"{_OF} report=stage series=balance total=value unit=owed", "Owed", width=3),
            Block("stat", f"{_OF} report=stage series=loss total=value unit=expected",
                  "Expected loss", width=3),
            Block("stat", f"{_DAY} default=true unit=loans", "In default", width=3),
            Block("chart", f"{_OF} report=vintage_30+ x=at y=value by=series drawn=lines",
                  "Vintages: ever more than 30 days late",
                  note="by months on book; a line for each month of paying out", width=6),
            Block("chart", f"{_OF} report=vintage_90+ x=at y=value by=series drawn=lines",
                  "Vintages: ever more than 90 days late", width=6),
            Block("chart", f"{_OF} report=roll x=at y=value by=series drawn=lines", "Roll rates"),
            Block("chart", f"{_OF} report=bridge x=at y=value by=series",
                  "Expected loss, from the day closed before to this one"),
            Block("table", f"{_OF} report=stage {_LINES}", "Stages", width=6),
            Block("table", f"{_OF} report=scenario,stress,economy {_LINES}", "Scenarios and stress",
                  note="reverse stress: the shift of the log-odds whose loss could not be borne", width=6),
            Block("table", f"{_OF} report=lgd {_LINES}", "What a default loses",
                  note="assumed until 30 own defaults were watched for a year", width=6),
            Block("chart", f"{_OF} report=recovery x=at y=value by=series drawn=lines",
                  "What own defaults paid back", note="share of what was owed, by months", width=6),
            Block("table", f"{_OF} report=moves {_LINES}", "Moves of a month, all months"),
        ),
    ),
    Page(
        path="stability",
        question="Do new loans still look like those that the card learned from?",
        blocks=(
            Block("chart", f"{_OF} report=psi x=at y=value by=series drawn=lines", "PSI by month",
                  note="below 0.1 stable, above 0.25 moved"),
            Block("table", f"{_OF} report=psi {_LINES}", "PSI calendar", width=6),
            Block("table", f"{_OF} report=concentration {_LINES}", "Concentration", width=6),
        ),
    ),
    Page(
        path="funds",
        question="What were loans used for?",
        blocks=(
            Block("stat", "rows table=FundsUse latest=yes method=proportional", "Loans followed",
                  width=4),
            Block("stat", "rows table=FundsUse latest=yes method=proportional diverted=true",
                  "Diverted", width=4),
            Block("stat", "rows table=FundsUse latest=yes method=proportional total=forbidden "
                  "unit=amount", "Where it must not go", width=4),
            Block("table", "rows table=FundsUse latest=yes diverted=true columns=loan,customer,"
                  "method,lent,forbidden,round_trip,held,path", "Diverted, with the path"),
            Block("table", "rows table=FundsUse latest=yes method=proportional columns=loan,lent,"
                  "purpose,elsewhere,lender,forbidden,unseen,held limit=100", "All of them"),
        ),
    ),
    Page(
        path="collections",
        question="Whom do we call today?",
        blocks=(
            Block("stat", "rows table=CollectionAction latest=yes", "Late loans", width=4),
            Block("stat", "rows table=CollectionAction latest=yes action=call", "Calls", width=4),
            Block("stat", "rows table=CollectionAction latest=yes total=gain unit=expected",
                  "Expected to bring", width=4),
            Block("table", "rows table=CollectionAction latest=yes action=call,letter,message "
                  "columns=loan,customer,action,late,gain,lift,drawn,message limit=200",
                  "Today's plan"),
            Block("table", "rows table=PaymentPromise limit=50", "Promises"),
        ),
    ),
    Page(
        path="loan",
        question="What was the life of one loan?",
        blocks=(
            Block("table", "rows table=LoanApplication through=Loan.application:$about limit=1",
                  "Asked for"),
            Block("table", "decisions app=credit through=Loan.application:$about limit=5", "Decided",
                  note="why, in full: heptad explain ID"),
            Block("table", "rows table=Loan id=$about limit=20", "Lent"),
            Block("chart", "rows table=LoanDay loan=$about x=event_time y=balance by=loan drawn=lines", "Owed",
                  width=6),
            Block("chart", "rows table=LoanDay loan=$about x=event_time y=loss by=loan drawn=lines",
                  "Expected loss", width=6),
            Block("timeline", "rows table=Repayment loan=$about kind=loan text=due,paid,days_late",
                  "Instalments", width=6),
            Block("timeline", "rows table=LoanEvent loan=$about kind=kind text=amount", "Events",
                  width=6),
            Block("table", "rows table=FundsUse loan=$about limit=10", "What it was used for"),
            Block("table", "rows table=CollectionAction loan=$about", "What was done"),
            Block("text", "Without a loan named, the latest of all are shown: "
                  "heptad apps credit loan ID", "One loan"),
        ),
    ),
)  # fmt: skip
