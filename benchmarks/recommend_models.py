# SPDX-License-Identifier: Apache-2.0
"""Recommendation, the models: ratings, clicks, cold cases and loss curves.

The long trainings are kept in `benchmarks/results/recommend-*.json` as they come, with the hash of
their code: a second run goes on where the first was stopped.
"""

from __future__ import annotations

from benchmarks.recommend_clicks import clicks_row
from benchmarks.recommend_ratings import cold_row, curves_row, ratings_row

ROWS = {
    "clicks": clicks_row,
    "cold": cold_row,
    "ratings": ratings_row,
    "curves": curves_row,
}
