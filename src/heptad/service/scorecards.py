# SPDX-License-Identifier: Apache-2.0
"""A points scorecard as the model of an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from heptad.service.app import Plain, Score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.analysis.scorecard import Scorecard


class PointsModel:
    """Trains, scores and stores a `Scorecard`; subclass it to declare directions.

    Attributes:
        monotone: input → "up" (more of it, more bad), "down" or "auto"; others are free.
        parameters: further arguments of `Scorecard`.
    """

    monotone: ClassVar[Mapping[str, str]] = {}
    parameters: ClassVar[Mapping[str, Any]] = {"min_iv": 0.01, "max_bins": 5}

    def __init__(self, card: Scorecard) -> None:
        self.card = card

    @classmethod
    def train(
        cls,
        columns: Mapping[str, Any],
        target: Any,
        *,
        seed: int,  # noqa: ARG003
        crosses: int = 0,
    ) -> PointsModel:
        """Fit the card; nothing is drawn, so the seed changes nothing.

        Args:
            columns: name → (n,) values.
            target: (n,) 1 bad, 0 good.
            seed: of everything drawn.
            crosses: most crossed features to find; declared directions hold along them too.
        """
        return cls(cls.blank(columns, crosses=crosses).fit(columns, target))

    @classmethod
    def blank(cls, columns: Mapping[str, Any], **more: Any) -> Scorecard:
        """Return the card before it is fitted, with the directions of the columns that are there."""
        from heptad.analysis.scorecard import Scorecard

        directions = {n: d for n, d in cls.monotone.items() if n in columns}
        return Scorecard(**{"monotone": directions, **cls.parameters, **more})

    def score(self, row: Mapping[str, Plain]) -> Score:
        """Score one row; contributions are points lost, most lost first."""
        values = {n: _value(v) for n, v in row.items()}
        total = self.card.total(values)
        lost = [(loss.column, loss.lost) for loss in self.card.reasons(values, n=8)]
        return Score(self.card.probability(total), total, lost)

    def rows(self) -> list[dict[str, Plain]]:
        """Return the card as a table: a row for each bin of each input, and each cell of a cross."""
        cells: list[dict[str, Plain]] = [
            {
                "input": " × ".join(cell["columns"]),
                "bin": f"{cell['first']} × {cell['second']}",
                "points": cell["points"],
            }
            for cell in self.card.crossed()
            if cell["points"]
        ]
        return cells + [
            {
                "input": name,
                "bin": label,
                "points": points,
                "good": int(part.bins.good[n]),
                "bad": int(part.bins.bad[n]),
            }
            for name, part in self.card.parts_.items()
            for n, (label, points) in enumerate(zip(part.bins.labels, part.points, strict=True))
        ]

    def probabilities(self, columns: Mapping[str, Any]) -> Any:
        """Return (n,) probabilities of bad."""
        return self.card.predict_proba(columns)[:, 1]

    def to_bytes(self) -> bytes:
        """Return the card as canonical JSON."""
        return self.card.to_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> PointsModel:
        """Read a card back."""
        from heptad.analysis.scorecard import Scorecard

        return cls(Scorecard.from_json(data.decode()))


def _value(value: Plain) -> float | str | None:
    """Return a value as the card was trained on it: numbers are float64."""
    return float(value) if isinstance(value, bool | int) else value
