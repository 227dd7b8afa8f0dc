"""Drift: what somebody else changed is told, object by object; what runs made is not."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from templedb_nb.core.catalog.drift import compare
from templedb_nb.model.drift import ChangeKind
from tests import former, postgres
from tests.conftest import MIGRATIONS, Database, Shop, Terminal, databases

EVERYTHING = """
CREATE SCHEMA store;
CREATE TYPE store.mood AS ENUM ('glad', 'sad');
CREATE DOMAIN store.price AS numeric(10, 2) CHECK (VALUE >= 0);
CREATE TYPE store.pair AS (a int, b text);
CREATE SEQUENCE store.numbers;
CREATE TABLE store.users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood store.mood);
CREATE TABLE store.orders (id bigserial, user_id int REFERENCES store.users, total store.price DEFAULT 0,
  at date NOT NULL, CONSTRAINT sane CHECK (at > '2000-01-01')) PARTITION BY RANGE (at);
CREATE TABLE store.orders_2026 PARTITION OF store.orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX orders_at ON store.orders (at);
CREATE VIEW store.rich AS SELECT * FROM store.orders WHERE total > 100;
CREATE MATERIALIZED VIEW store.sums AS SELECT user_id, sum(total) FROM store.orders GROUP BY 1;
CREATE FUNCTION store.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
CREATE FUNCTION store.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER stamped BEFORE INSERT ON store.users FOR EACH ROW EXECUTE FUNCTION store.stamp();
ALTER TABLE store.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON store.users FOR SELECT USING (name = current_user);
CREATE STATISTICS store.paired ON user_id, at FROM store.orders;
"""


@pytest.fixture
def store(shop: Shop) -> Shop:
    shop.migration("003_everything.sql", EVERYTHING)
    shop.run()
    return shop


def by_hand(shop: Shop, sql: str) -> None:
    with psycopg.connect(shop.pg.dsn, autocommit=True) as connection:
        for statement in sql.split(";;"):
            connection.execute(statement.encode())


def found(shop: Shop, *words: str, code: int = 0) -> list[tuple[str, str]]:
    said = shop.terminal(
        "drift", "check", "app", "--target", "staging", *words, "--json", code=code
    )
    return [(row["change"]["kind"], row["change"]["name"]) for row in said.json[-1]["rows"]]


def test_drift_check_finds_nothing_when_runs_made_every_change(store: Shop) -> None:
    assert found(store) == []
    store.migration(
        "004_more.sql", "ALTER TABLE store.users ADD COLUMN age int;\nDROP VIEW store.rich;\n"
    )
    store.run()
    assert found(store) == []
    assert "drift" not in store.run("--dry-run").out


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("ALTER TABLE store.users ADD COLUMN x int", ("changed", "table store.users")),
        ("ALTER TABLE store.users ALTER COLUMN name DROP NOT NULL", ("changed", "table store.users")),
        ("ALTER TABLE store.orders ALTER COLUMN total SET DEFAULT 1", ("changed", "table store.orders")),
        ("ALTER TABLE store.users DISABLE ROW LEVEL SECURITY", ("changed", "table store.users")),
        ("GRANT SELECT ON store.users TO public", ("changed", "table store.users")),
        ("ALTER TABLE store.users SET (fillfactor = 70)", ("changed", "table store.users")),
        ("CREATE TABLE store.mine ()", ("added", "table store.mine")),
        ("CREATE INDEX by_name ON store.users (name)", ("added", "index store.by_name")),
        ("ALTER TABLE store.orders DROP CONSTRAINT sane", ("removed", "constraint sane on store.orders")),
        ("ALTER TABLE store.users ADD UNIQUE (name)", ("added", "constraint users_name_key on store.users")),
        ("DROP VIEW store.rich", ("removed", "view store.rich")),
        ("CREATE OR REPLACE VIEW store.rich AS SELECT * FROM store.orders WHERE total > 9", ("changed", "view store.rich")),
        ("DROP MATERIALIZED VIEW store.sums", ("removed", "materialized view store.sums")),
        ("CREATE OR REPLACE FUNCTION store.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n + n'", ("changed", "function store.twice(n integer)")),
        ("ALTER TABLE store.users DISABLE TRIGGER stamped", ("changed", "trigger stamped on store.users")),
        ("ALTER SEQUENCE store.numbers INCREMENT 2", ("changed", "sequence store.numbers")),
        ("ALTER TYPE store.mood ADD VALUE 'calm'", ("changed", "type store.mood")),
        ("ALTER DOMAIN store.price DROP CONSTRAINT price_check", ("changed", "domain store.price")),
        ("ALTER TYPE store.pair ADD ATTRIBUTE c int", ("changed", "type store.pair")),
        ("ALTER POLICY own ON store.users USING (true)", ("changed", "policy own on store.users")),
        ("CREATE RULE quiet AS ON DELETE TO store.users DO INSTEAD NOTHING", ("added", "rule quiet on store.users")),
        ("DROP STATISTICS store.paired", ("removed", "statistics store.paired")),
        ("CREATE SCHEMA other", ("added", "schema other")),
    ],
)  # fmt: skip
def test_drift_check_names_object_and_change_when_each_kind_of_object_is_changed_by_hand(
    store: Shop, sql: str, told: tuple[str, str]
) -> None:
    by_hand(store, sql)
    assert told in found(store)
    assert len(found(store)) <= 2  # an index of a constraint, a partition with its table


@pytest.mark.parametrize(
    "sql",
    [
        "VACUUM ANALYZE",
        "SELECT nextval('store.numbers')",
        "INSERT INTO store.users (name) VALUES ('a')",
        "REFRESH MATERIALIZED VIEW store.sums",
        "CREATE TEMP TABLE mine (id int)",
        "REINDEX TABLE store.users",
        "SET search_path = store",
    ],
)
def test_drift_check_finds_nothing_when_the_database_is_only_used(store: Shop, sql: str) -> None:
    by_hand(store, sql)
    assert found(store) == []


def test_change_is_shown_by_line_and_in_the_plan_when_a_table_is_altered_by_hand(
    store: Shop,
) -> None:
    by_hand(store, "ALTER TABLE store.orders ALTER COLUMN total SET DEFAULT 9")
    said = store.terminal("drift", "check", "app", "--target", "staging").out
    lines = [line.strip() for line in said.splitlines()]
    assert "~ table store.orders  changed" in lines
    assert "-  total store.price DEFAULT 0" in lines
    assert "+  total store.price DEFAULT 9" in lines
    store.migration("004.sql", "SELECT 1;")
    planned = store.run("--dry-run").out
    assert "table store.orders was changed outside of templedb" in planned
    assert "templedb drift check --target staging" in planned


def test_drift_is_reported_when_nobody_has_accepted_it_yet(store: Shop) -> None:
    by_hand(store, "CREATE TABLE store.mine ()")
    store.migration("004.sql", "CREATE TABLE store.ours ();")
    store.run()
    assert found(store) == [("added", "table store.mine")]
    accepted = store.terminal(
        "drift", "accept", "app", "--target", "staging", "--reason", "support made it"
    )
    assert "added table store.mine" in accepted.out
    assert found(store) == []
    events = store.pg.query("SELECT detail FROM templedb.event WHERE what = 'accept-drift'")
    assert events[0][0]["reason"] == "support made it"
    by_hand(store, "DROP TABLE store.mine")
    assert found(store) == [("removed", "table store.mine")]


def test_run_is_refused_when_the_target_blocks_drift_and_a_table_was_added(store: Shop) -> None:
    store.terminal("target", "update", "app", "staging", "--drift", "block")
    store.migration("004.sql", "CREATE TABLE store.ours ();")
    by_hand(store, "CREATE TABLE store.mine ()")
    refused = store.run(code=78)
    assert "table store.mine was added outside of templedb" in refused.err
    assert "drift accept" in refused.err
    assert found(store, code=78) == [("added", "table store.mine")]
    by_hand(store, "DROP TABLE store.mine")
    store.run()


def test_plan_is_refused_under_the_lock_when_drift_came_after_planning(store: Shop) -> None:
    store.terminal("target", "update", "app", "staging", "--drift", "block")
    store.migration("004.sql", "CREATE TABLE store.ours ();")
    bundle = store.terminal.home / "plan.templedb"
    store.terminal("deploy", "plan", "app", "--target", "staging", "--out", str(bundle))
    by_hand(store, "CREATE TABLE store.mine ()")
    refused = store.terminal("deploy", "run", "--plan", str(bundle), code=78)
    assert "store.mine" in refused.err
    assert "migrations/004.sql" not in store.pg.applied()


def test_plan_is_made_when_another_session_locks_a_table(shop: Shop) -> None:
    """The size of a table is asked under a lock, which an ALTER TABLE of others excludes."""
    shop.migration("003.sql", "CREATE TABLE plain (a int);")
    shop.run()
    shop.migration("004.sql", "ALTER TABLE plain ALTER COLUMN a SET NOT NULL;")
    with psycopg.connect(shop.pg.dsn) as holder:
        holder.execute("LOCK TABLE plain")
        planned = shop.terminal("deploy", "plan", "app", "--target", "staging")
    assert "migrations/004.sql" in planned.out


def test_foreign_lock_stops_the_run_only_when_the_target_blocks_drift(store: Shop) -> None:
    store.migration("004.sql", "CREATE TABLE store.ours ();")
    with psycopg.connect(store.pg.dsn) as holder:
        holder.execute("LOCK TABLE store.rich")
        planned = store.terminal("deploy", "plan", "app", "--target", "staging")
        assert "the objects could not be read" in planned.out
        store.run()
        assert "migrations/004.sql" in store.pg.applied()
        store.migration("005.sql", "CREATE TABLE store.more ();")
        store.terminal("target", "update", "app", "staging", "--drift", "block")
        refused = store.run(code=69)
    assert "another session holds a lock on it" in refused.err
    assert "migrations/005.sql" not in store.pg.applied()
    checked = store.terminal("drift", "check", "app", "--target", "staging", code=78)
    assert "could not record the objects" in checked.out
    store.terminal("drift", "accept", "app", "--target", "staging", "--reason", "004 made it")
    store.run()
    assert found(store) == []


def test_drift_check_names_the_lock_holder_when_another_session_locks_a_view(store: Shop) -> None:
    with psycopg.connect(store.pg.dsn) as holder:
        holder.execute("LOCK TABLE store.rich")
        said = store.terminal("drift", "check", "app", "--target", "staging", code=69)
    assert "lock timeout" in said.err
    assert "another session holds a lock on it" in said.err
    (query,) = (line for line in said.err.splitlines() if "SELECT pid" in line)
    with psycopg.connect(store.pg.dsn) as holder:
        holder.execute("LOCK TABLE store.rich")
        asked = holder.execute(query[query.index("SELECT pid") :].encode()).fetchall()
        assert holder.info.backend_pid in {row[0] for row in asked}


def test_run_reports_no_drift_and_the_next_check_knows_the_gap_when_drift_is_off(
    store: Shop,
) -> None:
    store.terminal("target", "update", "app", "staging", "--drift", "off", "--reason", "noisy")
    store.migration("004.sql", "CREATE TABLE store.ours ();")
    by_hand(store, "CREATE TABLE store.mine ()")
    assert "no run of ours" not in store.run().all
    store.terminal("target", "update", "app", "staging", "--drift", "warn")
    said = store.terminal("drift", "check", "app", "--target", "staging").out
    assert "a run was interrupted" in said
    assert found(store) == []


def test_strict_drift_check_ends_with_an_error_when_drift_is_found(store: Shop) -> None:
    assert found(store, "--strict") == []
    by_hand(store, "CREATE TABLE store.mine ()")
    assert found(store, "--strict", code=78) == [("added", "table store.mine")]


def test_drift_check_has_nothing_to_compare_when_no_run_was_made_yet(shop: Shop) -> None:
    said = shop.terminal("drift", "check", "app", "--target", "staging").out
    assert "nothing to compare with yet" in said
    assert (
        "run"
        in shop.terminal(
            "drift", "accept", "app", "--target", "staging", "--reason", "x", code=64
        ).err
    )


# --- crashes, copies, neighbours ----------------------------------------------------------------


def test_run_changes_are_not_reported_as_drift_when_the_run_was_killed(store: Shop) -> None:
    store.migration("004.sql", "CREATE TABLE store.ours ();")
    store.terminal.set(TEMPLEDB_FAILPOINT="run.before-end:kill9")
    process = store.terminal.process("deploy", "run", "app", "--target", "staging")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    store.terminal.unset("TEMPLEDB_FAILPOINT")
    assert "migrations/004.sql" in store.pg.applied()
    said = store.terminal("drift", "check", "app", "--target", "staging").out
    assert "a run was interrupted" in said
    assert found(store) == []
    store.migration("005.sql", "CREATE TABLE store.last ();")
    store.run()
    assert found(store) == []
    by_hand(store, "DROP TABLE store.ours")
    assert found(store) == [("removed", "table store.ours")]


def test_failed_run_leaves_no_drift_when_a_later_migration_fails(store: Shop) -> None:
    store.migration("004.sql", "CREATE TABLE store.ours ();")
    store.migration("005.sql", "SELECT nonsense;")
    store.run(code=12)
    assert found(store) == []


def test_ledger_marks_cause_no_drift_when_a_migration_is_marked_applied_or_reverted(
    store: Shop,
) -> None:
    file = store.migration("004.sql", "SELECT 1;")
    store.terminal(
        "migration", "mark-applied", "app", file, "--target", "staging", "--reason", "done"
    )
    assert found(store) == []
    by_hand(store, "CREATE TABLE store.mine ()")
    store.terminal(
        "migration", "mark-reverted", "app", file, "--target", "staging", "--reason", "not"
    )
    assert found(store) == [("added", "table store.mine")]


def test_migration_down_causes_no_drift_when_the_migration_was_applied_by_a_run(
    store: Shop,
) -> None:
    store.migration(
        "004.sql", "CREATE TABLE store.ours ();\n-- templedb:down\nDROP TABLE store.ours;\n"
    )
    store.run()
    store.terminal(
        "migration", "down", "app", "--steps", "1", "--target", "staging", "--reason", "no"
    )
    assert found(store) == []


def test_project_sees_no_drift_when_another_project_deploys_to_the_same_database(
    store: Shop, terminal: Terminal
) -> None:
    terminal.files("second")
    terminal.file("second/migrations/1.sql", "CREATE TABLE store.theirs ();")
    terminal("project", "import", "second")
    terminal.config(MIGRATIONS, project="second")
    terminal("target", "add", "second", "staging")
    terminal("env", "set", "second", "DATABASE_URL", store.pg.dsn, "--target", "staging")
    terminal("deploy", "run", "second", "--target", "staging")
    assert found(store) == []


@pytest.fixture
def other(server: postgres.Server) -> Iterator[Database]:
    yield from databases(server)


def test_database_copy_differs_at_most_in_its_public_schema_when_restored_from_a_dump(
    store: Shop, other: Database
) -> None:
    store.terminal("target", "add", "app", "copy")
    store.terminal("env", "set", "app", "DATABASE_URL", other.dsn, "--target", "copy")
    with psycopg.connect(other.server.admin, autocommit=True) as admin:
        admin.execute(f"GRANT {store.pg.role} TO {other.role}".encode())
    dumped = subprocess.run(["pg_dump", "-d", store.pg.dsn], capture_output=True, check=True)
    subprocess.run(
        ["psql", "-X", "-q", "-d", other.server.database(other.name)],
        input=dumped.stdout,
        check=True,
        capture_output=True,
    )
    store.terminal("target", "rebind", "app", "copy", "--reason", "a rehearsal")
    said = store.terminal("drift", "check", "app", "--target", "copy", "--json").json[-1]
    assert {row["change"]["name"] for row in said["rows"]} <= {"schema public"}
    assert (
        store.terminal(
            "drift", "diff", "app", "--target", "staging", "--against", "copy", "--json"
        ).json[-1]["rows"]
        == said["rows"]
    )


def test_drift_diff_compares_object_by_object_when_two_targets_are_given(
    store: Shop, other: Database
) -> None:
    terminal = store.terminal
    terminal("target", "add", "app", "live")
    terminal("env", "set", "app", "DATABASE_URL", other.dsn, "--target", "live")
    terminal("deploy", "run", "app", "--target", "live")
    rows = terminal(
        "drift", "diff", "app", "--target", "staging", "--against", "live", "--json"
    ).json[-1]["rows"]
    texts = "".join(row["change"]["before"] + row["change"]["after"] for row in rows)
    assert all(store.pg.role in row["change"]["before"] for row in rows), texts
    by_hand(store, "CREATE TABLE store.mine ()")
    said = terminal("drift", "diff", "app", "--target", "live", "--against", "staging").out
    assert "+ table store.mine  added" in said
    assert (
        "itself"
        in terminal("drift", "diff", "app", "--target", "live", "--against", "live", code=64).err
    )


def test_drift_check_sees_foreign_objects_when_the_role_may_not_read_them(store: Shop) -> None:
    with psycopg.connect(store.pg.server.database(store.pg.name), autocommit=True) as admin:
        admin.execute(b"CREATE SCHEMA hidden")
        admin.execute(b"CREATE TABLE hidden.secrets (id int)")
    assert set(found(store)) == {("added", "schema hidden"), ("added", "table hidden.secrets")}


def test_drift_diff_compares_duckdb_files_when_two_targets_are_files(terminal: Terminal) -> None:
    terminal.files("app")
    terminal.file("app/migrations/1.sql", "CREATE TABLE t (id int);")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    for name in ("one", "two"):
        terminal("target", "add", "app", name)
        terminal(
            "env",
            "set",
            "app",
            "DATABASE_URL",
            f"duckdb:{terminal.home}/{name}.duckdb",
            "--target",
            name,
        )
    terminal("deploy", "run", "app", "--target", "one")
    said = terminal("drift", "diff", "app", "--target", "one", "--against", "two").out
    assert "- table main.t  removed" in said


def test_compare_names_exactly_the_removed_changed_and_added_objects() -> None:
    changes = compare({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"})
    assert [(each.name, each.kind) for each in changes] == [
        ("a", ChangeKind.REMOVED), ("b", ChangeKind.CHANGED), ("d", ChangeKind.ADDED),
    ]  # fmt: skip


def test_former_ledger_records_objects_when_the_next_run_upgrades_it(store: Shop) -> None:
    former.demote(store.pg, 2, owner=store.pg.role)
    store.pg.query("DELETE FROM templedb.meta WHERE k = 'objects'")
    assert (
        "nothing to compare with yet"
        in store.terminal("drift", "check", "app", "--target", "staging").out
    )
    store.migration("004.sql", "SELECT 1;")
    store.run()
    assert found(store) == []
    assert store.pg.query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]


def test_server_options_are_never_kept_when_drift_with_a_password_option_is_accepted(
    store: Shop,
) -> None:
    """Options of foreign servers and user mappings may be passwords."""
    with psycopg.connect(store.pg.server.database(store.pg.name), autocommit=True) as admin:
        admin.execute(b"CREATE FOREIGN DATA WRAPPER far")
        admin.execute(b"CREATE SERVER away FOREIGN DATA WRAPPER far OPTIONS (password 'hush-hush')")
        admin.execute(b"CREATE USER MAPPING FOR public SERVER away OPTIONS (password 'hush-hush')")
    said = store.terminal("drift", "check", "app", "--target", "staging").out
    assert "server away" in said
    store.terminal("drift", "accept", "app", "--target", "staging", "--reason", "ours")
    assert store.pg.query("SELECT 1 FROM templedb.object WHERE definition ~ 'hush'") == []
    assert not re.search("hush", said)
