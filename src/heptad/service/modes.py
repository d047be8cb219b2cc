# SPDX-License-Identifier: Apache-2.0
"""Modes: ways in which one application runs, with other data, holders and bearers of the loss.

An application has one decision function. A mode says which of its tables exist, who holds them, on
which basis they are read and who bears which share of a loss. What nobody holds in the mode of a
project is not known to model and decision, and its policy values follow from the mode. The mode is
the policy value `mode`, recorded with each decision, so a replay runs in the same one.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heptad.service.features import tables_of
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from heptad.service.app import App, Plain
    from heptad.service.features import Feature

MODE, LOSS_SHARE = "mode", "loss_share"
"""Policy values: the mode of a project, and the lender's share of a loss, which follows from it."""


@dataclass(frozen=True)
class Source:
    """One kind of data in a mode: its table, who holds it, and on which basis it is read."""

    table: str
    holder: str
    basis: str


@dataclass(frozen=True)
class Mode:
    """A way in which an application runs.

    Attributes:
        name: of the file.
        title: for people.
        lender: who decides and whose money it is.
        sources: which tables exist, who holds them, on which basis they are read.
        bears: who bears which share of a loss; the shares add up to 1.
        policy: values of the flow that hold in this mode.
    """

    name: str
    title: str
    lender: str
    sources: tuple[Source, ...]
    bears: Mapping[str, float]
    policy: Mapping[str, Plain]

    def has(self, feature: Feature) -> bool:
        """Whether every table that a feature reads exists in this mode."""
        there = {source.table for source in self.sources}
        return all(table.__name__ in there for table in tables_of(feature))

    def settings(self) -> dict[str, Plain]:
        """Return the policy values that follow from the mode."""
        return {**self.policy, MODE: self.name, LOSS_SHARE: self.bears[self.lender]}

    def rows(self, features: Mapping[str, Feature]) -> Iterator[dict[str, Plain]]:
        """Yield what people are shown of it: each source with the features that rest on it."""
        read = {name: {t.__name__ for t in tables_of(f)} for name, f in features.items()}
        for source in self.sources:
            rests = [name for name, tables in read.items() if source.table in tables]
            yield {"mode": self.name, "table": source.table, "held by": source.holder,
                   "basis": source.basis, "features": ", ".join(rests)}  # fmt: skip


def read_modes(folder: Path) -> dict[str, Mode]:
    """Read the modes of an application, a TOML file each, by name.

    Raises:
        ContractError: if a mode leaves out a part, the shares of a loss are none or do not add up
            to 1, or nobody says which of them the lender bears.
    """
    return {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}


def _read(path: Path) -> Mode:
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    missing = [part for part in ("title", "lender", "holds", "bears") if part not in data]
    if missing:
        raise ContractError(f"A mode says its {missing[0]}.", place=path.name)
    bears = _bears(data["bears"], data["lender"], path.name)
    sources = tuple(
        Source(table, holder, basis)
        for holder, held in data["holds"].items()
        for table, basis in held.items()
    )
    return Mode(path.stem, data["title"], data["lender"], sources, bears, data.get("policy", {}))


def _bears(said: Mapping[str, Any], lender: str, place: str) -> dict[str, float]:
    """Return who bears which share of a loss."""
    bears = {str(who): float(share) for who, share in said.items()}
    for who, share in bears.items():
        if not 0 <= share <= 1:
            raise ContractError(
                f"The share of a loss that {who} bears is between 0 and 1.", got=share, place=place
            )
    if abs(sum(bears.values()) - 1) > 1e-9:
        raise ContractError("The shares of a loss add up to 1.", got=str(bears), place=place)
    if lender not in bears:
        raise ContractError(
            f"Nobody says which share of a loss {lender}, who lends, bears.", got=str(bears),
            do=f"say `{lender} = 0.0` under [bears] if it is none", place=place,
        )  # fmt: skip
    return bears


def implied(app: App, changes: Mapping[str, Plain]) -> dict[str, Plain]:
    """Return the changes of a project with what follows from its mode; its own values stand.

    Raises:
        UnknownName: if the application has no such mode.
    """
    name = changes.get(MODE)
    if not app.modes or name is None:
        return dict(changes)
    if name not in app.modes:
        raise UnknownName(
            f"{app.name} has no mode {name!r}.", got=name, do=suggest(str(name), app.modes)
        )
    return {**app.modes[str(name)].settings(), **changes}


def hidden(app: App, policy: Mapping[str, Plain]) -> tuple[str, ...]:
    """Name the features that rest on what nobody holds in the mode of a policy."""
    return app.nobodys.get(str(policy.get(MODE)), ())


def without(features: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return features without what nobody holds: None under each of those names."""
    return {**features, **{n: None for n in names if n in features}} if names else features
