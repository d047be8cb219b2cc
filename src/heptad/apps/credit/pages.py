# SPDX-License-Identifier: Apache-2.0
"""What the console shows of consumer credit, as data."""

from heptad.apps.credit.running.pages import pages as running
from heptad.service.app import Block, Page

OF = "app=credit"

pages = (
    Page(
        path="referred",
        question="Which applications wait for a person?",
        reads={"decisions": f"{OF} outcome=refer"},
        form="table",
    ),
    Page(
        path="stages",
        question="Where in the five stages are applications decided, and what does it cost?",
        blocks=(
            Block("stat", f"pace {OF}", "Without a person", width=4),
            Block("stat", f"pace {OF} what=waited", "Wait for a person's decision", width=4),
            Block("stat", f"pace {OF} what=minutes", "Work per decision", width=4),
            Block("table", f"stages {OF}", "Stages", note="of the latest 2,000 decisions"),
            Block("chart", f"decisions {OF} outcome=decline by=reason", "Why declined", width=6),
            Block("chart", f"decisions {OF} outcome=refer by=reason", "Why referred", width=6),
        ),
    ),
    Page(
        path="scorecard",
        question="How does the scorecard give its points?",
        reads={"model": OF},
        form="table",
    ),
    Page(
        path="validation",
        question="Is the scorecard any good on applications that it has not seen?",
        blocks=(
            Block("stat", f"model {OF}", "AUC, with its interval", width=4),
            Block("stat", f"model {OF} metric=ks", "KS", width=4),
            Block("stat", f"model {OF} metric=brier", "Brier score", width=4),
            Block("table", f"model {OF}", "Bins and points", note="good and bad as trained on"),
            Block(
                "text",
                "The whole report, to be printed and signed: heptad card report credit --out "
                "report.html. What another cut-off or bin would change: the page bins.",
                "On paper",
            ),
        ),
    ),
    Page(
        path="bins",
        question="What would another bin or another cut-off change?",
        blocks=(
            Block(
                "form",
                f"bins {OF}",
                "Bins of the card in use, merged by hand",
                note="measured on rows that the card has not seen",
            ),
        ),
    ),
    Page(
        path="modes",
        question="In which of the four ways of financing is lent, on whose data, at whose loss?",
        blocks=(
            Block("table", f"bearers {OF}", "Who lends and who bears the loss"),
            Block(
                "table",
                f"modes {OF}",
                "Who holds what, and on which basis it is read",
                note="what nobody holds in a mode is not known to score and decision",
            ),
        ),
    ),
    *running,
)
