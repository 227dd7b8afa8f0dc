"""Deployment windows on real targets: who is kept out, who is let through, and what is recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from templedb_nb.api import Temple
from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.errors import Frozen, UsageProblem
from templedb_nb.model.event import Outcome, Stamped, StepFinished
from templedb_nb.model.plan import Preview
from templedb_nb.model.selection import Selection
from tests.app.rollback.test_rollback import Releases, begin, broken
from tests.conftest import MIGRATIONS, Database, Terminal

CLOSED = "nightly: deny * * * * * for 1h in Europe/Berlin because the batch runs"
OPEN = "always: allow * * * * * for 1h in Europe/Berlin because somebody is there"
NEVER = "leap: allow 0 0 29 2 * for 1m in UTC because it is a test"


@pytest.fixture(params=["postgres", "duckdb"])
def releases(request: pytest.FixtureRequest, terminal: Terminal) -> Releases:
    """Return a project whose release 1 is deployed and whose release 2 is written."""
    if request.param == "postgres":
        pg: Database = request.getfixturevalue("pg")
        return begin(terminal, pg.dsn)
    return begin(terminal, f"duckdb://{terminal.home}/target.duckdb")


def rules(*texts: str) -> dict[str, list[dict[str, Any]]]:
    """Return rules as templedb.yaml has them."""
    from templedb_nb.core.windows.rules import typed

    found: dict[str, list[dict[str, Any]]] = {}
    for each in typed(texts):
        own = {"cron": each.cron, "duration": each.duration_s, "time_zone": each.zone}
        own |= {"reason": each.reason} | ({"name": each.name} if each.name else {})
        found.setdefault(each.effect.value, []).append(own)
    return found


def closed(releases: Releases, *texts: str, **target: Any) -> None:
    """Write windows into the checked-in file."""
    releases.project(targets={"prod": {"windows": rules(*(texts or (CLOSED,)))} | target})


def ledger_events(releases: Releases, what: str) -> list[dict[str, Any]]:
    query = f"SELECT detail FROM templedb.event WHERE what = '{what}' ORDER BY id"
    if releases.dsn.startswith("duckdb:"):
        import duckdb

        with duckdb.connect(releases.dsn.removeprefix("duckdb://"), read_only=True) as connection:
            return [json.loads(row[0]) for row in connection.execute(query).fetchall()]
    import psycopg

    with psycopg.connect(releases.dsn) as link:
        return [row[0] for row in link.execute(query.encode()).fetchall()]


def passed(releases: Releases, run: str = "") -> list[dict[str, Any]]:
    """Return the windows that the newest run passed, as its result has them."""
    found = releases.terminal(
        "deploy", "show", run or releases.runs()[0]["run"], "--json", code=None
    )
    return list(found.json[-1]["passed"])


def test_run_is_refused_with_23_when_a_window_denies_it(releases: Releases) -> None:
    closed(releases)
    before = len(releases.runs())
    said = releases.deploy(code=23)
    assert "the deployment windows of prod are closed; nothing was executed" in said.err
    assert "nightly denies runs" in said.err
    assert "the batch runs" in said.err
    assert "--override-window nightly --reason WHY" in said.err
    assert releases.deployed == ["v1"]
    assert len(releases.runs()) == before


def test_run_is_refused_when_outside_of_the_windows_that_allow_it(releases: Releases) -> None:
    closed(releases, NEVER)
    said = releases.deploy(code=23)
    assert "outside of the windows that allow runs (leap): the next one begins 20" in said.err
    assert "02-29 00:00Z" in said.err
    assert "a run may begin 20" in said.err
    closed(releases, NEVER, OPEN)
    releases.deploy()
    assert releases.deployed == ["v1", "v2"]


def test_first_run_is_refused_when_windows_are_closed_and_there_is_no_ledger(
    terminal: Terminal, pg: Database
) -> None:
    made = Releases(terminal, dsn=pg.dsn)
    closed(made)
    made.version("v1", m001="CREATE TABLE a (id int);\n")
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "prod")
    made.deploy(code=23)
    assert pg.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'") == []


def test_plan_and_dry_run_succeed_with_a_note_when_windows_are_closed(releases: Releases) -> None:
    closed(releases)
    for words in (("plan", "app"), ("run", "app", "--dry-run")):
        said = releases.terminal("deploy", *words)
        assert "note     target prod: deployment windows closed" in said.out
        assert "nightly denies runs" in said.out
    found = releases.terminal("deploy", "plan", "app", "--json").json[-1]["draft"]["findings"]
    assert {"note"} == {each["severity"] for each in found if each["topic"] == "frozen"}
    closed(releases, OPEN)
    assert "target prod: deployment windows open" in releases.terminal("deploy", "plan", "app").out


def test_status_says_that_windows_are_closed_when_a_rule_denies_runs(releases: Releases) -> None:
    closed(releases)
    releases.terminal("project", "sync", "app")
    assert "deployment windows closed" in releases.terminal("status", "app").out
    (row,) = releases.terminal("status", "app", "--json").json[-1]["rows"]
    assert [each["rules"][0]["name"] for each in row["windows"]["blocks"]] == ["nightly"]


def test_target_list_and_show_have_the_rules_when_a_target_has_windows(terminal: Terminal) -> None:
    terminal.files(**{"a.txt": "x"})
    terminal("project", "import", "app")
    terminal("target", "add", "app", "free")
    terminal("target", "add", "app", "prod", "--window", CLOSED, "--window", OPEN)
    shown = terminal("target", "show", "app", "prod")
    assert f"window        {CLOSED}" in shown.out
    assert f"window        {OPEN}" in shown.out
    listed = terminal("target", "list", "app").out
    assert "1 allow, 1 deny" in listed
    assert "always" in listed
    found = terminal("target", "show", "app", "prod", "--json").json[-1]["target"]["windows"]
    assert found[1] == {
        "effect": "deny", "cron": "* * * * *", "duration_s": 3600, "zone": "Europe/Berlin",
        "reason": "the batch runs", "name": "nightly",
    }  # fmt: skip


def test_windows_are_read_from_a_file_when_target_add_names_the_file(terminal: Terminal) -> None:
    terminal.files(**{"a.txt": "x"})
    terminal("project", "import", "app")
    terminal.file("windows.json", json.dumps(rules(CLOSED, OPEN)))
    terminal("target", "add", "app", "prod", "--window", "@windows.json")
    assert f"window        {CLOSED}" in terminal("target", "show", "app", "prod").out


def test_override_is_recorded_with_its_reason_when_a_closed_window_is_named(
    releases: Releases,
) -> None:
    closed(releases)
    said = releases.deploy("--override-window", "nightly", "--reason", "fix of the shop")
    assert "window overridden: nightly: fix of the shop" in said.out
    assert releases.deployed == ["v1", "v2"]
    told = {"windows": ["nightly"], "because": "override", "reason": "fix of the shop"}
    assert passed(releases) == [{"kind": "window_passed"} | told]
    (event,) = ledger_events(releases, "window")
    assert event["reason"] == "fix of the shop"
    assert event["by"] == "rosa"
    assert event["windows"] == ["nightly"]
    assert event["run"] == releases.runs()[0]["run"]


def test_plan_names_the_rules_when_only_the_ledger_has_them(releases: Releases) -> None:
    closed(releases)
    releases.deploy("--override-window", "nightly", "--reason", "they come into the ledger")
    closed(releases, OPEN)
    releases.version("v3")
    plan = releases.terminal("deploy", "plan", "app").out
    assert f"also has: {CLOSED}" in plan
    assert "does not have these windows yet" in plan


def test_override_is_not_recorded_when_windows_are_open(releases: Releases) -> None:
    closed(releases, OPEN)
    releases.deploy("--override-window", "always", "--reason", "to be sure")
    assert passed(releases) == []
    assert ledger_events(releases, "window") == []


def test_override_is_refused_when_its_name_is_unknown_or_its_reason_is_missing(
    releases: Releases,
) -> None:
    closed(releases, CLOSED, "deny * * * * * for 2h in UTC because nobody named it")
    assert "requires --reason" in releases.deploy("--override-window", "nightly", code=64).err
    blank = ("--override-window", "nightly", "--reason", " ")
    assert "requires --reason" in releases.deploy(*blank, code=64).err
    assert "goes with --override-window" in releases.deploy("--reason", "x", code=64).err
    unknown = releases.deploy("--override-window", "nigtly", "--reason", "x", code=64)
    assert "did you mean nightly?" in unknown.err
    said = releases.deploy("--override-window", "nightly", "--reason", "x", code=23)
    assert "nightly" not in said.err.split("hint")[0], "what is overridden is in the way no more"
    assert "a rule without a name cannot be overridden" in said.err
    assert releases.deployed == ["v1"]


def test_each_rule_needs_its_own_override_when_several_deny_the_run(releases: Releases) -> None:
    closed(releases, CLOSED, NEVER)
    one = releases.deploy("--override-window", "nightly", "--reason", "x", code=23)
    assert "--override-window leap" in one.err
    both = ("--override-window", "nightly", "--override-window", "leap", "--reason", "x")
    releases.deploy(*both)
    assert passed(releases)[0]["windows"] == ["nightly", "leap"]


def test_secret_is_masked_wherever_it_is_kept_when_an_override_reason_contains_a_secret(
    releases: Releases,
) -> None:
    closed(releases)
    secret = "hunter2-hunter2"
    releases.terminal("env", "set", "app", "TOKEN", secret, "--target", "prod")
    said = releases.deploy("--override-window", "nightly", "--reason", f"fix with {secret}")
    kept = json.dumps([passed(releases), ledger_events(releases, "window")])
    assert secret not in said.all + kept


def test_run_obeys_the_windows_of_the_ledger_when_the_state_is_fresh(releases: Releases) -> None:
    closed(releases)
    releases.deploy("--override-window", "nightly", "--reason", "they come into the ledger")
    releases.project(targets={"prod": {}})
    releases.version("v3")
    releases.terminal.set(TEMPLEDB_STATE=str(releases.terminal.home / "fresh" / "state.duckdb"))
    releases.terminal("project", "import", "app")
    releases.terminal("env", "set", "app", "DATABASE_URL", releases.dsn, "--target", "prod")
    assert "nightly denies runs" in releases.deploy(code=23).err


def test_target_update_needs_a_reason_and_records_an_event_when_it_lowers_windows(
    releases: Releases,
) -> None:
    closed(releases)
    releases.deploy("--override-window", "nightly", "--reason", "they come into the ledger")
    releases.project(targets={"prod": {}})
    releases.version("v3")
    releases.terminal("project", "sync", "app")
    update = ("target", "update", "app", "prod", "--no-windows")
    releases.terminal(*update, code=78)
    said = releases.terminal(*update, "--reason", "no batch any more")
    assert "its ledger has this policy now" in said.all
    event = ledger_events(releases, "policy")[-1]
    assert event["reason"] == "no batch any more"
    assert event["was"]["windows"]["denies"][0]["name"] == "nightly"
    assert "windows" not in event["policy"]
    releases.deploy()


def test_target_update_is_refused_without_a_reason_when_it_lowers_windows_of_the_state(
    terminal: Terminal, pg: Database
) -> None:
    terminal.file("app/migrations/001.sql", "CREATE TABLE a (id int);\n")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "prod")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "prod")
    terminal("deploy", "run", "app")
    raised = terminal("target", "update", "app", "prod", "--window", CLOSED, "--window", OPEN)
    assert "its ledger has this policy now" in raised.all, "stricter windows need no reason"
    fewer = ("target", "update", "app", "prod", "--window", OPEN)
    assert f"windows: {CLOSED}; {OPEN} -> {OPEN}".replace("; always", "; always") in (
        terminal(*fewer, code=64).err.replace(f"{OPEN}; {CLOSED}", f"{CLOSED}; {OPEN}")
    )
    terminal(*fewer, "--reason", "moved to the afternoon")
    other = ("target", "update", "app", "prod", "--window", OPEN, "--window", NEVER)
    terminal(*other, code=64)  # one more rule that allows is a window more
    assert "exclude one another" in terminal(*fewer, "--no-windows", code=64).err
    terminal("deploy", "run", "app")


def test_plan_and_approval_stay_valid_when_windows_change(releases: Releases) -> None:
    def written(*texts: str) -> None:
        target = {"windows": rules(*texts), "protected": True}
        releases.project(MIGRATIONS, targets={"prod": target})

    written(OPEN)
    plan = releases.terminal("deploy", "plan", "app", "--json").json[-1]["draft"]["plan"]
    first = releases.terminal("deploy", "plan", "app", "--out", "app.plan")
    number = first.out.split()[1].rstrip(":")
    releases.terminal.set(TEMPLEDB_USER="emil")
    releases.terminal("approve", number, "--reason", "read it")
    releases.terminal.set(TEMPLEDB_USER="rosa")
    assert plan["policy"]["windows"] == {"denies": [], "allows": []}
    written(OPEN, CLOSED)
    again = releases.terminal("deploy", "plan", "app")
    assert again.out.split()[1].rstrip(":") == number, "the same content, the same plan"
    releases.deploy(code=23)
    releases.deploy("--override-window", "nightly", "--reason", "approved anyway")
    assert releases.terminal("migration", "status", "app").out.splitlines()[1] == "Applied: 2"


def test_windows_hold_under_the_lock_when_another_state_raised_them_meanwhile(
    releases: Releases,
) -> None:
    """Another state raises them after this run has read the ledger."""
    releases.terminal("project", "sync", "app")

    def raised(_: Preview) -> None:
        state = str(releases.terminal.home / "other" / "state.duckdb")
        mine = releases.terminal.environ["TEMPLEDB_STATE"]
        releases.terminal.set(TEMPLEDB_STATE=state)
        closed(releases)
        releases.terminal("project", "import", "app")
        releases.terminal("env", "set", "app", "DATABASE_URL", releases.dsn, "--target", "prod")
        added = ("target", "update", "app", "prod", "--window", CLOSED, "--reason", "the batch")
        releases.terminal(*added)
        releases.terminal.set(TEMPLEDB_STATE=mine)

    temple = Temple.open(releases.terminal.state)
    wish = RunOptions(planned=raised)
    with pytest.raises(Frozen) as refused:
        temple._app.deployments.run(Selection(project="app", target="prod"), wish, sync=False)
    assert refused.value.exit_code == 23
    newest = releases.runs()[0]
    assert (newest["outcome"], newest["exit_code"]) == ("failed", 23)
    assert releases.deployed == ["v1"]
    releases.terminal("deploy", "resume", "app", code=23)  # it had not begun


def test_automatic_rollback_goes_ahead_when_windows_are_closed(releases: Releases) -> None:
    windows = {"prod": {"windows": rules(CLOSED)}}
    broken(releases, targets=windows)
    said = releases.deploy("--override-window", "nightly", "--reason", "fix", code=11)
    assert "an automatic rollback waits for no window" in said.out
    child = releases.runs()[0]
    assert child["run_kind"] == "rollback"
    assert passed(releases, child["run"])[0]["because"] == "rollback"
    assert [each["because"] for each in ledger_events(releases, "window")] == [
        "override",
        "rollback",
    ]
    assert releases.deployed == ["v1", "v2", "v1"]


def test_resume_goes_ahead_when_windows_closed_after_the_run_had_begun(releases: Releases) -> None:
    hook = {"command": "test ! -e broken", "critical": True}
    groups = (MIGRATIONS, releases.web(pre_deploy=[hook]))
    releases.project(*groups)
    releases.terminal.file("app/broken", "")
    releases.deploy(code=12)
    releases.project(*groups, targets={"prod": {"windows": rules(CLOSED)}})
    update = ("target", "update", "app", "prod", "--window", CLOSED, "--reason", "the batch")
    releases.terminal("project", "sync", "app")
    releases.terminal(*update)
    releases.deploy(code=23)
    (releases.terminal.home / "app" / "broken").unlink(missing_ok=True)
    again = releases.terminal("deploy", "resume", "app", code=None)
    assert "the run had begun before" in again.all
    assert [each["because"] for each in ledger_events(releases, "window")] == ["resume"]


def test_rollback_by_hand_and_down_need_an_override_when_windows_are_closed(
    releases: Releases,
) -> None:
    closed(releases, OPEN)
    releases.terminal.file(
        "app/migrations/m003.sql", "CREATE TABLE c (id int);\n-- templedb:down\nDROP TABLE c;\n"
    )
    releases.deploy()
    closed(releases, OPEN, CLOSED)
    releases.terminal("project", "sync", "app")
    assert "nightly denies" in releases.back(code=23).err
    down = ("migration", "down", "app", "m003")
    assert "nightly denies" in releases.terminal(*down, code=23).err
    over = ("--override-window", "nightly", "--reason", "it breaks the batch")
    releases.terminal(*down, *over)
    releases.back(*over)
    assert [each["because"] for each in ledger_events(releases, "window")] == ["override"] * 2
    assert releases.deployed == ["v1", "v2", "v1"]


def test_mark_applied_goes_ahead_when_windows_are_closed(releases: Releases) -> None:
    closed(releases)
    mark = ("migration", "mark-applied", "app", "migrations/m002.sql", "--reason", "by hand")
    releases.terminal(*mark)
    assert ledger_events(releases, "window") == []


def test_freeze_by_hand_refuses_a_run_when_windows_are_open(releases: Releases) -> None:
    closed(releases, OPEN)
    releases.deploy()
    releases.version("v3")
    releases.terminal("lock", "acquire", "app", "--reason", "a migration of the servers")
    over = ("--override-window", "always", "--reason", "x")
    assert "is frozen by rosa" in releases.deploy(*over, code=23).err
    releases.terminal("lock", "release", "app", "--reason", "done")
    releases.deploy()


def test_windows_follow_the_clock_of_this_machine_when_the_target_has_no_database(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    windows = {"targets": {"prod": {"windows": rules(CLOSED)}}}
    made.project(made.web(), **windows)
    made.version("v1")
    terminal("project", "import", "app")
    plan = terminal("deploy", "plan", "app").out
    assert "there is no database: windows follow the clock of this machine" in plan
    made.deploy(code=23)
    (row,) = terminal("status", "app", "--json").json[-1]["rows"]
    assert row["windows"]["blocks"]
    made.deploy("--override-window", "nightly", "--reason", "fix")
    assert passed(made)[0]["because"] == "override"
    assert made.deployed == ["v1"]


def test_windows_follow_the_clock_of_the_target_when_the_machine_clock_is_ahead(
    releases: Releases,
) -> None:
    """A machine whose clock is years ahead is told by the database what time it is."""
    from templedb_nb.app.windows.clocks import Admission
    from templedb_nb.core.windows.rules import typed

    releases.terminal("project", "sync", "app")
    now = datetime.now(UTC)
    today = f"deny 0 0 {now.day} {now.month} * for 48h in UTC because of today"
    temple = Temple.open(releases.terminal.state)

    class Ahead:
        def now(self) -> datetime:
            return now + timedelta(days=200)

    with temple._app.selections.opened(Selection(project="app", target="prod")) as opened:
        target = replace(opened.case.target, windows=typed([today]))
        preview = temple._app.plans.preview(opened, RunOptions().options)
        asked = Admission(plan=preview.plan, target=target, clock=Ahead())  # type: ignore[arg-type]  # its other readings are not asked for
        with pytest.raises(Frozen):
            asked(opened.ledgers)
        (ledger,) = opened.ledgers.values()
        assert ledger.now is not None
        assert abs(ledger.now - now) < timedelta(hours=1)


def test_config_error_names_every_wrong_window_when_the_checked_in_file_has_several(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    right = {"cron": "0 1 * * *", "duration": "1h", "time_zone": "UTC", "reason": "x"}
    wrong = {
        "deny": [
            right | {"cron": "0 25 * * FRI"},
            right | {"time_zone": "Europe/Berln"},
            right | {"duration": "soon", "naem": "n"},
            {"cron": "0 1 * * *"},
        ],
        "allow": [right | {"name": "two words"}, right | {"name": "n"}, right | {"name": "n"}],
    }
    made.project(made.web(), targets={"prod": {"windows": wrong}})
    made.version("v1")
    terminal("project", "import", "app")
    said = terminal("deploy", "run", "app", code=78).err
    for told in (
        "templedb.yaml: targets.prod.windows.deny[0].cron: '0 25 * * FRI' is not a cron expression",
        "for example: 0 18 * * FRI",
        "targets.prod.windows.deny[1].time_zone: 'Europe/Berln' is not a time zone",
        "did you mean Europe/Berlin?",
        "targets.prod.windows.deny[2].duration: must be seconds",
        "targets.prod.windows.deny[2].naem: is not a known key; did you mean name?",
        "targets.prod.windows.deny[3].reason: is missing",
        "targets.prod.windows.allow[0].name: 'two words'",
        "targets.prod.windows: has several windows with the name n",
    ):
        assert told in said


def test_bundle_run_is_refused_when_its_target_windows_are_closed(releases: Releases) -> None:
    closed(releases)
    releases.terminal("deploy", "plan", "app", "--out", "app.plan")
    assert "nightly denies" in releases.terminal("deploy", "run", "--plan", "app.plan", code=23).err
    over = ("--override-window", "nightly", "--reason", "fix")
    releases.terminal("deploy", "run", "--plan", "app.plan", *over)
    assert releases.deployed == ["v1", "v2"]


def test_ledger_is_written_as_before_when_the_target_has_no_windows(releases: Releases) -> None:
    releases.project(targets={"prod": {"lint": "block"}})
    releases.deploy()
    path = Path(releases.dsn.removeprefix("duckdb://"))
    query = "SELECT k, v FROM templedb.meta WHERE k LIKE 'policy/%' OR k LIKE 'windows/%'"
    if releases.dsn.startswith("duckdb:"):
        import duckdb

        with duckdb.connect(path, read_only=True) as connection:
            rows = connection.execute(query).fetchall()
    else:
        import psycopg

        with psycopg.connect(releases.dsn) as link:
            rows = link.execute(query.encode()).fetchall()
    ((key, text),) = rows
    assert key == "policy/app"
    assert "windows" not in json.loads(text)


@pytest.fixture
def duck(terminal: Terminal) -> Releases:
    """Return such a project on a DuckDB file."""
    return begin(terminal, f"duckdb://{terminal.home}/target.duckdb")


def test_run_ends_well_when_windows_close_while_the_run_goes_on(terminal: Terminal) -> None:
    made = Releases(terminal)
    late = {"name": "late", "deploy_command": f"echo late >> {made.out}"}
    made.project(made.web(), late)
    made.version("v1")
    terminal("project", "import", "app")
    terminal("project", "sync", "app")

    def closes(stamped: Stamped) -> None:
        if isinstance(stamped.event, StepFinished) and stamped.event.step == 0:
            made.project(made.web(), late, targets={"prod": {"windows": rules(CLOSED)}})
            terminal("project", "sync", "app")

    result = Temple.open(terminal.state).run("app", "prod", on_event=closes)
    assert result.outcome is Outcome.SUCCEEDED
    assert made.deployed == ["v1", "late"]
    made.deploy(code=23)


def test_run_needs_no_window_when_its_plan_does_nothing(duck: Releases) -> None:
    duck.project(MIGRATIONS, targets={"prod": {"windows": rules(CLOSED)}})
    over = ("--override-window", "nightly", "--reason", "fix")
    duck.deploy(*over)
    duck.deploy()
    assert "deployment windows" not in duck.terminal("deploy", "plan", "app").out


def test_windows_of_a_file_are_lowered_when_target_update_lists_them_in_any_order(
    duck: Releases,
) -> None:
    closed(duck, CLOSED, OPEN, NEVER)
    duck.deploy("--override-window", "nightly", "--reason", "they come into the ledger")
    closed(duck, NEVER, OPEN)
    duck.version("v3")
    duck.terminal("project", "sync", "app")
    duck.deploy(code=23)
    said = ("target", "update", "app", "prod", "--window", NEVER, "--window", OPEN)
    duck.terminal(*said, "--reason", "no batch any more")
    duck.version("v4")
    other = ("target", "update", "app", "prod", "--window", OPEN, "--window", NEVER)
    duck.terminal(*other, "--reason", "the same")
    duck.deploy()


def test_run_obeys_windows_until_exempted_when_another_project_in_the_database_set_them(
    duck: Releases,
) -> None:
    closed(duck)
    duck.deploy("--override-window", "nightly", "--reason", "they come into the ledger")
    terminal = duck.terminal
    terminal.file("other/migrations/001.sql", "CREATE TABLE o (id int);\n")
    terminal("project", "import", "other")
    terminal.config(MIGRATIONS, project="other")
    terminal("target", "add", "other", "prod")
    terminal("env", "set", "other", "DATABASE_URL", duck.dsn, "--target", "prod")
    plan = terminal("deploy", "plan", "other").out
    assert f"windows: none -> {CLOSED}" in plan
    terminal("deploy", "run", "other", code=23)
    exempt = ("target", "exempt", "other", "prod", "--from", "app")
    terminal(*exempt, "--reason", "a schema of its own")
    terminal("deploy", "run", "other")
    wider = "night: deny * * * * * for 2h in UTC because of another batch"
    closed(duck, CLOSED, wider)
    duck.version("v3")
    both = ("--override-window", "nightly", "--override-window", "night")
    duck.deploy(*both, "--reason", "more of them")
    terminal.file("other/migrations/002.sql", "CREATE TABLE p (id int);\n")
    again = terminal("deploy", "run", "other", code=23)
    assert "nightly denies" in again.err, "what became stricter binds again"


def test_run_is_refused_when_windows_are_closed_by_the_clock_of_any_database() -> None:
    from templedb_nb.core.windows.admission import admit
    from templedb_nb.core.windows.rules import typed
    from templedb_nb.model.window import NO_OVERRIDE, Windows

    own = Windows.of(typed(["n: deny 0 12 * * * for 1h in UTC because of lunch"]))
    before, within = (datetime(2026, 11, 30, hour, 30, tzinfo=UTC) for hour in (11, 12))
    assert admit(own, [before, before], NO_OVERRIDE, None, "prod") == ()
    with pytest.raises(Frozen) as refused:
        admit(own, [before, within], NO_OVERRIDE, None, "prod")
    assert "until 2026-11-30 13:00Z" in refused.value.problems[0]
    assert refused.value.problems[-1] == "a run may begin 2026-11-30 13:00Z"


def test_plan_hash_is_unchanged_when_windows_are_added(duck: Releases) -> None:
    from templedb_nb.core.windows.rules import typed
    from templedb_nb.model.serialization import to_plain
    from templedb_nb.model.window import Windows

    plan = Temple.open(duck.terminal.state).plan("app", "prod").plan
    own = replace(plan.policy, windows=Windows.of(typed([CLOSED])))
    assert replace(plan, policy=own).content_hash == plan.content_hash
    assert own.planned == plan.policy
    assert isinstance(to_plain(own), dict)


def test_windows_are_overridden_when_python_gives_their_names_and_a_reason(duck: Releases) -> None:
    closed(duck)
    temple = Temple.open(duck.terminal.state)
    with pytest.raises(Frozen):
        temple.run("app", "prod")
    with pytest.raises(UsageProblem):
        temple.run("app", "prod", override_windows=["nightly"])
    result = temple.run("app", "prod", override_windows=["nightly"], reason="fix")
    assert [each.windows for each in result.passed] == [("nightly",)]


def test_cards_name_closed_and_overridden_windows_when_a_run_passes_one(duck: Releases) -> None:
    from templedb_nb.views.html import bundle

    closed(duck)
    temple = Temple.open(duck.terminal.state)
    assert "deployment windows closed" in str(bundle(temple.plan("app", "prod")))
    result = temple.run("app", "prod", override_windows=["nightly"], reason="fix of the shop")
    assert "window overridden: nightly: fix of the shop" in str(bundle(result))
    assert "deployment windows closed" in str(bundle(temple.status("app")))


def test_plan_obeys_current_windows_when_made_before_they_changed(duck: Releases) -> None:
    duck.project()
    number = duck.terminal("deploy", "plan", "app").out.split()[1].rstrip(":")
    closed(duck)
    duck.terminal("project", "sync", "app")
    assert "nightly denies" in duck.terminal("deploy", "run", "--plan", number, code=23).err
    closed(duck, OPEN)
    duck.terminal("project", "sync", "app")
    duck.terminal("deploy", "run", "--plan", number)
    assert duck.deployed == ["v1", "v2"]


def test_resume_passes_closed_windows_again_when_an_earlier_resume_of_a_begun_run_failed(
    terminal: Terminal,
) -> None:
    """The last run had begun no step, but it went on with one that had."""
    made = Releases(terminal)
    made.project(made.web(), {"name": "late", "deploy_command": "test ! -e broken"})
    made.version("v1")
    terminal.file("app/broken", "")
    terminal("project", "import", "app")
    made.deploy(code=12)
    made.project(made.web(), {"name": "late", "deploy_command": "test ! -e broken"},
                 targets={"prod": {"windows": rules(CLOSED)}})  # fmt: skip
    terminal("project", "sync", "app")
    said = terminal("deploy", "resume", "app", code=None)
    assert "the run had begun before" in said.all
    again = terminal("deploy", "resume", "app", code=None)
    assert "the run had begun before" in again.all
