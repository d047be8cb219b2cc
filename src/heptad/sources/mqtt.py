# SPDX-License-Identifier: Apache-2.0
"""MQTT: what a broker has kept for us in a persistent session, acknowledged once it is stored."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from heptad.sources.config import revealed
from heptad.sources.messages import MOST_BYTES, MOST_MESSAGES, Message, Messages
from heptad.standards.errors import Busy, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from heptad.sources.binding import Source

SCHEMES = ("mqtt://", "mqtts://")
ANSWER_S = 10.0
"""How long the broker may take to let us in."""
IDLE_S = 0.5
"""A broker that has sent nothing for so long has nothing more for us now."""
IN_FLIGHT = 5_000
"""Messages that the broker may send before it hears that they are stored: the back-pressure."""
KEPT_S = 30 * 86_400
"""How long the broker keeps our session while nobody loads."""
_LOCAL = ("localhost", "127.0.0.1", "::1")
_COLUMNS = ("mqtt_topic",)


class MqttReading(Messages):
    """What came to a topic filter since the last load.

    A message is acknowledged (QoS 1) after its load is committed. Killed in between, the broker
    sends it again, and the row is dropped as one that is there already: each is stored once.
    While nobody loads the broker keeps the messages, as many as it is set up to.

    Args:
        source: the binding; `mqtt://user:password@host:port/topic/filter`, where only a broker of
            this machine may be asked without TLS (`mqtts://…?ca=file`).
        folder: the project's.
        wanted: columns that the map names.
        most: messages of one load.

    Raises:
        InputError: if the source is written wrongly.
        Busy: if the broker does not let us in.
    """

    def __init__(
        self,
        source: Source,
        folder: Path,
        wanted: Sequence[str] = (),
        *,
        most: int = MOST_MESSAGES,
    ) -> None:
        self._place = f"source {source.name}"
        self._mqtt = _imported()
        self._came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._taken: list[Any] = []
        self._client = self._connected(source, folder)
        try:
            found = self._fetched(most)
        except BaseException:
            self.close()
            raise
        super().__init__(found, [*wanted, *(c for c in _COLUMNS if c not in wanted)], self._place)

    def landed(self) -> None:
        """Acknowledge what was read."""
        for message in self._taken:
            self._client.ack(message.mid, message.qos)
        self._taken = []
        until = time.monotonic() + ANSWER_S
        while self._client.want_write() and time.monotonic() < until:
            time.sleep(0.001)

    def close(self) -> None:
        """Let the connection go; what is not acknowledged comes again."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, source: Source, folder: Path) -> Any:
        """Take up our session, or begin it."""
        parts = urlsplit(revealed(source.origin, folder))
        said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        topic, host = unquote(parts.path.strip("/") + (f"#{parts.fragment}" if "#" in source.origin
                              else "")), parts.hostname or ""  # fmt: skip
        secure = parts.scheme == "mqtts"
        if not topic or not host or set(said) - {"ca"} or not (secure or host in _LOCAL):
            raise InputError(
                "An MQTT source is mqtts://host:port/topic, or mqtt:// for one of this machine.",
                got=source.origin.partition("@")[2] or source.origin,
                do='write for example from = "mqtts://broker/ships/+/position?ca=ca.pem"',
                place=self._place,
            )
        mqtt = self._mqtt
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"heptad-{source.name}",
            protocol=mqtt.MQTTv5, manual_ack=True,
        )  # fmt: skip
        if secure:
            client.tls_set(ca_certs=str(folder / said["ca"]) if "ca" in said else None)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        opened: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def connected(_client: Any, _data: Any, _flags: Any, code: Any, _told: Any) -> None:
            client.subscribe(topic, 1)
            opened.put(code)

        client.on_connect = connected
        client.on_message = lambda _c, _u, message: self._came.put(message)
        try:
            client.connect(host, parts.port or (8883 if secure else 1883), clean_start=False,
                           properties=self._properties())  # fmt: skip
            client.loop_start()
            code = opened.get(timeout=ANSWER_S)
        except (OSError, ValueError, queue.Empty) as error:
            client.loop_stop()
            raise Busy(
                "The MQTT broker does not answer.", got=str(error), place=self._place,
                do="check the address",
            ) from error  # fmt: skip
        if code.is_failure:
            client.loop_stop()
            raise Busy("The MQTT broker does not let us in.", got=str(code), place=self._place,
                       do="check user and password")  # fmt: skip
        return client

    def _properties(self) -> Any:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        made: Any = Properties
        told = made(PacketTypes.CONNECT)
        told.SessionExpiryInterval = KEPT_S
        told.ReceiveMaximum = IN_FLIGHT
        return told

    def _fetched(self, most: int) -> list[Message]:
        """Take what comes until nothing more does."""
        found: list[Message] = []
        size, until = 0, time.monotonic() + 2 * IDLE_S
        while len(found) < most and size < MOST_BYTES:
            try:
                message = self._came.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            until = time.monotonic() + IDLE_S
            self._taken.append(message)
            size += len(message.payload)
            found.append(Message(len(found) + 1, message.payload, {"mqtt_topic": message.topic}))
        return found


def _imported() -> Any:
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise InputError(
            "MQTT needs a package that is not installed.", do="run `pip install 'heptad[mqtt]'`"
        ) from error
    return client
