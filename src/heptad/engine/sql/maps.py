# SPDX-License-Identifier: Apache-2.0
"""Map entries of heptad.toml: one scalar SQL expression each, over a source's columns only."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from heptad.engine.sql.identifiers import quote
from heptad.engine.sql.vocabulary import (
    ALLOWED,
    BEFORE_BRACKET,
    CURES,
    FAILING,
    FUNCTIONS,
    REFUSED,
    TYPES,
    UNITS,
)
from heptad.standards.errors import InputError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LONGEST = 4000
"""Most characters of a map."""
DEEPEST = 32
"""Most brackets inside brackets."""
MOST_TOKENS = 800
"""Most words, signs and constants of a map."""
HEAVIEST = 4000
"""Most parts of a map once the engine has expanded what it expands (nullif doubles its value)."""
WIDEST = 64
"""A map gives text at most this many times as long as the cells it reads …"""
MOST_ADDED = 100_000
"""… and this many characters more."""
LONGEST_PAD = 1000
"""The longest text that lpad and rpad make."""


class _Growth(NamedTuple):
    """The longest text that a part can give: `times` × the longest cell + `plus` characters."""

    times: float
    plus: float


def parse_map(
    text: str, columns: Iterable[str], *, dialect: str = "duckdb", place: str = ""
) -> exp.Expr:
    """Read a map entry into an SQL tree that is safe to run and never raises on a row.

    The result reads only the given columns, which it quotes, and calls only `FUNCTIONS`. A
    conversion that fails gives null: casts become TRY_CAST and strptime TRY_STRPTIME, which costs
    nothing, and what else can raise (overflow, the 30th of February) stands inside one TRY. A
    name that is not quoted finds its column whatever its case.

    Args:
        text: one scalar SQL expression.
        columns: the names of the source's columns.
        dialect: the SQL that the text is written in.
        place: where the text stands, for errors.

    Raises:
        InputError: if it is not one scalar expression of allowed parts over these columns.
    """
    return _Reader(text, list(columns), dialect, place).read()


def columns_read(tree: exp.Expr) -> frozenset[str]:
    """Return the names of the source's columns that a parsed map reads."""
    return frozenset(column.name for column in tree.find_all(exp.Column))


def map_types(
    maps: Mapping[str, exp.Expr], columns: Iterable[str], *, place: str = ""
) -> dict[str, str]:
    """Ask DuckDB for the type that each parsed map gives over text columns.

    Args:
        maps: field → what `parse_map` returned.
        columns: the names of the source's columns, all of them text.
        place: where the maps stand, for errors.

    Raises:
        InputError: if a function does not take the types given to it, or a pattern is malformed.
    """
    import duckdb

    nothing = ", ".join(f"NULL::VARCHAR AS {quote(name)}" for name in columns)
    types: dict[str, str] = {}
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        for field, tree in maps.items():
            question = f"SELECT {tree.sql('duckdb')} FROM (SELECT {nothing or 'NULL'}) LIMIT 0"
            try:
                types[field] = str(connection.execute(question).description[0][1])
            except duckdb.Error as error:
                raise InputError(
                    f"The map of {field} does not fit its columns, which are text.",
                    got=str(error).splitlines()[0],
                    do="cast first, for example (amount::DECIMAL(18, 2) * 100)",
                    place=place,
                ) from None
    return types


class _Reader:
    """Reads one map, and knows where in its text a part stands."""

    def __init__(self, text: str, columns: list[str], dialect: str, place: str) -> None:
        self.text, self.dialect, self.place = text, dialect, place
        self.exact = frozenset(columns)
        self.folded: dict[str, list[str]] = {}
        for name in columns:
            self.folded.setdefault(name.casefold(), []).append(name)

    def read(self) -> exp.Expr:
        self._check_text()
        self._check_tokens(self._tokens())
        tree = self._parse()
        for node in tree.walk():
            self._check_node(node)
        self._check_size(tree)
        failing = any(type(node) in FAILING for node in tree.walk())
        tree = _lenient(tree)
        return exp.Try(this=tree) if failing else tree

    def refuse(self, what: str, at: int | None, do: str, got: str | None = None) -> NoReturn:
        where = [self.place] if self.place else []
        if at is not None:
            around = self.text[max(0, at - 15) : at] + "▸" + self.text[at : at + 25]
            where.append(f"character {at + 1}: {around}")
        raise InputError(what, got=got, do=do, place=", ".join(where))

    def _check_text(self) -> None:
        if len(self.text) > LONGEST:
            self.refuse(f"A map has at most {LONGEST} characters.", None, "clean it at the source")
        for at, character in enumerate(self.text):
            if character == "\0" or "\ud800" <= character <= "\udfff":
                self.refuse("A map has a character that is no text.", at, "remove it")

    def _tokens(self) -> list[Token]:
        try:
            return sqlglot.tokenize(self.text, read=self.dialect)
        except TokenError:
            self.refuse(
                "A map has a quote or a comment that does not end.",
                None,
                "close it; a quote in text is written twice: 'it''s'",
                self.text,
            )

    def _check_tokens(self, tokens: list[Token]) -> None:
        if not tokens:
            self.refuse("A map is empty.", None, "write a column's name or an SQL expression")
        if len(tokens) > MOST_TOKENS:
            self.refuse(f"A map has at most {MOST_TOKENS} parts.", None, "clean it at the source")
        self._check_brackets(tokens)
        for token, after in zip_longest(tokens, tokens[1:]):
            if token.comments:
                self.refuse("A map has no comments.", token.start, "write a TOML comment above it")
            if token.token_type is TokenType.SEMICOLON:
                self.refuse("A map is one expression, without ;.", token.start, "remove the ;")
            if after is not None and after.token_type is TokenType.L_PAREN:
                self._check_call(token)

    def _check_brackets(self, tokens: list[Token]) -> None:
        """Refuse brackets that do not pair, since the whole is parsed inside a pair of its own."""
        depth = 0
        for token in tokens:
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
            if depth < 0:
                self.refuse("A bracket is closed twice.", token.start, "remove one )")
            if depth > DEEPEST:
                self.refuse("A map is nested too deeply.", token.start, "clean it at the source")
        if depth:
            self.refuse("A bracket is not closed.", len(self.text), "add )")

    def _check_call(self, token: Token) -> None:
        """Look at the word before a bracket: a function of the list, or SQL's own word."""
        if token.token_type is TokenType.IDENTIFIER:
            self.refuse("A function's name is not quoted.", token.start, "remove the quotes")
        word = token.text.casefold()
        if not word.replace("_", "").isalnum() or word.isdigit() or word in BEFORE_BRACKET:
            return
        if token.token_type is TokenType.STRING or word in FUNCTIONS:
            return
        self.refuse(f"A map cannot use {token.text[:60]}(…).", token.start, _cure(word))

    def _parse(self) -> exp.Expr:
        # In brackets nothing is read as a statement, and a column may be called comment or show.
        try:
            tree = sqlglot.parse_one(f"({self.text})", read=self.dialect)
        except ParseError as error:
            first = error.errors[0] if error.errors else {}
            at = self._offset(first.get("line"), first.get("col"), first.get("highlight") or "")
            self.refuse(
                "A map is not one SQL expression.",
                at,
                'check commas and brackets; a column called like an SQL word is written "order"',
            )
        except (SqlglotError, RecursionError, ValueError, IndexError):
            self.refuse("A map is nested too deeply.", None, "split it, or clean it at the source")
        for node in tree.walk():
            if "start" in node.meta:
                node.meta["start"] -= 1
        return tree.this if type(tree) is exp.Paren else tree

    def _offset(self, line: int | None, col: int | None, highlight: str) -> int | None:
        """Turn the parser's line and last column into a position in the text."""
        if line is None or col is None:
            return None
        start = sum(len(row) + 1 for row in self.text.split("\n")[: line - 1])
        return max(0, min(start + col - len(highlight) - (line == 1), len(self.text)))

    def _check_node(self, node: exp.Expr) -> None:
        if type(node) in ALLOWED:
            check = _CHECKS.get(type(node))
            if check:
                check(self, node)
            return
        for kinds, noun, cure in REFUSED:
            if isinstance(node, kinds):
                self.refuse(f"A map cannot use {noun}.", _start(node), cure)
        word = node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
        self.refuse(
            f"A map cannot use {word}: it is one scalar expression.",
            _start(node),
            _cure(word.casefold()),
        )

    def column(self, node: exp.Expr) -> None:
        """Replace the name written by the source's own name, quoted."""
        name = node.name
        if any(node.args.get(part) for part in ("table", "db", "catalog")):
            dotted = ".".join(part.name for part in node.parts)  # type: ignore[attr-defined]
            self.refuse(
                f"A map reads columns of its own source, not {dotted!r}.",
                _start(node),
                f'write "{dotted}"' if dotted in self.exact else "name the column alone",
            )
        found = [name] if name in self.exact else self.folded.get(name.casefold(), [])
        if len(found) != 1:
            self.refuse(
                f"The source has no column {name!r}.", _start(node), self._cure(node, found)
            )
        node.set("this", exp.to_identifier(found[0], quoted=True))

    def _cure(self, node: exp.Expr, found: list[str]) -> str:
        if found:
            return f"write one of {', '.join(quote(name) for name in found)}"
        cure = suggest(node.name, self.exact)
        if node.this.quoted and not cure.startswith("did you mean"):
            return f"{cure} (text is written in single quotes: '{node.name}')"
        return cure

    def type(self, node: exp.Expr) -> None:
        """Allow scalar types, and DECIMAL(p, s) with p up to 38."""
        sizes = [part.name for part in node.expressions]
        decimal = node.this is exp.DType.DECIMAL
        if (
            node.this not in TYPES
            or node.args.get("nested")
            or not all(s.isdigit() and int(s) <= 38 for s in (sizes if decimal else []))
        ):
            self.refuse(
                f"A map cannot make the type {node.sql('duckdb')}.",
                _start(node),
                "use VARCHAR, BIGINT, DECIMAL(p, s) up to 38, DOUBLE, BOOLEAN, DATE or TIMESTAMP",
            )

    def anonymous(self, node: exp.Expr) -> None:
        """Allow what the parser does not know only if the list of functions does."""
        if str(node.this).casefold() not in FUNCTIONS:
            self.refuse(
                f"A map cannot use {str(node.this)[:60]}(…).",
                _start(node),
                _cure(str(node.this).casefold()),
            )

    def unit(self, node: exp.Expr) -> None:
        """Allow a bare word only as a unit of time."""
        if node.name.casefold() not in UNITS:
            self.refuse(
                f"{node.name!r} is no unit of time.", _start(node), "use day, month, year …"
            )

    def constant(self, node: exp.Expr, part: str, what: str) -> str:
        """Return an argument that must be a constant."""
        value = node.args.get(part)
        if value is not None and not isinstance(value, exp.Literal):
            self.refuse(
                f"{what} in a map must be a constant.", _start(node), "write the value itself"
            )
        return "" if value is None else value.name

    def array(self, node: exp.Expr) -> None:
        """Allow a list only as the formats of strptime."""
        texts = all(isinstance(e, exp.Literal) and e.is_string for e in node.expressions)
        owner = node.parent
        listed = isinstance(owner, exp.StrToTime) or (
            isinstance(owner, exp.Anonymous) and str(owner.this).casefold() == "try_strptime"
        )
        if not (listed and texts):
            self.refuse(
                "A map cannot use a list, struct or lambda.", _start(node), "take one value"
            )

    def member(self, node: exp.Expr) -> None:
        """Allow IN only with a list of values."""
        if any(node.args.get(part) for part in ("query", "unnest", "field")):
            self.refuse("IN in a map takes a list of values.", _start(node), "write IN ('a', 'b')")

    def duration(self, node: exp.Expr) -> None:
        """Allow only constant intervals."""
        self.constant(node, "this", "An interval")

    def pattern(self, node: exp.Expr) -> None:
        """Allow only constant patterns, which the engine compiles once."""
        if len(self.constant(node, "expression", "A pattern")) > 500:
            self.refuse("A pattern has at most 500 characters.", _start(node), "shorten it")
        self.constant(node, "replacement", "A replacement")
        self.constant(node, "modifiers", "The options of a pattern")

    def path(self, node: exp.Expr) -> None:
        """Allow only a constant path into JSON."""
        if not isinstance(node.expression, exp.JSONPath | exp.Literal):
            self.refuse("A JSON path is a constant.", _start(node), "write '$.name'")

    def replacement(self, node: exp.Expr) -> None:
        """Allow only a constant replacement, whose growth can be bounded."""
        self.constant(node, "replacement", "A replacement")

    def form(self, node: exp.Expr) -> None:
        """Allow only a constant format."""
        self.constant(node, "format", "A format")

    def pad(self, node: exp.Expr) -> None:
        """Allow padding to a short, constant length."""
        length = self.constant(node, "expression", "A length")
        if not length.isdigit() or int(length) > LONGEST_PAD:
            self.refuse(
                f"Text is padded to at most {LONGEST_PAD}.", _start(node), "shorten it", length
            )

    def _check_size(self, tree: exp.Expr) -> None:
        """Refuse maps that would grow: in the engine's plan, or in the text that they make."""
        grown: list[_Growth] = []
        try:
            heavy = _weight(tree) > HEAVIEST
            _growth(tree, grown)
        except RecursionError:
            self.refuse("A map is nested too deeply.", None, "split it, or clean it at the source")
        if heavy:
            self.refuse(
                "A map nests NULLIF or CASE x WHEN too deeply.",
                None,
                "write CASE WHEN x IN ('', 'NA') THEN NULL ELSE x END",
            )
        if any(g.times > WIDEST or g.plus > MOST_ADDED for g in grown):
            self.refuse("A map could make its text far too long.", None, "use fewer replacements")


def _cure(word: str) -> str:
    """Say what to use in place of a function that a map cannot call."""
    for words, cure in CURES.items():
        if word in words:
            return cure
    return suggest(word[:60], FUNCTIONS)


def _start(node: exp.Expr) -> int | None:
    """Return where a part begins, as far as the parser kept it."""
    found = [n.meta["start"] for n in node.walk() if "start" in n.meta]
    return min(found) if found else None


def _weight(node: exp.Expr) -> int:
    """Count the parts after the engine's expansion: NULLIF and CASE x WHEN repeat their value."""
    weights = [_weight(child) for child in node.iter_expressions()]
    if isinstance(node, exp.Nullif):
        weights.append(_weight(node.this))
    if isinstance(node, exp.Case) and node.this is not None:
        weights.append(_weight(node.this) * (len(node.args["ifs"]) - 1))
    return min(1 + sum(weights), HEAVIEST + 1)


def _growth(node: exp.Expr, seen: list[_Growth]) -> _Growth:
    """Bound the text that a part gives, and note the bounds of all parts in `seen`."""
    parts = [_growth(child, seen) for child in node.iter_expressions()]
    grown = _own_growth(node, parts)
    seen.append(grown)
    return grown


def _own_growth(node: exp.Expr, parts: list[_Growth]) -> _Growth:
    """Bound a part by its parts: the longest of a choice, else their sum, times what it adds."""
    if isinstance(node, exp.Column):
        return _Growth(1, 0)
    if isinstance(node, exp.Literal | exp.RawString):
        return _Growth(0, len(node.name))
    if isinstance(node, exp.Case | exp.If | exp.Coalesce | exp.Least | exp.Greatest | exp.Nullif):
        return _Growth(max(p.times for p in parts), max(p.plus for p in parts))
    if isinstance(node, exp.Predicate | exp.Connector | exp.Not):
        return _Growth(0, 5)
    times, plus = sum(p.times for p in parts), 40 + sum(p.plus for p in parts)
    more, added = _enlarged(node, len(parts))
    return _Growth(min(times * more, 1e9), min((plus + added) * more, 1e9))


def _enlarged(node: exp.Expr, parts: int) -> tuple[float, int]:
    """Return the factor and the characters by which a function enlarges its text."""
    if isinstance(node, exp.Replace):
        needle = node.expression.name if isinstance(node.expression, exp.Literal) else ""
        return max(1.0, len(_name(node, "replacement")) / max(1, len(needle))), 0
    if isinstance(node, exp.RegexpReplace):
        return 1.0 + len(_name(node, "replacement")), 0
    if isinstance(node, exp.ConcatWs):
        return float(parts), 0
    if isinstance(node, exp.TimeToStr):
        return 1.0, 32 * len(_name(node, "format"))
    return 1.0, LONGEST_PAD if isinstance(node, exp.Pad) else 0


def _name(node: exp.Expr, part: str) -> str:
    value = node.args.get(part)
    return value.name if isinstance(value, exp.Expr) else ""


def _lenient(tree: exp.Expr) -> exp.Expr:
    """Turn conversions into those that give null, from the leaves up."""
    for node in reversed(list(tree.walk())):
        made = _replacement(node)
        if made is not node and node is tree:
            return made
        if made is not node:
            node.replace(made)
    return tree


def _replacement(node: exp.Expr) -> exp.Expr:
    if type(node) is exp.Cast:
        return exp.TryCast(this=node.this, to=node.args["to"])
    if isinstance(node, exp.StrToTime):
        return exp.Anonymous(this="TRY_STRPTIME", expressions=[node.this, node.args["format"]])
    if isinstance(node, exp.JSONExtractScalar):
        # DuckDB's ->> binds more loosely than =, so it is never written.
        path = node.expression
        if isinstance(path, exp.JSONPath):
            path = exp.Literal.string(path.sql("duckdb")[1:-1].replace("''", "'"))
        return exp.Anonymous(this="JSON_EXTRACT_STRING", expressions=[node.this, path])
    return node


_CHECKS: dict[type[exp.Expr], Callable[[_Reader, exp.Expr], None]] = {
    exp.Column: _Reader.column,
    exp.DataType: _Reader.type,
    exp.Anonymous: _Reader.anonymous,
    exp.Var: _Reader.unit,
    exp.Array: _Reader.array,
    exp.In: _Reader.member,
    exp.Interval: _Reader.duration,
    exp.RegexpReplace: _Reader.pattern,
    exp.RegexpExtract: _Reader.pattern,
    exp.RegexpLike: _Reader.pattern,
    exp.RegexpFullMatch: _Reader.pattern,
    exp.Replace: _Reader.replacement,
    exp.TimeToStr: _Reader.form,
    exp.Pad: _Reader.pad,
    exp.JSONExtractScalar: _Reader.path,
}
