# SPDX-License-Identifier: Apache-2.0
"""What the console shows of payment fraud, as data."""

from heptad.service.app import Block, Page

pages = (
    Page(
        path="held",
        question="Which payments are held now, and why?",
        reads={"decisions": "app=fraud outcome=hold"},
        form="table",
    ),
    Page(
        path="reasons",
        question="Which rule holds how many payments a day?",
        reads={"decisions": "app=fraud outcome=hold by=reason"},
        form="chart",
    ),
    Page(
        path="movement",
        question="When and where does money move, between whom, and what was stopped?",
        blocks=(
            Block("map", "movements app=fraud", "Payments and transfers", width=12),
            Block("graph", "case app=fraud", "The case that is due first", width=8),
            Block("distribution", "feature app=fraud name=spend_1d", "Spent in a day", width=4),
        ),
    ),
)
