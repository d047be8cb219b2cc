# SPDX-License-Identifier: Apache-2.0
"""Operators of the kernel on places: how far, how fast, inside what, near what."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from heptad.service.features import ask
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.regions import Regions
    from heptad.service.features import Feature
    from heptad.standards import Field

    Degrees = str | int | float | Decimal

_SCALE = 7


@dataclass(frozen=True)
class Shape:
    """Named places on WGS 84, in 1e-7 degrees."""

    name: str
    lats: tuple[int, ...]
    lons: tuple[int, ...] = field(repr=False)

    def plain(self) -> list[Any]:
        """Return the shape as plain data."""
        return [self.name, *map(list, zip(self.lats, self.lons, strict=True))]

    def __str__(self) -> str:
        return self.name


class Fence(Shape):
    """A closed ring that does not cross the 180th meridian; make it with `fence`."""


class Layer(Shape):
    """Points, sorted by latitude; make it with `layer`."""


def fence(name: str, ring: Sequence[tuple[Degrees, Degrees]]) -> Fence:
    """Declare a fence by the corners of its ring, (latitude, longitude) in degrees.

    Raises:
        ContractError: if it has fewer than three corners, or one lies off the globe.
    """
    if len(ring) < 3:
        raise ContractError(f"The fence {name} has fewer than three corners.", got=len(ring))
    return Fence(name, *_units(name, ring))


def layer(name: str, points: Sequence[tuple[Degrees, Degrees]]) -> Layer:
    """Declare a layer of points, (latitude, longitude) in degrees.

    Raises:
        ContractError: if it has no point, or one lies off the globe.
    """
    if not points:
        raise ContractError(f"The layer {name} has no points.")
    lats, lons = _units(name, points)
    ordered = sorted(zip(lats, lons, strict=True))
    return Layer(name, tuple(lat for lat, _ in ordered), tuple(lon for _, lon in ordered))


def _units(
    name: str, points: Sequence[tuple[Degrees, Degrees]]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Turn degrees into 1e-7 degrees, halves to even."""
    lats = tuple(round(Decimal(str(lat)).scaleb(_SCALE)) for lat, _ in points)
    lons = tuple(round(Decimal(str(lon)).scaleb(_SCALE)) for _, lon in points)
    for lat, lon in zip(lats, lons, strict=True):
        if abs(lat) > 90 * 10**_SCALE or abs(lon) > 180 * 10**_SCALE:
            raise ContractError(f"A corner of {name} lies off the globe.", got=f"{lat}, {lon}")
    return lats, lons


def distance(of: Field, **clauses: Any) -> Feature:
    """Metres travelled from place to place."""
    return ask("distance", of, clauses)


def speed(of: Field, **clauses: Any) -> Feature:
    """Metres per second between the last two places."""
    return ask("speed", of, clauses)


def moved(of: Field, **clauses: Any) -> Feature:
    """Metres between the first and the last place."""
    return ask("moved", of, clauses)


def inside(of: Field, fence: Fence, **clauses: Any) -> Feature:
    """Whether the last place lies in a fence."""
    return ask("inside", of, clauses | {"fence": fence})


def near(of: Field, layer: Layer, metres: int, **clauses: Any) -> Feature:
    """Whether the last place lies within so many metres of a point of a layer.

    Raises:
        ContractError: if metres is no whole number of at least 0.
    """
    if not isinstance(metres, int) or metres < 0:
        raise ContractError("Near is a whole number of metres.", got=metres)
    return ask("near", of, clauses | {"layer": layer, "metres": metres})


def region(of: Field, regions: Regions, **clauses: Any) -> Feature:
    """Name of the region that the last place lies in, the first of several; none outside all."""
    return ask("region", of, clauses | {"regions": regions})


def cells(of: Field, resolution: int, **clauses: Any) -> Feature:
    """Count the different H3 cells that places lie in; needs the extra `geo`.

    Raises:
        ContractError: if the resolution is not between 0 and 15.
    """
    if not 0 <= resolution <= 15:
        raise ContractError("H3 has resolutions 0 to 15.", got=resolution)
    return ask("cells", of, clauses | {"resolution": resolution})
