# SPDX-License-Identifier: Apache-2.0
"""SQL that somebody wrote to ask a question: one SELECT of allowed parts over declared tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.tokenizer_core import TokenType

from heptad.engine.sql.vocabulary import FAILING, FUNCTIONS, SAFE, TYPES, UNITS
from heptad.standards.errors import InputError, Refused, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST = 20_000
"""Most characters of a question."""
MOST_TOKENS = 3_000
"""Most words, signs and constants."""
DEEPEST = 32
"""Most brackets inside brackets."""

_CLAUSES = frozenset({
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Qualify, exp.Order,
    exp.Ordered, exp.Limit, exp.Offset, exp.Distinct, exp.With, exp.CTE, exp.Subquery, exp.Table,
    exp.TableAlias, exp.Alias, exp.Star, exp.Union, exp.Except, exp.Intersect, exp.Exists,
    exp.Tuple, exp.Window, exp.WindowSpec, exp.Filter, exp.IgnoreNulls, exp.RespectNulls,
    exp.Cube, exp.Rollup, exp.GroupingSets, exp.Any, exp.All,
})  # fmt: skip
_AGGREGATES = frozenset({
    exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Median, exp.Mode, exp.Stddev,
    exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr, exp.CovarPop,
    exp.CovarSamp, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.WithinGroup,
    exp.ApproxDistinct, exp.ApproxQuantile, exp.ArgMax, exp.ArgMin, exp.First, exp.Last,
    exp.AnyValue, exp.LogicalOr, exp.LogicalAnd, exp.GroupConcat, exp.RowNumber, exp.Rank,
    exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue,
    exp.LastValue, exp.NthValue,
})  # fmt: skip
_SCALARS = frozenset({
    exp.Pow, exp.Sqrt, exp.Ln, exp.Exp, exp.Log, exp.Date, exp.TsOrDsToDate, exp.CurrentDate,
    exp.TimestampDiff, exp.StrToDate,
})  # fmt: skip
_NOT_HERE = frozenset({exp.Pad, exp.Array, exp.Anonymous, exp.RawString})
ALLOWED = (SAFE | FAILING | _CLAUSES | _AGGREGATES | _SCALARS) - _NOT_HERE
"""The parts that a question may have; whatever else the parser knows is refused."""

_NAMED = FUNCTIONS - {"lpad", "rpad"}
"""Functions that the parser has no part of its own for, and that may be called."""
_WORDS = UNITS | {"all"}
"""Bare words that may stand where a value does: units of time, and ORDER BY ALL."""
_CURES: tuple[tuple[tuple[type[exp.Expr], ...], str], ...] = (
    ((exp.UDTF, exp.TableSample, exp.Pivot, exp.Lateral), "read a declared table by its name"),
    ((exp.Lambda, exp.Array, exp.Struct, exp.Bracket), "use plain columns"),
    ((exp.Placeholder, exp.Parameter), "write the value itself"),
)


class Question(NamedTuple):
    """A question that may be run.

    Attributes:
        sql: its text, written anew from what was checked, every name quoted.
        reads: table → the columns of it that the question may name.
    """

    sql: str
    reads: dict[str, list[str]]


def check_question(text: str, tables: Mapping[str, Sequence[str]]) -> Question:
    """Check that a text is one SELECT over declared tables, of allowed parts only.

    Args:
        text: SQL as DuckDB writes it.
        tables: the declared tables and their columns.

    Raises:
        InputError: if the text is no SQL, or too much of it.
        Refused: if it is another statement, calls what is not allowed, or names a file.
        UnknownName: if it reads a table that is not declared.
    """
    tree = _parsed(text)
    for node in tree.walk():
        _check(node)
    reads = _reads(tree, tables)
    return Question(tree.sql(dialect="duckdb", identify=True, comments=False), reads)


def _parsed(text: str) -> exp.Expr:
    """Read the text as one query."""
    if len(text) > LONGEST:
        raise InputError(
            f"A question has at most {LONGEST:,} characters.", got=len(text), do="ask for less"
        )
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        raise InputError("A question has a character that is no text.", do="remove it")
    _check_tokens(text)
    try:
        found = sqlglot.parse(text, read="duckdb")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise InputError(
            "The question is no SQL.", got=str(first.get("description", error)), do="see its syntax"
        ) from None
    except (SqlglotError, RecursionError, ValueError, IndexError, TypeError):
        raise InputError("The question is no SQL, or nested too deeply.", do="split it") from None
    if len(found) != 1 or found[0] is None:
        raise Refused(
            "A question is exactly one statement.", got=len(found), do="ask one after the other"
        )
    if not isinstance(found[0], exp.Select | exp.SetOperation | exp.Subquery):
        raise Refused(
            f"A {found[0].key.upper()} cannot be run here.", do="ask with SELECT … FROM a table"
        )
    return found[0]


def _check_tokens(text: str) -> None:
    """Refuse what is too long or too deep before it is parsed."""
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
    except TokenError:
        raise InputError(
            "The question has a quote or a comment that does not end.", do="close it"
        ) from None
    if len(tokens) > MOST_TOKENS:
        raise InputError(
            f"A question has at most {MOST_TOKENS:,} parts.", got=len(tokens), do="ask for less"
        )
    depth = 0
    steps = {TokenType.L_PAREN: 1, TokenType.L_BRACKET: 1, TokenType.L_BRACE: 1}
    steps |= {TokenType.R_PAREN: -1, TokenType.R_BRACKET: -1, TokenType.R_BRACE: -1}
    for token in tokens:
        depth += steps.get(token.token_type, 0)
        if depth > DEEPEST:
            raise InputError("The question is nested too deeply.", do="split it")


def _check(node: exp.Expr) -> None:
    """Refuse a part that is not on the list."""
    if isinstance(node, exp.Anonymous):
        if str(node.this).casefold() not in _NAMED:
            raise _refused(node)
    elif type(node) is not exp.Identifier and type(node) not in ALLOWED:
        raise _refused(node)
    if isinstance(node, exp.With) and node.args.get("recursive"):
        raise Refused("A question cannot be recursive.", do="leave RECURSIVE out")
    if isinstance(node, exp.Var) and node.name.casefold() not in _WORDS:
        raise Refused(f"A question cannot use {node.name[:60]} here.", do="write a value")
    if isinstance(node, exp.DataType) and (node.this not in TYPES or node.args.get("nested")):
        raise Refused(
            f"A question cannot make the type {node.sql('duckdb')[:60]}.",
            do="use VARCHAR, BIGINT, DECIMAL(p, s), DOUBLE, BOOLEAN, DATE or TIMESTAMP",
        )


def _refused(node: exp.Expr) -> Refused:
    """Return what somebody is told who used a part that is not allowed."""
    named = isinstance(node, exp.Anonymous)
    word = str(node.this) if named else node.sql_name() if isinstance(node, exp.Func) else node.key
    for kinds, cure in _CURES:
        if isinstance(node, kinds):
            return Refused(f"A question cannot use {word.upper()[:60]}.", do=cure)
    return Refused(
        f"A question cannot use {word.upper()[:60]}.", do=suggest(word.lower()[:60], FUNCTIONS)
    )


def _reads(tree: exp.Expr, tables: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the declared tables that the question reads, and the columns it may name."""
    folded = {name.casefold(): name for name in tables}
    views = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    chosen: list[str] = []
    for node in tree.find_all(exp.Table):
        name = _plain_name(node)
        if name.casefold() in folded:
            chosen.append(folded[name.casefold()])
        elif name.casefold() not in views:
            raise UnknownName(f"There is no table {name!r}.", got=name, do=suggest(name, tables))
    named = {
        identifier.name.casefold()
        for identifier in tree.find_all(exp.Identifier)
        if not isinstance(identifier.parent, exp.Table)
    }
    whole = any(_is_all(star) for star in tree.find_all(exp.Star))
    return {
        table: [c for c in tables[table] if whole or c.casefold() in named]
        for table in dict.fromkeys(chosen)
    }


def _plain_name(node: exp.Table) -> str:
    """Return a table's name; refuse files, functions, schemas and other databases."""
    if not isinstance(node.this, exp.Identifier):
        raise Refused(
            "A question reads declared tables, no functions or files.",
            do="read a declared table by its name",
        )
    if node.args.get("db") or node.args.get("catalog"):
        raise Refused(
            "A question reads declared tables only, by their name alone.",
            got=".".join(part.name for part in node.parts),
            do="leave the schema out",
        )
    return node.name


def _is_all(star: exp.Star) -> bool:
    """Whether a star stands for columns, and not for the rows that are counted."""
    return not isinstance(star.parent, exp.Count)
