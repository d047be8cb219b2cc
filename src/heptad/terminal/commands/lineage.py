# SPDX-License-Identifier: Apache-2.0
"""Commands about lineage: where a value comes from and what it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.time import as_of

if TYPE_CHECKING:
    from heptad.runtime import Platform


def show_lineage(
    platform: Platform, node: str, depth: str = "both", at: str = ""
) -> dict[str, Any]:
    """Show what is upstream and downstream of a column, feature, model or application.

    Args:
        platform: the open project.
        node: for example `Payment.amount`, `feature fraud.spend_1d`, `app fraud`.
        depth: up, down or both.
        at: as it held at this instant, ISO 8601; now by default.
    """
    lineage = platform.catalog.lineage
    found: dict[str, Any] = {"node": node}
    for name, read in (("upstream", lineage.upstream), ("downstream", lineage.downstream)):
        if depth == "both" or name.startswith(depth):
            graph = read(node, at=as_of(at))
            found[name] = {
                "nodes": [n.text for n in graph.nodes],
                "edges": [[e.origin.text, e.target.text, e.how] for e in graph.edges],
                "note": graph.note,
            }
    return found
