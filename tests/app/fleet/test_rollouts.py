"""Rollouts to real databases: cohorts, waves, failures, processes that die in the middle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
import pytest

from tests.app.deploy.test_locks import until
from tests.conftest import HARD_PASSWORD, MIGRATIONS, Terminal
from tests.postgres import Server

COUNT = 6
NAMES = [f"c{n}" for n in range(COUNT)]


@dataclass
class Tenants:
    """A project whose targets are databases of one server, one role, one template."""

    terminal: Terminal
    server: Server
    prefix: str

    def __call__(self, *words: str, code: int | None = 0) -> Any:
        return self.terminal("fleet", *words, code=code)

    def query(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        dsn = self.server.database(f"{self.prefix}_{name}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            found = connection.execute(sql.encode())
            return found.fetchall() if found.description else []

    def applied(self, name: str) -> list[str]:
        if not self.query(name, "SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'"):
            return []
        rows = self.query(
            name, "SELECT key FROM templedb.migration WHERE state = 'applied' ORDER BY key"
        )
        return [key for (key,) in rows]

    def json(self, *words: str, code: int | None = 0) -> dict[str, Any]:
        found: dict[str, Any] = self(*words, "--json", code=code).json[-1]
        return found

    def states(self, *words: str) -> dict[str, str]:
        told = self.json("status", "app", *words, code=None)
        return {each["target"]: each["state"] for each in told["members"]}


_serial = count(1)


@pytest.fixture
def tenants(terminal: Terminal, server: Server) -> Iterator[Tenants]:
    prefix = f"fleet_{os.getpid()}_{next(_serial)}"
    role = f"{prefix}_role"
    with psycopg.connect(server.admin, autocommit=True) as admin:
        literal = psycopg.sql.Literal(HARD_PASSWORD).as_string()
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD {literal}".encode())
        try:
            for name in NAMES:
                admin.execute(f"CREATE DATABASE {prefix}_{name} OWNER {role}".encode())
            _project(terminal, server, prefix, role)
            yield Tenants(terminal, server, prefix)
        finally:
            for name in NAMES:
                admin.execute(f"DROP DATABASE IF EXISTS {prefix}_{name} WITH (FORCE)".encode())
            admin.execute(f"DROP ROLE {role}".encode())


def _project(terminal: Terminal, server: Server, prefix: str, role: str) -> None:
    terminal.files(**{"migrations__001_t.sql": "CREATE TABLE t (id int);\n"})
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    rows = "".join(f"{n},{'eu' if n < 'c3' else 'us'}\n" for n in NAMES)
    terminal.file("tenants.csv", f"name,region\n{rows}")
    terminal("target", "import", "app", "tenants.csv")
    given = psycopg.conninfo.conninfo_to_dict(server.admin)
    terminal("env", "set", "app", "DB_PASSWORD", stdin=HARD_PASSWORD)
    where = f"{given['host']}:{given['port']}/{prefix}_{{name}}"
    url = f"template:postgresql://{role}:{{DB_PASSWORD}}@{where}"
    terminal("env", "set", "app", "DATABASE_URL", url)


def test_release_reaches_every_target_wave_after_wave(tenants: Tenants) -> None:
    tenants("define", "app", "all", "--where", "region in (eu, us)", "--wave", "1", "--wave", "50%")
    said = tenants("run", "app")
    assert "wave 1: 1 of 6" in said.err
    assert said.err.index("wave 50%: 3 of 6") < said.err.index("wave the rest: 2 of 6")
    assert "6 of 6 targets are done" in said.out
    assert [tenants.applied(name) for name in NAMES] == [["migrations/001_t.sql"]] * COUNT
    again = tenants("run", "app", "all")
    assert "6 targets need nothing" in tenants("plan", "app", "all").out
    assert "succeeded" in again.out
    rows = tenants.query(NAMES[0], "SELECT count(*) FROM templedb.run")
    assert rows == [(1,)], "what is done is not run again"


def test_plan_tells_equal_needs_once_and_what_could_not_be_read(tenants: Tenants) -> None:
    tenants("run", "app", "--where", "region=eu")
    tenants.terminal.files(**{"migrations__002_u.sql": "CREATE TABLE u (id int);\n"})
    with psycopg.connect(tenants.server.admin, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {tenants.prefix}_c5 WITH (FORCE)".encode())
    made = tenants.json("plan", "app", "--where", "region in (eu, us)", code=69)
    told = [(each["state"], each["migrations"], len(each["targets"])) for each in made["cohorts"]]
    assert told == [("ready", 1, 3), ("ready", 2, 2), ("unreachable", 0, 1)]
    (gone,) = [each for each in made["members"] if each["state"] == "unreachable"]
    assert "does not exist" in gone["problem"]
    said = tenants("run", "app", made["id"], code=12)
    assert "5 of 6 targets are done, 1 refused" in said.out
    assert tenants.applied("c0") == ["migrations/001_t.sql", "migrations/002_u.sql"]
    said = tenants("run", "app", "--where", "region in (eu, us)", code=78)
    assert "- c5: " in said.err
    assert "- c0" not in said.err, "nothing is wrong with it"


def test_rollout_pauses_at_the_canary_and_goes_on_when_it_is_mended(tenants: Tenants) -> None:
    tenants.query("c0", "CREATE TABLE t (other int)")
    tenants("define", "app", "all", "--where", "region", "--wave", "1", "--parallel", "2")
    said = tenants("run", "app", "all", code=10)
    assert "paused: 1 failed, and none may fail" in said.out
    assert 'c0: failed: migrations/001_t.sql:1:1: relation "t" already exists' in said.out
    assert tenants.states() == {"c0": "failed"} | dict.fromkeys(NAMES[1:], "waiting")
    assert [tenants.applied(name) for name in NAMES] == [[]] * COUNT
    tenants.query("c0", "DROP TABLE t")
    assert "6 of 6 targets are done" in tenants("resume", "app").out
    assert [tenants.applied(name) for name in NAMES] == [["migrations/001_t.sql"]] * COUNT
    rows = tenants.json("history", "app")["rows"]
    assert [row["state"] for row in rows] == ["succeeded", "paused"]


def test_retry_is_for_those_that_failed_alone(tenants: Tenants) -> None:
    tenants.query("c0", "CREATE TABLE t (other int)")
    tenants("run", "app", "--where", "region", "--wave", "1", code=10)
    tenants.query("c0", "DROP TABLE t")
    said = tenants("retry", "app", "--failed", code=12)
    assert "1 of 6 targets are done, 5 waiting" in said.out
    assert tenants.applied("c1") == []
    assert "no target failed" in tenants("retry", "app", code=64).err


def test_target_that_moved_since_the_plan_is_stale_alone(tenants: Tenants) -> None:
    made = tenants.json("plan", "app", "--where", "region", "--max-failures", "1")
    tenants.terminal.files(**{"migrations__002_u.sql": "CREATE TABLE u (id int);\n"})
    tenants.terminal("deploy", "run", "app", "--target", "c2")
    tenants("run", "app", made["id"], code=12)
    states = tenants.states(made["id"])
    assert states == dict.fromkeys(NAMES, "succeeded") | {"c2": "stale"}
    assert tenants.applied("c0") == ["migrations/001_t.sql"], "the plan is of the first release"


@pytest.mark.parametrize(
    "place", ["rollout.begun", "rollout.ended", "rollout.recorded", "apply.committed", "run.begun"]
)
def test_rollout_that_was_killed_is_finished_and_does_nothing_twice(
    tenants: Tenants, place: str
) -> None:
    made = tenants.json("plan", "app", "--where", "region", "--wave", "2", "--parallel", "2")
    tenants.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    child = tenants.terminal.process("fleet", "run", "app", made["id"])
    child.communicate(timeout=120)
    assert child.returncode == -signal.SIGKILL
    tenants.terminal.unset("TEMPLEDB_FAILPOINT")
    told = tenants("status", "app", code=None).out
    assert "died" in told
    for name, state in tenants.states().items():
        if state == "succeeded":
            assert tenants.applied(name) == ["migrations/001_t.sql"], "it was not done"
    said = tenants("resume", "app")
    assert "6 of 6 targets are done" in said.out
    for name in NAMES:
        rows = tenants.query(name, "SELECT key, state FROM templedb.migration")
        assert rows == [("migrations/001_t.sql", "applied")]
        locks = tenants.query(name, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert locks == [(0,)], "nothing stays locked"


def test_rollout_waits_for_a_run_of_another_process_and_takes_its_result(
    tenants: Tenants,
) -> None:
    text = "SELECT pg_advisory_xact_lock(7);\nCREATE TABLE t (id int);\n"
    tenants.terminal.files(**{"migrations__001_t.sql": text})
    made = tenants.json("plan", "app", "--where", "name in (c0, c1)")
    (own,) = [each["plan"] for each in made["members"] if each["target"] == "c0"]
    dsn = tenants.server.database(f"{tenants.prefix}_c0")
    with psycopg.connect(dsn, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        single = tenants.terminal.process("deploy", "run", "--plan", own)
        until(lambda: tenants.states().get("c0") == "running")
        rollout = tenants.terminal.process("fleet", "run", "app", made["id"])
        until(lambda: tenants.states().get("c1") == "succeeded")
    single.communicate(timeout=60)
    said, _ = rollout.communicate(timeout=60)
    assert (single.returncode, rollout.returncode) == (0, 0)
    assert "2 of 2 targets are done" in said
    runs = tenants.query("c0", "SELECT count(*) FROM templedb.run")
    assert runs == [(1,)], "it was done by the other process alone"


def test_rollout_that_was_resumed_after_a_kill_is_the_one_that_is_paused(
    tenants: Tenants,
) -> None:
    text = "SELECT pg_advisory_xact_lock(7);\nCREATE TABLE t (id int);\n"
    tenants.terminal.files(**{"migrations__001_t.sql": text})
    made = tenants.json("plan", "app", "--where", "name in (c0, c1)", "--parallel", "1")
    tenants.terminal.set(TEMPLEDB_FAILPOINT="rollout.begun:kill9")
    tenants.terminal.process("fleet", "run", "app", made["id"]).communicate(timeout=60)
    tenants.terminal.unset("TEMPLEDB_FAILPOINT")
    dsn = tenants.server.database(f"{tenants.prefix}_c0")
    with psycopg.connect(dsn, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        resumed = tenants.terminal.process("fleet", "resume", "app", made["id"])
        until(lambda: tenants.states().get("c0") == "running")
        rows = tenants.json("history", "app")["rows"]
        assert [row["state"] for row in rows] == ["running", "unknown"]
        assert "no further target begins" in tenants("pause", "app").out
    resumed.communicate(timeout=60)
    assert resumed.returncode == 12
    assert tenants.states() == {"c0": "succeeded", "c1": "waiting"}


def test_terminated_rollout_lets_a_step_end_and_begins_no_other(tenants: Tenants) -> None:
    tenants.terminal.files(
        **{
            "migrations__001_t.sql": "SELECT pg_advisory_lock(42);\n",
            "migrations__002_u.sql": "CREATE TABLE u (id int);\n",
        }
    )
    made = tenants.json("plan", "app", "--where", "region", "--parallel", "1")
    dsn = tenants.server.database(f"{tenants.prefix}_c0")
    journals = tenants.terminal.home / "state" / "state.duckdb.d" / "journal"
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted"
    with psycopg.connect(dsn, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(42)")
        child = tenants.terminal.process("fleet", "run", "app", made["id"])
        until(lambda: tenants.query("c0", waits) == [(1,)])
        child.send_signal(signal.SIGTERM)
        assert child.stderr is not None
        while "it was terminated" not in (line := child.stderr.readline()):
            assert line
        until(lambda: not any(journals.glob("*.wish")))
    child.communicate(timeout=120)
    assert child.returncode == 128 + signal.SIGTERM
    (row,) = tenants.json("history", "app")["rows"]
    assert (row["state"], row["why"]) == ("cancelled", "it was terminated")
    assert tenants.states() == {"c0": "cancelled"} | dict.fromkeys(NAMES[1:], "waiting")
    assert tenants.applied("c0") == ["migrations/001_t.sql"]
    assert "6 of 6 targets are done" in tenants("resume", "app").out


def test_protected_targets_wait_for_one_approval_of_all(tenants: Tenants) -> None:
    for name in NAMES:
        tenants.terminal("target", "update", "app", name, "--protected")
    said = tenants("plan", "app", "--where", "region")
    assert "6 targets wait for an approval: templedb fleet approve app" in said.out
    refused = tenants("run", "app", "--where", "region", "--wave", "1", code=20)
    assert "c0: refused" in refused.out
    tenants.terminal.set(TEMPLEDB_USER="emil")
    assert "6 targets" in tenants("approve", "app", "--reason", "reviewed").out
    tenants.terminal.set(TEMPLEDB_USER="rosa")
    assert "6 of 6 targets are done" in tenants("resume", "app").out
    used = tenants.query("c3", "SELECT count(*) FROM templedb.approval")
    assert used == [(1,)]


def test_password_is_nowhere_when_a_target_fails(tenants: Tenants) -> None:
    tenants.terminal("env", "set", "app", "DB_PASSWORD", stdin="wr0ng-Passw0rd")
    said = tenants("run", "app", "--where", "region", code=78)
    assert "no target of plan" in said.err
    kept = tenants.terminal("sql", "SELECT body::VARCHAR AS body FROM main.fleet_plans", "--json")
    for text in (said.all, kept.all):
        assert "wr0ng-Passw0rd" not in text
        assert HARD_PASSWORD not in text


def test_words_that_do_not_fit_are_told_before_a_target_is_asked(tenants: Tenants) -> None:
    said = tenants("plan", "app", "--where", "regoin=eu", code=64)
    assert "no target has a label regoin" in said.err
    assert "app has no fleet yet" in tenants("plan", "app", code=64).err
    said = tenants("plan", "app", "--where", "region", "--wave", "0", "--parallel", "0", code=64)
    assert "wave 0" in said.err
    assert "--parallel is from 1" in said.err
    assert "has no fleet 'tenant'" in tenants("plan", "app", "tenant", code=64).err
    made = tenants.json("plan", "app", "--where", "region")
    said = tenants("run", "app", made["id"], "--max-failures", "3", code=64)
    assert "--max-failures: the plan has these rules already" in said.err
    said = tenants("run", "app", made["id"], "--parallel=-3", code=64)
    assert "--parallel is from 1 to 256" in said.err


def test_drift_of_a_fleet_tells_targets_that_differ_alike_together(tenants: Tenants) -> None:
    tenants("run", "app", "--where", "region")
    for name in ("c1", "c2"):
        tenants.query(name, "ALTER TABLE t ADD COLUMN by_hand int")
    tenants.query("c3", "DROP TABLE t")
    tenants.terminal("target", "update", "app", "c3", "--drift", "block")
    said = tenants("drift", "app", "--where", "not name=c3")
    assert "5 targets: 3 same, 2 drifted" in said.out
    assert "2 drifted: c1, c2\n    changed table public.t\n" in said.out
    told = tenants.json("drift", "app", "--where", "region", code=78)
    states = {each["target"]: each["state"] for each in told["rows"]}
    assert states == dict.fromkeys(NAMES, "same") | dict.fromkeys(("c1", "c2", "c3"), "drifted")
    tenants("drift", "app", "--where", "name in (c1, c4)", "--strict", code=78)


def test_target_goes_back_by_its_own_plan_when_the_config_asks_for_that(tenants: Tenants) -> None:
    tenants.terminal.config(MIGRATIONS, {"name": "web", "deploy_command": "true"})
    tenants("run", "app", "--where", "name in (c0, c1)")
    broken = {"name": "web", "deploy_command": "false"}
    document = {"groups": [MIGRATIONS, broken], "on_failure": "rollback"}
    path = tenants.terminal.file("config.json", json.dumps(document))
    tenants.terminal("deploy", "config", "app", "--set", str(path))
    made = tenants.json("plan", "app", "--where", "name in (c0, c1)", "--wave", "1")
    alone = tenants.terminal("deploy", "plan", "app", "--target", "c0", "--json").json[-1]
    assert made["members"][0]["content"] == alone["content_hash"], "the plan is that of deploy plan"
    tenants("run", "app", made["id"], code=11)
    (row,) = [r for r in tenants.json("status", "app")["members"] if r["target"] == "c0"]
    assert (row["state"], row["exit_code"]) == ("failed", 11)


def test_password_of_a_target_is_masked_wherever_its_plan_repeats_it(tenants: Tenants) -> None:
    tenants.terminal.config(MIGRATIONS, {"name": "web", "deploy_command": f"echo {HARD_PASSWORD}"})
    said = tenants("plan", "app", "--where", "name=c0", code=None)
    assert "***[DB_PASSWORD]" in said.out
    kept = tenants.terminal("sql", "SELECT body::VARCHAR AS body FROM main.fleet_plans", "--json")
    for text in (said.all, kept.all):
        assert HARD_PASSWORD not in text
        assert json.dumps(json.dumps(HARD_PASSWORD)[1:-1])[1:-1] not in text


def test_wrong_label_of_a_wave_is_told_before_a_target_is_asked(tenants: Tenants) -> None:
    said = tenants("plan", "app", "--where", "region", "--wave", "teir=free", code=64)
    assert "no target has a label teir" in said.err
    assert tenants.terminal("sql", "SELECT count(*) AS n FROM main.plans", "--json").json[-1][
        "rows"
    ] == [[0]]
