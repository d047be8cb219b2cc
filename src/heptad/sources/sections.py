# SPDX-License-Identifier: Apache-2.0
"""A section of a project file, read key by key with the line of each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from heptad.standards.errors import HeptadError, InputError, suggest
from heptad.standards.time import day, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heptad.sources.toml_lines import Lines, Place

T = TypeVar("T")
LONGEST = 36_500 * day
"""The longest duration of a project file."""

_WORDS = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


class Section:
    """One table of the project file.

    Args:
        values: what the table holds.
        title: how errors name it, for example `[[source]] Payment`.
        place: where it stands in the document.
        lines: the lines of the document.
        file: name of the document.
    """

    def __init__(
        self, values: Mapping[str, Any], title: str, place: Place, lines: Lines, file: str
    ) -> None:
        self.values, self.title, self.place = values, title, place
        self._lines, self._file = lines, file

    def part(self, values: Mapping[str, Any], title: str, *place: str | int) -> Section:
        """Return a table that stands in this one."""
        return Section(values, title, (*self.place, *place), self._lines, self._file)

    def only(self, known: tuple[str, ...]) -> None:
        """Refuse keys that mean nothing here."""
        for key in self.values:
            if key not in known:
                raise self.error(f"{self.title} has no key {key!r}.", key, key, suggest(key, known))

    def text(self, key: str, default: str = "", *, needed: bool = False) -> str:
        """Return a text, refused if it is empty where it is needed."""
        value = self._typed(key, str, default)
        if needed and not value:
            raise self.error(
                f"{self.title} does not say {key}.", key, None, f'add {key} = "…" to it'
            )
        return str(value)

    def integer(self, key: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
        """Return a whole number within bounds."""
        value = int(self._typed(key, int, default))
        if not least <= value <= most:
            raise self.error(
                f"{self.title}: {key} must lie between {least} and {most}.",
                key,
                value,
                f"write {key} = {default}",
            )
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        return bool(self._typed(key, bool, default))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list of one."""
        value = self.values.get(key, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(v, str) for v in listed):
            raise self.error(
                f"{self.title}: {key} is a list of texts.", key, value, f'write {key} = ["…"]'
            )
        return tuple(listed)

    def mapping(self, key: str) -> dict[str, Any]:
        """Return a table of values by name."""
        return dict(self._typed(key, dict, {}))

    def read(self, key: str, default: T, parse: Callable[[Any], T]) -> T:
        """Return what `parse` makes of a value; its error gets the line."""
        if key not in self.values:
            return default
        try:
            return parse(self.values[key])
        except HeptadError as error:
            raise self.error(
                f"{self.title}: {key}: {error.what}", key, self.values[key], error.do
            ) from error

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of the words allowed."""
        value = self.text(key, default)
        if value not in allowed:
            raise self.error(
                f"{self.title}: {key} has no such value.", key, value, suggest(value, allowed)
            )
        return value

    def error(self, what: str, key: str | tuple[str, ...], got: object, do: str) -> InputError:
        """Return an error that names the line of a key, or of a key inside it."""
        keys = (key,) if isinstance(key, str) else key
        return InputError(what, got=got, do=do, place=f"{self._file} line {self.line(*keys)}")

    def line(self, *keys: str) -> int:
        """Return the line on which a key of this section stands."""
        return self._lines.of(*self.place, *keys)

    def _typed(self, key: str, kind: type, default: Any) -> Any:
        value = self.values.get(key, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(
                f"{self.title}: {key} must be {_WORDS[kind]}.", key, value, "correct it"
            )
        return value


def duration(value: Any) -> int:
    """Read a duration of the file; a bare number would leave the unit open."""
    if not isinstance(value, str):
        raise InputError(
            "a duration is a number and a unit, in quotes.", do='write for example "2 days"'
        )
    found = parse_duration(value)
    if found > LONGEST:
        raise InputError("a duration is at most 36,500 days.", do="correct it")
    return found
