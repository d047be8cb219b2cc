# SPDX-License-Identifier: Apache-2.0
"""Recommendation, the models: ratings, clicks, cold cases and loss curves.

The long trainings are kept as they end (`benchmarks.fits`): a second run goes on where the first
was stopped, and other processes may do some of them.
"""

from __future__ import annotations

from benchmarks.recommend_als import als_fits, als_row
from benchmarks.recommend_clicks import clicks_fits
from benchmarks.recommend_clicks_rows import clicks_row
from benchmarks.recommend_cold import cold_fits
from benchmarks.recommend_next import next_fits
from benchmarks.recommend_next_rows import next_item
from benchmarks.recommend_ratings import ratings_fits
from benchmarks.recommend_ratings_rows import cold_row, curves_row, ratings_row
from benchmarks.recommend_serving import serving_fits
from benchmarks.recommend_serving_rows import serving

ROWS = {
    "als": als_row,
    "clicks": clicks_row,
    "cold": cold_row,
    "ratings": ratings_row,
    "curves": curves_row,
    "next_item": next_item,
    "serving": serving,
}
FITS = (ratings_fits, cold_fits, clicks_fits, next_fits, serving_fits, als_fits)
