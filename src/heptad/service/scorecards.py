# SPDX-License-Identifier: Apache-2.0
"""A points scorecard as the model of an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from heptad.service.app import Plain, Score
from heptad.standards.errors import UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.analysis.scorecard import Scorecard
    from heptad.service.training import TrainingSet


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

    def merged(  # noqa: PLR0913, PLR0917 - which bins, why, by whom
        self,
        columns: Mapping[str, Any],
        target: Any,
        name: str,
        bins: Sequence[int],
        reason: str,
        by: str,
        crosses: int = 0,
    ) -> PointsModel:
        """Fit the card anew with some bins of an input merged; those merged before stay so.

        Args:
            columns: name → (n,) values that the card learned from.
            target: (n,) 1 bad, 0 good.
            name: of the input.
            bins: numbers of neighbouring bins; none fits nothing.
            reason: why, which the card keeps.
            by: who merges them.
            crosses: most crossed features to find, as for the first card.

        Raises:
            UnknownName: if the card has no such input.
            ContractError: if these bins cannot be merged, or nobody says why.
        """
        from heptad.analysis.merging import merge

        held = self.card.bins_
        if name not in held:
            raise UnknownName(f"The card has no input {name!r}.", got=name, do=suggest(name, held))
        if not bins:
            return self
        made = merge(held[name], bins, reason, by=by)
        by_hand = {n: b for n, b in held.items() if b.notes} | {name: made}
        card = self.blank(columns, bins=by_hand, crosses=crosses)
        return type(self)(card.fit(columns, target))

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


def compare(
    cards: tuple[Scorecard, Scorecard], cuts: tuple[int, int], test: TrainingSet, lgd: float
) -> dict[str, Any]:
    """Set two cards side by side on the rows that were held out.

    Args:
        cards: the one and the other.
        cuts: least points that each approves.
        test: the rows held out.
        lgd: share that is lost where somebody fails to pay.

    Returns:
        Plain data, of each card: AUC, share approved, rate of bad ones among them, and what is
        expected to be lost on them in the unit of `amount`, None without one; and the swap set.
    """
    from heptad.analysis.evaluation import auc
    from heptad.analysis.swaps import swap_set

    points, y = [card.totals(test.columns) for card in cards], test.target
    sides = [of >= cut for of, cut in zip(points, cuts, strict=True)]
    told: dict[str, Any] = {"rows": len(y), "cut": [*cuts], "swaps": []}
    told["auc"] = [auc(y, -of) for of in points]
    told["expected_loss"] = [
        _loss(card, test, side, lgd) for card, side in zip(cards, sides, strict=True)
    ]
    told["approved"] = [float(side.mean()) for side in sides]
    if all(side.any() for side in sides):
        swap = swap_set(sides[0], sides[1], y.astype(float))
        told["swaps"] = [
            {"was": "approved" if a else "not", "would_be": "approved" if b else "not",
             "rows": n, "bad": swap.bads[a, b]} for (a, b), n in swap.counts.items()
        ]  # fmt: skip
        told["bad_rate"] = list(swap.bad_rate)
    return told


def _loss(card: Scorecard, test: TrainingSet, approved: Any, lgd: float) -> float | None:
    """Return what is expected to be lost on those approved, in the unit of `amount`."""
    if "amount" not in test.columns:
        return None
    chance = card.predict_proba(test.columns)[:, 1]
    return float((chance * test.columns["amount"] * lgd)[approved].sum())
