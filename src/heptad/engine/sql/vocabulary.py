# SPDX-License-Identifier: Apache-2.0
"""What a map entry may be made of: its functions, parts of SQL, types and units."""

from __future__ import annotations

from sqlglot import exp

_FUNCTIONS = """
lower upper lcase ucase trim ltrim rtrim replace regexp_replace regexp_extract regexp_matches
regexp_full_match substring substr left right lpad rpad concat concat_ws split_part strip_accents
nfc_normalize length len strlen strpos instr position contains starts_with prefix ends_with suffix
reverse translate sha256 json_extract_string
coalesce ifnull nullif if least greatest cast try_cast
abs round floor ceil ceiling trunc sign mod
strptime try_strptime strftime make_date make_timestamp date_trunc date_part datepart extract
year quarter month week day hour minute second dayofweek isodow dayofyear last_day date_diff
datediff date_add to_years to_months to_days to_hours to_minutes to_seconds
epoch epoch_ms epoch_us to_timestamp
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Every function that a map may call. All are pure: the same cells give the same value, always."""

_WORDS = """and or not in is like ilike between case when then else escape from decimal numeric
varchar char text interval as exists any all select values over filter"""
BEFORE_BRACKET = frozenset(_WORDS.split())
"""Words that stand before ( without being a function; what they bring is refused by its part."""

CURES: dict[tuple[str, ...], str] = {
    ("sum", "count", "avg", "min", "max", "median", "string_agg", "list", "array_agg", "first",
     "last", "row_number", "rank", "lag", "lead", "any_value"):
        "a map reads one row; count and sum are features",
    ("now", "today", "current_date", "current_time", "current_timestamp", "random", "rand",
     "uuid", "gen_random_uuid", "localtime", "localtimestamp"):
        "a map gives the same value whenever it runs; take the time from a column",
    ("repeat",): "use lpad or rpad with a constant length",
    ("try",): "leave it out: a map gives null where a conversion fails",
    ("md5", "hash", "sha1"): "use sha256",
}  # fmt: skip
"""Functions that people look for in vain → what to do instead."""

SAFE = frozenset({
    exp.Column, exp.Identifier, exp.Literal, exp.RawString, exp.Boolean, exp.Null, exp.Paren,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.In,
    exp.Between, exp.Like, exp.ILike, exp.NullSafeEQ, exp.NullSafeNEQ, exp.DPipe, exp.Case, exp.If,
    exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Var, exp.Lower, exp.Upper,
    exp.Trim, exp.Replace, exp.Left, exp.Right, exp.Concat, exp.ConcatWs, exp.Length,
    exp.StrPosition, exp.Contains, exp.StartsWith, exp.EndsWith, exp.Reverse, exp.Coalesce,
    exp.Nullif, exp.Least, exp.Greatest, exp.SHA2, exp.StrToTime, exp.Array, exp.Sign,
    exp.Extract, exp.Year, exp.Quarter, exp.Month, exp.Week, exp.Day, exp.Hour, exp.Minute,
    exp.Second, exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear,
})  # fmt: skip
"""Parts that never raise on a value, once casts and strptime are those that give null."""

FAILING = frozenset({
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Escape, exp.RegexpLike,
    exp.RegexpReplace, exp.RegexpExtract, exp.RegexpFullMatch, exp.Substring, exp.Pad,
    exp.SplitPart, exp.Translate, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Trunc,
    exp.TimeToStr, exp.DateFromParts, exp.TimestampFromParts, exp.DateTrunc, exp.TimestampTrunc,
    exp.LastDay, exp.DateDiff, exp.DateAdd, exp.ToDays, exp.TimeToUnix, exp.UnixToTime,
    exp.Interval, exp.AtTimeZone, exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathRoot,
    exp.JSONPathKey, exp.JSONPathSubscript, exp.Anonymous,
})  # fmt: skip
"""Parts that can raise, or that nobody has shown not to; a map that has one stands inside TRY."""

ALLOWED = SAFE | FAILING
"""All parts that a parsed map may have: a second wall behind the list of functions."""

_TYPES = """TEXT VARCHAR BOOLEAN TINYINT SMALLINT INT BIGINT INT128 DECIMAL DOUBLE FLOAT DATE TIME
TIMESTAMP TIMESTAMPNTZ TIMESTAMPTZ"""
TYPES = frozenset(exp.DType[name] for name in _TYPES.split())
"""The types that a map may cast to; HUGEINT is INT128 here, and TIMESTAMP is TIMESTAMPNTZ."""

_UNITS = """year years quarter quarters month months week weeks day days hour hours minute minutes
second seconds millisecond milliseconds microsecond microseconds epoch dow isodow doy isoyear
decade century yearweek"""
UNITS = frozenset(_UNITS.split())
"""The words for units of time."""

REFUSED: tuple[tuple[tuple[type[exp.Expr], ...], str, str], ...] = (
    (
        (exp.Query, exp.Subquery, exp.Exists, exp.SubqueryPredicate),
        "a sub-query",
        "join tables as features do, by a Ref",
    ),
    (
        (exp.Window, exp.AggFunc, exp.Filter),
        "an aggregate or a window",
        "a map reads one row; count and sum are features",
    ),
    ((exp.Star, exp.Columns), "*", "name one column"),
    (
        (exp.Lambda, exp.Array, exp.Struct, exp.Bracket, exp.Tuple),
        "a list, struct or lambda",
        "take one value, for example with split_part",
    ),
    ((exp.Placeholder, exp.Parameter), "a parameter", "write the value"),
    ((exp.Alias,), "a name of its own", "the field's name stands left of = in the map"),
    ((exp.Block,), ";", "write one expression"),
)
"""Parts that people do write, with the noun and the cure for each."""
