"""What the catalog tells: each thing that a person can change by hand is named by drift check.

One connection, no command: a change is looked for in the question that drift check asks, as a role
that may do nothing but log in. `scripts/matrix` asks every server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from templedb_nb.core.catalog.drift import compare
from templedb_nb.targets.postgres.catalog import question
from tests import postgres

BASE = """
CREATE SCHEMA s;
CREATE SCHEMA other;
CREATE TYPE s.mood AS ENUM ('glad', 'sad');
CREATE DOMAIN s.price AS numeric CHECK (VALUE >= 0);
CREATE TYPE s.pair AS (a int, b text);
CREATE TYPE s.span AS RANGE (subtype = int);
CREATE TABLE s.users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, note text,
  twice int GENERATED ALWAYS AS (1 + 1) STORED);
CREATE TABLE s.orders (id int PRIMARY KEY, user_id int, at date NOT NULL, total int);
ALTER TABLE s.orders ADD CONSTRAINT buyer FOREIGN KEY (user_id) REFERENCES s.users;
CREATE TABLE s.parts (id int, at int) PARTITION BY RANGE (at);
CREATE TABLE s.parts_1 PARTITION OF s.parts FOR VALUES FROM (1) TO (2);
CREATE INDEX orders_at ON s.orders (at);
CREATE UNIQUE INDEX orders_total ON s.orders (total);
CREATE VIEW s.rich AS SELECT id, total FROM s.orders WHERE total > 1;
CREATE MATERIALIZED VIEW s.sums AS SELECT 1 AS one;
CREATE SEQUENCE s.numbers;
CREATE FUNCTION s.f(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
CREATE FUNCTION s.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE PROCEDURE s.p() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE s.total (int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE TRIGGER stamped BEFORE INSERT ON s.users FOR EACH ROW EXECUTE FUNCTION s.stamp();
CREATE RULE quiet AS ON DELETE TO s.orders DO INSTEAD NOTHING;
CREATE POLICY own ON s.users FOR SELECT USING (name = current_user);
CREATE STATISTICS s.paired ON user_id, at FROM s.orders;
CREATE COLLATION s.plain (provider = libc, locale = 'C');
CREATE TEXT SEARCH CONFIGURATION s.words (COPY = simple);
CREATE PUBLICATION pub FOR TABLE s.users, s.orders;
CREATE FOREIGN DATA WRAPPER far;
CREATE SERVER away FOREIGN DATA WRAPPER far OPTIONS (host 'one', password 'hush-hush');
CREATE USER MAPPING FOR public SERVER away OPTIONS (password 'hush-hush');
CREATE FOREIGN TABLE s.there (a int) SERVER away OPTIONS (table_name 'a', token 'hush-hush');
CREATE FUNCTION s.told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION s.told();
CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere password=hush-hush' PUBLICATION pub
  WITH (connect = false, enabled = false, create_slot = false, slot_name = NONE);
ALTER TABLE s.orders ADD CONSTRAINT late CHECK (total < 1000) NOT VALID;
"""
END = ("ALTER SUBSCRIPTION sub SET (slot_name = NONE)", "DROP SUBSCRIPTION sub")

CHANGES = [
    ("ALTER TABLE s.users ALTER note SET STORAGE EXTERNAL", "table s.users"),
    ("ALTER TABLE s.users ALTER note SET STATISTICS 500", "table s.users"),
    ("ALTER TABLE s.users ALTER note SET (n_distinct = 5)", "table s.users"),
    ("ALTER TABLE s.users ALTER note TYPE text COLLATE s.plain", "table s.users"),
    ("GRANT SELECT (name) ON s.users TO public", "table s.users"),
    ("GRANT SELECT (id) ON s.rich TO public", "view s.rich"),
    ("ALTER TABLE s.users REPLICA IDENTITY FULL", "table s.users"),
    ("ALTER TABLE s.users REPLICA IDENTITY NOTHING", "table s.users"),
    ("ALTER TABLE s.users REPLICA IDENTITY USING INDEX users_pkey", "table s.users"),
    ("ALTER TABLE s.users ENABLE ROW LEVEL SECURITY", "table s.users"),
    ("ALTER TABLE s.users FORCE ROW LEVEL SECURITY", "table s.users"),
    ("ALTER TABLE s.users SET (toast.autovacuum_enabled = off)", "table s.users"),
    ("ALTER TABLE s.users SET (autovacuum_enabled = off)", "table s.users"),
    ("ALTER TABLE s.users DISABLE TRIGGER stamped", "trigger stamped on s.users"),
    ("ALTER TABLE s.users ENABLE ALWAYS TRIGGER stamped", "trigger stamped on s.users"),
    ("ALTER TABLE s.orders DISABLE TRIGGER ALL", "constraint buyer on s.orders"),
    ("ALTER TABLE s.orders DISABLE RULE quiet", "rule quiet on s.orders"),
    ("ALTER TABLE s.orders VALIDATE CONSTRAINT late", "constraint late on s.orders"),
    ("ALTER TABLE s.orders DROP CONSTRAINT late, ADD CONSTRAINT late CHECK (total < 1000) NO INHERIT NOT VALID", "constraint late on s.orders"),
    ("ALTER TABLE s.orders ALTER CONSTRAINT buyer DEFERRABLE", "constraint buyer on s.orders"),
    ("ALTER INDEX s.orders_pkey SET (fillfactor = 50)", "constraint orders_pkey on s.orders"),
    ("CLUSTER s.orders USING orders_pkey", "constraint orders_pkey on s.orders"),
    ("ALTER INDEX s.orders_at SET (fillfactor = 50)", "index s.orders_at"),
    ("ALTER TABLE s.orders CLUSTER ON orders_at", "index s.orders_at"),
    ("DROP INDEX s.orders_at; CREATE INDEX orders_at ON s.orders (at) INCLUDE (total)", "index s.orders_at"),
    ("DROP INDEX s.orders_at; CREATE INDEX orders_at ON s.orders (at DESC NULLS LAST)", "index s.orders_at"),
    ("ALTER VIEW s.rich SET (security_barrier)", "view s.rich"),
    ("ALTER VIEW s.rich ALTER total SET DEFAULT 3", "view s.rich"),
    ("ALTER MATERIALIZED VIEW s.sums ALTER one SET STATISTICS 5", "materialized view s.sums"),
    ("ALTER SEQUENCE s.numbers CACHE 5", "sequence s.numbers"),
    ("ALTER SEQUENCE s.numbers OWNED BY s.orders.id", "sequence s.numbers"),
    ("ALTER TABLE s.users ALTER id SET INCREMENT 5", "sequence s.users_id_seq"),
    ("ALTER TABLE s.users ALTER id SET GENERATED BY DEFAULT", "table s.users"),
    ("ALTER TABLE s.parts DETACH PARTITION s.parts_1; ALTER TABLE s.parts ATTACH PARTITION s.parts_1 FOR VALUES FROM (1) TO (3)", "table s.parts_1"),
    ("ALTER FUNCTION s.f SECURITY DEFINER", "function s.f(n integer)"),
    ("ALTER FUNCTION s.f IMMUTABLE", "function s.f(n integer)"),
    ("ALTER FUNCTION s.f SET search_path = s", "function s.f(n integer)"),
    ("REVOKE EXECUTE ON FUNCTION s.f FROM public", "function s.f(n integer)"),
    ("ALTER PROCEDURE s.p SECURITY DEFINER", "procedure s.p()"),
    ("CREATE OR REPLACE AGGREGATE s.total (int) (sfunc = int4pl, stype = int, initcond = '1')", "aggregate s.total(integer)"),
    ("ALTER TYPE s.mood ADD VALUE 'calm' BEFORE 'sad'", "type s.mood"),
    ("ALTER DOMAIN s.price ADD CHECK (VALUE < 9) NOT VALID", "domain s.price"),
    ("ALTER DOMAIN s.price SET DEFAULT 1", "domain s.price"),
    ("REVOKE USAGE ON TYPE s.mood FROM public", "type s.mood"),
    ("ALTER STATISTICS s.paired SET STATISTICS 5", "statistics s.paired"),
    ("ALTER POLICY own ON s.users TO CURRENT_USER", "policy own on s.users"),
    ("ALTER EVENT TRIGGER told DISABLE", "event trigger told"),
    ("ALTER PUBLICATION pub DROP TABLE s.orders", "publication pub"),
    ("ALTER PUBLICATION pub SET (publish = 'insert')", "publication pub"),
    ("ALTER PUBLICATION pub SET (publish_via_partition_root)", "publication pub"),
    ("ALTER SUBSCRIPTION sub SET (synchronous_commit = remote_apply)", "subscription sub", 14),
    ("ALTER SUBSCRIPTION sub SET (slot_name = mine)", "subscription sub"),
    ("ALTER SERVER away OPTIONS (SET host 'two')", "server away"),
    ("ALTER SERVER away OPTIONS (ADD dbname 'x')", "server away"),
    ("ALTER SERVER away OPTIONS (DROP password)", "server away"),
    ("ALTER SERVER away VERSION '2'", "server away"),
    ("GRANT USAGE ON FOREIGN SERVER away TO public", "server away"),
    ("CREATE USER MAPPING FOR CURRENT_USER SERVER away", "user mapping for templedb_tests on away"),
    ("DROP USER MAPPING FOR public SERVER away", "user mapping for public on away"),
    ("ALTER FOREIGN TABLE s.there OPTIONS (SET table_name 'b')", "foreign table s.there"),
    ("ALTER FOREIGN TABLE s.there ALTER a OPTIONS (column_name 'b')", "foreign table s.there"),
    ("CREATE FOREIGN DATA WRAPPER more", "foreign data wrapper more"),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO public", "default privileges of templedb_tests in s on tables"),
    ("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM public", "default privileges of templedb_tests on functions"),
    ('CREATE COLLATION s.more FROM "C"', "collation s.more"),
    ("ALTER TEXT SEARCH CONFIGURATION s.words DROP MAPPING FOR word", "text search configuration s.words"),
    ("CREATE TEXT SEARCH DICTIONARY s.d (template = simple)", "text search dictionary s.d"),
    ("CREATE OPERATOR s.<+> (leftarg = int, rightarg = int, function = int4pl)", "operator s.<+>(integer,integer)"),
    ("CREATE CAST (s.mood AS int) WITH INOUT", "cast (s.mood as integer)"),
    ("ALTER TABLE s.parts_1 SET UNLOGGED", "table s.parts_1"),
    ("ALTER TABLE s.orders OWNER TO pg_monitor", "table s.orders"),
    ("ALTER SCHEMA s OWNER TO pg_monitor", "schema s"),
    ("GRANT USAGE ON SCHEMA s TO public", "schema s"),
    ("COMMENT ON TABLE s.users IS 'mine'", "comment on table s.users"),
    ("COMMENT ON COLUMN s.users.name IS 'mine'", "comment on table column s.users.name"),
    ("COMMENT ON FUNCTION s.f IS 'mine'", "comment on function s.f(integer)"),
    ("COMMENT ON CONSTRAINT buyer ON s.orders IS 'mine'", "comment on table constraint buyer on s.orders"),
    ("COMMENT ON SCHEMA s IS 'mine'", "comment on schema s"),
    ("CREATE LANGUAGE mine HANDLER plpgsql_call_handler", "language mine"),
    ("GRANT ALL ON s.orders TO public", "table s.orders"),
    ("ALTER TABLE s.users ALTER note SET COMPRESSION pglz", "table s.users", 14),
    ("ALTER VIEW s.rich SET (security_invoker)", "view s.rich", 15),
    ("ALTER TABLE s.orders SET TABLESPACE elsewhere", "table s.orders", 15),
    ("ALTER INDEX s.orders_at SET TABLESPACE elsewhere", "index s.orders_at", 15),
    ("ALTER INDEX s.orders_pkey SET TABLESPACE elsewhere", "constraint orders_pkey on s.orders", 15),
    ("ALTER PUBLICATION pub SET TABLE s.users WHERE (id > 1), s.orders", "publication pub", 15),
    ("ALTER PUBLICATION pub SET TABLE s.users (id, name), s.orders", "publication pub", 15),
    ("ALTER PUBLICATION pub ADD TABLES IN SCHEMA other", "publication pub", 15),
    ("DROP INDEX s.orders_total; CREATE UNIQUE INDEX orders_total ON s.orders (total) NULLS NOT DISTINCT", "index s.orders_total", 15),
    ("ALTER SEQUENCE s.numbers SET UNLOGGED", "sequence s.numbers", 15),
    ("ALTER SUBSCRIPTION sub SET (disable_on_error)", "subscription sub", 15),
    ("ALTER SUBSCRIPTION sub SET (origin = none)", "subscription sub", 16),
    ("GRANT MAINTAIN ON s.orders TO public", "table s.orders", 17),
    ("ALTER TABLE s.users DROP twice, ADD twice int GENERATED ALWAYS AS (1 + 1) VIRTUAL", "table s.users", 18),
    ("ALTER TABLE s.users RENAME CONSTRAINT users_name_not_null TO named", "table s.users", 18),
    ("ALTER TABLE s.users ALTER CONSTRAINT users_name_not_null NO INHERIT", "table s.users", 18),
    ("ALTER TABLE s.users ADD CONSTRAINT later NOT NULL note NOT VALID", "table s.users", 18),
    ("ALTER TABLE s.orders ALTER CONSTRAINT buyer NOT ENFORCED", "constraint buyer on s.orders", 18),
    ("ALTER PUBLICATION pub SET (publish_generated_columns = stored)", "publication pub", 18),
]  # fmt: skip


Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def world(server: postgres.Server) -> Iterator[Connection]:
    """Yield a superuser's connection to a database that has a bit of everything."""
    name, role = f"tdb_world_{os.getpid()}", f"looker_{os.getpid()}"
    with psycopg.connect(server.admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        admin.execute(f"CREATE ROLE {role} LOGIN".encode())
        spaces = admin.info.server_version >= 150_000
        if spaces:
            admin.execute("SET allow_in_place_tablespaces = on")
            with suppress(psycopg.errors.DuplicateObject):  # another worker's, on a named server
                admin.execute("CREATE TABLESPACE elsewhere LOCATION ''")
        with psycopg.connect(server.database(name), autocommit=True) as connection:
            connection.execute(BASE.encode())
            yield connection
            for each in END:
                connection.execute(each.encode())
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        admin.execute(f"DROP ROLE {role}".encode())


def objects(world: Connection, change: str = "") -> dict[str, str]:
    """Return what a role that may only log in sees after a change, which is rolled back."""
    with world.transaction(force_rollback=True):
        world.execute(change.encode())
        world.execute(f"SET LOCAL ROLE looker_{os.getpid()}".encode())
        world.execute("SET LOCAL search_path = ''")
        rows = world.execute(question(world.info.server_version // 10_000).encode())
        return {str(name): str(definition) for name, definition in rows.fetchall()}


@pytest.mark.parametrize(
    ("sql", "name", "since"),
    [(sql, name, *(since or [13])) for sql, name, *since in CHANGES],
    ids=[sql for sql, *_ in CHANGES],
)
def test_changed_object_is_named_when_changed_by_hand(
    world: Connection, sql: str, name: str, since: int
) -> None:
    if world.info.server_version < since * 10_000:
        pytest.skip(f"PostgreSQL {since} has that")
    changed = compare(objects(world), objects(world, sql))
    assert name in [each.name for each in changed]
    assert all("hush" not in each.before + each.after for each in changed)


def test_object_definition_masks_secrets_and_keeps_option_names_when_options_hold_secrets(
    world: Connection,
) -> None:
    found = objects(world)
    assert "hush" not in "".join(found.values())
    assert "host=one, password=***" in found["server away"]
    assert "token=***" in found["foreign table s.there"]


def test_objects_stay_equal_when_only_a_secret_changed(world: Connection) -> None:
    change = "ALTER SERVER away OPTIONS (SET password 'other')"
    assert objects(world, change) == objects(world)


def test_database_settings_are_shown_with_custom_values_masked_when_settings_are_altered(
    world: Connection,
) -> None:
    name = world.info.dbname
    change = (
        f"ALTER DATABASE {name} SET work_mem = '9MB'; ALTER DATABASE {name} SET app.key = 'hush'"
    )
    found = objects(world, change)["settings of the database"]
    assert found.splitlines() == ["app.key=***", "work_mem=9MB"]


def test_default_owner_grants_read_the_same_on_every_server_when_grants_are_changed(
    world: Connection,
) -> None:
    found = objects(world, "GRANT SELECT ON s.orders TO pg_monitor")["table s.orders"]
    assert found.splitlines()[-1] == (
        "grants pg_monitor=r/templedb_tests, templedb_tests=all/templedb_tests"
    )
    change = "REVOKE TRUNCATE ON s.orders FROM CURRENT_USER"
    assert "templedb_tests=arwd" in objects(world, change)["table s.orders"]


def test_temporary_tables_and_the_ledger_are_left_out_when_objects_are_read(
    world: Connection,
) -> None:
    change = "CREATE TEMP TABLE mine (id int); CREATE SCHEMA templedb; CREATE TABLE templedb.t (); COMMENT ON SCHEMA templedb IS 'x'; COMMENT ON TABLE templedb.t IS 'x'"
    assert objects(world, change) == objects(world)
