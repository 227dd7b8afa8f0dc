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


def test_forked_child_writes_the_state_and_ends_cleanly_when_its_parent_had_used_the_state(
    tmp_path: Path,
) -> None:
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


def test_state_is_found_by_name_then_nearby_then_of_the_user_when_several_places_exist(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert discover(str(tmp_path / "x.duckdb"), deep, data) == tmp_path / "x.duckdb"
    assert discover(None, deep, data) == data / "state.duckdb"
    (tmp_path / "a" / ".templedb").mkdir()
    assert discover(None, deep, data) == tmp_path / "a" / ".templedb" / "state.duckdb"


def test_state_is_kept_out_of_git_and_of_the_release_when_it_lies_in_the_project(
    terminal: Terminal,
) -> None:
    terminal.unset("TEMPLEDB_STATE")
    terminal.file("app/a", "")
    terminal.monkeypatch.chdir(terminal.home / "app")
    terminal("state", "init")
    folder = terminal.home / "app" / ".templedb"
    assert (folder / ".gitignore").read_text() == "*\n"
    terminal("project", "import", ".")
    assert str(folder / "state.duckdb") in terminal("state", "show").out
    assert ".templedb" not in terminal("project", "files").out


def test_backup_is_a_whole_state_when_opened_in_its_place(shop: Shop) -> None:
    shop.run()
    shop.terminal("state", "backup", "copy.duckdb")
    assert "is there already" in shop.terminal("state", "backup", "copy.duckdb", code=69).err
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "copy.duckdb"))
    assert "succeeded" in shop.terminal("deploy", "history", "app").out


def test_state_is_refused_in_words_when_its_schema_is_newer(shop: Shop) -> None:
    with duckdb.connect(f"duckdb:{shop.terminal.state}") as state:
        state.execute("UPDATE schema_version SET number = 999")
    said = shop.terminal("status", code=69)
    assert "has schema 999" in said.err
    assert "upgrade" in said.err


def test_file_is_refused_in_words_when_it_is_not_a_state(terminal: Terminal) -> None:
    terminal.file("state/state.duckdb", "words, not a database" * 100)
    said = terminal("project", "list", code=69)
    assert "cannot open the state file" in said.err
    assert "Traceback" not in said.err


def test_state_is_told_to_be_in_use_when_another_program_has_it_open(shop: Shop) -> None:
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


def test_session_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
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


def test_folding_changes_nothing_when_repeated(tmp_path: Path) -> None:
    memory, found = Records(StateFile(tmp_path / "state.duckdb")), events()
    for part in (found[:2], found, found):
        memory.fold(part, Result.of(found))
    assert list(memory.events(RunId("r"))) == found


def test_run_is_found_when_the_beginning_of_its_id_is_given(shop: Shop) -> None:
    run = shop.run().out.split("run ")[1].split(":")[0]
    assert "succeeded" in shop.terminal("deploy", "show", run[:8]).out
    assert "no run begins with" in shop.terminal("deploy", "show", "zzz", code=64).err


def test_every_table_of_the_state_is_explained(shop: Shop) -> None:
    with duckdb.connect(f"duckdb:{shop.terminal.state}", read_only=True) as state:
        bare = state.execute(
            "SELECT table_name FROM duckdb_tables() WHERE comment IS NULL"
        ).fetchall()
    assert bare == [("schema_version",)]


def test_ledger_copy_can_be_queried_when_a_run_has_ended(shop: Shop) -> None:
    shop.run()
    with duckdb.connect(f"duckdb:{shop.terminal.state}", read_only=True) as state:
        rows = state.execute("SELECT key, state FROM ledger_copies ORDER BY key").fetchall()
    assert rows == [
        ("migrations/001_users.sql", "applied"),
        ("migrations/002_orders.sql", "applied"),
    ]


def test_files_are_attached_to_the_same_instance_when_a_process_opens_them_in_turn(
    tmp_path: Path,
) -> None:
    used, scratch = [], []
    for name in ("a.duckdb", "b.duckdb"):
        with StateFile(tmp_path / name).session() as session:
            used.append(session)
            scratch += session.execute("SELECT current_setting('temp_directory')").fetchall()
    assert used[0] is used[1]
    assert scratch == [(f"{tmp_path}/a.duckdb.tmp",), (f"{tmp_path}/b.duckdb.tmp",)]


def test_sessions_have_an_instance_each_when_two_files_are_open_at_once(tmp_path: Path) -> None:
    first, second = (StateFile(tmp_path / name) for name in ("a.duckdb", "b.duckdb"))
    with first.session() as one, second.session() as other:
        assert one is not other
        one.execute("CREATE TABLE only_here (id INTEGER)")
        assert other.execute("FROM duckdb_tables() WHERE table_name = 'only_here'").fetchall() == []


def test_instance_is_not_used_again_when_its_session_failed(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.duckdb")
    with pytest.raises(StoreError), state.session() as failed:
        failed.execute("SELECT nonsense")
    with state.session() as session:
        assert session is not failed
