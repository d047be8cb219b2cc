# SPDX-License-Identifier: Apache-2.0
"""Recommendation on arrays: recall, ranking, re-ranking and how each is judged.

A model of recall is fitted on `Interactions` and answers `scores(histories)`: (m, items) float64
for m rows of what somebody did. It knows no users, so that a new event changes the next answer and
a new person is served like an old one. A ranker answers `score(user_rows, item_rows, context)`.
"""
