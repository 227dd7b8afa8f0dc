"""What a database is compared with: which runs keep it, which leave it, and who worded it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg
import pytest

from tests.conftest import MIGRATIONS, Said, Shop, Terminal

MINE = ("changed", "table public.users")
BAD = "SELECT nope;"


@pytest.fixture
def deployed(shop: Shop) -> Shop:
    shop.run()
    shop.terminal("target", "update", "app", "staging", "--drift", "block")
    return shop


def by_hand(shop: Shop, sql: str = "ALTER TABLE users ADD COLUMN mine int") -> None:
    with psycopg.connect(shop.pg.dsn, autocommit=True) as connection:
        connection.execute(sql.encode())


def check(terminal: Terminal, target: str = "staging") -> Said:
    return terminal("drift", "check", "app", "--target", target, code=None)


def found(terminal: Terminal, target: str = "staging") -> list[tuple[str, str]]:
    """Return the changes; there must be a base that tells them."""
    said = terminal("drift", "check", "app", "--target", target, "--json", code=None).json[-1]
    assert said["notes"] == []
    return [(row["change"]["kind"], row["change"]["name"]) for row in said["rows"]]


@contextmanager
def waiting(shop: Shop, project: str = "app") -> Iterator[subprocess.Popen[str]]:
    """Run in a process of its own, up to where its migration waits for the advisory lock 42."""
    with psycopg.connect(shop.pg.server.database(shop.pg.name), autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(42)")
        process = shop.terminal.process("deploy", "run", project, "--target", "staging")
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted"
        end = time.monotonic() + 60
        while holder.execute(query).fetchone() == (0,):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
        yield process


def ended(process: subprocess.Popen[str]) -> int:
    said = process.communicate(timeout=60)
    print(*said)
    return process.returncode


PATIENT = "-- templedb:lock-timeout 60s\nSELECT pg_advisory_xact_lock(42);\n"


def killed(terminal: Terminal, place: str, *words: str) -> None:
    terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = terminal.process("deploy", "run", "app", *words)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    terminal.unset("TEMPLEDB_FAILPOINT")


# --- a run that changed nothing -----------------------------------------------------------------


@pytest.mark.parametrize("executor", ["native", "psql"])
@pytest.mark.parametrize("failures", [1, 3])
def test_drift_base_stays_when_a_failed_run_changed_nothing(
    deployed: Shop, executor: str, failures: int
) -> None:
    deployed.config(MIGRATIONS | {"executor": executor})
    deployed.migration("003.sql", BAD)
    for _ in range(failures):
        deployed.run(code=10)
        assert found(deployed.terminal) == []
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]
    deployed.migration("003.sql", "CREATE TABLE ours ();")
    refused = deployed.run(code=78)
    assert "table public.users was changed outside of templedb" in refused.err
    assert "ours" not in deployed.pg.tables()
    by_hand(deployed, "ALTER TABLE users DROP COLUMN mine")
    deployed.run()
    assert found(deployed.terminal) == []


def test_drift_base_stays_when_the_first_step_of_a_stepwise_file_fails(deployed: Shop) -> None:
    deployed.migration("003.sql", f"{BAD}\nCREATE INDEX CONCURRENTLY i ON users (id);\n")
    deployed.run(code=10)
    assert found(deployed.terminal) == []
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]


def test_committed_step_is_not_drift_but_a_foreign_change_is_when_a_later_step_fails(
    deployed: Shop,
) -> None:
    text = "CREATE INDEX CONCURRENTLY i ON users (id);\nSELECT nope;\n"
    deployed.migration("003.sql", text)
    deployed.run(code=12)
    assert found(deployed.terminal) == []
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]
    deployed.migration("003.sql", text.replace("SELECT nope", "SELECT 1"))
    deployed.run(code=78)


def test_foreign_change_stays_reported_when_made_between_two_failed_runs(deployed: Shop) -> None:
    deployed.terminal("target", "update", "app", "staging", "--drift", "warn", "--reason", "x")
    deployed.migration("003.sql", BAD)
    deployed.run(code=10)
    by_hand(deployed)
    deployed.run(code=10)
    by_hand(deployed, "CREATE TABLE theirs ()")
    assert found(deployed.terminal) == [("added", "table public.theirs"), MINE]
    deployed.migration("003.sql", "CREATE TABLE ours ();")
    deployed.run()
    assert found(deployed.terminal) == [("added", "table public.theirs"), MINE]


def test_foreign_change_is_reported_when_made_during_a_failing_run(deployed: Shop) -> None:
    deployed.migration("003.sql", PATIENT + BAD)
    with waiting(deployed) as process:
        by_hand(deployed)
    assert ended(process) == 10
    assert found(deployed.terminal) == [MINE]


def test_drift_base_stays_when_a_cancelled_run_changed_nothing(deployed: Shop) -> None:
    deployed.migration("003.sql", PATIENT)
    with waiting(deployed) as process:
        process.send_signal(signal.SIGINT)
        assert ended(process) == 130
    assert found(deployed.terminal) == []
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]


def test_drift_base_stays_when_a_migration_down_fails(deployed: Shop) -> None:
    deployed.migration(
        "003.sql", "CREATE TABLE ours ();\n-- templedb:down\nDROP TABLE ours;\nDROP TABLE nope;\n"
    )
    deployed.run()
    deployed.terminal("migration", "down", "app", "003", "--reason", "no", code=10)
    assert found(deployed.terminal) == []
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]


def test_drift_base_is_what_the_first_run_found_when_that_run_failed(shop: Shop) -> None:
    by_hand(shop, "CREATE TABLE before ()")
    shop.terminal("target", "update", "app", "staging", "--drift", "block")
    shop.migration("001_users.sql", BAD)
    shop.run(code=10)
    assert found(shop.terminal) == []
    by_hand(shop, "CREATE TABLE theirs ()")
    assert found(shop.terminal) == [("added", "table public.theirs")]
    shop.migration("001_users.sql", "CREATE TABLE users (id int);")
    assert "public.theirs was added" in shop.run(code=78).err


def test_command_changes_are_no_drift_when_the_command_failed(deployed: Shop) -> None:
    deployed.terminal("target", "update", "app", "staging", "--drift", "warn", "--reason", "x")
    command = 'psql "$DATABASE_URL" -qc "CREATE TABLE ours ()" && exit 3'
    deployed.config(MIGRATIONS, {"name": "more", "deploy_command": command})
    by_hand(deployed)
    deployed.run(code=12)
    assert "ours" in deployed.pg.tables()
    assert found(deployed.terminal) == [MINE]


def test_drift_base_stays_when_a_command_never_started(deployed: Shop) -> None:
    deployed.config(MIGRATIONS, {"name": "more", "deploy_command": "./gone.sh", "mutates": False})
    deployed.run(code=10)
    assert found(deployed.terminal) == []
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]


def test_drift_accept_takes_the_current_objects_when_a_run_failed_before(deployed: Shop) -> None:
    deployed.migration("003.sql", BAD)
    deployed.run(code=10)
    by_hand(deployed)
    deployed.terminal("drift", "accept", "app", "--target", "staging", "--reason", "ours now")
    assert found(deployed.terminal) == []
    deployed.run(code=10)
    assert "accepted by rosa: ours now" in check(deployed.terminal).out
    by_hand(deployed, "ALTER TABLE users DROP COLUMN mine")
    assert found(deployed.terminal) == [MINE]


# --- a run that died ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["run.begun", "step.started", "apply.begun", "apply.ran"])
def test_drift_base_stays_when_a_killed_run_left_nothing(deployed: Shop, place: str) -> None:
    deployed.migration("003.sql", "CREATE TABLE ours ();")
    killed(deployed.terminal, place)
    assert found(deployed.terminal) == []
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]
    assert "public.users was changed" in deployed.run("--lock-wait", "60s", code=78).err


def test_run_waits_for_drift_accept_when_drift_blocks_and_a_run_was_killed(deployed: Shop) -> None:
    """Nothing tells what the run made from what somebody made since."""
    deployed.migration("003.sql", "CREATE TABLE ours ();")
    killed(deployed.terminal, "run.before-end")
    by_hand(deployed)
    said = check(deployed.terminal)
    assert said.code == 78
    assert "a run was interrupted" in said.out
    assert "look at them before drift accept" in said.out
    assert {"+ table public.ours  added", "~ table public.users  changed"} <= set(
        said.out.splitlines()
    )
    for _ in range(2):
        said = deployed.run("--lock-wait", "60s", code=78)
        assert "table public.ours, table public.users changed" in said.err
        assert "drift accept" in said.err
    deployed.terminal("drift", "accept", "app", "--target", "staging", "--reason", "it may stay")
    deployed.migration("004.sql", "CREATE TABLE more ();")
    deployed.run()
    assert found(deployed.terminal) == []


def test_next_run_needs_no_drift_accept_when_a_killed_run_changed_no_object(deployed: Shop) -> None:
    deployed.migration("003.sql", "INSERT INTO users VALUES (9);")
    killed(deployed.terminal, "run.before-end")
    deployed.migration("004.sql", "CREATE TABLE more ();")
    deployed.run("--lock-wait", "60s")
    assert found(deployed.terminal) == []


def test_next_run_takes_over_and_records_what_it_meets_when_drift_warns_after_a_kill(
    deployed: Shop,
) -> None:
    change = ("--drift", "warn", "--reason", "x")
    deployed.terminal("target", "update", "app", "staging", *change)
    deployed.migration("003.sql", "CREATE TABLE ours ();")
    killed(deployed.terminal, "run.before-end")
    assert "a run was interrupted" in check(deployed.terminal).out
    deployed.migration("004.sql", BAD)
    deployed.run("--lock-wait", "60s", code=10)
    assert found(deployed.terminal) == []
    ((detail,),) = deployed.pg.query(
        "SELECT detail FROM templedb.event WHERE what = 'rebase-drift'"
    )
    assert detail["objects"] == ["table public.ours"]
    assert "was interrupted" in detail["reason"]
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]


# --- two projects -------------------------------------------------------------------------------


@pytest.fixture
def second(deployed: Shop) -> Shop:
    terminal = deployed.terminal
    terminal.files("second")
    terminal.file("second/migrations/1.sql", "CREATE TABLE first_of_second ();")
    terminal.file(
        "second/migrations/2.sql",
        f"-- templedb:no-transaction\n{PATIENT}CREATE TABLE second_of_second ();",
    )
    terminal("project", "import", "second")
    terminal.config(MIGRATIONS, project="second")
    terminal("target", "add", "second", "staging")
    terminal("env", "set", "second", "DATABASE_URL", deployed.pg.dsn, "--target", "staging")
    terminal("target", "update", "app", "staging", "--drift", "warn", "--reason", "x")
    return deployed


@pytest.mark.parametrize(("sql", "code"), [("CREATE TABLE ours ();", 0), (BAD, 10)])
def test_drift_stays_reported_when_runs_of_two_projects_overlap(
    second: Shop, sql: str, code: int
) -> None:
    by_hand(second)
    second.migration("003.sql", sql)
    with waiting(second, "second") as process:
        assert "a run of second is running" in check(second.terminal).out
        second.run(code=code)
        assert "a run of second is running" in check(second.terminal).out
    assert ended(process) == 0
    assert found(second.terminal) == [MINE]


def test_drift_base_stays_when_a_run_of_another_project_failed(second: Shop) -> None:
    second.terminal.file("second/migrations/1.sql", BAD)
    second.terminal("deploy", "run", "second", "--target", "staging", code=10)
    assert found(second.terminal) == []
    by_hand(second)
    assert found(second.terminal) == [MINE]


# --- who worded it ------------------------------------------------------------------------------


def edit_base(shop: Shop, change: Callable[[dict[str, object]], object]) -> None:
    ((text,),) = shop.pg.query("SELECT v FROM templedb.meta WHERE k = 'objects'")
    fact = json.loads(text)
    change(fact)
    shop.pg.query("UPDATE templedb.meta SET v = %s WHERE k = 'objects'", json.dumps(fact))


def reworded(shop: Shop) -> None:
    """Let a definition read otherwise than today, as of another server it may."""
    shop.pg.query(
        "UPDATE templedb.object SET digest = 'other', definition = 'worded otherwise'"
        " WHERE name = 'table public.orders'"
    )


def of_another_server(fact: dict[str, object]) -> None:
    fact["server"] = "PostgreSQL 9"


def of_an_earlier_templedb(fact: dict[str, object]) -> None:
    for name in ("server", "question", "projects"):
        del fact[name]


def test_drift_base_names_the_server_version_that_worded_it(deployed: Shop) -> None:
    said = deployed.terminal("drift", "check", "app", "--target", "staging", "--json").json[-1]
    (number,) = deployed.pg.query("SHOW server_version_num")[0]
    assert said["bases"][0][1]["server"] == f"PostgreSQL {int(number) // 10_000}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [(of_another_server, "the base is of PostgreSQL 9"), (of_an_earlier_templedb, "an earlier")],
)
def test_rewording_is_not_a_change_but_an_added_object_is_when_the_base_has_another_origin(
    deployed: Shop, change: Callable[[dict[str, object]], object], reason: str
) -> None:
    counts = deployed.pg.query(
        "SELECT (SELECT max(run_seq) FROM templedb.migration), (SELECT count(*) FROM templedb.command)"
    )[0]
    edit_base(
        deployed,
        lambda fact: (change(fact), fact.update(migrations=counts[0], commands=counts[1])),
    )
    reworded(deployed)
    said = check(deployed.terminal).out
    assert reason in said
    assert "? table public.orders  reads differently" in said
    assert "changed outside of templedb" not in said
    by_hand(deployed, "CREATE TABLE theirs ()")
    assert "+ table public.theirs  added" in check(deployed.terminal).out
    deployed.migration("003.sql", "CREATE TABLE ours ();")
    refused = deployed.run(code=78).err
    assert "public.theirs was added outside of templedb" in refused
    assert "public.orders" not in refused
    by_hand(deployed, "DROP TABLE theirs")
    assert reason in deployed.run("--dry-run").out
    deployed.run()
    assert found(deployed.terminal) == []
    ((detail,),) = deployed.pg.query(
        "SELECT detail FROM templedb.event WHERE what = 'rebase-drift'"
    )
    assert reason in detail["reason"]
    assert detail["objects"] == ["table public.orders"]
    by_hand(deployed)
    assert found(deployed.terminal) == [MINE]


def test_drift_base_of_an_earlier_templedb_knows_its_gap_when_runs_were_missed(
    deployed: Shop,
) -> None:
    edit_base(deployed, lambda f: (of_an_earlier_templedb(f), f.update(migrations=1, commands=0)))
    assert "a run was interrupted" in check(deployed.terminal).out


def test_drift_accept_takes_over_the_wording_when_the_base_is_of_another_server(
    deployed: Shop,
) -> None:
    edit_base(deployed, of_another_server)
    reworded(deployed)
    deployed.terminal("drift", "accept", "app", "--target", "staging", "--reason", "upgraded")
    assert found(deployed.terminal) == []


# --- DuckDB files -------------------------------------------------------------------------------


@pytest.fixture
def file(terminal: Terminal) -> Path:
    path = terminal.home / "live.duckdb"
    terminal.files("app")
    terminal.file("app/migrations/1.sql", "CREATE TABLE t (id int);\nCREATE VIEW v AS SELECT 1;")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "live", "--drift", "block")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb:{path}", "--target", "live")
    terminal("deploy", "run", "app")
    return path


def in_file(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(f"duckdb:{path}") as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("ALTER TABLE t ADD COLUMN mine int", ("changed", "table main.t")),
        ("CREATE TABLE other (id int)", ("added", "table main.other")),
        ("DROP VIEW v", ("removed", "view main.v")),
        ("CREATE OR REPLACE VIEW v AS SELECT 2", ("changed", "view main.v")),
        ("CREATE INDEX i ON t (id)", ("added", "index main.i")),
        ("CREATE SEQUENCE s", ("added", "sequence main.s")),
        ("CREATE TYPE mood AS ENUM ('a')", ("added", "type main.mood")),
        ("CREATE TYPE pair AS STRUCT(a int)", ("added", "type main.pair")),
        ("CREATE MACRO twice(a) AS a * 2", ("added", "macro main.twice")),
        ("CREATE SCHEMA other", ("added", "schema other")),
        ("COMMENT ON TABLE t IS 'mine'", ("added", "comment on table main.t")),
        ("COMMENT ON COLUMN t.id IS 'mine'", ("added", "comment on column main.t.id")),
    ],
)
def test_drift_check_names_the_change_when_a_duckdb_file_is_changed_by_hand(
    terminal: Terminal, file: Path, sql: str, told: tuple[str, str]
) -> None:
    assert found(terminal, "live") == []
    in_file(file, sql)
    assert found(terminal, "live") == [told]
    terminal.file("app/migrations/2.sql", "CREATE TABLE ours (id int);")
    assert f"{told[1]} was {told[0]} outside of templedb" in terminal("deploy", "run", code=78).err
    terminal("drift", "accept", "app", "--target", "live", "--reason", "may stay")
    terminal("deploy", "run", "app")
    assert found(terminal, "live") == []


def test_drift_check_finds_nothing_when_a_duckdb_file_is_only_used(
    terminal: Terminal, file: Path
) -> None:
    in_file(file, "INSERT INTO t VALUES (1)")
    in_file(file, "CREATE TEMP TABLE mine (id int)")
    in_file(file, "CHECKPOINT")
    assert found(terminal, "live") == []


def test_drift_base_of_a_duckdb_file_stays_when_a_run_failed(
    terminal: Terminal, file: Path
) -> None:
    terminal.file("app/migrations/2.sql", BAD)
    terminal("deploy", "run", "app", code=10)
    assert found(terminal, "live") == []
    in_file(file, "ALTER TABLE t ADD COLUMN mine int")
    terminal.file("app/migrations/2.sql", "CREATE TABLE ours (id int);")
    assert "table main.t was changed" in terminal("deploy", "run", "app", code=78).err


@pytest.mark.usefixtures("file")
def test_drift_check_finds_nothing_when_runs_changed_the_duckdb_file(terminal: Terminal) -> None:
    terminal.file(
        "app/migrations/2.sql",
        "ALTER TABLE t ADD COLUMN n int;\n-- templedb:down\nALTER TABLE t DROP COLUMN n;\n",
    )
    terminal("deploy", "run", "app")
    assert found(terminal, "live") == []
    terminal("migration", "down", "app", "2", "--reason", "no")
    assert found(terminal, "live") == []


@pytest.mark.parametrize(
    ("place", "events"), [("step.started", []), ("run.before-end", [('["table main.ours"]',)])]
)
def test_next_run_rebases_drift_of_a_duckdb_file_when_a_killed_run_left_objects(
    terminal: Terminal, file: Path, place: str, events: list[tuple[str]]
) -> None:
    terminal.file("app/migrations/2.sql", "CREATE TABLE ours (id int);")
    killed(terminal, place)
    assert ("was interrupted" in check(terminal, "live").out) == bool(events)
    terminal.file("app/migrations/3.sql", "CREATE TABLE more (id int);")
    if events:
        assert "table main.ours changed" in terminal("deploy", "run", "app", code=78).err
        terminal("target", "update", "app", "live", "--drift", "warn", "--reason", "x")
    terminal("deploy", "run", "app")
    assert found(terminal, "live") == []
    assert (
        in_file(file, "SELECT detail->>'$.objects' FROM templedb.event WHERE what = 'rebase-drift'")
        == events
    )


def test_duckdb_file_of_an_earlier_templedb_has_a_base_when_the_next_run_has_ended(
    terminal: Terminal, file: Path
) -> None:
    in_file(file, "DROP TABLE templedb.object")
    in_file(file, "DELETE FROM templedb.meta WHERE k = 'objects'")
    assert "nothing to compare with yet" in check(terminal, "live").out
    terminal.file("app/migrations/2.sql", BAD)
    terminal("deploy", "run", "app", code=10)
    in_file(file, "DROP VIEW v")
    assert found(terminal, "live") == [("removed", "view main.v")]


def test_drift_check_names_the_duckdb_version_when_another_version_worded_the_base(
    terminal: Terminal, file: Path
) -> None:
    in_file(file, "UPDATE templedb.object SET definition = 'x' WHERE name = 'view main.v'")
    in_file(
        file,
        "UPDATE templedb.meta SET v = replace(v, 'DuckDB 2', 'DuckDB 1') WHERE k = 'objects'",
    )
    said = check(terminal, "live").out
    assert "the base is of DuckDB 1" in said
    assert "? view main.v  reads differently" in said
    terminal.file("app/migrations/2.sql", "CREATE TABLE ours (id int);")
    terminal("deploy", "run", "app")
    assert found(terminal, "live") == []
