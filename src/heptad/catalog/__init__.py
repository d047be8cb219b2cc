# SPDX-License-Identifier: Apache-2.0
"""Layer 4: tables and versions, loads, lineage, quality, models, runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heptad.catalog.catalog import Catalog

__all__ = ["Catalog"]


def __getattr__(name: str) -> type[Catalog]:
    """Load SQLAlchemy only when the catalog is asked for."""
    if name == "Catalog":
        from heptad.catalog.catalog import Catalog

        return Catalog
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
