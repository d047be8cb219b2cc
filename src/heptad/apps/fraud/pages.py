# SPDX-License-Identifier: Apache-2.0
"""What the console shows of payment fraud, as data."""

from heptad.service.app import Page

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
)
