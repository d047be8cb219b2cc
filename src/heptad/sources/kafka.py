# SPDX-License-Identifier: Apache-2.0
"""Kafka: a topic read from where the last load ended, its offsets kept with the load."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from heptad.sources.config import revealed
from heptad.sources.messages import MOST_BYTES, MOST_MESSAGES, Message, Messages
from heptad.sources.reading import line_of
from heptad.standards.errors import Busy, InputError
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from heptad.sources.binding import Source

SCHEME = "kafka://"
ANSWER_S = 15.0
"""How long the broker may be silent."""
_OPTIONS = ("security", "mechanism", "ca", "gaps")
_SECURITY = ("plaintext", "ssl", "sasl_ssl")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_COLUMNS = ("kafka_key", "kafka_time", "kafka_partition", "kafka_offset", "kafka_deleted")


def options(url: str, folder: Path) -> tuple[dict[str, Any], str, bool]:
    """Read `kafka://user:password@host:port,host:port/topic?security=…&ca=…&gaps=skip`.

    Without `security` a broker of this machine is asked in plain text and any other by TLS.

    Returns:
        What librdkafka is told, the topic, and whether records that the broker has let go of are
        passed over.

    Raises:
        InputError: if it names no topic, or says what is not known.
    """
    parts = urlsplit(revealed(url, folder))
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    topic, hosts = unquote(parts.path.strip("/")), parts.netloc.rpartition("@")[2]
    known = all(name in _OPTIONS for name in said)
    local = all(h.rpartition(":")[0] in _LOCAL or h in _LOCAL for h in hosts.split(","))
    security = said.get("security", "plaintext" if local else "ssl")
    if not topic or not hosts or not known or security not in _SECURITY:
        raise InputError(
            "A Kafka source is kafka://host:port/topic, with security, mechanism, ca or gaps.",
            got=url.partition("@")[2] or url,
            do='write for example from = "kafka://broker:9093/payments?security=ssl"',
        )
    told: dict[str, Any] = {"bootstrap.servers": hosts, "security.protocol": security.upper()}
    if "ca" in said:
        told["ssl.ca.location"] = str(folder / said["ca"])
    if parts.username:
        told |= {
            "sasl.username": unquote(parts.username),
            "sasl.password": unquote(parts.password or ""),
            "sasl.mechanism": said.get("mechanism", "SCRAM-SHA-512"),
        }
    return told, topic, said.get("gaps") == "skip"


class _Gone(Exception):
    """A partition no longer holds the record that a load would begin with."""

    def __init__(self, partition: int) -> None:
        super().__init__(partition)
        self.partition = partition


class KafkaReading(Messages):
    """The records of a topic from where the last load ended up to its present end.

    Which records were loaded is known by the offsets that are stored in the same transaction as
    the load, and by nothing that the broker keeps: each is loaded exactly once, whatever is
    killed when. Partitions are assigned here and never by a group, so nothing is rebalanced; one
    that is added is found by the next load.

    Args:
        source: the binding.
        folder: the project's.
        since: the offsets after the last load, as `watermark` gave them.
        wanted: columns that the map names.
        most: records of one load.

    Raises:
        InputError: if the source is written wrongly, or there is no such topic, or the topic has
            let go of records that were not loaded.
        Busy: if the broker does not answer.
    """

    def __init__(
        self,
        source: Source,
        folder: Path,
        since: str | None = None,
        wanted: Sequence[str] = (),
        *,
        most: int = MOST_MESSAGES,
    ) -> None:
        told, self._topic, self._skips = options(source.origin, folder)
        self._place = f"source {source.name}"
        kafka = imported()
        self._kafka = kafka
        self._consumer = kafka.Consumer(told | {
            "group.id": f"heptad-{source.name}", "enable.auto.commit": False,
            "enable.partition.eof": True, "isolation.level": "read_committed",
            "auto.offset.reset": "error", "logger": quiet(),
        })  # fmt: skip
        try:
            done = {int(p): o for p, o in json.loads(since or "{}").items()}
            found, self._offsets = self._read(self._lows(), done, most)
        except kafka.KafkaException as error:
            self._consumer.close()
            raise self._failed(error.args[0]) from error
        except BaseException:
            self._consumer.close()
            raise
        names = [*wanted, *(c for c in _COLUMNS if c not in wanted)]
        super().__init__(found, names, self._place)
        self.watermark = json.dumps({str(p): o for p, o in sorted(self._offsets.items())})

    def landed(self) -> None:
        """Tell the broker how far we are, for those who watch the lag; nothing rests on it."""
        ends = [self._kafka.TopicPartition(self._topic, p, o) for p, o in self._offsets.items()]
        with suppress(self._kafka.KafkaException):
            self._consumer.commit(offsets=ends, asynchronous=False)

    def close(self) -> None:
        """Let the connection go."""
        self._consumer.close()

    def _lows(self) -> dict[int, int]:
        """Return partition → the first offset that it holds."""
        listed = self._consumer.list_topics(self._topic, timeout=ANSWER_S)
        topic = listed.topics[self._topic]
        if topic.error is not None or not topic.partitions:
            raise InputError(
                "There is no such topic.", got=self._topic, do="create it", place=self._place
            )
        partitions = [self._kafka.TopicPartition(self._topic, p) for p in topic.partitions]
        return {
            at.partition: self._consumer.get_watermark_offsets(at, timeout=ANSWER_S)[0]
            for at in partitions
        }

    def _read(
        self, lows: Mapping[int, int], done: Mapping[int, int], most: int
    ) -> tuple[list[Message], dict[int, int]]:
        """Fetch from where the last load ended; records that are gone are told of or passed over."""
        starts = {p: done.get(p, low) for p, low in lows.items()}
        while True:
            try:
                if early := [p for p, start in starts.items() if start < lows[p]]:
                    raise _Gone(early[0])
                return self._fetched(starts, most)
            except _Gone as gone:
                partition = gone.partition
            if not self._skips:
                raise InputError(
                    f"Partition {partition} of {self._topic} does not hold the next record.",
                    got=f"offset {starts[partition]}; it begins at {lows[partition]}",
                    do="load what is missing from elsewhere, then add gaps=skip to the source",
                    place=self._place,
                )
            starts[partition] = lows[partition]

    def _fetched(
        self, starts: Mapping[int, int], most: int
    ) -> tuple[list[Message], dict[int, int]]:
        """Fetch up to the present ends, but no more than one load takes.

        The end of a partition is what a fetch says; brokers differ in what else they call so.

        Raises:
            _Gone: if a partition does not hold its start.
        """
        offsets, open_ = dict(starts), set(starts)
        found: list[Message] = []
        size, until = 0, time.monotonic() + ANSWER_S
        self._consumer.assign(
            [self._kafka.TopicPartition(self._topic, p, start) for p, start in starts.items()]
        )
        while open_ and len(found) < most and size < MOST_BYTES:
            for record in self._consumer.consume(min(1000, most - len(found)), timeout=0.5):
                until = time.monotonic() + ANSWER_S
                partition = record.partition()
                if self._is_end(record):
                    if record.offset() < starts[partition]:
                        raise _Gone(partition)
                    open_.discard(partition)
                    offsets[partition] = max(offsets[partition], record.offset())
                else:
                    offsets[partition] = record.offset() + 1
                    found.append(_message(record))
                    size += len(record.value() or b"")
            if time.monotonic() > until:
                raise Busy("Kafka has stopped answering.", place=self._place, do="try again")
        return found, offsets

    def _is_end(self, record: Any) -> bool:
        """Tell whether this is no record but the end of a partition.

        Raises:
            _Gone: if the broker says that the partition does not hold what was asked for.
        """
        error, known = record.error(), self._kafka.KafkaError
        if error is None:
            return False
        if error.code() == known._PARTITION_EOF:
            return True
        if error.code() in (known._AUTO_OFFSET_RESET, known.OFFSET_OUT_OF_RANGE):
            raise _Gone(record.partition())
        raise self._failed(error)

    def _failed(self, error: Any) -> Busy:
        return Busy(
            "Kafka does not answer, or refuses.",
            got=error.str(),
            do="check the address, `security` and the rights of its user",
            place=self._place,
        )


def _message(record: Any) -> Message:
    """Return a record as a message."""
    _, at = record.timestamp()
    key = record.key()
    about = {
        "kafka_key": None if key is None else key.decode(errors="backslashreplace"),
        "kafka_time": format_instant(at * 1000) if at > 0 else None,
        "kafka_partition": str(record.partition()),
        "kafka_offset": str(record.offset()),
        "kafka_deleted": "true" if record.value() is None else "false",
    }
    return Message(line_of(record.partition(), record.offset() + 1), record.value(), about)


def imported() -> Any:
    """Return the client library.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import confluent_kafka
    except ImportError as error:
        raise InputError(
            "Kafka needs a package that is not installed.",
            do="run `pip install 'heptad[kafka]'`",
        ) from error
    return confluent_kafka


def quiet() -> Any:
    """Return where the client library writes what we tell in errors."""
    import logging

    logger = logging.getLogger("heptad.kafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
