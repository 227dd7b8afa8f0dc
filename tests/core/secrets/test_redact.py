"""Passwords in SQL are found, and only they are taken out of what is kept and shown."""

from __future__ import annotations

import duckdb
import pytest

from templedb_nb.core.secrets.sql_passwords import passwords_in, redacted
from templedb_nb.core.sql.lexer import split
from tests.conftest import MIGRATIONS, Shop

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
    ("-- ALTER ROLE app PASSWORD 'hunter2';\nSELECT 1;", "-- ALTER ROLE app PASSWORD '***';\nSELECT 1;"),
    ("/* host=x password=hunter2 */ SELECT 1;", "/* host=x password=*** */ SELECT 1;"),
    ("DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', 'app', 'hunter2'); END $$;", "DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', 'app', '***'); END $$;"),
    ("SELECT format('%2$s password=%1$s', 'hunter2', 'host=x');", "SELECT format('%2$s password=%1$s', '***', 'host=x');"),
    ("DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD ' || quote_literal('hunter2'); END $$;", "DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD ' || quote_literal('***'); END $$;"),
    ("DO $$ DECLARE password CONSTANT text := 'hunter2'; BEGIN END $$;", "DO $$ DECLARE password CONSTANT text := '***'; BEGIN END $$;"),
    ("DO $$ DECLARE pw text DEFAULT 'hunter2'; BEGIN END $$;", "DO $$ DECLARE pw text DEFAULT '***'; BEGIN END $$;"),
    ("DO 'BEGIN ALTER ROLE app PASSWORD E''it\\''s me''; END';", "DO 'BEGIN ALTER ROLE app PASSWORD E''***''; END';"),
    ("DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD $x$hunter2$x$'; END $$;", "DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD $x$***$x$'; END $$;"),
    ("SELECT dblink_connect('host=db password=hun\\ ter;2 user=b');", "SELECT dblink_connect('host=db password=*** user=b');"),
    ("SELECT dblink_connect('host=db password=it''s user=b');", "SELECT dblink_connect('host=db password=*** user=b');"),
    ("SELECT dblink_connect(E'host=db password=\\'hunter 2\\'');", "SELECT dblink_connect(E'host=db password=\\'***\\'');"),
    ("SELECT dblink_connect('host=db password=' || 'hunter2' || ' user=b');", "SELECT dblink_connect('host=db password=' || '***' || ' user=b');"),
    ("SELECT dblink_connect('postgres://db/x?password=hunter2&user=b');", "SELECT dblink_connect('postgres://db/x?password=***&user=b');"),
    ("CREATE SUBSCRIPTION s CONNECTION 'host=db password=hun'\n'ter2' PUBLICATION p;", "CREATE SUBSCRIPTION s CONNECTION 'host=db password=***' PUBLICATION p;"),
    ("CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (key_id 'k', api_key 'hunter2');", "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (key_id 'k', api_key '***');"),
    ("CREATE SECRET (TYPE http, BEARER_TOKEN 'hunter2');", "CREATE SECRET (TYPE http, BEARER_TOKEN '***');"),
    ("CREATE SECRET (TYPE http, EXTRA_HTTP_HEADERS MAP {'Authorization': 'Bearer hunter2'});", "CREATE SECRET (TYPE http, EXTRA_HTTP_HEADERS MAP {'Authorization': '***'});"),
    ("ATTACH 'x.db' AS x (ENCRYPTION_KEY 'hunter2');", "ATTACH 'x.db' AS x (ENCRYPTION_KEY '***');"),
    ("SET s3_secret_access_key = 'hunter2';", "SET s3_secret_access_key = '***';"),
    ("ALTER DATABASE d SET app.jwt_secret TO 'hunter2';", "ALTER DATABASE d SET app.jwt_secret TO '***';"),
    ("SELECT set_config('app.password', 'hunter2', false);", "SELECT set_config('app.password', '***', false);"),
    ("\\setenv PGPASSWORD hunter2\nSELECT 1;", "\\setenv PGPASSWORD ***\nSELECT 1;"),
    ('\\connect "host=x password=hunter2"\nSELECT 1;', '\\connect "host=x password=***"\nSELECT 1;'),
    ("COPY t FROM PROGRAM 'PGPASSWORD=hunter2 psql -l';", "COPY t FROM PROGRAM 'PGPASSWORD=*** psql -l';"),
]  # fmt: skip
INNOCENT = [
    "CREATE TABLE users (id int, password text NOT NULL DEFAULT '');",
    "INSERT INTO users (name, password) VALUES ('rosa', 'x');",
    "COMMENT ON COLUMN users.password IS 'a hash';",
    "UPDATE settings SET v = 'password' WHERE k = 'secret';",
    "SELECT 'password: see the manual';",
    "COMMENT ON COLUMN users.password_hash IS 'x=y';",
    "CREATE FUNCTION f(p text) RETURNS bool LANGUAGE sql AS $$ SELECT password = crypt(p, password) FROM t WHERE token = 'abc' $$;",
    "CREATE TABLE t (secret text DEFAULT 'x', CONSTRAINT t_pkey PRIMARY KEY (secret));",
    "CREATE TYPE token AS ENUM ('a', 'b');",
    "ALTER ROLE app SET password_encryption = 'scram-sha-256';",
    "UPDATE users SET password = 'a', token = 'b';",
    "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET password = 'b';",
    "INSERT INTO t VALUES ('{\"password\": \"x\"}');",
    "-- password = crypt(p)\nSELECT 1;",
    "ALTER ROLE app PASSWORD :'pw';",
    "DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', 'app', pw); END $$;",
    "DO $$ BEGIN EXECUTE 'UPDATE t SET password=$1' USING p; END $$;",
    "SELECT 'password=' || kind || 'y';",
    "SELECT set_config('search_path', 'x', false);",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kept"), CASES)
def test_password_alone_is_taken_out_when_a_text_holds_a_password(text: str, kept: str) -> None:
    assert redacted(text) == kept
    assert redacted(kept) == kept


@pytest.mark.parametrize("text", INNOCENT)
def test_text_stays_as_it_is_when_it_holds_no_password(text: str) -> None:
    assert redacted(text) == text
    assert not any(passwords_in(each) for each in split(text).statements)


def test_kept_copies_hold_no_password_when_a_migration_contains_one(shop: Shop) -> None:
    role = f"made_{shop.pg.name}"
    body = f"DO $$ BEGIN RAISE NOTICE 'no role {role} PASSWORD ''correct-horse'''; END $$;\n"
    shop.migration("003_role.sql", f"-- PASSWORD below\n{body}CREATE TABLE made (id int);\n")
    plan = shop.run("--dry-run").all
    assert "the file contains a password" in plan
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


FAILING = {
    "a block": (
        "DO $$ BEGIN CREATE ROLE {role} PASSWORD 'correct-horse'; END $$;",
        MIGRATIONS,
    ),
    "a format": (
        "DO $$ BEGIN EXECUTE format('CREATE ROLE {role} PASSWORD %L', 'correct-horse'); END $$;",
        MIGRATIONS,
    ),
    "a notice": (
        "DO $$ BEGIN RAISE NOTICE 'correct-horse'; CREATE ROLE {role} PASSWORD 'correct-horse'; END $$;",
        MIGRATIONS,
    ),
    "a line of psql": ("CREATE ROLE a PASSWORD 'correct-horse' NOPE;", MIGRATIONS | {"executor": "psql"}),
    "psql's echo": ("\\set ECHO all\nALTER ROLE nope PASSWORD 'correct-horse';", MIGRATIONS | {"executor": "psql"}),
    "a check": ("-- templedb:verify SELECT 'a' = 'password=correct-horse'\nSELECT 1;", MIGRATIONS),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAILING)
def test_error_tells_no_password_when_the_server_repeats_the_statement(
    shop: Shop, kind: str
) -> None:
    body, group = FAILING[kind]
    shop.config(group)
    shop.migration("003_role.sql", body.format(role=shop.pg.role) + "\n")
    report = shop.terminal.home / "report.xml"
    said = shop.run("--junit", str(report), code=12).all
    assert "***" in said
    later = [
        shop.terminal("deploy", "history").all,
        shop.terminal("sql", "SELECT * FROM events").all,
    ]
    kept = [
        str(shop.pg.query(f"SELECT * FROM templedb.{table}"))
        for table in ("migration", "run", "event")
    ]
    for text in (said, report.read_text(), *later, *kept):
        assert "correct-horse" not in text
