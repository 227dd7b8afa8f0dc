"""A ledger whose tables lost a part, not a row: each plan says so, and one command makes it again."""

from __future__ import annotations

import pytest

from templedb_nb.targets.ledger_ddl import declared
from templedb_nb.targets.postgres.ledger.snapshot import ddl
from tests.app.recovery.test_restore_ledger import restore
from tests.app.recovery.test_restored_tables import another_state
from tests.conftest import MIGRATIONS, Shop

LEFT = {
    "sequence templedb.migration_seq is gone": "DROP SEQUENCE templedb.migration_seq CASCADE",
    "templedb.migration has no PRIMARY KEY (project, scope, key)": (
        "ALTER TABLE templedb.migration DROP CONSTRAINT migration_pkey"
    ),
    "templedb.meta has no PRIMARY KEY (k, scope)": (
        "ALTER TABLE templedb.meta DROP CONSTRAINT meta_pkey"
    ),
    "column id of templedb.event has no default": "ALTER TABLE templedb.event ALTER id DROP IDENTITY",
    "column applied_by of templedb.migration has no default": (
        "ALTER TABLE templedb.migration ALTER applied_by DROP DEFAULT, ALTER run_seq DROP DEFAULT"
    ),
    "column attempt_id of templedb.event is gone": (
        "ALTER TABLE templedb.event DROP COLUMN attempt_id"
    ),
    "column verdict of templedb.approval is gone": (
        "ALTER TABLE templedb.approval DROP COLUMN verdict"
    ),
    "table templedb.event is gone": "DROP TABLE templedb.event",
    "table templedb.object is gone": "DROP TABLE templedb.object",
}
READ = {
    "column run_seq of templedb.migration is gone": (
        "ALTER TABLE templedb.migration DROP COLUMN run_seq"
    ),
    "column error of templedb.migration is gone": "ALTER TABLE templedb.migration DROP COLUMN error",
    "column project of templedb.migration is gone": (
        "ALTER TABLE templedb.migration DROP COLUMN project"
    ),
    "column sql of templedb.migration is gone": (
        "ALTER TABLE templedb.migration RENAME COLUMN sql TO text"
    ),
    "column v of templedb.meta is gone": "ALTER TABLE templedb.meta DROP COLUMN v",
    "column health of templedb.run is gone": "ALTER TABLE templedb.run DROP COLUMN health",
    "column heartbeat of templedb.lock is gone": "ALTER TABLE templedb.lock DROP COLUMN heartbeat",
}
ENTRIES = "SELECT key, state, attempt_id, run_seq FROM templedb.migration ORDER BY run_seq"


@pytest.mark.parametrize("told", LEFT)
def test_ledger_without_a_part_is_refused_and_made_whole_when_its_rows_are_there(
    shop: Shop, told: str
) -> None:
    shop.run()
    before = shop.pg.query(ENTRIES)
    shop.pg.query(LEFT[told])
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    refused = shop.run(code=78).text
    assert f"has a damaged ledger: {told}" in refused
    assert "templedb migration restore-ledger --target staging --reason WHY" in refused
    assert told in restore(shop)
    assert shop.pg.query(ENTRIES) == before
    assert "1 migration applied" in shop.run().out
    ((newest,),) = shop.pg.query("SELECT max(run_seq) FROM templedb.migration WHERE key LIKE '%3%'")
    assert newest > max(row[3] for row in before)
    assert "has every row" in restore(shop, code=64)


@pytest.mark.parametrize("told", READ)
def test_ledger_that_cannot_be_read_is_restored_from_the_copy_when_a_column_is_gone(
    shop: Shop, told: str
) -> None:
    shop.run()
    before = shop.pg.query(ENTRIES)
    shop.pg.query(READ[told])
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    refused = shop.run(code=78).text
    assert f"has a damaged ledger: {told}" in refused
    assert "has a ledger that cannot be read, and 2 migrations were applied" in refused
    assert "templedb migration restore-ledger --target staging --reason WHY" in refused
    for words in (
        ("migration", "status", "app"),
        ("drift", "check", "app"),
        ("lock", "show", "app"),
    ):
        assert "42703" not in shop.terminal(*words, code=None).text
    restore(shop)
    assert shop.pg.query(ENTRIES) == before
    assert "1 migration applied" in shop.run().out


def test_nothing_of_a_damaged_table_is_dropped_when_it_is_made_again(shop: Shop) -> None:
    shop.run()
    shop.pg.query("ALTER TABLE templedb.migration DROP COLUMN state")
    restore(shop)
    shop.pg.query("ALTER TABLE templedb.event DROP COLUMN happened_at")
    restore(shop)
    assert shop.pg.query("SELECT count(*) > 1 FROM templedb.event_damaged") == [(True,)]
    assert "added outside" not in shop.run().text
    kept = shop.pg.query("SELECT count(*) FROM templedb.migration_damaged WHERE sql <> ''")
    assert kept == [(2,)]


def test_approvals_do_not_count_again_when_the_column_that_uses_them_up_was_lost(
    shop: Shop,
) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")
    shop.run(code=20)
    made = shop.terminal("sql", "SELECT id FROM plans ORDER BY made_at DESC", "--json")
    shop.approve(made.json[-1]["rows"][0][0])
    shop.run()
    assert shop.pg.query("SELECT count(*) FROM templedb.approval") == [(1,)]
    shop.pg.query("ALTER TABLE templedb.approval DROP COLUMN used_by")
    restore(shop, code=20)
    made = shop.terminal("sql", "SELECT id FROM plans ORDER BY made_at DESC", "--json")
    shop.approve(made.json[-1]["rows"][0][0])
    restore(shop)
    assert shop.pg.query("SELECT count(*) FROM templedb.approval_damaged") == [(1,)]
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    shop.run(code=20)


def test_ledger_without_an_index_is_only_a_warning(shop: Shop) -> None:
    shop.run()
    shop.pg.query("DROP INDEX templedb.command_open")
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    assert "index templedb.command_open is gone" in shop.run().text
    restore(shop)
    shop.migration("004.sql", "CREATE TABLE four (id int);")
    assert "damaged ledger" not in shop.run().text


def test_doubled_rows_are_named_when_no_key_can_be_made_again(shop: Shop) -> None:
    shop.run()
    shop.pg.query("ALTER TABLE templedb.migration DROP CONSTRAINT migration_pkey")
    shop.pg.query("CREATE TABLE other AS SELECT * FROM templedb.migration")
    shop.pg.query("UPDATE other SET state = 'failed', step_done = 0")
    shop.pg.query("INSERT INTO templedb.migration SELECT * FROM other")
    said = restore(shop, code=69)
    assert "the ledger has rows that it cannot have" in said
    assert "migrations/001_users.sql" in said
    assert "DELETE FROM templedb.TABLE WHERE ctid = " in said


def test_each_row_stays_once_when_somebody_wrote_all_of_them_twice(shop: Shop) -> None:
    shop.run()
    before = shop.pg.query(ENTRIES)
    for table in ("migration", "run", "meta"):
        shop.pg.query(f"ALTER TABLE templedb.{table} DROP CONSTRAINT {table}_pkey")
        shop.pg.query(f"INSERT INTO templedb.{table} SELECT * FROM templedb.{table}")
    restore(shop)
    assert shop.pg.query(ENTRIES) == before
    assert "no migration was pending" in shop.run().out


def test_state_without_a_copy_makes_parts_again_and_no_rows(shop: Shop) -> None:
    shop.run()
    shop.pg.query("ALTER TABLE templedb.migration DROP COLUMN checksum")
    another_state(shop)
    said = restore(shop, code=64)
    assert "this state does not know what ran there" in said
    assert shop.pg.query("SELECT to_regclass('templedb.migration_damaged')") == [(None,)]


def test_ledger_of_this_version_has_every_part(shop: Shop) -> None:
    shop.run()
    assert "damaged" not in shop.run().text
    parts = declared(ddl())
    assert set(parts.sequences) == {"migration_seq"}
    assert parts.indexes == {
        "run_by_project": "run",
        "command_open": "command",
        "approval_of": "approval",
    }
    columns = shop.pg.query(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'templedb'"
    )
    assert {(t, c) for t, each in parts.tables.items() for c in each.columns} == set(columns)


def test_trigger_on_the_ledger_is_refused_with_the_command_that_drops_it(shop: Shop) -> None:
    shop.run()
    shop.pg.query(
        "CREATE FUNCTION drops() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    shop.pg.query(
        'CREATE TRIGGER "Audit" BEFORE INSERT ON templedb.migration'
        " FOR EACH ROW EXECUTE FUNCTION drops()"
    )
    said = shop.run(code=69).text
    assert 'DROP TRIGGER "Audit" ON templedb.migration' in said


def test_file_is_not_blamed_when_the_role_may_not_write_the_ledger(shop: Shop) -> None:
    shop.run()
    role = shop.pg.role
    shop.pg.query("ALTER TABLE templedb.migration OWNER TO CURRENT_USER")
    shop.pg.query(f"GRANT SELECT, UPDATE ON templedb.migration TO {role}")
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    said = shop.run(code=10).text
    assert "permission denied for table migration" in said
    assert "templedb target ledger-sql --role ROLE" in said
    assert "fix migrations/003.sql" not in said


CHANGED = {
    "column checksum of templedb.migration is of type character varying(70), not text": (
        "ALTER TABLE templedb.migration ALTER checksum TYPE varchar(70)"
    ),
    "column step_done of templedb.migration is of type text, not integer": (
        "ALTER TABLE templedb.migration ALTER step_done TYPE text"
    ),
    "column run_seq of templedb.migration is of type text, not bigint": (
        "ALTER TABLE templedb.migration ALTER run_seq DROP DEFAULT, ALTER run_seq TYPE text"
    ),
    "column finished_at of templedb.migration is of type text": (
        "ALTER TABLE templedb.migration ALTER finished_at TYPE text"
    ),
    "column detail of templedb.event is of type text, not jsonb": (
        "ALTER TABLE templedb.event ALTER detail DROP DEFAULT, ALTER detail TYPE text"
    ),
    "column id of templedb.event is of type smallint, not bigint": (
        "ALTER TABLE templedb.event ALTER id TYPE smallint"
    ),
    "column exit_code of templedb.run is of type boolean, not integer": (
        "ALTER TABLE templedb.run ALTER exit_code TYPE boolean USING false"
    ),
    "column message of templedb.run is of type short, not text": (
        "CREATE DOMAIN short AS text CHECK (length(value) < 9);"
        " ALTER TABLE templedb.run ALTER message TYPE short"
    ),
    "column message of templedb.run is generated": (
        "ALTER TABLE templedb.run DROP COLUMN message,"
        " ADD COLUMN message text GENERATED ALWAYS AS ('x') STORED"
    ),
    "column scope of templedb.migration has another default than templedb's": (
        "ALTER TABLE templedb.migration ALTER scope SET DEFAULT 'other'"
    ),
    "column happened_at of templedb.event has another default than templedb's": (
        "ALTER TABLE templedb.event ALTER happened_at SET DEFAULT '1970-01-01'"
    ),
    "column tenant of templedb.command may not be empty, but runs leave it empty": (
        "ALTER TABLE templedb.command ADD tenant text NOT NULL"
    ),
    "column finished_at of templedb.run may not be empty, but runs leave it empty": (
        "ALTER TABLE templedb.run ALTER finished_at SET NOT NULL"
    ),
    "templedb.migration has a constraint that is not templedb's: no_third": (
        "ALTER TABLE templedb.migration ADD CONSTRAINT no_third CHECK (key NOT LIKE '%003%')"
    ),
    "templedb.run has a constraint that is not templedb's: once": (
        "ALTER TABLE templedb.run ADD CONSTRAINT once UNIQUE (project)"
    ),
    "templedb.run has a constraint that is not templedb's: elsewhere": (
        "CREATE TABLE known (p text PRIMARY KEY); ALTER TABLE templedb.run ADD CONSTRAINT elsewhere"
        " FOREIGN KEY (project) REFERENCES known NOT VALID"
    ),
    "templedb.run has a unique index that is not templedb's: Odd": (
        'CREATE UNIQUE INDEX "Odd" ON templedb.run (project)'
    ),
    "row security hides rows of templedb.migration": (
        "ALTER TABLE templedb.migration ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    ),
    "sequence templedb.migration_seq no longer counts up by one": (
        "ALTER SEQUENCE templedb.migration_seq MAXVALUE 2"
    ),
    "sequence templedb.event_id_seq no longer counts up by one": (
        "ALTER TABLE templedb.event ALTER id SET INCREMENT -1 SET MINVALUE -9"
    ),
    "templedb.migration is a view, not a table": (
        "ALTER TABLE templedb.migration RENAME TO m2;"
        " CREATE VIEW templedb.migration AS TABLE templedb.m2"
    ),
    "templedb.run is a materialized view, not a table": (
        "ALTER TABLE templedb.run RENAME TO r2;"
        " CREATE MATERIALIZED VIEW templedb.run AS TABLE templedb.r2"
    ),
    "templedb.migration is a partitioned table, not a table": (
        "ALTER TABLE templedb.migration RENAME TO m2; CREATE TABLE templedb.migration"
        " (LIKE templedb.m2 INCLUDING ALL) PARTITION BY LIST (project);"
        " ALTER TABLE templedb.migration ATTACH PARTITION templedb.m2 DEFAULT"
    ),
    "templedb.event is a view, not a table": (
        "ALTER TABLE templedb.event RENAME TO e2; CREATE VIEW templedb.event AS TABLE templedb.e2"
    ),
    "the row of migrations/001_users.sql in templedb.migration cannot be read: its kind is odd": (
        "UPDATE templedb.migration SET kind = 'odd' WHERE key LIKE '%001%'"
    ),
}


@pytest.mark.parametrize("told", CHANGED)
def test_ledger_is_refused_and_made_whole_when_a_part_of_it_is_another_one(
    shop: Shop, told: str
) -> None:
    shop.run()
    before = shop.pg.query(ENTRIES)
    shop.pg.query(f"SET ROLE {shop.pg.role}; {CHANGED[told]}")
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    refused = shop.run(code=78).text
    assert told in refused
    assert "templedb migration restore-ledger --target staging --reason WHY" in refused
    assert "three" not in shop.pg.tables()
    shop.terminal("migration", "status", "app")
    restore(shop)
    assert shop.pg.query(ENTRIES) == before
    said = shop.run().text
    assert "1 migration applied" in said
    assert "damaged ledger" not in said
    assert "no migration was pending" in shop.run().out
    numbers = shop.pg.query("SELECT array_agg(run_seq ORDER BY started_at) FROM templedb.migration")
    assert numbers[0][0] == sorted(numbers[0][0])
    assert "has every row" in restore(shop, code=64)


def test_row_without_a_state_is_restored_and_its_column_is_mended_next(shop: Shop) -> None:
    shop.run()
    before = shop.pg.query(ENTRIES)
    shop.pg.query("ALTER TABLE templedb.migration ALTER state DROP NOT NULL")
    shop.pg.query("UPDATE templedb.migration SET state = NULL WHERE key LIKE '%001%'")
    assert "001_users.sql in templedb.migration cannot be read: its state" in shop.run(code=78).text
    restore(shop)
    assert shop.pg.query(ENTRIES) == before
    assert "column state of templedb.migration may be empty" in shop.run().text
    restore(shop)
    assert "may be empty" not in shop.run().text


def test_rows_are_restored_when_somebody_lowered_their_numbers(shop: Shop) -> None:
    shop.run()
    before = shop.pg.query(ENTRIES)
    shop.pg.query("UPDATE templedb.migration SET run_seq = -run_seq")
    said = shop.run(code=78).text
    assert "has a ledger that somebody edited" in said
    assert "migrations/001_users.sql: its row has a lower run_seq" in said
    restore(shop)
    assert shop.pg.query(ENTRIES) == before
    assert "no migration was pending" in shop.run().out


UNSURE = {
    "templedb.migration is unlogged: a crash of the server would empty it": (
        "ALTER TABLE templedb.migration SET UNLOGGED"
    ),
    "column file of templedb.migration may be empty": (
        "ALTER TABLE templedb.migration ALTER file DROP NOT NULL"
    ),
}


@pytest.mark.parametrize("told", UNSURE)
def test_ledger_is_only_a_warning_when_runs_can_do_without_the_part(shop: Shop, told: str) -> None:
    shop.run()
    shop.pg.query(UNSURE[told])
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    assert told in shop.run().text
    restore(shop)
    shop.migration("004.sql", "CREATE TABLE four (id int);")
    assert "damaged ledger" not in shop.run().text


def test_row_that_cannot_be_read_is_left_to_people_when_the_state_has_no_copy(shop: Shop) -> None:
    shop.run()
    shop.pg.query("UPDATE templedb.migration SET kind = 'odd' WHERE key LIKE '%001%'")
    another_state(shop)
    assert "its kind is odd" in shop.run(code=78).text
    said = restore(shop, code=64)
    assert "this state has no copy" in said
    assert "correct or delete them in table templedb.migration" in said


def test_format_that_is_no_number_is_named_when_somebody_wrote_it(shop: Shop) -> None:
    shop.run()
    shop.pg.query("UPDATE templedb.meta SET v = 'four' WHERE k = 'format'")
    said = shop.run(code=69).text
    assert "the fact format of the ledger cannot be read" in said
    assert "correct or delete that row of table templedb.meta" in said


@pytest.mark.parametrize(
    ("damage", "counted"),
    [
        ("event DROP COLUMN happened_at", "event"),
        ("event DROP COLUMN detail", "event"),
        ("run DROP COLUMN target", "run"),
        ("run DROP COLUMN started_at", "run"),
        ("run ALTER exit_code TYPE text USING 'x'", "run"),
    ],
)
def test_rows_are_copied_back_when_a_table_beside_migrations_lost_a_column(
    shop: Shop, damage: str, counted: str
) -> None:
    shop.run()
    ids = f"SELECT count(*) FROM templedb.{counted}"
    ((before,),) = shop.pg.query(ids)
    shop.pg.query(f"ALTER TABLE templedb.{damage}")
    restore(shop)
    ((after,),) = shop.pg.query(ids)
    assert after > before
    assert shop.pg.query(f"SELECT count(*) FROM templedb.{counted}_damaged") == [(before,)]
    assert "no migration was pending" in shop.run().out


def test_row_that_may_be_there_is_not_called_gone_when_only_the_facts_are_gone(shop: Shop) -> None:
    shop.run()
    shop.pg.query("DROP TABLE templedb.meta")
    said = shop.run(code=78).text
    assert "001_users.sql: its row may be there, but the ledger cannot be read" in said
    assert "its row is gone" not in said


def test_ledger_is_not_touched_when_a_policy_is_made_that_is_not_in_force(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "CREATE POLICY p ON templedb.migration USING (false);")
    assert "1 migration applied" in shop.run().out


@pytest.fixture
def pair(shop: Shop) -> Shop:
    """Return a shop with a second project in the same database; both are deployed."""
    shop.run()
    shop.terminal.file("reports/migrations/001.sql", "CREATE TABLE sums (id int);")
    second_project(shop)
    shop.terminal("deploy", "run", "reports")
    return shop


def second_project(shop: Shop) -> None:
    shop.terminal("project", "import", "reports")
    shop.terminal.config(MIGRATIONS, project="reports")
    shop.terminal("target", "add", "reports", "staging")
    shop.terminal("env", "set", "reports", "DATABASE_URL", shop.pg.dsn, "--target", "staging")


def of_reports(shop: Shop) -> list[tuple[str, str]]:
    return shop.pg.query(
        "SELECT key, state FROM templedb.migration WHERE project = 'reports' ORDER BY run_seq"
    )


@pytest.mark.parametrize("column", ["sql", "applied_by", "file"])
def test_rows_of_another_project_are_copied_back_when_a_column_is_lost_that_proves_nothing(
    pair: Shop, column: str
) -> None:
    pair.pg.query(f"ALTER TABLE templedb.migration DROP COLUMN {column}")
    restore(pair)
    assert of_reports(pair) == [("migrations/001.sql", "applied")]
    pair.terminal.set(TEMPLEDB_STATE=str(pair.terminal.home / "other" / "state.duckdb"))
    second_project(pair)
    assert "no migration was pending" in pair.terminal("deploy", "run", "reports").out


@pytest.mark.parametrize("column", ["state", "checksum", "run_seq"])
def test_rows_of_another_project_are_in_doubt_when_a_column_is_lost_that_proves_their_state(
    pair: Shop, column: str
) -> None:
    """Missing, they would count as not applied in a state without a copy, and run again."""
    pair.pg.query(f"ALTER TABLE templedb.migration DROP COLUMN {column}")
    restore(pair)
    assert of_reports(pair) == [("migrations/001.sql", "in_doubt")]
    own = pair.terminal.environ["TEMPLEDB_STATE"]
    pair.terminal.set(TEMPLEDB_STATE=str(pair.terminal.home / "other" / "state.duckdb"))
    second_project(pair)
    said = pair.terminal("deploy", "run", "reports", code=13)
    assert "a part of its row was lost" in said.text
    pair.terminal.set(TEMPLEDB_STATE=own)
    pair.terminal("migration", "restore-ledger", "reports", "--reason", "the other one damaged it")
    assert of_reports(pair) == [("migrations/001.sql", "applied")]
    assert "no migration was pending" in pair.terminal("deploy", "run", "reports").out


@pytest.mark.parametrize(("column", "state"), [("sql", "applied"), ("state", "in_doubt")])
def test_migration_of_another_state_does_not_run_again_when_this_state_has_no_copy_of_its_row(
    shop: Shop, column: str, state: str
) -> None:
    shop.run()
    own = shop.terminal.environ["TEMPLEDB_STATE"]
    shop.migration("003.sql", "CREATE TABLE three (id int);\nINSERT INTO orders VALUES (3);")
    another_state(shop)
    shop.run()
    shop.pg.query(f"ALTER TABLE templedb.migration DROP COLUMN {column}")
    shop.terminal.set(TEMPLEDB_STATE=own)
    restore(shop)
    assert shop.pg.query("SELECT key, state FROM templedb.migration ORDER BY key") == [
        ("migrations/001_users.sql", "applied"),
        ("migrations/002_orders.sql", "applied"),
        ("migrations/003.sql", state),
    ]
    shop.run(code=0 if state == "applied" else 13)
    assert shop.pg.query("SELECT count(*) FROM orders WHERE id = 3") == [(1,)]
