"""Pipelines as people get them: checked by the hosts' schemas, carried out, and cancelled."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Shop
from tests.runbook.test_runbook import SLOW, until

CONFIG = """
groups:
  - {name: migrations, file_patterns: ["migrations/*.sql"]}
targets:
  staging: {variables: {DATABASE_URL: "env:STAGING_URL"}}
"""


@dataclass
class Job:
    """A checkout, and the steps of a pipeline that templedb wrote for it."""

    shop: Shop
    home: Path

    def write(self, host: str, *words: str) -> Any:
        self.shop.terminal("ci", host, "app", "--target", "staging", *words)
        path = {"github": ".github/workflows/templedb.yml", "gitlab": ".gitlab-ci.templedb.yml"}
        return yaml.safe_load((self.home / path[host]).read_text())

    def script(self, job: str, name: str) -> str:
        steps = yaml.safe_load((self.home / ".github/workflows/templedb.yml").read_text())["jobs"]
        found: str = next(s["run"] for s in steps[job]["steps"] if s.get("name") == name)
        return found

    def start(self, script: str) -> subprocess.Popen[str]:
        """Run a step as GitHub's runner does."""
        (self.home / "step.sh").write_text(script)
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"]
        bin_folder = str(Path(sys.executable).parent)
        environ = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "STAGING_URL": self.shop.pg.dsn,
            "TEMPLEDB_STATE": str(self.home / "state" / "state.duckdb"),
            "TEMPLEDB_USER": "ci",
            "GITHUB_ACTIONS": "true",
            "GITHUB_STEP_SUMMARY": str(self.home / "summary"),
            "GITHUB_OUTPUT": str(self.home / "output"),
        }
        return subprocess.Popen(
            words, cwd=self.home, env=environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, script: str, code: int = 0) -> str:
        process = self.start(script)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == code, out
        return out


@pytest.fixture
def job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Job:
    root = shop.terminal.home / "app"
    (root / "templedb.yaml").write_text(CONFIG)
    (root / ".gitignore").write_text("executed/\nplan.*\nstate/\n*.sh\nsummary\noutput\n")
    monkeypatch.chdir(root)
    return Job(shop, root)


def test_workflow_fits_the_schema_of_github_when_ci_writes_the_file(job: Job) -> None:
    made = job.write("github", "--secret", "STAGING_URL", "--secret", "API_KEY")
    assert made["jobs"]["apply"]["concurrency"]["cancel-in-progress"] is False
    assert "concurrency" not in made["jobs"]["plan"]
    steps = made["jobs"]["apply"]["steps"]
    deploy = next(each for each in steps if each.get("name") == "Deploy")
    assert deploy["env"]["API_KEY"] == "${{ secrets.API_KEY }}"
    for name in ("plan", "apply"):
        last = made["jobs"][name]["steps"][-1]
        assert (last["run"], last["if"]) == ("templedb notify send", "always()")
        assert last["env"]["API_KEY"] == "${{ secrets.API_KEY }}"
    schema(job.home / ".github/workflows/templedb.yml", "vendor.github-workflows")


def test_jobs_fit_the_schema_of_gitlab_when_ci_writes_the_file(job: Job) -> None:
    made = job.write("gitlab")
    assert made["templedb apply"]["environment"] == "staging"
    schema(job.home / ".gitlab-ci.templedb.yml", "vendor.gitlab-ci")
    assert made[".templedb"]["after_script"] == ["templedb notify send"]
    scripts = [line for name in made for line in made[name].get("script", [])]
    for each in scripts:
        subprocess.run(["bash", "-n", "-c", each], check=True)


def schema(path: Path, name: str) -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", name, str(path)]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout


def test_pipeline_file_is_not_replaced_when_force_is_not_given(job: Job) -> None:
    job.write("github")
    path = job.home / ".github/workflows/templedb.yml"
    path.write_text("mine: true\n")
    said = job.shop.terminal("ci", "github", "app", code=64).err
    assert "is there already" in said
    assert path.read_text() == "mine: true\n"
    (job.home / "deploy.ipynb").write_text("{}")
    job.write("github", "--force")
    assert (job.home / "deploy.ipynb").read_text() == "{}", "a runbook is never replaced"


def test_pipeline_runs_the_reviewed_plan_when_the_apply_job_follows_the_plan_job(job: Job) -> None:
    job.write("github")
    job.run(job.script("plan", "Plan"))
    assert job.shop.pg.tables() == []
    assert "### Plan `" in (job.home / "summary").read_text()
    log = job.run(job.script("apply", "Deploy"))
    assert "2 migrations applied" in log
    assert job.shop.pg.tables() == ["orders", "users"]
    names = sorted(each.name for each in (job.home / "executed").iterdir())
    assert names == ["deploy.html", "deploy.ipynb", "junit.xml"]
    assert "✔ ok" in (job.home / "summary").read_text()
    log = job.run(job.script("apply", "Deploy"), code=22)
    assert "succeeded already" in log


def test_promotion_has_its_own_pipeline_that_fits_the_schemas_when_from_is_given(job: Job) -> None:
    for host, path in (
        ("github", ".github/workflows/templedb-promote.yml"),
        ("gitlab", ".gitlab-ci.templedb-promote.yml"),
    ):
        job.shop.terminal("ci", host, "app", "--from", "staging", "--target", "production")
        text = (job.home / path).read_text()
        assert not re.search("@[A-Z]+@", text)
        assert "STAGING_URL" in text
        assert "PRODUCTION_URL" in text
        builtin = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[host]
        schema(job.home / path, builtin)
    words = ("--from", "staging", "--target", "staging", "--force")
    assert "to itself" in job.shop.terminal("ci", "github", "app", *words, code=64).err


def test_promotion_pipeline_deploys_the_release_when_staging_has_run_the_release(job: Job) -> None:
    """The plan job knows the release by the history of the checkout, the other one by its bundle."""
    state = job.home.parent / "production.duckdb"
    config = CONFIG + '  production: {variables: {DATABASE_URL: "env:PRODUCTION_URL"}}\n'
    (job.home / "templedb.yaml").write_text(config + "lifecycle: [staging, production]\n")
    job.shop.terminal.set(STAGING_URL=job.shop.pg.dsn, PRODUCTION_URL=f"duckdb://{state}")
    job.write("github")
    words = ("--from", "staging", "--target", "production", "--out", "promote.yml")
    job.shop.terminal("ci", "github", "app", *words)
    history(job.home)
    job.shop.terminal("project", "sync", "app")
    job.shop.terminal("deploy", "run", "app", "--target", "staging")
    (job.home / "migrations" / "009_later.sql").write_text("CREATE TABLE later (id int);\n")
    history(job.home)
    steps = yaml.safe_load((job.home / "promote.yml").read_text())["jobs"]
    plan, apply = (
        next(s["run"] for s in steps[name]["steps"] if s.get("name") == step)
        for name, step in (("plan", "Plan"), ("apply", "Deploy"))
    )
    assert "promotion of run" in job.run(plan)
    shutil.rmtree(job.home / "state")
    log = job.run(apply)
    assert "2 migrations applied" in log


def history(folder: Path) -> None:
    """Commit what is there, as somebody who works in the checkout would."""
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=rosa", "-c", "user.email=rosa@example.com", "commit", "-qm", "work"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def test_pipeline_keeps_the_bundle_as_an_artifact_when_deploying(job: Job) -> None:
    steps = job.write("github")["jobs"]["apply"]["steps"]
    deploy = next(n for n, each in enumerate(steps) if each.get("name") == "Deploy")
    kept = [each for each in steps[:deploy] if "upload-artifact" in each.get("uses", "")]
    assert [each["with"]["name"] for each in kept] == ["bundle-staging"]
    assert kept[0]["with"]["path"] == "plan.templedb"
    assert kept[0]["with"]["retention-days"] == 90
    own = job.write("gitlab")["templedb apply"]["artifacts"]
    assert "plan.templedb" in own["paths"]
    assert (own["when"], own["expire_in"]) == ("always", "90 days")


def test_kept_bundle_brings_the_release_back_when_the_state_is_new(job: Job) -> None:
    out = job.home.parent / "deployed"
    web = f"  - {{name: web, deploy_command: 'cat version.txt >> {out}'}}"
    config = CONFIG.replace("\ntargets:", f"\n{web}\ntargets:")
    (job.home / "templedb.yaml").write_text(config)
    job.write("github")
    kept = job.home.parent / "kept"
    kept.mkdir()
    for version in ("v1", "v2"):
        (job.home / "version.txt").write_text(f"{version}\n")
        job.run(job.script("plan", "Plan"))
        job.run(job.script("apply", "Deploy"))
        shutil.move(job.home / "plan.templedb", kept / version)
        shutil.rmtree(job.home / "state")
    back = "templedb project import . --slug app\ntempledb deploy rollback app --target staging"
    assert "--bundle FILE" in job.run(back, code=69), "a new state does not know the release"
    log = job.run(f"{back} --bundle {kept / 'v1'}")
    assert "is in place again" in log
    assert out.read_text().split() == ["v1", "v2", "v1"]


def test_apply_job_is_refused_when_the_target_moved_after_the_review(job: Job) -> None:
    job.write("github")
    job.run(job.script("plan", "Plan"))
    first = job.home / "migrations" / "000_first.sql"
    first.write_text("CREATE TABLE first (id int);")
    job.shop.terminal("deploy", "run", "app")
    first.unlink()
    assert "::error" in job.run(job.script("apply", "Deploy"), code=22)


def test_job_ends_in_time_and_says_how_far_it_came_when_the_runner_cancels_the_job(
    job: Job,
) -> None:
    """What GitHub's runner does: SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL, to the first process."""
    slow = job.home / "migrations" / "003_slow.sql"
    slow.write_text(SLOW)
    job.write("github")
    job.run(job.script("plan", "Plan"))
    process = job.start(job.script("apply", "Deploy"))
    sleeping = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND state = 'active'"
        " AND pid <> pg_backend_pid() AND datname = current_database()"
    )
    until(lambda: job.shop.pg.query(sleeping))
    began = time.monotonic()
    for number, wait in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 5)):
        process.send_signal(number)
        try:
            process.wait(wait)
            break
        except subprocess.TimeoutExpired:
            continue
    took = time.monotonic() - began
    process.communicate()
    assert process.returncode == 130, f"it ended by itself after {took:.1f} s"
    assert job.shop.pg.query(sleeping) == [], "the server works on nothing"
    assert len(job.shop.pg.applied()) == 2
    saved = json.loads((job.home / "executed" / "deploy.ipynb").read_text())
    assert saved["metadata"]["templedb"]["exit_code"] == 130
    for name in ("junit.xml", "deploy.html"):
        assert (job.home / "executed" / name).stat().st_size > 0
    assert "exit 130" in (job.home / "summary").read_text()
    slow.write_text("CREATE TABLE done (id int);")
    (job.home / "plan.templedb").unlink()
    job.run(job.script("plan", "Plan"))
    job.run(job.script("apply", "Deploy"))
    assert job.shop.pg.tables() == ["done", "orders", "users"]


def test_pre_commit_hooks_name_commands_that_exist(job: Job) -> None:
    hooks = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    for hook in hooks:
        words = hook["entry"].split()[1:]
        assert "Usage" in job.shop.terminal(*words, "--help").out
