# SPDX-License-Identifier: Apache-2.0
"""What the console shows of recommendation, as data."""

from heptad.service.app import Block, Page

_OF = "app=recommend"
_FIGURES = "rows table=ListFigure latest=yes"
_COLUMNS = "limit=200 columns=series,at,value,unit,n"
pages = (
    Page(
        path="shown",
        question="What would these customers see now, and why?",
        blocks=(
            Block("stat", f"decisions {_OF} outcome=offer", "Lists shown", width=4),
            Block("stat", f"decisions {_OF} outcome=skip", "Nothing to show", width=4),
            Block("stat", f"model {_OF} metric=ndcg", "NDCG@10 on later events", width=4),
            Block("decision", f"decisions {_OF} outcome=offer", "The last list, and why"),
            Block("table", f"decisions {_OF} limit=20", "Latest visits"),
            Block("form", f"decide {_OF}", "Make a list by hand"),
        ),
    ),
    Page(
        path="why",
        question="How many items are shown or left out, by which reason?",
        reads={"decisions": f"{_OF} by=reason"},
        form="chart",
    ),
    Page(
        path="cohorts",
        question="For whom do the lists work, and is the challenger better?",
        blocks=(
            Block(
                "chart",
                f"{_FIGURES} report=cohort series=hit,ndcg x=at y=value by=series",
                "Hits and NDCG in the week after, by cohort",
            ),
            Block(
                "table",
                f"{_FIGURES} report=cohort {_COLUMNS}",
                "All cohorts",
                note="by propensity: what is drawn rarely counts for the many lists without it",
            ),
            Block(
                "table",
                f"{_FIGURES} report=variant {_COLUMNS},low,high",
                "Champion and challenger",
                note="customers are drawn for the challenger by their name",
            ),
        ),
    ),
    Page(
        path="exposure",
        question="What is shown how often, and what is never seen?",
        blocks=(
            Block(
                "table",
                f"{_FIGURES} report=exposure {_COLUMNS}",
                "Coverage and unevenness",
                width=6,
            ),
            Block(
                "table",
                f"{_FIGURES} report=left_out {_COLUMNS}",
                "Left out of a list, by reason",
                width=6,
            ),
            Block(
                "chart",
                f"{_FIGURES} report=showings x=at y=value by=series",
                "Share of all showings, by item",
            ),
        ),
    ),
    Page(
        path="quality",
        question="How good is the ranker in use on events that came later?",
        blocks=tuple(
            Block("stat", f"model {_OF} metric={metric}", title, width=4)
            for metric, title in (
                ("ndcg", "NDCG@10"),
                ("recall", "Recall@10"),
                ("mrr", "First hit, 1 / place"),
                ("hit", "Share of customers with a hit"),
                ("auc", "gAUC over all items"),
            )
        ),
    ),
)
