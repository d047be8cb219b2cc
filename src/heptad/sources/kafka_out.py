# SPDX-License-Identifier: Apache-2.0
"""Kafka outwards: records handed to a topic, and told to be there only when the broker says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.sources.kafka import ANSWER_S, imported, options, quiet
from heptad.standards.errors import Busy, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_OFTEN_MS = 50


class KafkaWriting:
    """Writes records to one topic.

    Every replica that is in step has a record before `write` returns, and librdkafka repeats none by
    itself. The topic must be there: none is created by the way.

    Args:
        url: `kafka://…`, as a source says it.
        folder: the project's, for secrets and certificates.
        place: what errors name.

    Raises:
        InputError: if the address is written wrongly, or there is no such topic.
        Busy: if the broker does not answer.
    """

    def __init__(self, url: str, folder: Path, place: str) -> None:
        told, self._topic, _ = options(url, folder)
        self._place, self._kafka = place, imported()
        try:
            self._producer: Any = self._kafka.Producer(told | {
                "enable.idempotence": True, "acks": "all", "linger.ms": 5, "logger": quiet(),
                "delivery.timeout.ms": int(ANSWER_S * 1000), "allow.auto.create.topics": False,
            })  # fmt: skip
            listed = self._producer.list_topics(self._topic, timeout=ANSWER_S)
        except self._kafka.KafkaException as error:
            raise self._failed(error.args[0]) from error
        topic = listed.topics[self._topic]
        if topic.error is not None or not topic.partitions:
            raise InputError(
                "There is no such topic.", got=self._topic, do="create it", place=place
            )

    def write(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Write (key, value) records; the broker has all of them when this returns.

        Raises:
            Busy: if one was not taken; any of the others may have been.
        """
        failed: list[Any] = []
        taken = 0

        def told(error: Any, _record: Any) -> None:
            nonlocal taken
            taken += 1
            if error is not None:
                failed.append(error)

        try:
            for key, value in records:
                self._produce(key, value, told)
            self._producer.flush(2 * ANSWER_S)
        except self._kafka.KafkaException as error:
            self._producer.purge()
            raise self._failed(error.args[0]) from error
        if failed or taken < len(records):
            self._producer.purge()
            self._producer.flush(1.0)
            raise self._failed(failed[0] if failed else None)

    def _produce(self, key: bytes, value: bytes, told: Any) -> None:
        """Hand one record over, waiting where the producer's own queue is full."""
        while True:
            try:
                self._producer.produce(self._topic, value=value, key=key, on_delivery=told)
            except BufferError:
                self._producer.poll(_OFTEN_MS / 1000)
            else:
                return

    def _failed(self, error: Any) -> Busy:
        return Busy(
            "Kafka does not take what is sent, or does not answer.",
            got=error.str() if error is not None else "",
            do="check the address, `security` and the rights of its user",
            place=self._place,
        )
