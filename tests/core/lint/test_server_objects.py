"""Extensions, roles and databases that migrations create, held against what a server has."""

from __future__ import annotations

import pytest

from templedb_nb.core.lint.server_objects import PendingScript, on_server_objects, wanted
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.server_wide import ServerWide

THERE = ServerWide(
    extensions=frozenset({"pgcrypto", "pgcrypto@1.3", "uuid-ossp"}),
    roles=frozenset({"app", "Mixed"}),
    databases=frozenset({"shop"}),
    schemas=frozenset({"public", "here"}),
)


def said(*texts: str, native: bool = True, fresh: bool = True) -> list[str]:
    pending = [
        PendingScript(
            file=f"{n}.sql", script=read_script(text.encode()), native=native, fresh=fresh
        )
        for n, text in enumerate(texts, start=1)
    ]
    found = on_server_objects(pending, THERE)
    return [f"{each.severity} {each.where} {each.message}" for each in found]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CREATE EXTENSION pgcrypto;", ""),
        ('CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;', ""),
        ("CREATE EXTENSION PgCrypto VERSION '1.3';", ""),
        ("CREATE EXTENSION postgis;", "error 1.sql:1 extension postgis is not available"),
        (
            '\nCREATE EXTENSION IF NOT EXISTS "Postgis" CASCADE;',
            "error 1.sql:2 extension Postgis is not",
        ),
        (
            "CREATE EXTENSION pgcrypto VERSION '9.9';",
            "error 1.sql:1 extension pgcrypto has no version 9.9",
        ),
        ("CREATE ROLE app LOGIN;", "error 1.sql:1 role app exists"),
        ("CREATE USER APP;", "error 1.sql:1 role app exists"),
        ('CREATE GROUP "Mixed";', "error 1.sql:1 role Mixed exists"),
        ("CREATE ROLE mixed;", "warning 1.sql:1 creates role mixed"),
        ("CREATE USER MAPPING FOR app SERVER s;", ""),
        ("CREATE DATABASE other;", "warning 1.sql:1 creates database other"),
        ("CREATE DATABASE shop;", "error 1.sql:1 database shop exists"),
        ("DO $$ BEGIN CREATE ROLE app; END $$;", ""),
        ("DROP ROLE IF EXISTS app; CREATE ROLE app;", "warning 1.sql:1 role app exists"),
        ("DO $$ BEGIN DROP ROLE app; END $$; CREATE ROLE app;", "warning 1.sql:1 role app"),
        ("SELECT 'CREATE EXTENSION postgis'; -- CREATE EXTENSION postgis;", ""),
        ("CREATE TABLE extension (role text);", ""),
        ("GRANT SELECT ON t TO app, nobody_here;", "error 1.sql:1 role nobody_here does not exist"),
        ("GRANT app TO PUBLIC;", ""),
        ("GRANT USAGE ON SCHEMA s TO app WITH GRANT OPTION;", ""),
        ("REVOKE ALL ON t FROM PUBLIC, CURRENT_USER, ghost CASCADE;", "error 1.sql:1 role ghost"),
        ("ALTER TABLE t OWNER TO ghost;", "error 1.sql:1 role ghost does not exist"),
        ("ALTER TABLE t OWNER TO CURRENT_USER;", ""),
        ("CREATE POLICY p ON t FOR SELECT TO ghost USING (true);", "error 1.sql:1 role ghost"),
        ("CREATE POLICY p ON t USING (a = 'TO ghost');", ""),
        ("DO $$ BEGIN EXECUTE 'x'; END $$; GRANT SELECT ON t TO ghost;", "warning 1.sql:1 role"),
        ("ALTER TABLE t RENAME TO ghost;", ""),
        ("GRANT SELECT ON t TO GROUP app;", ""),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO ghost;",
            "error 1.sql:1 role ghost",
        ),
        ("GRANT", ""),
        ("CREATE ROLE", ""),
        ("CREATE EXTENSION IF NOT EXISTS;", ""),
    ],
)
def test_statement_is_reported_when_the_server_cannot_do_it_or_shares_it(
    text: str, shown: str
) -> None:
    found = said(text)
    assert len(found) == bool(shown)
    assert "".join(found).startswith(shown)


def test_second_creation_is_an_error_when_an_earlier_file_creates_the_role() -> None:
    assert said("CREATE ROLE fresh;", "CREATE ROLE fresh;")[1].startswith("error 2.sql:1 role")


def test_role_is_not_missing_when_an_earlier_file_creates_it() -> None:
    found = said("CREATE ROLE fresh;", "GRANT SELECT ON t TO fresh;")
    assert [each for each in found if "does not exist" in each] == []


def test_missing_role_is_told_once_when_many_statements_need_it() -> None:
    assert len(said("GRANT SELECT ON a TO ghost; GRANT SELECT ON b TO ghost;")) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CREATE TABLE here.t (id int);", ""),
        ("CREATE TABLE IF NOT EXISTS gone.t (id int);", "error 1.sql:1 schema gone does not exist"),
        ('ALTER TABLE ONLY "Gone".t ADD a int;', "error 1.sql:1 schema Gone does not exist"),
        ("INSERT INTO gone.t VALUES (1);", "error 1.sql:1 schema gone"),
        ("UPDATE gone.t SET a = 1;", "error 1.sql:1 schema gone"),
        ("CREATE TABLE t (a int REFERENCES gone.t (a), k gone.kind);", "error 1.sql:1 schema gone"),
        ("COPY gone.t (a) FROM stdin;\n1\n\\.\n", "error 1.sql:1 schema gone"),
        ("CREATE SCHEMA gone; CREATE TABLE gone.t (id int);", ""),
        ("CREATE SCHEMA IF NOT EXISTS Gone AUTHORIZATION app; CREATE VIEW gone.v AS SELECT 1;", ""),
        ("DROP TABLE IF EXISTS gone.t;", ""),
        ("ALTER TABLE IF EXISTS gone.t ADD a int;", ""),
        ("SELECT a.b FROM t a WHERE extract(epoch FROM a.b) > 0;", ""),
        ("UPDATE t SET a = x.b FROM x WHERE t.id = x.id;", ""),
        ("CREATE TABLE pg_temp.t (id int);", ""),
        ("UPDATE templedb.migration SET key = 'x';", ""),
        ("CREATE TABLE other.public.t (id int);", ""),
        ("DO $$ BEGIN CREATE SCHEMA gone; END $$; CREATE TABLE gone.t (a int);", "warning 1.sql:1"),
        ("INSERT INTO t SELECT 1;", ""),
        ("CREATE TABLE", ""),
    ],
)
def test_schema_is_reported_when_a_statement_needs_it_and_nothing_made_it(
    text: str, shown: str
) -> None:
    found = said(text)
    assert len(found) == bool(shown)
    assert "".join(found).startswith(shown)


def test_missing_extension_is_a_warning_when_psql_may_leave_the_statement_out() -> None:
    assert said("CREATE EXTENSION postgis;", native=False)[0].startswith("warning")


def test_existing_database_is_a_warning_when_steps_of_the_file_took_effect() -> None:
    assert said("CREATE DATABASE shop;", fresh=False)[0].startswith("warning")


def test_server_is_not_asked_when_nothing_of_it_is_created() -> None:
    script = read_script(b"CREATE TABLE t (id int);")
    assert not wanted([PendingScript(file="1.sql", script=script)])
