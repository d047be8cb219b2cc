# SPDX-License-Identifier: Apache-2.0
"""Do what is due while a project is served: its schedule, its cases and its messages."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from heptad.catalog.courtesy import behind
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from heptad.service.working import Work

_LOG = logging.getLogger("heptad.schedule")
EVERY_S = 1.0
"""How long is waited from one look to the next."""
TIRED_S = 10.0
"""How long is waited after something failed."""
SHADOW_S = 0.1
"""How long flows in shadow are asked at once, before others get their turn."""
REST = 2.0
"""For how many times as long as they worked cases and messages rest: more is then done at once."""
AT_ONCE = 500
"""Messages of one pass: between two passes a stop is heard, and commands get their turn."""


def keep_time(work: Work, stopped: threading.Event) -> None:
    """Do what the schedule has due, again and again, until told to stop.

    Two threads may do so: no slot is taken twice, and one long job holds up one of them only.
    """
    work.stopping = stopped
    _again_and_again("the schedule", lambda: bool(work.schedules.run_due(stopped)), stopped)


def keep_talking(work: Work, stopped: threading.Event) -> None:
    """Draw cases and messages from decisions, raise late cases and send what may be sent."""

    def once() -> bool:
        work.escalate()
        return bool(work.outbox.send(AT_ONCE).get("handed over"))

    _again_and_again("cases and messages", once, stopped, rest=REST)


def keep_shadowing(work: Work, stopped: threading.Event) -> None:
    """Ask flows in shadow what they would have decided, for half of one core's time at most."""
    _again_and_again("a shadow", lambda: bool(work.shadows.catch_up(SHADOW_S)), stopped)


def keep_publishing(work: Work, stopped: threading.Event) -> None:
    """Send decisions to the sinks of the project."""

    def once() -> bool:
        return any(told["sent"] for told in work.publishing.publish(stopped=stopped))

    _again_and_again("a sink", once, stopped)


def _again_and_again(
    what: str, act: Callable[[], bool], stopped: threading.Event, rest: float = 1.0
) -> None:
    """Act until told to stop: soon again where something was done, later where it failed.

    Callers that wait for decisions share the interpreter with it: it rests as long as it worked,
    or so many times as long.
    """
    pause = 0.0
    while not stopped.wait(pause):
        begun = time.monotonic()
        try:
            with behind():
                more = act()
            pause = min(EVERY_S, rest * (time.monotonic() - begun)) if more else EVERY_S
        except HeptadError as error:
            _LOG.warning("%s: %s", what, error.what)
            pause = TIRED_S
        except Exception:  # noqa: BLE001 - a job or a provider may break in any way; the next look is taken
            _LOG.exception("%s failed", what)
            pause = TIRED_S
