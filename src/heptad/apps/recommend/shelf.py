# SPDX-License-Identifier: Apache-2.0
"""The catalogue as it stands: what is on offer, and to whom, as arrays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.recommend.pipeline import Alike
from heptad.apps.recommend.decide import terms_of
from heptad.service.rules.eligibility import exclusions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from heptad.service.rules.eligibility import House, Person

TERMS = ("risk", "youngest", "oldest", "residence", "licence", "again")
"""Fields of an item that say to whom it may be offered."""


@dataclass(frozen=True)
class Shelf:
    """The items of a project, in the order of their ids.

    Attributes:
        items: rows of `Item` as plain data.
    """

    items: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Shelf:
        """Put rows in order."""
        return cls(sorted((dict(r) for r in rows), key=lambda r: str(r["id"])))

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def codes(self) -> dict[str, int]:
        """Id → place."""
        return {str(row["id"]): place for place, row in enumerate(self.items)}

    @cached_property
    def names(self) -> list[str]:
        """The categories that occur, in order."""
        return sorted({name for row in self.items for name in categories(row)})

    @cached_property
    def categories(self) -> NDArray[np.float64]:
        """(items, categories) 0 or 1."""
        place = {name: i for i, name in enumerate(self.names)}
        found = np.zeros((len(self), len(place)))
        for row, item in enumerate(self.items):
            for name in categories(item):
                found[row, place[name]] = 1.0
        return found

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(items,) the number of each, NaN without."""
        values = (row.get("number") for row in self.items)
        return np.array([np.nan if v is None else float(v) for v in values])

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """(items,) the expected return of each as a fraction, 0 where none is known."""
        return np.array([(row.get("value") or 0) / 1e6 for row in self.items], dtype=np.float64)

    @cached_property
    def _alike(self) -> Alike:
        """Items of one catalogue and equal terms together."""
        return Alike((str(row["catalogue"]), *map(row.get, TERMS)) for row in self.items)

    def allowed(
        self,
        person: Person,
        house: House,
        catalogue: str,
        dismissed: Iterable[str],
        chosen: Iterable[int] = (),
    ) -> tuple[NDArray[Any], Counter[str]]:
        """Say of each item whether it may be offered.

        Args:
            person: what is known of who looks.
            house: what the institution is licensed for.
            catalogue: the one asked for.
            dismissed: ids that they said no to.
            chosen: places that they chose before.

        Returns:
            (items,) flags, and how many items of the catalogue each code leaves out.
        """
        left, alike = Counter[str](), self._alike
        open_to = np.zeros(len(alike.firsts), dtype=bool)
        for place, (first, n) in enumerate(zip(alike.firsts, alike.counts, strict=True)):
            row = self.items[first]
            if str(row["catalogue"]) != catalogue:
                continue
            terms = terms_of({**row, "item": "", "again": True})
            codes = (
                ["NO_TERMS"]
                if terms is None
                else [e.code for e in exclusions(person, terms, house)]
            )
            open_to[place] = not codes
            left.update(dict.fromkeys(codes, n))
        found = alike.flags(open_to)
        named = {
            "ALREADY_HELD": [
                p for p in self._places(person.held) if not self.items[p].get("again")
            ],
            "DISMISSED": self._places(dismissed),
            "WITHDRAWN": self._withdrawn,
            "SEEN": chosen,
        }
        for code, some in named.items():
            theirs = [p for p in sorted(set(some)) if str(self.items[p]["catalogue"]) == catalogue]
            found[theirs] = False
            left.update({code: len(theirs)} if theirs else {})
        return found, left

    def _places(self, names: Iterable[str]) -> list[int]:
        return [self.codes[name] for name in sorted(set(names)) if name in self.codes]

    @cached_property
    def _withdrawn(self) -> list[int]:
        return [place for place, row in enumerate(self.items) if row.get("withdrawn")]

    def entry(self, place: int) -> dict[str, Any]:
        """Return an item as a list shows it, with its terms."""
        row = self.items[place]
        shown = {n: row[n] for n in TERMS if row.get(n) is not None}
        return {"item": str(row["id"]), "title": row["title"]} | shown


def categories(row: Mapping[str, Any]) -> list[str]:
    """Return the categories of an item."""
    return [name.strip() for name in str(row.get("categories") or "").split("|") if name.strip()]
