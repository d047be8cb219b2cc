# SPDX-License-Identifier: Apache-2.0
"""What a project file says of work by the clock, of messages and of the law that holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError
from heptad.standards.time import minute, parse_duration, parse_instant, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heptad.sources.sections import Section

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_RATE = re.compile(r"\s*(\d{1,6})\s*(?:/|per)\s*(s|second|min|minute|h|hour|day)\s*")
_CAP = re.compile(r"\s*([a-z]+)\s*:\s*(\d{1,4})\s+(?:in|per)\s+(.+)")
_SECRET = re.compile(r"\$\{(env|file):[^}]+\}")
SCHEDULE_KEYS = (
    "name", "job", "cron", "by", "table", "zone", "calendar", "retries", "backoff", "group",
    "limit", "since",
)  # fmt: skip
PROVIDER_KEYS = (
    "name", "channel", "kind", "url", "sender", "secret", "user", "rate", "burst", "tls", "body",
)  # fmt: skip
SINK_KEYS = ("name", "to", "apps", "outcomes", "since")
OUTBOX_KEYS = ("quiet", "zone", "caps", "attempts", "backoff", "address")
CHANNELS = ("email", "sms", "push", "webpush", "webhook", "inbox")
REGIMES = ("none", "cn", "eu", "us-2026")
KINDS = ("smtp", "sms", "webhook", "webpush", "inbox")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due.

    Attributes:
        name: of the schedule.
        job: `app.job`, `load:SOURCE`, `decide:APP`, `outbox` or `cases`; "" where a table is only
            watched.
        cron: five fields; "" where a table has to be fresh by a time of day.
        by: time of day, `HH:MM`, by which `table` must have brought rows.
        table: the table watched.
        zone: IANA zone in which it is reckoned.
        calendar: business days only, by this calendar; "" for every day.
        retries: how often a failed run is tried again.
        backoff: wait before the first retry, µs; doubled each time.
        group: schedules of a group share its limit; the job's own name by default.
        limit: most runs of the group at once.
        since: nothing is due before, µs; None is when the schedule was first seen.
    """

    name: str
    job: str = ""
    cron: str = ""
    by: str = ""
    table: str = ""
    zone: str = "UTC"
    calendar: str = ""
    retries: int = 3
    backoff: int = minute
    group: str = ""
    limit: int = 1
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """Who carries the messages of a channel.

    Attributes:
        name: of the provider.
        channel: what it carries.
        kind: how it is spoken to.
        url: `smtp://host:port`, or the https address that is posted to.
        sender: address or name that messages come from.
        secret: signs what is posted, or the password; `${env:…}` or `${file:…}`.
        user: account at the mail server.
        rate: messages a second in the long run; 0 for no limit.
        burst: messages at once before the rate binds.
        tls: whether a mail server must speak TLS.
        body: of an SMS, the JSON that is posted, with {to}, {text}, {id} and {sender}.
    """

    name: str
    channel: str
    kind: str
    url: str = ""
    sender: str = ""
    secret: str = ""
    user: str = ""
    rate: float = 0.0
    burst: int = 1
    tls: bool = True
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` messages to one person within `window` µs.

    `of` is a purpose, or `any` for messages of every purpose and application together.
    """

    of: str
    most: int
    window: int


@dataclass(frozen=True, slots=True)
class Outbox:
    """How messages are sent.

    Attributes:
        quiet: from and to, `HH:MM`, in the person's own time zone; "" and "" for never.
        zone: of persons whose country is not known.
        caps: how often a person may be written to, over all applications.
        attempts: how often a message is tried before it is a dead letter.
        backoff: wait before the second attempt, µs; doubled each time, with jitter.
        address: where this project is reached from outside, for the link that ends letters.
    """

    quiet: tuple[str, str] = ("21:00", "08:00")
    zone: str = "UTC"
    caps: tuple[Cap, ...] = (Cap("any", 20, 7 * 24 * 60 * minute),)
    attempts: int = 8
    backoff: int = minute // 2
    address: str = ""


@dataclass(frozen=True, slots=True)
class Sink:
    """A topic that decisions are sent to.

    Attributes:
        name: of the sink; how far it has got is kept under it.
        to: `kafka://…`, as a source says it.
        apps: whose decisions; all by default.
        outcomes: which decisions, for example hold and decline; all by default.
        since: `start` sends what was decided before the sink was first seen, `now` does not.
    """

    name: str
    to: str
    apps: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    since: str = "start"

    def takes(self, app: str, outcome: str) -> bool:
        """Tell whether a decision is sent."""
        return (not self.apps or app in self.apps) and (
            not self.outcomes or outcome in self.outcomes
        )


def schedules(root: Section) -> tuple[Schedule, ...]:
    """Read `[[schedule]]`."""
    return _listed(root, "schedule", _schedule)


def providers(root: Section) -> tuple[Provider, ...]:
    """Read `[[provider]]`."""
    return _listed(root, "provider", _provider)


def sinks(root: Section) -> tuple[Sink, ...]:
    """Read `[[sink]]`."""
    return _listed(root, "sink", _sink)


def _sink(section: Section) -> Sink:
    section.only(SINK_KEYS)
    to = section.text("to", needed=True)
    if not to.startswith("kafka://"):
        raise section.error(
            f"{section.title} sends to a topic.", "to", to, 'write to = "kafka://host:port/topic"'
        )
    return Sink(
        _name(section), to, section.texts("apps"), section.texts("outcomes"),
        section.choice("since", "start", ("start", "now")),
    )  # fmt: skip


def outbox(section: Section) -> Outbox:
    """Read `[outbox]`."""
    plain = Outbox()
    return Outbox(
        quiet=section.read("quiet", plain.quiet, quiet_hours),
        zone=section.read("zone", plain.zone, _zone),
        caps=section.read("caps", plain.caps, _caps),
        attempts=section.integer("attempts", plain.attempts, least=1, most=100),
        backoff=section.read("backoff", plain.backoff, _duration),
        address=section.text("address").rstrip("/"),
    )


def quiet_hours(text: object) -> tuple[str, str]:
    """Read `21:00-08:00`; "" is never.

    Raises:
        InputError: if it is neither.
    """
    if text == "":
        return "", ""
    first, mark, last = str(text).partition("-")
    if not mark or not (_CLOCK.fullmatch(first.strip()) and _CLOCK.fullmatch(last.strip())):
        raise InputError("Quiet hours are two times of day.", got=text, do='write "21:00-08:00"')
    return first.strip(), last.strip()


def _listed(root: Section, key: str, read: Callable[[Section], Any]) -> tuple[Any, ...]:
    """Read the tables under `[[key]]`, each with a name of its own."""
    listed = root.values.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(s, dict) for s in listed):
        raise root.error(
            f"A {key} is written under [[{key}]], with two brackets.", key, None, f"write [[{key}]]"
        )
    found: dict[str, Any] = {}
    for index, values in enumerate(listed):
        title = f"[[{key}]] {values.get('name') or f'number {index + 1}'}"
        section = root.part(values, title, key, index)
        one = read(section)
        if one.name in found:
            raise section.error(
                f"Two of [[{key}]] are called {one.name!r}.", "name", one.name, "rename one"
            )
        found[one.name] = one
    return tuple(found.values())


def _name(section: Section, default: str = "") -> str:
    name = section.text("name", default, needed=True)
    if not NAME.fullmatch(name):
        raise section.error(
            f"{section.title}: a name is letters, digits, _ . and -.", "name", name, "rename it"
        )
    return name


def _schedule(section: Section) -> Schedule:
    section.only(SCHEDULE_KEYS)
    plain = Schedule("x")
    job = section.text("job")
    made = Schedule(
        name=_name(section, job.replace(":", ".")),
        job=job,
        cron=section.read("cron", "", _cron),
        by=section.read("by", "", _time_of_day),
        table=section.text("table"),
        zone=section.read("zone", plain.zone, _zone),
        calendar=section.text("calendar"),
        retries=section.integer("retries", plain.retries, most=1000),
        backoff=section.read("backoff", plain.backoff, _duration),
        group=section.text("group"),
        limit=section.integer("limit", plain.limit, least=1, most=64),
        since=section.read("since", None, lambda v: parse_instant(str(v))),
    )
    if bool(made.cron) == bool(made.by):
        raise section.error(
            f"{section.title} says either cron or by.", "cron", made.cron or None, 'by = "06:00"'
        )
    if made.by and not made.table:
        raise section.error(f"{section.title} names no table.", "table", None, 'table = "Payment"')
    if made.cron and not job:
        raise section.error(f"{section.title} names no job.", "job", None, 'job = "outbox"')
    return made


def _provider(section: Section) -> Provider:
    section.only(PROVIDER_KEYS)
    secret = section.text("secret")
    if secret and not _SECRET.fullmatch(secret):
        raise section.error(
            f"{section.title}: a secret does not stand in the project file.",
            "secret", None, 'write secret = "${env:NAME}"',
        )  # fmt: skip
    kind = section.choice("kind", "", KINDS)
    if kind != "inbox":
        section.text("url", needed=True)
    return Provider(
        name=_name(section),
        channel=section.choice("channel", "", CHANNELS),
        kind=kind,
        url=section.text("url"),
        sender=section.text("sender"),
        secret=secret,
        user=section.text("user"),
        rate=section.read("rate", 0.0, _rate),
        burst=section.integer("burst", 1, least=1, most=100_000),
        tls=section.flag("tls", default=True),
        body=section.mapping("body") or None,
    )


def _cron(value: object) -> str:
    from cronsim import CronSim, CronSimError

    from heptad.standards.time import from_micros

    text = str(value)
    try:
        if len(text.split()) != 5:
            raise CronSimError("there are five fields")
        next(CronSim(text, from_micros(0)))
    except (CronSimError, StopIteration) as error:
        raise InputError(
            f"This is no cron expression: {error or 'it is never due'}.",
            got=text,
            do='write minute hour day month weekday, for example "30 6 * * 1-5"',
        ) from error
    return text


def _time_of_day(value: object) -> str:
    if not _CLOCK.fullmatch(str(value)):
        raise InputError("A time of day is HH:MM.", got=value, do='write "06:00"')
    return str(value)


def _zone(value: object) -> str:
    return zone(str(value)).key


def _duration(value: object) -> int:
    found = parse_duration(str(value))
    if not 0 < found <= 366 * 24 * 60 * minute:
        raise InputError("This wait must lie between nothing and a year.", got=value, do="30 s")
    return found


def _rate(value: object) -> float:
    found = _RATE.fullmatch(str(value))
    if not found:
        raise InputError("A rate is a number a second, minute or hour.", got=value, do='"10/s"')
    return int(found[1]) / {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2][0]]


def _caps(value: object) -> tuple[Cap, ...]:
    listed = [value] if isinstance(value, str) else value
    found = []
    for text in listed if isinstance(listed, list) else [listed]:
        cap = _CAP.fullmatch(str(text))
        if not cap:
            raise InputError(
                "A cap is so many in so long.", got=text, do='"marketing: 2 in 7 days"'
            )
        found.append(Cap(cap[1], int(cap[2]), _duration(cap[3])))
    return tuple(found)
