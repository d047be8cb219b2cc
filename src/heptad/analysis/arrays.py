# SPDX-License-Identifier: Apache-2.0
"""The array types that every algorithm shares, and the checks on what comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Column: TypeAlias = NDArray[Any]
Table: TypeAlias = Mapping[str, ArrayLike] | NDArray[Any]


def column(values: ArrayLike, name: str = "column") -> Column:
    """Bring one column into one of the two forms that the algorithms know.

    Args:
        values: (n,) numbers, flags or text; None and NaN are missing. Objects may mix numbers
            with None, or text with None, not numbers with text.
        name: what errors call it.

    Returns:
        (n,) float64 with NaN for missing, or (n,) objects: str, with None for missing.

    Raises:
        ContractError: if it is not one-dimensional, or mixes numbers and text, or holds times.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ContractError(f"{name} must be one column.", got=f"shape {array.shape}")
    if array.dtype.kind in "fiub":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind in "UT":
        array = array.astype(object)
    if array.dtype.kind != "O":
        raise ContractError(
            f"{name} must hold numbers or text.",
            got=str(array.dtype),
            do="turn times into an age in days and bytes into text.",
        )
    return _objects(array, name)


def _objects(array: Column, name: str) -> Column:
    kinds = set(map(type, array))
    if kinds <= {str, type(None)}:
        return array
    missing = [v is None or v != v for v in array]  # noqa: PLR0124  NaN differs from itself
    present = {type(v) for v, gone in zip(array, missing, strict=True) if not gone}
    if present and all(issubclass(kind, str) for kind in present):
        text = np.empty(len(array), dtype=object)
        text[:] = [None if gone else str(v) for v, gone in zip(array, missing, strict=True)]
        return text
    if any(issubclass(kind, (str, bytes)) for kind in present):
        raise ContractError(
            f"{name} mixes numbers and text.",
            got=", ".join(sorted(kind.__name__ for kind in present)),
            do="give one kind of value per column; None is missing.",
        )
    try:
        return np.array(
            [np.nan if gone else float(v) for v, gone in zip(array, missing, strict=True)],
            dtype=np.float64,
        )
    except TypeError as error:
        raise ContractError(f"{name} must hold numbers or text.", got=str(error)) from error


def columns(table: Table, names: Sequence[str] | None = None) -> dict[str, Column]:
    """Take a table apart into named columns.

    Args:
        table: a mapping of (n,) columns, a structured array, or (n, p) values with `names`.
            Anything with `columns` and item access by name works too (pandas, polars).
        names: names of the columns of a plain array; for the others, which to take.

    Returns:
        name → (n,) column, as `column` gives it, in the order of the table or of `names`.

    Raises:
        ContractError: if a name is absent, there are no columns, or lengths differ.
    """
    parts = _parts(table, names)
    result = {str(name): column(values, str(name)) for name, values in parts}
    lengths = {name: len(values) for name, values in result.items()}
    if len(set(lengths.values())) != 1:
        raise ContractError("All columns must have the same length.", got=lengths or "no column")
    return result


def _parts(table: Any, names: Sequence[str] | None) -> Iterable[tuple[str, ArrayLike]]:
    if not isinstance(table, Mapping) and not hasattr(table, "columns"):
        table = np.asarray(table)
    if isinstance(table, np.ndarray) and table.dtype.names is None:
        if table.ndim != 2 or (names is not None and len(names) != table.shape[1]):
            raise ContractError(
                "A plain array needs one row per case and one name per column.",
                got=f"shape {table.shape}, {len(names or ())} names",
                do="pass a mapping of named columns, or set `names`.",
            )
        names = [f"x{i}" for i in range(table.shape[1])] if names is None else names
        return [(name, table[:, i]) for i, name in enumerate(names)]
    if isinstance(table, np.ndarray):
        held: Sequence[str] = table.dtype.names or ()
    else:
        held = list(table if isinstance(table, Mapping) else table.columns)
    absent = [name for name in names or () if name not in held]
    if absent:
        raise ContractError(f"Column {absent[0]} is absent.", got=list(held))
    return [(name, table[name]) for name in (held if names is None else names)]


def target(y: ArrayLike) -> Array:
    """Check outcomes: (n,) of 0 and 1 (1 is the bad event), both present.

    Raises:
        ContractError: if anything else is in it, or only one class.
    """
    values = np.asarray(y)
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        raise ContractError("Outcomes must be one column of 0 and 1.", got=str(values.dtype))
    result = values.astype(np.float64)
    if not np.isin(result, (0.0, 1.0)).all():
        odd = result[~np.isin(result, (0.0, 1.0))][0]
        raise ContractError("Outcomes must be 0 or 1.", got=float(odd), do="1 marks the bad event.")
    if len(result) == 0 or result.min() == result.max():
        raise ContractError(
            "Outcomes of both kinds are needed.", got=f"{len(result)} rows, {int(result.sum())} bad"
        )
    return result


def weights(values: ArrayLike | None, n: int) -> Array:
    """Check sample weights: (n,) finite and not negative; None is 1 each.

    Raises:
        ContractError: if the length differs or a weight is negative or not finite.
    """
    if values is None:
        return np.ones(n)
    result = np.asarray(values, dtype=np.float64)
    if result.shape != (n,):
        raise ContractError("One weight per row is needed.", got=f"shape {result.shape}, {n} rows")
    if not (np.isfinite(result).all() and (result >= 0).all()):
        raise ContractError("Weights must be finite and not negative.", got=float(result.min()))
    return result


def numbers(values: ArrayLike, name: str) -> Array:
    """Check (n,) numbers without missing values, at least one.

    Raises:
        ContractError: if empty, not one-dimensional, or NaN is in it.
    """
    result = np.asarray(values, dtype=np.float64)
    if result.ndim != 1 or len(result) == 0:
        raise ContractError(f"{name} must be one column with a value.", got=f"shape {result.shape}")
    if np.isnan(result).any():
        raise ContractError(f"{name} must not have missing values.", got="NaN")
    return result


def outcomes(y: ArrayLike, score: ArrayLike) -> tuple[Array, Array]:
    """Check outcomes (n,) against scores (n,) of the same length.

    Raises:
        ContractError: as `target` and `numbers`, or if the lengths differ.
    """
    labels, values = target(y), numbers(score, "score")
    if len(labels) != len(values):
        raise ContractError(
            "Outcomes and scores must have the same length.", got=f"{len(labels)}, {len(values)}"
        )
    return labels, values
