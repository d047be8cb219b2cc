# SPDX-License-Identifier: Apache-2.0
"""Map entries: what people write works as in DuckDB, what attackers write is refused."""

from __future__ import annotations

import contextlib
import random
import time
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.engine.sql import maps
from heptad.engine.sql.identifiers import literal, quote
from heptad.engine.sql.maps import columns_read, map_types, parse_map
from heptad.engine.sql.vocabulary import FUNCTIONS
from heptad.standards.errors import HeptadError, InputError

if TYPE_CHECKING:
    from sqlglot import exp

CELLS = {
    "tx_id": "T-0017", "ts": "05/03/2026 14:30", "eur_text": " 1.234,50 ", "amount": "0.285",
    "Country": "es", "name": "Ñandú Ibáñez", "order": "first", "a b": "spaced", 'q"q': "quoted",
    "naïve": "uni", "at": "12", "empty": "", "json": '{"a": {"b": "x"}, "n": 5}',
    "minor": "1050", "a.b": "dotted", "day": "2026-02-28", "flag": "Y", "none": None,
    "comment": "said",
}  # fmt: skip

GOLDEN: list[tuple[str, object]] = [
    ("tx_id", "T-0017"),
    ("TX_ID", "T-0017"),
    ("country", "es"),
    ('"order"', "first"),
    ('"a b"', "spaced"),
    ('"q""q"', "quoted"),
    ("naïve", "uni"),
    ("at", "12"),
    ('"a.b"', "dotted"),
    ("comment", "said"),
    ("'EUR'", "EUR"),
    ("'it''s'", "it's"),
    ("$$it's$$", "it's"),
    (r"'a\nb'", r"a\nb"),
    ("NULL", None),
    ("upper(country)", "ES"),
    ("upper(trim(country)) || '-' || right(tx_id, 2)", "ES-17"),
    ("concat(country, none, '!')", "es!"),
    ("concat_ws('/', country, none, at)", "es/12"),
    ("strptime(ts, '%d/%m/%Y %H:%M')", datetime(2026, 3, 5, 14, 30)),  # noqa: DTZ001
    ("strptime(ts, ['%Y-%m-%d', '%d/%m/%Y %H:%M'])", datetime(2026, 3, 5, 14, 30)),  # noqa: DTZ001
    ("try_strptime(ts, '%Y')", None),
    ("strptime(ts, '%Y')", None),
    ("strftime(strptime(ts, '%d/%m/%Y %H:%M'), '%Y%m')", "202603"),
    ("replace(replace(trim(eur_text), '.', ''), ',', '.')::DECIMAL(18, 2)", Decimal("1234.50")),
    ("round(amount::DECIMAL(18, 3) * 100)", Decimal(29)),
    ("cast(minor as BIGINT) / 100", 10.5),
    ("minor::bigint // 100", 10),
    ("minor::bigint % 100", 50),
    ("-minor::int", -1050),
    ("tx_id::bigint", None),
    ("'99999999999999999999'::bigint", None),
    ("minor::hugeint * 9223372036854775807", 1050 * (2**63 - 1)),
    ("minor::bigint * 9223372036854775807", None),
    ("1 / 0", float("inf")),
    ("nullif(empty, '')", None),
    ("coalesce(none, nullif(empty, ''), 'x')", "x"),
    ("ifnull(none, 'x')", "x"),
    ("case when flag = 'Y' then true else false end", True),
    ("case flag when 'Y' then 1 when 'N' then 0 end", 1),
    ("if(flag in ('Y', 'J'), 'yes', 'no')", "yes"),
    ("flag not in ('Y')", False),
    ("none is null and flag is not null", True),
    ("none is distinct from flag", True),
    ("tx_id like 'T-%' or tx_id ilike 't-%'", True),
    (r"tx_id like 'T!-%' escape '!'", True),
    ("regexp_replace(tx_id, '[^0-9]', '', 'g')", "0017"),
    ("regexp_extract(tx_id, '([A-Z]+)-0*([0-9]+)', 2)", "17"),
    ("regexp_matches(tx_id, '^T')", True),
    ("tx_id ~ 'T.*'", True),
    ("split_part(tx_id, '-', 2)", "0017"),
    ("ltrim(split_part(tx_id, '-', 2), '0')", "17"),
    ("trim(both 'T' from tx_id)", "-0017"),
    ("substring(tx_id, 3, 2)", "00"),
    ("substring(tx_id from 3 for 2)", "00"),
    ("left(tx_id, 1) || lpad(at, 5, '0')", "T00012"),
    ("strip_accents(lower(name))", "nandu ibanez"),
    ("length(name) + strpos(tx_id, '-')", 14),
    ("position('-' in tx_id)", 2),
    ("translate(tx_id, 'T0', 't')", "t-17"),
    ("sha256('')", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("json_extract_string(json, '$.a.b')", "x"),
    ("json ->> '$.n' = '5'", True),
    ("json_extract_string(tx_id, '$.a')", None),
    ("day::date + interval 1 day", datetime(2026, 3, 1)),  # noqa: DTZ001
    ("date_add(day::date, interval '2 days')", datetime(2026, 3, 2)),  # noqa: DTZ001
    ("date_diff('day', day::date, date '2026-03-05')", 5),
    ("date_trunc('month', day::date)::date", date(2026, 2, 1)),
    ("extract(year from day::date) * 100 + month(day::date)", 202602),
    ("date_part('dow', day::date)", 6),
    ("last_day(day::date)", date(2026, 2, 28)),
    ("make_date(2026, 2, 30)", None),
    ("make_date(2026, 2, at::int)", date(2026, 2, 12)),
    ("make_timestamp(2026, 1, 2, 3, 4, 5.5)", datetime(2026, 1, 2, 3, 4, 5, 500000)),  # noqa: DTZ001
    ("epoch_us(timestamp '1970-01-01 00:00:01')", 1_000_000),
    ("epoch_ms(minor::bigint)", datetime(1970, 1, 1, 0, 0, 1, 50000)),  # noqa: DTZ001
    ("greatest(minor::int, 7, at::int)", 1050),
    ("abs(-5) + sign(-3) + floor(2.5) + ceil(2.5)", Decimal(9)),
    ("'31/12/2026'::date", None),
    ("(at::int between 10 and 20) and not (flag = 'N')", True),
]

HOSTILE = [
    "(select content from read_text('/etc/passwd'))", "read_text('/etc/passwd')", "READ_TEXT('x')",
    '"read_text"(\'x\')', "read_csv('x')", "read_csv_auto('x')", "read_parquet('x')",
    "read_json('x')", "read_blob('x')", "sniff_csv('x')", "glob('*')", "getenv('HOME')",
    "current_setting('threads')", "getvariable('x')", "pragma_version()", "pragma table_info(x)",
    "attach 'x.db'", "copy t to 'x'", "install httpfs", "load httpfs", "set threads = 1",
    "create table x as select 1", "drop table x", "insert into x values (1)", "delete from x",
    "call pragma_version()", "export database 'x'", "tx_id; drop table x", ";", "tx_id;",
    "tx_id -- hi", "tx_id /* hi */", "/* ; */ tx_id", "--", "tx_id /*", "(select 1)", "select 1",
    "exists (select 1)", "tx_id in (select 1)", "tx_id = any (select 1)", "tx_id in day",
    "(from duckdb_tables())", "from duckdb_settings()", "values (1)", "(values (1))", "(table x)",
    "with x as (select 1) select 1", "(with x as (select 1) select 1)", "sum(amount)", "count(*)",
    "count(distinct tx_id)", "sum(at::int) over ()", "row_number() over (order by tx_id)",
    "lag(tx_id) over ()", "max(tx_id) filter (where true)", "string_agg(tx_id, ',')",
    "list_transform([1], x -> x)", "list_transform([1], lambda x : x)", "[1, 2]", "{'a': 1}",
    "[x for x in [1, 2]]", "tx_id[1]", "tx_id[1:2]", "struct_pack(a := 1)", "row(1, 2)",
    "(tx_id, at)", "map {'a': 1}", "*", "columns(*)", "*columns('a')", "tx_id as x", "tx_id, at",
    "repeat('x', 2000000000)", "repeat(tx_id, at::int)", "lpad('x', 2000000000, 'x')",
    "rpad(tx_id, at::int, 'x')", "lpad(tx_id, 1001, ' ')", "lpad(tx_id, -1, ' ')", "range(10)",
    "unnest([1, 2])", "generate_series(1, 1000000000)", "generate_subscripts([1], 1)", "bar(1)",
    "printf('%2000000000d', 1)", "format('{:2000000000}', 1)", "md5(tx_id)", "random()", "uuid()",
    "gen_random_uuid()", "now()", "current_date", "current_timestamp", "current_user", "today()",
    "nextval('s')", "pg_sleep(1)", "error('x')", "write_log('x')", "query('select 1')",
    "query_table('x')", "try((select 1))", "?", "$1", "$x", ":x", "#1", "@x", "main.x.tx_id",
    "duckdb_tables.sql", "other.tx_id", "a.b", "rowid", "tx_id::int[]", "tx_id::struct(a int)",
    "tx_id::map(int, int)", "tx_id::blob", "tx_id::json", "tx_id::regclass", "tx_id::nosuch",
    "tx_id::decimal(39, 0)", "tx_id::bit", "tx_id::varint", "tx_id collate nocase", "tx_id::enum('a')",
    "regexp_replace(tx_id, name, 'x')", "regexp_replace(tx_id, 'a', name)",
    "regexp_extract_all(tx_id, 'a')", "string_split(tx_id, '-')", "regexp_split_to_table(tx_id, '-')",
    "replace(tx_id, '-', name)", "interval (at) day", "extract(nosuch from day::date)",
    "json_extract(json, '$.a')", "json -> '$.a'", "json ->> name", "json ->> '$.*'", "from_json(json, '{}')",
    "x'ff'", "tx_id similar to 'a'", "tx_id glob 'a'", "1 << 62", "2 ** 1000000", "5 ^ 2", "5!", "~5",
    "E'\\x41'", "case when tx_id then", "((tx_id)", "tx_id)", "'abc", '"tx_id', "$$abc", "", "   ", "\n",
    "tx_id\0", "'\0'", "\ud800", "nosuch", '"EUR"', "select", "tx_id tx_id at", "\\", "%", "[",
]  # fmt: skip


EXTRA = [
    "regexp_replace(tx_id, '(T)', '\\9')", "regexp_extract(tx_id, 'a', 5)", "lpad(tx_id, 9, '')",
    "split_part(tx_id, '', 1)", "split_part(tx_id, '-', at::int)", "left(tx_id, at::int)",
    "right(tx_id, minor::int)", "substring(tx_id, minor::bigint, at::bigint)", "abs(minor::bigint)",
    "-minor::bigint", "minor::bigint + at::bigint", "minor::bigint - at::bigint",
    "minor::decimal(38, 0) * at::decimal(38, 0)", "round(minor::decimal(38, 10), 5)",
    "round(minor::double, at::int)", "to_days(at::int)", "day::date + to_years(at::int)",
    "to_hours(at::bigint)", "to_timestamp(minor::double)", "make_timestamp(minor::bigint)",
    "make_date(at::int, at::int, minor::int)", "date_trunc('century', day::timestamp)",
    "last_day(day::date)", "strftime(day::timestamp, '%c %j %f')", "day::timestamp at time zone 'UTC'",
    "json_extract_string(json, '$.a.b[0]')", "day::date - interval 100000 years",
    "date_diff('microsecond', day::timestamp, ts::timestamp)", "epoch_us(day::timestamp)",
    "trunc(minor::double) + floor(amount::double)", "minor::double::bigint", "amount::decimal(4, 2)",
    "translate(name, 'abc', tx_id)", "tx_id like name escape '!'", "ts::time", "ts::timestamptz",
    "strptime(ts, '%Y-%m-%dT%H:%M:%S%z')", "mod(minor::bigint, at::bigint)",
    "minor::bigint // at::bigint", "sign(minor::double)", "flag::boolean", "minor::tinyint",
    "concat(name, minor::double)", "greatest(day::date, date '2020-01-01')", "reverse(name)",
    "strip_accents(name) || nfc_normalize(name) || sha256(name)", "date_part('epoch', day::date)",
]  # fmt: skip
"""Maps whose parts raise in DuckDB on some cells."""

DIRT = [
    None, "", " ", "0", "-1", "9223372036854775807", "-9223372036854775808", "1e308", "-1e-400",
    "nan", "inf", "1_000", "0x1f", "1,5", "99999999999999999999999999999999999999", "NULL", "\\",
    "2026-02-30", "0001-01-01", "9999-12-31 23:59:59.999999", "infinity", "294247-01-10", "\u00df",
    "2026-01-01T00:00:00+25:00", "31/12/2026 25:61", "{", '{"a": [', "[1]", "T-1", "\0", "'", "%",
    "\U0001f926\U0001f3fc", "e\u0301" * 50, "x" * 3000, "true", "Y", "(", "\\9", "$1", "-", "1970-01-01",
]  # fmt: skip


DUCK = duckdb.connect(config={"enable_external_access": "false"})
DUCK.execute("set TimeZone = 'UTC'")


def run(tree: object) -> object:
    columns = ", ".join(
        f"{'NULL' if v is None else literal(v)}::VARCHAR AS {quote(k)}" for k, v in CELLS.items()
    )
    sql = f"SELECT {tree.sql('duckdb')} FROM (SELECT {columns})"  # type: ignore[attr-defined]
    return DUCK.execute(sql).fetchall()[0][0]


@pytest.mark.parametrize(("text", "value"), GOLDEN)
def test_a_map_gives_what_its_text_says(text: str, value: object) -> None:
    tree = parse_map(text, CELLS)
    got = run(tree)
    assert got == value
    assert type(got) is type(value)
    assert columns_read(tree) <= CELLS.keys()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_or_broken_map_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_map(text, CELLS, place="heptad.toml")
    assert caught.value.do
    assert "heptad.toml" in caught.value.place


def test_the_list_of_functions_and_the_parsed_parts_are_two_walls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maps._Reader, "_check_tokens", lambda self, tokens: None)
    let_through = []
    for text in HOSTILE:
        try:
            let_through.append(parse_map(text, CELLS).sql("duckdb", comments=False))
        except InputError:
            continue
    assert set(let_through) == {'"tx_id"'}  # only the comments, which say nothing


def test_maps_never_raise_on_a_row() -> None:
    trees = [parse_map(text, CELLS) for text in [text for text, _ in GOLDEN] + EXTRA]
    dice = random.Random(7)
    rows = [[dice.choice(DIRT) for _ in CELLS] for _ in range(400)]
    columns = ", ".join(f"{quote(name)} VARCHAR" for name in CELLS)
    DUCK.execute(f"create or replace table cells ({columns})")
    marks = ", ".join("?" for _ in CELLS)
    DUCK.executemany(f"insert into cells values ({marks})", rows)
    for tree in trees:
        text = tree.sql("duckdb")
        found = DUCK.execute(f"select count({text}), count(*) from cells").fetchall()
        assert found[0][1] == 400, text


@pytest.mark.parametrize(
    ("text", "at", "cure"),
    [
        ("upper(contry)", "character 7", "did you mean 'Country'?"),
        ("uper(Country)", "character 1", "did you mean 'upper'?"),
        ("tx_id ||\n read_text('x')", "character 11", ""),
        ("'a' || \"EUR\"", "character 8", "single quotes: 'EUR'"),
        ("a.b", "character 1", 'write "a.b"'),
        ("sum(amount)", "character 1", "features"),
        ("now()", "character 1", "from a column"),
        ("tx_id tx_id at", "character 13", "order"),
    ],
)
def test_an_error_shows_the_place_and_the_cure(text: str, at: str, cure: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_map(text, CELLS, place="heptad.toml line 4")
    assert caught.value.place.startswith("heptad.toml line 4, ")
    assert f"{at}:" in caught.value.place
    assert cure in caught.value.do


def test_a_name_in_two_cases_must_be_quoted() -> None:
    assert parse_map('"Id"', ["id", "Id"]).sql("duckdb") == '"Id"'
    assert parse_map("id", ["id", "Id"]).sql("duckdb") == '"id"'
    with pytest.raises(InputError, match='write one of "id", "Id"'):
        parse_map("ID", ["id", "Id"])
    with pytest.raises(InputError, match="there is none yet"):
        parse_map("id", [])


def nested(inner: str, outer: str, times: int) -> str:
    for _ in range(times):
        inner = outer.replace("…", inner)
    return inner


@pytest.mark.parametrize(
    "text",
    [
        nested("tx_id", "nullif(…, 'x')", 14),
        nested("tx_id", "case … when 'a' then 'b' when 'c' then 'd' end", 12),
        nested("tx_id", "replace(…, 'a', 'aaaaaaaaaa')", 12),
        nested("tx_id", "regexp_replace(…, '', 'aaaaaaaaaa', 'g')", 8),
        nested("tx_id", r"regexp_replace(…, '.*', '\0\0\0\0', 'g')", 8),
        "concat_ws(" + ", ".join(["tx_id"] * 90) + ")",
        "strftime(day::date, '" + "%c" * 1990 + "')",
        nested("tx_id", "(…)", 33),
        nested("tx_id", "abs(…)", 200),
        "not " * 700 + "flag",
        "case when flag then " * 150 + "1" + " end" * 150,
        "tx_id" + " || tx_id" * 500,
        "'" + "x" * 5000 + "'",
        f"regexp_matches(tx_id, '{'a' * 501}')",
    ],
    ids=range(14),
)
def test_bombs_are_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(InputError):
        parse_map(text, CELLS)
    assert time.process_time() - started < 1


def test_long_but_honest_maps_pass() -> None:
    chain = " || ".join(["tx_id"] * 60)
    assert parse_map(chain, CELLS).sql("duckdb").count("tx_id") == 60
    cases = "case " + " ".join(f"when at = '{i}' then 'k{i}'" for i in range(100)) + " end"
    assert run(parse_map(cases, CELLS)) == "k12"
    assert run(parse_map(nested("' x '", "nullif(…, 'NA')", 4), CELLS)) == " x "


def test_types_are_asked_of_the_engine() -> None:
    fine = {f"f{n}": parse_map(text, CELLS) for n, (text, _) in enumerate(GOLDEN)}
    assert len(map_types(fine, CELLS)) == len(GOLDEN)
    assert map_types({"at": parse_map("strptime(ts, '%Y')", CELLS)}, CELLS) == {"at": "TIMESTAMP"}
    assert map_types({"k": parse_map("'EUR'", [])}, []) == {"k": "VARCHAR"}
    for text in ("amount * 2", "year(day)", "regexp_matches(tx_id, '(')", "round(amount)"):
        with pytest.raises(InputError, match=r"heptad\.toml") as caught:
            map_types({"amount": parse_map(text, CELLS)}, CELLS, place="heptad.toml")
        assert "map of amount" in caught.value.what


_WORDS = """
    ( ) , ; . * :: || + - / % = < > <> ' '' " "" $$ [ ] { } ? $1 : := -> ->> @ # \\ -- /* */ \n
    tx_id at "a b" name order nosuch a.b 'x' '%Y' 1 0 2.5 1e9 -1 null true select from where with
    union as in is not and or like between case when then else end cast try_cast interval day
    date timestamp decimal(5,2) bigint int[] distinct over filter exists any all lambda x
    values table join lateral unnest read_text getenv repeat sum count"""
WORDS = st.sampled_from(_WORDS.split() + [f"{name}(" for name in sorted(FUNCTIONS)])


def attempt(text: str) -> tuple[exp.Expr | None, InputError | None]:
    try:
        return parse_map(text, CELLS), None
    except InputError as error:
        return None, error


@settings(max_examples=400)
@given(words=st.lists(WORDS, max_size=14), glue=st.sampled_from([" ", ""]))
def test_any_text_is_a_safe_tree_or_a_clear_error(words: list[str], glue: str) -> None:
    tree, refusal = attempt(glue.join(words))
    if tree is None:
        assert refusal is not None
        assert refusal.do
        return
    assert columns_read(tree) <= CELLS.keys()
    with contextlib.suppress(duckdb.BinderException, duckdb.InvalidInputException):
        run(tree)  # a wrong type or format is what `map_types` tells before a load


@settings(max_examples=150)
@given(text=st.text(max_size=60))
def test_noise_is_refused_or_read(text: str) -> None:
    try:
        tree = parse_map(text, CELLS)
    except HeptadError:
        return
    assert columns_read(tree) <= CELLS.keys()


@settings(max_examples=100)
@given(name=st.text(min_size=1, max_size=30).filter(lambda n: "\0" not in n))
def test_any_column_can_be_named(name: str) -> None:
    tree = parse_map(quote(name) + " || 'x'", [name, "other"])
    assert columns_read(tree) == {name}
    sql = f"SELECT {tree.sql('duckdb')} FROM (SELECT 'v' AS {quote(name)})"
    assert DUCK.execute(sql).fetchall() == [("vx",)]


@settings(max_examples=100)
@given(text=st.text(max_size=60).filter(lambda t: "\0" not in t))
def test_constants_keep_their_text(text: str) -> None:
    tree = parse_map(literal(text), [])
    assert DUCK.execute(f"SELECT {tree.sql('duckdb')}").fetchall() == [(text,)]
