# SPDX-License-Identifier: Apache-2.0
"""What the console shows of recommendation, as data."""

from heptad.service.app import Block, Page

_OF = "app=recommend"
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
