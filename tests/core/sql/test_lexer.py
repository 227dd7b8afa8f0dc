"""How SQL text falls into statements: by PostgreSQL's rules, and never losing a letter."""

from __future__ import annotations

import subprocess

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.sql.lexer import position, split, tokens
from templedb_nb.core.sql.tokens import Blank, Meta, Statement, TokenKind
from templedb_nb.model.route import ALONE
from templedb_nb.model.secret import Secret
from templedb_nb.targets.postgres.connection.connect import open_connection, run
from templedb_nb.targets.postgres.connection.route import route
from tests.conftest import Database
from tests.postgres import Server

FRAGMENTS = st.sampled_from(
    ["'", '"', "$$", "$a$", "$1", "$", ";", "--", "\n", "/*", "*/", "\\", "\\.", "(", ")", "E'", "U&'", "a", "b$",
     "BEGIN ATOMIC", "END", "CASE", "CREATE FUNCTION f()", "COPY t FROM stdin;\n", "1", ".5e3", " ", "\t", "ü", "''",
     "SET standard_conforming_strings = off;", "\r", "\f", "x'", "N'", ":", "::", "-", "/"]
)  # fmt: skip
SQLISH = st.lists(FRAGMENTS, max_size=40).map("".join)


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql).statements]


@given(st.text() | SQLISH)
@settings(max_examples=600)
def test_pieces_give_back_the_text_when_joined(sql: str) -> None:
    assert "".join(piece.raw for piece in split(sql).pieces) == sql


@given(st.text() | SQLISH)
@settings(max_examples=600)
def test_tokens_give_back_the_text_when_joined(sql: str) -> None:
    found = list(tokens(sql))
    assert "".join(token.text for token in found) == sql
    assert all(sql.startswith(token.text, token.start) for token in found)


@given(SQLISH)
@settings(max_examples=400)
def test_statement_has_the_position_of_its_text_when_a_script_is_split(sql: str) -> None:
    for each in split(sql).statements:
        assert sql[each.start : each.start + len(each.text)] == each.text
        assert position(sql, each.start) == (each.line, each.column)


@given(SQLISH)
@settings(max_examples=400)
def test_statement_stays_a_single_statement_when_lexed_alone(sql: str) -> None:
    if "standard_conforming_strings" in sql:
        return
    found = split(sql)
    for each in found.statements if not found.problems else ():
        again = split(each.text)
        assert [piece.text for piece in again.statements] == [each.text]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 'a;b'; SELECT 2", ["SELECT 'a;b'", "SELECT 2"]),
        ("SELECT 'it''s;'; SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]),
        (r"SELECT '\'; SELECT 2", [r"SELECT '\'", "SELECT 2"]),
        (r"SELECT E'\';'; SELECT 2", [r"SELECT E'\';'", "SELECT 2"]),
        (r"SELECT e'\\'; SELECT 2", [r"SELECT e'\\'", "SELECT 2"]),
        ("SELECT E'a'\n'b\\';c'; SELECT 2", ["SELECT E'a'\n'b\\';c'", "SELECT 2"]),
        ("SELECT 'a' -- ;\n'b;'; SELECT 2", ["SELECT 'a' -- ;\n'b;'", "SELECT 2"]),
        ("SELECT 'a' 'b\\'; SELECT 2", ["SELECT 'a' 'b\\'", "SELECT 2"]),
        ("SELECT $$a;b$$; SELECT 2", ["SELECT $$a;b$$", "SELECT 2"]),
        ("SELECT $x$a $$ ; $y$ ; $x$; SELECT 2", ["SELECT $x$a $$ ; $y$ ; $x$", "SELECT 2"]),
        ("SELECT $ü$;$ü$; SELECT 2", ["SELECT $ü$;$ü$", "SELECT 2"]),
        ("SELECT a$b$; SELECT c$b$", ["SELECT a$b$", "SELECT c$b$"]),
        ("SELECT $1; SELECT $2", ["SELECT $1", "SELECT $2"]),
        ("SELECT 1$a$;$a$; SELECT 2", ["SELECT 1$a$;$a$", "SELECT 2"]),
        ('SELECT "a;b", "c""d;"; SELECT 2', ['SELECT "a;b", "c""d;"', "SELECT 2"]),
        (r'SELECT U&"a\;", U&' + "'b;'; SELECT 2", [r'SELECT U&"a\;", U&' + "'b;'", "SELECT 2"]),
        ("/* a /* ; */ ; */ SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1 -- ; '\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1*/* ; */2; SELECT 2", ["SELECT 1*/* ; */2", "SELECT 2"]),
        ("SELECT 1 @--;\n 2; SELECT 2", ["SELECT 1 @--;\n 2", "SELECT 2"]),
        (";;SELECT 1;;; SELECT 2;;", ["SELECT 1", "SELECT 2"]),
        (
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
            ["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
            [
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
                "SELECT 3",
            ],
        ),
        (
            "create or replace procedure p() begin atomic; select 1; end; select 2",
            ["create or replace procedure p() begin atomic; select 1; end", "select 2"],
        ),
        ("BEGIN; SELECT 1; END; SELECT 2", ["BEGIN", "SELECT 1", "END", "SELECT 2"]),
        ('SELECT begin; SELECT "end"', ["SELECT begin", 'SELECT "end"']),
        ("SELECT 'é', ø; SELECT 2", ["SELECT 'é', ø", "SELECT 2"]),
        (
            "SET standard_conforming_strings = off; SELECT 'a\\';b'; SET standard_conforming_strings TO on; SELECT '\\'",
            [
                "SET standard_conforming_strings = off",
                "SELECT 'a\\';b'",
                "SET standard_conforming_strings TO on",
                "SELECT '\\'",
            ],
        ),
    ],
)
def test_semicolon_ends_a_statement_only_when_outside_of_quotes_and_bodies(
    sql: str, expected: list[str]
) -> None:
    assert texts(sql) == expected


def test_copy_lines_are_data_when_the_copy_reads_from_stdin() -> None:
    sql = "COPY t (a) FROM STDIN WITH (FORMAT csv);\n1;'\n\"x\n\\.\nSELECT 2;"
    copy, select = split(sql).statements
    assert (copy.text, copy.data) == ("COPY t (a) FROM STDIN WITH (FORMAT csv)", "1;'\n\"x\n")
    assert (select.text, select.line) == ("SELECT 2", 5)


def test_copy_data_ends_with_the_file_when_no_terminator_follows() -> None:
    (copy,) = split("COPY t FROM stdin;\n1\n2\n").statements
    assert copy.data == "1\n2\n"


def test_copy_has_no_data_when_it_does_not_read_from_stdin() -> None:
    for sql in (
        "COPY t TO stdout;\n1\n",
        "COPY t FROM '/x';\n1\n",
        "COPY (SELECT 1 FROM stdin) TO '/x';\n1\n",
    ):
        assert next(piece.data for piece in split(sql).statements) is None


def test_copy_has_a_problem_when_another_statement_follows_on_its_line() -> None:
    assert split("COPY t FROM stdin; SELECT 1;\n1\n\\.\n").problems
    assert not split("COPY t FROM stdin; -- fine\n1\n\\.\n").problems


def test_backslash_begins_a_psql_command_when_outside_of_quotes() -> None:
    found = split("\\set ON_ERROR_STOP on\nSELECT '\\n' \\gexec\nSELECT 2;")
    assert [type(piece) for piece in found.pieces] == [Meta, Statement, Meta, Statement]
    assert [meta.text for meta in found.metas] == ["\\set ON_ERROR_STOP on", "\\gexec"]
    assert [(meta.line, meta.column) for meta in found.metas] == [(1, 1), (2, 13)]


@pytest.mark.parametrize(
    "sql", ["SELECT 'a", 'SELECT "a', "SELECT $$a", "SELECT 1 /* a", "SELECT E'a\\'"]
)
def test_problem_names_the_line_when_a_quote_or_comment_does_not_end(sql: str) -> None:
    (problem,) = split(f"SELECT 1;\n{sql}").problems
    assert problem.line == 2


def test_script_has_no_statement_when_it_holds_only_comments() -> None:
    assert split("-- nothing\n/* here */\n").statements == ()
    assert all(isinstance(piece, Blank) for piece in split("-- nothing\n;\n").pieces)


def test_tokens_have_their_kind_when_a_line_mixes_all_kinds() -> None:
    found = [
        (t.kind, t.text)
        for t in tokens("a \"b\" 'c' $$d$$ 1.5 $1 ;")
        if t.kind is not TokenKind.SPACE
    ]
    assert [kind.value for kind, _ in found] == [
        "word", "quoted", "string", "string", "number", "parameter", "symbol",
    ]  # fmt: skip


def test_positions_count_from_line_and_column_1() -> None:
    assert [position("ab\ncd", n) for n in range(5)] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]


SAFE = st.sampled_from(
    ["'a;b'", "'it''s'", r"E'\';'", "$$;$$", "$q$ ; $$ ' $q$", '1 AS "x;y"', "(SELECT 1)", "1 /* ; */", "1 -- ;\n",
     r"'\'", "'a'\n'b;'", "1 AS a$b$", "CASE WHEN true THEN 1 END", "'ü;'", "$ü$;$ü$", "/* /* ; */ */ 2"]
)  # fmt: skip
"""Without an E'' literal that goes on in the next line: psql, which reads line by line, takes the
second part for a plain one, and the server, which we follow, does not."""


@given(st.lists(st.lists(SAFE, min_size=1, max_size=3), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_split_gives_the_same_results_as_psql_when_statements_run_separately(
    server: Server, scripts: list[list[str]]
) -> None:
    """psql is the judge: what it gets for the whole script, we get statement by statement."""
    sql = ";\n".join("SELECT " + ", ".join(parts) for parts in scripts) + ";\n"
    said = subprocess.run(
        ["psql", "-X", "-q", "-t", "-A", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", server.admin],
        input=sql,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = []
    with psycopg.connect(server.admin, autocommit=True) as connection:
        for statement in split(sql).statements:
            (result,) = run(connection, statement.text)
            fields = [result.get_value(0, n) or b"" for n in range(result.nfields)]
            rows.append("\x1f".join(field.decode() for field in fields))
    assert said.stdout == "".join(f"{row}\n" for row in rows)


def test_server_accepts_each_statement_by_itself_when_a_script_was_split(pg: Database) -> None:
    """The extended protocol refuses two statements in one message: a wrong split would show."""
    connection = open_connection(route(Secret("DATABASE_URL", pg.dsn), ALONE), "test")
    try:
        for sql in ("SELECT 1; SELECT 2", "SELECT 'a'; -- b\nSELECT 2"):
            with pytest.raises(psycopg.errors.SyntaxError):
                run(connection, sql)
            for each in split(sql).statements:
                run(connection, each.text)
    finally:
        connection.close()
