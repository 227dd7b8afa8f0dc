"""What a real server cannot do is found by the plan, before anything runs."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import MIGRATIONS, Shop


def test_run_is_refused_when_the_server_lacks_an_extension(shop: Shop) -> None:
    shop.migration("003_geo.sql", "CREATE EXTENSION IF NOT EXISTS no_such_extension;\n")
    said = shop.run(code=78).err
    assert "003_geo.sql:1: extension no_such_extension is not available on this server" in said
    assert "users" not in shop.pg.tables()


def test_run_is_refused_when_a_role_exists_on_the_server(shop: Shop) -> None:
    ((me,),) = shop.pg.query("SELECT current_user::text")
    shop.migration("003_role.sql", f'CREATE ROLE "{me}";\n')
    assert f"role {me} exists on this server already" in shop.run(code=78).err
    assert "users" not in shop.pg.tables()


def test_run_goes_on_when_the_server_offers_the_extension(shop: Shop) -> None:
    shop.migration("003_lang.sql", "CREATE EXTENSION IF NOT EXISTS plpgsql;\n")
    shop.run()


def test_run_is_refused_when_nobody_has_the_type_of_a_column(shop: Shop) -> None:
    shop.migration("003_files.sql", "CREATE TABLE files (\n  id int,\n  body blob NOT NULL\n);\n")
    said = shop.run(code=78).err
    assert "003_files.sql:1: type blob does not exist in this database" in said
    assert "users" not in shop.pg.tables()


def test_run_goes_on_when_the_type_is_there_or_comes_before(shop: Shop) -> None:
    shop.pg.query("CREATE TYPE mood AS ENUM ('fine')")
    shop.migration("003_made.sql", "DO $$ BEGIN CREATE DOMAIN code AS text; END $$;\n")
    shop.migration("004_range.sql", "CREATE TYPE span AS RANGE (subtype = float8);\n")
    shop.migration(
        "005_used.sql",
        "CREATE TABLE t (a mood, b code, c span, d users, e text[], f double precision);\n"
        'ALTER TABLE t ADD COLUMN g "char", ADD h timestamp with time zone, ALTER a TYPE varchar;\n'
        "CREATE TABLE IF NOT EXISTS users (body blob);\n",
    )
    shop.run()


def test_run_is_refused_when_a_name_is_found_only_by_the_search_path_of_another_file(
    shop: Shop,
) -> None:
    sql = "CREATE SCHEMA app;\nSET search_path TO app, public;\nCREATE TABLE things (id int);\n"
    shop.migration("003_app.sql", sql)
    shop.migration("004_more.sql", "SELECT 1;\nALTER TABLE things ADD COLUMN note text;\n")
    said = shop.run(code=78).err
    assert "004_more.sql:2: things is in schema app, which is not on the search_path" in said
    assert "write app.things, or SET search_path in this file" in said
    assert "users" not in shop.pg.tables()


def test_run_is_refused_when_a_trigger_calls_a_function_of_another_schema(shop: Shop) -> None:
    body = "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'"
    shop.pg.query(f'CREATE SCHEMA "1"; CREATE FUNCTION "1".touched() {body}')
    sql = "CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touched();\n"
    shop.migration("003_trigger.sql", sql)
    said = shop.run(code=78).err
    assert "003_trigger.sql:1: touched() is in schema 1, which" in said
    assert 'write "1".touched, or SET search_path' in said
    assert "users" not in shop.pg.tables()


def test_run_goes_on_when_the_search_path_is_that_of_the_file_or_of_the_database(
    shop: Shop,
) -> None:
    sql = "CREATE SCHEMA app;\nSET search_path TO app;\nCREATE TABLE things (id int);\n"
    shop.migration("003_app.sql", sql)
    shop.migration("004_own.sql", "SET search_path TO app;\nALTER TABLE things ADD a int;\n")
    shop.run()
    ((database,),) = shop.pg.query("SELECT quote_ident(current_database())")
    shop.pg.query(f"ALTER DATABASE {database} SET search_path TO public, app")
    shop.migration("005_more.sql", "ALTER TABLE things ADD COLUMN note text;\n")
    shop.run()


def test_plan_says_that_psql_is_missing_when_a_file_needs_it(shop: Shop, tmp_path: Path) -> None:
    shop.migration("003_copy.sql", "\\copy users FROM 'users.csv'\n")
    shop.terminal.file("app/users.csv", "7\n")
    shop.config({**MIGRATIONS, "executor": "auto"})
    shop.terminal.set(PATH=str(tmp_path))
    said = shop.run("--dry-run", code=78).out
    assert "003_copy.sql: needs the program psql, which is not on PATH" in said
    assert "needs the program psql" in shop.run(code=78).err
    assert "users" not in shop.pg.tables()


def test_plan_asks_for_no_psql_when_no_file_needs_it(shop: Shop, tmp_path: Path) -> None:
    shop.terminal.set(PATH=str(tmp_path))
    shop.run()
