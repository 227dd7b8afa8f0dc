"""What migrations mean for older code: what statements say, and what files state."""

from __future__ import annotations

import pytest

from templedb_nb.core.compatibility.migrations import OrderedMigration, compatibility, in_order
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.compatibility import Compat, Compatibility, breaks_old_code


def told(sql: str) -> Compatibility:
    return compatibility(read_script(sql.encode()))


def test_strongest_statement_wins_and_is_named_with_its_line() -> None:
    found = told("SELECT 1;\n\nALTER TABLE users DROP COLUMN note;\nDELETE FROM users;\nDO $$ $$;")
    assert found.word is Compat.CONTRACT
    assert found.line == 3
    assert found.reason == "line 3: DROP COLUMN note: old code that uses it fails"


def test_first_of_equally_strong_statements_is_named() -> None:
    assert told("DROP TABLE a;\nDROP TABLE b;").reason.startswith("line 1: DROP TABLE a:")


def test_unknown_is_stronger_than_data() -> None:
    assert told("DELETE FROM a; DO $$ $$;").word is Compat.UNKNOWN


def test_table_that_the_file_makes_is_new() -> None:
    found = told("CREATE TABLE t (id int); ALTER TABLE t ADD COLUMN a int NOT NULL CHECK (a > 0);")
    assert found == Compatibility(word=Compat.EXPAND)


def test_table_that_an_earlier_migration_of_the_plan_makes_is_new() -> None:
    first = OrderedMigration("1", "A", read_script(b"CREATE TABLE t (id int);"))
    second = read_script(b"ALTER TABLE t DROP COLUMN id;")
    found = in_order(
        [first, OrderedMigration("2", "A", second), OrderedMigration("3", "B", second)]
    )
    assert [each.word.value for each in found.values()] == ["expand", "expand", "contract"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (id int); DROP TABLE t; DROP TABLE t;",
        "CREATE TABLE IF NOT EXISTS t (id int); ALTER TABLE t DROP COLUMN id;",
        "CREATE TABLE t (id int); ALTER TABLE public.t DROP COLUMN id;",
        "SET search_path = a; CREATE TABLE t (id int); RESET search_path; DROP TABLE t;",
        "SELECT set_config('search_path', 'a', false); CREATE TABLE t (); SET SCHEMA 'b'; DROP TABLE t;",
        "CREATE TABLE t (id int); SET ROLE app; DROP TABLE t;",
        "BEGIN; CREATE TABLE t (id int); ROLLBACK; DROP TABLE t;",
        "SAVEPOINT s; CREATE TABLE t (id int); ROLLBACK TO s; DROP TABLE t;",
        "CREATE TABLE t (id int); ALTER TABLE t RENAME TO s; ALTER TABLE t DROP COLUMN id;",
        "CREATE FUNCTION f(bigint) RETURNS int LANGUAGE sql AS '1'; DROP FUNCTION f(int);",
    ],
)
def test_name_that_may_mean_something_older_is_not_new(sql: str) -> None:
    assert told(sql).word is Compat.CONTRACT


def test_temporary_table_ends_with_its_file() -> None:
    first = OrderedMigration("1", "A", read_script(b"CREATE TEMP TABLE t (id int); DROP TABLE t;"))
    kept = OrderedMigration("2", "A", read_script(b"CREATE TEMP TABLE t (id int);"))
    last = OrderedMigration("3", "A", read_script(b"DROP TABLE t;"))
    found = in_order([first, kept, last])
    assert [each.word.value for each in found.values()] == ["expand", "expand", "contract"]


def test_file_states_it_and_says_why() -> None:
    found = told("-- templedb:compat expand  no code reads it\nALTER TABLE t DROP COLUMN a;")
    assert (found.word, found.reason, found.line) == (Compat.EXPAND, "no code reads it", 1)
    assert found.stated
    assert found.disputed
    assert found.inferred is Compat.CONTRACT
    assert found.inferred_reason == "line 2: DROP COLUMN a: old code that uses it fails"


def test_stated_word_may_be_stronger_than_the_statements() -> None:
    found = told("-- templedb:compat contract\nINSERT INTO t VALUES (1);")
    assert (found.word, found.reason) == (Compat.CONTRACT, "stated on line 1")
    assert not found.disputed


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("-- templedb:compat expnd", "no word 'expnd'; did you mean expand?"),
        ("-- templedb:compat unknown", "no word 'unknown'"),
        ("-- templedb:compat EXPAND", "no word 'EXPAND'"),
        ("-- templedb:compat", "says no word"),
    ],
)
def test_unknown_word_is_a_problem_of_its_line(directive: str, message: str) -> None:
    script = read_script(f"\n{directive}\nSELECT 1;".encode())
    (found,) = script.problems
    assert found.line == 2
    assert message in found.message
    assert "expand|contract|data" in found.mend


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1;\n-- templedb:compat expand\nSELECT 2;", "out of place"),
        ("-- templedb:compat data\n-- templedb:compat expand\nSELECT 2;", "appears twice"),
    ],
)
def test_file_states_it_once_and_at_its_top(sql: str, message: str) -> None:
    (found,) = read_script(sql.encode()).problems
    assert message in found.message
    assert found.line == 2


def test_protected_target_takes_what_is_not_known_as_breaking() -> None:
    breaking = {
        word: [breaks_old_code(Compatibility(word=word), protected=each) for each in (False, True)]
        for word in Compat
    }
    assert breaking == {
        Compat.EXPAND: [False, False],
        Compat.DATA: [False, False],
        Compat.UNKNOWN: [False, True],
        Compat.CONTRACT: [True, True],
    }
