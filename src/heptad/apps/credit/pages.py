# SPDX-License-Identifier: Apache-2.0
"""What the console shows of consumer credit, as data."""

from heptad.service.app import Page

pages = (
    Page(
        path="referred",
        question="Which applications wait for a person?",
        reads={"decisions": "app=credit outcome=refer"},
        form="table",
    ),
    Page(
        path="scorecard",
        question="How does the scorecard give its points?",
        reads={"model": "app=credit"},
        form="table",
    ),
)
