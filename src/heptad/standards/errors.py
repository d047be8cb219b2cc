# SPDX-License-Identifier: Apache-2.0
"""Errors that say what happened, show the value and name the cure."""

from __future__ import annotations

from difflib import get_close_matches
from reprlib import Repr
from typing import TYPE_CHECKING, Any, ClassVar

from heptad.standards.showing import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_VALUE = 200


def _short(value: object) -> str:
    """Return the beginning of repr, also of documents that are too deep or too large for it."""
    writer = Repr()
    writer.maxlevel, writer.maxlong, writer.maxstring, writer.maxother = 4, 60, 200, 200
    writer.maxlist = writer.maxtuple = writer.maxdict = writer.maxset = writer.maxfrozenset = 20
    try:
        return writer.repr(value)
    except Exception:  # noqa: BLE001 - an error must be shown whatever the value's own repr does
        return f"<{type(value).__name__}>"


class HeptadError(Exception):
    """Everything the platform refuses on purpose.

    One object for every reader: a panel in the terminal, a problem document (RFC 9457) over
    HTTP, a line in quarantine. However it was made, it shows no control character and no whole
    card number.

    Args:
        what: what happened, in the user's nouns, `Table.field` first.
        got: the value met; mask it before it comes here if it is personal.
        do: what to do about it, a command where possible.
        place: where it was met, for example `payments.csv line 7`.
    """

    code: ClassVar[str] = "heptad"
    status: ClassVar[int] = 500
    exit: ClassVar[int] = 1

    def __init__(self, what: str, *, got: object = None, do: str = "", place: str = "") -> None:
        self.what = "\n".join(map(safe, what.split("\n")))
        self.got, self.do, self.place = got, safe(do), safe(place)
        super().__init__(str(self))

    @property
    def shown(self) -> str | None:
        """The value met as short printable text, or None."""
        if self.got is None:
            return None
        text = self.got if isinstance(self.got, str) else _short(self.got)
        # A card number may stand across the cut.
        whole = safe(text[: 2 * _LONGEST_VALUE])
        return whole if len(whole) <= _LONGEST_VALUE else whole[:_LONGEST_VALUE] + "…"

    def __str__(self) -> str:
        lines = [self.what]
        if self.shown is not None:
            lines.append(f"  got:  {self.shown}")
        if self.place:
            lines.append(f"  in:   {self.place}")
        if self.do:
            lines.append(f"  do:   {self.do}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The problem document of RFC 9457, with `got`, `do` and `place` as extensions."""
        document: dict[str, Any] = {
            "type": f"urn:heptad:error:{self.code}",
            "title": self.what.splitlines()[0] if self.what else self.code,
            "status": self.status,
            "code": self.code,
            "detail": self.what,
        }
        extra = {"got": self.shown, "do": self.do, "place": self.place}
        return document | {name: value for name, value in extra.items() if value}


class ContractError(HeptadError):
    """A value, a row or a definition breaks what its table declares."""

    code, status, exit = "contract", 422, 3


class InputError(HeptadError):
    """A file, a request or a configuration cannot be understood."""

    code, status, exit = "input", 422, 3


class UnknownName(HeptadError):
    """A table, field, feature, application or decision of that name does not exist."""

    code, status, exit = "unknown", 404, 4


class Conflict(HeptadError):
    """The same identity was used before with another content, or the state has moved on."""

    code, status, exit = "conflict", 409, 5


class Refused(HeptadError):
    """Role, purpose, basis or approval do not allow it."""

    code, status, exit = "refused", 403, 6


class Unauthorised(HeptadError):
    """No valid key was presented."""

    code, status, exit = "unauthorised", 401, 6


class Busy(HeptadError):
    """A resource is taken or full for now; the same call may succeed later."""

    code, status, exit = "busy", 503, 7
    retry_s: ClassVar[int] = 1
    """After how many seconds the same call may be made again."""


class Corrupt(HeptadError):
    """A store does not hold what it was given: damage, rollback or tampering."""

    code, status, exit = "corrupt", 500, 8


def suggest(word: str, known: Iterable[str]) -> str:
    """Say which known names are closest to `word`, as the text of a cure.

    >>> suggest("Paymnt", ["Payment", "Customer"])
    "did you mean 'Payment'?"
    """
    names = sorted(known)
    lower = {name.lower(): name for name in reversed(names)}
    same = [lower[word.lower()]] if word.lower() in lower else []
    near = (
        same
        or get_close_matches(word, names, n=1)
        or [lower[name] for name in get_close_matches(word.lower(), lower, n=1)]
    )
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"use one of: {shown}" if names else "there is none yet."
