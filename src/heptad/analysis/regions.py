# SPDX-License-Identifier: Apache-2.0
"""Which region a place lies in: a spatial join of points with polygons, exact in whole numbers."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.analysis.arrays import Codes


class Regions:
    """Named regions on WGS 84, each a set of closed rings in 1e-7 degrees.

    A place lies in a region if a ray to the east crosses its rings an odd number of times, so a
    ring inside another is a hole. A place on a border belongs to the region north or east of it,
    and so to one of two that share the border. No ring crosses the 180th meridian.

    Args:
        name: of the whole layer.
        rings: region → its rings, each (v, 2) latitude and longitude in 1e-7 degrees, v ≥ 3; the
            last corner is joined to the first.

    Raises:
        ContractError: if there is no ring, a ring has fewer than three corners, or a corner lies
            off the globe.
    """

    def __init__(self, name: str, rings: Mapping[str, Sequence[Codes]]) -> None:
        self.name, self.names = name, tuple(rings)
        edges = [_edges(name, n, ring) for n, of in enumerate(rings.values()) for ring in of]
        if not edges:
            raise ContractError(f"The layer {name} has no regions.")
        self.edges: Codes = np.concatenate(edges)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Regions({self.name!r}, {len(self.names)} regions)"

    def plain(self) -> list[str]:
        """Return what tells these regions from others: name, and a hash of names and corners."""
        digest = hashlib.sha256("\0".join(self.names).encode())
        digest.update(self.edges.tobytes())
        return [self.name, digest.hexdigest()[:16]]

    @cached_property
    def grid(self) -> tuple[Codes, ...]:
        """The grid over the regions, made at the first use: see `heptad.analysis.grids`."""
        from heptad.analysis.grids import build

        return build(self.edges)

    def lay(self) -> None:
        """Make the grid now, where it is else made at the first place that is asked of."""
        self.grid  # noqa: B018 - it is kept once it was looked at

    def first(self, lats: Codes, lons: Codes) -> Codes:
        """Return the number of the first region that each place lies in, -1 for none.

        Args:
            lats: (n,) int64, 1e-7 degrees.
            lons: (n,) int64, 1e-7 degrees.
        """
        from heptad.analysis.grids import first

        found: Codes = first(_whole(lats), _whole(lons), *self.grid)
        return found

    def pairs(self, lats: Codes, lons: Codes) -> tuple[Codes, Codes]:
        """Join places with regions.

        Args:
            lats: (n,) int64, 1e-7 degrees.
            lons: (n,) int64, 1e-7 degrees.

        Returns:
            (p,) numbers of places, rising, and (p,) numbers of the regions that they lie in,
            rising where a place lies in several.
        """
        from heptad.analysis.grids import pairs

        at, region = pairs(_whole(lats), _whole(lons), *self.grid)
        return at, region


def _edges(name: str, region: int, ring: Codes) -> Codes:
    """Return (v, 5) the edges of a ring: from latitude, longitude, to latitude, longitude, region."""
    corners = np.asarray(ring, np.int64).reshape(-1, 2)
    if len(corners) < 3:
        raise ContractError(f"A ring of {name} has fewer than three corners.", got=len(corners))
    if (np.abs(corners) > (900_000_000, 1_800_000_000)).any():
        raise ContractError(f"A corner of {name} lies off the globe.", got=_off(corners))
    numbers = np.full((len(corners), 1), region, np.int64)
    return np.hstack([corners, np.roll(corners, 1, axis=0), numbers])


def _off(corners: Codes) -> str:
    off = (np.abs(corners) > (900_000_000, 1_800_000_000)).any(axis=1)
    lat, lon = corners[off][0] / 1e7
    return f"{lat}, {lon}"


def _whole(values: Any) -> Codes:
    return np.ascontiguousarray(values, np.int64)
