# SPDX-License-Identifier: Apache-2.0
"""Layers from files: regions and points in GeoJSON, and regions in TopoJSON."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from heptad.analysis.regions import Regions
from heptad.standards.errors import ContractError

_SCALE = 7


def regions(path: Path | str, names: str = "name", layer: str = "") -> Regions:
    """Read named regions; regions of one name are one.

    Args:
        path: a file of GeoJSON (a FeatureCollection) or TopoJSON, degrees on WGS 84. Corners are
            rounded to 1e-7 degrees, halves to even.
        names: the property that names a region; `id` is that of the feature itself.
        layer: the object of a TopoJSON that is meant; its first by default.

    Raises:
        ContractError: if the file is none of these, or a region has no name.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        features = _topology(data, layer) if data["type"] == "Topology" else data["features"]
        found = _collected(features, names)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ContractError(
            f"{path.name} holds no regions that could be read.",
            got=f"{type(error).__name__}: {error}",
            do="give a FeatureCollection of polygons as GeoJSON, or a TopoJSON",
        ) from error
    return Regions(path.stem, found)


def _collected(features: list[dict[str, Any]], names: str) -> dict[str, list[Any]]:
    """Return region → rings."""
    found: dict[str, list[Any]] = {}
    for n, feature in enumerate(features):
        name = feature["id"] if names == "id" else feature["properties"].get(names)
        if name in (None, ""):
            raise ValueError(f"feature {n} has no {names}")
        shape = feature["geometry"]
        if shape is None:
            continue
        parts = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
        if shape["type"] not in ("Polygon", "MultiPolygon"):
            raise ValueError(f"feature {n} is a {shape['type']}")
        found.setdefault(str(name), []).extend(_ring(r) for part in parts for r in part)
    return {name: rings for name, rings in found.items() if rings}


def _ring(corners: list[Any]) -> Any:
    """Return (v, 2) latitude and longitude in 1e-7 degrees, the closing corner left out."""
    units = [(_units(c[1]), _units(c[0])) for c in corners]
    if len(units) > 1 and units[0] == units[-1]:
        units.pop()
    return np.array(units, np.int64).reshape(-1, 2)


def _units(degrees: Any) -> int:
    return round(Decimal(degrees).scaleb(_SCALE))


def _topology(data: dict[str, Any], layer: str) -> list[dict[str, Any]]:
    """Return the features of a TopoJSON, whose arcs are shared by neighbours.

    Source: the TopoJSON format specification, 1.0, §2.1.
    """
    objects = data["objects"]
    shapes = objects[layer or next(iter(objects))]
    arcs = [_arc(arc, data.get("transform")) for arc in data["arcs"]]
    features = []
    for shape in shapes["geometries"]:
        if shape["type"] is None:
            continue
        parts = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
        rings = [[_joined(ring, arcs) for ring in part] for part in parts]
        geometry = {"type": "MultiPolygon", "coordinates": rings}
        features.append({**shape, "properties": shape.get("properties", {}), "geometry": geometry})
    return features


def _arc(arc: list[Any], transform: dict[str, Any] | None) -> list[tuple[Any, Any]]:
    """Return the places of an arc; with a transform each is a step from the one before."""
    if transform is None:
        return [(p[0], p[1]) for p in arc]
    (scale_x, scale_y), (from_x, from_y) = transform["scale"], transform["translate"]
    found, x, y = [], 0, 0
    for step in arc:
        x, y = x + int(step[0]), y + int(step[1])
        found.append((x * scale_x + from_x, y * scale_y + from_y))
    return found


def _joined(ring: list[int], arcs: list[Any]) -> list[Any]:
    """Join arcs to a ring; ~n is arc n backwards, and arcs share their ends."""
    corners: list[Any] = []
    for n in ring:
        arc = arcs[n] if n >= 0 else arcs[~n][::-1]
        corners += arc[1:] if corners else arc
    return corners
