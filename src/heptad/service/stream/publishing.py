# SPDX-License-Identifier: Apache-2.0
"""Send decisions to topics: none left out, each the same bytes under the same key whenever it goes."""

from __future__ import annotations

import json
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from heptad.service.decisions.records import public_of
from heptad.sources.kafka_out import KafkaWriting
from heptad.standards.errors import HeptadError, UnknownName, suggest
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from heptad.catalog import Catalog
    from heptad.service.decisions.log import DecisionLog
    from heptad.sources.work import Sink

BATCH = 512
"""Decisions of one step: what may be sent a second time after a kill."""
_PLAIN = ("id", "app", "outcome", "reasons", "on", "row_key", "purpose", "definitions", "model")
_INSTANTS = ("event_time", "known_time", "decided_at")


class Writing(Protocol):
    """What takes records."""

    def write(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Take (key, value) records; they are safe when this returns."""
        ...


class Publishing:
    """Sends the public part of decisions to the sinks of a project.

    The log is read in order; how far a sink has got is stored when the broker has the records, so a
    decision is sent at least once. After a kill in between, up to `BATCH` decisions are sent again:
    same key (the decision's id), same bytes. Who reads keeps the first of each key.

    Args:
        log: the decisions.
        catalog: keeps how far each sink has got.
        sinks: the sinks.
        folder: the project's.
        opens: opens what takes the records of a sink.
    """

    def __init__(
        self,
        log: DecisionLog,
        catalog: Catalog,
        sinks: Sequence[Sink],
        folder: Path,
        opens: Callable[[str, Path, str], Writing] = KafkaWriting,
    ) -> None:
        self._log, self._settings = log, catalog.settings
        self._sinks, self._folder, self._opens = {s.name: s for s in sinks}, folder, opens
        self._open: dict[str, Writing] = {}
        self._lock = threading.Lock()
        for sink in sinks:
            if self._settings.get(_mark(sink)) is None:
                self._settings.set(_mark(sink), len(log) if sink.since == "now" else 0)

    def publish(
        self, name: str = "", stopped: threading.Event | None = None
    ) -> list[dict[str, Any]]:
        """Send what was decided since, to one sink or to all.

        Args:
            name: of the sink; all by default.
            stopped: ends it between two steps.

        Returns:
            Per sink its name, how many decisions were looked at and sent, and how many wait.

        Raises:
            UnknownName: if there is no such sink.
            Busy: if a broker does not take them; what it took is not lost, and the other sinks
                are served all the same.
        """
        if name and name not in self._sinks:
            raise UnknownName("There is no such sink.", got=name, do=suggest(name, self._sinks))
        chosen = [self._sinks[name]] if name else list(self._sinks.values())
        told, failed = [], []
        with self._lock:
            for sink in chosen:
                try:
                    told.append(self._caught_up(sink, stopped))
                except HeptadError as error:
                    # A producer that failed once may never send again: the next one is new.
                    self._open.pop(sink.name, None)
                    failed.append(error)
        if failed:
            raise failed[0]
        return told

    def standing(self) -> list[dict[str, Any]]:
        """Say of each sink up to which entry of the log it has got, and how many wait."""
        found = {name: int(self._settings.get(_mark(s), 0)) for name, s in self._sinks.items()}
        return [
            {"sink": name, "at": at, "waiting": len(self._log) - at} for name, at in found.items()
        ]

    def _caught_up(self, sink: Sink, stopped: threading.Event | None) -> dict[str, Any]:
        """Send to one sink, step by step."""
        at, end = int(self._settings.get(_mark(sink), 0)), len(self._log)
        looked = sent = 0
        records = self._log.ledger.iterate(at, end) if at < end else iter(())
        while batch := list(islice(records, BATCH)):
            if stopped is not None and stopped.is_set():
                break
            public = [public_of(record)[1] for record in batch]
            wanted = [(n, p) for n, p in enumerate(public) if sink.takes(p["app"], p["outcome"])]
            if wanted:
                self._writing(sink).write([_record(at + n, p) for n, p in wanted])
            at += len(batch)
            self._settings.raise_to(_mark(sink), at)
            looked += len(batch)
            sent += len(wanted)
        return {
            "sink": sink.name,
            "looked_at": looked,
            "sent": sent,
            "waiting": len(self._log) - at,
        }

    def _writing(self, sink: Sink) -> Writing:
        """Return what takes the records of a sink, opened when it is first needed."""
        if sink.name not in self._open:
            self._open[sink.name] = self._opens(sink.to, self._folder, f"sink {sink.name}")
        return self._open[sink.name]


def _mark(sink: Sink) -> str:
    return f"published:{sink.name}"


def _record(position: int, public: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return key and value of a decision: no person, no feature value."""
    value = {name: public[name] for name in _PLAIN}
    value |= {name: format_instant(public[name]) for name in _INSTANTS}
    value["position"] = position
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return str(public["id"]).encode(), text.encode()
