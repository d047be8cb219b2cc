# SPDX-License-Identifier: Apache-2.0
"""The judge of the outbox: whether a message goes now, later or never, and the first reason why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.service.outbox.limits import SEND, Verdict, awake

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from heptad.service.outbox.addresses import Found
    from heptad.service.outbox.limits import Counter, Suppressed
    from heptad.service.outbox.messages import Message
    from heptad.sources.work import Outbox


@dataclass
class Judge:
    """Judges messages in the transaction that takes them to be sent.

    Attributes:
        settings: quiet hours and the zone of whom nobody knows the country.
        now: µs.
        held: what is stopped, `app:NAME` or `purpose:NAME`.
        free: purpose → the persons who may be written to for it.
        addresses: where they are reached.
        closed: who is not to be written to.
        hashes: message → keyed hash of its address.
        counter: how often persons were written to.
        texts: messages whose text could be opened.
    """

    settings: Outbox
    now: int
    held: Collection[str]
    free: Mapping[str, set[str]]
    addresses: Found
    closed: Suppressed
    hashes: Mapping[str, str]
    counter: Counter
    texts: Collection[str]

    def of(self, message: Message) -> Verdict:
        """Judge one message."""
        if {f"app:{message.app}", f"purpose:{message.purpose}"} & set(self.held):
            return Verdict("later", "STOPPED", self.now)
        if against := self._against(message):
            return Verdict("never", against)
        return SEND if message.urgent else self._unhurried(message)

    def _against(self, message: Message) -> str:
        """Return why a message is never to be sent, or ""."""
        if message.id not in self.texts:
            return "ERASED"
        if message.until <= self.now:
            return "EXPIRED"
        if message.subject not in self.free[message.purpose]:
            return "NO_CONSENT"
        if not self.addresses.of(message):
            return "NO_ADDRESS"
        return self.closed.why(
            message.subject, self.hashes[message.id], message.channel, message.purpose
        )

    def _unhurried(self, message: Message) -> Verdict:
        """Judge a message that can wait; in an inbox it wakes nobody."""
        zones = self.addresses.zones(message, self.settings.zone)
        morning = awake(self.now, zones, self.settings.quiet)
        if morning > self.now and message.channel != "inbox":
            if morning >= message.until:
                return Verdict("never", "EXPIRED")
            return Verdict("later", "QUIET_HOURS", morning)
        if self.counter.full(message.subject, message.purpose):
            return Verdict("never", "CAP")
        return SEND
