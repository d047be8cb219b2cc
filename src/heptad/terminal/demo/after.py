# SPDX-License-Identifier: Apache-2.0
"""What came of decisions: a held payment as a case, a letter, and a message that was not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.service.letters import Text
from heptad.service.outbox.messages import Wanted
from heptad.terminal import show
from heptad.terminal.commands.cases import line as case_line
from heptad.terminal.commands.outbox import line as message_line

if TYPE_CHECKING:
    from heptad.runtime import Platform


def show_after(platform: Platform) -> None:
    """Draw what follows from the day's decisions, send what may be sent, and print some of it."""
    work = platform.work
    work.settle()
    sent = work.outbox.send()
    show.say("")
    show.say("WHAT PEOPLE DO NEXT")
    _print_case(platform)
    _print_offer(platform)
    _print_unsent(platform)
    open_ = sum(c["n"] for c in work.cases.counts() if c["status"] != "closed")
    show.say(
        f" {open_:,} cases wait for people; {sent.get('sent', 0):,} messages went out just now"
    )


def _print_case(platform: Platform) -> None:
    """A held payment, and others of the same person or device, as one case."""
    cases = platform.work.cases
    held = [c for c in cases.page(app="fraud", limit=500) if c.status != "closed"]
    if not held:
        return
    case = max(held, key=lambda c: (len(cases.decisions(c)), c.id))
    told, n = case_line(case), len(cases.decisions(case))
    what = f"{n} held payment{'s' if n > 1 else ''} of one customer"
    show.say(
        f" case    {told['case']}  {what}, due {told['due'][:16]}   "
        f"heptad cases show {told['case']}"
    )


def _print_offer(platform: Platform) -> None:
    """What somebody was told: a counter-offer, if there is one."""
    outbox = platform.work.outbox
    for app, letter in (("credit", "offer"), ("credit", "declined"), ("fraud", "held")):
        sent = outbox.recent(app=app, status="sent", limit=500)
        found = [m for m in sent if m.letter == letter]
        if found and (text := outbox.text(found[0])) is not None:
            show.say(f" letter  {found[0].id[:12]}  SENT      {text.title} ({found[0].channel})")
            return


def _print_unsent(platform: Platform) -> None:
    """An advertisement to somebody who has not agreed to any."""
    outbox = platform.work.outbox
    reached = outbox.recent(status="sent", limit=1)
    if not reached:
        return
    person = reached[0].subject
    advert = Text("A card that fits you", "Ask us for the new card.")
    wanted = Wanted(f"advert|{person}", "credit", person, ("inbox",), "marketing", advert, "advert")
    (name,) = outbox.plan([wanted])
    told = message_line(outbox.get(name))
    if told["status"] == "skipped":
        show.say(f" advert  {name[:12]}  NOT SENT  {told['why']} ({told['reason']})")
