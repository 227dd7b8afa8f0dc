"""Going back to an earlier release: where to, by which plan, and what it leaves as it is."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from templedb_nb.api import Temple, frame
from templedb_nb.core.run.rollback_choice import choices, named
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.event import Outcome
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import from_plain, to_plain
from tests.app.deploy.test_locks import until
from tests.app.recovery.test_died import killed
from tests.conftest import MIGRATIONS, Database, Said, Terminal


@dataclass
class Releases:
    """A project of migrations and a command, whose config is checked in, on one target."""

    terminal: Terminal
    target: str = "prod"
    dsn: str = ""

    @property
    def out(self) -> Path:
        return self.terminal.home / "out"

    @property
    def deployed(self) -> list[str]:
        """Return what the commands have deployed, in order."""
        return self.out.read_text().splitlines() if self.out.exists() else []

    def project(self, *groups: dict[str, Any], **more: Any) -> None:
        """Write the config; without groups, migrations and one that deploys the version."""
        own = groups or (MIGRATIONS, self.web())
        document = {"groups": list(own), "targets": {self.target: {}}} | more
        self.terminal.file("app/templedb.yaml", json.dumps(document))

    def web(self, **more: Any) -> dict[str, Any]:
        command = f"cat version.txt >> {self.out}"
        return {"name": "web", "deploy_command": command} | more

    def version(self, name: str, **migrations: str) -> None:
        self.terminal.file("app/version.txt", f"{name}\n")
        for file, sql in migrations.items():
            self.terminal.file(f"app/migrations/{file}.sql", sql)

    def deploy(self, *words: str, code: int | None = 0) -> Said:
        return self.terminal("deploy", "run", "app", *words, code=code)

    def back(self, *words: str, code: int | None = 0) -> Said:
        return self.terminal("deploy", "rollback", "app", *words, code=code)

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs of the history, newest first."""
        rows: list[dict[str, Any]] = self.terminal("deploy", "history", "app", "--json").json[-1][
            "rows"
        ]
        return rows


def begin(terminal: Terminal, dsn: str) -> Releases:
    """Return a project whose release 1 is deployed, and whose release 2 is written."""
    made = Releases(terminal, dsn=dsn)
    made.project()
    made.version("v1", m001="CREATE TABLE a (id int);\n")
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", dsn, "--target", "prod")
    made.deploy()
    made.version("v2", m002="CREATE TABLE b (id int);\n")
    return made


@pytest.fixture
def quick(terminal: Terminal) -> Releases:
    """Return such a project with a DuckDB file as its target."""
    return begin(terminal, f"duckdb://{terminal.home}/target.duckdb")


@pytest.fixture(params=["postgres", "duckdb"])
def releases(request: pytest.FixtureRequest, terminal: Terminal) -> Releases:
    """Return such a project with either kind of target: what ledgers keep is tried on both."""
    if request.param == "postgres":
        pg: Database = request.getfixturevalue("pg")
        return begin(terminal, pg.dsn)
    return begin(terminal, f"duckdb://{terminal.home}/target.duckdb")


@pytest.fixture
def provable(request: pytest.FixtureRequest, releases: Releases) -> Releases:
    """Return the project on a target where the role may make a copy of the schema."""
    if releases.dsn.startswith("postgresql"):
        pg: Database = request.getfixturevalue("pg")
        pg.query(f"ALTER ROLE {pg.role} CREATEDB")
    return releases


@pytest.fixture
def bare(terminal: Terminal) -> Releases:
    """Return a project without a database whose release 1 is deployed."""
    made = Releases(terminal)
    made.project(made.web())
    made.version("v1")
    terminal("project", "import", "app")
    made.deploy()
    made.version("v2")
    return made


# --- where to -------------------------------------------------------------------------------------


def a_run(number: int, tree: str, **more: Any) -> PastRun:
    return PastRun(
        run=f"{number:08d}",
        target="t",
        tree=tree,
        config_hash="c",
        release=number,
        **{"outcome": Outcome.SUCCEEDED} | more,
    )


def default(*runs: PastRun) -> str:
    """Return the run to which a rollback goes by itself; *runs* are in the order of their time."""
    found = choices(runs[::-1]).default
    return found.run if found else ""


FAILED = {"outcome": Outcome.FAILED, "exit_code": ExitCode.CHANGED}
IDLE = {"outcome": Outcome.FAILED, "exit_code": ExitCode.UNCHANGED}
BACK = {"run_kind": RunKind.ROLLBACK}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], ""),
        ([a_run(1, "a")], ""),
        ([a_run(1, "a"), a_run(2, "b")], "00000001"),
        ([a_run(1, "a"), a_run(2, "b"), a_run(3, "b")], "00000001"),
        ([a_run(1, "a"), a_run(2, "a"), a_run(3, "b")], "00000002"),
        ([a_run(1, "a"), a_run(2, "b", **FAILED)], "00000001"),
        ([a_run(1, "a"), a_run(2, "b"), a_run(3, "c", **IDLE)], "00000001"),
        ([a_run(1, "a"), a_run(2, "b"), a_run(3, "c", outcome=None)], "00000002"),
        # Refused under the lock, or cancelled before its first step: it deployed nothing.
        ([a_run(1, "a"), a_run(2, "b"), a_run(3, "c", **FAILED, begun=False)], "00000001"),
        (
            [
                a_run(1, "a"),
                a_run(2, "b"),
                a_run(3, "c", outcome=Outcome.CANCELLED, exit_code=130, begun=False),
            ],
            "00000001",
        ),
        ([a_run(1, "a"), a_run(2, "b"), a_run(3, "x", run_kind=RunKind.DOWN)], "00000001"),
        ([a_run(1, ""), a_run(2, "b")], ""),
        # Back from b to a: what comes before a, never b again.
        ([a_run(1, "a"), a_run(2, "b"), a_run(3, "a", **BACK, parent_run="00000002")], ""),
        (
            [a_run(1, "z"), a_run(2, "a"), a_run(3, "b"), a_run(4, "a", **BACK)],
            "00000001",
        ),
        # A rollback twice over, and then a new release that goes back to what the rollback left.
        (
            [a_run(1, "z"), a_run(2, "a"), a_run(3, "b"), a_run(4, "a", **BACK), a_run(5, "d")],
            "00000004",
        ),
        # A rollback that failed is where its parent was.
        (
            [
                a_run(1, "z"),
                a_run(2, "a"),
                a_run(3, "b"),
                a_run(4, "a", **BACK, **FAILED, parent_run="00000003"),
            ],
            "00000002",
        ),
    ],
)
def test_rollback_goes_to_the_newest_success_of_other_content_when_no_release_is_named(
    runs: list[PastRun], expected: str
) -> None:
    assert default(*runs) == expected


def test_release_is_found_by_its_number_and_a_run_by_its_beginning_when_a_word_names_it() -> None:
    found = choices([a_run(3, "c"), a_run(2, "b"), a_run(1, "a")])
    assert [each.run.release for each in named(found, "1")] == [1]
    assert [each.run.release for each in named(found, "00000002")] == [2]
    assert named(found, "7") == ()


# --- by hand --------------------------------------------------------------------------------------


def test_rollback_runs_the_commands_of_the_older_release_when_a_newer_release_is_in_place(
    releases: Releases,
) -> None:
    releases.deploy()
    assert releases.deployed == ["v1", "v2"]
    shown = releases.back("--dry-run")
    assert "rollback to release 1 of run" in shown.out
    assert "migrations/m002.sql (expand) stays applied" in shown.out
    assert releases.deployed == ["v1", "v2"], "a dry run does nothing"
    said = releases.back()
    assert "release 1 is in place again" in said.out
    assert releases.deployed == ["v1", "v2", "v1"]
    newest, before, first = releases.runs()
    assert (newest["run_kind"], newest["parent_run"]) == ("rollback", before["run"])
    assert before["rolled_back_by"] == newest["run"]
    assert newest["release"] == first["release"] == 1
    status = releases.terminal("migration", "status", "app", "--json").json[-1]
    assert {row["state"] for row in status["rows"]} == {"applied"}, "no migration is undone"


def test_list_says_which_releases_can_come_back_and_why_not_others_when_content_repeats(
    bare: Releases,
) -> None:
    bare.deploy()
    bare.version("v1")
    bare.deploy()  # what is in place was deployed before, too
    said = bare.back("--list", "--json").json[-1]
    rows = {row["release"]: row for row in said["rows"]}
    assert said["release"] == 3
    assert (rows[2]["default"], rows[2]["why_not"]) == (True, "")
    assert rows[1]["why_not"] == "it deployed what is in place"
    assert bare.deployed == ["v1", "v2", "v1"], "a list runs nothing"


def test_rollback_goes_to_the_named_run_or_release_when_a_word_names_it(bare: Releases) -> None:
    bare.deploy()
    bare.version("v3")
    bare.deploy()
    bare.back("--to", "1")
    second = next(row for row in bare.runs() if row["release"] == 2)
    bare.back("--to", second["run"][:13])
    assert bare.deployed == ["v1", "v2", "v3", "v1", "v2"]
    assert "'9' names no successful run" in bare.back("--to", "9", code=64).err


def test_rollback_is_refused_when_nothing_was_there_before(bare: Releases) -> None:
    said = bare.back(code=64)
    assert "there is nothing to go back to on prod" in said.err
    assert len(bare.runs()) == 1


def test_rollback_uses_the_config_of_its_release_when_the_config_has_changed(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    made.version("v1")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "prod")
    terminal.config(made.web(rollback_command=f"echo back to $(cat version.txt) >> {made.out}"))
    made.deploy()
    terminal.config({"name": "other", "deploy_command": f"echo new >> {made.out}"})
    made.version("v2")
    made.deploy()
    shown = made.back("--dry-run").out
    assert "config: version 1 of" in shown
    assert "what group other deployed: release 1 does not have the group" in shown
    made.back()
    assert made.deployed == ["v1", "new", "back to v1"]


def test_rollback_is_refused_when_a_group_works_in_the_project_folder_of_today(
    bare: Releases,
) -> None:
    bare.project(bare.web(), {"name": "here", "deploy_command": "ls", "workdir": "project"})
    bare.deploy()
    bare.version("v3")
    bare.deploy()
    said = bare.back(code=78)
    assert "here: works in the project's folder, which is today's" in said.err
    bare.back("--skip-group", "here")
    assert bare.deployed[-1] == "v2"


def test_rollback_is_refused_when_the_release_has_migrations_alone(terminal: Terminal) -> None:
    made = Releases(terminal)
    made.project(MIGRATIONS)
    made.version("v1", m001="CREATE TABLE a (id int);\n")
    terminal("project", "import", "app")
    dsn = f"duckdb://{terminal.home}/target.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", dsn, "--target", "prod")
    made.deploy()
    made.version("v2", m002="CREATE TABLE b (id int);\n")
    made.deploy()
    assert "a rollback never undoes migrations by itself" in made.back(code=78).err


def test_deploy_script_of_the_older_release_runs_when_the_script_has_changed(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    script = f"#!/bin/sh\necho script $(cat version.txt) >> {made.out}\n"
    terminal.file("app/deploy.sh", script)
    made.version("v1")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "prod")
    made.deploy()
    terminal.file("app/deploy.sh", script.replace("echo script", "echo changed"))
    made.version("v2")
    made.deploy()
    made.back()
    assert made.deployed == ["script v1", "changed v2", "script v1"]


def test_rollback_is_refused_when_old_code_fails_with_an_applied_migration(
    releases: Releases,
) -> None:
    releases.version("v2", m002="ALTER TABLE a RENAME COLUMN id TO n;\n")
    releases.deploy()
    said = releases.back(code=78)
    assert (
        "migrations/m002.sql: stays applied, and the code of that release fails with it" in said.err
    )
    assert releases.deployed == ["v1", "v2"]


def test_rollback_is_refused_when_a_migration_of_the_older_release_is_not_applied(
    quick: Releases,
) -> None:
    quick.deploy()
    quick.terminal(
        "migration", "mark-reverted", "app", "m001.sql", "--reason", "it was dropped by hand"
    )
    said = quick.back(code=78)
    assert "release 1 needs it, and it is not applied" in said.err


def test_rollback_plan_runs_only_once_when_run_by_its_id(quick: Releases) -> None:
    quick.deploy()
    plan = quick.back("--dry-run", "--json").json[-1]
    first = quick.out.read_text()
    identifier = _plan_id(quick)
    quick.terminal("deploy", "run", "--plan", identifier)
    assert quick.out.read_text() == f"{first}v1\n"
    assert plan["draft"]["rollback"]["release"] == 1
    assert "succeeded already" in quick.terminal("deploy", "run", "--plan", identifier, code=22).err


def _plan_id(releases: Releases) -> str:
    text = releases.back("--dry-run").out
    return text.split("plan ", 1)[1].split(":", 1)[0]


def test_rollback_needs_an_approval_when_the_target_is_protected(quick: Releases) -> None:
    quick.terminal.set(TEMPLEDB_USER="ana")
    quick.project(targets={"prod": {"protected": True}})
    first = quick.deploy(code=20)
    _approve(quick, first)
    quick.deploy()
    refused = quick.back(code=20)
    assert "no approval" in refused.err
    _approve(quick, refused)
    quick.back()
    assert quick.deployed == ["v1", "v2", "v1"]


def _approve(releases: Releases, refused: Said) -> None:
    plan = refused.err.split("plan ", 1)[1].split(" ", 1)[0]
    releases.terminal.set(TEMPLEDB_USER="emil")
    releases.terminal("approve", plan, "--reason", "read it")
    releases.terminal.set(TEMPLEDB_USER="ana")


# --- migrations, where that is asked for ----------------------------------------------------------

DOWN = "CREATE TABLE b (id int);\n-- templedb:down\nDROP TABLE b;\n"


def test_migrations_are_undone_by_their_down_parts_only_when_asked(
    provable: Releases,
) -> None:
    provable.version("v2", m002=DOWN, m003=DOWN.replace(" b", " c"))
    provable.deploy()
    shown = provable.back("--dry-run", "--with-down")
    assert "migrations: roll back migrations/m003.sql" in shown.out
    assert "stays applied" not in shown.out
    provable.back("--with-down")
    assert provable.deployed == ["v1", "v2", "v1"]
    rows = provable.terminal("migration", "status", "app", "--json").json[-1]["rows"]
    assert [row["state"] for row in rows] == ["applied", "pending", "pending"]
    assert provable.runs()[0]["run_kind"] == "rollback"
    provable.deploy()
    assert provable.deployed[-1] == "v2"


def test_rollback_with_down_is_refused_when_a_down_part_does_not_lead_back(quick: Releases) -> None:
    quick.version("v2", m002=DOWN.replace("DROP TABLE b", "CREATE TABLE left_over (id int)"))
    quick.deploy()
    said = quick.back("--with-down", code=78)
    assert "a down part does not lead back" in said.err
    quick.back()


def test_rollback_with_down_is_refused_when_a_migration_has_no_down_part(quick: Releases) -> None:
    quick.deploy()
    said = quick.back("--with-down", code=64)
    assert "migrations/m002.sql has no down part" in said.err


def test_migration_is_undone_before_old_code_comes_back_when_it_breaks_that_code(
    quick: Releases,
) -> None:
    up, down = "ALTER TABLE a RENAME COLUMN id TO n;", "ALTER TABLE a RENAME COLUMN n TO id;"
    quick.version("v2", m002=f"{up}\n-- templedb:down\n{down}\n")
    quick.deploy()
    quick.back(code=78)
    shown = quick.back("--dry-run", "--with-down").out
    assert shown.index("1. undo migrations") < shown.index("2. web")
    plan = shown.split("plan ", 1)[1].split(":", 1)[0]
    quick.terminal("deploy", "run", "--plan", plan)
    assert quick.deployed == ["v1", "v2", "v1"]


# --- from elsewhere -------------------------------------------------------------------------------


def test_rollback_takes_the_release_from_git_when_another_state_deployed_it(
    releases: Releases,
) -> None:
    terminal, app = releases.terminal, releases.terminal.home / "app"
    git(app, "init", "-q")
    git(app, "add", "-A")
    git(app, "commit", "-qm", "two")
    releases.deploy()
    releases.version("v3")
    releases.deploy()
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "other" / "state.duckdb"))
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", releases.dsn, "--target", "prod")
    listed = releases.back("--list").out
    assert "its files are not in this state" in listed
    shown = releases.back("--dry-run").out
    assert "its files come from: commit" in shown
    releases.back()
    assert releases.deployed[-1] == "v2"


def test_rollback_takes_the_release_from_its_bundle_when_another_state_deployed_it(
    quick: Releases,
) -> None:
    terminal, bundle = quick.terminal, quick.terminal.home / "first.plan"
    (terminal.home / "app" / "migrations" / "m002.sql").unlink()
    quick.version("v1")
    terminal("deploy", "plan", "app", "--out", str(bundle))
    for name in ("v2", "v3"):
        quick.version(name)
        quick.deploy()
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "other" / "state.duckdb"))
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", quick.dsn, "--target", "prod")
    assert "first.plan" in quick.back("--dry-run", "--bundle", str(bundle)).out
    quick.back("--bundle", str(bundle))
    assert quick.deployed == ["v1", "v2", "v3", "v1"]
    other = quick.back("--list", "--json").json[-1]["rows"][0]["run"]
    wrong = quick.back("--bundle", str(bundle), "--to", other[:13], code=69)
    assert f"are not in {bundle}" in wrong.err


def test_rollback_is_refused_and_says_what_was_searched_when_the_release_is_nowhere(
    quick: Releases,
) -> None:
    terminal = quick.terminal
    quick.deploy()
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "other" / "state.duckdb"))
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", quick.dsn, "--target", "prod")
    said = quick.back(code=69)
    assert "its files (tree " in said.err
    assert "looked in: the releases of project app in this state" in said.err
    assert "looked in: the newest 100 versions of the folder in git" in said.err
    assert "--bundle FILE" in said.err
    assert quick.deployed == ["v1", "v2"]


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


# --- by itself ------------------------------------------------------------------------------------


def broken(releases: Releases, **more: Any) -> None:
    """Write a release 2 whose hook fails, and whose failure rolls back."""
    hook = {"command": "test ! -e broken", "critical": True}
    own = releases.web(post_deploy=[hook])
    late = {"name": "late", "deploy_command": f"echo late >> {releases.out}"}
    releases.project(MIGRATIONS, own, late, on_failure="rollback", **more)
    releases.terminal.file("app/broken", "")


def test_failed_run_is_rolled_back_by_its_plan_when_the_plan_named_a_rollback(
    releases: Releases,
) -> None:
    broken(releases)
    plan = releases.terminal("deploy", "plan", "app")
    assert "if this fails (failure, timeout, health): rollback to release 1" in plan.out
    said = releases.deploy(code=11)
    assert "failed: test ! -e broken exited with 1" in said.out, "the first error leads"
    assert "rolled back: release 1 is in place again" in said.out
    assert releases.deployed == ["v1", "v2", "v1"]
    child, parent, _ = releases.runs()
    assert (parent["outcome"], child["outcome"]) == ("failed", "succeeded")
    assert (child["run_kind"], child["parent_run"]) == ("rollback", parent["run"])
    shown = releases.terminal("deploy", "show", parent["run"][:13], code=None)
    assert "rolled back: release 1 is in place again" in shown.out
    releases.version("v3")
    (releases.terminal.home / "app" / "broken").unlink()
    releases.deploy()
    assert releases.deployed[-2:] == ["v3", "late"]


def test_group_is_not_rolled_back_when_it_had_not_begun(bare: Releases) -> None:
    late = {"name": "late", "deploy_command": f"echo late >> {bare.out}"}
    bare.project(bare.web(), late, on_failure="rollback")
    bare.version("v2")
    bare.deploy()
    bare.project({"name": "web", "deploy_command": "false"}, late, on_failure="rollback")
    bare.deploy(code=11)
    assert bare.deployed == ["v1", "v2", "late", "v2"]


@pytest.mark.parametrize(
    ("more", "code", "last"),
    [
        ({"rollback_on": ["timeout", "health"]}, 12, "v2"),
        ({"rollback_on": ["failure"]}, 11, "v1"),
        ({"on_failure": "stop"}, 12, "v2"),
    ],
)
def test_run_is_rolled_back_only_when_its_end_is_named_in_the_policy(
    bare: Releases, more: dict[str, Any], code: int, last: str
) -> None:
    hook = {"command": "false", "critical": True}
    bare.project(bare.web(post_deploy=[hook]), **{"on_failure": "rollback"} | more)
    bare.deploy(code=code)
    assert bare.deployed[-1] == last


def test_run_owes_no_rollback_when_it_changed_nothing(bare: Releases) -> None:
    bare.project(bare.web(build_command="false"), on_failure="rollback")
    bare.deploy(code=10)
    assert bare.deployed == ["v1"]


def test_release_is_rolled_back_and_measured_when_it_is_unhealthy(bare: Releases) -> None:
    check = {
        "type": "command",
        "command": f"tail -1 {bare.out} | grep -q v1",
        "interval": 1,
        "timeout": 1,
        "deadline": 2,
        "failure_threshold": 1,
    }
    bare.project(bare.web(health_check=check), on_failure="rollback")
    bare.version("v1")
    bare.deploy()
    bare.version("v2")
    said = bare.deploy(code=11)
    assert "is unhealthy" in said.out
    child = bare.runs()[0]
    assert (child["run_kind"], child["health"]) == ("rollback", "healthy")


def test_plan_says_there_is_nothing_to_go_back_to_when_it_is_the_first_deployment(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    made.project({"name": "web", "deploy_command": "false"}, on_failure="rollback")
    made.version("v1")
    terminal("project", "import", "app")
    said = terminal("deploy", "plan", "app")
    assert "no earlier run of other content has succeeded" in said.out
    made.deploy(code=12)


def test_failed_release_is_not_rolled_back_when_its_migration_breaks_old_code(
    quick: Releases,
) -> None:
    broken(quick)
    quick.version("v2", m002="ALTER TABLE a RENAME COLUMN id TO n;\n")
    said = quick.terminal("deploy", "plan", "app")
    assert (
        "on_failure: rollback is not possible for this run: migrations/m002.sql is contract"
        in said.out
    )
    quick.deploy(code=12)
    assert quick.deployed == ["v1", "v2"]


def test_rollback_needs_its_own_approval_when_the_policy_does_not_approve_rollbacks_before(
    quick: Releases,
) -> None:
    quick.terminal.set(TEMPLEDB_USER="ana")
    broken(quick, targets={"prod": {"protected": True}})
    _approve(quick, quick.deploy(code=20))
    said = quick.deploy(code=12)
    assert "NOT ROLLED BACK" in said.out
    assert "its rollback has not begun" in quick.deploy(code=13).err
    refused = quick.terminal("deploy", "resume", "app", code=20)
    _approve(quick, refused)
    quick.terminal("deploy", "resume", "app", code=11)
    assert quick.deployed == ["v1", "v2", "v1"]


def test_rollback_needs_no_separate_approval_when_the_policy_approves_rollbacks_before(
    releases: Releases,
) -> None:
    releases.terminal.set(TEMPLEDB_USER="ana")
    broken(releases, targets={"prod": {"protected": True, "pre_approve_rollback": True}})
    _approve(releases, releases.deploy(code=20))
    releases.deploy(code=11)
    assert releases.deployed == ["v1", "v2", "v1"]


# --- when it does not end well --------------------------------------------------------------------


def half_broken(releases: Releases) -> None:
    """Write a release whose failure rolls back to one that cannot be deployed any more."""
    gate = releases.terminal.home / "gate"
    gate.write_text("")
    web = releases.web(deploy_command=f"test -e {gate} && cat version.txt >> {releases.out}")
    releases.project(MIGRATIONS, web, on_failure="rollback")
    releases.version("v2")
    releases.deploy()
    releases.project(
        MIGRATIONS,
        {"name": "web", "deploy_command": f"rm {gate}; false"},
        on_failure="rollback",
    )


def test_target_is_left_for_a_person_when_its_rollback_fails(releases: Releases) -> None:
    half_broken(releases)
    said = releases.deploy(code=13)
    assert "THE ROLLBACK DID NOT SUCCEED" in said.out
    child = releases.runs()[0]
    assert (child["run_kind"], child["outcome"]) == ("rollback", "failed")
    again = releases.deploy(code=13)
    assert "did not succeed: the target may be half rolled back" in again.err
    assert f"templedb deploy resume {child['run'][:13]}" in again.err
    (releases.terminal.home / "gate").write_text("")
    releases.terminal("deploy", "resume", "app", child["run"][:13])
    assert releases.deployed[-1] == "v2"
    releases.project()
    releases.version("v4")
    releases.deploy()


def test_next_run_is_allowed_when_a_person_settled_the_failed_rollback(releases: Releases) -> None:
    half_broken(releases)
    releases.deploy(code=13)
    child = releases.runs()[0]
    releases.terminal("run", "resolve", "--reason", "put right by hand", child["run"][:13])
    releases.project()
    releases.version("v4")
    releases.deploy()
    assert releases.deployed[-1] == "v4"


@pytest.mark.parametrize("place", ["rollback.owed", "run.ended"])
def test_owed_rollback_begins_only_by_resume_when_the_process_died(
    releases: Releases, place: str
) -> None:
    broken(releases)
    killed(releases.terminal, place, "deploy", "run", "app")
    assert releases.deployed == ["v1", "v2"], "nothing was rolled back"
    refused = releases.deploy(code=13)
    assert "failed, and its rollback has not begun" in refused.err
    assert "templedb deploy resume" in refused.err
    assert "templedb run resolve" in refused.err
    assert releases.deployed == ["v1", "v2"], "no other command begins it"
    releases.terminal("deploy", "resume", "app", code=11)
    assert releases.deployed == ["v1", "v2", "v1"]
    releases.terminal("deploy", "resume", "app", code=64)
    assert releases.deployed == ["v1", "v2", "v1"], "it is not rolled back twice"


def test_owed_rollback_is_left_out_when_a_person_says_so(quick: Releases) -> None:
    broken(quick)
    killed(quick.terminal, "rollback.owed", "deploy", "run", "app")
    parent = quick.runs()[0]["run"]
    quick.terminal("run", "resolve", parent[:13], "--reason", "we go forward")
    (quick.terminal.home / "app" / "broken").unlink()
    quick.version("v3")
    quick.deploy()
    assert quick.deployed[-2:] == ["v3", "late"]


def test_rollback_is_unknown_when_its_process_dies_within_a_command(releases: Releases) -> None:
    releases.deploy()
    killed(releases.terminal, "command.ran", "deploy", "rollback", "app")
    child = releases.runs()[0]
    assert (child["run_kind"], child["outcome"]) == ("rollback", "unknown")
    refused = releases.deploy(code=13)
    assert "did not succeed" in refused.err
    releases.terminal("run", "resolve", child["run"][:13], "--reason", "it is back")
    releases.version("v3")
    releases.deploy()


# --- ended by a person ----------------------------------------------------------------------------


def waiting(releases: Releases) -> dict[str, Any]:
    """Return a group whose command deploys, and then waits where a file says so."""
    home = releases.terminal.home
    command = f"cat version.txt >> {releases.out}; test ! -e {home}/wait || (touch {home}/there; sleep 300)"
    return {"name": "web", "deploy_command": command}


def begun(releases: Releases, *words: str) -> subprocess.Popen[str]:
    """Return a process whose command waits."""
    home = releases.terminal.home
    (home / "there").unlink(missing_ok=True)
    (home / "wait").touch()
    process = releases.terminal.process(*words)
    until((home / "there").exists)
    return process


@pytest.mark.parametrize("how", ["asked", "by policy", "not asked"])
def test_cancelled_run_is_rolled_back_only_when_asked_or_told_by_policy(
    terminal: Terminal, how: str
) -> None:
    made = Releases(terminal)
    policy = {"cancel_policy": "rollback"} if how == "by policy" else {}
    made.project(waiting(made), on_failure="rollback", **policy)
    made.version("v1")
    terminal("project", "import", "app")
    made.deploy()
    made.version("v2")
    process = begun(made, "deploy", "run", "app")
    (terminal.home / "wait").unlink()
    live = terminal("deploy", "status", "app", "--json").json[-1]["rows"][0]["live_run"]
    words = ["--rollback"] if how == "asked" else []
    terminal("run", "cancel", live, *words)
    out, err = process.communicate(timeout=60)
    wanted = 130 if how == "not asked" else 11
    assert process.returncode == wanted, out + err
    assert made.deployed == ["v1", "v2"] + (["v1"] if wanted == 11 else [])


def test_rollback_warns_at_first_and_is_cancelled_at_the_second_when_interrupted_twice(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    made.project(waiting(made))
    made.version("v1")
    terminal("project", "import", "app")
    made.deploy()
    made.version("v2")
    made.deploy()
    process = begun(made, "deploy", "rollback", "app")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    line = next(each for each in process.stderr if "this is a rollback" in each)
    assert "interrupt again to cancel it" in line
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    (terminal.home / "wait").unlink()
    assert "did not succeed" in made.deploy(code=13).err
    child = made.runs()[0]
    assert (child["run_kind"], child["outcome"]) == ("rollback", "cancelled")
    terminal("deploy", "resume", "app")
    assert made.deployed[-1] == "v1"
    made.version("v3")
    made.deploy()


# --- reports, words of targets, Python ------------------------------------------------------------


def test_reports_tell_of_the_run_and_of_its_rollback_when_a_failed_run_was_rolled_back(
    bare: Releases,
) -> None:
    home = bare.terminal.home
    bare.project(
        bare.web(post_deploy=[{"command": "false", "critical": True}]), on_failure="rollback"
    )
    bare.deploy("--junit", str(home / "r.xml"), "--summary", str(home / "s.md"), code=11)
    suites = [each.get("name") for each in ET.parse(home / "r.xml").getroot()]
    assert suites == ["app to prod", "app to prod (rollback)"]
    summary = (home / "s.md").read_text()
    assert "rolled back by run" in summary
    assert summary.index("false") < summary.index("rolled back by run"), "the first error leads"


def test_plan_says_what_follows_a_failure_when_the_target_sets_on_failure(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    made.version("v1")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "prod", "--on-failure", "rollback", "--rollback-on", "failure")
    terminal.config(made.web())
    made.deploy()
    made.version("v2")
    terminal.config(made.web(post_deploy=[{"command": "false", "critical": True}]))
    assert "if this fails (failure): rollback to release 1" in terminal("deploy", "plan", "app").out
    made.deploy(code=11)
    terminal("target", "update", "app", "prod", "--rollback-on", "health, timeout")
    made.deploy(code=12)
    said = terminal("target", "update", "app", "prod", "--rollback-on", "bad", code=64)
    assert "--rollback-on takes failure, timeout, health, not bad" in said.err


def test_rollback_succeeds_when_called_by_the_python_api(bare: Releases) -> None:
    bare.deploy()
    temple = Temple.open(bare.terminal.state)
    listed = temple.rollbacks("app")
    assert [row.release for row in listed.rows if row.default] == [1]
    plan = temple.rollback_plan("app", to=1)
    assert plan.draft.rollback is not None
    assert plan.draft.rollback.release == 1
    result = temple.rollback("app")
    assert (result.outcome, result.run_kind) == (Outcome.SUCCEEDED, RunKind.ROLLBACK)
    assert list(frame(listed)["kind"]) == ["deploy"]
    history = frame(temple.history("app"))
    assert list(history["kind"]) == ["rollback", "deploy", "deploy"]


def test_runs_view_has_kind_and_parent_when_a_run_was_rolled_back(bare: Releases) -> None:
    bare.deploy()
    bare.back()
    sql = "SELECT kind, parent_run <> '' AS child, rolled_back_by <> '' AS undone FROM runs ORDER BY run"
    rows = bare.terminal("sql", sql, "--json").json[-1]["rows"]
    assert rows == [
        ["deploy", False, False],
        ["deploy", False, True],
        ["rollback", True, False],
    ]


def test_run_is_left_for_a_person_and_not_rolled_back_when_a_migration_is_half_done(
    terminal: Terminal, pg: Database
) -> None:
    made = begin(terminal, pg.dsn)
    made.deploy()
    web, late = made.web(order=1), MIGRATIONS | {"order": 2}
    made.project(web, late, on_failure="rollback")
    sql = "CREATE INDEX CONCURRENTLY a_id ON a (id);\nCREATE INDEX CONCURRENTLY b_no ON b (nope);\n"
    made.version("v3", m003=sql)
    said = made.deploy(code=13)
    assert "NOT ROLLED BACK: migrations/m003.sql is half done" in said.out
    assert made.deployed == ["v1", "v2", "v3"]


def test_state_says_that_a_rollback_is_owed_when_no_ledger_could_be_written(
    terminal: Terminal, pg: Database
) -> None:
    made = begin(terminal, pg.dsn)
    broken(made)
    killed(terminal, "rollback.owed", "deploy", "run", "app")
    pg.query("UPDATE templedb.meta SET v = '' WHERE k LIKE 'rollback/%'")
    pg.query("UPDATE templedb.run SET state = 'running', finished_at = NULL WHERE state = 'failed'")
    assert "its rollback has not begun" in made.deploy(code=13).err


# --- somebody else came in between ----------------------------------------------------------------


def test_run_is_not_resumed_when_it_was_rolled_back(quick: Releases) -> None:
    broken(quick)
    quick.deploy(code=11)
    parent = quick.runs()[1]["run"]
    said = quick.terminal("deploy", "resume", "app", parent[:13], code=64)
    assert "was rolled back by run" in said.err
    assert quick.deployed == ["v1", "v2", "v1"]


def test_rollback_plan_is_stale_when_another_release_came_in_between(releases: Releases) -> None:
    releases.deploy()
    plan = _plan_id(releases)
    releases.version("v3")
    releases.deploy()
    said = releases.terminal("deploy", "run", "--plan", plan, code=22)
    assert (
        "(deploy) has followed on prod: the rollback of what is in place now is a different one"
        in said.err
    )
    assert releases.deployed == ["v1", "v2", "v3"]


def test_plan_is_stale_when_its_rollback_would_go_past_what_is_in_place(bare: Releases) -> None:
    hook = {"command": "false", "critical": True}
    bare.project(bare.web(post_deploy=[hook]), on_failure="rollback")
    plan = bare.terminal("deploy", "plan", "app").out.split("plan ", 1)[1].split(":", 1)[0]
    bare.project(bare.web(), on_failure="rollback")
    bare.version("between")
    bare.deploy()
    said = bare.terminal("deploy", "run", "--plan", plan, code=22)
    assert "a failure would now roll back too far" in said.err
    assert bare.deployed == ["v1", "between"]


def test_bundle_rolls_back_when_its_machine_finds_the_older_release(quick: Releases) -> None:
    terminal, app = quick.terminal, quick.terminal.home / "app"
    git(app, "init", "-q")
    broken(quick)
    terminal.file("app/version.txt", "v1\n")
    (app / "broken").unlink()
    (app / "migrations" / "m002.sql").unlink()
    git(app, "add", "-A")
    git(app, "commit", "-qm", "one")
    quick.deploy()
    broken(quick)
    quick.version("v2", m002="CREATE TABLE b (id int);\n")
    bundle = terminal.home / "two.plan"
    terminal("deploy", "plan", "app", "--out", str(bundle))
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "other" / "state.duckdb"))
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", quick.dsn, "--target", "prod")
    terminal("deploy", "run", "--plan", str(bundle), code=11)
    assert quick.deployed == ["v1", "v1", "late", "v2", "v1"]


def test_group_may_be_missing_in_the_older_release_when_the_run_leaves_it_out(
    bare: Releases,
) -> None:
    bare.project(
        bare.web(post_deploy=[{"command": "false", "critical": True}]),
        {"name": "new", "deploy_command": "false"},
        on_failure="rollback",
    )
    bare.deploy("--skip-group", "new", code=11)
    assert bare.deployed == ["v1", "v2", "v1"]


def test_rollback_plan_stays_valid_when_a_newer_plan_is_made(quick: Releases) -> None:
    quick.terminal.set(TEMPLEDB_USER="ana")
    quick.project(targets={"prod": {"protected": True}})
    _approve(quick, quick.deploy(code=20))
    quick.deploy()
    refused = quick.back(code=20)
    quick.version("v3")
    quick.terminal("deploy", "plan", "app")
    _approve(quick, refused)
    quick.back()
    assert quick.deployed == ["v1", "v2", "v1"]


# --- targets without a database -------------------------------------------------------------------


def test_owed_rollback_is_still_told_when_runs_were_refused_since(bare: Releases) -> None:
    hook = {"command": "test ! -e broken", "critical": True}
    bare.project(bare.web(post_deploy=[hook]), on_failure="rollback")
    bare.terminal.file("app/broken", "")
    killed(bare.terminal, "rollback.owed", "deploy", "run", "app")
    parent = bare.runs()[0]
    for _ in range(2):
        bare.terminal("deploy", "run", "--plan", parent["plan"][:12], code=13)
        assert "its rollback has not begun" in bare.deploy(code=13).err
    bare.terminal("deploy", "resume", "app", code=11)
    assert bare.deployed == ["v1", "v2", "v1"]


def test_target_is_left_for_a_person_when_a_rollback_by_hand_fails(bare: Releases) -> None:
    gate = bare.terminal.home / "gate"
    web = bare.web(deploy_command=f"test -e {gate} && cat version.txt >> {bare.out}")
    bare.project(web)
    gate.write_text("")
    bare.deploy()
    bare.version("v3")
    bare.deploy()
    gate.unlink()
    said = bare.back(code=13)
    assert "THE ROLLBACK DID NOT SUCCEED" in said.out
    child = bare.runs()[0]["run"][:13]
    assert f"templedb deploy resume {child}" in said.out
    assert "did not succeed" in bare.deploy(code=13).err
    gate.write_text("")
    bare.terminal("deploy", "resume", "app")
    assert bare.deployed == ["v1", "v2", "v3", "v2"]


def test_result_is_read_back_from_json_when_it_has_a_rollback() -> None:
    child = Result(run="2", run_kind=RunKind.ROLLBACK, outcome=Outcome.SUCCEEDED)
    result = Result(run="1", outcome=Outcome.FAILED, exit_code=12, rollback=child)
    assert from_plain(Result, to_plain(result)) == result
    assert result.final_exit_code == ExitCode.ROLLED_BACK


def test_owed_rollback_is_resumed_when_a_word_on_the_ledger_came_in_between(
    quick: Releases,
) -> None:
    broken(quick)
    killed(quick.terminal, "rollback.owed", "deploy", "run", "app")
    words = ("--reason", "dropped by hand")
    quick.terminal("migration", "mark-reverted", "app", "m002.sql", *words)
    quick.terminal("deploy", "resume", "app", code=11)
    assert quick.deployed == ["v1", "v2", "v1"]


def test_plan_warns_when_the_release_to_go_back_to_is_nowhere(quick: Releases) -> None:
    broken(quick)
    terminal = quick.terminal
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "other" / "state.duckdb"))
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", quick.dsn, "--target", "prod")
    said = terminal("deploy", "plan", "app").out
    assert "warning  prod: on_failure: rollback is not possible for this run" in said


def test_plan_tells_a_reason_once_when_it_stops_run_and_rollback_alike(quick: Releases) -> None:
    broken(quick)
    killed(quick.terminal, "command.ran", "deploy", "run", "app")
    refused = quick.terminal("deploy", "run", "app", code=13)
    assert "templedb run resolve" in refused.err
    assert "is not possible for this run" not in refused.all
    assert refused.all.count("its outcome is unknown") == 1


def test_rollback_says_and_keeps_no_secret_when_its_commands_print_one(bare: Releases) -> None:
    secret = "hidden-token-4711"
    bare.terminal("env", "set", "app", "TOKEN", secret, "--target", "prod")
    talks = {"command": "echo $TOKEN; false", "critical": True}
    bare.project(bare.web(pre_deploy=["echo $TOKEN"]), on_failure="rollback")
    bare.deploy()
    bare.project(bare.web(post_deploy=[talks]), on_failure="rollback")
    bare.version("v3")
    said = bare.deploy("--json", code=11).all
    said += bare.terminal("deploy", "plan", "app").all + bare.back("--list", "--json").all
    for row in bare.runs():
        said += bare.terminal("deploy", "show", row["run"][:13], code=None).all
        said += bare.terminal("deploy", "logs", row["run"][:13], code=None).all
    assert "***" in said, "the commands did print it"
    assert secret not in said
    kept = [p for p in bare.terminal.state.parent.rglob("*") if p.is_file()]
    assert not [path for path in kept if secret.encode() in path.read_bytes()]
