"""The state stays open between the close sessions of a command, and is there for others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock, Timeout

from templedb_nb.errors import StoreError
from templedb_nb.store.duckdb.opening import keeping
from templedb_nb.store.duckdb.state_file import StateFile
from tests.conftest import MIGRATIONS, Shop, Terminal

ADD = "INSERT INTO projects VALUES (?, ?, NULL, now())"
ADD_ELSEWHERE = f"""
import sys
from pathlib import Path
from templedb_nb.store.duckdb.state_file import StateFile
with StateFile(Path(sys.argv[1])).session() as session:
    session.execute({ADD!r}, ["elsewhere", "elsewhere"])
"""
DIE_WHILE_IT_IS_KEPT = f"""
import os, signal, sys
from pathlib import Path
from templedb_nb.store.duckdb.opening import keeping
from templedb_nb.store.duckdb.state_file import StateFile
keeping.PAUSE_S = 60.0
state = StateFile(Path(sys.argv[1]))
with state.kept():
    for name in ("first", "second"):
        with state.session() as session:
            session.execute({ADD!r}, [name, name])
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def state(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "state.duckdb")


@pytest.fixture
def long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, the next session follows closely."""
    monkeypatch.setattr(keeping, "PAUSE_S", 60.0)
    monkeypatch.setattr(keeping, "MOST_S", 60.0)


def add(state: StateFile, name: str) -> None:
    with state.session() as session:
        session.execute(ADD, [name, name])


def add_and_fail(state: StateFile, name: str) -> None:
    with state.session() as session:
        session.execute(ADD, [name, name])
        session.execute("SELECT nonsense")


def names(state: StateFile) -> set[str]:
    with state.session() as session:
        return {name for (name,) in session.execute("SELECT slug FROM projects").fetchall()}


def is_open(state: StateFile) -> bool:
    try:
        with FileLock(f"{state.path}.lock").acquire(timeout=0):
            return False
    except Timeout:
        return True


@pytest.mark.usefixtures("long_pause")
def test_file_stays_open_between_sessions_when_it_is_kept(state: StateFile) -> None:
    with state.kept():
        add(state, "a")
        assert is_open(state)
        assert names(state) == {"a"}
    assert not is_open(state)
    with duckdb.connect(f"duckdb:{state.path}", read_only=True) as outside:
        assert outside.execute("SELECT slug FROM projects").fetchall() == [("a",)]


def test_file_is_closed_behind_each_session_when_it_is_not_kept(state: StateFile) -> None:
    add(state, "a")
    assert not is_open(state)


@pytest.mark.usefixtures("long_pause")
def test_file_is_closed_only_by_the_outermost_block_when_blocks_are_nested(
    state: StateFile,
) -> None:
    with state.kept():
        with state.kept():
            add(state, "a")
        assert is_open(state)
    assert not is_open(state)


def test_state_is_written_by_another_process_when_the_block_that_keeps_it_waits(
    state: StateFile,
) -> None:
    with state.kept():
        add(state, "here")
        subprocess.run([sys.executable, "-c", ADD_ELSEWHERE, state.path], check=True)
        assert names(state) == {"here", "elsewhere"}


def test_file_is_closed_between_close_sessions_when_it_was_open_for_long(
    state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PAUSE_S", 60.0)
    monkeypatch.setattr(keeping, "MOST_S", 0.0)
    with state.kept():
        for name in ("a", "b"):
            add(state, name)
            assert not is_open(state)


@pytest.mark.usefixtures("long_pause")
def test_failed_session_leaves_nothing_and_lets_others_in_when_the_file_is_kept(
    state: StateFile,
) -> None:
    with state.kept():
        add(state, "a")
        with pytest.raises(StoreError):
            add_and_fail(state, "b")
        assert not is_open(state)
        assert names(state) == {"a"}


def test_state_loses_nothing_when_a_process_is_killed_while_it_keeps_the_file(
    state: StateFile,
) -> None:
    died = subprocess.run([sys.executable, "-c", DIE_WHILE_IT_IS_KEPT, state.path], check=False)
    assert died.returncode == -signal.SIGKILL
    assert state.path.with_name(f"{state.path.name}.wal").exists()
    assert names(state) == {"first", "second"}


@pytest.mark.usefixtures("long_pause")
def test_threads_use_the_file_in_turn_when_it_is_kept(state: StateFile) -> None:
    def work(mine: str) -> None:
        for number in range(10):
            add(state, f"{mine}{number}")

    with state.kept():
        threads = [threading.Thread(target=work, args=(each,)) for each in "abc"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(names(state)) == 30


@pytest.mark.usefixtures("long_pause")
def test_forked_child_opens_the_file_when_its_parent_kept_it(state: StateFile) -> None:
    with state.kept():
        add(state, "parent")
        pid = os.fork()
        if pid == 0:
            try:
                add(state, "child")
            finally:
                os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert names(state) == {"parent", "child"}


@pytest.mark.usefixtures("long_pause")
def test_queries_and_backups_work_when_the_file_is_kept(state: StateFile, tmp_path: Path) -> None:
    with state.kept():
        add(state, "a")
        with state.reading() as connection:
            assert connection.execute("SELECT slug FROM main.projects").fetchall() == [("a",)]
        add(state, "b")
        state.backup(tmp_path / "copy.duckdb")
    assert names(StateFile(tmp_path / "copy.duckdb")) == {"a", "b"}


@pytest.mark.usefixtures("long_pause")
def test_state_is_free_when_a_command_has_ended(shop: Shop) -> None:
    state = StateFile(shop.terminal.state)
    for words, code in ((("status",), 0), (("deploy", "run", "nowhere"), 64)):
        shop.terminal(*words, code=code)
        assert not is_open(state)


@pytest.mark.usefixtures("long_pause")
def test_commands_of_steps_find_the_state_closed_when_a_run_executes_them(shop: Shop) -> None:
    look = f"import duckdb; duckdb.connect('duckdb:{shop.terminal.state}').close()"
    build = f'{sys.executable} -c "{look}"'
    shop.config({"name": "app", "kind": "commands", "build_command": build})
    assert "succeeded" in shop.run().out


@pytest.mark.parametrize("kind", ["build_command", "deploy_command", "test_command"])
def test_commands_find_a_duckdb_target_closed_when_migrations_ran_before(
    terminal: Terminal, kind: str
) -> None:
    target = terminal.home / "target.duckdb"
    look = f"import duckdb; duckdb.connect('{target}').execute('FROM users')"
    terminal.file("app/migrations/001.sql", "CREATE TABLE users (id int);")
    terminal.file("app/migrations/002.sql", "CREATE TABLE orders (id int);")
    terminal("project", "import", "app")
    app = {"name": "app", "kind": "commands", kind: f'{sys.executable} -c "{look}"'}
    terminal.config(MIGRATIONS, app)
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb://{target}", "--plain")
    assert "succeeded" in terminal("deploy", "run", "app").out
