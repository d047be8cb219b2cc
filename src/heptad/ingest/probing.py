# SPDX-License-Identifier: Apache-2.0
"""The compiled loop of a hash table with linear probing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numba import njit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@njit("int64(int64[::1], int64[::1], boolean[::1])", cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def insert(table: NDArray[np.int64], keys: NDArray[np.int64], fresh: NDArray[np.bool_]) -> int:
    """Put keys into a table with room for them; return how many were not there.

    Args:
        table: (2^b,) keys, 0 where there is none.
        keys: (n,) any numbers; 0 counts as 1.
        fresh: (n,) set to whether each key was not there before.
    """
    mask = len(table) - 1
    count = 0
    for row in range(len(keys)):
        key = keys[row]
        if key == 0:
            key = 1
        place = key & mask
        while table[place] != 0 and table[place] != key:
            place = (place + 1) & mask
        fresh[row] = table[place] == 0
        if fresh[row]:
            table[place] = key
            count += 1
    return count
