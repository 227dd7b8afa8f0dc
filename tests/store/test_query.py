"""Questions to targets: only read, masked, and checks where an answer is expected."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from templedb_nb import Temple
from templedb_nb.core.sql.query import question
from templedb_nb.core.values.query_expectation import expectation, unmet
from templedb_nb.errors import ExpectationFailed, QueryRefused, UsageProblem
from templedb_nb.model.history import Answer
from tests.conftest import HARD_PASSWORD, MIGRATIONS, Database, Said, Shop, Terminal


class Asked:
    """A deployed project, asked on one kind of database."""

    def __init__(self, terminal: Terminal, pg: Database | None) -> None:
        self.terminal = terminal
        self.pg = pg

    def __call__(self, *words: str, code: int = 0, stdin: str | None = None) -> Said:
        return self.terminal("query", "app", *words, code=code, stdin=stdin)

    def rows(self, sql: str, *words: str) -> list[list[Any]]:
        (_, body) = self(sql, "--json", *words).json
        found: list[list[Any]] = body["rows"]
        return found


@pytest.fixture(params=["postgres", "duckdb"])
def ask(request: pytest.FixtureRequest, terminal: Terminal) -> Asked:
    pg = request.getfixturevalue("pg") if request.param == "postgres" else None
    terminal.file("app/migrations/001.sql", "CREATE TABLE orders (id int, note text);\n")
    rows = "(1, 'first'), (2, NULL), (3, '')"
    terminal.file("app/migrations/002.sql", f"INSERT INTO orders VALUES {rows};")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    url = pg.dsn if pg else f"duckdb://{terminal.home}/target.duckdb"
    words = [] if pg else ["--plain"]
    terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", *words)
    terminal("deploy", "run", "app")
    return Asked(terminal, pg)


def test_query_answer_is_a_table_json_or_csv_when_asked_for(ask: Asked) -> None:
    sql = "SELECT id, note FROM orders ORDER BY id"
    assert ask(sql).out.splitlines() == ["id  note", "1   first", "2", "3"]
    assert ask.rows(sql) == [[1, "first"], [2, None], [3, ""]]
    assert ask(sql, "--csv").out == 'id,note\n1,first\n2,\n3,""\n'


def test_query_answer_has_its_columns_when_there_is_no_row(ask: Asked) -> None:
    sql = "SELECT id, note FROM orders WHERE id = 4"
    assert ask(sql).out.splitlines() == ["id  note", "0 rows"]
    (_, body) = ask(sql, "--json").json
    assert body["columns"] == ["id", "note"]
    assert ask(sql, "--csv").out == "id,note\n"
    assert ask("SELECT 1 AS a WHERE 1 = %(n)s", "--param", "n=2").out.splitlines() == [
        "a",
        "0 rows",
    ]


def test_query_is_read_from_standard_input_when_not_given_as_an_argument(ask: Asked) -> None:
    assert ask("--csv", stdin="-- how many\nSELECT count(*) AS n FROM orders;\n").out == "n\n3\n"
    assert "there is no query" in ask("", code=64).err


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders VALUES (4, 'x')",
        "UPDATE orders SET note = 'x'",
        "DELETE FROM orders",
        "DROP TABLE orders",
        "CREATE TABLE other (id int)",
        "CREATE TEMP TABLE other (id int)",
        "SET search_path = other",
        "COMMIT",
        "COPY orders TO '/tmp/templedb-never'",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
        "SELECT id INTO other FROM orders",
        "EXPLAIN ANALYZE DELETE FROM orders",
    ],
)
def test_query_is_refused_when_it_would_change_something(ask: Asked, sql: str) -> None:
    said = ask(sql, code=64)
    assert "read-only" in said.err or "refused the query" in said.err
    assert ask.rows("SELECT count(*) FROM orders WHERE note = 'x' OR note IS NULL OR id = 3") == [
        [2]
    ]
    assert not Path("/tmp/templedb-never").exists()


def test_query_is_refused_unasked_when_it_is_not_a_single_statement(ask: Asked) -> None:
    said = ask("SELECT 1;\nSELECT 2", code=64)
    assert "another one begins on line 2" in said.err
    assert "psql" in ask("\\d orders", code=64).err
    assert "is not closed" in ask("SELECT 'half", code=64).err


def test_query_error_names_its_line_when_a_column_is_wrong(ask: Asked) -> None:
    said = ask(stdin="-- of the orders\nSELECT id,\n  nope FROM orders", code=64)
    assert "line 3" in said.err
    assert "nope" in said.err


def test_query_answer_is_cut_with_a_note_when_longer_than_the_limit(ask: Asked) -> None:
    sql = "SELECT i FROM generate_series(1, 5000) AS s(i)"
    assert len(ask.rows(sql)) == 1000
    assert len(ask.rows(sql, "--limit", "7")) == 7
    assert ask(sql, "--limit", "7").out.endswith("… and more rows than that\n")
    assert "first 7 rows" in ask(sql, "--limit", "7", "--csv").err
    assert "more" not in ask("SELECT 1").out
    assert ask(sql, "--limit", "7", "--expect", "rows=5000").code == 0


def test_query_is_cancelled_when_it_exceeds_its_timeout(ask: Asked) -> None:
    slow = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    assert "longer than 1 s" in ask(slow, "--timeout", "1s", code=124).err


@pytest.mark.parametrize(
    ("sql", "expect", "code", "told"),
    [
        ("SELECT true", "true", 0, ""),
        ("SELECT count(*) = 3 FROM orders", "true", 0, ""),
        ("SELECT count(*) FROM orders", "3", 0, ""),
        ("SELECT 1.50", "1.5", 0, ""),
        ("SELECT note FROM orders WHERE id = 1", "first", 0, ""),
        ("SELECT note FROM orders WHERE id = 1", "'first'", 0, ""),
        ("SELECT note FROM orders WHERE id = 2", "null", 0, ""),
        ("SELECT id FROM orders WHERE id > 9", "empty", 0, ""),
        ("SELECT id FROM orders", "rows", 0, ""),
        ("SELECT id FROM orders", "rows=3", 0, ""),
        ("SELECT id FROM orders", "rows >= 2", 0, ""),
        ("SELECT false", "true", 10, "expected true, but got false"),
        ("SELECT 1", "true", 10, "expected true, but got 1"),
        ("SELECT count(*) FROM orders", "4", 10, "expected 4, but got 3"),
        ("SELECT id FROM orders ORDER BY id", "empty", 10, "id=1"),
        ("SELECT id FROM orders WHERE id > 9", "rows", 10, "expected rows, but got no row"),
        ("SELECT id FROM orders", "rows<3", 10, "got 3 rows"),
        ("SELECT id FROM orders", "1", 10, "got more than 2 rows"),
        ("SELECT id, note FROM orders WHERE id = 1", "1", 10, "a row of 2 columns"),
    ],
)
def test_query_is_a_check_when_an_expectation_is_given(
    ask: Asked, sql: str, expect: str, code: int, told: str
) -> None:
    said = ask(
        sql, "--expect", expect, "--limit", "2" if told.startswith("got more") else "50", code=code
    )
    assert told in said.err


def test_query_parameters_are_bound_as_values_when_they_contain_sql(ask: Asked) -> None:
    sql = "SELECT id FROM orders WHERE note = %(note)s AND id % 2 = 1 AND '%(note)s' <> 'x'"
    assert ask.rows(sql, "--param", "note=first") == [[1]]
    assert ask.rows(sql, "--param", "note=' OR true --") == []
    assert ask.rows(
        "SELECT 1 WHERE %(a)s = %(b)s OR %(a)s = 'q'", "--param", "a=q", "--param", "b=r"
    ) == [[1]]
    assert ask.rows("SELECT id FROM orders WHERE id = %(id)s", "--param", "id=2") == [[2]]
    assert "--param nope=VALUE" in ask("SELECT %(nope)s", "--param", "note=1", code=64).err
    assert "has no parameter note" in ask("SELECT 1", "--param", "note=1", code=64).err
    assert "is not NAME=VALUE" in ask("SELECT 1", "--param", "note", code=64).err


def test_query_answer_is_masked_when_it_contains_an_opened_secret(ask: Asked) -> None:
    ask.terminal("env", "set", "app", "TOKEN", "a-long-secret", "--target", "staging")
    ask.terminal("env", "list", "app")
    said = ask("SELECT 'a-long-secret' AS token, 1 AS n", "--json")
    assert "a-long-secret" in said.out  # this process never opened it
    if ask.pg is not None:
        literal = HARD_PASSWORD.replace("'", "''")
        for form in ((), ("--json",), ("--csv",), ("--expect", "x")):
            said = ask(f"SELECT '{literal}' AS token", *form, code=10 if "x" in form else 0)
            assert HARD_PASSWORD not in said.all
            assert "***[DATABASE_URL]" in said.all


def test_query_needs_no_lock_and_makes_no_ledger_when_the_target_was_never_deployed(
    shop: Shop,
) -> None:
    assert shop.terminal("query", "app", "SELECT 1", "--csv").out.endswith("1\n")
    assert shop.pg.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'") == []
    assert shop.terminal("query", "SELECT 1", "--expect", "1").code == 0


def test_query_keeps_database_settings_when_the_database_has_its_own(shop: Shop) -> None:
    shop.pg.query(f"ALTER DATABASE {shop.pg.name} SET search_path = shop, public")
    shop.pg.query(f"ALTER DATABASE {shop.pg.name} SET timezone = 'Asia/Tokyo'")
    said = shop.terminal("query", "SHOW search_path", "--csv").out
    assert said == 'search_path\n"shop, public"\n'
    assert "Asia/Tokyo" in shop.terminal("query", "SHOW timezone").out
    time = "SELECT '2026-11-01 09:00+09'::timestamptz AS at, '2026-11-01 09:00'::timestamp AS bare"
    assert shop.terminal("query", time).out.splitlines()[1].split("  ") == [
        "2026-11-01 00:00:00Z",
        "2026-11-01 09:00:00",
    ]


def test_query_needs_the_database_name_when_the_target_has_several(shop: Shop) -> None:
    shop.terminal.file("app/other/001.sql", "SELECT 1;")
    shop.config(
        MIGRATIONS, {"name": "other", "file_patterns": ["other/*.sql"], "database": "OTHER_URL"}
    )
    shop.terminal("project", "sync", "app")
    shop.terminal("env", "set", "app", "OTHER_URL", shop.pg.dsn, "--target", "staging")
    said = shop.terminal("query", "SELECT 1", code=64)
    assert "--database DATABASE_URL" in said.err
    assert "1" in shop.terminal("query", "SELECT 1", "--database", "OTHER_URL").out
    assert "has no database" in shop.terminal("query", "SELECT 1", "--database", "X", code=64).err


def test_query_says_what_to_grant_when_the_role_may_not_read(shop: Shop) -> None:
    shop.pg.query("CREATE TABLE secret_table (id int)")
    said = shop.terminal("query", "SELECT * FROM secret_table", code=69)
    assert "GRANT SELECT ON" in said.err


def test_query_says_what_to_do_when_python_cannot_hold_a_value(shop: Shop) -> None:
    said = shop.terminal("query", "SELECT 'infinity'::timestamptz AS at", code=64)
    assert "column::text" in said.err
    assert "infinity" in shop.terminal("query", "SELECT 'infinity'::timestamptz::text").out


def test_query_makes_no_duckdb_file_when_the_file_does_not_exist_yet(terminal: Terminal) -> None:
    terminal.files("app", migrations__001__sql="SELECT 1;")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "staging")
    url = f"duckdb://{terminal.home}/none.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", "--plain")
    assert "does not exist yet" in terminal("query", "SELECT 1", code=69).err
    assert not (terminal.home / "none.duckdb").exists()


def test_query_on_a_duckdb_file_is_refused_when_it_reads_or_writes_other_files(
    terminal: Terminal,
) -> None:
    terminal.files("app", migrations__001__sql="SELECT 1;")
    terminal.file("passwords.csv", "a,b\n1,2\n")
    duckdb.connect(str(terminal.home / "t.duckdb")).close()
    terminal("project", "import", "app")
    terminal("target", "add", "app", "staging")
    url = f"duckdb://{terminal.home}/t.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", "--plain")
    where = f"SELECT * FROM read_csv('{terminal.home}/passwords.csv')"
    assert "refused the query" in terminal("query", where, code=64).err
    assert (
        "COPY does more"
        in terminal("query", f"COPY (SELECT 1) TO '{terminal.home}/x'", code=64).err
    )


def test_query_returns_a_frame_when_called_from_python(ask: Asked) -> None:
    temple = Temple.open(ask.terminal.state)
    sql = "SELECT id FROM orders WHERE id > %(least)s ORDER BY id"
    found = temple.query(sql, "app", params={"least": "1"}, limit=1)
    assert list(found.id) == [2]
    assert found.attrs["more"] is True
    with pytest.raises(ExpectationFailed, match="expected empty, but got 3 rows"):
        temple.query("SELECT id FROM orders", expect="empty")


# --- the pure parts -----------------------------------------------------------------------------


def answer(*rows: tuple[Any, ...]) -> Answer:
    return Answer(columns=("a",), kinds=("int4",), rows=rows)


def test_query_expectation_compares_by_type_when_values_are_numbers_or_texts() -> None:
    assert unmet(expectation("0"), answer((Decimal("0.00"),))) == ""
    assert unmet(expectation("0"), answer((False,))) == "false"
    assert unmet(expectation("01"), answer(("1",))) == "1"
    assert unmet(expectation("'rows'"), answer(("rows",))) == ""
    assert unmet(expectation("'NULL'"), answer((None,))) == "NULL"


def test_query_parameter_is_replaced_only_when_outside_of_quotes_and_comments() -> None:
    asked = question("SELECT %(a)s, '%(a)s', %(b)s, %(a)s -- %(c)s", {"a": "1", "b": "2"})
    assert asked.sql == "SELECT $1, '%(a)s', $2, $1"
    assert asked.values == ("1", "2")
    assert question("SELECT 5 % (2)", {}).sql == "SELECT 5 % (2)"
    with pytest.raises(UsageProblem, match="no value"):
        question("SELECT %(a)s", {"b": "1"})
    with pytest.raises(QueryRefused):
        question("COPY t FROM stdin;\n1\n\\.\n", {})
