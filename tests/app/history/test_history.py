"""Looking back: runs, output, numbers, questions in SQL, and the same from Python."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import templedb_nb
from templedb_nb import Temple, frame
from templedb_nb.core.values import points_in_time
from templedb_nb.errors import QueryRefused, TempleError, UnknownName, UsageProblem
from templedb_nb.model.event import Outcome
from tests.conftest import MIGRATIONS, Shop

COMMAND = {
    "name": "announce",
    "kind": "commands",
    "order": 2,
    "deploy_command": "echo hello from the command; exit ${CODE:-0}",
}


@pytest.fixture
def ran(shop: Shop) -> Shop:
    """A shop with a run that succeeded and one whose command failed."""
    shop.config(MIGRATIONS | {"order": 1}, COMMAND)
    shop.run()
    shop.migration("003_more.sql", "CREATE TABLE more (id int);")
    shop.run("--env", "CODE=7", code=12)
    return shop


def test_runs_are_found_when_filtered_by_outcome_and_moment(ran: Shop) -> None:
    rows = ran.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    assert [row["outcome"] for row in rows] == ["failed", "succeeded"]
    failed = ran.terminal("deploy", "history", "app", "--status", "failed", "--json").json[-1]
    assert [row["run"] for row in failed["rows"]] == [rows[0]["run"]]
    since = ran.terminal("deploy", "history", "app", "--since", "1h", "--last", "1", "--json")
    assert len(since.json[-1]["rows"]) == 1
    never = ran.terminal("deploy", "history", "app", "--since", "2999-01-01").out
    assert "no run" in never
    assert (
        "is not a point in time"
        in ran.terminal("deploy", "history", "--since", "soon", code=64).err
    )


def test_run_is_shown_when_named_by_the_beginning_of_its_id(ran: Shop) -> None:
    row = ran.terminal("deploy", "history", "app", "--json").json[-1]["rows"][0]
    said = ran.terminal("deploy", "show", row["run"][:18]).out
    assert "announce" in said
    assert "exited with 7" in said
    assert "no run begins with" in ran.terminal("deploy", "show", "zzz", code=64).err


def test_command_output_is_kept_masked_when_it_holds_a_secret(ran: Shop) -> None:
    ran.config(MIGRATIONS | {"order": 1}, COMMAND | {"deploy_command": "echo at $DATABASE_URL"})
    ran.migration("004_last.sql", "CREATE TABLE last (id int);")
    ran.run()
    row = ran.terminal("deploy", "history", "app", "--json").json[-1]["rows"][0]
    said = ran.terminal("deploy", "logs", row["run"]).out
    assert "announce" in said
    assert "at ***[DATABASE_URL]" in said
    assert ran.pg.dsn.split(":")[2].split("@")[0] not in said
    steps = len(ran.terminal("deploy", "show", row["run"], "--json").json[-1]["steps"])
    assert "wrote no output" in ran.terminal("deploy", "logs", row["run"], "--step", "1").out
    over = ran.terminal("deploy", "logs", row["run"], "--step", str(steps + 1), code=64)
    assert "has no step" in over.err


def test_status_says_what_runs_now_and_what_ended_last_when_a_command_runs(ran: Shop) -> None:
    ran.config(MIGRATIONS | {"order": 1}, COMMAND | {"deploy_command": "sleep 60"})
    process = ran.terminal.process("deploy", "run", "app")
    try:
        while "announce: sleep 60" not in (said := ran.terminal("deploy", "status", "app").out):
            assert process.poll() is None
        assert "failed" in said
    finally:
        process.kill()
        process.communicate()
    said = ran.terminal("deploy", "status", "app").out
    assert "idle" in said
    assert "run resolve" in said


def test_output_can_be_read_when_its_run_was_killed(shop: Shop) -> None:
    shop.config(COMMAND | {"deploy_command": "echo half of it; sleep 60"})
    process = shop.terminal.process("deploy", "run", "app")
    try:
        while not (rows := shop.terminal("sql", "SELECT run FROM runs", "--json").json[-1]["rows"]):
            assert process.poll() is None
        ((run,),) = rows
        while "half of it" not in shop.terminal("deploy", "logs", run).out:
            assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert "1 announce" in (said := shop.terminal("deploy", "logs", run).out)
    assert "half of it" in said


def test_run_names_the_steps_that_wrote_something(ran: Shop) -> None:
    row = ran.terminal("deploy", "history", "app", "--json").json[-1]["rows"][1]
    number, command = (
        ran.terminal("deploy", "show", row["run"])
        .out.rsplit("output of step ", 1)[1]
        .splitlines()[0]
        .split(": ")
    )
    assert "hello from the command" in ran.terminal(*command.split()[1:]).out
    ((step, log),) = ran.terminal(
        "sql",
        f"SELECT step, log FROM steps WHERE log IS NOT NULL AND run = '{row['run']}'",
        "--json",
    ).json[-1]["rows"]
    assert str(step) == number
    assert (ran.terminal.state.parent / "state.duckdb.d" / "logs" / log).is_file()


def test_stats_have_no_duration_when_the_target_never_succeeded(shop: Shop) -> None:
    shop.config(COMMAND | {"deploy_command": "exit 3"})
    shop.run(code=12)
    (row,) = shop.terminal("deploy", "stats", "app", "--by", "day", "--json").json[-1]["rows"]
    assert (row["failed"], row["failure_rate"], row["median_ms"]) == (1, 1.0, None)
    assert "100%" in shop.terminal("deploy", "stats", "app").out
    assert frame(Temple.open().stats("app")).p90.isna().all()


def test_stats_count_and_time_the_runs_when_grouped_by_month(ran: Shop) -> None:
    (row,) = ran.terminal("deploy", "stats", "app", "--by", "month", "--json").json[-1]["rows"]
    assert (row["runs"], row["succeeded"], row["failed"]) == (2, 1, 1)
    assert row["median_ms"] > 0
    assert "50%" in ran.terminal("deploy", "stats", "app").out


def test_migration_history_is_filtered_when_last_since_or_status_is_given(ran: Shop) -> None:
    said = ran.terminal("migration", "history", "app", "--last", "1", "--since", "1d").out
    assert "003_more.sql" in said
    assert "001_users.sql" not in said
    assert "001" not in ran.terminal("migration", "history", "app", "--status", "failed").out


VIEWS = ["approvals", "events", "migrations", "runs", "steps"]


@pytest.mark.parametrize("view", VIEWS)
def test_view_is_documented_with_its_columns(ran: Shop, view: str) -> None:
    answer = ran.terminal("sql", f"SELECT * FROM {view}", "--json").json[-1]
    text = (Path(templedb_nb.__file__).parents[1] / "docs" / "history.md").read_text("utf-8")
    section = text.split(f"## {view}\n", 1)[1].split("\n## ", 1)[0]
    told = [
        name.strip()
        for line in section.splitlines()
        if line.startswith("| ")
        for name in line.split("|")[1].split(",")
    ]
    assert told[1:] == answer["columns"] or set(told[1:]) == set(answer["columns"])  # fmt: skip


def test_steps_view_says_what_became_of_each_step_when_the_last_step_fails(ran: Shop) -> None:
    answer = ran.terminal("sql", "SELECT title, state, exit_status FROM steps ORDER BY run, step", "--json")  # fmt: skip
    rows = answer.json[-1]["rows"]
    assert [row[1] for row in rows] == ["done", "done", "done", "done", "failed"]
    assert rows[-1][2] == 7


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM main.runs",
        "CREATE TABLE x (a int)",
        "COPY main.runs TO '/tmp/stolen.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "ATTACH '/tmp/other.duckdb'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "EXPORT DATABASE '/tmp/stolen'",
        "SELECT nope FROM runs",
        "this is not SQL",
    ],
)
def test_query_is_refused_when_it_would_change_the_state(ran: Shop, query: str) -> None:
    said = ran.terminal("sql", query, code=64)
    assert "the state refused the query" in said.err
    assert len(ran.terminal("deploy", "history", "app", "--json").json[-1]["rows"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{state}' (USE_TMP_FILE false)",
        "COPY (SELECT 1) TO '{state}.wal'",
        "COPY main.runs FROM '{state}'",
        "SELECT * FROM read_blob('{state}')",
        "ATTACH '{state}' AS again",
    ],
)
def test_query_is_refused_when_it_would_reach_the_state_file(ran: Shop, query: str) -> None:
    state = ran.terminal.state
    before = state.read_bytes()
    said = ran.terminal("sql", query.format(state=state), code=64)
    assert "the state refused the query" in said.err
    assert state.read_bytes() == before
    assert not state.with_name(f"{state.name}.wal").exists()


@pytest.mark.parametrize("query", [";", "-- nothing"])
def test_query_is_refused_when_it_has_no_statement(ran: Shop, query: str) -> None:
    assert "no statement" in ran.terminal("sql", "--", query, code=64).err


def test_query_is_read_from_standard_input_when_no_argument_is_given(ran: Shop) -> None:
    assert "42" in ran.terminal("sql", stdin="SELECT 42 AS n").out
    assert "the query is missing" in ran.terminal("sql", stdin="", code=64).err


def test_answer_is_valid_json_when_values_have_unusual_types(ran: Shop) -> None:
    said = ran.terminal(
        "sql", "SELECT 'nan'::DOUBLE, {'a': 1.5::DOUBLE}, 'x'::BLOB, NULL", "--json"
    ).out
    kept = json.loads(said.splitlines()[-1], parse_constant=pytest.fail)
    assert kept["rows"] == [["nan", {"a": 1.5}, "78", None]]


def test_answer_has_readable_moments_and_durations_when_given_as_json(ran: Shop) -> None:
    said = ran.terminal("sql", "SELECT started_at, took, [1, 2] AS l FROM runs LIMIT 1", "--json")
    (row,) = json.loads(said.out.splitlines()[-1])["rows"]
    assert datetime.fromisoformat(row[0]).tzinfo is not None
    assert row[1] > 0
    assert row[2] == [1, 2]


# --- from Python ------------------------------------------------------------------------------


@pytest.mark.usefixtures("ran")
def test_frame_has_proper_types_when_a_view_is_queried() -> None:
    runs = Temple.open().sql("SELECT * FROM runs")
    assert isinstance(runs.started_at.dtype, pd.DatetimeTZDtype)
    assert pd.api.types.is_timedelta64_dtype(runs.took)
    assert isinstance(runs.outcome.dtype, pd.CategoricalDtype)
    assert Temple.open().sql("SELECT * FROM events").elapsed.max() > timedelta(0)
    assert len(Temple.open().sql("SELECT * FROM approvals")) == 0


@pytest.mark.usefixtures("shop")
def test_api_plans_runs_and_shows_the_run_when_two_migrations_are_pending() -> None:
    temple = Temple.open()
    heard: list[str] = []
    plan = temple.plan("app", "staging")
    assert len(plan.plan.steps) == 2
    result = temple.run(plan=plan, on_event=lambda entry: heard.append(entry.event.kind))
    assert (result.outcome, result.exit_code) == (Outcome.SUCCEEDED, 0)
    assert (heard[0], heard[-1]) == ("run_started", "run_finished")
    assert temple.status("app").rows[0].applied == 2
    assert temple.migrations("app").pending == 0
    (row,) = temple.history("app", since="1h", status=["succeeded"]).rows
    assert temple.show(row.run[:18]).steps == result.steps
    assert list(frame(temple.history("app")).outcome) == ["succeeded"]
    with pytest.raises(TypeError, match="not a table"):
        frame(temple)


@pytest.mark.usefixtures("ran")
def test_steps_are_frames_when_taken_from_plans_and_runs() -> None:
    temple = Temple.open()
    planned = frame(temple.plan("app", "staging"))
    assert list(planned.step) == list(range(1, len(planned) + 1))
    result = temple.show(temple.history("app").rows[0].run)
    steps, asked = frame(result), temple.sql(f"SELECT * FROM steps WHERE run = '{result.run}'")
    assert steps.attrs["run"] == result.run
    assert [*steps.columns] == [name for name in asked.columns if name not in {"run", "project", "target"}]  # fmt: skip
    for name in ("step", "title", "state", "attempts", "took", "log"):
        assert [*steps[name].dropna()] == [*asked[name].dropna()], name
    assert isinstance(steps.started_at.dtype, pd.DatetimeTZDtype)
    assert list(steps.started_at.isna()) == list(asked.started_at.isna())
    assert isinstance(steps.state.dtype, pd.CategoricalDtype)
    assert pd.api.types.is_timedelta64_dtype(steps.took)


@pytest.mark.usefixtures("ran")
def test_api_reads_the_history_when_runs_have_ended() -> None:
    temple = Temple.open()
    assert [each.slug for each in temple.projects()] == ["app"]
    assert [each.name for each in temple.targets("app")] == ["staging"]
    (row,) = temple.stats("app", by="week").rows
    assert (row.runs, row.succeeded, row.failure_rate) == (2, 1, 0.5)
    ((_, text),) = temple.logs(temple.history("app").rows[1].run).steps
    assert text == "hello from the command\n"
    assert temple.ledger("app", last=1).rows[0].entry.file == "migrations/003_more.sql"


@pytest.mark.usefixtures("shop")
def test_api_raises_the_error_of_the_command_when_a_name_or_a_query_is_wrong() -> None:
    temple = Temple.open()
    with pytest.raises(UnknownName) as refused:
        temple.plan("app", "nowhere")
    assert isinstance(refused.value, TempleError)
    assert refused.value.problems
    with pytest.raises(QueryRefused):
        temple.sql("DROP TABLE main.runs")


def test_run_raises_no_exception_when_a_step_fails(shop: Shop) -> None:
    shop.migration("003_bad.sql", "SELECT\n  nope;")
    result = Temple.open().run("app")
    assert result.exit_code == 12
    assert result.failure is not None
    assert (result.failure.line, result.failure.sqlstate) == (2, "42703")


def test_approval_counts_when_given_from_python(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--approvals", "1")
    temple = Temple.open()
    plan = temple.plan("app")
    with pytest.raises(TempleError, match="has no approval"):
        temple.run(plan=plan)
    assert temple.reject(plan, "not yet").verdict == "rejected"
    with pytest.raises(TempleError, match="was rejected"):
        temple.run(plan=plan)
    assert temple.approve(plan, "looked at it").through == "python"
    assert [each.verdict for each in temple.approvals(plan).rows] == ["approved", "rejected"]
    assert temple.run(plan=plan).exit_code == 0


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("30m ago", NOW - timedelta(minutes=30)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:30+02:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_moment_is_read_when_written_as_date_time_or_age(text: str, moment: datetime) -> None:
    assert points_in_time.since(text, NOW) == moment


def test_duration_is_read_when_written_with_or_without_a_unit() -> None:
    assert [points_in_time.wait_s(text) for text in ("10", "0.5", "90s", "15m", "1h")] == [10, 0.5, 90, 900, 3600]  # fmt: skip
    with pytest.raises(UsageProblem):
        points_in_time.wait_s("a while")


def test_import_does_not_count_as_a_deployment_when_a_plan_waits(shop: Shop) -> None:
    """It replaces no plan that waits, and is not what a target was deployed from last."""
    shop.config({"name": "announce", "kind": "commands", "deploy_command": "echo announced"})
    shop.run()
    (deployed,) = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    shop.terminal.file("app/README", "first\n")
    waiting = shop.terminal("deploy", "plan", "app", "--json").json[-1]
    shop.terminal.file("app/db/1_one.sql", "-- migrate:up\nCREATE TABLE a (id int);\n")
    shop.config({"name": "migrations", "file_patterns": ["db/*.sql"]})
    for text in (
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
        f"ALTER TABLE schema_migrations OWNER TO {shop.pg.role}",
        "INSERT INTO schema_migrations VALUES ('1')",
    ):
        shop.pg.query(text)
    shop.terminal("migration", "import", "app")
    taken, first = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    assert taken["outcome"] == "succeeded"
    assert taken["release"] > waiting["release"] > first["release"] == deployed["release"]
    shop.approve(waiting["plan_id"])
    since = shop.terminal("deploy", "plan", "app", "--json").json[-1]["since"]
    assert since["run"] == deployed["run"]
