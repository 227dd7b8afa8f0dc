"""Migrations that no transaction can hold: each step once, and after a crash a place to go on."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import Said, Shop

FILE = "migrations/003_steps.sql"


@pytest.fixture
def table(shop: Shop) -> Shop:
    """A shop with a table of some rows, and everything so far applied."""
    shop.migration(
        "002_orders.sql",
        "CREATE TABLE orders (id int, who text);\n"
        "INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 100) n;\n",
    )
    shop.run()
    return shop


def broken_at(shop: Shop, place: str, sql: str) -> Said:
    """Run *sql* as the next migration, and break at *place* as a crash would."""
    shop.migration("003_steps.sql", sql)
    shop.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:error")
    said = shop.run(code=None)
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    assert said.code in {10, 12}, said.err
    return said


def counts(shop: Shop) -> tuple[str, int, int, int]:
    (row,) = shop.pg.query(
        f"SELECT state, steps, step_done, step_started FROM templedb.migration WHERE key = '{FILE}'"
    )
    return row


def indexes(shop: Shop) -> list[tuple[str, bool]]:
    return shop.pg.query(
        "SELECT i.indexrelid::regclass::text, indisvalid FROM pg_index i JOIN pg_class c"
        " ON c.oid = i.indrelid WHERE c.relname = 'orders' ORDER BY 1"
    )


BUILD = "CREATE INDEX CONCURRENTLY orders_who ON orders (who);\n"


def test_plan_says_which_line_decided_when_a_file_runs_step_by_step(table: Shop) -> None:
    table.migration("003_steps.sql", "SELECT 1;\n" + BUILD)
    said = table.run("--dry-run")
    assert "line 2: CREATE INDEX CONCURRENTLY cannot run in a transaction" in said.out
    assert "step by step" in said.out


def test_stepwise_migration_is_applied_and_recorded_when_all_its_steps_succeed(table: Shop) -> None:
    table.migration("003_steps.sql", BUILD + "VACUUM orders;\nALTER TABLE orders ADD note text;\n")
    assert "1 migration applied" in table.run().out
    assert counts(table) == ("applied", 3, 3, 3)
    assert indexes(table) == [("orders_who", True)]
    assert "nothing applied" in table.run().out


def test_index_is_not_built_again_when_it_was_built_before_the_crash(table: Shop) -> None:
    broken_at(table, "alone.ran", BUILD)
    assert counts(table) == ("running", 1, 0, 1)
    (before,) = table.pg.query("SELECT 'orders_who'::regclass::oid")
    status = table.terminal("migration", "status")
    assert "partly applied" in status.out
    table.run()
    assert table.pg.query("SELECT 'orders_who'::regclass::oid") == [before]
    assert counts(table) == ("applied", 1, 1, 1)


def test_index_is_repaired_when_it_is_invalid(table: Shop) -> None:
    """A build that failed leaves an invalid index; IF NOT EXISTS would call that a success."""
    table.pg.query("INSERT INTO orders VALUES (1, 'x')")
    unique = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_id ON orders (id);\n"
    table.migration("003_steps.sql", "ALTER TABLE orders ADD note text;\n" + unique)
    said = table.run(code=12)
    assert "duplicate" in said.text or "could not create unique index" in said.text
    assert "1 of 2 steps took effect" in said.text
    assert indexes(table) == [("orders_id", False)]
    table.pg.query("DELETE FROM orders WHERE ctid IN (SELECT max(ctid) FROM orders WHERE id = 1)")
    table.run()
    assert indexes(table) == [("orders_id", True)]


def test_index_is_in_doubt_when_it_has_another_definition_after_its_step_began(table: Shop) -> None:
    broken_at(table, "alone.started", BUILD)
    table.pg.query("CREATE INDEX orders_who ON orders (id, who)")
    said = table.run(code=13)
    assert "with another definition" in said.text
    assert counts(table)[0] == "in_doubt"
    assert "in doubt" in table.terminal("migration", "status").out
    table.run(code=13)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY ON orders (who)",
        'CREATE UNIQUE INDEX CONCURRENTLY "Odd {name}" ON ONLY public.orders USING btree (lower(who) DESC, id) INCLUDE (id) WHERE id > 7',
        "CREATE INDEX CONCURRENTLY orders_h ON orders USING hash (who)",
        'CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_c ON orders (who COLLATE "C" text_pattern_ops) WITH (fillfactor = 70)',
    ],
)  # fmt: skip
def test_index_is_kept_when_the_server_says_it_is_the_wanted_one(table: Shop, sql: str) -> None:
    table.pg.query("DELETE FROM orders WHERE id > 1")
    broken_at(table, "alone.ran", f"{sql};\n")
    before = table.pg.query("SELECT indexrelid FROM pg_index WHERE indrelid = 'orders'::regclass")
    table.run()
    after = table.pg.query("SELECT indexrelid FROM pg_index WHERE indrelid = 'orders'::regclass")
    assert len(before) == 1
    assert after == before


def test_search_path_is_restored_when_a_file_is_resumed(table: Shop) -> None:
    table.pg.query("CREATE SCHEMA app AUTHORIZATION CURRENT_USER")
    table.pg.query(f"ALTER SCHEMA app OWNER TO {table.pg.role}")
    table.pg.query(f"CREATE TABLE app.orders (who text); ALTER TABLE app.orders OWNER TO {table.pg.role}")  # fmt: skip
    broken_at(table, "alone.started", "SET search_path = app;\n" + BUILD)
    table.run()
    assert table.pg.query("SELECT to_regclass('app.orders_who') IS NOT NULL") == [(True,)]
    assert table.pg.query("SELECT to_regclass('public.orders_who')") == [(None,)]


def test_migration_is_in_doubt_when_a_temporary_table_ended_with_its_session(table: Shop) -> None:
    sql = "CREATE TEMP TABLE wanted AS SELECT 1 AS id;\n" + BUILD
    broken_at(table, "alone.started", sql)
    said = table.run(code=13)
    assert "ended with its session" in said.text


def test_resumed_migration_is_applied_when_its_table_is_only_called_temp(table: Shop) -> None:
    broken_at(table, "alone.started", "CREATE TABLE temp (id int);\n" + BUILD)
    table.run()
    assert counts(table)[0] == "applied"


def test_run_is_not_locked_out_when_a_file_takes_another_role(table: Shop) -> None:
    table.pg.query(f"CREATE ROLE poor_{table.pg.role}; GRANT poor_{table.pg.role} TO {table.pg.role}")  # fmt: skip
    try:
        sql = f"SET ROLE poor_{table.pg.role};\nVACUUM;\nSELECT 1;\nRESET ROLE;\n" + BUILD
        table.migration("003_steps.sql", sql)
        table.run()
        assert counts(table)[0] == "applied"
    finally:
        table.pg.query(f"DROP ROLE poor_{table.pg.role}")


def test_lock_is_kept_when_a_file_runs_discard_all(table: Shop) -> None:
    table.migration("003_steps.sql", "DISCARD ALL;\nSELECT 1;\nVACUUM orders;\n")
    table.run()
    assert counts(table) == ("applied", 3, 3, 3)


@pytest.mark.parametrize("answer", ["--applied", "--not-applied"])
def test_person_is_asked_when_nothing_proves_that_a_step_took_effect(
    table: Shop, answer: str
) -> None:
    table.pg.query(
        "CREATE PROCEDURE bill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO orders VALUES (7, 'billed'); COMMIT; END $$"
    )
    table.pg.query(f"GRANT ALL ON orders TO {table.pg.role}")
    broken_at(table, "alone.ran", "CALL bill();\nALTER TABLE orders ADD note text;\n")
    said = table.run(code=13)
    assert "migration resolve" in said.text
    assert counts(table) == ("in_doubt", 2, 0, 1)
    table.terminal("migration", "resolve", FILE, answer, "--reason", "counted the rows")
    table.run()
    assert counts(table)[0] == "applied"
    billed = table.pg.query("SELECT count(*) FROM orders WHERE who = 'billed'")
    assert billed == [(1 if answer == "--applied" else 2,)]
    assert "resolve" in table.pg.query("SELECT string_agg(what, ' ') FROM templedb.event")[0][0]


def test_probe_of_the_file_decides_when_the_catalog_cannot_tell(table: Shop) -> None:
    table.pg.query(
        "CREATE PROCEDURE bill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO orders VALUES (7, 'billed'); COMMIT; END $$"
    )
    sql = (
        "-- templedb:probe SELECT EXISTS (SELECT FROM orders WHERE who = 'billed')\nCALL bill();\n"
    )
    broken_at(table, "alone.ran", sql)
    table.run()
    assert table.pg.query("SELECT count(*) FROM orders WHERE who = 'billed'") == [(1,)]


def test_migration_resumes_at_the_failed_step_when_its_statement_was_mended(table: Shop) -> None:
    begin = "CREATE TABLE one (id int);\nVACUUM orders;\n"
    table.migration("003_steps.sql", begin + "SELECT nope;\nCREATE TABLE two (id int);\n")
    said = table.run(code=12)
    assert "2 of 4 steps took effect" in said.text
    assert f"{FILE}:3" in said.text
    table.migration("003_steps.sql", begin + "SELECT 1;\nCREATE TABLE two (id int);\n")
    table.run()
    assert counts(table) == ("applied", 4, 4, 4)
    assert {"one", "two"} <= set(table.pg.tables())


def test_migration_is_refused_when_a_step_that_ran_was_edited(table: Shop) -> None:
    table.migration("003_steps.sql", "CREATE TABLE one (id int);\nVACUUM orders;\nSELECT nope;\n")
    table.run(code=12)
    table.migration("003_steps.sql", "CREATE TABLE uno (id int);\nVACUUM orders;\nSELECT 1;\n")
    said = table.run(code=13)
    assert "steps 1 to 2 ran already, and step 1 was edited, moved or removed" in said.text
    assert "uno" not in table.pg.tables()


def test_block_is_a_single_step_when_a_file_contains_begin_and_commit(table: Shop) -> None:
    sql = (
        "BEGIN;\nCREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\nCOMMIT;\n"
        "BEGIN;\nINSERT INTO one VALUES (2);\nROLLBACK;\n"
        "BEGIN;\nINSERT INTO one VALUES (3);\nSELECT nope;\nCOMMIT;\n"
    )
    table.migration("003_steps.sql", sql)
    table.run(code=12)
    assert table.pg.query("SELECT id FROM one") == [(1,)]
    assert counts(table) == ("failed", 3, 2, 2)


def test_detachment_is_finished_when_a_partition_is_half_detached(table: Shop) -> None:
    table.pg.query(
        "CREATE TABLE parted (id int) PARTITION BY LIST (id);"
        " CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1);"
        f" ALTER TABLE parted OWNER TO {table.pg.role}; ALTER TABLE part1 OWNER TO {table.pg.role}"
    )
    dsn = table.pg.server.database(table.pg.name)
    with psycopg.connect(dsn) as reader, psycopg.connect(dsn, autocommit=True) as other:
        reader.execute("SELECT * FROM parted")
        other.execute("SET lock_timeout = '200ms'; SET statement_timeout = '500ms'")
        with pytest.raises(psycopg.Error):
            other.execute("ALTER TABLE parted DETACH PARTITION part1 CONCURRENTLY")
    assert table.pg.query("SELECT inhdetachpending FROM pg_inherits WHERE inhparent = 'parted'::regclass") == [(True,)]  # fmt: skip
    table.migration("003_steps.sql", "ALTER TABLE parted DETACH PARTITION part1 CONCURRENTLY;\n")
    table.run()
    assert table.pg.query("SELECT count(*) FROM pg_inherits WHERE inhparent = 'parted'::regclass") == [(0,)]  # fmt: skip


def test_index_is_not_dropped_twice_when_it_is_gone(table: Shop) -> None:
    table.pg.query(f"CREATE INDEX old ON orders (id); ALTER INDEX old OWNER TO {table.pg.role}")
    broken_at(table, "alone.ran", "DROP INDEX CONCURRENTLY old;\n")
    table.run()
    assert indexes(table) == []
    assert counts(table)[0] == "applied"


def test_migration_is_rolled_back_when_its_verify_query_is_not_true(table: Shop) -> None:
    table.migration("003_steps.sql", "-- templedb:verify SELECT count(*) = 1 FROM one\nCREATE TABLE one (id int);\n")  # fmt: skip
    said = table.run(code=10)
    assert "templedb:verify is not true" in said.text
    assert "one" not in table.pg.tables()
    table.migration("003_steps.sql", "-- templedb:verify SELECT count(*) = 0 FROM one\nCREATE TABLE one (id int);\n")  # fmt: skip
    table.run()


def test_verify_leaves_the_steps_and_is_asked_again_when_it_fails_after_them(table: Shop) -> None:
    sql = "-- templedb:verify SELECT count(*) = 101 FROM orders\nVACUUM orders;\n"
    table.migration("003_steps.sql", sql)
    table.run(code=12)
    assert counts(table) == ("failed", 1, 1, 1)
    table.pg.query("INSERT INTO orders VALUES (0, '')")
    table.run()
    assert counts(table)[0] == "applied"


def test_lock_timeout_holds_when_the_file_sets_it(table: Shop) -> None:
    sql = "-- templedb:lock-timeout 50ms\nALTER TABLE orders ADD note text;\nSELECT 1 / (current_setting('lock_timeout') = '50ms')::int;\n"
    table.migration("003_steps.sql", sql)
    table.run()


WAITS_FOR_LONG = (
    "SELECT pg_sleep(0.1) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name LIKE 'templedb:%' AND wait_event_type = 'Lock'"
    " AND clock_timestamp() - query_start > interval '6 s'"
)
"""More than the 5 s that every other statement waits for a lock."""


def test_concurrent_build_waits_without_our_timeout_when_another_session_blocks_it(
    table: Shop,
) -> None:
    sql = "SELECT 1 / (current_setting('lock_timeout') = '5s')::int;\n" + BUILD
    table.migration("003_steps.sql", sql)
    with psycopg.connect(table.pg.dsn, application_name="nightly report") as other:
        other.execute("INSERT INTO orders VALUES (0, 'mine')")
        who = f"pid {other.info.backend_pid} · nightly report · role {other.info.user}"
        process = table.terminal.process("deploy", "run", "app")
        while not table.pg.query(WAITS_FOR_LONG):
            assert process.poll() is None, process.communicate()
        other.commit()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert indexes(table) == [("orders_who", True)]
    assert f"└─ {who} · idle in transaction for" in out
    assert "INSERT INTO orders VALUES (?, ?)" in out
    assert "'mine'" not in out
    ((told,),) = table.terminal(
        "sql",
        "SELECT body->>'by' FROM events WHERE kind = 'statement_blocked' AND body->>'by' <> ''",
        "--json",
    ).json[-1]["rows"]
    assert "nightly report" in told


def test_migration_is_refused_when_a_required_file_does_not_come_before_it(table: Shop) -> None:
    table.migration("003_steps.sql", "-- templedb:requires 004_later\nSELECT 1;\n")
    table.migration("004_later.sql", "SELECT 1;\n")
    assert "neither applied nor planned before it" in table.run(code=78).text
    table.migration("003_steps.sql", "-- templedb:requires 001_users.sql\nSELECT 1;\n")
    table.run()


def test_repeatable_file_runs_again_and_last_when_it_changes(table: Shop) -> None:
    text = "-- templedb:repeatable\nCREATE OR REPLACE VIEW busy AS SELECT {} AS n;\n"
    table.migration("000_views.sql", text.format(1))
    table.run()
    assert "nothing applied" in table.run().out
    table.migration("000_views.sql", text.format(2))
    table.migration("003_steps.sql", "CREATE TABLE three (id int);\n")
    said = table.run()
    assert said.out.index("003_steps.sql") < said.out.index("000_views.sql")
    assert table.pg.query("SELECT n FROM busy") == [(2,)]
    assert "nothing applied" in table.run().out
