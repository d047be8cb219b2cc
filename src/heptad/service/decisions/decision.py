# SPDX-License-Identifier: Apache-2.0
"""Decisions: what is recorded of each, its canonical bytes, and how two records are compared."""

from __future__ import annotations

import hashlib
import math
import os
import platform as machine
import sys
from dataclasses import asdict, dataclass, field, fields
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from heptad.service.app import Inputs, Outcome, Plain, Reason, Score
from heptad.service.operators.definitions import hash_of
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.service.app import App


@dataclass(frozen=True)
class Decision:
    """One decision, with everything that is needed to explain and to replay it.

    Attributes:
        id: idempotency key; the same id always names the same decision.
        app, on, row_key: the application, and the row that asked.
        subject: whom it is about, `Table:key`.
        event_time, known_time: t and k, microseconds.
        outcome, reasons, amounts: what was decided and why.
        features, row, policy, score: the inputs.
        model, code, definitions: hashes of the model's bytes, the application's files and the
            feature definitions.
        tables: version of each table read.
        purpose, basis: under which the data were read.
        decided_at: when it was made, microseconds; k tells what it could rest on.
        propensity: probability with which the outcome was chosen; 1 where nothing is drawn.
        environment: what the bit-for-bit promise of `replay` holds for.
        request: keyed hash of the request's body, where its caller gave the id; else "".
    """

    id: str
    app: str
    on: str
    row_key: str
    subject: str
    event_time: int
    known_time: int
    outcome: str
    reasons: Sequence[Reason]
    amounts: Mapping[str, int]
    features: Mapping[str, Plain]
    row: Mapping[str, Plain]
    policy: Mapping[str, Plain]
    score: Score | None
    model: str
    code: str
    definitions: str
    tables: Mapping[str, int]
    purpose: str
    basis: str
    decided_at: int
    propensity: float = 1.0
    environment: Mapping[str, str] = field(default_factory=dict)
    request: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data."""
        return asdict(self)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: JSON, keys sorted, shortest exact floats."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        import msgspec

        self._refuse_nan()
        return msgspec.json.encode(self, order="sorted")

    def _refuse_nan(self) -> None:
        """Refuse numbers that JSON cannot carry, naming where they stand."""
        parts = [("features", self.features), ("row", self.row), ("policy", self.policy)]
        parts += [(f"reason {r.code}", r.numbers) for r in self.reasons]
        if self.score is not None:
            parts.append(("score", {"probability": self.score.probability}))
        for place, values in parts:
            for name, value in values.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise ContractError(
                        f"A decision holds finite numbers only: {place}.{name}.", got=value
                    )

    @classmethod
    def from_bytes(cls, data: bytes) -> Decision:
        """Read a record back."""
        import msgspec

        raw = msgspec.json.decode(data)
        raw["reasons"] = tuple(Reason(r["code"], r["numbers"]) for r in raw["reasons"])
        if raw["score"] is not None:
            score = raw["score"]
            raw["score"] = Score(
                score["probability"], score["points"], [(n, p) for n, p in score["contributions"]]
            )
        return cls(**raw)

    def inputs(self) -> Inputs:
        """Return what `decide` saw."""
        return Inputs(self.features, self.row, self.policy, self.score, self.known_time)

    def public(self) -> dict[str, Any]:
        """Return what stays readable when the subject has been erased."""
        names = ("id", "app", "on", "row_key", "event_time", "known_time", "outcome", "model", "code",
                 "definitions", "tables", "purpose", "basis", "decided_at", "request")  # fmt: skip
        kept = {name: getattr(self, name) for name in names}
        return kept | {"reasons": [r.code for r in self.reasons]}


def decision_id(app: str, table: str, row_key: str, known_time: int) -> str:
    """Return the id of a decision that nobody gave one: a hash of what it decides on."""
    text = f"{app}\0{table}\0{row_key}\0{known_time}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def definitions_version(app: App) -> str:
    """Return a hash over all feature definitions of an application."""
    return hash_of({name: feature.version() for name, feature in app.features.items()})


def differences(then: Decision, now: Outcome, score: Score | None) -> list[str]:
    """Name what a second run of `decide` answered otherwise; empty if nothing, bit for bit."""
    found = []
    if then.outcome != now.outcome:
        found.append(f"outcome: {then.outcome} then, {now.outcome} now")
    if _bits(then.reasons) != _bits(now.reasons):
        was, is_ = [r.code for r in then.reasons], [r.code for r in now.reasons]
        found.append(f"reasons: {was} then, {is_} now")
    if dict(then.amounts) != dict(now.amounts):
        found.append(f"amounts: {dict(then.amounts)} then, {dict(now.amounts)} now")
    if _bits(then.score) != _bits(score):
        found.append(f"score: {then.score} then, {score} now")
    return found


def changed(then: Mapping[str, Plain], now: Mapping[str, Plain]) -> list[str]:
    """Name the features whose value differs, bit for bit."""
    names = sorted({*then, *now})
    return [n for n in names if _bits(then.get(n)) != _bits(now.get(n))]


def _bits(value: Any) -> bytes:
    """Return bytes that are equal exactly when two plain values are."""
    import msgspec

    return msgspec.json.encode(value, order="sorted")


@cache
def environment() -> dict[str, str]:
    """Return what bits may depend on: versions of the code that computes, and the CPU's class."""
    found = {"python": sys.version.split()[0], "cpu": _cpu_class(), "os": os.name}
    for name in ("heptad", "numpy", "scipy", "numba", "pyarrow", "duckdb", "deltalake", "lightgbm"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _cpu_class() -> str:
    """Return the architecture and the widest vector instructions that numpy may use on it."""
    known = import_module("numpy._core._multiarray_umath").__cpu_features__
    levels = ("X86_V4", "AVX512F", "X86_V3", "AVX2", "ASIMD")
    widest = next((name for name in levels if known.get(name)), "plain")
    return f"{machine.machine()} {widest}"


RECORDED = frozenset(f.name for f in fields(Decision))
"""Names of everything that a record holds."""
