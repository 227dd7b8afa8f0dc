"""What `query` and `sql` show is what the database holds, or it is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pandas as pd
import pytest

from templedb_nb import Temple
from templedb_nb.core.values.exact_json import exact_json
from templedb_nb.model.span import Interval, alike
from tests.conftest import Shop
from tests.store.test_query import Asked, ask

__all__ = ["ask"]

CAST = "cast its column to text: column::text"


on_postgresql = pytest.mark.parametrize("ask", ["postgres"], indirect=True)
on_duckdb = pytest.mark.parametrize("ask", ["duckdb"], indirect=True)

INTERVALS: list[tuple[str, object, str]] = [
    ("1 month", "P1M", "1 mon"),
    ("-1 month", "P-1M", "-1 mons"),
    ("14 months", "P1Y2M", "1 year 2 mons"),
    ("1 day", "P1D", "1 day"),
    ("3 days 04:05:06.7", "P3DT4H5M6.7S", "3 days 04:05:06.7"),
    ("24 hours", 86400.0, "24:00:00"),
    ("90 minutes 59.000001 seconds", 5459.000001, "01:30:59.000001"),
    ("-1 hour", -3600.0, "-01:00:00"),
    ("0 seconds", 0.0, "00:00:00"),
    ("1 year -2 months 3 days -00:00:01", "P10M3DT-1S", "10 mons 3 days -00:00:01"),
]


def selected(values: list[str]) -> str:
    return "SELECT " + ", ".join(f"{value} AS v{n}" for n, value in enumerate(values))


def test_interval_keeps_months_days_and_time(ask: Asked) -> None:
    sql = selected([f"CAST('{text}' AS interval)" for text, _, _ in INTERVALS])
    assert ask.rows(sql) == [[plain for _, plain, _ in INTERVALS]]
    shown = ask(sql).out.splitlines()[1]
    assert re.split(r" {2,}", shown) == [said for _, _, said in INTERVALS]
    ask("SELECT CAST('1 month' AS interval)", "--expect", "1 mon")
    ask("SELECT CAST('-1 hour' AS interval)", "--expect", "-01:00:00")


def test_interval_column_has_one_type_when_its_values_differ_in_kind(ask: Asked) -> None:
    sql = "SELECT CAST(i AS interval) AS i FROM (VALUES ('1 hour'), ('1 day'), (NULL)) AS v(i)"
    assert sorted(map(str, (row[0] for row in ask.rows(sql)))) == ["None", "P1D", "PT1H"]
    temple = Temple.open(ask.terminal.state)
    whole = temple.query(sql.replace("1 day", "5 minutes"), "app")
    assert pd.api.types.is_timedelta64_dtype(whole.i)
    assert temple.query(sql, "app").i[1] == Interval(days=1)


def test_time_is_shown_whole_and_in_utc_when_it_has_an_offset_or_is_early(ask: Asked) -> None:
    sql = "SELECT CAST('2026-11-01 09:00:00.000001+09' AS timestamptz) AS at"
    assert ask(sql).out.splitlines()[1] == "2026-11-01 00:00:00.000001Z"
    assert ask.rows(sql) == [["2026-11-01T00:00:00.000001+00:00"]]
    early = "SELECT CAST('0001-02-03 00:00:00+00' AS timestamptz) AS at"
    assert ask.rows(early) == [["0001-02-03T00:00:00+00:00"]]
    assert ask(early).out.splitlines()[1] == "0001-02-03 00:00:00Z"
    assert Temple.open(ask.terminal.state).query(early, "app")["at"][0].year == 1


def test_infinity_is_refused_with_a_cast_when_python_has_no_such_time(ask: Asked) -> None:
    for kind, word in product(("date", "timestamp", "timestamptz"), ("infinity", "-infinity")):
        sql = f"SELECT CAST('{word}' AS {kind}) AS at"
        assert CAST in ask(sql, code=64).err
        assert word in ask(sql.replace(" AS at", "::text AS at")).out
        assert ask.rows(f"SELECT CAST('9999-12-31' AS {kind})")[0][0].startswith("9999-12-31")


def test_numbers_keep_all_their_digits_when_large_or_small(ask: Asked) -> None:
    big = "9007199254740993"
    sql = f"SELECT CAST({big} AS bigint) AS n, 0.0000000001 AS d, CAST('nan' AS float8) AS f"
    assert f'[{big}, "0.0000000001", "nan"]' in ask(sql, "--json").out
    assert ask(sql, "--csv").out.splitlines()[1] == f"{big},0.0000000001,nan"
    sql = f"SELECT * FROM (VALUES (CAST({big} AS bigint)), (NULL)) AS v(n)"
    found = Temple.open(ask.terminal.state).query(sql, "app")
    assert (str(found.n.dtype), found.n[0]) == ("Int64", int(big))
    sql = "SELECT * FROM (VALUES (CAST('nan' AS float8)), (NULL)) AS v(f)"
    found = Temple.open(ask.terminal.state).query(sql, "app")
    assert found.f[1] is None  # a NULL is no NaN


POSTGRES: list[tuple[str, Any, str]] = [
    ("'[1,5)'::int4range", "[1,5)", "[1,5)"),
    ("'(,5]'::numrange", "(,5]", "(,5]"),
    ("'[2024-01-01,infinity]'::daterange", "[2024-01-01,infinity]", "[2024-01-01,infinity]"),
    ("'[\"2024-01-01 00:00:00\",)'::tsrange", '["2024-01-01 00:00:00",)', '["2024-01-01 00:00:00",)'),
    ("'empty'::int8range", "empty", "empty"),
    ("'NaN'::numeric", "NaN", "NaN"),
    ("1e-30::numeric", "0." + "0" * 29 + "1", "0." + "0" * 29 + "1"),
    ("'12:00:00.5+02:30:15'::timetz", "12:00:00.500000+02:30:15", "12:00:00.500000+02:30:15"),
    ("'a'::char(3)", "a  ", "a"),
    ("B'0101'", "0101", "0101"),
    ("'\\xdead'::bytea", "dead", "\\xdead"),
    ("'{{1,2},{3,NULL}}'::int[]", [[1, 2], [3, None]], "[[1, 2], [3, null]]"),
    ("ARRAY['1 mon'::interval]", ["P1M"], '["P1M"]'),
    ("'10.0.0.1/24'::inet", "10.0.0.1/24", "10.0.0.1/24"),
    ("'{\"a\": 12345678901234567890, \"b\": 1.5}'::json", {"a": 12345678901234567890, "b": 1.5},
     '{"a": 12345678901234567890, "b": 1.5}'),
    ("ROW(1, 'x')", ["1", "x"], '["1", "x"]'),
    ("'1e400'::numeric", "1" + "0" * 400, "1" + "0" * 400),
    ("4294967295::oid", 4294967295, "4294967295"),
    ("0.1::float4", 0.1, "0.1"),
]  # fmt: skip

REFUSED = [
    "'[0:1]={1,2}'::int[]",
    '\'{"a": 1, "a": 2}\'::json',
    "'{\"a\": 1.00000000000000000001}'::json",
    "'{\"a\": 1e400}'::json",
    "'\"\\ud800\"'::json",
    "'24:00:00'::time",
    "'0044-03-15 BC'::date",
    "'20000-01-01'::timestamp",
    "'9999-12-31 23:00:00-05'::timestamptz",
    "ARRAY['infinity'::date]",
    'ARRAY[\'{"a": 1, "a": 2}\'::json]',
]


@on_postgresql
def test_postgresql_value_is_exact_when_selected(ask: Asked) -> None:
    sql = selected([value for value, _, _ in POSTGRES])
    assert ask.rows(sql) == [[plain for _, plain, _ in POSTGRES]]
    for value, _, said in POSTGRES:
        assert ask(f"SELECT {value} AS v").out.splitlines()[1] == said


@on_postgresql
def test_postgresql_value_is_refused_with_a_cast_when_python_cannot_hold_the_value(
    ask: Asked,
) -> None:
    for value in REFUSED:
        assert CAST in ask(f"SELECT {value} AS v", code=64).err, value
        ask(f"SELECT ({value})::text AS v")


@on_postgresql
def test_query_rounds_nothing_when_the_database_has_output_settings(ask: Asked) -> None:
    assert ask.pg is not None
    for setting in ("extra_float_digits = -10", "DateStyle = 'SQL, DMY'", "bytea_output = 'escape'",
                    "IntervalStyle = 'iso_8601'"):  # fmt: skip
        ask.pg.query(f"ALTER DATABASE {ask.pg.name} SET {setting}")
    sql = "SELECT 0.1::float8 + 0.2 AS f, '2024-02-01 00:00+00'::timestamptz AS t, "
    sql += "'02/01/2024'::date AS d, '\\xff'::bytea AS b, '1 mon 1 day'::interval AS i"
    expected = [0.30000000000000004, "2024-02-01T00:00:00+00:00", "2024-01-02", "ff", "P1M1D"]
    assert ask.rows(sql) == [expected]


DUCKDB: list[tuple[str, Any]] = [
    ("170141183460469231731687303715884105727::HUGEINT", 170141183460469231731687303715884105727),
    ("'123456789012345678901234567890123456789012'::BIGNUM", "123456789012345678901234567890123456789012"),
    ("1.10::DECIMAL(38,10)", "1.1000000000"),
    ("[INTERVAL 1 MONTH, NULL]", ["P1M", None]),
    ("{'a': DATE '2024-01-01', 'B c': [INTERVAL 1 DAY]}", {"a": "2024-01-01", "B c": ["P1D"]}),
    ("MAP {DATE '2024-01-01': INTERVAL 1 MONTH}", {"2024-01-01": "P1M"}),
    ("MAP {[DATE '2024-01-01']: 1}", {"key": [["2024-01-01"]], "value": [1]}),
    ("[DATE '2024-01-01']::DATE[1]", ["2024-01-01"]),
    ("row(DATE '2024-01-01', 2)", ["2024-01-01", 2]),
    ("'2024-01-01 00:00:00.123456'::TIMESTAMP_NS", "2024-01-01T00:00:00.123456"),
    ("'0044-03-15 (BC)'::DATE", "0044-03-15 (BC)"),
    ("'20000-01-01'::TIMESTAMP", "20000-01-01 00:00:00"),
    ("'24:00:00'::TIME", "24:00:00"),
    ("'12:00:00+02:30:15'::TIMETZ", "12:00:00+02:30:15"),
    ("'0101'::BIT", "0101"),
    ("'\\xDE\\xAD'::BLOB", "dead"),
    ("union_value(n := 1)", 1),
    ("'a'::ENUM('a', 'b')", "a"),
]  # fmt: skip


NOT_IN_PYTHON = [
    "'2024-01-01 00:00:00.123456789'::TIMESTAMP_NS",
    "'12:00:00.123456789'::TIME_NS",
    "[DATE 'infinity']",
    "{'a': TIMESTAMP '-infinity'}",
    "MAP {1: DATE 'infinity'}",
    "union_value(d := DATE 'infinity')",
    "(INTERVAL 1 MONTH)::VARIANT",
]


@on_duckdb
def test_duckdb_value_is_exact_when_selected(ask: Asked) -> None:
    sql = selected([value for value, _ in DUCKDB])
    assert ask.rows(sql) == [[plain for _, plain in DUCKDB]]


@on_duckdb
def test_duckdb_value_is_refused_with_a_cast_when_python_cannot_hold_the_value(ask: Asked) -> None:
    for value in NOT_IN_PYTHON:
        assert CAST in ask(f"SELECT {value} AS v", code=64).err, value
        ask(f"SELECT ({value})::text AS v")


@on_duckdb
def test_query_keeps_order_names_parameters_and_lines_when_values_are_cast(ask: Asked) -> None:
    sql = "SELECT i AS a, DATE '2024-01-01' AS a FROM range(300000) r(i) ORDER BY hash(i) -- so"
    straight = ask.rows(sql.replace("DATE '2024-01-01'", "1"), "--limit", "500")
    assert [row[0] for row in ask.rows(sql, "--limit", "500")] == [row[0] for row in straight]
    assert ask(sql, "--limit", "1").out.splitlines()[0].split() == ["a", "a"]
    sql = "SELECT DATE '2024-01-01' + CAST(%(n)s AS int) AS d"
    assert ask.rows(sql, "--param", "n=1") == [["2024-01-02"]]
    said = ask("SELECT DATE '2024-01-01',\n  nope\nFROM orders", code=64)
    assert "line 2" in said.err
    for other in ("DESCRIBE orders", "SHOW TABLES", "SUMMARIZE orders", "FROM orders"):
        ask(other)


# --- the state's own ----------------------------------------------------------------------------


def test_state_answers_exactly_when_queried_for_intervals_and_large_numbers(shop: Shop) -> None:
    shop.run()
    said = shop.terminal("sql", "SELECT INTERVAL 1 MONTH AS i, 1::HUGEINT AS h", "--json")
    assert said.json[-1]["rows"] == [["P1M", 1]]
    assert CAST in shop.terminal("sql", "SELECT DATE 'infinity' AS d", code=64).err
    said = shop.terminal(
        "sql", "SELECT 1; SELECT INTERVAL 1 DAY AS i; -- the last counts", "--json"
    )
    assert said.json[-1]["rows"] == [["P1D"]]
    assert "physical_plan" in shop.terminal("sql", "EXPLAIN SELECT DATE 'infinity'", "--json").out
    temple = Temple.open(shop.terminal.state)
    big = "SELECT 9007199254740993::HUGEINT AS h, 1.10::DECIMAL(20,2) AS d, INTERVAL 1 DAY AS i,"
    found = temple.sql(f"{big} DATE '9999-12-31' AS a, 1::TINYINT AS t, 'x' AS s")
    assert (found.h[0], found.d[0], found.i[0]) == (
        9007199254740993,
        Decimal("1.10"),
        Interval(days=1),
    )
    assert [str(each) for each in found.dtypes[3:5]] == ["datetime64[us]", "int8"]
    assert pd.api.types.is_timedelta64_dtype(temple.sql("SELECT took FROM runs").took)
    frame = temple.sql("SELECT * FROM (VALUES (1, true, TIMESTAMPTZ '2024-01-01', INTERVAL 1 HOUR),"
                       " (NULL, NULL, NULL, NULL)) AS v(a, b, c, d)")  # fmt: skip
    assert [str(each) for each in frame.dtypes] == [
        "Int32", "boolean", "datetime64[us, UTC]", "timedelta64[us]",
    ]  # fmt: skip


# --- the pure parts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["1 mon", "-1 mons", "1 year 2 mons -3 days +04:05:06.7", "00:00:00", "-00:00:00.000001",
     "100000:00:00", "1 year 2 months", "-1 days"],
)  # fmt: skip
def test_interval_reads_back_the_same_when_written_as_text(text: str) -> None:
    found = Interval.read(text)
    assert found is not None
    assert Interval.read(str(found)) == found


def test_span_is_refused_when_it_is_a_word() -> None:
    assert Interval.read("infinity") is None
    assert Interval.read("") is None
    assert Interval.of(timedelta(days=-1, microseconds=5)).length == timedelta(
        days=-1, microseconds=5
    )
    assert alike([None, Interval(microseconds=1)]) == [None, timedelta(microseconds=1)]


def test_json_is_refused_when_reading_would_lose_something() -> None:
    assert exact_json('{"a": [1.25, 1e3, 10000000000000000001]}') == {
        "a": [1.25, 1000.0, 10000000000000000001]
    }
    for text in ('{"a":1,"a":1}', "0.1000000000000000000001", "1e999", '"\\udc00"', "[" * 100000):
        with pytest.raises(ValueError, match=r"\w"):
            exact_json(text)
