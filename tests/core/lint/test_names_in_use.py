"""Types and relations that statements need: what nobody has, and what only another file finds."""

from __future__ import annotations

import pytest

from templedb_nb.core.lint.server_objects import PendingScript, on_names
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.server_wide import ServerWide

THERE = ServerWide(
    types=frozenset({"text", "mood", "old"}),
    relations=frozenset({("public", "old"), ("app", "deep"), ("app", "touched()")}),
    schemas=frozenset({"public", "app"}),
    path=("pg_catalog", "me", "public"),
)
NO_TYPE = "does not exist in this database, and no migration before creates it"
TRIGGER = "CREATE TRIGGER t BEFORE UPDATE ON old FOR EACH ROW EXECUTE"

BODY = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$"


def said(*texts: str, there: ServerWide = THERE, **how: bool) -> list[str]:
    pending = [
        PendingScript(file=f"{n}.sql", script=read_script(text.encode()), **how)
        for n, text in enumerate(texts, start=1)
    ]
    return [f"{each.severity} {each.where} {each.message}" for each in on_names(pending, there)]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a int, b blob);",
        "CREATE TABLE t (key idx);\nCREATE TABLE u (b blob(10) NOT NULL);",
        "CREATE UNLOGGED TABLE t (b blob[]);",
        "CREATE TABLE IF NOT EXISTS t (b blob);",
        "ALTER TABLE ONLY old ADD COLUMN a int, ADD b blob DEFAULT 'x';",
        "ALTER TABLE old ALTER COLUMN a SET DATA TYPE blob USING a::text;",
        'CREATE TABLE t (b "Mood");',
        "CREATE TABLE t (b double);",
        "CREATE EXTENSION pgcrypto; CREATE TABLE t (b blob);",
        "SELECT set_config('search_path', '', false); CREATE TABLE t (b blob);",
        "DO $$ BEGIN CREATE TYPE other AS ENUM (); END $$; CREATE TABLE t (b blob);",
    ],
)
def test_type_is_missing_when_neither_the_server_nor_a_migration_has_it(text: str) -> None:
    found = said(text)
    assert found
    assert all(each.startswith("error 1.sql") for each in found)
    assert all(NO_TYPE in each for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a mood, b text[], c double precision, d timestamp with time zone);",
        "CREATE TABLE t (a character varying(3), b bit varying, c national character, d serial);",
        "CREATE TABLE t (PRIMARY KEY (a), a int, CONSTRAINT x CHECK (a > 0), LIKE blob);",
        "CREATE TABLE t (a public.blob, b x.blob);",
        "CREATE TABLE t (a) AS SELECT 1; CREATE TABLE u PARTITION OF t DEFAULT;",
        'CREATE TYPE "Blob" AS ENUM (\'a\'); CREATE TABLE t (b "Blob");',
        "CREATE DOMAIN app.blob AS text; CREATE TABLE t (b blob);",
        "CREATE TABLE blob (a int); CREATE TABLE t (b blob);",
        "CREATE TYPE span AS RANGE (subtype = float8); CREATE TABLE t (b span_multirange);",
        "CREATE TYPE spanrange AS RANGE (subtype = float8); CREATE TABLE t (b spanmultirange);",
        "CREATE TYPE s AS RANGE (subtype = int, multirange_type_name = m); CREATE TABLE t (b m);",
        "ALTER TYPE mood RENAME TO blob; CREATE TABLE t (b blob);",
        "DO $$ BEGIN CREATE TYPE blob AS ENUM (); END $$; CREATE TABLE t (b blob);",
        "DO $$ BEGIN EXECUTE 'CREATE TYPE ' || 'blob'; END $$; CREATE TABLE t (b blob);",
        "CREATE EXTENSION postgis; CREATE TABLE t (b geometry);",
        "SELECT make_types(); CREATE TABLE t (b blob);",
        "CREATE TABLE IF NOT EXISTS old (b blob);",
        "ALTER TABLE IF EXISTS old ADD b blob; ALTER TABLE old ADD IF NOT EXISTS b blob;",
        "INSERT INTO old VALUES ('CREATE TABLE t (b blob)');",
    ],
)
def test_nothing_is_said_of_types_when_there_is_a_doubt(text: str) -> None:
    assert said(text) == []


def test_nothing_is_said_when_psql_or_a_command_may_create_names() -> None:
    text = "CREATE TABLE t (b blob); ALTER TABLE deep ADD a int;"
    assert len(said(text)) == 2
    assert said(text, native=False) == said(text, alone=False) == said(text, fresh=False) == []
    assert said("\\i other.sql\n", text) == []


@pytest.mark.parametrize(
    "texts",
    [
        ["ALTER TABLE deep ADD a int;"],
        ["INSERT INTO deep VALUES (1);"],
        ["CREATE TABLE t (a int REFERENCES deep);"],
        ["CREATE INDEX ON deep (a);"],
        [f"{TRIGGER} PROCEDURE touched();"],
        [f"CREATE FUNCTION app.f() {BODY};", f"{TRIGGER} PROCEDURE f();"],
        ["SET search_path TO app; ALTER TABLE deep ADD a int; RESET search_path; UPDATE deep SET a = 1;"],
        ["SET search_path = app;\nCREATE TABLE deep (a int);", "DELETE FROM deep;"],
        ["SELECT pg_catalog.set_config('search_path', 'app', false);", "DELETE FROM deep;"],
        ["ALTER ROLE me SET search_path TO app;", "DELETE FROM deep;"],
        ["ALTER DATABASE here SET search_path TO app;", "DELETE FROM deep;"],
    ],
)  # fmt: skip
def test_name_is_hidden_when_only_another_search_path_finds_it(texts: list[str]) -> None:
    found = said(*texts)
    assert len(found) == 1
    assert found[0].startswith(f"error {len(texts)}.sql:1")
    assert "is in schema app, which is not on the search_path of this file" in found[0]


def test_hidden_name_is_a_warning_when_a_call_may_have_created_another() -> None:
    (told,) = said("SELECT fill_in();", "DELETE FROM deep;")
    assert told.startswith("warning 2.sql:1 deep is in schema app, which is not on the search_path")
    assert said("SELECT fill_in('deep');", "DELETE FROM deep;") == []


@pytest.mark.parametrize(
    "texts",
    [
        ["ALTER TABLE app.deep ADD a int; ALTER TABLE IF EXISTS deep ADD a int;"],
        ["SET LOCAL search_path TO app; ALTER TABLE deep ADD a int;"],
        ["SET SCHEMA 'app'; ALTER TABLE deep ADD a int;"],
        ["SELECT set_config('search_path', 'app', true); ALTER TABLE deep ADD a int;"],
        [f"CREATE FUNCTION f() {BODY}; {TRIGGER} FUNCTION f();"],
        ["SET ROLE app; ALTER TABLE deep ADD a int;"],
        ["CREATE TABLE deep (a int); ALTER TABLE deep ADD b int;"],
        ["CREATE TEMP TABLE deep (a int); DROP TABLE deep;", "DELETE FROM deep;"],
        ["ALTER TABLE app.deep SET SCHEMA public; DELETE FROM deep;"],
        ["ALTER TABLE old RENAME TO deep; DELETE FROM deep;"],
        ["SET search_path TO nowhere; CREATE TABLE near (a int);", "DELETE FROM near;"],
        ["DO $$ BEGIN CREATE VIEW deep AS SELECT 1; END $$; DELETE FROM deep;"],
        [f"CREATE EXTENSION citext; {TRIGGER} FUNCTION touched();"],
        ["COPY (SELECT 1) TO STDOUT; ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b;"],
    ],
)
def test_nothing_is_said_of_names_when_there_is_a_doubt(texts: list[str]) -> None:
    assert said(*texts) == []


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM public._sqlx_migrations WHERE version = 1;",
        "INSERT INTO knex_migrations (name) VALUES ('1.js');",
    ],
)
def test_missing_relation_is_an_error_when_another_tool_keeps_it_for_itself(text: str) -> None:
    (told,) = said(text)
    assert told.startswith("error 1.sql:1 ")
    assert "keeps it for itself" in told
    assert said(f"CREATE TABLE _sqlx_migrations (); CREATE TABLE knex_migrations (); {text}") == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CREATE INDEX IF NOT EXISTS i ON msg (a);", "msg"),
        ("ALTER TABLE app.msg ADD a int;", "msg"),
        ("CREATE TABLE t (a int REFERENCES msg, b int REFERENCES t);", "msg"),
        ("CREATE TABLE IF NOT EXISTS t (a int, FOREIGN KEY (a) REFERENCES msg (a));", "msg"),
        ("CREATE UNLOGGED TABLE t (a int REFERENCES app.msg);", "msg"),
        (f"{TRIGGER} FUNCTION nobody();", "nobody()"),
        ("CREATE POLICY p ON msg USING (true);", "msg"),
    ],
)
def test_missing_relation_is_a_warning_when_nothing_shows_where_it_comes_from(
    text: str, name: str
) -> None:
    assert said(text, text) == [f"warning 1.sql:1 {name} {NO_TYPE}"]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (id serial); ALTER TABLE t_id_seq OWNER TO me;",
        "CREATE VIEW v AS SELECT 1; CREATE UNIQUE INDEX ON v (a); COMMENT ON TABLE v IS '';",
        "SELECT 1 INTO msg; DELETE FROM msg;",
        "CREATE TABLE IF NOT EXISTS old (a int REFERENCES msg);",
        "CREATE TABLE IF NOT EXISTS app.deep (a int REFERENCES msg);",
        "CREATE TABLE IF NOT EXISTS t (a int REFERENCES t, b int REFERENCES old);",
        "SELECT partman.create_parent('x'); DELETE FROM msg;",
        "UPDATE pg_catalog.pg_class SET relname = relname; DELETE FROM information_schema.x;",
    ],
)
def test_nothing_is_said_of_a_relation_when_something_may_have_made_it(text: str) -> None:
    assert said(text) == []
