"""The state file: found, private, versioned, backed up, shared by many processes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from templedb_nb.errors import StoreError
from templedb_nb.model.event import LockAwaited, Outcome, RunFinished, RunId, RunStarted, Stamped
from templedb_nb.model.result import Result
from templedb_nb.store.duckdb.records import Records
from templedb_nb.store.duckdb.state_file import StateFile, discover
from tests.conftest import Shop, Terminal


def test_a_forked_child_works_on_the_state_and_ends_in_peace(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "s.duckdb")
    with file.session() as session:
        session.execute("CREATE TABLE forked (id INTEGER)")
    pid = os.fork()
    if pid == 0:
        try:
            with file.session() as session:
                session.execute("INSERT INTO forked VALUES (1)")
            del file, session
            gc.collect()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0
    with file.session() as session:
        assert session.execute("SELECT * FROM forked").fetchall() == [(1,)]


def test_the_state_is_where_it_is_named_else_nearby_else_the_users(tmp_path: Path) -> None:
    data = tmp_path / "data"
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert discover(str(tmp_path / "x.duckdb"), deep, data) == tmp_path / "x.duckdb"
    assert discover(None, deep, data) == data / "state.duckdb"
    (tmp_path / "a" / ".templedb").mkdir()
    assert discover(None, deep, data) == tmp_path / "a" / ".templedb" / "state.duckdb"


def test_a_state_of_its_own_is_kept_out_of_git_and_of_the_release(terminal: Terminal) -> None:
    terminal.unset("TEMPLEDB_STATE")
    terminal.file("app/a", "")
    terminal.monkeypatch.chdir(terminal.home / "app")
    terminal("state", "init")
    folder = terminal.home / "app" / ".templedb"
    assert (folder / ".gitignore").read_text() == "*\n"
    terminal("project", "import", ".")
    assert str(folder / "state.duckdb") in terminal("state", "show").out
    assert ".templedb" not in terminal("project", "files").out


def test_a_backup_is_a_whole_state(shop: Shop) -> None:
    shop.run()
    shop.terminal("state", "backup", "copy.duckdb")
    assert "is there already" in shop.terminal("state", "backup", "copy.duckdb", code=69).err
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "copy.duckdb"))
    assert "succeeded" in shop.terminal("deploy", "history", "app").out


def test_a_newer_state_is_refused_in_words(shop: Shop) -> None:
    with duckdb.connect(f"duckdb:{shop.terminal.state}") as state:
        state.execute("UPDATE schema_version SET number = 999")
    said = shop.terminal("status", code=69)
    assert "has schema 999" in said.err
    assert "upgrade" in said.err


def test_a_file_that_is_no_state_is_refused_in_words(terminal: Terminal) -> None:
    terminal.file("state/state.duckdb", "words, not a database" * 100)
    said = terminal("project", "list", code=69)
    assert "cannot open the state file" in said.err
    assert "Traceback" not in said.err


def test_a_state_that_another_program_has_open_is_told(shop: Shop) -> None:
    code = f"import duckdb; c = duckdb.connect('duckdb:{shop.terminal.state}'); print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    try:
        said = shop.terminal("status", code=69)
        assert "is in use" in said.err
    finally:
        other.communicate("\n")
    shop.terminal("status")


def test_what_fails_in_a_session_leaves_nothing(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.duckdb")
    with pytest.raises(StoreError):
        _write_and_fail(state)
    with state.session() as session:
        assert session.execute("SELECT count(*) FROM projects").fetchall() == [(0,)]


def _write_and_fail(state: StateFile) -> None:
    with state.session() as session:
        session.execute("INSERT INTO projects VALUES ('a', 'a', NULL, now())")
        session.execute("SELECT nonsense")


def events() -> list[Stamped]:
    started = RunStarted(
        plan="p", content_hash="c", project="app", slug="app", target="t", started_by="rosa", host="h", pid=1, release=1,
        steps=(),
    )  # fmt: skip
    facts = (started, LockAwaited(holder="x"), RunFinished(outcome=Outcome.SUCCEEDED, exit_code=0))
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return [
        Stamped(run=RunId("r"), seq=n, at=at, elapsed_ms=n, event=fact)
        for n, fact in enumerate(facts)
    ]


def test_folding_twice_is_folding_once(tmp_path: Path) -> None:
    memory, found = Records(StateFile(tmp_path / "state.duckdb")), events()
    for part in (found[:2], found, found):
        memory.fold(part, Result.of(found))
    assert list(memory.events(RunId("r"))) == found


def test_a_run_is_found_by_the_beginning_of_its_id(shop: Shop) -> None:
    run = shop.run().out.split("run ")[1].split(":")[0]
    assert "succeeded" in shop.terminal("deploy", "show", run[:8]).out
    assert "no run begins with" in shop.terminal("deploy", "show", "zzz", code=64).err


def test_every_table_of_the_state_is_explained(shop: Shop) -> None:
    with duckdb.connect(f"duckdb:{shop.terminal.state}", read_only=True) as state:
        bare = state.execute(
            "SELECT table_name FROM duckdb_tables() WHERE comment IS NULL"
        ).fetchall()
    assert bare == [("schema_version",)]


def test_the_copy_of_the_ledger_can_be_queried(shop: Shop) -> None:
    shop.run()
    with duckdb.connect(f"duckdb:{shop.terminal.state}", read_only=True) as state:
        rows = state.execute("SELECT key, state FROM ledger_copies ORDER BY key").fetchall()
    assert rows == [
        ("migrations/001_users.sql", "applied"),
        ("migrations/002_orders.sql", "applied"),
    ]


def test_files_of_one_process_are_attached_to_one_instance_in_turn(tmp_path: Path) -> None:
    used, scratch = [], []
    for name in ("a.duckdb", "b.duckdb"):
        with StateFile(tmp_path / name).session() as session:
            used.append(session)
            scratch += session.execute("SELECT current_setting('temp_directory')").fetchall()
    assert used[0] is used[1]
    assert scratch == [(f"{tmp_path}/a.duckdb.tmp",), (f"{tmp_path}/b.duckdb.tmp",)]


def test_sessions_of_two_files_at_once_have_an_instance_each(tmp_path: Path) -> None:
    first, second = (StateFile(tmp_path / name) for name in ("a.duckdb", "b.duckdb"))
    with first.session() as one, second.session() as other:
        assert one is not other
        one.execute("CREATE TABLE only_here (id INTEGER)")
        assert other.execute("FROM duckdb_tables() WHERE table_name = 'only_here'").fetchall() == []


def test_a_session_that_failed_leaves_its_instance_to_nobody(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.duckdb")
    with pytest.raises(StoreError), state.session() as failed:
        failed.execute("SELECT nonsense")
    with state.session() as session:
        assert session is not failed
