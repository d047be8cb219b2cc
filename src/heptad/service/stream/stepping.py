# SPDX-License-Identifier: Apache-2.0
"""Take one row into a stream, or read features for one, without columns in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.service.batch.encoding import finished, looked_up
from heptad.service.batch.sweep import too_large
from heptad.service.operators.declared import OPERATORS
from heptad.service.stream.streams import OutOfReach, key_of
from heptad.standards.errors import HeptadError
from heptad.standards.evaluate import compile_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.service.batch.programs import Measure
    from heptad.service.features import Feature
    from heptad.service.stream.groups import Group
    from heptad.service.stream.streams import Stream

_NOTHING = np.frombuffer(b"\0", np.uint8)[:0]
_FRACTIONS = frozenset({"mean", "share", "rate"})


class Stepper:
    """Follows rows and reads keys one by one, as `Stream.follow` and `Stream.values` do in batches.

    Args:
        stream: takes the rows; it may be used by columns in between.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._steps = [_Step(group) for group in stream.groups]

    def follow(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Take a stored row, the newest known, and read all features as itself.

        Args:
            row: its columns as plain values; instants as microseconds.

        Returns:
            Feature name → value, None where there is none.

        Raises:
            OutOfReach: if a window needs events that were let go of.
            ContractError: if a total leaves 64 bits.
        """
        found: dict[str, Any] = {}
        text = row[self._stream.table.key.name].encode()
        if self._stream.cold is not None:
            self._stream.recall(np.frombuffer(text, np.uint8), np.array([0, len(text)]))
        failed: HeptadError | None = None
        for step in self._steps:
            # Each group takes the row, whatever another one can say of it.
            try:
                found |= step.follow(row, text, self._stream.late, self._stream.most)
            except HeptadError as error:
                failed = failed or error
        self._stream.settle()
        if failed is not None:
            raise failed
        return {f.name: _told(f, found) for f in self._stream.features}

    def ask(self, keys: Mapping[str, str | None], t: int) -> dict[str, Any]:
        """Read all features of keys that no row of the stream's table brings.

        Args:
            keys: entity or field → key.
            t: the instant asked about, microseconds.

        Returns:
            Feature name → value, None where there is none.

        Raises:
            OutOfReach: if a window needs events that were let go of.
            ContractError: if a total leaves 64 bits.
        """
        self._stream.turn += 1
        found: dict[str, Any] = {}
        for step in self._steps:
            found |= step.ask(keys, t)
        self._stream.settle()
        return {f.name: _told(f, found) for f in self._stream.features}


def _told(feature: Feature, found: Mapping[str, Any]) -> Any:
    """Put a ratio together, and the default where there is no value."""
    if feature.parts:
        above, below = found[f"{feature.name}#0"], found[f"{feature.name}#1"]
        value = above / below if above is not None and below else None
    else:
        value = found[feature.name]
    return feature.default if value is None else value


class _Step:
    """One row of one group, in arrays that are used again."""

    def __init__(self, group: Group) -> None:
        from heptad.engine.local.kernel.asking import Ask
        from heptad.engine.local.kernel.rings import Rows

        self.group = group
        measures, values, _ = group.made.kept
        self.tests = {name: compile_row(test) for name, test in group.made.masks.items()}
        self.entity, self.us, self.known = (np.zeros(1, np.int64) for _ in range(3))
        self.id_at, self.short = np.zeros(2, np.int64), np.zeros(1, np.uint8)
        self.v, self.h = np.zeros((values, 1), np.int64), np.zeros((measures, 1), np.uint8)
        self.out, self.ok = group.room(1)
        self._rows, self._ask = Rows, Ask

    def follow(self, row: Mapping[str, Any], text: bytes, late: int, most: int) -> dict[str, Any]:
        """Take the row and read the features of the group."""
        from heptad.engine.local.kernel import rings

        group = self.group
        self._fill(row, len(text))
        ids = np.frombuffer(text, np.uint8)
        gone = np.zeros(1, np.uint8)
        rows = self._rows(self.entity, self.us, self.known, gone, ids, self.id_at, self.v, self.h)
        known = group.windows, late, most
        while rings.take(group.pool, group.ring, rows, 0, 1, *known) == 0:
            group.grow(text=len(text))
        return self._answered(self._ask(self.entity, self.us, ids, self.id_at))

    def ask(self, keys: Mapping[str, str | None], t: int) -> dict[str, Any]:
        """Read the features of the group for keys."""
        pair: tuple[Any, ...] = tuple(key_of(keys, e, end.name) for e, end in self.group.named)
        self.entity[0] = -1 if None in pair else self.group.one(pair, fresh=False)
        self.us[0], self.id_at[1] = t, 0
        return self._answered(self._ask(self.entity, self.us, _NOTHING, self.id_at))

    def _answered(self, ask: Any) -> dict[str, Any]:
        """Read the features where they are asked."""
        from heptad.engine.local.kernel import asking

        group = self.group
        self.out[:], self.ok[:], self.short[0] = 0, 0, 0
        left = asking.answer(
            group.pool, group.ring, group.programmed(1), group.windows, ask, 0, 1, self.out,
            self.ok, self.short, group.slices, group.scratch,
        )  # fmt: skip
        if left >= 0:
            raise too_large([group.made.features[left].name])
        if self.short[0]:
            raise OutOfReach([0])
        return self._values()

    def _fill(self, row: Mapping[str, Any], size: int) -> None:
        """Write the row into the arrays."""
        group = self.group
        pair: tuple[Any, ...] = tuple(row.get(end.name) for end in group.ends)
        self.entity[0] = -1 if None in pair else group.one(pair, fresh=True)
        self.us[0], self.known[0], self.id_at[1] = row["event_time"], row["known_time"], size
        true = {name: test(row) is True for name, test in self.tests.items()}
        for j, measure in enumerate(group.made.measures):
            there = all(row.get(name) is not None for name in measure.columns)
            held = there and (not measure.mask or true[measure.mask])
            self.h[j, 0] = held
            if j < len(self.v):
                self.v[j, 0] = self._number(measure, row) if held else 0

    def _number(self, measure: Measure, row: Mapping[str, Any]) -> int:
        """Return the value of a measure."""
        first = row[measure.columns[0]]
        if measure.form == "one":
            return 1
        if measure.form == "code":
            return self.group.codes.number(measure.columns[0], first)
        if measure.form in ("cell", "region"):
            lat, lon = (np.array([row[name]]) for name in measure.columns)
            return int(looked_up(measure, lat, lon)[0])
        if measure.form == "longitude":
            return int(row[measure.columns[1]])
        return first.toordinal() - 719_163 if hasattr(first, "toordinal") else int(first)

    def _values(self) -> dict[str, Any]:
        """Return the values of the group, the common kinds without columns."""
        found: dict[str, Any] = {}
        others: list[str] = []
        made = self.group.made
        for feature, step in zip(made.features, made.steps, strict=True):
            kind, o = OPERATORS[feature.op].gives, step[6]
            if kind == "integer":
                found[feature.name] = int(self.out[0, o]) if self.ok[0, o] else None
            elif feature.op in _FRACTIONS:
                above, below = int(self.out[0, o]), int(self.out[0, o + 1])
                found[feature.name] = above / below if below else None
            elif kind == "value" and feature.of.kind in ("text", "integer", "instant"):
                found[feature.name] = self._value(feature, o) if self.ok[0, o] else None
            else:
                others.append(feature.name)
        if others:
            columns = finished(made, self.out, self.ok, self.group.codes)
            found |= {name: columns[name].to_pylist()[0] for name in others}
        return found

    def _value(self, feature: Feature, o: int) -> Any:
        value = int(self.out[0, o])
        text = feature.of.kind == "text"
        return self.group.codes.text(feature.of.columns()[0].name, value) if text else value
