"""What migrations mean for older code: what statements say, and what files state."""

from __future__ import annotations

import pytest

from templedb_nb.core.compatibility.migrations import OrderedMigration, compatibility, in_order
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.compatibility import Compat, Compatibility, breaks_old_code
from tests.compatibility_cases import CASES, IN_DUCKDB, Case
from tests.older_client import Stage, broken_by, broken_in_duckdb, errors, older_client

__all__ = ["older_client"]


def told(sql: str) -> Compatibility:
    return compatibility(read_script(sql.encode()))


def test_strongest_statement_wins_and_names_its_line_when_a_file_has_several() -> None:
    found = told("SELECT 1;\n\nALTER TABLE users DROP COLUMN note;\nDELETE FROM users;\nDO $$ $$;")
    assert found.word is Compat.CONTRACT
    assert found.line == 3
    assert found.reason == "line 3: DROP COLUMN note: old code that uses it fails"


def test_first_statement_is_named_when_several_are_equally_strong() -> None:
    assert told("DROP TABLE a;\nDROP TABLE b;").reason.startswith("line 1: DROP TABLE a:")


def test_unknown_is_stronger_than_data_when_a_file_has_both() -> None:
    assert told("DELETE FROM a; DO $$ $$;").word is Compat.UNKNOWN


def test_table_counts_as_new_when_the_same_file_makes_the_table() -> None:
    found = told("CREATE TABLE t (id int); ALTER TABLE t ADD COLUMN a int NOT NULL CHECK (a > 0);")
    assert found == Compatibility(word=Compat.EXPAND)


def test_table_counts_as_new_when_an_earlier_migration_of_the_plan_makes_the_table() -> None:
    first = OrderedMigration("1", "A", read_script(b"CREATE TABLE t (id int);"))
    second = read_script(b"ALTER TABLE t DROP COLUMN id;")
    found = in_order(
        [first, OrderedMigration("2", "A", second), OrderedMigration("3", "B", second)]
    )
    assert [each.word.value for each in found.values()] == ["expand", "expand", "contract"]


def test_key_has_the_stronger_word_when_it_stands_in_two_databases() -> None:
    made, drops = read_script(b"CREATE TABLE t (id int);"), read_script(b"DROP TABLE t;")
    files = [("1", "A", made), ("2", "A", drops), ("2", "B", drops), ("2", "A", made)]
    found = in_order(OrderedMigration(*each) for each in files)
    assert found["2"].word is Compat.CONTRACT


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
def test_name_does_not_count_as_new_when_something_older_may_have_it(sql: str) -> None:
    assert told(sql).word is Compat.CONTRACT


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("s text CHECK (s IN ('a', 'b'))", "expand"),
        ("s text CHECK (s NOT IN ('a') AND s <> 'b' OR (s LIKE 'c%'))", "expand"),
        ("s text CHECK (s = ANY (ARRAY['a'::text, 'b'::text]))", "expand"),
        ("s text CHECK (char_length(s) <= 20)", "expand"),
        ("s int CHECK (s IS NULL OR s BETWEEN -1 AND 9)", "expand"),
        ("s text NOT NULL DEFAULT 'a' CHECK (s IN ('a', 'b'))", "expand"),
        ("s text DEFAULT 'a' CHECK (s = ANY (ARRAY['a'::text]))", "expand"),
        ("s int DEFAULT 1 CHECK (s > 0)", "expand"),
        ("s int DEFAULT -1 CHECK (s >= -1.5)", "expand"),
        ("s int DEFAULT 0 CHECK (s > 0)", "contract"),
        ("s text DEFAULT 'c' CHECK (s IN ('a', 'b'))", "contract"),
        ("s text DEFAULT lower('A') CHECK (s IN ('a'))", "contract"),
        ("s text CHECK (s IS NOT NULL)", "contract"),
        ("s int CHECK (s > 0 AND a > 0)", "contract"),
        ("s int CHECK (a > 0 OR s > 0)", "contract"),
        ("s int CHECK (coalesce(s, 0) > 0)", "contract"),
        ("s int CHECK (s > 0 IS TRUE)", "contract"),
        ("s int CHECK ((s > 0) IS NOT FALSE)", "contract"),
        ("s int CHECK (1 > 2)", "contract"),
        ("s int CHECK (s IN (1, a))", "contract"),
        (f"s int CHECK ({'(' * 5000}s > 0{')' * 5000})", "contract"),
        ("s int UNIQUE", "expand"),
        ("s int UNIQUE NULLS NOT DISTINCT", "contract"),
        ("s int DEFAULT 1 UNIQUE", "contract"),
        ("s uuid DEFAULT gen_random_uuid() UNIQUE", "expand"),
        ("s int NOT NULL DEFAULT NULL", "contract"),
        ("s int DEFAULT 1 REFERENCES o (id)", "unknown"),
        ("s int REFERENCES o (id) ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED", "expand"),
        ("s int REFERENCES o (id) ON DELETE SET NULL NOT NULL", "contract"),
        ("s serial", "unknown"),
        ("s int DEFAULT nextval('q')", "unknown"),
        ("s int DEFAULT own()", "unknown"),
        ("s mood", "unknown"),
        ("s mood DEFAULT 'ok'", "expand"),
        ("s mood[]", "expand"),
        ("s numeric(9, 2)[]", "expand"),
        ("s timestamp with time zone DEFAULT now()", "expand"),
        ("s text GENERATED ALWAYS AS (a || '-' || (b ->> 'x') || b::text) STORED", "expand"),
        ("s int GENERATED ALWAYS AS (a + 1) STORED", "unknown"),
        ("s int GENERATED ALWAYS AS (a - 1) STORED", "unknown"),
        ("s int GENERATED ALWAYS AS (a::int) STORED", "unknown"),
        ("s int GENERATED ALWAYS AS (CAST(a AS int)) STORED", "unknown"),
        ("s int GENERATED ALWAYS AS (a + 1) VIRTUAL", "expand"),
        ("s int NOT NULL DEFAULT (NULL::int)", "contract"),
        ("s int DEFAULT current_setting('app.tenant')::int", "unknown"),
        ("s varchar(9) DEFAULT gen_random_uuid()", "unknown"),
        ("s smallint DEFAULT random() * 100000", "unknown"),
        ("s mood DEFAULT random()", "unknown"),
        ("s smallint GENERATED ALWAYS AS IDENTITY", "unknown"),
        ("s int GENERATED ALWAYS AS IDENTITY (MAXVALUE 9)", "unknown"),
        ("s int GENERATED ALWAYS AS (1 / a) STORED", "unknown"),
        ("s int GENERATED ALWAYS AS (a) STORED NOT NULL", "unknown"),
        ("s int GENERATED BY DEFAULT AS IDENTITY NOT NULL", "expand"),
        ("IF NOT EXISTS s int", "expand"),
        ("part.s int", "unknown"),
    ],
)
def test_added_column_is_judged_by_what_older_inserts_leave_in_it(column: str, word: str) -> None:
    assert told(f"ALTER TABLE t ADD COLUMN {column};").word.value == word


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("ADD s int; ALTER TABLE t ALTER s SET NOT NULL", "contract"),
        ("ADD s int DEFAULT 1; ALTER TABLE t ALTER s SET NOT NULL", "expand"),
        ("ADD s int DEFAULT 1, ALTER s SET NOT NULL, ALTER s DROP DEFAULT", "contract"),
        ("ADD s int; ALTER TABLE t ALTER s TYPE bigint; ALTER TABLE t DROP s", "expand"),
        ("ADD s int; ALTER TABLE t RENAME s TO r; ALTER TABLE t DROP r", "expand"),
        ("ADD s int; ALTER TABLE t RENAME s TO r; ALTER TABLE t DROP s", "contract"),
        ("ADD IF NOT EXISTS s int; ALTER TABLE t DROP s", "contract"),
        ("ADD s int; ALTER TABLE o DROP s", "contract"),
        ("ADD s int UNIQUE; ALTER TABLE t ALTER s SET DEFAULT 1", "unknown"),
        ("ADD s varchar(2); ALTER TABLE t ALTER s SET DEFAULT 'long'", "unknown"),
        ("ADD s smallint; ALTER TABLE t ALTER s SET DEFAULT 70000", "unknown"),
        ("ADD s text; ALTER TABLE t ALTER s SET DEFAULT 'long'", "expand"),
        ("ADD s text; ALTER TABLE t ALTER s TYPE varchar(2) USING s::varchar(2)", "expand"),
        ("ADD s text; ALTER TABLE t ALTER s TYPE kind USING ARRAY[s]", "unknown"),
        ("ADD s text DEFAULT 'long'; ALTER TABLE t ALTER s TYPE varchar(2)", "unknown"),
        ("ADD s text, ALTER s TYPE varchar(2), ALTER s SET DEFAULT 'long'", "unknown"),
        ("ADD s int; CREATE UNIQUE INDEX ON t (s, (10 / a))", "unknown"),
        ("ADD s int; CREATE UNIQUE INDEX ON t (s, a)", "expand"),
        ("ADD s int DEFAULT 1; CREATE UNIQUE INDEX ON t (s, a)", "contract"),
        ("ADD s int; CREATE UNIQUE INDEX ON t (coalesce(s, 0))", "contract"),
        ("ADD s int; CREATE UNIQUE INDEX ON t (s) NULLS NOT DISTINCT", "contract"),
        ("ADD s int; ALTER TABLE t ADD FOREIGN KEY (s) REFERENCES o", "expand"),
        ("ADD s int; ALTER TABLE t ADD FOREIGN KEY (s, a) REFERENCES o MATCH FULL", "contract"),
        ("ADD s int; ALTER TABLE t ADD CONSTRAINT k CHECK (s > 0) NOT VALID", "expand"),
        ("ADD s int; ALTER TABLE t ADD CONSTRAINT k CHECK (s IS NOT NULL) NOT VALID", "contract"),
        ("ADD s int GENERATED ALWAYS AS IDENTITY; ALTER TABLE t ADD PRIMARY KEY (s)", "expand"),
        ("ADD s int CONSTRAINT k CHECK (s > 0); ALTER TABLE t DROP CONSTRAINT k", "expand"),
        ("DROP CONSTRAINT k", "unknown"),
    ],
)
def test_column_of_the_same_plan_counts_as_new_when_older_inserts_fill_the_column(
    sql: str, word: str
) -> None:
    assert told(f"ALTER TABLE t {sql};").word.value == word


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("CREATE TABLE n (o int REFERENCES orgs)", "expand"),
        ("CREATE TABLE n (o int REFERENCES orgs); INSERT INTO n VALUES (1)", "data"),
        ("CREATE TABLE n (o int); INSERT INTO n VALUES (1); SELECT 1", "expand"),
        (
            "CREATE TABLE n AS SELECT 1 AS o; ALTER TABLE n ADD FOREIGN KEY (o) REFERENCES orgs",
            "data",
        ),
        ("CREATE TABLE n (o int REFERENCES orgs); COPY n FROM '/tmp/n'", "data"),
        ("CREATE DOMAIN d AS int; ALTER DOMAIN d SET NOT NULL", "expand"),
        ("CREATE DOMAIN d AS int; ALTER TABLE t ADD a d; ALTER DOMAIN d SET NOT NULL", "contract"),
        ("CREATE DOMAIN d AS int NOT NULL; ALTER TABLE t ADD a d", "unknown"),
        (
            "CREATE TABLE n PARTITION OF t FOR VALUES IN (1); ALTER TABLE n ADD CHECK (a > 0)",
            "contract",
        ),
        ("CREATE TABLE n () INHERITS (t); INSERT INTO n VALUES (1)", "data"),
        ("CREATE TABLE n (id int); ALTER TABLE n INHERIT t", "unknown"),
        (
            "CREATE TABLE n (id int); ALTER TABLE t ATTACH PARTITION n DEFAULT; DROP TABLE n",
            "contract",
        ),
        ("UPDATE pg_attribute SET attnotnull = true", "unknown"),
        ("DELETE FROM pg_catalog.pg_constraint", "unknown"),
        ("VALUES (own())", "unknown"),
        ("COPY (SELECT own()) TO '/tmp/x'", "unknown"),
        ("COMMIT PREPARED 'x'", "unknown"),
        ("CREATE TEMP TABLE t (id int); DISCARD TEMP; DROP TABLE t", "contract"),
        ("CREATE DEFAULT CONVERSION c FOR 'a' TO 'b' FROM f", "unknown"),
        ("CREATE EXTENSION intarray", "unknown"),
        ('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"', "expand"),
        ("ALTER TABLE t ADD UNIQUE USING INDEX i", "expand"),
        ("ALTER TABLE t ADD UNIQUE USING INDEX i DEFERRABLE", "contract"),
        ("ALTER TABLE t SET ACCESS METHOD columnar", "unknown"),
        ("SOMETHING NEW", "unknown"),
    ],
)
def test_statement_has_its_compatibility_word(sql: str, word: str) -> None:
    assert told(f"{sql};").word.value == word


def test_temporary_table_is_forgotten_when_its_file_ends() -> None:
    first = OrderedMigration("1", "A", read_script(b"CREATE TEMP TABLE t (id int); DROP TABLE t;"))
    kept = OrderedMigration("2", "A", read_script(b"CREATE TEMP TABLE t (id int);"))
    last = OrderedMigration("3", "A", read_script(b"DROP TABLE t;"))
    found = in_order([first, kept, last])
    assert [each.word.value for each in found.values()] == ["expand", "expand", "contract"]


def test_stated_word_wins_with_its_reason_when_the_statements_dispute_the_word() -> None:
    found = told("-- templedb:compat expand  no code reads it\nALTER TABLE t DROP COLUMN a;")
    assert (found.word, found.reason, found.line) == (Compat.EXPAND, "no code reads it", 1)
    assert found.stated
    assert found.disputed
    assert found.inferred is Compat.CONTRACT
    assert found.inferred_reason == "line 2: DROP COLUMN a: old code that uses it fails"


def test_stated_word_is_not_disputed_when_stronger_than_the_statements() -> None:
    found = told("-- templedb:compat contract\nINSERT INTO t VALUES (1);")
    assert (found.word, found.reason) == (Compat.CONTRACT, "stated on line 1")
    assert not found.disputed


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("-- templedb:compat expnd", "does not know 'expnd'; did you mean expand?"),
        ("-- templedb:compat unknown", "does not know 'unknown'"),
        ("-- templedb:compat EXPAND", "does not know 'EXPAND'"),
        ("-- templedb:compat", "names no kind"),
    ],
)
def test_compat_directive_is_a_problem_of_its_line_when_the_word_is_unknown(
    directive: str, message: str
) -> None:
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
def test_compat_directive_is_a_problem_when_repeated_or_not_at_the_top(
    sql: str, message: str
) -> None:
    (found,) = read_script(sql.encode()).problems
    assert message in found.message
    assert found.line == 2


def test_unknown_compatibility_counts_as_breaking_when_the_target_is_protected() -> None:
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


# --- an older client on a server ----------------------------------------------------------------


def test_table_of_statements_is_large_and_says_what_each_grave_statement_breaks() -> None:
    assert len(CASES) >= 150
    assert len({each.sql for each in CASES}) == len(CASES)
    words = {word: sum(each.word == word for each in CASES) for word in Compat}
    assert min(words.values()) >= 10
    grave = (each for each in CASES if each.word in {"contract", "unknown"})
    assert [each.sql for each in grave if not each.habit and not each.why] == []


@pytest.mark.parametrize("case", CASES, ids=[each.sql[:60] for each in CASES])
def test_older_client_meets_what_the_word_says_when_a_statement_runs(
    older_client: Stage, case: Case
) -> None:
    assert told(case.sql).word.value == case.word
    if case.since * 10_000 > older_client.admin.info.server_version:
        pytest.skip(f"the statement came with PostgreSQL {case.since}")
    meets(case, broken_by(older_client, case.sql))


@pytest.mark.parametrize("case", IN_DUCKDB, ids=[each.sql[:60] for each in IN_DUCKDB])
def test_older_client_of_a_duckdb_file_meets_what_the_word_says_when_a_statement_runs(
    case: Case,
) -> None:
    assert told(case.sql).word.value == case.word
    meets(case, broken_in_duckdb(case.sql))


def meets(case: Case, broken: dict[str, str]) -> None:
    if case.word == "expand" or case.why:
        assert broken == {}
    elif case.word == "data":
        assert errors(broken) == {}
    else:
        assert case.how in broken[case.habit]
