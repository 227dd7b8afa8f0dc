"""What a file asks of its own transaction, and other sessions that are in the way."""

from __future__ import annotations

import shutil
import time
from typing import Any

import psycopg
import pytest

from tests.conftest import MIGRATIONS, Shop

FILE = "migrations/003_level.sql"
LEVEL = "current_setting('transaction_isolation')"


@pytest.fixture
def table(shop: Shop) -> Shop:
    """A shop with a table of two rows that keeps what files see, and everything applied."""
    shop.migration(
        "002_orders.sql",
        "CREATE TABLE orders (id int, who text);\nINSERT INTO orders VALUES (1, 'x'), (2, 'x');\n"
        "CREATE TABLE seen (what text);\n",
    )
    shop.run()
    return shop


def seen(shop: Shop) -> list[str]:
    return [what for (what,) in shop.pg.query("SELECT what FROM seen")]


def by_psql(shop: Shop) -> None:
    if shutil.which("psql") is None:
        pytest.skip("no psql here")
    group: dict[str, Any] = {**MIGRATIONS, "executor": "psql"}
    shop.config(group)


SERIALIZABLE = [
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
    "set local transaction isolation level serializable;",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE, NOT DEFERRABLE;",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET TRANSACTION DEFERRABLE;",
    "-- why\nSET transaction_isolation = 'serializable';",
    "SET LOCAL transaction_isolation TO serializable;",
    "SET \"transaction_isolation\" = 'serializable';",
    "SET search_path = public;\nLOCK TABLE orders;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
]  # fmt: skip
SEES = f"INSERT INTO seen SELECT {LEVEL};"
FRAMES = {
    "whole": "{head}\n{body}\n",
    "block": "BEGIN;\n{head}\n{body}\nCOMMIT;\n",
    "stepwise": "BEGIN;\n{head}\n{body}\nCOMMIT;\nVACUUM orders;\n",
}


@pytest.mark.parametrize("executor", ["native", "psql"])
@pytest.mark.parametrize("head", SERIALIZABLE)
def test_set_transaction_takes_effect_when_it_leads_the_file_or_block(
    table: Shop, head: str, executor: str
) -> None:
    frames = ["whole", "block", "stepwise"] if executor == "native" else ["whole", "block"]
    if executor == "psql":
        by_psql(table)
    for number, frame in enumerate(frames, 3):
        table.migration(f"00{number}_level.sql", FRAMES[frame].format(head=head, body=SEES))
    table.run()
    assert seen(table) == ["serializable"] * len(frames)


@pytest.mark.parametrize("executor", ["native", "psql"])
def test_snapshot_of_another_session_is_used_when_the_migration_imports_it(
    table: Shop, executor: str
) -> None:
    if executor == "psql":
        by_psql(table)
    with psycopg.connect(table.pg.dsn) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        ((snapshot,),) = other.execute("SELECT pg_export_snapshot()").fetchall()
        table.pg.query("INSERT INTO orders VALUES (3, 'later')")
        table.migration(
            "003_level.sql",
            "BEGIN;\nSET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n"
            f"SET TRANSACTION SNAPSHOT '{snapshot}';\n"
            "INSERT INTO seen SELECT count(*) FROM orders;\nCOMMIT;\n",
        )
        table.run()
    assert seen(table) == ["2"]


def test_ledger_rows_of_the_run_are_seen_when_a_snapshot_is_older_than_the_run(table: Shop) -> None:
    """What this run applied before is there, although that transaction does not see it."""
    with psycopg.connect(table.pg.dsn) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        ((snapshot,),) = other.execute("SELECT pg_export_snapshot()").fetchall()
        table.migration("003_level.sql", "INSERT INTO seen VALUES ('before');\n")
        head = f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nSET TRANSACTION SNAPSHOT '{snapshot}';"
        body = "INSERT INTO seen SELECT count(*) FROM seen;"
        table.migration("004_level.sql", FRAMES["whole"].format(head=head, body=body))
        table.migration("005_level.sql", FRAMES["stepwise"].format(head=head, body=body))
        table.run()
    assert seen(table) == ["before", "0", "0"]


def test_set_transaction_has_no_effect_when_outside_of_a_block(table: Shop) -> None:
    sql = f"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n{SEES}\nVACUUM orders;\n"
    table.migration("003_level.sql", sql)
    table.run()
    assert seen(table) == ["read committed"]


def test_set_transaction_fails_at_its_own_line_when_it_leads_and_is_wrong(table: Shop) -> None:
    sql = "SELECT 1;\nSELECT 2;\n"
    wrong = "\nSET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nSET TRANSACTION SNAPSHOT 'nope';\n"
    table.migration("003_level.sql", wrong + sql)
    assert f"{FILE}:3:1" in table.run(code=10).text
    table.migration("003_level.sql", "VACUUM orders;\nBEGIN;" + wrong + sql + "COMMIT;\n")
    assert f"{FILE}:4:1" in table.run(code=12).text


@pytest.mark.parametrize(
    "sql",
    [
        "SET TRANSACTION READ ONLY;\nSELECT 1;\n",
        "BEGIN;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;\nSELECT 1;\nCOMMIT;\n",
        "SET LOCAL transaction_read_only = on;\nSELECT 1;\n",
        "SET transaction_read_only TO 'yes';\nSELECT 1;\n",
        "VACUUM orders;\nBEGIN;\nSET TRANSACTION READ ONLY;\nSELECT 1;\nCOMMIT;\n",
        "SET SESSION TRANSACTION READ ONLY;\nVACUUM orders;\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("executor", ["native", "psql"])
def test_plan_is_refused_when_a_migration_is_read_only(
    table: Shop, sql: str, executor: str
) -> None:
    if executor == "psql":
        by_psql(table)
    table.migration("003_level.sql", sql)
    said = table.run("--dry-run", code=78)
    assert "a read-only transaction cannot record its step" in said.text


def test_migration_is_not_refused_when_it_sets_read_write(table: Shop) -> None:
    sql = "SET TRANSACTION READ WRITE;\nSET transaction_read_only = off;\nSELECT 1;\n"
    table.migration("003_level.sql", sql)
    table.run()


def test_psql_include_is_refused_when_relative_and_below_a_leading_set_transaction(
    table: Shop,
) -> None:
    """A file that includes another by its own folder cannot be taken from there."""
    by_psql(table)
    head = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, DEFERRABLE;\n"
    table.terminal.file("app/more.sql", f"{SEES}\n")
    table.migration("003_level.sql", f"{head}\\ir ../more.sql\n")
    assert "write \\i in place of \\ir" in table.run("--dry-run", code=78).text
    table.migration("003_level.sql", f"{head}\\i more.sql\n")
    table.run()
    assert seen(table) == ["serializable"]


@pytest.mark.parametrize("text", [
    "\\echo why\n{head}\n{body}\n",
    "BEGIN;\n\\echo why\n{head}\n{body}\nCOMMIT;\n",
    "BEGIN;\nSET LOCAL lock_timeout = '3s';\n{head}\n\\echo why\n{body}\nCOMMIT;\n",
])  # fmt: skip
def test_set_transaction_takes_effect_when_it_leads_among_psql_commands(
    table: Shop, text: str
) -> None:
    by_psql(table)
    table.migration("003_level.sql", text.format(head=SERIALIZABLE[0], body=SEES))
    table.run()
    assert seen(table) == ["serializable"]


def test_set_transaction_is_refused_when_it_uses_a_psql_variable(table: Shop) -> None:
    by_psql(table)
    head = "\\set level serializable\nSET TRANSACTION ISOLATION LEVEL :level;\n"
    table.migration("003_level.sql", head + SEES)
    said = table.run(code=78).text
    assert f"{FILE}:2: psql takes this SET TRANSACTION in front of the file, without :level" in said
    assert "write the mode itself" in said


def test_set_transaction_takes_effect_when_it_leads_in_an_included_file(table: Shop) -> None:
    by_psql(table)
    table.terminal.file("app/parts/all.sql", f"-- why\n\\ir 'deep/the level.sql'\n{SEES}\n")
    level = "SET search_path = public;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n"
    table.terminal.file("app/parts/deep/the level.sql", level)
    table.migration("003_level.sql", "\\set x 1\n\\i parts/all.sql\n")
    table.run()
    assert seen(table) == ["serializable"]


@pytest.mark.parametrize(
    ("included", "told"),
    [
        ("SELECT 1;\nSET TRANSACTION READ ONLY;\n", ""),
        ("\nSET TRANSACTION READ ONLY;\n", "parts/a.sql:2: a read-only transaction cannot"),
        ("SET TRANSACTION DEFERRABLE;\n", "parts/a.sql:1: psql takes this SET TRANSACTION DEF"),
        ("SET TRANSACTION ISOLATION LEVEL :level;\n", "in the migration's own file alone"),
        ("\\ir b.sql\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n", "parts/b.sql:1: psql"),
    ],
)
def test_included_file_is_named_before_anything_runs_when_its_set_transaction_cannot_lead(
    table: Shop, included: str, told: str
) -> None:
    by_psql(table)
    table.terminal.file("app/parts/a.sql", f"{included}{SEES}\n")
    level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n"
    table.terminal.file("app/parts/b.sql", level)
    table.migration("003_level.sql", "\\i parts/a.sql\n")
    said = table.run(code=78)
    assert told in said.text
    assert seen(table) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SET default_transaction_read_only = on;\nVACUUM orders;\n",
        "VACUUM orders;\nSET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;\nSELECT 1;\n",
        "SET SESSION default_transaction_read_only TO 'true';\nSELECT 1;\nVACUUM orders;\n",
        "SELECT set_config('default_transaction_read_only', 'on', false);\nVACUUM orders;\n",
    ],
)
def test_plan_is_refused_when_a_read_only_session_comes_before_other_steps(
    table: Shop, sql: str
) -> None:
    table.migration("003_level.sql", sql)
    assert "cannot be recorded in a read-only session" in table.run("--dry-run", code=78).text


def test_file_is_recorded_when_it_ends_in_a_read_only_session(table: Shop) -> None:
    """A reader of the text alone cannot tell what the last of them does."""
    on = "SET default_transaction_read_only = on;\n"
    table.migration("003_level.sql", f"SET default_transaction_read_only = off;\n{SEES}\n{on}")
    table.migration("004.sql", f"VACUUM orders;\n{SEES}\n{on}")
    hidden = "DO $$ BEGIN PERFORM set_config('default_transaction_read_only', 'on', false); END $$;"
    table.migration(
        "005.sql", f"VACUUM orders;\n{hidden}\nCREATE INDEX CONCURRENTLY i ON seen (what);"
    )
    said = table.run(code=12)
    assert seen(table) == ["read committed", "read committed"]
    assert "cannot execute CREATE INDEX in a read-only transaction" in said.text
    table.migration("005.sql", f"VACUUM orders;\n{hidden}\n")
    table.run()


@pytest.mark.parametrize("setting", ["SET LOCAL lock_timeout = '1s'", SERIALIZABLE[0].strip(";")])
def test_plan_warns_of_a_setting_when_it_ends_with_its_own_statement(
    table: Shop, setting: str
) -> None:
    what = " ".join(setting.split()[:2])
    table.migration("003_level.sql", f"\n{setting};\nVACUUM orders;\n")
    assert f"{FILE}:2: {what} has no effect" in table.run("--dry-run").text
    inside = f"BEGIN;\n{setting};\n{SEES}\nCOMMIT;\nVACUUM orders;\n"
    table.migration("003_level.sql", inside)
    assert "has no effect" not in table.run("--dry-run").text


LATER = [
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
    "SET default_transaction_isolation = 'serializable';",
    "set session default_transaction_isolation to serializable;",
    "SET LOCAL default_transaction_isolation TO 'serializable';",
    "SELECT set_config('default_transaction_isolation', 'serializable', false);",
    "SELECT 1, pg_catalog.set_config ( 'Default_Transaction_Isolation','serializable' , true );",
]


@pytest.mark.parametrize("executor", ["native", "psql"])
@pytest.mark.parametrize("setting", LATER)
def test_plan_warns_of_a_level_when_it_is_for_later_transactions(
    table: Shop, setting: str, executor: str
) -> None:
    if executor == "psql":
        by_psql(table)
    table.migration("003_level.sql", f"{setting}\n{SEES}\n")
    said = table.run()
    assert (
        f"{FILE}:1: {'SET ' if setting.lower().startswith('set') else 'set_config('}" in said.text
    )
    assert "has no effect: it is for later transactions, and the file is one" in said.text
    mend = "write SET TRANSACTION ISOLATION LEVEL SERIALIZABLE as the first statement"
    assert mend in said.text
    assert seen(table) == ["read committed"]


def test_level_for_later_transactions_takes_effect_when_steps_come_after_it(table: Shop) -> None:
    table.migration("003_level.sql", f"{LATER[0]}\n{SEES}\nVACUUM orders;\n{SEES}\n")
    assert "has no effect" not in table.run().text
    assert seen(table) == ["serializable"] * 2
    table.migration("004.sql", f"VACUUM orders;\nBEGIN;\n{LATER[1]}\n{SEES}\nCOMMIT;\n")
    said = table.run().text
    assert "004.sql:3: SET default_transaction_isolation has no effect" in said
    assert "no step comes after it" in said
    assert seen(table)[2:] == ["read committed"]


def test_plan_warns_of_a_read_only_session_when_the_file_is_one_transaction(table: Shop) -> None:
    """It is written all the same, and so are its row and the end of the run."""
    on = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;"
    table.migration("003_level.sql", f"{on}\n{SEES}\n")
    table.migration("004_level.sql", f"{SEES}\nSET default_transaction_read_only = on;\n")
    table.migration("005_level.sql", f"SET default_transaction_read_only = off;\n{SEES}\n")
    said = table.run().text
    assert f"{FILE}:1: SET SESSION CHARACTERISTICS has no effect" in said
    assert "004_level.sql:2: SET default_transaction_read_only has no effect" in said
    assert "remove it: a migration cannot be read-only" in said
    assert "005_level.sql:1" not in said
    assert seen(table) == ["read committed"] * 3


def test_begin_with_a_level_is_refused_only_when_psql_executes_it(table: Shop) -> None:
    table.migration("003_level.sql", f"BEGIN ISOLATION LEVEL SERIALIZABLE;\n{SEES}\nCOMMIT;\n")
    by_psql(table)
    assert "BEGIN ISOLATION LEVEL controls transactions" in table.run(code=78).text
    table.config(MIGRATIONS)
    table.run()
    assert seen(table) == ["serializable"]


def wait_for_a_lock(shop: Shop, process: Any) -> None:
    """Wait until the run waits for another session."""
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'templedb:%' AND wait_event_type = 'Lock'"
    )
    end = time.monotonic() + 60
    while not shop.pg.query(query):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("frame", ["whole", "stepwise"])
@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ"])
def test_migration_is_retried_when_serialization_fails(table: Shop, level: str, frame: str) -> None:
    """The second try sees what the other session left, and its row is the only one."""
    body = (
        f"INSERT INTO seen SELECT {LEVEL} || ' ' || string_agg(who, '' ORDER BY who) FROM orders;\n"
        "UPDATE orders SET who = who || '!' WHERE id = 1;"
    )
    head = f"SET TRANSACTION ISOLATION LEVEL {level};"
    table.migration("003_level.sql", FRAMES[frame].format(head=head, body=body))
    with psycopg.connect(table.pg.dsn) as other:
        other.execute("UPDATE orders SET who = 'mine' WHERE id = 1")
        process = table.terminal.process("deploy", "run", "app")
        wait_for_a_lock(table, process)
        other.commit()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert seen(table) == [f"{level.lower()} minex"]
    assert table.pg.query("SELECT who FROM orders WHERE id = 1") == [("mine!",)]
    query = f"SELECT state, steps, step_done FROM templedb.migration WHERE key = '{FILE}'"
    ((state, steps, done),) = table.pg.query(query)
    assert (state, done) == ("applied", steps)


def test_ledger_is_read_under_the_lock_when_serializable_is_the_default(table: Shop) -> None:
    """Two runs at once: one applies, the other finds it applied, and nothing runs twice."""
    table.pg.query(f"ALTER DATABASE {table.pg.name} SET default_transaction_isolation = 'serializable'")  # fmt: skip
    table.migration("003_level.sql", f"{SEES}\nLOCK TABLE orders;\n")
    with psycopg.connect(table.pg.dsn) as other:
        other.execute("LOCK TABLE orders")
        one = table.terminal.process("deploy", "run", "app")
        wait_for_a_lock(table, one)
        two = table.terminal.process("deploy", "run", "app", "--lock-wait", "60s")
        other.commit()
    ends = [each.communicate(timeout=60) for each in (one, two)]
    assert one.returncode == 0, ends
    assert two.returncode in {0, 22}, ends
    assert seen(table) == ["serializable"]


# --- two sessions that change one row of a catalog (XX000) --------------------------------------


@pytest.mark.parametrize("frame", ["{0}\n", "VACUUM orders;\n{0}\n"])
@pytest.mark.parametrize(
    "sql",
    [
        "GRANT SELECT ON orders TO {role};",
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2';",
    ],
)
def test_migration_is_retried_when_another_session_changed_its_catalog_row(
    table: Shop, sql: str, frame: str
) -> None:
    """Once the other session is done, it passes; nobody is told to edit the file."""
    table.pg.query("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    table.pg.query(f"ALTER FUNCTION one() OWNER TO {table.pg.role}")
    table.migration("003_level.sql", frame.format(sql.format(role=table.pg.role)))
    with psycopg.connect(table.pg.dsn) as other:
        other.execute(f"GRANT INSERT ON orders TO {table.pg.role}")
        other.execute("CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 3'")
        process = table.terminal.process("deploy", "run", "app")
        wait_for_a_lock(table, process)
        other.commit()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err


@pytest.mark.parametrize("frame", ["{0}\n", "VACUUM orders;\n{0}\n"])
@pytest.mark.parametrize(
    ("other", "sql"),
    [
        ("CREATE SCHEMA IF NOT EXISTS s", "CREATE SCHEMA IF NOT EXISTS s;"),
        ("CREATE TABLE IF NOT EXISTS s (id int)", "CREATE TABLE IF NOT EXISTS s (id int);"),
        ("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 3'",
         "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2';"),
        ("ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM public",
         "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public;"),
    ],
)  # fmt: skip
def test_migration_is_retried_when_another_session_made_or_dropped_its_object(
    table: Shop, other: str, sql: str, frame: str
) -> None:
    """A unique violation in the catalog, or a row that was deleted: the file is right."""
    with psycopg.connect(table.pg.dsn, autocommit=True) as before:
        before.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public")
        before.execute(f"GRANT ALL ON SCHEMA public TO {table.pg.role}")
    table.migration("003_level.sql", frame.format(sql))
    with psycopg.connect(table.pg.dsn) as session:
        session.execute(other.encode())
        process = table.terminal.process("deploy", "run", "app")
        wait_for_a_lock(table, process)
        session.commit()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "another session was in the way" in out


def test_run_names_the_taken_name_when_another_session_made_the_object(table: Shop) -> None:
    """Without IF NOT EXISTS, the second try meets the name, and the file must be edited."""
    table.migration("003_level.sql", "CREATE TABLE s (id int);\n")
    with psycopg.connect(table.pg.dsn) as session:
        session.execute("CREATE TABLE s (id int)")
        process = table.terminal.process("deploy", "run", "app")
        wait_for_a_lock(table, process)
        session.commit()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 10, out + err
    assert "SQLSTATE: 42P07" in out + err
    assert f"fix {FILE} and run again" in out + err


def test_run_fails_at_once_when_a_row_of_a_table_is_there_already(table: Shop) -> None:
    table.migration("003_level.sql", "CREATE UNIQUE INDEX one_id ON orders (id);\nINSERT INTO orders SELECT id FROM orders;\n")  # fmt: skip
    said = table.run(code=10)
    assert "SQLSTATE: 23505" in said.all
    assert "in the way" not in said.all
    assert f"fix {FILE} and run again" in said.all


RAISES = "DO $$ BEGIN RAISE 'tuple concurrently {what}' USING ERRCODE = 'XX000'; END $$;\n"


def test_run_says_retry_later_instead_of_fix_the_file_when_other_sessions_interfered(
    table: Shop,
) -> None:
    table.migration("003_level.sql", RAISES.format(what="updated"))
    said = table.run(code=10)
    assert "run again when it is done" in said.text
    assert "fix migrations" not in said.text
    table.migration("003_level.sql", RAISES.format(what="eaten"))
    said = table.run(code=10)
    assert f"fix {FILE} and run again" in said.text


# --- 25001 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "mend"),
    [
        ("SELECT count(*) FROM orders;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n", "it comes too late"),
        ("DO $$ BEGIN EXECUTE 'VACUUM orders'; END $$;\n", "write the statement itself into the file"),
        ("REINDEX TABLE parted;\n", "-- templedb:idempotent, if it may run twice"),
    ],
)  # fmt: skip
def test_error_says_what_helps_when_a_transaction_cannot_hold_the_statement(
    table: Shop, sql: str, mend: str
) -> None:
    if "REINDEX" in sql:
        table.needs_14()
    table.pg.query(f"CREATE TABLE parted (id int) PARTITION BY LIST (id); ALTER TABLE parted OWNER TO {table.pg.role}")  # fmt: skip
    table.migration("003_level.sql", sql)
    assert mend in table.run(code=10).text


@pytest.mark.parametrize("hint", ["idempotent", "probe SELECT false"])
def test_statement_stands_alone_when_templedb_idempotent_or_probe_precedes_it(
    table: Shop, hint: str
) -> None:
    table.pg.query(f"CREATE TABLE parted (id int) PARTITION BY LIST (id); ALTER TABLE parted OWNER TO {table.pg.role}")  # fmt: skip
    table.migration("003_level.sql", f"SELECT 1;\n-- templedb:{hint}\nREINDEX TABLE parted;\n")
    said = table.run("--dry-run")
    assert (
        f"line 3: the statement behind templedb:{hint.split(maxsplit=1)[0]} runs outside of a transaction"
        in said.text
    )
    label = "not exactly once: line 3 (templedb:idempotent)"
    assert (label in said.text) is (hint == "idempotent")
    table.run()
    query = f"SELECT state, steps, mode FROM templedb.migration WHERE key = '{FILE}'"
    assert table.pg.query(query) == [("applied", 2, "statements")]


@pytest.mark.parametrize(("hint", "rows"), [("idempotent", 2), ("probe SELECT EXISTS (FROM seen)", 1)])  # fmt: skip
def test_standalone_statement_is_repeated_or_probed_when_the_run_crashed_after_it(
    table: Shop, hint: str, rows: int
) -> None:
    hint = hint.replace("(FROM", "(SELECT FROM")
    table.migration("003_level.sql", f"-- templedb:{hint}\nINSERT INTO seen VALUES ('twice');\n")
    table.terminal.set(TEMPLEDB_FAILPOINT="alone.ran:kill9")
    process = table.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    table.terminal.unset("TEMPLEDB_FAILPOINT")
    assert process.returncode == -9
    table.run()
    assert seen(table) == ["twice"] * rows
