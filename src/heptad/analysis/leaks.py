# SPDX-License-Identifier: Apache-2.0
"""Whether a training set tells what nobody could have known, so that its figures mislead."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import Array, Codes, Column, Table, columns, target
from heptad.analysis.binning import cut_apart
from heptad.analysis.evaluation import auc
from heptad.analysis.histogram import code_column, spread
from heptad.analysis.intervals import Interval, delong
from heptad.analysis.logistic import fit_logistic
from heptad.analysis.scorecard import Scorecard
from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike

DECISION_NAMES = (
    r"(^|_)(int|interest)_?rate|(^|_)apr(_|$)|coupon|(^|_)spread(_|$)|(^|_)margin(_|$)"
    r"|(^|_)price(_|$)|pricing|(^|_)(sub_?)?grade(_|$)|risk_?(class|band|grade|rating)"
    r"|internal_?(score|rating)|(^|_)decision|approved|underwrit"
)
AFTERMATH_NAMES = (
    r"recover|ch(ar)?ge?_?off|writ(e|ten)_?off|(^|_)last_(pymnt|payment|fico)"
    r"|total_(pymnt|payment|rec)|(^|_)out_prncp|collection|days_?past_?due|(^|_)dpd"
    r"|default_?date|settlement|closed_?(at|date)|hardship"
)


@dataclass(frozen=True)
class Limits:
    """When a finding is made.

    A share is of the model's Gini: (AUC - 0.5) over (AUC of all columns - 0.5).

    Attributes:
        certain: a column whose AUC alone lies above this with its whole 95 % interval was written
            after the outcome; on few rows the interval is wide, and it is told only.
        carries: a column that alone has this share, and without which, and its look-alikes,
            `loses` of it is gone, carries somebody else's verdict.
        loses: see `carries`.
        named: the share that suffices alone where the name says that the lender made it.
        alike: correlation of evidence from which columns are look-alikes.
        rows: most rows read, evenly taken.
        late: share of the latest decisions held out in time.
        fades: how far AUC may fall on them, beyond its interval, before that is told.
    """

    certain: float = 0.95
    carries: float = 0.90
    loses: float = 0.10
    named: float = 0.60
    alike: float = 0.70
    rows: int = 20_000
    late: float = 0.30
    fades: float = 0.02


@dataclass(frozen=True)
class Finding:
    """One thing found: its kind, the columns, a sentence and the numbers behind it.

    Kinds: "certain", "late", "verdict", "aftermath", "undated" refuse; "perhaps", "named",
    "cleared" and "fading" only tell.
    """

    kind: str
    columns: tuple[str, ...]
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def refuses(self) -> bool:
        """Whether figures may not be quoted because of it."""
        return self.kind not in {"perhaps", "named", "cleared", "fading"}


@dataclass(frozen=True)
class Leaks:
    """What the checker found.

    Attributes:
        findings: in the order of the checks.
        quotable: whether the level of figures on this set may be quoted.
        comparable: whether at least models may be compared on it, in the same folds: nothing
            but dates is wanting.
        why: one sentence.
        auc: of all columns together, cross-validated.
        alone: AUC of each column alone, out of fold.
        out_of_time: AUC on the latest decisions after training on the earlier, if dated.
        rows: rows read.
    """

    findings: tuple[Finding, ...]
    quotable: bool
    comparable: bool
    why: str
    auc: float
    alone: dict[str, float]
    out_of_time: Interval | None
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a catalog or JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Evidence:
    """Out-of-fold evidence (n, p) of named columns, and a way to weigh some of them."""

    names: tuple[str, ...]
    x: Array
    y: Array
    part: Codes

    def auc(self, names: Collection[str]) -> float:
        """The cross-validated AUC of some columns together; 0.5 of none."""
        at = [i for i, name in enumerate(self.names) if name in names]
        if not at:
            return 0.5
        x = self.x[:, at]
        z = np.empty(len(self.y))
        for fold in range(int(self.part.max()) + 1):
            held = self.part == fold
            model = fit_logistic(x[~held], self.y[~held], positive=True)
            z[held] = model.decision_function(x[held])
        return auc(self.y, z)

    def alike(self, name: str, names: Sequence[str], least: float) -> tuple[str, ...]:
        """The columns whose evidence goes with that of `name`, itself included."""
        mine = self.x[:, self.names.index(name)]
        found = []
        for other in names:
            theirs = self.x[:, self.names.index(other)]
            if other == name or abs(_correlation(mine, theirs)) >= least:
                found.append(other)
        return tuple(found)


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0


def check_leaks(
    table: Table,
    y: ArrayLike,
    *,
    decided_at: ArrayLike | None = None,
    known_at: Mapping[str, ArrayLike] | None = None,
    cleared: Collection[str] = (),
    limits: Limits | None = None,
) -> Leaks:
    """Look for columns that carry the outcome or the lender's own decision.

    Four questions: does one column nearly tell the outcome; does one column, with its
    look-alikes, carry nearly all that the model knows, as a price or a grade does; was a value
    known only after the decision; are there dates, so that the latest cases can be held out?

    Args:
        table: named columns, as `Scorecard.fit` takes them.
        y: (n,) 1 bad, 0 good.
        decided_at: (n,) instants of the decisions in microseconds; None if unknown.
        known_at: column → (n,) instants at which its values became known.
        cleared: columns of which you know that they were there before the decision and are not
            the lender's own verdict; they are told, but do not refuse.
        limits: when a finding is made.

    Raises:
        ContractError: if columns, outcomes or times do not fit together, or a class has fewer
            than 20 cases.
    """
    limits = limits or Limits()
    held, labels = columns(table), target(y)
    times = None if decided_at is None else _instants(decided_at, len(labels), "decided_at")
    _check(held, labels, [*(known_at or ()), *cleared])
    findings = list(_late(held, times, known_at or {}))
    rows = _sample(labels, limits.rows)
    evidence = _evidence(held, labels, rows)
    alone = {n: auc(evidence.y, evidence.x[:, i]) for i, n in enumerate(evidence.names)}
    findings += _certain(evidence, alone, limits)
    gone = {name for finding in findings if finding.refuses for name in finding.columns}
    rest = [name for name in evidence.names if name not in gone]
    findings += _verdicts(evidence, alone, rest, cleared, limits)
    later = _out_of_time({n: held[n] for n in rest}, labels, times, limits)
    if later is None:
        findings.append(_undated(times))
    else:
        findings += _fading(evidence.auc(rest), later, limits)
    refusing = [finding for finding in findings if finding.refuses]
    return Leaks(
        findings=tuple(findings),
        quotable=not refusing,
        comparable=all(finding.kind == "undated" for finding in refusing),
        why=_why(refusing),
        auc=evidence.auc(evidence.names),
        alone=alone,
        out_of_time=later,
        rows=len(rows),
    )


def _check(held: Mapping[str, Column], y: Array, named: Sequence[str]) -> None:
    for name in named:
        if name not in held:
            raise ContractError("A column named is absent.", got=name, do=suggest(name, held))
    if len(next(iter(held.values()))) != len(y):
        raise ContractError("One outcome per row is needed.", got=f"{len(y)} outcomes")
    if min(y.sum(), len(y) - y.sum()) < 20:
        raise ContractError(
            "A leak check needs 20 cases of each kind.",
            got=f"{int(y.sum())} bad, {int(len(y) - y.sum())} good",
        )


def _instants(values: ArrayLike, n: int, name: str) -> Codes:
    times = np.asarray(values)
    if times.shape != (n,) or times.dtype.kind not in "iu":
        raise ContractError(
            f"{name} must be one instant per row, in microseconds.",
            got=f"{times.dtype}, shape {times.shape}",
        )
    return times.astype(np.int64)


def _sample(y: Array, most: int) -> Codes:
    """At most `most` rows, evenly spaced within each class."""
    if len(y) <= most:
        return np.arange(len(y), dtype=np.int64)
    places = [np.flatnonzero(y == kind) for kind in (0, 1)]
    counts = [max(20, len(place) * most // len(y)) for place in places]
    pairs = zip(places, counts, strict=True)
    chosen = [place[np.arange(count) * len(place) // count] for place, count in pairs]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _evidence(held: Mapping[str, Column], y: Array, rows: Codes) -> _Evidence:
    labels = y[rows]
    part = spread(labels, 10)
    x = np.empty((len(rows), len(held)))
    for i, (name, values) in enumerate(held.items()):
        finite = np.where(np.isinf(values), np.nan, values) if values.dtype != object else values
        cells = code_column(finite[rows], name=name)
        x[:, i] = -cut_apart(cells, labels, part=part, name=name)[1]
    folds = spread(labels, 5)
    if folds is None:
        raise ContractError("A leak check needs 20 cases of each kind.", got=int(labels.sum()))
    return _Evidence(tuple(held), x, labels, folds)


def _late(
    held: Mapping[str, Column], decided: Codes | None, known_at: Mapping[str, ArrayLike]
) -> list[Finding]:
    if decided is None:
        if known_at:
            raise ContractError("known_at needs decided_at.", do="give the decisions' instants.")
        return []
    findings = []
    for name, values in known_at.items():
        known = _instants(values, len(held[name]), f"known_at[{name!r}]")
        there = np.array([v is not None and v == v for v in held[name].tolist()])  # noqa: PLR0124
        after = there & (known > decided)
        if after.any():
            share = float(after.sum() / there.sum())
            sentence = (
                f"{name} was known only after the decision in {int(after.sum())} of "
                f"{int(there.sum())} rows that have it."
            )
            findings.append(Finding("late", (name,), sentence, {"share": share}))
    return findings


def _certain(evidence: _Evidence, alone: Mapping[str, float], limits: Limits) -> Iterator[Finding]:
    """Columns that alone tell the outcome; with few rows, that perhaps do."""
    for i, (name, value) in enumerate(alone.items()):
        if value <= limits.certain:
            continue
        found = delong(evidence.y, evidence.x[:, i])
        sure = found.low > limits.certain
        said = f"{name} alone tells bad from good with AUC {value:.3f} ({found.low:.3f} to "
        said += f"{found.high:.3f} at 95 %, {len(evidence.y):,} rows), "
        said += (
            f"above {limits.certain}: it knows the outcome."
            if sure
            else (f"which may lie above {limits.certain} or below: look where it comes from.")
        )
        numbers = {"auc": value, "low": found.low, "high": found.high}
        yield Finding("certain" if sure else "perhaps", (name,), said, numbers)


def _verdicts(
    evidence: _Evidence,
    alone: Mapping[str, float],
    names: Sequence[str],
    cleared: Collection[str],
    limits: Limits,
) -> list[Finding]:
    """Columns that carry somebody's verdict, strongest first, each set of look-alikes once."""
    whole = evidence.auc(names)
    findings: list[Finding] = []
    done: set[str] = set()
    for name in sorted(names, key=lambda n: -alone[n]):
        kind = _suspicion(name)
        share = (alone[name] - 0.5) / max(whole - 0.5, 0.01)
        if name in done or (kind is None and share < limits.carries):
            continue
        alike = evidence.alike(name, [n for n in names if n not in done], limits.alike)
        left = evidence.auc([n for n in names if n not in alike])
        lost = (whole - left) / max(whole - 0.5, 0.01)
        numbers = {"alone": alone[name], "all": whole, "without": left}
        proven = share >= limits.carries and lost >= limits.loses
        if kind is not None:
            proven = proven or (share >= limits.named and lost > 0)
        if proven:
            done |= set(alike)
            found = "cleared" if name in cleared else kind or "verdict"
        elif kind is not None:
            alike, found = (name,), "named"
        else:
            continue
        findings.append(Finding(found, alike, _told(found, name, alike, numbers), numbers))
    return findings


def _suspicion(name: str) -> str | None:
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower()
    if re.search(AFTERMATH_NAMES, plain):
        return "aftermath"
    return "verdict" if re.search(DECISION_NAMES, plain) else None


_MEANING = {
    "verdict": "carries a verdict on the case, such as the lender's own price, grade or term",
    "aftermath": "speaks of what came after the decision, by its name",
    "cleared": "carries nearly all that the model knows, and you have cleared it",
    "named": "may be the lender's own, or later than the decision, by its name; "
    "its weight is small",
}


def _told(kind: str, name: str, alike: Sequence[str], numbers: Mapping[str, float]) -> str:
    others = [other for other in alike if other != name]
    also = f" (and {', '.join(others)} with it)" if others else ""
    return (
        f"{name}{also} {_MEANING[kind]}: alone AUC {numbers['alone']:.3f}, all columns "
        f"{numbers['all']:.3f}, without it {numbers['without']:.3f}."
    )


def _out_of_time(
    held: Mapping[str, Column], y: Array, decided: Codes | None, limits: Limits
) -> Interval | None:
    """The AUC on the latest decisions of a card trained on earlier ones, if that can be had."""
    if decided is None or not held:
        return None
    edge = np.sort(decided)[int(len(decided) * (1 - limits.late))]
    early, late = decided < edge, decided >= edge
    if any(min(y[some].sum(), some.sum() - y[some].sum()) < 20 for some in (early, late)):
        return None
    finite = {
        name: np.where(np.isinf(v), np.nan, v) if v.dtype != object else v
        for name, v in held.items()
    }
    card = Scorecard().fit({name: v[early] for name, v in finite.items()}, y[early])
    return delong(y[late], -card.totals({n: v[late] for n, v in finite.items()}).astype(np.float64))


def _undated(decided: Codes | None) -> Finding:
    reason = (
        "There are no dates of decision"
        if decided is None
        else "The latest decisions cannot be held out, having too few dates or cases of each kind"
    )
    return Finding(
        "undated", (), f"{reason}: the level of these figures says nothing about the future."
    )


def _fading(whole: float, later: Interval, limits: Limits) -> list[Finding]:
    if later.high >= whole - limits.fades:
        return []
    sentence = (
        f"Cross-validation says AUC {whole:.3f}, the latest decisions {later.value:.3f}: "
        "quote the latter."
    )
    return [Finding("fading", (), sentence, {"all": whole, "late": later.value})]


def _why(refusing: Sequence[Finding]) -> str:
    if not refusing:
        return "Nothing was found, and the latest decisions could be held out in time."
    return " ".join(finding.sentence for finding in refusing)
