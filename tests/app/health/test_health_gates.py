"""Health as steps of a run: gates and soaks, what is green, and what is true after a death."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.app.recovery.test_died import killed, newest, steps
from tests.conftest import MIGRATIONS, Shop, Terminal
from tests.health_servers import saying, serving

QUICK = {"interval": 1, "timeout": 2, "deadline": 4, "failure_threshold": 1}


class Switch:
    """A service that a check asks: a script that says how it is, and counts who asked."""

    def __init__(self, home: Path) -> None:
        self.script, self.asked = home / "probe.sh", home / "asked"
        self.says("healthy")

    def says(self, health: str) -> None:
        status = {"healthy": 0, "unhealthy": 1, "inconclusive": 127}[health]
        self.script.write_text(f"echo asked >> {self.asked}; echo it is {health}; exit {status}\n")

    @property
    def count(self) -> int:
        return len(self.asked.read_text().splitlines()) if self.asked.exists() else 0

    def check(self, **more: Any) -> dict[str, Any]:
        return QUICK | {"type": "command", "command": f"bash {self.script}"} | more


@pytest.fixture
def switch(terminal: Terminal) -> Switch:
    return Switch(terminal.home)


def deployed(terminal: Terminal) -> list[str]:
    """Return what the group's command has written, a line each time that it ran."""
    path = terminal.home / "deployed"
    return path.read_text().splitlines() if path.exists() else []


def web(terminal: Terminal, *checks: dict[str, Any], **more: Any) -> dict[str, Any]:
    command = f"echo $TEMPLEDB_RELEASE >> {terminal.home}/deployed"
    return {"name": "web", "deploy_command": command, "health_checks": list(checks)} | more


def gated(shop: Shop, *checks: dict[str, Any], **more: Any) -> None:
    shop.config(MIGRATIONS, web(shop.terminal, *checks, **more))


# --- gates ------------------------------------------------------------------------------------


def test_run_is_healthy_when_its_gate_was_measured(shop: Shop, switch: Switch) -> None:
    gated(shop, switch.check())
    said = shop.run()
    assert "succeeded, healthy in" in said.out
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"], row["exit_code"]) == ("succeeded", "healthy", 0)
    assert steps(shop.terminal)[-1] == ("health", "done")
    (found,) = shop.terminal("sql", "SELECT outcome, cause, check_name FROM health", "--json").json[
        -1
    ]["rows"]
    assert found == ["healthy", "met", "web/command"]


def test_run_fails_and_later_groups_wait_when_a_gate_is_unhealthy(
    shop: Shop, switch: Switch
) -> None:
    late = {"name": "late", "order": 9, "deploy_command": "echo late"}
    switch.says("unhealthy")
    shop.config(MIGRATIONS, web(shop.terminal, switch.check()), late)
    said = shop.run(code=12)
    assert "web/command is unhealthy: exit status 1" in said.out
    assert "| it is unhealthy" in said.out
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"]) == ("failed", "unhealthy")
    assert [state for _, state in steps(shop.terminal)][-2:] == ["failed", "skipped"]


def test_target_check_is_asked_after_all_groups_when_the_target_has_a_health_check(
    shop: Shop, switch: Switch
) -> None:
    path = shop.terminal.home / "app" / "templedb.yaml"
    check = switch.check(name="all")
    groups = [MIGRATIONS, web(shop.terminal)]
    path.write_text(json.dumps({"groups": groups, "targets": {"staging": {"health_check": check}}}))
    said = shop.run()
    assert "succeeded, healthy" in said.out
    sql = 'SELECT "group", title FROM steps ORDER BY step DESC LIMIT 1'
    (last,) = shop.terminal("sql", sql, "--json").json[-1]["rows"]
    assert last == ["target staging", f"target/all: bash {switch.script}"]


def test_health_gate_comes_after_the_hooks_when_a_group_has_both(
    shop: Shop, switch: Switch
) -> None:
    gated(shop, switch.check(), post_deploy=["echo hook"])
    shop.run()
    sql = "SELECT phase FROM steps WHERE \"group\" = 'web' ORDER BY step"
    rows = shop.terminal("sql", sql, "--json").json[-1]["rows"]
    assert [each for (each,) in rows] == ["deploy", "post_deploy", "health"]


def test_plan_says_no_health_gate_when_nothing_is_checked(shop: Shop) -> None:
    said = shop.terminal("deploy", "plan", "app")
    assert "no health gate" in said.out
    out = shop.run().out
    assert "healthy" not in out
    assert newest(shop.terminal)["health"] == "no gate"


def test_plan_is_refused_when_a_check_lacks_a_value(shop: Shop) -> None:
    gated(shop, QUICK | {"type": "http", "url": "{var:SHOP_URL}/health"})
    said = shop.run(code=78)
    assert "SHOP_URL: has no value, which the health check web/http needs" in said.err
    assert "templedb env set SHOP_URL --target staging" in said.err


def test_value_of_a_check_is_named_and_not_shown_when_the_plan_lists_its_variables(
    shop: Shop,
) -> None:
    with serving(saying(b"up")) as server:
        shop.terminal("env", "set", "app", "TOKEN", "hidden-token-77", "--target", "staging")
        check = {"type": "http", "url": server.url, "headers": {"X-Token": "{var:TOKEN}"}}
        gated(shop, QUICK | check)
        plan = shop.terminal("deploy", "plan", "app", "--json")
        said = shop.run()
    assert "TOKEN" in plan.json[-1]["draft"]["plan"]["variables"]
    assert "hidden-token-77" not in plan.out + said.out + said.err


def test_old_process_does_not_pass_the_gate_when_the_new_release_is_expected(shop: Shop) -> None:
    with serving(saying(b"release 000000000000")) as server:
        gated(shop, QUICK | {"type": "http", "url": server.url, "expect_version": "{release}"})
        said = shop.run(code=12)
    assert "web/http is unhealthy" in said.out
    assert newest(shop.terminal)["health"] == "unhealthy"


def test_new_release_passes_the_gate_when_it_says_its_name(shop: Shop) -> None:
    written = shop.terminal.home / "deployed"
    with serving(lambda *asked: saying(written.read_bytes())(*asked)) as server:
        gated(shop, QUICK | {"type": "http", "url": server.url, "expect_version": "{release}"})
        shop.run()
    assert newest(shop.terminal)["health"] == "healthy"


def login_page(connection: socket.socket, head: bytes) -> None:
    """Redirect to a page that says 200, as what stands before a service that is gone."""
    if head.startswith(b"GET /login"):
        saying(b"please log in")(connection, head)
    else:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")


def dripping_body(connection: socket.socket, head: bytes) -> None:
    """Send a good head at once, and a byte of the body now and then, for ever."""
    del head
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with suppress(OSError):
        while True:
            connection.sendall(b"u")
            time.sleep(0.2)


@pytest.mark.parametrize("talk", [login_page, dripping_body, saying(b"down")])
def test_run_is_unhealthy_when_the_answer_is_not_a_good_answer(shop: Shop, talk: Any) -> None:
    with serving(talk) as server:
        check = {"type": "http", "url": server.url, "expect_body": "^up$"}
        gated(shop, QUICK | check)
        shop.run(code=12)
    assert newest(shop.terminal)["health"] == "unhealthy"


def test_duckdb_target_is_asked_within_a_run_when_its_check_is_sql(terminal: Terminal) -> None:
    terminal.file("app/migrations/001.sql", "CREATE TABLE t (id int);\n")
    terminal("project", "import", "app")
    sql = QUICK | {"type": "sql", "query": "SELECT count(*) = 0 FROM t"}
    terminal.config(MIGRATIONS | {"health_check": sql})
    terminal("target", "add", "app", "staging")
    url = f"duckdb://{terminal.home}/shop.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", "--plain")
    terminal("deploy", "run", "app")
    assert newest(terminal)["health"] == "healthy"


# --- nobody could measure ---------------------------------------------------------------------


def test_run_is_inconclusive_and_can_be_resumed_when_nobody_could_measure(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check())
    said = shop.run(code=14)
    assert "web/command could not be measured" in said.out
    assert "measure again: templedb deploy resume" in said.out
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"], row["exit_code"]) == ("failed", "inconclusive", 14)
    assert len(deployed(shop.terminal)) == 1
    switch.says("healthy")
    again = shop.terminal("deploy", "resume", "app")
    assert "succeeded, healthy" in again.out
    assert len(deployed(shop.terminal)) == 1, "a command was repeated"
    assert newest(shop.terminal)["health"] == "healthy"


def test_inconclusive_gate_counts_as_unhealthy_when_the_config_says_so(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check(inconclusive="fail"))
    shop.run(code=12)
    assert newest(shop.terminal)["health"] == "unhealthy"


def test_approval_is_not_used_up_when_nobody_could_measure(shop: Shop, switch: Switch) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")
    gated(shop, switch.check())
    switch.says("inconclusive")
    number = shop.terminal("deploy", "plan", "app").out.split()[1].rstrip(":")
    shop.approve(number)
    shop.run(code=14)
    used = "SELECT used_by FROM approvals"
    assert shop.terminal("sql", used, "--json").json[-1]["rows"] == [[""]]
    switch.says("healthy")
    shop.terminal("deploy", "resume", "app")
    ((by,),) = shop.terminal("sql", used, "--json").json[-1]["rows"]
    assert by == newest(shop.terminal)["run"]
    assert shop.pg.query("SELECT DISTINCT used_by FROM templedb.approval") == [(by,)]


def test_command_is_not_repeated_when_a_group_behind_the_gate_went_on(
    shop: Shop, switch: Switch
) -> None:
    late = {"name": "late", "order": 9, "deploy_command": f"echo late >> {shop.terminal.home}/late"}
    switch.says("inconclusive")
    first = web(shop.terminal, switch.check(), continue_on_failure=True, order=5)
    shop.config(MIGRATIONS, first, late)
    shop.run(code=14)
    switch.says("healthy")
    shop.terminal("deploy", "resume", "app")
    assert (shop.terminal.home / "late").read_text() == "late\n"
    assert len(deployed(shop.terminal)) == 1
    assert newest(shop.terminal)["outcome"] == "succeeded"


def test_failure_decides_the_exit_code_when_another_group_could_not_be_measured(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    first = web(shop.terminal, switch.check(), continue_on_failure=True, order=5)
    late = {"name": "late", "order": 9, "deploy_command": "exit 3"}
    shop.config(MIGRATIONS, first, late)
    shop.run(code=12)


# --- decided by a person ----------------------------------------------------------------------


def test_run_succeeds_when_a_person_says_healthy_and_nothing_is_left(
    shop: Shop, switch: Switch
) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")
    gated(shop, switch.check())
    switch.says("inconclusive")
    number = shop.terminal("deploy", "plan", "app").out.split()[1].rstrip(":")
    shop.approve(number)
    shop.run(code=14)
    run = newest(shop.terminal)["run"]
    said = shop.terminal("run", "resolve", run, "--healthy", "--reason", "looked at the shop")
    assert "healthy, says" in said.out
    assert "looked at the shop" in said.out
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"], row["exit_code"]) == ("succeeded", "healthy", 0)
    assert steps(shop.terminal)[-1] == ("health", "done")
    ((state,),) = shop.pg.query("SELECT state FROM templedb.run")
    assert state == "succeeded"
    assert shop.pg.query("SELECT used_by FROM templedb.approval") == [(run,)]
    events = shop.pg.query(
        "SELECT what, detail->>'reason' FROM templedb.event WHERE what LIKE '%healthy'"
    )
    assert events == [("healthy", "looked at the shop")]
    shop.terminal("run", "resolve", run, "--healthy", "--reason", "again", code=64)


def test_resume_goes_on_behind_the_gate_when_a_person_says_healthy(
    shop: Shop, switch: Switch
) -> None:
    late = {"name": "late", "order": 9, "deploy_command": f"echo late >> {shop.terminal.home}/late"}
    switch.says("inconclusive")
    shop.config(MIGRATIONS, web(shop.terminal, switch.check(), order=5), late)
    shop.run(code=14)
    asked = switch.count
    run = newest(shop.terminal)["run"]
    said = shop.terminal("run", "resolve", run, "--healthy", "--reason", "looked")
    assert "1 step left: templedb deploy resume" in said.out
    assert newest(shop.terminal)["outcome"] == "failed"
    shop.terminal("deploy", "resume", "app")
    assert (shop.terminal.home / "late").read_text() == "late\n"
    assert switch.count == asked, "a gate was asked that a person had decided"
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"]) == ("succeeded", "healthy")


def test_run_has_failed_when_a_person_says_unhealthy(shop: Shop, switch: Switch) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check())
    shop.run(code=14)
    run = newest(shop.terminal)["run"]
    shop.terminal("run", "resolve", run, "--unhealthy", "--reason", "the page is white")
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"], row["exit_code"]) == ("failed", "unhealthy", 12)
    assert "the page is white" in shop.terminal("deploy", "show", run).out


def test_decision_of_a_person_is_refused_when_health_was_measured(
    shop: Shop, switch: Switch
) -> None:
    switch.says("unhealthy")
    gated(shop, switch.check())
    shop.run(code=12)
    run = newest(shop.terminal)["run"]
    said = shop.terminal("run", "resolve", run, "--healthy", "--reason", "no", code=64)
    assert "has no health to decide: its health is unhealthy" in said.err
    assert newest(shop.terminal)["health"] == "unhealthy"


# --- whatever dies ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["health.tried", "health.settled", "step.done@4"])
def test_run_is_deployed_and_not_measured_when_its_process_dies_at_a_gate(
    shop: Shop, switch: Switch, place: str
) -> None:
    gated(shop, switch.check())
    killed(shop.terminal, place, "deploy", "run", "app")
    row = newest(shop.terminal)
    assert (row["outcome"], row["exit_code"]) == ("failed", 14)
    assert row["health"] == "inconclusive"
    assert "deployed, not measured" in row["message"]
    shop.terminal("deploy", "resume", "app")
    assert len(deployed(shop.terminal)) == 1
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"]) == ("succeeded", "healthy")


def test_run_is_not_measured_when_its_process_dies_before_the_gate(
    shop: Shop, switch: Switch
) -> None:
    gated(shop, switch.check())
    killed(shop.terminal, "step.started@4", "deploy", "run", "app")
    row = newest(shop.terminal)
    assert (row["outcome"], row["exit_code"], row["health"]) == ("failed", 14, "inconclusive")
    assert switch.count == 0
    said = shop.terminal("run", "resolve", row["run"], "--healthy", "--reason", "looked")
    assert "healthy, says" in said.out
    assert newest(shop.terminal)["outcome"] == "succeeded"


def test_new_run_measures_when_the_gate_of_the_last_run_failed(shop: Shop, switch: Switch) -> None:
    switch.says("unhealthy")
    shop.config(MIGRATIONS | {"health_check": switch.check()})
    shop.run(code=12)
    said = shop.run(code=10)
    assert "is unhealthy" in said.out
    switch.says("healthy")
    shop.run()
    assert newest(shop.terminal)["health"] == "healthy"


# --- soaks ------------------------------------------------------------------------------------


def test_soak_asks_for_its_whole_time_when_the_gate_has_passed(shop: Shop, switch: Switch) -> None:
    gated(shop, switch.check(**{"for": 2}))
    shop.run()
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"]) == ("succeeded", "healthy")
    assert switch.count >= 3
    sql = "SELECT step, count(*) FROM health GROUP BY step ORDER BY step"
    (gate, soak) = shop.terminal("sql", sql, "--json").json[-1]["rows"]
    assert gate[1] == 1
    assert soak[1] >= 2


def test_run_has_failed_when_the_soak_is_breached(shop: Shop, switch: Switch) -> None:
    gate = {"type": "command", "command": "true"} | QUICK
    soak = switch.check(role="soak", **{"for": 60})
    switch.says("unhealthy")
    gated(shop, gate, soak)
    shop.run(code=12)
    assert newest(shop.terminal)["health"] == "unhealthy"


def test_soak_is_not_a_success_when_nobody_could_measure(shop: Shop, switch: Switch) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check(role="soak", **{"for": 60}))
    shop.run(code=14)
    assert newest(shop.terminal)["health"] == "inconclusive"


def test_run_is_not_measured_when_its_process_dies_in_a_soak(shop: Shop, switch: Switch) -> None:
    gated(shop, switch.check(**{"for": 1}))
    killed(shop.terminal, "health.tried@2", "deploy", "run", "app")
    row = newest(shop.terminal)
    assert (row["outcome"], row["exit_code"]) == ("failed", 14)
    assert "deployed, not measured" in row["message"]
    shop.terminal("deploy", "resume", "app")
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"]) == ("succeeded", "healthy")


def test_new_run_soaks_when_the_soak_of_the_last_run_broke_off(shop: Shop, switch: Switch) -> None:
    shop.config(MIGRATIONS | {"health_check": switch.check(**{"for": 1})})
    killed(shop.terminal, "health.tried@2", "deploy", "run", "app")
    shop.run()
    titles = "SELECT title FROM steps WHERE run = (SELECT max(run) FROM runs) ORDER BY step"
    rows = shop.terminal("sql", titles, "--json").json[-1]["rows"]
    assert any("soak for 1s" in title for (title,) in rows)
    shop.run()  # nothing is to do, and the last run was good: no soak
    rows = shop.terminal("sql", titles, "--json").json[-1]["rows"]
    assert not any("soak for" in title for (title,) in rows)


def test_soak_ends_when_the_run_is_cancelled(shop: Shop, switch: Switch) -> None:
    gated(shop, switch.check(role="soak", **{"for": 600}))
    process = shop.terminal.process("deploy", "run", "app")
    while not switch.count:
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    row = newest(shop.terminal)
    assert (row["outcome"], row["health"], row["exit_code"]) == ("cancelled", "not measured", 130)


def test_other_runs_learn_how_long_the_lock_is_kept_when_a_soak_keeps_it(shop: Shop) -> None:
    soak = QUICK | {"type": "sql", "query": "SELECT true", "role": "soak", "for": 600}
    shop.config(MIGRATIONS | {"health_check": soak})
    process = shop.terminal.process("deploy", "run", "app")
    while "it keeps the lock for" not in shop.terminal("lock", "show", "app").out:
        assert process.poll() is None
    said = shop.terminal("deploy", "run", "app", "--lock-wait", "0", code=24)
    assert "it keeps the lock for" in said.err
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)


def test_run_is_busy_when_another_run_has_the_work_folder(shop: Shop, switch: Switch) -> None:
    gated(shop, switch.check(role="soak", **{"for": 600}))
    process = shop.terminal.process("deploy", "run", "app")
    while not switch.count:
        assert process.poll() is None
    said = shop.terminal("deploy", "run", "app", "--lock-wait", "0", code=24)
    assert "has the work folder" in said.err
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)


# --- plans ------------------------------------------------------------------------------------


def test_plan_needs_no_approval_when_it_only_measures(shop: Shop) -> None:
    shop.config(MIGRATIONS | {"health_check": QUICK | {"type": "sql", "query": "SELECT true"}})
    shop.run()
    shop.terminal("target", "update", "app", "staging", "--protected")
    said = shop.run()
    assert "nothing to do but to measure health" in said.out
    assert "succeeded, healthy" in said.out
    shop.terminal("deploy", "plan", "app", "--detailed-exitcode", code=0)


def test_plan_needs_its_approval_when_it_asks_a_command(shop: Shop, switch: Switch) -> None:
    shop.config(MIGRATIONS | {"health_check": switch.check()})
    shop.run()
    shop.terminal("target", "update", "app", "staging", "--protected")
    shop.run(code=20)


# --- how it is told ---------------------------------------------------------------------------


def test_health_shows_its_tries_when_asked_for_a_run(shop: Shop, switch: Switch) -> None:
    gated(shop, switch.check())
    shop.run()
    said = shop.terminal("health")
    assert "healthy" in said.out.splitlines()[0]
    assert "web/command" in said.out
    run = newest(shop.terminal)["run"]
    found = shop.terminal("health", run[:13], "--json").json[-1]
    assert found["health"] == "healthy"
    assert [(row["check"], row["outcome"]) for row in found["rows"]] == [("web/command", "healthy")]


def test_reports_tell_the_health_when_nobody_could_measure(
    shop: Shop, switch: Switch, tmp_path: Path
) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check())
    shop.run("--junit", str(tmp_path / "r.xml"), "--summary", str(tmp_path / "s.md"), code=14)
    junit = (tmp_path / "r.xml").read_text()
    assert '<property name="health" value="inconclusive"' in junit
    assert "<error" in junit
    assert "health: inconclusive" in (tmp_path / "s.md").read_text()
    said = shop.terminal("status", "app")
    assert "failed, health inconclusive" in said.out


# --- hooks ------------------------------------------------------------------------------------


def hooked(shop: Shop, *checks: dict[str, Any], **more: Any) -> Path:
    """Give the group a hook of each kind; each writes its name where this returns."""
    log = shop.terminal.home / "hooks"
    hooks = {
        "pre_deploy": [f"echo pre >> {log}"],
        "post_deploy": [f"echo post >> {log}"],
        "on_failure": [f"echo failure >> {log}; exit 9"],
    }
    gated(shop, *checks, **(hooks | more))
    return log


@pytest.mark.parametrize(
    ("health", "code", "ran"),
    [
        ("healthy", 0, ["pre", "post"]),
        ("unhealthy", 12, ["pre", "post", "failure"]),
        ("inconclusive", 14, ["pre", "post"]),
    ],
)
def test_hooks_run_by_what_the_gate_found_when_a_group_has_post_and_failure_hooks(
    shop: Shop, switch: Switch, health: str, code: int, ran: list[str]
) -> None:
    switch.says(health)
    log = hooked(shop, switch.check())
    shop.run(code=code)
    assert log.read_text().split() == ran


def test_failure_hook_hides_no_error_when_it_fails_itself(shop: Shop, switch: Switch) -> None:
    switch.says("unhealthy")
    hooked(shop, switch.check())
    said = shop.run(code=12)
    assert "web/command is unhealthy" in said.out
    assert newest(shop.terminal)["message"].startswith("web: web/command is unhealthy")
    assert steps(shop.terminal)[-1] == ("command", "warned")


@pytest.mark.parametrize(
    ("command", "more", "code", "ran"),
    [
        ("exit 3", {}, 12, ["pre", "failure"]),
        ("sleep 60", {"timeout": 1}, 124, ["pre", "failure"]),
    ],
)
def test_failure_hook_runs_when_a_command_fails_or_takes_too_long(
    shop: Shop, command: str, more: dict[str, Any], code: int, ran: list[str]
) -> None:
    log = hooked(shop, deploy_command=command, **more)
    shop.run(code=code)
    assert log.read_text().split() == ran


def test_failure_hook_does_not_run_when_the_run_is_cancelled(shop: Shop, switch: Switch) -> None:
    log = hooked(shop, deploy_command=f"bash {switch.script}; sleep 60")
    process = shop.terminal.process("deploy", "run", "app")
    while not switch.count:
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert log.read_text().split() == ["pre"]


def test_run_has_succeeded_when_its_process_dies_after_the_last_step(
    shop: Shop, switch: Switch
) -> None:
    hooked(shop, switch.check())
    killed(shop.terminal, "run.before-end", "deploy", "run", "app")
    assert newest(shop.terminal)["outcome"] == "succeeded"


# --- a target of the state --------------------------------------------------------------------


def test_target_has_its_own_checks_when_they_are_given(shop: Shop, switch: Switch) -> None:
    check = json.dumps(switch.check(name="all"))
    shop.terminal("target", "update", "app", "staging", "--health-check", check)
    assert "all" in shop.terminal("target", "show", "app", "staging").out
    shop.run()
    assert newest(shop.terminal)["health"] == "healthy"
    assert switch.count == 1
    shop.terminal("target", "update", "app", "staging", "--no-health-checks")
    shop.run()
    assert newest(shop.terminal)["health"] == "no gate"


def test_target_accepts_checks_when_they_are_given_as_addresses_or_files(shop: Shop) -> None:
    shop.terminal.file("checks.yaml", "- {type: command, command: 'true', for: 1s, interval: 1s}\n")
    with serving(saying(b"up")) as server:
        words = ("target", "update", "app", "staging")
        shop.terminal(
            *words,
            *("--health-check", server.url),
            *("--health-check", f"tcp://127.0.0.1:{server.port}"),
            *("--health-check", f"@{shop.terminal.home}/checks.yaml"),
        )
        shop.run()
    rows = shop.terminal("sql", "SELECT DISTINCT check_name FROM health", "--json").json[-1]["rows"]
    assert {name for (name,) in rows} == {"target/http", "target/tcp", "target/command"}


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("{type: http}", "url: is missing"),
        ("{type: http, url: 'https://shop', nonsense: 1}", "nonsense: is not a known key"),
        ("{type: http, url: 'https://u:secret@shop'}", "password in plain text"),
        ("{type: tcp, host: shop, port: 1, role: soak}", "for: is missing"),
        ("{type: tcp, host: shop, port: 1, role: gate, for: 1m}", "means nothing for a gate"),
        ("[", "YAML"),
        ("just words", "must be an object"),
    ],
)
def test_target_stays_unchanged_when_a_wrong_check_is_given(
    shop: Shop, check: str, told: str
) -> None:
    words = ("target", "update", "app", "staging", "--health-check", check)
    said = shop.terminal(*words, code=78)
    assert told in said.err
    shop.run()
    assert newest(shop.terminal)["health"] == "no gate"


# --- what must not be green, either ------------------------------------------------------------


def test_resume_repeats_the_group_when_its_failure_hook_ran(shop: Shop) -> None:
    """The hook has undone the release: the gate must not pass by what was there before."""
    live, good = shop.terminal.home / "live", shop.terminal.home / "good"
    live.write_text("old")
    web = {
        "name": "web",
        "deploy_command": f"echo new > {live}",
        "health_check": QUICK | {"type": "command", "command": f"test -e {good}"},
        "on_failure": [f"echo old > {live}"],
    }
    shop.config(MIGRATIONS, web)
    shop.run(code=12)
    assert live.read_text() == "old\n"
    good.touch()
    shop.terminal("deploy", "resume", "app")
    assert live.read_text() == "new\n"
    assert newest(shop.terminal)["health"] == "healthy"


def test_decision_of_a_person_covers_only_the_inconclusive_check_when_another_check_is_left(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    bad = QUICK | {"type": "command", "name": "bad", "command": "false"}
    gated(shop, switch.check(name="mute"), bad)
    shop.run(code=14)
    run = newest(shop.terminal)["run"]
    said = shop.terminal("run", "resolve", run, "--healthy", "--reason", "looked")
    assert "web/mute healthy, says" in said.out
    assert "1 step left" in said.out
    shop.terminal("deploy", "resume", "app", code=12)
    assert newest(shop.terminal)["health"] == "unhealthy"


def test_decision_of_a_person_is_refused_when_another_run_has_followed(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check())
    shop.run(code=14)
    first = newest(shop.terminal)["run"]
    switch.says("unhealthy")
    shop.terminal("deploy", "resume", "app", code=12)
    said = shop.terminal("run", "resolve", first, "--healthy", "--reason", "no", code=64)
    assert "has followed run" in said.err
    assert newest(shop.terminal)["health"] == "unhealthy"


def test_decision_of_a_person_is_refused_when_the_run_is_of_another_project(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check())
    shop.run(code=14)
    run = newest(shop.terminal)["run"]
    words = ("run", "resolve", "other", run, "--healthy", "--reason", "x")
    assert "other, not app" in shop.terminal(*words, code=64).err
    both = ("run", "resolve", run, "--healthy", "--unhealthy", "--reason", "x")
    assert "exclude each other" in shop.terminal(*both, code=64).err


def test_fresh_state_soaks_when_the_last_run_belongs_to_another_state(
    shop: Shop, switch: Switch
) -> None:
    shop.config(MIGRATIONS | {"health_check": switch.check(role="soak", **{"for": 1})})
    switch.says("unhealthy")
    shop.run(code=12)
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "fresh" / "state.duckdb"))
    shop.terminal("project", "import", "app")
    shop.config(MIGRATIONS | {"health_check": switch.check(role="soak", **{"for": 1})})
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.run(code=10)
    assert newest(shop.terminal)["health"] == "unhealthy"


def test_seen_failure_is_the_headline_when_another_group_could_not_be_measured(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    first = web(shop.terminal, switch.check(), continue_on_failure=True, order=5)
    late = {"name": "late", "order": 9, "deploy_command": "exit 3"}
    shop.config(MIGRATIONS, first, late)
    said = shop.run(code=12)
    assert "failed: exit 3 exited with 3" in said.out
    assert "run resolve" not in said.out


def test_host_of_a_secret_is_masked_when_printed_in_small_letters(shop: Shop) -> None:
    shop.terminal("env", "set", "app", "PLACE", "Host-Zq9w8e7r.invalid", "--target", "staging")
    gated(shop, QUICK | {"type": "http", "url": "http://{var:PLACE}/a"})
    said = shop.run(code=14)
    state = (shop.terminal.home / "state" / "state.duckdb").read_bytes()
    for text in (said.out.encode(), said.err.encode(), state):
        assert b"zq9w8e7r" not in text.lower()


def test_checks_are_removed_only_with_a_reason_when_the_target_is_protected(
    shop: Shop, switch: Switch
) -> None:
    check = json.dumps(switch.check())
    words = ("target", "update", "app", "staging")
    shop.terminal(*words, "--protected", "--health-check", check)
    assert "say why" in shop.terminal(*words, "--no-health-checks", code=64).err
    shop.terminal(*words, "--no-health-checks", "--reason", "moved to the group")
    assert (
        "--no-health-checks removes" in shop.terminal(*words, "--health-check", "[]", code=78).err
    )


def test_plan_warns_of_unasked_checks_when_their_group_is_skipped(
    shop: Shop, switch: Switch
) -> None:
    gated(shop, switch.check())
    said = shop.terminal("deploy", "plan", "app", "--skip-group", "web")
    assert "its health checks do not run" in said.out


def test_resumed_run_says_the_target_changed_when_its_parent_changed_the_target(
    shop: Shop, switch: Switch
) -> None:
    switch.says("unhealthy")
    gated(shop, switch.check())
    shop.run(code=12)
    said = shop.terminal("deploy", "resume", "app", code=12)
    assert "the target changed" in said.out


def test_resume_is_refused_when_there_is_no_run(shop: Shop) -> None:
    assert "has no run here" in shop.terminal("deploy", "resume", "app", code=64).err


@pytest.mark.parametrize("address", ["tcp://h", "http://[x", "http://x y/", "http://x:99999"])
def test_address_of_a_check_is_refused_when_nobody_can_ask_it(shop: Shop, address: str) -> None:
    words = ("target", "update", "app", "staging", "--health-check", address)
    shop.terminal(*words, code=78)


def test_plan_needs_its_approval_when_a_check_sends_a_value(shop: Shop) -> None:
    """Who edits the config could have a secret sent to any address."""
    with serving(saying(b"up")) as server:
        shop.terminal("env", "set", "app", "TOKEN", "hidden-token-77", "--target", "staging")
        check = QUICK | {"type": "http", "url": server.url, "headers": {"X-Token": "{var:TOKEN}"}}
        shop.config(MIGRATIONS | {"health_check": check})
        shop.run()
        asked = len(server.asked)
        shop.terminal("target", "update", "app", "staging", "--protected")
        shop.run(code=20)
        assert len(server.asked) == asked


def test_decision_of_a_person_is_refused_when_another_run_goes_on_with_the_run(
    shop: Shop, switch: Switch
) -> None:
    switch.says("inconclusive")
    gated(shop, switch.check(deadline=60, timeout=2))
    process = shop.terminal.process("deploy", "run", "app")
    while not switch.count:
        assert process.poll() is None
    process.kill()
    process.communicate()
    first = newest(shop.terminal)["run"]
    asked = switch.count
    process = shop.terminal.process("deploy", "resume", "app")
    while switch.count == asked:
        assert process.poll() is None
    said = shop.terminal("run", "resolve", first, "--healthy", "--reason", "no", code=64)
    assert "has followed run" in said.err
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert newest(shop.terminal)["exit_code"] == 143
