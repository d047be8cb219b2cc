# SPDX-License-Identifier: Apache-2.0
"""What the console shows of credit to firms and merchants, as data."""

from heptad.service.app import Block, Page

OF = "app=business"

pages = (
    Page(
        path="referred",
        question="Which requests of firms wait for a person?",
        reads={"decisions": f"{OF} outcome=refer"},
        form="table",
    ),
    Page(
        path="stages",
        question="Where in the five stages are requests of firms decided?",
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
        path="lines",
        question="Which lines were set lately, and who has waited for more?",
        blocks=(
            Block("table", "rows table=BusinessLine", "Lines as decisions set them"),
            Block("table", "rows table=GroupDebt latest=yes", "What connected firms owe together"),
        ),
    ),
    Page(
        path="room",
        question="How much may still be lent, and what would more room earn?",
        reads={"rows": "table=LendingRoom latest=yes"},
        form="table",
    ),
    Page(
        path="scorecard",
        question="How does the scorecard of firms give its points?",
        reads={"model": OF},
        form="table",
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
        question="In which of the four ways of financing is lent to firms?",
        blocks=(
            Block("table", f"bearers {OF}", "Who lends and who bears the loss"),
            Block("table", f"modes {OF}", "Who holds what, and on which basis it is read"),
        ),
    ),
)
