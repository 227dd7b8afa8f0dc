"""Who holds a target, who froze it, who may take it over, and how a run was asked to end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from templedb_nb.engine.interrupts import Interrupts
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.target import DATABASE_URL, TargetName
from templedb_nb.ports.target import LockCallbacks
from templedb_nb.store import cancel_requests
from templedb_nb.targets.duckdb.session import DuckdbSession
from tests.commands.test_screen import PROGRAM
from tests.conftest import MIGRATIONS, Shop, Terminal
from tests.ledger_targets import a_claim

TWO = {"name": "two", "order": 2, "deploy_command": "echo two > ../two"}
SLOW = "CREATE TABLE half (id int);\nSELECT pg_sleep(300);\n"


def until(true: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.05)


def sleeping(shop: Shop) -> bool:
    return shop.pg.query(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state = 'active' AND query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()"
    ) == [(1,)]


@pytest.fixture
def busy(shop: Shop) -> subprocess.Popen[str]:
    """A process whose run holds the lock, in a statement that lasts."""
    shop.run()
    shop.migration("003_slow.sql", SLOW)
    process = shop.terminal.process("deploy", "run", "app", stdin=subprocess.DEVNULL)
    until(lambda: sleeping(shop))
    return process


def run_of(shop: Shop) -> str:
    ((run,),) = shop.pg.query("SELECT run FROM templedb.lock")
    return str(run)


def test_holder_is_shown_with_its_statement_when_a_run_holds_the_lock(
    shop: Shop, busy: subprocess.Popen[str]
) -> None:
    try:
        said = shop.terminal("lock", "show", "app").out
        assert "held by rosa" in said
        assert f"pid {busy.pid}" in said
        assert run_of(shop) in said
        assert "pg_sleep(300)" in said
        loser = shop.run("--lock-wait", "0.1", code=24)
        assert "rosa" in loser.text
        assert "such runs usually last" in loser.text
        assert "--lock-wait 15m" in loser.text
    finally:
        busy.kill()
        busy.communicate()
    until(lambda: "nobody holds" in shop.terminal("lock", "show", "app").out or not sleeping(shop))


def test_run_ends_when_another_terminal_asks_it_to_end(
    shop: Shop, busy: subprocess.Popen[str]
) -> None:
    said = shop.terminal("run", "cancel", run_of(shop)[:18], "--reason", "wrong release")
    assert "was asked to end" in said.out
    out, err = busy.communicate(timeout=60)
    assert busy.returncode == 130, out + err
    assert "wrong release" in shop.terminal("deploy", "history", "app").out
    assert "half" not in shop.pg.tables()
    assert shop.pg.query("SELECT count(*) FROM templedb.lock") == [(0,)]
    gone = shop.terminal("run", "cancel", run_of_last(shop), code=64)
    assert "is running on this machine" in gone.err


def run_of_last(shop: Shop) -> str:
    return str(shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"][0]["run"])


def test_run_ends_when_another_state_asks_by_its_target(
    shop: Shop, busy: subprocess.Popen[str]
) -> None:
    """A colleague whose own state never heard of the run asks by its target."""
    run = run_of(shop)
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "other" / "state.duckdb"))
    shop.terminal("project", "import", "app")
    shop.terminal.config(MIGRATIONS)
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.terminal("run", "cancel", run, "--project", "app", "--target", "staging")
    busy.communicate(timeout=60)
    assert busy.returncode == 130


def journals(shop: Shop) -> list[Path]:
    folder = shop.terminal.state.with_name(f"{shop.terminal.state.name}.d") / "journal"
    return sorted(folder.iterdir())


def states(shop: Shop) -> list[list[str]]:
    said = shop.terminal("sql", "SELECT state FROM steps ORDER BY step", "--json")
    return list(said.json[-1]["rows"])


@pytest.mark.parametrize("database", ["postgresql", "duckdb", ""])
@pytest.mark.parametrize("drain", [True, False])
def test_run_ends_when_asked_on_any_kind_of_target(
    steps: Shop, database: str, *, drain: bool
) -> None:
    """The step ends when a file is there, so that a drain has something to wait for."""
    if database == "duckdb":
        file = f"duckdb:///{steps.terminal.home}/dev.duckdb"
        steps.terminal("env", "set", "app", "DATABASE_URL", file, "--target", "staging")
    elif not database:
        steps.terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    wait = "echo waits; until test -e ../go; do sleep 0.1; done"
    one = {"name": "one", "kind": "commands", "order": 1, "workdir": "project"}
    steps.config(one | {"deploy_command": wait}, one | TWO)
    process = steps.terminal.process("deploy", "run", "app", stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    while "| waits" not in process.stdout.readline():
        pass
    run = journals(steps)[0].stem
    after = ["--after-step"] if drain else []
    said = steps.terminal("run", "cancel", run, "--reason", "wrong release", *after)
    assert "was asked to end" in said.out
    if drain:
        until(lambda: ".wish" not in {each.suffix for each in journals(steps)})
        steps.terminal.file("go", "")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert states(steps) == [["done" if drain else "failed"], ["skipped"]]
    assert not (steps.terminal.home / "two").exists()
    assert "wrong release" in steps.terminal("deploy", "history", "app").out
    assert journals(steps) == []


def test_run_finishes_its_step_and_ends_when_another_machine_asks(shop: Shop) -> None:
    """The state file here knows nothing of it, so that only the ledger can carry the word."""
    one = {"name": "one", "kind": "commands", "order": 1, "workdir": "project"}
    shop.config(one | {"deploy_command": "until test -e ../go; do sleep 0.1; done"}, one | TWO)
    process = shop.terminal.process("deploy", "run", "app", stdin=subprocess.DEVNULL)
    until(lambda: reached(shop, "command.recorded"))
    here = str(shop.terminal.state)
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "other" / "state.duckdb"))
    shop.terminal("project", "import", "app")
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.terminal("run", "cancel", run_of(shop), "--project", "app", "--after-step")
    said = shop.pg.query("SELECT cancel FROM templedb.lock")[0][0]
    assert said.startswith("after this step: rosa on ")
    beat = "SELECT heartbeat FROM templedb.lock"
    for _ in range(2):  # what the first one brings is taken in when the second comes
        before = shop.pg.query(beat)
        until(lambda: shop.pg.query(beat) != before)  # noqa: B023 - called before the next turn
    shop.terminal.file("go", "")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    shop.terminal.set(TEMPLEDB_STATE=here)
    assert states(shop) == [["done"], ["skipped"]]


def test_cancel_request_is_withdrawn_when_the_run_is_over(tmp_path: Path) -> None:
    assert not cancel_requests.ask(tmp_path, "gone", CancelRequest(wish="rosa: why"))
    assert list(tmp_path.iterdir()) == []


def test_run_does_not_begin_when_its_target_is_frozen(shop: Shop) -> None:
    shop.run()
    shop.terminal("lock", "acquire", "app", "--reason", "release weekend")
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    said = shop.run(code=23)
    assert "frozen by rosa" in said.err
    assert "release weekend" in said.err
    assert "frozen" in shop.run("--dry-run", code=78).out
    assert "release weekend" in shop.terminal("lock", "show", "app").out
    assert "three" not in shop.pg.tables()
    shop.terminal("migration", "mark-applied", "app", "003.sql", code=23)
    shop.terminal("lock", "release", "app", "--reason", "all clear")
    shop.run()
    assert "is not frozen" in shop.terminal("lock", "release", "app", "--reason", "x", code=64).err
    events = shop.pg.query("SELECT what FROM templedb.event WHERE what <> 'applied' ORDER BY id")
    assert events == [("freeze",), ("thaw",)]


def test_run_does_not_begin_when_the_freeze_came_after_the_plan(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    plan = shop.terminal("deploy", "plan", "app", "--json").json[-1]["plan_id"]
    shop.terminal("lock", "acquire", "app", "--reason", "stop")
    assert "frozen" in shop.terminal("deploy", "run", "--plan", plan, code=23).err
    assert "three" not in shop.pg.tables()


def test_lock_is_not_taken_when_its_run_is_alive(shop: Shop, busy: subprocess.Popen[str]) -> None:
    try:
        said = shop.terminal(
            "lock", "steal", "app", "--expect", run_of(shop), "--reason", "x", "--terminate", code=24
        )  # fmt: skip
        assert "is alive" in said.err
        assert "run cancel" in said.err
        wrong = shop.terminal("lock", "steal", "app", "--expect", "zzz", "--reason", "x", code=64)
        assert "not run zzz" in wrong.err
        assert sleeping(shop)
    finally:
        busy.kill()
        busy.communicate()


def test_zombie_run_finds_its_lock_lost_before_it_writes_when_another_run_took_the_lock(
    shop: Shop, busy: subprocess.Popen[str]
) -> None:
    """A laptop sleeps with its lid closed; the lock is taken; it wakes up."""
    run = run_of(shop)
    os.kill(busy.pid, signal.SIGSTOP)
    shop.pg.query("UPDATE templedb.lock SET heartbeat = heartbeat - interval '1 hour'")
    until(lambda: shop.pg.query("SELECT clock_timestamp() - heartbeat > interval '50 min' FROM templedb.lock") == [(True,)])  # fmt: skip
    said = shop.terminal("lock", "steal", "app", "--expect", run, "--reason", "it sleeps", code=24)
    assert "--terminate" in said.err
    shop.terminal("lock", "steal", "app", "--expect", run, "--reason", "it sleeps", "--terminate")
    shop.migration("003_slow.sql", "CREATE TABLE quick (id int);")
    shop.run()
    os.kill(busy.pid, signal.SIGCONT)
    out, err = busy.communicate(timeout=60)
    assert busy.returncode in {10, 12, 69}, out + err
    assert shop.pg.applied()[-1] == "migrations/003_slow.sql"
    assert {"quick"} == set(shop.pg.tables()) & {"quick", "half"}
    assert "steal" in [row[0] for row in shop.pg.query("SELECT what FROM templedb.event")]


# --- interrupts -------------------------------------------------------------------------------


@pytest.fixture
def steps(shop: Shop) -> Shop:
    one = {"name": "one", "kind": "commands", "order": 1}
    two = {"name": "two", "kind": "commands", "order": 2, "deploy_command": "echo two > ../two"}
    shop.config(
        one | {"deploy_command": "sleep 3; echo one > ../one"}, two | {"workdir": "project"}
    )
    return shop


def at_terminal(shop: Shop) -> pexpect.spawn[str]:
    child = pexpect.spawn(
        f"{PROGRAM} deploy run app",
        cwd=str(shop.terminal.home),
        env={**os.environ, **shop.terminal.environ},
        encoding="utf-8",
        timeout=60,
    )
    child.expect("one deploy: sleep")
    return child


def test_step_is_finished_when_the_first_interrupt_comes_at_a_terminal(steps: Shop) -> None:
    child = at_terminal(steps)
    child.sendintr()
    child.expect("finishing the current step, unless it measures health; interrupt again")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    rows = steps.terminal("sql", "SELECT state FROM steps ORDER BY step", "--json").json[-1]["rows"]
    assert rows == [["done"], ["skipped"]]


def test_step_is_cancelled_when_the_second_interrupt_comes(steps: Shop) -> None:
    began = time.monotonic()
    child = at_terminal(steps)
    child.sendintr()
    child.expect("interrupt again to cancel")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert time.monotonic() - began < 30
    rows = steps.terminal("sql", "SELECT state FROM steps ORDER BY step", "--json").json[-1]["rows"]
    assert rows == [["failed"], ["skipped"]]


def test_interrupt_is_kept_until_something_can_be_cancelled_when_a_run_writes_its_record() -> None:
    told: list[str] = []
    interrupts = Interrupts(interactive=True, tell=told.append)
    with interrupts.heard():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.draining
        assert len(told) == 1
        with pytest.raises(KeyboardInterrupt), interrupts.cancellable():
            raise AssertionError("it was kept for here")
        with interrupts.cancellable():
            pass
        with pytest.raises(KeyboardInterrupt):
            _interrupted(interrupts)


def _interrupted(interrupts: Interrupts) -> None:
    with interrupts.cancellable():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", ["step.started", "command.recorded", "command.closed"])
def test_interrupt_leaves_nothing_unresolved_when_it_comes_beside_a_command(
    shop: Shop, place: str, number: signal.Signals
) -> None:
    shop.config({"name": "one", "kind": "commands", "deploy_command": "echo one"})
    shop.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:sleep=3")
    process = shop.terminal.process("deploy", "run", "app", stdin=subprocess.DEVNULL)
    until(lambda: reached(shop, place))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    over = place == "command.closed"  # it was done, and nothing was left to cancel
    code = 130 if number == signal.SIGINT else 143
    assert process.returncode == (0 if over else code), out + err
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    rows = shop.terminal("sql", "SELECT state FROM steps", "--json").json[-1]["rows"]
    assert rows == [["done" if over else "failed"]]
    assert "unresolved" not in shop.terminal("status", "app").out
    shop.run()


def reached(shop: Shop, place: str) -> bool:
    """Return whether what comes right before a place is written down."""
    if place == "step.started":
        folder = shop.terminal.state.with_name(f"{shop.terminal.state.name}.d") / "journal"
        return any("step_started" in each.read_text() for each in folder.glob("*.jsonl"))
    if not shop.pg.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'"):
        return False
    state = "running" if place == "command.recorded" else "finished"
    return shop.pg.query("SELECT state FROM templedb.command") == [(state,)]


def test_command_is_killed_when_it_ignores_signals_and_the_third_interrupt_comes(
    shop: Shop,
) -> None:
    stubborn = "trap '' INT TERM; echo stubborn; while :; do sleep 1; done"
    shop.config({"name": "one", "kind": "commands", "deploy_command": stubborn})
    child = pexpect.spawn(
        f"{PROGRAM} deploy run app",
        cwd=str(shop.terminal.home),
        env={**os.environ, **shop.terminal.environ},
        encoding="utf-8",
        timeout=60,
    )
    child.expect(r"\| stubborn")
    child.sendintr()
    child.expect("interrupt again to cancel")
    child.sendintr()
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


def test_first_interrupt_cancels_the_run_when_nobody_can_be_asked(steps: Shop) -> None:
    process = steps.terminal.process("deploy", "run", "app", stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    while "one deploy" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert not (steps.terminal.home / "two").exists()


def test_duckdb_file_has_no_session_to_take_or_ask_when_a_server_command_names_its_target(
    terminal: Terminal,
) -> None:
    """What only a server can do is refused with the file's name, or finds nobody."""
    file = terminal.home / "shop.duckdb"
    terminal.file("app/migrations/1.sql", "CREATE TABLE t (id int);")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "dev")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb://{file}", "--target", "dev")
    terminal("deploy", "run", "app")
    why = ("--target", "dev", "--reason", "forgotten")
    session = DuckdbSession(file, TargetName("dev"), DATABASE_URL)
    nobody = "nobody holds the lock: there is nothing to steal"
    assert nobody in terminal("lock", "steal", "app", "--expect", "r", *why, code=64).all
    with session.lock(a_claim(), LockCallbacks()):
        said = terminal("lock", "steal", "app", "--expect", "run-1", *why, code=24).all
        assert re.search(
            rf"target dev \({file}\) is locked by rosa \(pid 1 on here\).*is alive", said
        )
        assert "end that process: this frees the lock" in said
        said = terminal("run", "unblock", "app", "4711", *why, code=64).all
        assert f"target dev ({file}) has no sessions: no run waits for pid 4711 there" in said
        assert terminal("run", "blockers", "app", "dev", "--json").json[-1]["rows"] == []
    assert "is bound to its database" in terminal("target", "rebind", "app", "dev", *why[2:]).out
