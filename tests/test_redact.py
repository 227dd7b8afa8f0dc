"""Passwords in SQL are found, and only they are taken out of what is kept and shown."""

from __future__ import annotations

import duckdb
import pytest

from templedb_nb.core.secrets.sql_passwords import passwords_in, redacted
from templedb_nb.core.sql.lexer import split
from tests.conftest import Shop

CASES = [
    ("CREATE ROLE app LOGIN PASSWORD 'hunter2!';", "CREATE ROLE app LOGIN PASSWORD '***';"),
    ("create user app with encrypted password 'it''s me' valid until 'infinity';", "create user app with encrypted password '***' valid until 'infinity';"),
    ("ALTER ROLE app PASSWORD E'a\\'b';", "ALTER ROLE app PASSWORD E'***';"),
    ("ALTER USER app PASSWORD $pw$secret$pw$;", "ALTER USER app PASSWORD $pw$***$pw$;"),
    ("ALTER ROLE app PASSWORD NULL;", "ALTER ROLE app PASSWORD NULL;"),
    ("CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'bob', password 'hunter2');", "CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'bob', password '***');"),
    ("ALTER USER MAPPING FOR app SERVER s OPTIONS (SET password 'hunter2');", "ALTER USER MAPPING FOR app SERVER s OPTIONS (SET password '***');"),
    ("CREATE USER MAPPING FOR app SERVER s OPTIONS (\"password\" 'hunter2');", "CREATE USER MAPPING FOR app SERVER s OPTIONS (\"password\" '***');"),
    ("CREATE SUBSCRIPTION s CONNECTION 'host=db user=r password=hunter2 dbname=x' PUBLICATION p;", "CREATE SUBSCRIPTION s CONNECTION 'host=db user=r password=*** dbname=x' PUBLICATION p;"),
    ("ALTER SUBSCRIPTION s CONNECTION 'postgresql://r:hunter2@db/x';", "ALTER SUBSCRIPTION s CONNECTION 'postgresql://r:***@db/x';"),
    ("SELECT * FROM dblink('dbname=x password=''hunter 2''', 'SELECT 1') AS t(a int);", "SELECT * FROM dblink('dbname=x password=''***''', 'SELECT 1') AS t(a int);"),
    ("SELECT dblink_connect('c', 'host=db password=hunter2');", "SELECT dblink_connect('c', 'host=db password=***');"),
    ("DO $$ BEGIN CREATE ROLE app PASSWORD 'hunter2'; END $$;", "DO $$ BEGIN CREATE ROLE app PASSWORD '***'; END $$;"),
    ("DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD ''hunter2'''; END $$;", "DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD ''***'''; END $$;"),
    ("CREATE SECRET s (TYPE s3, KEY_ID 'AKIA', SECRET 'hunter2');", "CREATE SECRET s (TYPE s3, KEY_ID 'AKIA', SECRET '***');"),
    ("-- postgres://u:hunter2@h/d\nSELECT 1;", "-- postgres://u:***@h/d\nSELECT 1;"),
]  # fmt: skip
INNOCENT = [
    "CREATE TABLE users (id int, password text NOT NULL DEFAULT '');",
    "INSERT INTO users (name, password) VALUES ('rosa', 'x');",
    "COMMENT ON COLUMN users.password IS 'a hash';",
    "UPDATE settings SET v = 'password' WHERE k = 'secret';",
    "SELECT 'password: see the manual';",
]


@pytest.mark.parametrize(("text", "kept"), CASES)
def test_a_password_is_taken_out_and_nothing_else(text: str, kept: str) -> None:
    assert redacted(text) == kept
    assert redacted(kept) == kept


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_password_stays(text: str) -> None:
    assert redacted(text) == text
    assert not any(passwords_in(each) for each in split(text).statements)


def test_no_copy_of_ours_holds_a_password_of_a_migration(shop: Shop) -> None:
    role = f"made_{shop.pg.name}"
    body = f"DO $$ BEGIN RAISE NOTICE 'no role {role} PASSWORD ''correct-horse'''; END $$;\n"
    shop.migration("003_role.sql", f"-- PASSWORD below\n{body}CREATE TABLE made (id int);\n")
    plan = shop.run("--dry-run").all
    assert "a password stands in the file" in plan
    shop.run()
    ((kept,),) = shop.pg.query("SELECT sql FROM templedb.migration WHERE key LIKE '%%003_role.sql'")
    assert "PASSWORD ''***''" in kept
    shown = shop.terminal("migration", "show", "app", "003_role").out
    for text in (plan, kept, shown):
        assert "correct-horse" not in text
    with duckdb.connect(f"duckdb:{shop.terminal.state}", read_only=True) as state:
        plans = str(state.execute("SELECT preview FROM plans").fetchall())
    assert "CREATE TABLE made" in plans
    assert "correct-horse" not in plans
    shop.run()  # nothing changed: the row's checksums are those of the file
    shop.migration("003_role.sql", f"{body}CREATE TABLE made (id int, more int);\n")
    diff = shop.terminal("migration", "show", "app", "003_role").out
    assert "correct-horse" not in diff
    assert "more int" in diff
