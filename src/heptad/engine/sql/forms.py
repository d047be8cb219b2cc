# SPDX-License-Identifier: Apache-2.0
"""The YAML form of expressions: their JSON form, written for people, read without YAML's traps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from heptad.standards.errors import InputError
from heptad.standards.expression import DEEPEST, Expression, from_json

if TYPE_CHECKING:
    from collections.abc import Hashable

LONGEST = 100_000
"""YAML of more characters than this is refused before it is parsed."""

_DEEPEST = 3 * DEEPEST
"""Collections inside collections; PyYAML's time grows with the square of it."""

_PLAIN: list[tuple[str, str, list[str]]] = [
    ("tag:yaml.org,2002:null", r"null|~|", ["n", "~", ""]),
    ("tag:yaml.org,2002:bool", r"true|false", ["t", "f"]),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?",
        list("-+.0123456789"),
    ),
]
"""What is not text when unquoted: YAML 1.2's short list. YAML 1.1 would read the country NO as
false, 12:30 as 750 and 2026-03-01 as a date."""


class _Loader(yaml.SafeLoader):
    """Reads plain documents only: no aliases, no tags, no key twice."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - the name that PyYAML reads

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        self._check_depth(self.flow_level)
        super().fetch_flow_collection_start(token)

    def add_indent(self, column: int) -> bool:
        self._check_depth(len(self.indents))
        return bool(super().add_indent(column))

    def _check_depth(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise yaml.scanner.ScannerError(
                None,
                None,
                "it is nested too deeply",
                self.get_mark(),
            )

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                "an alias (*) is not allowed",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: ARG002 - PyYAML's signature
        made: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in made:
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is text and stands once", key_node.start_mark
                )
            made[key] = self.construct_object(value_node, deep=True)
        return made

    def whole(self, node: yaml.ScalarNode) -> int:
        return int(self.construct_scalar(node))

    def fraction(self, node: yaml.ScalarNode) -> float:
        return float(self.construct_scalar(node))


class _Dumper(yaml.SafeDumper):
    """Quotes what this loader, or one of YAML 1.1, would not read back as text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - trees are written in full
        return True

    def words(self, value: str) -> yaml.ScalarNode:
        return self.represent_scalar(
            "tag:yaml.org,2002:str", value, style=None if value.isprintable() else '"'
        )

    def fraction(self, value: float) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:float", repr(value))


for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)
    _Dumper.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.fraction)
_Dumper.add_representer(str, _Dumper.words)
_Dumper.add_representer(float, _Dumper.fraction)


def to_yaml(expression: Expression) -> str:
    """Write a tree as YAML.

    >>> from heptad.standards.model import Payment
    >>> print(to_yaml((Payment.amount > 10000) & (Payment.country == "NO")), end="")
    and:
    - gt:
      - column: amount
      - 10000
    - eq:
      - column: country
      - 'NO'
    """
    text: str = yaml.dump(expression.to_json(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def from_yaml(text: str) -> Expression:
    """Read a tree from YAML; an unquoted word is text, also NO, on and 2026-03-01.

    Raises:
        InputError: if the text is no YAML, or not an expression.
    """
    if len(text) > LONGEST:
        raise InputError(f"An expression in YAML has at most {LONGEST} characters.", got=len(text))
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise InputError("There is no expression in this YAML.", do="write eq: [1, 1]")
        document = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, character {mark.column + 1}" if mark else ""
        raise InputError(f"This is not YAML: {error.problem}.", place=place) from None
    except RecursionError:  # the caller's own stack was nearly full
        raise InputError("This YAML is nested too deeply.", do="split it in two") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError("This is not YAML.", got=str(error)) from None
    return from_json(document)
