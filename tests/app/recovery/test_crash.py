"""Whatever dies: the ledger stays right, the state survives, the next run finishes the job."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from templedb_nb import failpoints
from templedb_nb.model.event import RunId
from templedb_nb.store.duckdb.records import Records
from templedb_nb.store.duckdb.state_file import StateFile
from tests.conftest import Shop

MANY = 40


@pytest.fixture
def long(shop: Shop) -> Shop:
    """A shop with many migrations: each makes one table and one row, and counts itself."""
    for n in range(3, MANY + 3):
        shop.migration(
            f"{n:03}_t.sql",
            f"CREATE TABLE t{n:03} (id int);\nINSERT INTO t{n:03} VALUES ({n});\nSELECT pg_sleep(0.01);\n",
        )
    return shop


def assert_whole(shop: Shop) -> None:
    """Every table is there exactly if the ledger says so, and has exactly one row."""
    applied = {key.split("/")[1][:3] for key in shop.pg.applied()}
    tables = {name[1:] for name in shop.pg.tables() if name.startswith("t")}
    assert {name for name in applied if int(name) > 2} == tables
    for name in tables:
        assert shop.pg.query(f"SELECT count(*) FROM t{name}") == [(1,)]


@pytest.mark.parametrize("seed", range(6))
def test_ledger_stays_true_when_a_run_is_killed_at_any_moment(long: Shop, seed: int) -> None:
    moment = random.Random(seed).uniform(0.2, 1.6)
    process = long.terminal.process("deploy", "run", "app")
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    process.kill()
    process.communicate()
    assert_whole(long)
    said = long.run("--lock-wait", "30")
    assert "succeeded" in said.out
    assert len(long.pg.applied()) == MANY + 2
    assert_whole(long)
    history = long.terminal("deploy", "history").out
    assert "running" not in history


def test_history_shows_a_failed_run_when_the_next_command_follows_a_kill(long: Shop) -> None:
    process = long.terminal.process("deploy", "run", "app")
    _await(lambda: len(long.pg.applied()) > 3)
    process.kill()
    process.communicate()
    said = long.terminal("deploy", "history").out
    assert "failed" in said
    assert "its process died" in said
    assert not list(long.terminal.state.parent.rglob("*.jsonl"))


def test_migration_is_rolled_back_and_recorded_as_cancelled_when_a_run_is_interrupted(
    long: Shop,
) -> None:
    long.migration("900_slow.sql", "CREATE TABLE t900 (id int);\nSELECT pg_sleep(300);\n")
    process = long.terminal.process("deploy", "run", "app")
    _await(lambda: _sleeping(long) == 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert "cancelled" in out
    assert "t900" not in long.pg.tables()
    assert _sleeping(long) == 0
    assert "cancelled" in long.terminal("deploy", "history").out
    assert_whole(long)


def test_run_ends_with_143_and_ends_its_commands_when_sigterm_arrives(shop: Shop) -> None:
    begun = shop.terminal.home / "begun"
    shop.config({"name": "x", "build_command": f"sleep 300 & echo $! > {begun}; wait"})
    process = shop.terminal.process("deploy", "run", "app")
    _await(lambda: begun.exists() and begun.read_text().strip())
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, (out, err)
    _await(lambda: not psutil.pid_exists(int(begun.read_text())))


def test_commands_end_when_the_process_that_started_them_is_killed(shop: Shop) -> None:
    begun = shop.terminal.home / "begun"
    shop.config(
        {"name": "x", "build_command": f"(trap '' INT; sleep 300) & echo $! > {begun}; wait"}
    )
    process = shop.terminal.process("deploy", "run", "app")
    _await(lambda: begun.exists() and begun.read_text().strip())
    process.kill()
    process.communicate()
    _await(lambda: not psutil.pid_exists(int(begun.read_text())), 20)


def test_next_run_is_not_blocked_when_a_process_dies_in_a_build(shop: Shop) -> None:
    begun = shop.terminal.home / "begun"
    shop.config({"name": "x", "build_command": f"echo x > {begun}; sleep 300"})
    process = shop.terminal.process("deploy", "run", "app")
    _await(begun.exists)
    process.kill()
    process.communicate()
    shop.config({"name": "x", "build_command": "echo fine"})
    assert "| fine" in shop.run("--lock-wait", "30").out


def test_fresh_state_reports_the_unfinished_command_when_the_first_process_was_killed(
    shop: Shop, tmp_path: Path
) -> None:
    begun = shop.terminal.home / "begun"
    command = {"name": "x", "deploy_command": f"echo x > {begun}; sleep 300"}
    shop.config(command)
    process = shop.terminal.process("deploy", "run", "app")
    _await(begun.exists)
    process.kill()
    process.communicate()
    ci = shop.terminal
    ci.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"))
    ci("project", "import", "app")
    shop.config({"name": "x", "deploy_command": "true"})
    ci("target", "add", "app", "staging")
    ci("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    said = shop.run("--lock-wait", "30", code=13)
    assert "its outcome is unknown" in said.err
    run = said.err.split("run resolve ")[1].split()[0]
    ci("run", "resolve", run, "--reason", "looked")
    shop.run()


def test_migrations_are_applied_once_when_two_runs_compete(long: Shop) -> None:
    rivals = [long.terminal.process("deploy", "run", "app", "--lock-wait", "60") for _ in range(2)]
    ends = [(rival.communicate(timeout=120), rival.returncode) for rival in rivals]
    codes = sorted(code for _, code in ends)
    assert codes in ([0, 0], [0, 22], [0, 24]), ends
    assert len(long.pg.applied()) == MANY + 2
    assert_whole(long)


def test_run_names_the_lock_holder_when_another_run_holds_the_lock(shop: Shop) -> None:
    shop.run()
    shop.migration("003_slow.sql", "SELECT pg_sleep(300);")
    process = shop.terminal.process("deploy", "run", "app")
    _await(lambda: _sleeping(shop) == 1)
    try:
        said = shop.run("--lock-wait", "0.5", code=24)
        assert f"rosa (pid {process.pid} on" in said.err
        assert "is locked by rosa" in shop.run("--dry-run").out
        assert "locked by rosa" in shop.terminal("status").out
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_migration_is_rolled_back_and_the_run_fails_when_the_connection_is_cut(shop: Shop) -> None:
    shop.migration("003_slow.sql", "CREATE TABLE half (id int);\nSELECT pg_sleep(300);\n")
    process = shop.terminal.process("deploy", "run", "app")
    _await(lambda: _sleeping(shop) == 1)
    shop.pg.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()"
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 12, (out, err)
    assert "half" not in shop.pg.tables()
    shop.migration("003_slow.sql", "CREATE TABLE half (id int);")
    shop.run()


def test_commit_is_looked_up_when_its_answer_is_lost(shop: Shop) -> None:
    """The server commits, and the connection dies before the answer is read."""
    shop.terminal.set(TEMPLEDB_FAILPOINT="apply.commit-sent:drop")
    said = shop.run()
    assert failpoints.reached("apply.commit-sent") == 2
    assert "2 migrations applied" in said.out
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_migration_does_not_run_twice_when_a_foreign_rival_slips_past_the_lock(shop: Shop) -> None:
    """Even a row that slipped past the lock makes the second one fail cleanly."""
    shop.run()
    with psycopg.connect(shop.pg.server.database(shop.pg.name)) as other:
        other.execute("UPDATE templedb.migration SET state = 'applied', attempt_id = 'theirs'")
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    with psycopg.connect(shop.pg.server.database(shop.pg.name)) as other:
        other.execute(
            "INSERT INTO templedb.migration SELECT project, 'migrations/003.sql', kind, 'migrations/003.sql', layout,"
            " checksum, checksum_alg, token_checksum, token_alg, sql, 'applied', mode, steps, step_done, step_started, 'theirs', run,"
            " plan, xid, applied_by, client, version FROM templedb.migration LIMIT 1"
        )
    assert "changed" in shop.terminal("migration", "status").out
    shop.run(code=78)
    assert "more" not in shop.pg.tables()


def test_state_loses_nothing_when_four_processes_write_it(tmp_path: Path) -> None:
    """Each opens, writes and closes the file in turn, as commands do."""
    path = tmp_path / "state.duckdb"
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from templedb_nb.model.project import Project\n"
        "from templedb_nb.store.duckdb.state_file import StateFile\n"
        "from templedb_nb.store.duckdb.settings import Settings\n"
        "settings = Settings(StateFile(Path(sys.argv[1])))\n"
        "for n in range(500):\n"
        "    name = f'{sys.argv[2]}-{n}'\n"
        "    settings.keep_project(Project(slug=name, known_as=name, root=None, created_at=datetime.now(UTC)))\n"
    )
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), f"p{n}"], stderr=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    for rival in rivals:
        _, err = rival.communicate(timeout=600)
        assert rival.returncode == 0, err
    from templedb_nb.store.duckdb.settings import Settings

    assert len(Settings(StateFile(path)).projects()) == 2000


@pytest.mark.parametrize("seed", range(3))
def test_state_opens_again_with_every_acknowledged_write_when_killed_in_the_middle_of_writes(
    tmp_path: Path, seed: int
) -> None:
    path, acknowledged = tmp_path / "state.duckdb", tmp_path / "acknowledged"
    code = (
        "import sys, itertools\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from templedb_nb.model.project import Project\n"
        "from templedb_nb.store.duckdb.state_file import StateFile\n"
        "from templedb_nb.store.duckdb.settings import Settings\n"
        "settings = Settings(StateFile(Path(sys.argv[1])))\n"
        "out = open(sys.argv[2], 'a')\n"
        "for n in itertools.count():\n"
        "    settings.keep_project(Project(slug=f'p{n}', known_as='x', root=None, created_at=datetime.now(UTC)))\n"
        "    print(n, file=out, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path), str(acknowledged)])
    _await(lambda: acknowledged.exists() and len(acknowledged.read_text().split()) > 5, 60)
    time.sleep(random.Random(seed).uniform(0, 0.1))
    process.kill()
    process.wait()
    from templedb_nb.store.duckdb.settings import Settings

    kept = {each.slug for each in Settings(StateFile(path)).projects()}
    assert {f"p{n}" for n in acknowledged.read_text().split()} <= kept


def test_journal_is_folded_without_its_last_line_when_that_line_is_torn(shop: Shop) -> None:
    process = shop.terminal.process("deploy", "run", "app")
    shop.migration("003_slow.sql", "SELECT pg_sleep(300);")
    _await(lambda: list(shop.terminal.state.parent.rglob("*.jsonl")))
    process.kill()
    process.communicate()
    for journal in shop.terminal.state.parent.rglob("*.jsonl"):
        with journal.open("ab") as file:
            file.write(b'{"v":1,"run":"torn')
    assert "app" in shop.terminal("project", "list").out
    shop.terminal("deploy", "history")
    assert not list(shop.terminal.state.parent.rglob("*.jsonl"))


def test_run_starts_no_further_step_when_its_journal_cannot_be_written(tmp_path: Path) -> None:
    """The journal of a full disk refuses, and what was written before stays readable."""
    from datetime import UTC, datetime

    from templedb_nb.errors import StoreError
    from templedb_nb.model.event import LockAwaited, Stamped
    from templedb_nb.store.journal import RunJournal, orphans

    memory = Records(StateFile(tmp_path / "state.duckdb"))
    journal = RunJournal(tmp_path / "journal", RunId("r"), memory.fold)

    def stamp(n: int) -> Stamped:
        return Stamped(
            run=RunId("r"), seq=n, at=datetime.now(UTC), elapsed_ms=n, event=LockAwaited(holder="x")
        )

    journal.append(stamp(1), durable=True)
    handle, journal._handle = journal._handle, os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(StoreError):
        journal.append(stamp(2), durable=True)
    os.close(handle)
    (found,) = orphans(tmp_path / "journal")
    assert [entry.seq for entry in found.entries()] == [1]
    found.close(remove=True)


def _await(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)


def _sleeping(shop: Shop) -> int:
    rows = shop.pg.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
        " AND query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()"
    )
    return len(rows)


def test_ledger_is_created_once_when_many_create_it_at_the_same_time(shop: Shop) -> None:
    from templedb_nb.model.route import ALONE
    from templedb_nb.model.secret import Secret
    from templedb_nb.model.target import DATABASE_URL, TargetName
    from templedb_nb.targets.postgres.connection.route import route
    from templedb_nb.targets.postgres.session import PostgresSession
    from tests.ledger_targets import a_claim

    failures: list[BaseException] = []

    def create(n: int) -> None:
        session = PostgresSession(
            route(Secret("DATABASE_URL", shop.pg.dsn), ALONE), TargetName("t"), DATABASE_URL, "test"
        )
        try:
            from templedb_nb.ports.target import LockCallbacks

            with session.lock(a_claim(project=f"p{n}"), LockCallbacks()):
                pass
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            session.close()

    threads = [threading.Thread(target=create, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert shop.pg.query("SELECT count(*) FROM templedb.meta WHERE k = 'target_uuid'") == [(1,)]


def test_state_remembers_the_unfinished_command_when_the_target_has_no_database(shop: Shop) -> None:
    begun = shop.terminal.home / "begun"
    shop.terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    shop.config({"name": "x", "deploy_command": f"echo x > {begun}; sleep 300"})
    process = shop.terminal.process("deploy", "run", "app")
    _await(begun.exists)
    process.kill()
    process.communicate()
    said = shop.run(code=13)
    assert "its outcome is unknown" in said.err
    run = said.err.split("run resolve ")[1].split()[0]
    shop.terminal("run", "resolve", run, "--reason", "looked")
    shop.config({"name": "x", "deploy_command": "echo fine"})
    assert "| fine" in shop.run().out
    assert "| fine" in shop.run().out
