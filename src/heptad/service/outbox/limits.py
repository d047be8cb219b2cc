# SPDX-License-Identifier: Apache-2.0
"""Whether a person may be written to now: their hours, how often, what they refused, what they gave."""

from __future__ import annotations

from collections import Counter as Tally
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BindParameter, Select, bindparam, func, select

from heptad.catalog.outboxtables import MessageRow, SuppressionRow
from heptad.security.purposes import WITHDRAWABLE
from heptad.standards.errors import ContractError
from heptad.standards.time import from_micros, micros, zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from heptad.service.reads.guard import Guard
    from heptad.sources.work import Cap

CONTACT = "contact"
COUNTED = ("sending", "sent", "delivered", "bounced", "uncertain")
"""States of a message that count against a cap: it reached the person, or may have."""
PERSON = "Customer:"


class Verdict(NamedTuple):
    """What becomes of a message now.

    Attributes:
        act: send, later or never.
        reason: a stable code; "" to send.
        until: for later, the instant from which it may be looked at again, µs.
    """

    act: str
    reason: str = ""
    until: int = 0


SEND = Verdict("send")


def basis_of_contact(guard: Guard, purpose: str) -> str:
    """Return the basis on which people are written to for a purpose.

    Raises:
        ContractError: if the purpose does not cover writing to them.
    """
    found = guard.purposes[purpose].on(CONTACT) if purpose in guard.purposes else None
    if found is None:
        covering = sorted(n for n, p in guard.purposes.items() if p.on(CONTACT))
        raise ContractError(
            f"Nobody is written to for the purpose {purpose!r}.",
            got=purpose,
            do=f"write for one of {', '.join(covering)}",
        )
    return found


def consented(guard: Guard, purpose: str, subjects: Iterable[str]) -> set[str]:
    """Return those persons who may be written to for a purpose, as of now.

    What rests on a basis that nobody can end is allowed to all; else consents and objections
    decide, as they are known at an instant that does not step back.
    """
    people = set(subjects)
    basis = basis_of_contact(guard, purpose)
    if basis not in WITHDRAWABLE:
        return people
    standing = guard.standings.at(purpose, CONTACT, basis, guard.now())  # type: ignore[arg-type]
    keys = {p.removeprefix(PERSON): p for p in people if p.startswith(PERSON)}
    listed = guard.standings.listed(standing, list(keys))
    return {person for key, person in keys.items() if (key in listed) is standing.among}


@cache
def zones_of(country: str, default: str) -> tuple[str, ...]:
    """Return the time zones of a country, so that it is night for a person if it is in one."""
    import pytz

    found = pytz.country_timezones.get(country) if len(country) == 2 else None
    return tuple(found) if found else (default,)


def awake(now: int, zones: Sequence[str], quiet: tuple[str, str]) -> int:
    """Return the first instant from `now` on that is outside the quiet hours of all zones.

    Args:
        now: microseconds.
        zones: IANA names.
        quiet: from and to, `HH:MM`; they may go over midnight; "" and "" are never.
    """
    if not quiet[0] or quiet[0] == quiet[1]:
        return now
    at = now
    for _ in range(50):
        ends = [end for name in zones if (end := _night(at, name, quiet)) > at]
        if not ends:
            return at
        at = max(ends)
    return at


def _night(at: int, name: str, quiet: tuple[str, str]) -> int:
    """Return when the night that goes on ends in a zone; `at` if it is day there."""
    place = zone(name)
    local = from_micros(at).astimezone(place)
    first, last = quiet
    clock = f"{local:%H:%M}"
    over = first > last
    if not ((clock >= first or clock < last) if over else first <= clock < last):
        return at
    date = local.date() + timedelta(days=1 if over and clock >= first else 0)
    hours, minutes = map(int, last.split(":"))
    return micros(datetime(date.year, date.month, date.day, hours, minutes, tzinfo=place))


# Statements are written once: to write one anew costs more than to run it.
_WRITTEN = select(func.count()).where(
    MessageRow.subject == bindparam("whom"),
    MessageRow.sent > bindparam("since"),
    MessageRow.status.in_(COUNTED),
)
_WRITTEN_FOR = _WRITTEN.where(MessageRow.purpose == bindparam("why"))


class Counter:
    """How often persons were written to, counted in the transaction that takes messages to send."""

    def __init__(self, connection: Connection, caps: Sequence[Cap], now: int) -> None:
        self._connection, self._caps, self._now = connection, caps, now
        self._before: dict[tuple[str, int], int] = {}
        self._since: Tally[tuple[str, str]] = Tally()

    def full(self, subject: str, purpose: str) -> bool:
        """Whether one message more would be too many for a person."""
        return any(
            self._count(subject, n) >= cap.most
            for n, cap in enumerate(self._caps)
            if cap.of in ("any", purpose)
        )

    def add(self, subject: str, purpose: str) -> None:
        """Count a message that is taken to be sent."""
        self._since[subject, "any"] += 1
        self._since[subject, purpose] += 1

    def _count(self, subject: str, n: int) -> int:
        cap = self._caps[n]
        if (subject, n) not in self._before:
            asked = {"whom": subject, "since": self._now - cap.window, "why": cap.of}
            wanted = _WRITTEN if cap.of == "any" else _WRITTEN_FOR
            self._before[subject, n] = self._connection.execute(wanted, asked).scalar_one()
        return self._before[subject, n] + self._since[subject, cap.of]


def _suppressions(column: Any) -> Select[Any]:
    """Return the question which rules there are about some subjects or addresses."""
    fields = (SuppressionRow.channel, SuppressionRow.purpose, SuppressionRow.reason)
    some: BindParameter[Any] = bindparam("some", expanding=True)
    return select(column, *fields).where(column.in_(some), SuppressionRow.ended.is_(None))


_OF_SUBJECTS = _suppressions(SuppressionRow.subject)
_OF_ADDRESSES = _suppressions(SuppressionRow.address)


class Suppressed:
    """Who is not to be written to, as it stands in one transaction."""

    def __init__(
        self, connection: Connection, subjects: Iterable[str], addresses: Iterable[str]
    ) -> None:
        self._rules: dict[str, list[tuple[str, str, str]]] = {}
        for wanted, names in ((_OF_SUBJECTS, subjects), (_OF_ADDRESSES, addresses)):
            values = sorted({*names} - {""})
            for start in range(0, len(values), 500):
                some = {"some": values[start : start + 500]}
                for name, channel, purpose, reason in connection.execute(wanted, some):
                    self._rules.setdefault(name, []).append((channel, purpose, reason))

    def why(self, subject: str, address: str, channel: str, purpose: str) -> str:
        """Return why a message must not go, or ""."""
        for name in (subject, address):
            for on, of, reason in self._rules.get(name, ()):
                if on in ("", channel) and of in ("", purpose):
                    return reason
        return ""


class Bucket:
    """So many messages a second in the long run, some at once; a token bucket.

    Args:
        rate: messages a second; 0 for no limit.
        burst: how many at once.
        now: the present in microseconds, of a clock that only goes forward.
    """

    def __init__(self, rate: float, burst: int, now: int) -> None:
        self.rate, self.burst, self._tokens, self._at = rate, burst, float(burst), now

    def fill(self, now: int) -> None:
        """Add what has come since; a clock that went back adds nothing."""
        self._tokens += max(now - self._at, 0) / 1e6 * self.rate
        self._tokens, self._at = min(self._tokens, float(self.burst)), now

    def left(self) -> int:
        """Return how many messages may go now."""
        return int(self._tokens) if self.rate else 2**31

    def take(self) -> None:
        """Count one message that goes."""
        self._tokens -= 1 if self.rate else 0
