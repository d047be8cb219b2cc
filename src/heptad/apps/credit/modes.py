# SPDX-License-Identifier: Apache-2.0
"""The four ways of financing: four bindings of the one flow, as TOML beside this module."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.service.features import parts_of
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.service.app import Inputs, Plain
    from heptad.service.features import Feature

FOLDER = Path(__file__).with_name("modes")


@dataclass(frozen=True)
class Source:
    """One kind of data in a mode: its table, who holds it, and on which basis it is read."""

    table: str
    holder: str
    basis: str


@dataclass(frozen=True)
class Mode:
    """A way of financing.

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
        return all(part.table.__name__ in there for part in parts_of([feature]))

    def settings(self) -> dict[str, Plain]:
        """Return what `[policy.credit]` of the project file is to say."""
        share = self.bears.get(self.lender, 0.0)
        return {**self.policy, "mode": self.name, "loss_share": share}

    def bind(self, x: Inputs, features: Mapping[str, Feature]) -> Inputs:
        """Return inputs as they are in this mode: what nobody holds is not known.

        Args:
            x: inputs with all that any mode has.
            features: those of the application, by name.
        """
        known = {n: v if self.has(features[n]) else None for n, v in x.features.items()}
        return replace(x, features=known, policy={**x.policy, **self.settings()})


@cache
def modes() -> dict[str, Mode]:
    """Return the four modes by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.toml"))}


def mode(name: str) -> Mode:
    """Find a mode.

    Raises:
        UnknownName: if there is none of that name.
    """
    if name not in modes():
        raise UnknownName(f"There is no mode {name!r}.", got=name, do=suggest(name, modes()))
    return modes()[name]


def _read(path: Path) -> Mode:
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    bears = {str(who): float(share) for who, share in data["bears"].items()}
    if abs(sum(bears.values()) - 1) > 1e-9:
        raise ContractError("The shares of a loss add up to 1.", got=str(bears), place=path.name)
    sources = tuple(
        Source(table, holder, basis)
        for holder, held in data["holds"].items()
        for table, basis in held.items()
    )
    return Mode(path.stem, data["title"], data["lender"], sources, bears, data.get("policy", {}))
