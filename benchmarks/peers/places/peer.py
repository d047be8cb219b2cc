# SPDX-License-Identifier: Apache-2.0
"""What geopandas and SedonaDB answer about places; run by an environment of their own.

`python peer.py WORK IN.npz OUT.npz`. Each work answers pairs (i of the place, j of what it joins),
sorted, and the seconds on the wall and of CPU from arrays of degrees to arrays of pairs.
"""

from __future__ import annotations

import sys
import time

import geopandas as gpd  # noqa: TID253 - this is its environment
import numpy as np
import pandas as pd
import shapely

RADIUS = 6_371_008.8


def countries(held):
    """Polygons from rings; the first ring of a part is its shell, the others are holes."""
    at, corners = held["ring_at"], held["corners"]
    parts: dict[tuple[int, int], list] = {}
    for n, (part, region) in enumerate(zip(held["part"], held["region"], strict=True)):
        parts.setdefault((region, part), []).append(corners[at[n] : at[n + 1], ::-1] / 1e7)
    shapes: dict[int, list] = {}
    for (region, _), (shell, *holes) in parts.items():
        shapes.setdefault(region, []).append(shapely.Polygon(shell, holes))
    made = shapely.make_valid([shapely.MultiPolygon(of) for of in shapes.values()])
    return gpd.GeoDataFrame({"j": list(shapes)}, geometry=made)


def timed(work):
    """Do the work twice; the second is measured, when everything is loaded."""
    work()
    start, cpu = time.perf_counter(), time.process_time()
    i, j = work()
    took = [time.perf_counter() - start, time.process_time() - cpu]
    order = np.lexsort((j, i))
    return {"i": np.asarray(i)[order], "j": np.asarray(j)[order], "took": np.array(took)}


def geopandas_regions(held):
    """`sjoin` of points with polygons."""
    shapes = countries(held)

    def work():
        points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(held["lons"], held["lats"]))
        found = gpd.sjoin(points, shapes, predicate="within", how="inner")
        return found.index.to_numpy(), found["j"].to_numpy()

    return timed(work)


def geopandas_points(held):
    """`sjoin` with boxes around the points, then the haversine formula."""

    def work():
        up = np.degrees(held["metres"] / RADIUS) * 1.001
        lat, lon = held["point_lats"], held["point_lons"]
        across = up / np.cos(np.radians(np.minimum(np.abs(lat) + up, 89.9)))
        boxes = gpd.GeoDataFrame(
            {"j": np.arange(len(lat))},
            geometry=shapely.box(lon - across, lat - up, lon + across, lat + up),
        )
        points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(held["lons"], held["lats"]))
        found = gpd.sjoin(points, boxes, predicate="within", how="inner")
        i, j = found.index.to_numpy(), found["j"].to_numpy()
        near = haversine(held["lats"][i], held["lons"][i], lat[j], lon[j]) <= held["metres"]
        return i[near], j[near]

    return timed(work)


def haversine(lat, lon, to_lat, to_lon):
    """Metres along great circles."""
    lat, lon, to_lat, to_lon = map(np.radians, (lat, lon, to_lat, to_lon))
    chord = (
        np.sin((to_lat - lat) / 2) ** 2
        + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    )
    return 2 * RADIUS * np.arcsin(np.sqrt(chord))


def places(held, name):
    """A frame of numbered places."""
    prefix = "" if name == "i" else "point_"
    lats, lons = held[f"{prefix}lats"], held[f"{prefix}lons"]
    return pd.DataFrame({name: np.arange(len(lats)), "lat": lats, "lon": lons})


def asked_of_sedona(views, sql):
    """Ask SedonaDB, which takes both cores."""
    import sedonadb

    context = sedonadb.connect()
    for name, frame in views.items():
        context.create_data_frame(frame).to_view(name)

    def work():
        found = context.sql(sql).to_pandas()
        return found["i"].to_numpy(), found["j"].to_numpy()

    return timed(work)


def sedona_regions(held):
    """A join by `ST_Contains`."""
    views = {"places": places(held, "i"), "countries": countries(held)}
    return asked_of_sedona(views, (
        "SELECT p.i, c.j FROM places p JOIN countries c "
        "ON ST_Contains(c.geometry, ST_Point(p.lon, p.lat))"
    ))  # fmt: skip


def sedona_points(held):
    """A join by `ST_DWithin` on the sphere."""
    views = {"places": places(held, "i"), "points": places(held, "j")}
    return asked_of_sedona(views, (
        "SELECT p.i, q.j FROM places p JOIN points q ON ST_DWithin(ST_GeogPoint(p.lon, p.lat), "
        f"ST_GeogPoint(q.lon, q.lat), {float(held['metres'])})"
    ))  # fmt: skip


if __name__ == "__main__":
    work, source, to = sys.argv[1:]
    with np.load(source) as file:
        answer = globals()[work]({name: file[name] for name in file.files})
    np.savez(to, **answer)
