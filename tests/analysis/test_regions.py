# SPDX-License-Identifier: Apache-2.0
"""Regions and points near by: equal to a plain ray and to every pair tried, on difficult places."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis import grids
from heptad.analysis.legs import leg, nearby
from heptad.analysis.regions import Regions
from heptad.sources.shapes import regions
from heptad.standards.errors import ContractError

LAT, LON = 900_000_000, 1_800_000_000
SPREAD = st.sampled_from([3, 40, 10**4, 10**7, 9 * 10**8])


@st.composite
def layers(draw):
    """Regions whose corners lie close together or far apart, touching and crossing each other."""
    size = draw(SPREAD)
    corner = st.tuples(
        st.integers(-min(size, LAT), min(size, LAT)),
        st.integers(-min(2 * size, LON), min(2 * size, LON)),
    )
    ring = st.lists(corner, min_size=3, max_size=9).map(np.array)
    made = draw(st.lists(st.lists(ring, min_size=1, max_size=3), min_size=1, max_size=4))
    on = [tuple(map(int, c)) for rings in made for r in rings for c in r]
    place = st.one_of(corner, st.sampled_from(on))
    places = draw(st.lists(place, min_size=1, max_size=40))
    return Regions("drawn", {f"r{n}": rings for n, rings in enumerate(made)}), np.array(places)


def lies_in(layer: Regions, number: int, lat: int, lon: int) -> bool:
    crossed = 0
    for a, x, b, y, region in layer.edges.tolist():
        if region == number and (a > lat) != (b > lat):
            crossed += lon < x + Fraction((y - x) * (lat - a), b - a)
    return crossed % 2 == 1


@settings(max_examples=150, deadline=None)
@given(layers(), st.sampled_from([1, 4, 512]))
def test_the_grid_answers_as_a_plain_ray_does(drawn, finest):
    layer, places = drawn
    honest, grids.FINEST = grids.FINEST, finest
    try:
        at, region = layer.pairs(places[:, 0], places[:, 1])
        first = layer.first(places[:, 0], places[:, 1])
    finally:
        grids.FINEST = honest
    want = [
        (i, n)
        for i, (lat, lon) in enumerate(places.tolist())
        for n in range(len(layer.names))
        if lies_in(layer, n, lat, lon)
    ]
    assert list(zip(at.tolist(), region.tolist(), strict=True)) == want
    earliest = dict(reversed(want))
    assert first.tolist() == [earliest.get(i, -1) for i in range(len(places))]


def test_regions_that_share_borders_share_no_place():
    """Cut a square into regions in any way: each place of it lies in exactly one."""
    middle = (40, 70)
    corners = [(0, 0), (0, 100), (100, 100), (100, 0)]
    parts = {f"p{n}": [np.array([corners[n], corners[(n + 1) % 4], middle])] for n in range(4)}
    lats, lons = (g.ravel() for g in np.meshgrid(np.arange(100), np.arange(100)))
    at, _ = Regions("parts", parts).pairs(lats, lons)
    assert at.tolist() == list(range(10_000))


def test_regions_equal_those_of_another_library():
    shapely = pytest.importorskip("shapely")
    made = np.random.default_rng(5)
    rings = {}
    for n in range(30):
        angle = np.sort(made.uniform(0, 2 * np.pi, 40))
        far = made.uniform(2e7, 2e8, 40)
        lat, lon = made.integers(-6 * 10**8, 6 * 10**8), made.integers(-15 * 10**8, 15 * 10**8)
        ring = np.stack([lat + far * np.sin(angle), lon + far * np.cos(angle)], axis=1)
        rings[f"r{n}"] = [np.round(ring).astype(np.int64)]
    lats, lons = made.integers(-LAT, LAT, 20_000), made.integers(-LON, LON, 20_000)
    at, region = Regions("stars", rings).pairs(lats, lons)
    found = set(zip(at.tolist(), region.tolist(), strict=True))
    for n, (ring,) in enumerate(rings.values()):
        held = shapely.contains_xy(shapely.Polygon(ring[:, ::-1]), lons, lats)
        assert {i for i, r in found if r == n} == set(np.flatnonzero(held).tolist())
    assert len(found) > 1000


EDGES = [
    (0, 0),
    (LAT, 0),
    (-LAT, 5),
    (LAT - 9, LON),
    (1, LON),
    (1, -LON),
    (5, LON - 3),
    (9, 3 - LON),
]
places = st.one_of(
    st.sampled_from(EDGES), st.tuples(st.integers(-LAT, LAT), st.integers(-LON, LON)),
    st.tuples(st.integers(-10**6, 10**6), st.integers(-10**6, 10**6)),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(places, min_size=1, max_size=12), st.lists(places, min_size=1, max_size=12),
    st.one_of(st.sampled_from([0, 1, 1000, 10**5, 10**7, 3 * 10**7]), st.integers(0, 2 * 10**7)),
)  # fmt: skip
def test_points_near_by_are_those_of_all_pairs(some, points, metres):
    asked, of = np.array(some), np.array(points)
    found = nearby(asked[:, 0], asked[:, 1], of[:, 0], of[:, 1], metres)
    pairs = [(i, leg(*a, *b), p) for i, a in enumerate(some) for p, b in enumerate(points)]
    want = sorted(pair for pair in pairs if pair[1] <= metres * 1000)
    at, point, mm = (column.tolist() for column in found)
    assert list(zip(at, mm, point, strict=True)) == want


def test_places_off_the_globe_lie_in_nothing_and_are_refused_as_places():
    layer = Regions(
        "all", {"all": [np.array([(-LAT, -LON), (-LAT, LON), (LAT, LON), (LAT, -LON)])]}
    )
    off = np.array([LAT + 1, 0, 2**40])
    assert layer.first(off, np.array([0, -LON - 1, 2**40])).tolist() == [-1, -1, -1]
    with pytest.raises(ContractError, match="off the globe"):
        nearby(off, off, np.array([0]), np.array([0]), 10)
    with pytest.raises(ContractError, match="off the globe"):
        Regions("far", {"x": [np.array([(0, 0), (1, 1), (LAT + 1, 0)])]})
    with pytest.raises(ContractError, match="three corners"):
        Regions("flat", {"x": [np.array([(0, 0), (1, 1)])]})
    with pytest.raises(ContractError, match="at least 0"):
        nearby(off, off, off, off, -1)


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[2, 2], [2, 4], [4, 4], [4, 2], [2, 2]]


def test_regions_are_read_from_geojson_and_topojson(tmp_path):
    collection = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": "A", "properties": {"name": "square"},
         "geometry": {"type": "Polygon", "coordinates": [SQUARE, HOLE]}},
        {"type": "Feature", "id": "B", "properties": {"name": "nowhere"}, "geometry": None},
    ]}  # fmt: skip
    topology = {
        "type": "Topology",
        "transform": {"scale": [2, 2], "translate": [0, 0]},
        "objects": {"lands": {"type": "GeometryCollection", "geometries": [
            {"type": "Polygon", "id": "A", "properties": {"name": "square"},
             "arcs": [[0, 1], [-3]]}]}},
        "arcs": [[[0, 0], [5, 0], [0, 5]], [[5, 5], [-5, 0], [0, -5]],
                 [[1, 1], [1, 0], [0, 1], [-1, 0], [0, -1]]],
    }  # fmt: skip
    for n, data in enumerate((collection, topology)):
        path = tmp_path / f"f{n}.json"
        path.write_text(json.dumps(data))
        layer = regions(path)
        assert layer.names == ("square",)
        assert regions(path, names="id").names == ("A",)
        lats, lons = np.array([1, 3, 9]) * 10**7, np.array([1, 3, 9]) * 10**7
        assert layer.first(lats, lons).tolist() == [0, -1, 0]
    # Degrees are rounded as text is, not as a float.
    collection["features"][0]["geometry"]["coordinates"] = [[[0.00000015, 0], [1, 0], [0, 1]]]
    path.write_text(json.dumps(collection))
    assert regions(path).edges[0, 1] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "could be read"),
        ('{"type": "FeatureCollection"}', "KeyError"),
        ('{"type": "Topology", "objects": {"a": {"geometries": []}}, "arcs": []}', "no regions"),
        ('{"type": "FeatureCollection", "features": [{"properties": {}, "geometry": null}]}',
         "has no name"),
        ('{"type": "FeatureCollection", "features": [{"properties": {"name": "x"}, "geometry":'
         ' {"type": "Point", "coordinates": [1, 2]}}]}', "is a Point"),
    ],
)  # fmt: skip
def test_files_without_regions_are_refused(tmp_path, text, says):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ContractError) as refused:
        regions(path)
    assert says in f"{refused.value} {refused.value.got}"
