"""A rollback and everything that can happen between its parent's failure and its own end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from templedb_nb.exit_code import ExitCode
from tests import chaos_rollback_job, chaos_rollback_records
from tests.app.deploy.test_locks import until
from tests.app.recovery.test_died import killed
from tests.app.rollback.test_rollback import Releases, bare, broken, releases
from tests.conftest import MIGRATIONS, Database, Terminal
from tests.postgres import Server

__all__ = ["bare", "releases"]
ROOT = Path(__file__).parents[3]


def test_rampage_of_rollbacks_finds_nothing_wrong_when_faults_are_injected() -> None:
    words = [sys.executable, "-m", "tests.chaos_rollbacks"]
    done = subprocess.run(
        [*words, "--jobs", "3", "--faults", "2", "--seed", "4"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("place", ["run.before-lock", "run.locked"])
def test_rollback_is_still_owed_when_it_died_before_it_began(
    releases: Releases, place: str
) -> None:
    broken(releases)
    killed(releases.terminal, f"{place}@2", "deploy", "run", "app")
    child, parent = releases.runs()[:2]
    assert (child["run_kind"], child["parent_run"]) == ("rollback", parent["run"])
    refused = releases.deploy(code=13)
    assert f"templedb deploy resume {parent['run'][:13]}" in refused.err
    releases.terminal("deploy", "resume", "app", parent["run"][:13], code=11)
    assert releases.deployed == ["v1", "v2", "v1"]


def test_run_is_not_resumed_when_it_was_rolled_back(releases: Releases) -> None:
    broken(releases)
    releases.deploy(code=11)
    child, parent = releases.runs()[:2]
    said = releases.terminal("deploy", "resume", "app", parent["run"][:13], code=64)
    assert f"was rolled back by run {child['run'][:13]}" in said.err
    assert releases.deployed == ["v1", "v2", "v1"]


def test_owed_rollback_is_not_carried_out_later_when_it_was_settled(releases: Releases) -> None:
    broken(releases)
    killed(releases.terminal, "rollback.owed", "deploy", "run", "app")
    parent = releases.runs()[0]["run"][:13]
    releases.terminal("run", "resolve", parent, "--reason", "we go forward")
    (releases.terminal.home / "app" / "broken").unlink()
    releases.version("v3")
    releases.deploy()
    before = releases.deployed
    releases.terminal("deploy", "resume", "app", parent, code=None)
    assert releases.deployed == before, "v3 stays in place"


def another_state(releases: Releases) -> None:
    """Go to another machine: the same folder and target, a state of its own."""
    terminal: Terminal = releases.terminal
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "other" / "state.duckdb"))
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", releases.dsn, "--target", "prod")


def test_owed_rollback_ends_when_another_state_rolls_back(releases: Releases) -> None:
    broken(releases)
    killed(releases.terminal, "rollback.owed", "deploy", "run", "app")
    mine, parent = releases.terminal.state, releases.runs()[0]["run"][:13]
    another_state(releases)
    refused = releases.deploy(code=13)
    assert f"templedb run resolve {parent}" in refused.err
    unknown = releases.terminal("deploy", "resume", "app", parent, code=64)
    assert "templedb deploy rollback app rolls back what failed" in unknown.err
    releases.terminal("run", "resolve", "app", parent, "--reason", "looked")
    (releases.terminal.home / "app" / "broken").unlink()
    releases.version("v3")
    releases.deploy()
    before = releases.deployed
    releases.terminal.set(TEMPLEDB_STATE=str(mine))
    releases.terminal("deploy", "resume", "app", parent, code=None)
    assert releases.deployed == before, "v3 stays in place"


def test_failed_rollback_is_settled_without_a_ledger_when_a_person_resolves_it(
    bare: Releases,
) -> None:
    bare.project(bare.web(rollback_command="test -e mended"), on_failure="rollback")
    bare.version("v2")
    bare.deploy()
    bare.project({"name": "web", "deploy_command": "false"}, on_failure="rollback")
    bare.deploy(code=13)
    child = bare.runs()[0]
    assert child["run_kind"] == "rollback"
    bare.terminal("run", "resolve", child["run"][:13], "--reason", "put right by hand")
    bare.project()
    bare.version("v4")
    bare.project(bare.web())
    bare.deploy()
    assert bare.deployed[-1] == "v4"


def test_rollback_is_not_begun_again_nor_called_failed_when_it_still_goes_on(
    releases: Releases,
) -> None:
    """Where the target has a lock, others wait for it; where it has none, resume is refused."""
    terminal = releases.terminal
    back = f"touch {terminal.home}/there; while test -e {terminal.home}/wait; do sleep 0.05; done"
    own = releases.web(rollback_command=back)
    releases.project(MIGRATIONS, own)
    releases.deploy()
    hook = {"command": "false", "critical": True}
    releases.version("v3")
    releases.project(MIGRATIONS, own | {"post_deploy": [hook]}, on_failure="rollback")
    (terminal.home / "wait").touch()
    process = terminal.process("deploy", "run", "app")
    until((terminal.home / "there").exists)
    try:
        child, parent = releases.runs()[:2]
        resumed = terminal("deploy", "resume", "app", parent["run"][:13], code=64)
        other = releases.deploy("--lock-wait", "0s", code=None)
    finally:
        (terminal.home / "wait").unlink()
        process.communicate(timeout=60)
    assert f"is being rolled back by run {child['run'][:13]}" in resumed.err
    assert other.code == ExitCode.BUSY, other.all
    assert "did not succeed" not in other.all
    assert process.returncode == ExitCode.ROLLED_BACK


def test_run_is_not_taken_as_in_place_when_it_was_refused_under_the_lock(
    pg: Database, releases: Releases
) -> None:
    """It began no step: one of another state, which waited until the run before it had failed."""
    if releases.dsn != pg.dsn:
        pytest.skip("while a run has a DuckDB file, no other one can open it")
    terminal, mine = releases.terminal, releases.terminal.state
    gate = f"touch {terminal.home}/there; while test -e {terminal.home}/wait; do sleep 0.05; done"
    own = {"name": "web", "deploy_command": f"cat version.txt >> {releases.out}; {gate}; false"}
    releases.project(MIGRATIONS, own, on_failure="rollback")
    another_state(releases)
    other = terminal.state
    terminal.set(TEMPLEDB_STATE=str(mine), TEMPLEDB_FAILPOINT="rollback.owed:kill9")
    (terminal.home / "wait").touch()
    process = terminal.process("deploy", "run", "app")
    until((terminal.home / "there").exists)
    terminal.unset("TEMPLEDB_FAILPOINT")
    terminal.set(TEMPLEDB_STATE=str(other))
    rival = terminal.process("deploy", "run", "app", "--lock-wait", "60s")
    until(lambda: any(Path(f"{other}.d/journal").glob("*.jsonl")))
    (terminal.home / "wait").unlink()
    process.communicate(timeout=60)
    out, err = rival.communicate(timeout=60)
    assert rival.returncode in {13, 22}, out + err
    listed = releases.back("--list", "--json").json[-1]
    (parent,) = pg.query("SELECT id FROM templedb.run WHERE state = 'failed'")[0]
    assert listed["in_place"] == parent
    terminal.set(TEMPLEDB_STATE=str(mine))
    terminal("deploy", "resume", "app", parent[:13], code=11)
    assert releases.deployed == ["v1", "v2", "v1"]


def test_examination_notices_the_fault_when_a_rollback_runs_twice_or_a_run_begins_too_early(
    releases: Releases, server: Server, tmp_path: Path
) -> None:
    """A command that runs twice by one attempt, and a run that began while a rollback was owed."""
    if not releases.dsn.startswith("duckdb"):
        pytest.skip("one target is enough")
    broken(releases)
    killed(releases.terminal, "rollback.owed", "deploy", "run", "app")
    tally, home = chaos_rollback_job.Tally(), tmp_path / "job"
    job = chaos_rollback_job.Job(home, server.admin, "spoilt", "duckdb", tally, frozenset())
    home.mkdir()
    for each in ("state.duckdb", "state.duckdb.d"):
        (home / each).symlink_to(releases.terminal.home / "state" / each)
    (home / "target.duckdb").symlink_to(releases.terminal.home / "target.duckdb")
    chaos_rollback_records.examine(job, None, chaos_rollback_job.RUN)
    assert not tally.wrong
    with duckdb.connect(str(home / "target.duckdb")) as file:
        file.execute(
            "INSERT INTO templedb.run (id, project, target, plan, content_hash, state, client,"
            " version, kind, parent_run, started_at, finished_at) SELECT id || 'x', project, target,"
            " plan, content_hash, 'succeeded', client, version, 'deploy', '', finished_at + INTERVAL"
            " '1 second', finished_at + INTERVAL '2 seconds' FROM templedb.run WHERE state = 'failed'"
        )
    (home / "out").write_text("a r web v1 deploy\na r web v1 deploy\n")
    chaos_rollback_records.examine(job, None, chaos_rollback_job.RUN)
    told = "\n".join(tally.wrong)
    assert "attempts ran twice: ['a']" in told
    assert "owed a rollback" in told


def test_run_still_says_why_it_failed_when_its_connection_is_lost(
    pg: Database, releases: Releases
) -> None:
    if releases.dsn != pg.dsn:
        pytest.skip("a DuckDB file has no connection that is lost")
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user"
    command = f'psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -c "{ends}"; exit 7'
    releases.project(MIGRATIONS, releases.web(deploy_command=command), on_failure="rollback")
    said = releases.deploy(code=None)
    run = releases.runs()[0]
    assert run["message"].startswith("web: "), said.all
    assert "nobody can say which migrations are half done" in said.all
    assert run["exit_code"] == ExitCode.CHANGED


def test_rollback_has_ended_when_only_the_ledger_has_its_end(releases: Releases) -> None:
    broken(releases)
    releases.terminal.set(TEMPLEDB_FAILPOINT="run.ended@2:error")
    releases.deploy(code=None)
    releases.terminal.unset("TEMPLEDB_FAILPOINT")
    child, parent = releases.runs()[:2]
    assert (child["run_kind"], child["outcome"]) == ("rollback", "succeeded")
    assert parent["rolled_back_by"] == child["run"]
