# SPDX-License-Identifier: Apache-2.0
"""Models: their bytes by hash, what they were trained on, and who let them decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, insert, select, update

from heptad.catalog.artefacts import Artefacts
from heptad.catalog.schema import ModelEventRow, ModelRow
from heptad.standards.errors import Conflict, ContractError, Refused, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heptad.catalog.store import Store
    from heptad.catalog.versions import Versions

Stage = Literal["candidate", "challenger", "champion", "retired"]
MOVES: dict[Stage, tuple[Stage, ...]] = {
    "candidate": ("challenger", "champion", "retired"),
    "challenger": ("champion", "retired"),
    "champion": ("challenger", "retired"),
    "retired": ("challenger", "champion"),
}
"""Where a model may go; a retired one back to champion when its successor fails, or to be tried again."""


@dataclass(frozen=True, slots=True)
class Model:
    """One trained model.

    Attributes:
        id: number in the catalog.
        name: what it is called; `number` counts the models of that name from 1.
        app: the application that it scores for. One that keeps several champions names them
            "leasing/lgd", "leasing/pd".
        sha256: hash of its bytes; `size` is their number.
        metrics: metric → value, or {"value", "low", "high", "n"}; plain data.
        window_start: the training rows' first instant, µs UTC; `window_end` is the last.
        features: feature → hash of its definition.
        versions: table → version that it was trained on.
        settings: seed, parameters, environment: whatever is needed to train it again.
        stage: candidate, challenger (scored beside the champion), champion (decides) or retired.
        trainer: who trained it, and `trained` when.
        approver: who approved it, `approved` when, `note` with which words; None before.
    """

    id: int
    name: str
    number: int
    app: str
    sha256: str
    size: int
    metrics: dict[str, Any]
    window_start: int | None
    window_end: int | None
    features: dict[str, str]
    versions: dict[str, int]
    settings: dict[str, Any]
    stage: Stage
    trainer: str
    trained: int
    approver: str | None
    approved: int | None
    note: str | None

    @property
    def title(self) -> str:
        """The model as people and decisions name it: `credit-scorecard 3`."""
        return f"{self.name} {self.number}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done to a model: registered, approved, or moved to a stage.

    `terms` are those on which it was moved: plain data, None without any.
    """

    event: str
    who: str
    note: str
    terms: dict[str, Any] | None
    instant: int


class Models:
    """The registered models of a project.

    Args:
        store: the catalog's database.
        versions: where the data versions of models are pinned.
        folder: where their bytes lie.
    """

    def __init__(self, store: Store, versions: Versions, folder: Path) -> None:
        self._store, self._versions = store, versions
        self._artefacts = Artefacts(folder)
        self._champions: dict[str, Model | None] = {}
        self._terms: dict[tuple[int, Stage], dict[str, Any]] = {}
        self._generation = 0

    def register(  # noqa: PLR0913 - what is kept of a model, each by name
        self,
        name: str,
        app: str,
        content: bytes,
        *,
        trainer: str,
        metrics: Mapping[str, Any] | None = None,
        window: tuple[int, int] | None = None,
        features: Mapping[str, str] | None = None,
        versions: Mapping[str, int] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Model:
        """Keep a model as a candidate; the same one again is the one that is kept already.

        Args:
            name: what it is called.
            app: the application that it scores for.
            content: its bytes.
            trainer: who trained it; somebody else must approve it.
            metrics: how good it is, with intervals.
            window: first and last instant of the training rows, µs UTC.
            features: feature → hash of its definition.
            versions: table → version that it was trained on; they are pinned.
            settings: what is needed to train it again.

        Raises:
            ContractError: if a name is empty, or something is not plain data.
            Busy: if the disk does not take the bytes.
        """
        _named(name=name, app=app, trainer=trainer)
        sha256 = self._artefacts.put(content)
        start, end = window or (None, None)
        row = {
            "name": name,
            "app": app,
            "sha256": sha256,
            "size": len(content),
            "metrics": dict(metrics or {}),
            "window_start": start,
            "window_end": end,
            "features": dict(features or {}),
            "versions": dict(versions or {}),
            "settings": dict(settings or {}),
        }
        with self._store.write() as connection:
            same = _MODELS.where(ModelRow.name == name, ModelRow.sha256 == sha256)
            for found in map(_model, connection.execute(same.order_by(ModelRow.id))):
                if all(getattr(found, column) == value for column, value in row.items()):
                    return found
            last = select(func.max(ModelRow.number)).where(ModelRow.name == name)
            row["number"] = (connection.execute(last).scalar() or 0) + 1
            row |= {"stage": "candidate", "trainer": trainer, "trained": self._store.clock.now()}
            number = connection.execute(insert(ModelRow).returning(ModelRow.id), row).scalar_one()
            self._log(number, "registered", trainer, "")
            made = self.get(number)
            self._versions.pin(made.versions, f"model:{made.title}")
        return made

    def approve(self, model: int, who: str, note: str) -> Model:
        """Let a model be a champion.

        Raises:
            Refused: if the approver trained it.
            ContractError: if nobody or no reason is named.
            Conflict: if it is approved already.
        """
        _named(approver=who, note=note)
        with self._store.write() as connection:
            found = self.get(model)
            refuse_trainer(found, who)
            if found.approver is not None:
                raise Conflict(f"{found.title} is approved already.", got=found.approver)
            now = self._store.clock.now()
            values = {"approver": who, "approved": now, "note": note}
            connection.execute(update(ModelRow).where(ModelRow.id == model).values(**values))
            self._log(model, "approved", who, note)
            self._store.after_commit(self._forget)
            return replace(found, approver=who, approved=now, note=note)

    def promote(
        self,
        model: int,
        to: Stage,
        who: str,
        note: str = "",
        *,
        terms: Mapping[str, Any] | None = None,
        alone: bool = False,
    ) -> Model:
        """Move a model to another stage; a new champion retires the one before.

        Args:
            model: number of the model.
            to: the stage.
            who: who decides so.
            note: why.
            terms: on which terms, plain data.
            alone: retire whichever stands at the stage, as for a champion; if it is this model,
                it is moved there anew, on its new terms.

        Raises:
            Refused: if it is to be champion without approval.
            Conflict: if it cannot go there from where it is.
            ContractError: if nobody is named.
        """
        _named(who=who)
        with self._store.write():
            found = self.get(model)
            if alone and found.stage == to:
                self._set(model, "retired", who, "moved there anew")
                found = replace(found, stage="retired")
            if found.stage == to:
                return found
            self._refuse_move(found, to)
            if alone or to == "champion":
                for before in self.recent(app=found.app, stage=to):
                    self._set(before.id, "retired", who, f"succeeded by {found.title}")
            self._set(model, to, who, note, terms)
            return replace(found, stage=to)

    @staticmethod
    def _refuse_move(model: Model, to: Stage) -> None:
        """Refuse a stage that a model cannot go to from where it is."""
        if to not in MOVES[model.stage]:
            raise Conflict(
                f"{model.title} is {model.stage}: it cannot become {to}.",
                do=f"it may become: {', '.join(MOVES[model.stage])}",
            )
        if to == "champion" and model.approver is None:
            raise Refused(
                f"{model.title} is not approved, so it may not decide.",
                do=f"`heptad models approve {model.id} --who … --note …`, by somebody else",
            )

    def champion(self, app: str, at: int | None = None) -> Model | None:
        """Return the model that decides for an application; None if it has none.

        The owner of a SQLite catalog answers from memory.

        Args:
            app: its name.
            at: the one that decided at this instant, µs UTC; now by default.
        """
        if at is None:
            return self._standing(app, "champion")
        stood = [model for model, stage in self.stages(at).items() if stage == "champion"]
        wanted = _MODELS.where(ModelRow.app == app, ModelRow.id.in_(stood))
        with self._store.read() as connection:
            row = connection.execute(wanted.order_by(ModelRow.id.desc()).limit(1)).first()
        return None if row is None else _model(row)

    def challenger(self, app: str) -> Model | None:
        """Return the model that stands against the champion of an application, as `champion`."""
        return self._standing(app, "challenger")

    def _standing(self, app: str, stage: Stage) -> Model | None:
        if self._store.writing or not self._store.alone:
            return self._at(app, stage)
        key = f"{stage} {app}"
        if key in self._champions:
            return self._champions[key]
        generation = self._generation
        found = self._at(app, stage)
        if generation == self._generation:
            self._champions[key] = found
        return found

    def terms(self, model: Model, stage: Stage) -> dict[str, Any]:
        """Return the terms on which a model was last moved to a stage; none if it never was."""
        which, generation = (model.id, stage), self._generation
        if self._store.alone and not self._store.writing and which in self._terms:
            return self._terms[which]
        said = [event.terms for event in self.history(model.id) if event.event == stage]
        found = (said[-1] or {}) if said else {}
        if generation == self._generation and not self._store.writing:
            self._terms[which] = found
        return found

    def read(self, model: Model | int) -> bytes:
        """Return the bytes of a model.

        Raises:
            Corrupt: if they are gone, or are not those that were registered.
        """
        found = model if isinstance(model, Model) else self.get(model)
        return self._artefacts.get(found.sha256)

    def bytes_of(self, sha256: str) -> bytes:
        """Return the bytes of the model that a decision names by hash; see `read`."""
        return self._artefacts.get(sha256)

    def get(self, model: int) -> Model:
        """Return a model by its number.

        Raises:
            UnknownName: if there is none.
        """
        with self._store.read() as connection:
            row = connection.execute(_MODELS.where(ModelRow.id == model)).first()
        if row is None:
            raise UnknownName(f"There is no model {model}.", do="see `heptad models`")
        return _model(row)

    def find(self, name: str, number: int | None = None) -> Model | None:
        """Return a model by name and number, the last one of that name if no number is given."""
        wanted = _MODELS.where(ModelRow.name == name).order_by(ModelRow.number.desc()).limit(1)
        if number is not None:
            wanted = wanted.where(ModelRow.number == number)
        with self._store.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else _model(row)

    def recent(
        self,
        *,
        app: str | None = None,
        name: str | None = None,
        stage: Stage | None = None,
        until: int | None = None,
        limit: int = 50,
    ) -> list[Model]:
        """Return models, the last one first; `until`, µs UTC, those that had been made by then."""
        wanted = _MODELS.order_by(ModelRow.id.desc()).limit(limit)
        for column, value in (
            (ModelRow.app, app),
            (ModelRow.name, name),
            (ModelRow.stage, stage),
        ):
            if value is not None:
                wanted = wanted.where(column == value)
        if until is not None:
            wanted = wanted.where(ModelRow.trained <= until)
        with self._store.read() as connection:
            return [_model(row) for row in connection.execute(wanted)]

    def history(self, model: int) -> list[Event]:
        """Return what was done to a model, the first thing first."""
        wanted = select(*(getattr(ModelEventRow, name) for name in Event.__slots__))
        wanted = wanted.where(ModelEventRow.model == model).order_by(ModelEventRow.id)
        with self._store.read() as connection:
            return [Event(*row) for row in connection.execute(wanted)]

    def stages(self, at: int) -> dict[int, Stage]:
        """Return the stage that each model was in at an instant, µs UTC; none before it was made."""
        wanted = select(ModelEventRow.model, ModelEventRow.event)
        wanted = wanted.where(ModelEventRow.instant <= at).order_by(ModelEventRow.id)
        found: dict[int, Stage] = {}
        with self._store.read() as connection:
            for model, event in connection.execute(wanted):
                found[model] = event if event in MOVES else found.get(model, "candidate")
        return found

    def _at(self, app: str, stage: Stage) -> Model | None:
        wanted = _MODELS.where(ModelRow.app == app, ModelRow.stage == stage)
        wanted = wanted.order_by(ModelRow.id.desc()).limit(1)
        with self._store.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else _model(row)

    def _set(
        self,
        model: int,
        stage: Stage,
        who: str,
        note: str,
        terms: Mapping[str, Any] | None = None,
    ) -> None:
        """Change a stage, and keep who did, on which terms."""
        with self._store.write() as connection:
            moved = update(ModelRow).where(ModelRow.id == model).values(stage=stage)
            connection.execute(moved)
            self._log(model, stage, who, note, terms)
            self._store.after_commit(self._forget)

    def _log(
        self,
        model: int,
        event: str,
        who: str,
        note: str,
        terms: Mapping[str, Any] | None = None,
    ) -> None:
        with self._store.write() as connection:
            row = {
                "model": model, "event": event, "who": who, "note": note,
                "terms": None if terms is None else dict(terms),
            }  # fmt: skip
            connection.execute(insert(ModelEventRow), row | {"instant": self._store.clock.now()})

    def _forget(self) -> None:
        """Drop remembered champions: first the mark, so that a read under way is not kept."""
        self._generation += 1
        self._champions.clear()
        self._terms.clear()


_MODELS = select(*(getattr(ModelRow, name) for name in Model.__slots__))


def _model(row: Any) -> Model:
    """Build a model from its row."""
    return Model(*row)


def refuse_trainer(model: Model, who: str) -> None:
    """Do not let somebody approve what they trained.

    Raises:
        Refused: if they are its trainer.
    """
    if _person(who) == _person(model.trainer):
        raise Refused(
            f"{model.title} must be approved by somebody who did not train it.",
            got=who,
            do="ask a second person to approve it",
        )


def _person(name: str) -> str:
    """Return a name as it is compared."""
    return " ".join(name.casefold().split())


def _named(**names: str) -> None:
    """Refuse empty names."""
    for what, name in names.items():
        if not name.strip():
            raise ContractError(f"A model needs its {what}.", got=name, do=f"give {what}=…")
