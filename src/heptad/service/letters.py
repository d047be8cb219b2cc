# SPDX-License-Identifier: Apache-2.0
"""Letters: what an application has to say to a person after a decision, as data; and their text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heptad.security.sealed import open_bytes, seal_bytes
from heptad.service.decisions.sentences import messages, sentence
from heptad.standards.errors import ContractError
from heptad.standards.money import format_minor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.service.app import App
    from heptad.service.decisions.decision import Decision

_HOLE = re.compile(r"\{(\w+)\}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")


@dataclass(frozen=True)
class Letter:
    """A message that follows from a decision.

    Attributes:
        name: of its text: `letters.NAME.title` and `letters.NAME.text` in the message files.
        on: the outcomes that it follows.
        channels: by which it may go; the first one that is set up and has an address.
        purpose: under which the person is written to; it must cover the group `contact`.
        urgent: goes in quiet hours too, and beyond the caps: a warning, never an offer.
        lasts: after so long it says nothing any more, µs.
    """

    name: str
    on: tuple[str, ...]
    channels: tuple[str, ...] = ("inbox",)
    purpose: str = "service"
    urgent: bool = False
    lasts: int = 7 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Text:
    """What a message says: one line, and some lines."""

    title: str
    text: str


def written(app: App, letter: Letter, values: Mapping[str, str], language: str = "en") -> Text:
    """Fill the text of a letter; nothing is sent with a hole in it.

    Raises:
        ContractError: if the letter has no text, or a value is missing.
    """
    found = messages(app.folder, language)
    texts: object = found.get("letters", {})
    one = texts.get(letter.name) if isinstance(texts, dict) else None
    if not isinstance(one, dict) or not {"title", "text"} <= one.keys():
        raise ContractError(
            f"The letter {app.name}.{letter.name} has no text.",
            got=letter.name,
            do=f"write [letters.{letter.name}] with title and text into messages/en.toml",
        )
    title = _CONTROL.sub(" ", _filled(str(one["title"]), values, letter)).replace("\n", " ")
    return Text(title.strip(), _CONTROL.sub(" ", _filled(str(one["text"]), values, letter)).strip())


def _filled(text: str, values: Mapping[str, str], letter: Letter) -> str:
    for name in _HOLE.findall(text):
        if values.get(name) in (None, ""):
            raise ContractError(
                f"The letter {letter.name} names {{{name}}}, which has no value.", got=name
            )
    return _HOLE.sub(lambda hole: values[hole[1]], text)


def values_of(app: App, decision: Decision, institution: str) -> dict[str, str]:
    """Return what a letter may name: the outcome, reasons in words, amounts and who writes."""
    currency = str(decision.row.get("currency") or "EUR")
    found = {
        "institution": institution,
        "application": app.title,
        "outcome": decision.outcome,
        "reference": decision.id[:12],
        "reasons": "\n".join(f"- {sentence(app, r, currency=currency)}" for r in decision.reasons),
    }
    asked = decision.row.get("amount")
    if isinstance(asked, int):
        found["amount"] = format_minor(asked, currency)
    found |= {f"{n}_offered": format_minor(v, currency) for n, v in decision.amounts.items()}
    return found


def seal_text(text: Text, key: bytes, name: str, subject: str) -> bytes:
    """Seal what a message says under its person's key."""
    plain = json.dumps({"title": text.title, "text": text.text}).encode()
    return seal_bytes(plain, key, _bound(name, subject))


def open_text(sealed: bytes, key: bytes, name: str, subject: str) -> Text:
    """Open what a message says.

    Raises:
        Corrupt: if it is not what was sealed.
    """
    plain = open_bytes(sealed, key, _bound(name, subject), f"What message {name} says")
    found: dict[str, Any] = json.loads(plain)
    return Text(found["title"], found["text"])


def _bound(name: str, subject: str) -> bytes:
    return f"message|{name}|{subject}".encode()
