# SPDX-License-Identifier: Apache-2.0
"""Operators of the kernel on what happened: how varied, in which order, how regularly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.features import ask
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.service.features import Feature
    from heptad.standards import Field

_MOST = 1000


def distinct(of: Field, **clauses: Any) -> Feature:
    """Count the different values of `of`."""
    return ask("distinct", of, clauses)


def percentile(of: Field, q: float, **clauses: Any) -> Feature:
    """Smallest `of` that at least a fraction q of the values do not exceed; q in millionths."""
    if not 0 <= q <= 1:
        raise ContractError("A percentile is a fraction between 0 and 1.", got=q)
    return ask("percentile", of, clauses | {"q": q})


def most_common(of: Field, **clauses: Any) -> Feature:
    """The value met most often; ties go to the one met last."""
    return ask("most_common", of, clauses)


def top(of: Field, n: int, **clauses: Any) -> Feature:
    """The n values met most often, most frequent first; ties go to the one met last."""
    return ask("top", of, clauses | {"n": _some(n)})


def entropy(of: Field, **clauses: Any) -> Feature:
    """Shannon entropy of the values, in bits."""
    return ask("entropy", of, clauses)


def previous(of: Field, k: int = 1, **clauses: Any) -> Feature:
    """The value k rows before the latest that has one."""
    if k < 0:
        raise ContractError("A previous value lies k rows back, 0 for the latest.", got=k)
    return ask("previous", of, clauses | {"k": k})


def sequence(of: Field, n: int, **clauses: Any) -> Feature:
    """The last n values, oldest first."""
    return ask("sequence", of, clauses | {"n": _some(n)})


def trend(of: Field, **clauses: Any) -> Feature:
    """Slope of the least-squares line through the values, in the stored unit per day."""
    return ask("trend", of, clauses)


def decayed(of: Field, half: int, **clauses: Any) -> Feature:
    """Sum of the values (rows, where `of` is no number), halved for every `half` that passed.

    Args:
        of: what is added up.
        half: microseconds after which a value counts half.
        **clauses: those of every feature.
    """
    if half <= 0:
        raise ContractError("A half-life is longer than nothing.", got=half)
    return ask("decayed", of, clauses | {"half": half})


def streak(of: Field, **clauses: Any) -> Feature:
    """How many of the latest rows in a row have `where` true."""
    return ask("streak", of, clauses)


def gap(of: Field, **clauses: Any) -> Feature:
    """Longest time between two rows that follow each other, in whole seconds."""
    return ask("gap", of, clauses)


def _some(n: int) -> int:
    if not 1 <= n <= _MOST:
        raise ContractError(f"A list has between 1 and {_MOST} values.", got=n)
    return n
