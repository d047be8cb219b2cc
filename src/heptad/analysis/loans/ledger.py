# SPDX-License-Identifier: Apache-2.0
"""One loan's book: what was due, how each payment was used, and that no cent is lost."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from heptad.analysis.loans.daycounts import share_of_year
from heptad.analysis.loans.schedules import MILLION, Terms, schedule
from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heptad.analysis.loans.daycounts import Business
    from heptad.analysis.loans.schedules import Instalment

EVENTS = (
    "fee", "payment", "prepayment", "reversal", "waiver", "refund", "restructure", "write off",
)  # fmt: skip
"""What may happen to a loan; things of one day happen in this order."""
ORDER = ("fee", "interest", "principal")
"""In which order a payment is used within one instalment; instalments are paid oldest first."""


@dataclass(frozen=True)
class Event:
    """One thing that happened to a loan.

    Attributes:
        day: on which it counts.
        kind: one of `EVENTS`.
        id: unique within the loan; orders the events of a day.
        amount: in minor units; none for a restructure or a write-off.
        of: the payment that a reversal takes back.
        terms: of a restructure: `principal` is ignored, what is owed takes its place.
    """

    day: date
    kind: str
    id: str
    amount: int = 0
    of: str = ""
    terms: Terms | None = None


@dataclass
class Item:
    """Something that is to be paid on a day, and what of it was paid, waived or moved away.

    Attributes:
        number: of the instalment; 0 for a fee.
        due: day on which it is to be paid.
        until: day up to which its interest is counted.
        owed: part → minor units that are still to be paid.
        settled: day on which nothing of it was left; None while something is.
    """

    number: int
    due: date
    until: date
    owed: dict[str, int]
    settled: date | None = None

    @property
    def left(self) -> int:
        """What is still to be paid."""
        return sum(self.owed.values())


@dataclass
class Book:
    """A loan as of a day.

    Attributes:
        terms: by which it runs now.
        begun: day on which it was paid out.
        day: up to which everything is in.
        items: what is to be paid, in order of days; those of the future included.
        totals: what became of money: "lent", "cash", "refunded", "held", "recovered", and for
            each part P "charged P", "paid P", "waived P", "written off P", "capitalised P".
        status: running, repaid or written off.
        restructured: days on which the loan was restructured.
        steps: how it stood at the end of each day on which something changed.
    """

    terms: Terms
    begun: date
    day: date
    items: list[Item]
    totals: dict[str, int] = field(default_factory=dict)
    status: str = "running"
    restructured: list[date] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def total(self, name: str) -> int:
        """Return one of the totals; 0 if nothing of the kind happened."""
        return self.totals.get(name, 0)

    def add(self, name: str, amount: int) -> None:
        """Count an amount towards a total."""
        self.totals[name] = self.totals.get(name, 0) + amount

    def overdue(self) -> list[Item]:
        """Return what is past its day and not paid in full, oldest first."""
        return [item for item in self.items if item.due < self.day and item.left]

    @property
    def balance(self) -> int:
        """Principal that is not paid back, due or not."""
        return sum(item.owed["principal"] for item in self.items)

    def check(self) -> None:
        """Make sure that no cent is lost or made.

        Raises:
            ContractError: if money is not conserved.
        """
        paid = sum(self.total(f"paid {part}") for part in ORDER)
        kept = self.total("held") + self.total("refunded") + self.total("recovered")
        _same("cash", self.total("cash"), paid + kept)
        gone = {
            part: sum(
                self.total(f"{how} {part}")
                for how in ("paid", "waived", "written off", "capitalised")
            )
            for part in ORDER
        }
        new = sum(self.total(f"capitalised {part}") for part in ORDER)
        _same("principal", self.total("lent") + new, gone["principal"] + self.balance)
        for part in ("fee", "interest"):
            left = sum(i.owed[part] for i in self.items if i.due <= self.day)
            _same(part, self.total(f"charged {part}"), gone[part] + left)


@dataclass(frozen=True, slots=True)
class Step:
    """How a loan stood at the end of a day.

    Attributes:
        day: from which on it stood so.
        oldest: day of the oldest thing that is not paid in full and due by `day`; None if none.
        late: what is due by `day` and not paid.
        balance: principal not paid back.
        owed: the same with interest and fees that are due and not paid, less what is held.
        cash: all that was received up to then, what was paid back later included.
        status: running, repaid or written off.
    """

    day: date
    oldest: date | None
    late: int
    balance: int
    owed: int
    cash: int
    status: str


def book(
    terms: Terms,
    events: Iterable[Event],
    until: date,
    *,
    order: Sequence[str] = ORDER,
    instalments: Sequence[Instalment] | None = None,
    is_business: Business = lambda _: True,
) -> Book:
    """Run a loan from its start to the end of a day.

    Things of one day come in this order: what falls due, then events by (kind in `EVENTS`, id).
    A payment that a reversal of this time takes back has never been: the loan is run without it.

    Args:
        terms: as agreed first.
        events: all that happened, in any order; later than `until` is left out.
        until: last day.
        order: in which parts of an instalment are paid.
        instalments: what falls due, where it is not to be computed from the terms.
        is_business: whether people work on a day.

    Raises:
        ContractError: if an event is of no known kind, ids repeat, or money is not conserved.
    """
    known = _checked([e for e in events if e.day <= until])
    undone = {e.of for e in known if e.kind == "reversal"}
    known = [e for e in known if e.id not in undone and e.kind != "reversal"]
    due = schedule(terms, is_business) if instalments is None else instalments
    made = Book(terms, terms.start, terms.start, [_item(i) for i in due])
    made.add("lent", terms.principal)
    run = Running(made, tuple(order), is_business)
    on: dict[date, list[Event]] = {}
    for event in sorted(known, key=lambda e: (e.day, EVENTS.index(e.kind), e.id)):
        on.setdefault(event.day, []).append(event)
    while (day := _next(made, on, until)) is not None:
        run.pass_day(day, on.pop(day, []))
    made.day = until
    made.check()
    return made


def _next(made: Book, on: dict[date, list[Event]], until: date) -> date | None:
    """Return the next day on which something falls due or happens; a restructure moves them."""
    last = made.steps[-1].day if made.steps else date.min
    days = {item.due for item in made.items if item.due > last} | on.keys()
    return min((day for day in days if day <= until), default=None)


def _checked(events: list[Event]) -> list[Event]:
    ids = [e.id for e in events]
    if len(set(ids)) != len(ids):
        raise ContractError("Events of a loan have ids of their own.", got=len(ids) - len(set(ids)))
    for e in events:
        if e.kind not in EVENTS:
            raise ContractError(
                f"No event is a {e.kind!r}.", got=e.kind, do=suggest(e.kind, EVENTS)
            )
        if e.amount < 0:
            raise ContractError("An amount is at least 0; use a reversal.", got=e.amount)
        if (e.kind == "restructure") != (e.terms is not None):
            raise ContractError("A restructure, and only that, has terms.", got=e.kind)
    return events


def _item(i: Instalment) -> Item:
    owed = {"fee": 0, "interest": i.interest, "principal": i.principal}
    return Item(i.number, i.due, i.until, owed)


def _same(what: str, one: int, other: int) -> None:
    if one != other:
        raise ContractError(f"The {what} of a loan is not conserved.", got=f"{one} and {other}")


class Running:
    """Lets days pass over a book.

    Args:
        made: the book, which changes.
        order: in which parts of an instalment are paid.
        is_business: whether people work on a day.
    """

    def __init__(self, made: Book, order: tuple[str, ...], is_business: Business) -> None:
        self.made, self.order, self.is_business = made, order, is_business

    def pass_day(self, day: date, events: Sequence[Event]) -> None:
        """Let a day pass: what falls due takes what is held, then events happen."""
        made = self.made
        made.day = day
        for item in made.items:
            if item.due == day and item.number:
                made.add("charged interest", item.owed["interest"])
        self._use_held()
        for event in events:
            if made.status == "written off" and event.kind in ("payment", "prepayment"):
                made.add("cash", event.amount)
                made.add("recovered", event.amount)
            else:
                getattr(self, "_" + event.kind.replace(" ", "_"))(event)
        if made.status == "running" and not any(item.left for item in made.items):
            made.status = "repaid"
        due = [item for item in made.items if item.due <= day and item.left]
        oldest = min((item.due for item in due), default=None)
        late, balance = sum(item.left for item in due), made.balance
        owed = balance + late - sum(item.owed["principal"] for item in due) - made.total("held")
        made.steps.append(Step(day, oldest, late, balance, owed, made.total("cash"), made.status))

    def _payment(self, event: Event) -> None:
        self.made.add("cash", event.amount)
        self.made.add("held", event.amount)
        self._use_held()

    def _use_held(self) -> None:
        """Pay what is due from what is held, oldest first."""
        made = self.made
        for item in made.items:
            if item.due > made.day or not made.total("held"):
                break
            used = self._take(item, made.total("held"), "paid")
            made.add("held", -used)

    def _take(self, item: Item, most: int, how: str) -> int:
        """Take an amount off what is to be paid, part by part; return how much was taken."""
        left = most
        for part in self.order:
            taken = min(left, item.owed[part])
            item.owed[part] -= taken
            self.made.add(f"{how} {part}", taken)
            left -= taken
        if item.settled is None and not item.left:
            item.settled = self.made.day
        return most - left

    def _fee(self, event: Event) -> None:
        self._add(
            Item(0, event.day, event.day, {"fee": event.amount, "interest": 0, "principal": 0})
        )
        self.made.add("charged fee", event.amount)
        self._use_held()

    def _add(self, item: Item) -> None:
        insort(self.made.items, item, key=lambda i: (i.due, i.number))

    def _waiver(self, event: Event) -> None:
        """Give up what is due, oldest first."""
        left = event.amount
        for item in self.made.items:
            if item.due <= self.made.day:
                left -= self._take(item, left, "waived")
        if left:
            raise ContractError(
                "Only what is due can be waived.", got=event.id, do=f"waive {left} less"
            )

    def _refund(self, event: Event) -> None:
        if event.amount > self.made.total("held"):
            raise ContractError(
                "Only money that is held can be paid back.",
                got=event.amount,
                do=f"pay back at most {self.made.total('held')}",
            )
        self.made.add("held", -event.amount)
        self.made.add("refunded", event.amount)

    def _accrued(self) -> int:
        """Return the interest since the last day up to which it was charged."""
        made = self.made
        ends = [i.until for i in made.items if i.number and i.due <= made.day]
        since = max([made.terms.start, *(end for end in ends if end <= made.day)])
        rate = Fraction(made.terms.rate, MILLION)
        return round(made.balance * rate * share_of_year(since, made.day, made.terms.day_count))

    def _restructure(self, event: Event) -> None:
        """Make everything owed the principal of a new contract that starts today."""
        made = self.made
        stub = self._accrued()
        made.add("charged interest", stub)
        made.add("capitalised interest", stub)
        principal = made.balance + stub
        for item in made.items:
            for part in ("fee", "interest"):
                if item.due <= made.day:
                    principal += item.owed[part]
                    made.add(f"capitalised {part}", item.owed[part])
            item.owed = dict.fromkeys(ORDER, 0)
            item.settled = item.settled or made.day
        terms = event.terms or made.terms
        self._go_on(replace(terms, principal=principal, start=event.day))
        made.restructured.append(event.day)

    def _go_on(self, terms: Terms) -> None:
        """Replace what is not due yet by what new terms make of it."""
        made = self.made
        made.items = [item for item in made.items if item.due <= made.day]
        for instalment in schedule(terms, self.is_business):
            self._add(_item(instalment))
        made.terms = terms

    def _prepayment(self, event: Event) -> None:
        """Pay what is due, then principal before its time; as many instalments go on, lower ones.

        Interest that has accrued on what is paid back early falls due with the next instalment,
        or at once where nothing is left.
        """
        made = self.made
        self._payment(event)
        early = min(made.total("held"), made.balance)
        ahead = [item for item in made.items if item.due > made.day and item.number]
        if not early or not ahead:
            return
        stub, left = self._accrued(), made.balance - early
        made.add("held", -early)
        made.add("paid principal", early)
        made.items = [item for item in made.items if item.due <= made.day]
        owed = {"fee": 0, "interest": stub, "principal": 0}
        if left:
            first, same = ahead[0].until, {"principal": left, "start": made.day, "parts": ()}
            self._go_on(replace(made.terms, **same, first_due=first, term=len(ahead)))  # type: ignore[arg-type]
            self._add(Item(ahead[0].number, ahead[0].due, first, owed))
        else:
            made.add("charged interest", stub)
            self._add(Item(0, made.day, made.day, owed))
        self._use_held()

    def _write_off(self, _: Event) -> None:
        """Give up everything; what comes after is a recovery."""
        made = self.made
        for item in made.items:
            for part in ORDER:
                if item.due <= made.day or part == "principal":
                    made.add(f"written off {part}", item.owed[part])
            item.owed = dict.fromkeys(ORDER, 0)
            item.settled = item.settled or made.day
        made.status = "written off"
