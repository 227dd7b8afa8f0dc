"""Statements outside of transactions that failed, and were edited: the next run goes on."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import Said, Shop

FILE = "migrations/003_steps.sql"


@pytest.fixture
def table(shop: Shop) -> Shop:
    """A shop with two tables, and everything so far applied."""
    shop.migration(
        "002_orders.sql",
        "CREATE TABLE orders (id int, who text);\n"
        "INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 100) n;\n"
        "CREATE TABLE bills (id int, who text);\n",
    )
    shop.run()
    return shop


def run(shop: Shop, sql: str, code: int = 0) -> Said:
    """Write *sql* as the third migration, and run it."""
    shop.migration("003_steps.sql", sql)
    return shop.run(code=code)


def killed(shop: Shop, place: str) -> None:
    """Run, and kill the process at *place*."""
    shop.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    assert process.returncode == -9


def counts(shop: Shop) -> tuple[str, int, int, int]:
    (row,) = shop.pg.query(
        f"SELECT state, steps, step_done, step_started FROM templedb.migration WHERE key = '{FILE}'"
    )
    return row


def indexes(shop: Shop) -> list[tuple[str, str, bool]]:
    return shop.pg.query(
        "SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, indisvalid"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " WHERE c.relname IN ('orders', 'bills') ORDER BY 1, 2"
    )


WRONG = "CREATE INDEX CONCURRENTLY orders_who ON ordres (who);\n"
RIGHT = "CREATE INDEX CONCURRENTLY orders_who ON orders (who);\n"


def test_migration_is_mended_when_its_index_statement_has_a_typo(table: Shop) -> None:
    said = run(table, WRONG, code=10)
    assert "nothing of it was applied" in said.text
    assert counts(table) == ("failed", 1, 0, 0)
    run(table, RIGHT)
    assert indexes(table) == [("orders", "orders_who", True)]
    assert counts(table) == ("applied", 1, 1, 1)


def test_second_step_is_mended_and_the_first_stays_done_when_the_second_of_three_failed(
    table: Shop,
) -> None:
    first, last = "CREATE INDEX CONCURRENTLY bills_id ON bills (id);\n", "VACUUM bills;\n"
    said = run(table, first + WRONG + last, code=12)
    assert "1 of 3 steps took effect; fix migrations/003_steps.sql and run again" in said.text
    edited = first.replace("bills_id", "bills_ident")
    refused = run(table, edited + RIGHT + last, code=13)
    assert "step 1 ran already, and step 1 was edited, moved or removed" in refused.text
    refused = run(table, RIGHT + first + last, code=13)
    assert "step 1 was edited, moved or removed" in refused.text
    run(table, first + RIGHT + last)
    assert indexes(table) == [("bills", "bills_id", True), ("orders", "orders_who", True)]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("VACUUM ordres;", "VACUUM orders;"),
        ("DROP INDEX CONCURRENTLY nope;", "DROP INDEX CONCURRENTLY IF EXISTS nope;"),
        ("REINDEX TABLE CONCURRENTLY ordres;", "REINDEX TABLE CONCURRENTLY orders;"),
        ("REINDEX INDEX CONCURRENTLY nope;", "SELECT 1;"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY nope;\nVACUUM;", "VACUUM;"),
        ("ALTER SYSTEM SET work_memm = '8MB';", "SELECT 1;"),
        ("CREATE DATABASE made TEMPLATE nope;", "SELECT 1;"),
        ("ALTER TYPE moood ADD VALUE 'fine';\nVACUUM;", "ALTER TYPE mood ADD VALUE 'fine';\nVACUUM;"),
        ("ALTER TABLE orders DETACH PARTITION nope CONCURRENTLY;", "SELECT 1;"),
        ("CLUSTER;\nCREATE INDEX CONCURRENTLY n ON orders (nope);", "CLUSTER;\nSELECT 1;"),
        ("CREATE INDEX CONCURRENTLY n ON orders who);", "CREATE INDEX CONCURRENTLY n ON orders (who);"),
        ("CREATE INDEX CONCURRENTLY n ON orders USING nope (who);", "VACUUM orders;\nVACUUM bills;"),
        ("CREATE INDEX CONCURRENTLY ON ordres (who);", "CREATE INDEX CONCURRENTLY ON orders (who);"),
        ("-- templedb:idempotent\nREINDEX TABLE ordres;", "-- templedb:idempotent\nREINDEX TABLE orders;"),
        ("-- templedb:probe SELECT false\nCALL nope();", "SELECT 1;"),
    ],
)  # fmt: skip
def test_failed_step_may_be_edited_when_it_left_nothing(
    table: Shop, wrong: str, right: str
) -> None:
    if "DETACH" in wrong:
        table.needs_14()
    table.pg.query(f"CREATE TYPE mood AS ENUM ('sad'); ALTER TYPE mood OWNER TO {table.pg.role}")
    begin = "CREATE TABLE one (id int);\n"
    said = run(table, f"{begin}{wrong}\n", code=12)
    assert "steps took effect" in said.text
    state, _, done, started = counts(table)
    assert (state, done) == ("failed", started)
    run(table, f"{begin}{right}\n")
    assert counts(table)[0] == "applied"


def test_migration_is_in_doubt_when_its_call_failed(table: Shop) -> None:
    table.pg.query(
        "CREATE PROCEDURE bill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO orders VALUES (7, 'billed');"
        " COMMIT; PERFORM 1 / 0; END $$"
    )
    run(table, "CALL bill();\n", code=13)
    assert counts(table) == ("in_doubt", 1, 0, 1)
    said = run(table, "SELECT 1;\n", code=13)
    assert "migration resolve" in said.text


@pytest.mark.parametrize("name", ["prat", "part1"])
def test_step_is_not_called_detached_or_dropped_when_its_object_is_not_there(
    table: Shop, name: str
) -> None:
    table.needs_14()
    table.pg.query(
        "CREATE TABLE parted (id int) PARTITION BY LIST (id); CREATE TABLE part1 (id int);"
        f" ALTER TABLE parted OWNER TO {table.pg.role}; ALTER TABLE part1 OWNER TO {table.pg.role}"
    )
    run(table, f"ALTER TABLE parted DETACH PARTITION {name} CONCURRENTLY;\n", code=10)
    run(table, "DROP INDEX CONCURRENTLY orders_typo;\n", code=10)
    run(table, "DROP INDEX CONCURRENTLY IF EXISTS orders_typo;\n")


def test_migration_is_mended_when_its_concurrent_index_is_on_a_partitioned_table(
    table: Shop,
) -> None:
    table.pg.query(
        "CREATE TABLE parted (id int) PARTITION BY LIST (id);"
        " CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1);"
        f" ALTER TABLE parted OWNER TO {table.pg.role}; ALTER TABLE part1 OWNER TO {table.pg.role}"
    )
    said = run(table, "CREATE INDEX CONCURRENTLY p_id ON parted (id);\nVACUUM part1;\n", code=10)
    assert "concurrently" in said.text
    run(table, "CREATE INDEX p_id ON parted (id);\nVACUUM part1;\n")
    assert counts(table) == ("applied", 2, 2, 2)


UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY orders_id ON orders (id);\n"


@pytest.mark.parametrize(
    ("edited", "wanted"),
    [
        (UNIQUE.replace("UNIQUE ", ""), [("orders", "orders_id", True)]),
        (UNIQUE.replace("orders_id", "orders_uid").replace("(id)", "(id, who)"), [("orders", "orders_uid", True)]),
        (UNIQUE.replace("ON orders", "ON bills"), [("bills", "orders_id", True)]),
        ("SELECT 1;\n" + UNIQUE.replace("(id)", "(id) WHERE id > 1"), [("orders", "orders_id", True)]),
        ("VACUUM orders;\n", []),
        ("", []),
        ("CREATE INDEX orders_id ON bills (id);\n", [("bills", "orders_id", True)]),
    ],
)  # fmt: skip
def test_invalid_index_is_removed_before_the_edited_statement_runs_when_a_unique_index_failed(
    table: Shop, edited: str, wanted: list[tuple[str, str, bool]]
) -> None:
    table.pg.query("INSERT INTO orders VALUES (1, 'y')")
    begin = "CREATE TABLE one (id int);\nVACUUM one;\n"
    said = run(table, begin + UNIQUE, code=12)
    assert "public.orders_id exists but is invalid" in said.text
    assert indexes(table) == [("orders", "orders_id", False)]
    run(table, begin + edited)
    assert indexes(table) == wanted
    assert counts(table)[0] == "applied"


@pytest.mark.parametrize("place", ["stepwise.entered", "alone.started", "alone.asked"])
def test_mend_still_succeeds_when_the_process_dies_between_failure_and_mend(
    table: Shop, place: str
) -> None:
    table.pg.query("INSERT INTO orders VALUES (1, 'y')")
    run(table, UNIQUE, code=12)
    table.migration("003_steps.sql", UNIQUE.replace("UNIQUE ", ""))
    killed(table, place)
    run(table, UNIQUE.replace("UNIQUE ", "").replace("orders_id", "orders_ident"))
    assert indexes(table) == [("orders", "orders_ident", True)]


def test_call_does_not_run_twice_when_the_run_crashes_twice(table: Shop) -> None:
    """The second one dies before it counts anything: what had begun is known all the same."""
    table.pg.query(
        "CREATE PROCEDURE bill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO orders VALUES (7, 'billed'); COMMIT; END $$"
    )
    table.pg.query(f"GRANT ALL ON orders TO {table.pg.role}")
    table.migration("003_steps.sql", "CALL bill();\n")
    for place in ("alone.ran", "stepwise.entered"):
        killed(table, place)
    table.run(code=13)
    assert table.pg.query("SELECT count(*) FROM orders WHERE who = 'billed'") == [(1,)]


def test_edit_is_refused_when_the_step_took_effect(table: Shop) -> None:
    table.migration("003_steps.sql", RIGHT)
    killed(table, "alone.ran")
    said = run(table, RIGHT.replace("orders_who", "orders_name"), code=13)
    assert "step 1 took effect and was edited: public.orders_who exists, valid" in said.text
    run(table, RIGHT + "VACUUM orders;\n")
    assert indexes(table) == [("orders", "orders_who", True)]


def test_migration_is_in_doubt_when_its_call_had_begun_and_was_edited(table: Shop) -> None:
    table.pg.query("CREATE PROCEDURE bill() LANGUAGE sql AS 'SELECT 1'")
    table.migration("003_steps.sql", "CALL bill();\n")
    killed(table, "alone.ran")
    said = run(table, "SELECT 1;\n", code=13)
    assert "it was edited after it had begun, and nothing in the catalog shows" in said.text
    assert counts(table)[0] == "in_doubt"
    table.terminal("migration", "resolve", FILE, "--not-applied", "--reason", "looked")
    run(table, "SELECT 1;\n")
    assert counts(table)[0] == "applied"


def test_statement_timeout_of_the_file_does_not_apply_when_templedb_asks_the_catalog(
    table: Shop,
) -> None:
    table.pg.query("INSERT INTO orders VALUES (1, 'y')")
    begin = "SET statement_timeout = '1ms';\n"
    run(table, begin + UNIQUE, code=12)
    run(table, f"{begin}SET statement_timeout = 0;\n" + UNIQUE.replace("UNIQUE ", ""))
    assert indexes(table) == [("orders", "orders_id", True)]


def test_run_does_not_ask_to_mend_the_file_when_its_session_was_lost(table: Shop) -> None:
    sql = "CREATE TABLE one (id int);\n-- templedb:idempotent\nSELECT pg_terminate_backend(pg_backend_pid());\n"
    said = run(table, sql, code=12)
    assert "1 of 2 steps took effect; run again: it continues at step 2" in said.text
    run(table, sql.replace("SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1"))
    assert counts(table) == ("applied", 2, 2, 2)


def test_half_dropped_index_is_not_forgotten_when_the_drop_timed_out(table: Shop) -> None:
    table.pg.query(
        "CREATE INDEX orders_who ON orders (who); CREATE INDEX orders_id ON orders (id);"
        f" ALTER INDEX orders_who OWNER TO {table.pg.role}"
    )
    wrong = "DROP INDEX CONCURRENTLY orders_who;\n"
    dsn = table.pg.server.database(table.pg.name)
    table.migration("003_steps.sql", "-- templedb:statement-timeout 1s\n" + wrong)
    with psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM orders")
        said = table.run(code=12)
    assert "orders_who exists but is invalid" in said.text
    refused = run(table, "DROP INDEX CONCURRENTLY orders_id;\n", code=13)
    assert "REINDEX INDEX CONCURRENTLY orders_who to keep it" in refused.text
    run(table, "SELECT 1;\nDROP INDEX CONCURRENTLY orders_who;\n")
    assert indexes(table) == [("orders", "orders_id", True)]


def test_file_goes_on_after_its_done_steps_when_edited_to_fit_one_transaction(table: Shop) -> None:
    run(table, "CREATE TABLE one (id int);\n" + WRONG, code=12)
    table.migration(
        "003_steps.sql", "CREATE TABLE one (id int);\nCREATE INDEX n ON orders (who);\n"
    )
    assert "because some of its steps took effect" in table.run("--dry-run").text
    table.run()
    assert counts(table) == ("applied", 2, 2, 2)
    assert indexes(table) == [("orders", "n", True)]


def test_block_that_ran_stays_one_step_when_the_rest_of_the_file_changes(table: Shop) -> None:
    block = "BEGIN;\nCREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\nCOMMIT;\n"
    run(table, block + WRONG, code=12)
    assert counts(table) == ("failed", 2, 1, 1)
    run(table, block)
    assert table.pg.query("SELECT count(*) FROM one") == [(1,)]
    assert counts(table) == ("applied", 1, 1, 1)


def test_step_is_not_taken_as_edited_when_it_ran_and_contains_a_password(table: Shop) -> None:
    """The ledger keeps the text without it."""
    role = f"app_{table.pg.role}"
    table.pg.query(f"ALTER ROLE {table.pg.role} CREATEROLE")
    first = f"CREATE ROLE {role} PASSWORD 'hunter22hunter22';\n"
    try:
        run(table, first + WRONG, code=12)
        run(table, first + RIGHT)
    finally:
        table.pg.query(f"DROP ROLE IF EXISTS {role}")
    assert indexes(table) == [("orders", "orders_who", True)]


def test_file_may_become_stepwise_when_it_failed_as_a_whole(table: Shop) -> None:
    run(table, "CREATE TABLE one (id int);\nSELECT nope;\n", code=10)
    run(table, "CREATE TABLE one (id int);\n" + RIGHT)
    assert counts(table) == ("applied", 2, 2, 2)


def test_repeatable_file_runs_again_when_edited_and_outside_of_transactions(table: Shop) -> None:
    run(table, "-- templedb:repeatable\nVACUUM orders;\n")
    run(table, "-- templedb:repeatable\nVACUUM orders;\nVACUUM bills;\n")
    assert counts(table) == ("applied", 2, 2, 2)


@pytest.mark.parametrize(
    "sql", ["CALL nope();\n", "CALL bill(1, 2);\n", "DO $$ BEGIN COMMIT; PERFORM FROM; END $$;\n"]
)
def test_call_is_mended_when_the_server_refused_it_before_it_ran(table: Shop, sql: str) -> None:
    table.pg.query("CREATE PROCEDURE bill() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$")
    run(table, sql, code=10)
    assert counts(table) == ("failed", 1, 0, 0)
    run(table, "CALL bill();\n")
    assert counts(table) == ("applied", 1, 1, 1)


def test_call_is_in_doubt_when_a_procedure_in_it_is_not_there(table: Shop) -> None:
    """The same error, with the same SQLSTATE, but behind a COMMIT."""
    table.pg.query(
        "CREATE PROCEDURE bill() LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO bills VALUES (1); COMMIT; CALL nope(); END $$"
    )
    table.pg.query("GRANT ALL ON bills TO PUBLIC")
    said = run(table, "CALL bill();\n", code=13)
    assert "exit 13: the target may have changed" in said.text
    assert table.pg.query("SELECT count(*) FROM bills") == [(1,)]


@pytest.mark.parametrize("other", ["INDEX orders_who ON orders (id)", "TABLE orders_who (id int)"])
def test_index_fails_and_is_mended_when_its_name_was_taken_before(table: Shop, other: str) -> None:
    table.pg.query(f"CREATE {other}")
    said = run(table, RIGHT, code=10)
    assert 'relation "orders_who" already exists' in said.text
    assert counts(table) == ("failed", 1, 0, 0)
    run(table, RIGHT.replace("orders_who", "orders_by_who"))
    assert ("orders", "orders_by_who", True) in indexes(table)


def test_warning_tells_of_the_other_index_when_if_not_exists_keeps_it(table: Shop) -> None:
    table.pg.query("CREATE INDEX orders_who ON orders (id)")
    said = run(table, RIGHT.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS"))
    assert "public.orders_who exists with another definition: CREATE INDEX orders_who" in said.text
    assert "succeeded, 1 warning" in said.text
    assert counts(table) == ("applied", 1, 1, 1)
