# SPDX-License-Identifier: Apache-2.0
"""Train the model of an application on what was known, and judge it on what came later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from heptad.catalog.models import Model as Kept
    from heptad.catalog.models import Models
    from heptad.service.app import App, Estimator, Model, Plain
    from heptad.service.reads.guard import Access
    from heptad.service.reads.reads import Reads

FEWEST = 30
"""Fewest rows of either class to train on."""


@dataclass(frozen=True)
class TrainingSet:
    """Rows with their inputs as known at each row's own instant, and what became of them.

    Attributes:
        columns: input name → (n,) values, NaN or None where missing.
        target: (n,) 0 or 1.
        t: (n,) int64 microseconds, the instants decided at, ascending.
        keys: (n,) keys of the rows.
        people: whom they are about, as the key store names them; each once.
    """

    columns: Mapping[str, Any]
    target: Any
    t: Any
    keys: Sequence[str]
    people: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.target)

    def part(self, chosen: Any) -> TrainingSet:
        """Return the rows chosen by a boolean or index array."""
        keys = np.asarray(self.keys, dtype=object)[chosen].tolist()
        columns = {n: c[chosen] for n, c in self.columns.items()}
        return TrainingSet(columns, self.target[chosen], self.t[chosen], keys)


@dataclass(frozen=True)
class Trained:
    """A model with the evidence for it."""

    estimator: Estimator
    rows: int
    held_out: int
    metrics: Mapping[str, Any]


def column_of(array: pa.Array) -> Any:
    """Turn an Arrow column into what estimators read: float64 with NaN, or objects with None."""
    import pyarrow as pa

    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return np.array(array.to_pylist(), dtype=object)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    return array.cast(pa.float64()).to_numpy(zero_copy_only=False)


def split(data: TrainingSet, held_out: float = 0.3) -> tuple[TrainingSet, TrainingSet]:
    """Part rows into the earlier, that are learned from, and the last, that are measured on.

    Rows of the cut's own instant go to the later part, so that no instant is on both sides.
    """
    data = data.part(np.argsort(data.t, kind="stable"))
    cut = int(len(data) * (1 - held_out))
    edge = data.t[cut] if cut < len(data) else None
    early = data.t < edge if edge is not None else np.ones(len(data), dtype=bool)
    return data.part(early), data.part(~early)


def train(
    model: Model, data: TrainingSet, *, seed: int, held_out: float = 0.3, crosses: int = 0
) -> Trained:
    """Fit on the earlier part of the rows and measure on the later.

    Args:
        model: what to train.
        data: the rows, ascending in t.
        seed: of everything drawn.
        held_out: share of the rows, the last in time, that are only measured on.
        crosses: most crossed features that a scorecard finds; 0 finds none.

    Returns:
        The model fitted on the earlier rows, with its metrics on the later ones beside those of a
        plain logistic regression.

    Raises:
        ContractError: if either part lacks rows of a class, or the model takes no crosses.
    """
    options: dict[str, Any] = {"crosses": crosses} if crosses else {}
    if crosses and "crosses" not in signature(model.estimator.train).parameters:
        raise ContractError(f"The model {model.name} finds no crossed features.", got=crosses)
    fit, test = split(data, held_out)
    for part, name in ((fit, "training"), (test, "held-out")):
        bad = int(part.target.sum())
        if min(bad, len(part) - bad) < FEWEST:
            raise ContractError(
                f"The {name} rows are too few: {len(part)} with {bad} events.",
                got=len(part),
                do=f"load more history; at least {FEWEST} rows of each class are needed",
            )
    estimator = model.estimator.train(fit.columns, fit.target, seed=seed, **options)
    from heptad.analysis.leaks import check_leaks

    leaks = check_leaks(fit.columns, fit.target, decided_at=fit.t, cleared=model.cleared)
    if not leaks.quotable:
        raise ContractError(
            "The training rows leak: " + " ".join(f.sentence for f in leaks.findings),
            do="leave these inputs out of the model",
        )
    return Trained(estimator, len(fit), len(test), judged(estimator, fit, test, seed=seed))


def train_candidate(  # noqa: PLR0913 - what a candidate is known by
    app: App,
    data: TrainingSet,
    models: Models,
    *,
    seed: int,
    trainer: str,
    versions: Mapping[str, int],
    settings: Mapping[str, Any],
) -> Trained:
    """Train the model of an application and register it as a candidate.

    Args:
        app: an application with a model.
        data: what it learns from.
        models: where it is registered.
        seed: of everything drawn.
        trainer: who trains; somebody else must approve.
        versions: table → the version that `data` was read at.
        settings: what else the training was told, kept with the model.

    Raises:
        ContractError: if the application has no model, or the rows are too few or leak.
    """
    if app.model is None:
        raise ContractError(f"{app.name} has no model to train.")
    trained = train(app.model, data, seed=seed, crosses=int(settings.get("crosses", 0)))
    models.register(
        f"{app.name}-{app.model.name}",
        app.name,
        trained.estimator.to_bytes(),
        trainer=trainer,
        metrics=dict(trained.metrics),
        window=(int(data.t.min()), int(data.t.max())),
        features={n: f.version() for n, f in app.features.items()},
        versions=versions,
        settings=settings,
    )
    return trained


def keep_variant(  # noqa: PLR0913 - what a candidate is known by
    models: Models,
    first: Kept,
    estimator: Estimator,
    fit: TrainingSet,
    test: TrainingSet,
    *,
    trainer: str,
    settings: Mapping[str, Any],
) -> Kept:
    """Register another estimator that was fitted on the rows of a model, as a candidate beside it.

    Args:
        models: where it is registered.
        first: the model that it comes from.
        estimator: fitted on `fit`.
        fit: the rows that the first one learned from.
        test: those that it was measured on, later than these.
        trainer: who made it; somebody else must approve.
        settings: what was changed, kept beside the settings of the first.

    Returns:
        The candidate, with its own figures on the rows held out.
    """
    return models.register(
        first.name,
        first.app,
        estimator.to_bytes(),
        trainer=trainer,
        metrics=judged(estimator, fit, test, seed=int(first.settings.get("seed", 0))),
        window=(int(fit.t.min()), int(test.t.max())),
        features=first.features,
        versions=first.versions,
        settings={**first.settings, **settings},
    )


def judged(
    estimator: Estimator, fit: TrainingSet, test: TrainingSet, *, seed: int
) -> dict[str, Any]:
    """Measure a model on held-out rows beside a plain logistic regression fitted on the same.

    Returns:
        Figures with 95 % intervals: `ours` and `logistic` (see `Evaluation`), and `auc_gain`, the
        paired difference of their AUC.
    """
    from heptad.analysis.baselines import plain_logistic
    from heptad.analysis.evaluation import evaluate
    from heptad.analysis.intervals import delong_paired

    ours = estimator.probabilities(test.columns)
    peer = plain_logistic(fit.columns, fit.target, seed=seed)(test.columns)
    gain = delong_paired(test.target, ours, peer)
    return {
        "ours": evaluate(test.target, ours, seed=seed, repeats=500).to_dict(),
        "logistic": evaluate(test.target, peer, seed=seed, repeats=500).to_dict(),
        "auc_gain": asdict(gain),
    }


def gather(
    app: App,
    reads: Reads,
    *,
    until: int,
    known: int,
    nobodys: Sequence[str] = (),
) -> TrainingSet:
    """Gather labelled rows with their inputs as known at each row's own instant.

    Args:
        app: an application with a model.
        reads: rows and features.
        until: rows before this instant, microseconds.
        known: labels known by then, microseconds.
        nobodys: features that rest on what nobody holds, which are not known.

    Raises:
        ContractError: if the application has no model, or no row has a label.
    """
    from heptad.service.batch.history import spine_of
    from heptad.service.decisions.deciding import plain_rows, select_rows, subject_of
    from heptad.service.reads.asof import read_sql

    model = app.model
    if model is None:
        raise ContractError(f"{app.name} has no model to train.")
    found = _labels(model, reads, known)
    if not found:
        raise ContractError(
            f"No {app.on.__name__} has a label {model.target.title} that is known by then.",
            do="load labels, or train later",
        )
    edge = min(until, known - model.matures)
    stored = reads.stored(app.on)
    # A row that was not known by then, or had been taken back, teaches nothing.
    there = read_sql(app.on, stored.relation, t=None, k=known, columns=[app.on.key.name])
    keys = sorted(found.keys() & set(reads.queries.arrow(there).column(0).to_pylist()))
    rows = select_rows(reads.queries, app.on, stored, keys=keys, between=(-(2**62), edge))
    names = [n for n in model.inputs if n in app.features]
    values = reads.compute([app.features[n] for n in names])(spine_of(app.on, rows))
    columns = {n: column_of(values[n]) for n in names}
    columns |= {n: np.full(rows.num_rows, np.nan) for n in nobodys if n in columns}
    plain = plain_rows(app.on, rows)
    for name in model.inputs:
        if name not in columns:
            columns[name] = _field_column([row.get(name) for row in plain])
    keys = [str(row[app.on.key.name]) for row in plain]
    return TrainingSet(
        {n: columns[n] for n in model.inputs},
        np.array([int(found[k]) for k in keys], dtype=np.int64),
        np.array([int(row["event_time"] or 0) for row in plain], dtype=np.int64),
        keys,
        frozenset(subject_of(app.on, row) for row in plain),
    )


def gather_under(
    access: Access,
    app: App,
    reads: Reads,
    *,
    until: int,
    known: int,
    nobodys: Sequence[str] = (),
) -> TrainingSet:
    """Gather as `gather` does what an access may read, and note in it what that was."""
    found = gather(app, reads.under(access), until=until, known=known, nobodys=nobodys)
    access.read.columns["inputs"] = list(app.model.inputs) if app.model else []
    access.read.rows = len(found)
    access.about(found.people)
    return found


def _labels(model: Model, reads: Reads, known: int) -> dict[str, Any]:
    """Return the label of each row, as known then; of several, the one of the latest event."""
    from heptad.service.reads.asof import read_sql

    table, names = model.target.table, (model.link.name, model.target.name)
    columns = ("event_time", table.key.name, *names)
    sql = read_sql(table, reads.stored(table).relation, t=None, k=known, columns=columns)
    rows = reads.queries.arrow(f"SELECT * FROM ({sql}) ORDER BY ALL")
    pairs = zip(*(rows.column(name).to_pylist() for name in names), strict=True)
    return {key: value for key, value in pairs if key is not None and value is not None}


def _field_column(values: list[Plain]) -> Any:
    """Turn plain values of a field into what estimators read."""
    if any(isinstance(v, str) for v in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if v is None else float(v) for v in values])
