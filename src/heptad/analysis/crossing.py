# SPDX-License-Identifier: Apache-2.0
"""The even-odd rule in whole numbers, for fences and for regions alike."""

from __future__ import annotations

from typing import Any

from numba import njit


def _crosses(lat: Any, lon: Any, a: Any, x: Any, b: Any, y: Any) -> Any:
    """Tell whether a ray from a place to the east crosses an edge; lower ends belong to edges.

    Args:
        lat: of the place, 1e-7 degrees, as all.
        lon: of the place.
        a: latitude of one end of the edge.
        x: its longitude.
        b: latitude of the other end.
        y: its longitude.
    """
    if (a > lat) == (b > lat):
        return False
    left = (lon - x) * (b - a)
    right = (y - x) * (lat - a)
    return (left < right) == (b > a) and left != right


crosses: Any = njit(_crosses)
