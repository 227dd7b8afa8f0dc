"""Locks by name on a real target: what the card names is what the server locks."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from templedb_nb.core.lint.effects import about, impact
from templedb_nb.core.lint.locks.named_locks import Neighbours
from templedb_nb.core.sql.lexer import split
from templedb_nb.model.effect import LockMode
from templedb_nb.targets.postgres import relatives
from tests.conftest import Database, Shop

STAGE = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int, customer int REFERENCES customers, day date, note text, PRIMARY KEY (id, day))
  PARTITION BY RANGE (day);
CREATE TABLE orders_25 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE orders_26 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
CREATE TABLE orders_24 (LIKE orders INCLUDING INDEXES);
CREATE TABLE lines (id int, order_id int, day date, FOREIGN KEY (order_id, day) REFERENCES orders);
CREATE VIEW open_orders AS SELECT id, note FROM orders;
CREATE VIEW newest AS SELECT id FROM open_orders;
CREATE TABLE loose (id int PRIMARY KEY, customer int);
CREATE INDEX loose_customer ON loose (customer);
CREATE SCHEMA "Old";
CREATE TABLE "Old".customers (id int);
CREATE TABLE animals (id int); CREATE TABLE cats () INHERITS (animals);
CREATE TABLE lions () INHERITS (cats);
CREATE TABLE days (day int) PARTITION BY LIST (day);
CREATE TABLE days_few PARTITION OF days FOR VALUES IN (1, 2) PARTITION BY LIST (day);
CREATE TABLE days_1 PARTITION OF days_few FOR VALUES IN (1);
CREATE TABLE days_new (day int) PARTITION BY LIST (day);
CREATE TABLE days_9 PARTITION OF days_new FOR VALUES IN (9);
CREATE TABLE regions (id serial PRIMARY KEY, name text);
CREATE VIEW region_ids AS SELECT id FROM regions;
CREATE TABLE sites (id int DEFAULT nextval('regions_id_seq'));
CREATE TABLE visits (id int, region regions);
CREATE TABLE tours (id int, regions regions[]);
CREATE TABLE rooms (id int);
CREATE POLICY seen ON rooms USING (id IN (SELECT id FROM regions));
CREATE TABLE doors (id int);
CREATE POLICY seen ON doors USING (id IN (SELECT id FROM region_ids));
"""
STATEMENTS = [
    "ALTER TABLE orders ADD seen boolean",
    "ALTER TABLE orders DROP customer",
    "ALTER TABLE orders DROP note CASCADE",
    "ALTER TABLE orders ALTER customer TYPE bigint",
    "ALTER TABLE customers DROP name",
    "ALTER TABLE customers ALTER id TYPE bigint",
    "ALTER TABLE orders RENAME note TO remark",
    "ALTER TABLE orders RENAME TO sales",
    "ALTER TABLE orders OWNER TO CURRENT_USER",
    "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey",
    "ALTER TABLE orders DETACH PARTITION orders_25",
    "CREATE TABLE orders_27 PARTITION OF orders FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    "DROP TABLE orders_26 CASCADE",
    "DROP TABLE orders CASCADE",
    "DROP TABLE lines",
    "ALTER TABLE lines DROP order_id",
    "ALTER TABLE lines DROP id",
    "ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE",
    "ALTER TABLE orders DETACH PARTITION orders_rest",
    "ALTER TABLE orders ATTACH PARTITION orders_24 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    "LOCK TABLE newest",
    "LOCK TABLE orders",
    "ALTER TABLE customers ADD note text DEFAULT 'x'",
    "CREATE TABLE notes (id int, customer int REFERENCES customers)",
    "CREATE TABLE marks (id int, day date, FOREIGN KEY (id, day) REFERENCES orders)",
    "DROP VIEW open_orders CASCADE",
    "CREATE INDEX ON orders (note)",
    "ALTER TABLE loose ADD FOREIGN KEY (customer) REFERENCES customers",
    "DROP INDEX loose_customer",
    "TRUNCATE orders CASCADE",
    "ALTER TABLE animals ADD legs int",
    "CREATE INDEX ON animals (id)",
    "ALTER TABLE cats NO INHERIT animals",
    "DROP TABLE lions",
    "DROP TABLE cats CASCADE",
    "ALTER TABLE days DETACH PARTITION days_few",
    "ALTER TABLE ONLY days DETACH PARTITION days_few",
    "ALTER TABLE days ATTACH PARTITION days_new FOR VALUES IN (9)",
    "ALTER TABLE orders ALTER CONSTRAINT orders_customer_fkey DEFERRABLE",
    "COMMENT ON TABLE orders IS 'x'",
    "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey, ADD FOREIGN KEY (customer) REFERENCES customers",
    "DROP TABLE regions CASCADE",
    "ALTER TABLE regions DROP id CASCADE",
    "DROP VIEW region_ids CASCADE",
]
MORE = {
    "ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE": {"open_orders", "newest"},
    "ALTER TABLE regions DROP id CASCADE": {"visits", "tours"},
}
"""A view may depend on a key, by its GROUP BY; these do not. A type needs no column of its own."""
TABLES = """SELECT c.oid, c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v') AND nspname IN ('public', 'Old')"""
HELD = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = ANY (%s)"
WEAK = {LockMode.NONE, LockMode.ACCESS_SHARE, LockMode.ROW_SHARE, LockMode.ROW_EXCLUSIVE}


@pytest.fixture(scope="module")
def stage(server: Any) -> Any:
    name = "named_locks"
    with psycopg.connect(server.admin, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        admin.execute(f"CREATE DATABASE {name}".encode())
        with psycopg.connect(server.database(name), autocommit=True) as connection:
            connection.execute(STAGE.encode())
            yield connection
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def held(connection: psycopg.Connection[Any], sql: str) -> dict[str, LockMode]:
    """Return the locks that keep somebody waiting, by table."""
    names = dict(connection.execute(TABLES.encode()).fetchall())
    found: dict[str, LockMode] = {}
    with connection.transaction(force_rollback=True):
        connection.execute(sql.encode())
        for oid, mode in connection.execute(HELD.encode(), [list(names)]).fetchall():
            words = "".join(f" {c}" if c.isupper() else c for c in mode.removesuffix("Lock"))
            lock = LockMode(words.strip().upper())
            held_ = found.get(names[oid], LockMode.NONE)
            found[names[oid]] = max(held_, lock, key=list(LockMode).index)
    return {name: lock for name, lock in found.items() if lock not in WEAK}


@pytest.mark.parametrize("sql", STATEMENTS)
def test_tables_that_are_named_are_those_that_the_server_locks(
    sql: str, stage: psycopg.Connection[Any]
) -> None:
    statements = split(f"{sql};").statements
    near = Neighbours(relatives.relatives(stage, about(statements)))
    found = impact(statements, together=True, locking=True, near=near)
    told: dict[str, LockMode] = {}
    for each in found.locks:
        name = "loose" if each.name == "loose_customer" else each.name
        told[name] = max(told.get(name, LockMode.NONE), each.lock, key=list(LockMode).index)
    told = {name: lock for name, lock in told.items() if lock not in WEAK}
    real = held(stage, sql)
    order = list(LockMode).index
    assert told.keys() == real.keys() | MORE.get(sql, set())
    weaker = {
        name: (told[name], lock) for name, lock in real.items() if order(told[name]) < order(lock)
    }
    assert weaker == {}


def test_plan_names_the_partitions_and_the_referenced_table_of_its_target(
    shop: Shop, pg: Database
) -> None:
    pg.query(STAGE.replace('"Old"', "old_schema"))
    shop.migration("001.sql", "ALTER TABLE orders DROP customer;\n")
    shop.migration("002.sql", "CREATE TABLE fresh (id int);\n")
    plan = shop.terminal("deploy", "plan", "app", "--json").json[-1]
    (first,) = [each for each in plan["draft"]["scripts"] if each["file"].endswith("001.sql")]
    assert first["impact"]["named"] is True
    titles = {f"{each['beside']} {each['name']}".strip() for each in first["impact"]["locks"]}
    parts = {f"partition orders_{end}" for end in ("25", "26", "rest")}
    assert titles == {"orders", "referenced table customers", *parts}
    assert "referenced table customers" in shop.terminal("deploy", "plan", "app").text
