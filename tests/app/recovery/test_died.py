"""Runs whose process died: history says what the ledger proves, and when they last lived."""

from __future__ import annotations

import dataclasses
import json
import lzma
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from templedb_nb.model.event import Evidence, StepLabel
from templedb_nb.model.step import BY_KIND
from tests.conftest import CORPORA, MIGRATIONS, Database, Shop, Terminal
from tests.proxy import Proxy

BEFORE = CORPORA / "before-proofs"
COMMAND = {"name": "announce", "kind": "commands", "deploy_command": "echo announced"}


def killed(terminal: Terminal, place: str, *words: str) -> None:
    """Run a command whose process is killed at *place*."""
    terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = terminal.process(*words)
    terminal.unset("TEMPLEDB_FAILPOINT")
    out, err = process.communicate(timeout=60)
    assert process.returncode == -9, f"{place} was not reached\n{out}{err}"


def newest(terminal: Terminal) -> dict[str, Any]:
    """Return the newest run of the history."""
    (row,) = terminal("deploy", "history", "app", "--last", "1", "--json").json[-1]["rows"]
    found: dict[str, Any] = row
    return found


def steps(terminal: Terminal) -> list[tuple[str, str]]:
    """Return kind and state of each step of the newest run."""
    sql = "SELECT kind, state FROM steps WHERE run = (SELECT max(run) FROM runs) ORDER BY step"
    said = terminal("sql", sql, "--json").json[-1]
    return [tuple(row) for row in said["rows"]]


@pytest.fixture
def duck(terminal: Terminal) -> Terminal:
    """Return a project with two migrations and a DuckDB file as its target."""
    for n in (1, 2):
        terminal.file(f"app/migrations/00{n}.sql", f"CREATE TABLE t{n} (id int);\n")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    url = f"duckdb://{terminal.home}/shop.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", "--plain")
    return terminal


@pytest.fixture(params=["postgresql", "duckdb"])
def place(request: pytest.FixtureRequest) -> Terminal:
    """Return a project with two migrations, and a target of either kind."""
    if request.param == "duckdb":
        terminal: Terminal = request.getfixturevalue("duck")
        return terminal
    shop: Shop = request.getfixturevalue("shop")
    shop.terminal.environ["WIPED_BY"] = shop.pg.server.database(shop.pg.name)
    for n in (1, 2):
        shop.terminal.file(f"app/migrations/00{n}.sql", f"CREATE TABLE t{n} (id int);\n")
    for name in ("001_users.sql", "002_orders.sql"):
        (shop.terminal.home / "app" / "migrations" / name).unlink()
    return shop.terminal


def applied(terminal: Terminal) -> None:
    terminal("deploy", "run", "app")


def with_a_way_back(terminal: Terminal) -> None:
    text = "CREATE TABLE t3 (id int);\n-- templedb:down\nDROP TABLE t3;\n"
    terminal.file("app/migrations/003.sql", text)
    applied(terminal)


def edited(terminal: Terminal) -> None:
    applied(terminal)
    terminal.file("app/migrations/002.sql", "CREATE TABLE t2 (id int); -- known\n")


def moved(terminal: Terminal) -> None:
    applied(terminal)
    folder = terminal.home / "app" / "migrations"
    (folder / "002.sql").rename(folder / "002_orders.sql")


def wiped(terminal: Terminal) -> None:
    """Let the ledger lose a row whose objects stand."""
    applied(terminal)
    sql = "DELETE FROM templedb.migration WHERE key LIKE '%002%'"
    if terminal.environ.get("WIPED_BY"):
        with psycopg.connect(terminal.environ["WIPED_BY"], autocommit=True) as connection:
            connection.execute(sql.encode())
        return
    with duckdb.connect(f"duckdb:{terminal.home}/shop.duckdb") as connection_:
        connection_.execute(sql)


def as_command(terminal: Terminal) -> None:
    terminal.config(COMMAND)


def as_script(terminal: Terminal) -> None:
    terminal.config()
    terminal.file("app/deploy.sh", "echo deployed\n")


def nothing(terminal: Terminal) -> None:
    """Leave the project as it is."""


WHY = ("--reason", "a test")
DOES = {
    "apply": (nothing, ("deploy", "run", "app"), "applied"),
    "revert": (with_a_way_back, ("migration", "down", "app", "003.sql", *WHY), "rolled back"),
    "mark-applied": (nothing, ("migration", "mark-applied", "app", "001.sql", *WHY), "recorded"),
    "mark-reverted": (applied, ("migration", "mark-reverted", "app", "002.sql", *WHY), "recorded"),
    "accept": (edited, ("migration", "accept-checksum", "app", "002.sql", *WHY), "recorded"),
    "rename": (
        moved,
        ("migration", "rename", "app", "002.sql", "002_orders.sql", *WHY),
        "recorded",
    ),
    "baseline": (
        nothing,
        ("migration", "baseline", "app", "--through", "001.sql", *WHY),
        "recorded",
    ),
    "restore": (wiped, ("migration", "restore-ledger", "app", *WHY), "restored"),
    "command": (as_command, ("deploy", "run", "app"), "had succeeded"),
    "script": (as_script, ("deploy", "run", "app"), "had succeeded"),
}


@pytest.mark.parametrize("name", DOES)
def test_step_is_done_in_the_history_when_the_ledger_proves_the_step_of_a_killed_run(
    place: Terminal, name: str
) -> None:
    prepare, words, told = DOES[name]
    prepare(place)
    killed(place, "step.done", *words)
    row = newest(place)
    assert (row["outcome"], row["exit_code"]) == ("failed", 12)
    assert told in row["message"]
    assert row["message"].endswith(": the ledger has it")
    assert steps(place)[0][1] == "done"
    assert "unknown" not in place("deploy", "status", "app").out
    assert "nothing to resolve" in place("run", "resolve", row["run"], *WHY).out
    assert not list(place.state.parent.rglob("*.jsonl"))


def broken(terminal: Terminal, place: str, *words: str) -> int:
    """Run a command that breaks at *place*, in a process that lives on; return its exit code."""
    terminal.set(TEMPLEDB_FAILPOINT=f"{place}:error")
    said = terminal(*words, code=None)
    terminal.unset("TEMPLEDB_FAILPOINT")
    assert "failed at" in said.text, said.text
    return said.code


@pytest.mark.parametrize("name", DOES)
def test_step_is_done_in_the_history_when_the_run_broke_after_the_step(
    place: Terminal, name: str
) -> None:
    prepare, words, told = DOES[name]
    prepare(place)
    assert broken(place, "step.done", *words) == 12
    row = newest(place)
    assert (row["outcome"], row["exit_code"]) == ("failed", 12)
    assert row["message"].startswith(
        "the run was interrupted (TEMPLEDB_FAILPOINT: failed at step.done"
    )
    assert told in row["message"]
    assert steps(place)[0][1] == "done"
    assert not list(place.state.parent.rglob("*.jsonl"))


def stepwise_alone(terminal: Terminal) -> None:
    applied(terminal)
    text = "CREATE INDEX CONCURRENTLY o ON orders (id);\nVACUUM orders;\n"
    terminal.file("app/migrations/003_index.sql", text)


BEHIND = {
    "apply": (nothing, ("deploy", "run", "app"), "apply.committed"),
    "stepwise": (stepwise_alone, ("deploy", "run", "app"), "stepwise.ended"),
    "revert": (with_a_way_back, DOES["revert"][1], "apply.committed"),
}


@pytest.mark.parametrize("name", BEHIND)
def test_step_is_done_in_the_history_when_the_step_broke_after_its_commit(
    shop: Shop, name: str
) -> None:
    prepare, words, at = BEHIND[name]
    prepare(shop.terminal)
    assert broken(shop.terminal, at, *words) == 12
    row = newest(shop.terminal)
    assert row["message"].endswith(": the ledger has it")
    assert steps(shop.terminal)[0][1] == "done"
    shop.terminal("deploy", "run", "app")


def test_step_changed_nothing_when_the_run_broke_before_the_step(place: Terminal) -> None:
    assert broken(place, "step.started", "deploy", "run", "app") == 10
    row = newest(place)
    assert (row["outcome"], row["exit_code"]) == ("failed", 10)
    assert "the ledger does not have it" in row["message"]
    assert "2 migrations applied" in place("deploy", "run", "app").out


def counted_by(pg: Database, *texts: str) -> None:
    """Run SQL as the role that deploys."""
    for text in texts:
        pg.query(f"SET ROLE {pg.role}; {text}")


def dbmate(shop: Shop) -> None:
    counted_by(
        shop.pg,
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('1')",
    )
    shop.terminal.file("app/db/1_one.sql", "-- migrate:up\nCREATE TABLE a (id int);\n")
    shop.config({"name": "migrations", "file_patterns": ["db/*.sql"]})


def in_doubt(shop: Shop) -> None:
    shop.run()
    counted_by(
        shop.pg,
        "CREATE PROCEDURE bill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO orders VALUES (7);"
        " COMMIT; END $$",
    )
    shop.migration("003_call.sql", "CALL bill();\n")
    killed(shop.terminal, "alone.ran", "deploy", "run", "app")
    shop.run(code=13)


def by_psql(shop: Shop) -> None:
    shop.config(MIGRATIONS | {"executor": "psql"})


def stepwise(shop: Shop) -> None:
    shop.run()
    shop.migration("003_index.sql", "CREATE INDEX CONCURRENTLY o ON orders (id);\nVACUUM orders;\n")


def plain(shop: Shop) -> None:
    """Leave the project as it is."""


RESOLVE = ("migration", "resolve", "app", "003_call.sql")
ALONE = {
    "import": (dbmate, ("migration", "import", "app", *WHY), "adopt"),
    "shadow": (
        lambda shop: (dbmate(shop), shop.terminal("migration", "import", "app")),
        ("migration", "import", "app", "--shadow", *WHY),
        "amend",
    ),
    "resolve-applied": (in_doubt, (*RESOLVE, "--applied", *WHY), "amend"),
    "resolve-not-applied": (in_doubt, (*RESOLVE, "--not-applied", *WHY), "amend"),
    "psql": (by_psql, ("deploy", "run", "app"), "apply"),
    "stepwise": (stepwise, ("deploy", "run", "app"), "apply"),
}


@pytest.mark.parametrize("name", ALONE)
def test_step_is_done_in_the_history_when_only_postgresql_knows_such_steps(
    shop: Shop, name: str
) -> None:
    prepare, words, kind = ALONE[name]
    prepare(shop)  # type: ignore[operator]  # each takes a shop and returns whatever it likes
    killed(shop.terminal, "step.done", *words)
    row = newest(shop.terminal)
    assert (row["outcome"], row["exit_code"]) == ("failed", 12)
    assert row["message"].endswith(": the ledger has it")
    assert steps(shop.terminal)[0] == (kind, "done")


def test_every_kind_of_step_has_a_test_that_kills_its_run(place: Terminal) -> None:
    """A new kind of step has to come with its place here; health, artifacts, slots have their files."""
    known = {"apply", "revert", "amend", "adopt", "restore", "command", "script", "health"}
    assert known | {"keep_artifacts", "place_artifacts", "switch"} == set(BY_KIND)
    assert place.home.exists()


CODES = {
    "run.before-lock": ([MIGRATIONS], 10, "failed", "before its first step"),
    "step.started": ([MIGRATIONS], 10, "failed", "the ledger does not have it"),
    "apply.begun": ([MIGRATIONS], 10, "failed", "the ledger does not have it"),
    "step.started@2": ([MIGRATIONS], 12, "failed", "the ledger does not have it"),
    "command.recorded": ([COMMAND], 13, "unknown", "its outcome is unknown"),
    "command.ran": ([COMMAND], 13, "unknown", "its outcome is unknown"),
    "command.closed": ([COMMAND], 12, "failed", "had succeeded"),
}


@pytest.mark.parametrize("at", CODES)
def test_exit_code_says_what_became_of_the_target_when_a_run_died(shop: Shop, at: str) -> None:
    groups, code, outcome, told = CODES[at]
    shop.config(*groups)
    killed(shop.terminal, at, "deploy", "run", "app")
    row = newest(shop.terminal)
    assert (row["exit_code"], row["outcome"]) == (code, outcome)
    assert told in row["message"]


def test_target_is_unchanged_when_a_run_died_before_its_command_began(duck: Terminal) -> None:
    duck.config(COMMAND)
    killed(duck, "step.started", "deploy", "run", "app")
    row = newest(duck)
    assert (row["exit_code"], row["outcome"]) == (10, "failed")
    assert "had not begun" in row["message"]
    duck("deploy", "run", "app")


def test_target_is_unchanged_when_a_run_died_after_a_command_that_changes_nothing(
    duck: Terminal,
) -> None:
    duck.config({"name": "x", "build_command": "echo built"})
    killed(duck, "command.ran", "deploy", "run", "app")
    assert newest(duck)["exit_code"] == 10


def test_first_attempt_still_counts_when_a_run_died_before_the_second_attempt_began(
    duck: Terminal,
) -> None:
    duck.config(COMMAND | {"deploy_command": "exit 3", "retry_attempts": 2})
    killed(duck, "step.started@2", "deploy", "run", "app")
    row = newest(duck)
    assert (row["exit_code"], row["outcome"]) == (12, "failed")


def test_command_is_told_with_its_exit_status_when_a_run_died_after_the_failure(
    duck: Terminal,
) -> None:
    duck.config(COMMAND | {"deploy_command": "exit 3"})
    killed(duck, "command.closed", "deploy", "run", "app")
    row = newest(duck)
    assert row["exit_code"] == 12
    assert "had exited with 3" in row["message"]
    assert steps(duck) == [("command", "failed")]


def test_steps_of_an_earlier_run_count_when_the_next_run_dies_before_its_first_step(
    shop: Shop,
) -> None:
    stepwise(shop)
    killed(shop.terminal, "alone.counted", "deploy", "run", "app")
    assert newest(shop.terminal)["exit_code"] == 12
    killed(shop.terminal, "step.started", "deploy", "run", "app")
    row = newest(shop.terminal)
    assert row["exit_code"] == 12, row["message"]
    assert "1 of 2 steps took effect" in row["message"]
    shop.run()


def test_migration_counts_as_applied_in_the_dead_run_when_rolled_back_since(
    shop: Shop, tmp_path: Path
) -> None:
    with_a_way_back(shop.terminal)
    shop.migration("004.sql", "CREATE TABLE t4 (id int);\n-- templedb:down\nDROP TABLE t4;\n")
    killed(shop.terminal, "step.done", "deploy", "run", "app")
    here = shop.terminal.environ["TEMPLEDB_STATE"]
    shop.terminal.set(TEMPLEDB_STATE=str(tmp_path / "other" / "state.duckdb"))
    shop.terminal("project", "import", "app")
    shop.config(MIGRATIONS)
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.terminal("migration", "down", "app", "004.sql", *WHY)
    shop.terminal.set(TEMPLEDB_STATE=here)
    row = newest(shop.terminal)
    assert row["message"].endswith("which is applied: the ledger has it")
    assert steps(shop.terminal) == [("apply", "done")]


def test_ledger_is_asked_again_when_the_ledger_did_not_answer(shop: Shop) -> None:
    killed(shop.terminal, "step.done", "deploy", "run", "app")
    there = ("env", "set", "app", "DATABASE_URL")
    shop.terminal(*there, "postgresql://nobody@127.0.0.1:1/none", "--target", "staging")
    row = newest(shop.terminal)
    assert (row["exit_code"], row["outcome"]) == (13, "unknown")
    assert "could not be read" in row["message"]
    shop.terminal(*there, shop.pg.dsn, "--target", "staging")
    assert newest(shop.terminal)["outcome"] == "unknown"
    (mark,) = shop.terminal.state.parent.rglob("*.asked")
    assert mark.name not in shop.terminal("state", "check").all
    os.utime(mark, (0, 0))
    row = newest(shop.terminal)
    assert (row["exit_code"], row["outcome"]) == (12, "failed")
    assert row["message"].endswith("which is applied: the ledger has it")
    kinds = shop.terminal("sql", "SELECT kind FROM events ORDER BY seq", "--json").json[-1]["rows"]
    assert [kind for (kind,) in kinds] == [
        "run_started",
        "step_started",
        "step_finished",
        "run_finished",
    ]
    assert not list(shop.terminal.state.parent.rglob("*.asked"))


def test_ledger_is_asked_at_once_by_the_next_run_when_the_ledger_did_not_answer(shop: Shop) -> None:
    killed(shop.terminal, "step.done", "deploy", "run", "app")
    there = ("env", "set", "app", "DATABASE_URL")
    shop.terminal(*there, "postgresql://nobody@127.0.0.1:1/none", "--target", "staging")
    assert newest(shop.terminal)["outcome"] == "unknown"
    shop.terminal(*there, shop.pg.dsn, "--target", "staging")
    shop.run()
    rows = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    assert [row["outcome"] for row in rows] == ["succeeded", "failed"]


def test_ledger_proves_nothing_when_it_belongs_to_another_database(
    shop: Shop, tmp_path: Path
) -> None:
    killed(shop.terminal, "step.done", "deploy", "run", "app")
    url = f"duckdb://{tmp_path}/other.duckdb"
    shop.terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", "--plain")
    row = newest(shop.terminal)
    assert (row["exit_code"], row["outcome"]) == (13, "unknown")
    assert "does not know the run" in row["message"]


def test_run_is_recorded_as_ended_at_its_last_sign_of_life_when_killed(duck: Terminal) -> None:
    duck.config(COMMAND | {"deploy_command": "sleep 300"})
    process = duck.process("deploy", "run", "app")
    (sign,) = _await(lambda: list(duck.state.parent.rglob("*.alive")))
    first = sign.read_text()
    _await(lambda: sign.read_text() not in {"", first})
    lived = datetime.fromisoformat(_await(sign.read_text))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    row = newest(duck)
    began, ended, found = (
        datetime.fromisoformat(row[name]) for name in ("started_at", "finished_at", "found_at")
    )
    assert began < lived <= ended < found
    assert timedelta(milliseconds=row["elapsed_ms"]) >= lived - began
    took = duck("sql", "SELECT took, found_at IS NOT NULL FROM runs", "--json").json[-1]["rows"]
    assert took[0][1] is True
    assert not list(duck.state.parent.rglob("*.alive"))


def test_ledger_closes_a_run_at_its_last_heartbeat_when_the_run_died(place: Terminal) -> None:
    killed(place, "step.done", "deploy", "run", "app")
    place("deploy", "run", "app")
    first, last = place("deploy", "history", "app", "--json").json[-1]["rows"]
    assert last["found_at"] is not None
    assert last["found_at"] < first["started_at"]
    assert last["finished_at"] < last["found_at"]
    assert first["found_at"] is None


def test_run_resolve_has_nothing_to_resolve_when_the_outcome_is_known(place: Terminal) -> None:
    place("deploy", "run", "app")
    run = newest(place)["run"]
    said = place("run", "resolve", run, *WHY).out
    assert "nothing to resolve: its outcome is known: succeeded" in said
    assert place("sql", "SELECT count(*) FROM main.resolutions", "--json").json[-1]["rows"] == [[0]]
    said = place("run", "resolve", "0123-no-such-run", *WHY, code=64).err
    assert "none is unresolved in the ledger of target staging" in said


def test_run_resolve_records_one_event_when_called_twice(duck: Terminal) -> None:
    duck.config(COMMAND)
    killed(duck, "command.ran", "deploy", "run", "app")
    run = newest(duck)["run"]
    assert "1 open commands closed" in duck("run", "resolve", run, *WHY).out
    assert "rosa resolved it already" in duck("run", "resolve", run, *WHY).out
    with duckdb.connect(f"duckdb:{duck.home}/shop.duckdb") as seen:
        count = "SELECT count(*) FROM templedb.event WHERE what = 'resolve'"
        assert seen.execute(count).fetchone() == (1,)


def test_run_resolve_is_refused_when_the_run_goes_on(duck: Terminal) -> None:
    begun = duck.home / "begun"
    duck.config(COMMAND | {"deploy_command": f"echo x > {begun}; sleep 300"})
    process = duck.process("deploy", "run", "app")
    _await(begun.exists)
    try:
        (run,) = [path.stem for path in duck.state.parent.rglob("*.jsonl")]
        said = duck("run", "resolve", run, *WHY, code=64).err
        assert "has not ended" in said
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_journal_and_state_are_recovered_when_the_previous_version_wrote_them(
    terminal: Terminal,
) -> None:
    """Their labels do not say what proves a step: it is derived from its kind."""
    journals = terminal.state.with_name(f"{terminal.state.name}.d") / "journal"
    journals.mkdir(parents=True)
    terminal.state.write_bytes(lzma.decompress((BEFORE / "state.duckdb.xz").read_bytes()))
    target = terminal.file("shop.duckdb", lzma.decompress((BEFORE / "shop.duckdb.xz").read_bytes()))
    terminal.set(DATABASE_URL=f"duckdb://{target}")
    runs = {}
    for name in ("mark-applied", "apply", "command"):
        text = (BEFORE / f"{name}.jsonl").read_text()
        assert "proof" not in text
        runs[name] = json.loads(text.splitlines()[0])["run"]
        (journals / f"{runs[name]}.jsonl").write_text(text)
    rows = {
        row["run"]: row for row in terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    }
    assert [rows[runs[name]]["exit_code"] for name in runs] == [12, 12, 12]
    assert all(rows[run]["message"].endswith("the ledger has it") for run in runs.values())
    assert all(rows[run]["finished_at"] < rows[run]["found_at"] for run in runs.values())
    assert rows[min(rows)]["outcome"] == "succeeded"
    shown = terminal("deploy", "show", runs["mark-applied"]).out
    assert "its last sign of life was at 2026-11-28 15:32:19Z; it was found dead at 2" in shown
    assert "mark-applied migrations/003_carts.sql" in shown
    assert not list(journals.glob("*.jsonl"))


def test_step_label_has_the_proof_of_its_kind_when_written_without_a_proof() -> None:
    about = {"group": "g", "phase": "migrations", "title": "t"}
    for kind in ("apply", "revert", "amend", "adopt", "command", "script"):
        assert StepLabel(**about, kind=kind).evidence is BY_KIND[kind].proof
    assert StepLabel(**about, kind="of a later version").evidence is Evidence.NONE
    said = StepLabel(**about, kind="apply", proof=Evidence.JOURNAL)
    assert said.evidence is Evidence.JOURNAL
    assert dataclasses.replace(said, proof=None).evidence is Evidence.LEDGER


@pytest.mark.parametrize("sent", [True, False])
def test_amendment_is_looked_up_when_its_commit_got_no_answer(shop: Shop, *, sent: bool) -> None:
    shop.config(COMMAND)
    shop.run()
    shop.config(MIGRATIONS)
    about = psycopg.conninfo.conninfo_to_dict(shop.pg.dsn)
    with Proxy(int(about["port"])) as proxy:
        url = shop.pg.dsn.replace(f":{about['port']}/", f":{proxy.port}/")
        assert url != shop.pg.dsn
        shop.terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging")
        proxy.cut_at_commit(skip=0, sent=sent, after=b"INTO templedb.event")
        words = ("migration", "mark-applied", "app", "001_users.sql", *WHY)
        said = shop.terminal(*words, code=0 if sent else 10)
        assert proxy.cuts == 1, said.all
        proxy.heal()
    assert shop.pg.applied() == (["migrations/001_users.sql"] if sent else [])


def _await(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)
    return found
