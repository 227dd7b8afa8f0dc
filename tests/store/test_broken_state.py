"""A state that is broken, full or gone: named, nothing lost, and a way on that works."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from templedb_nb.store.logs import FileLog
from tests.conftest import MIGRATIONS, Shop, Terminal

SAFE = "what migrations applied is safe"
CHECK = "templedb state check"


def overwritten(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def sqlite(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (a)")
    other.close()


FAULTS: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, 100_000),
    "no header": lambda path: overwritten(path, 0, bytes(4096)),
    "a block of noise": lambda path: overwritten(path, 12_288, os.urandom(4096)),
    "empty": lambda path: os.truncate(path, 0),
    "words": lambda path: path.write_text("words\n" * 5000),
    "a folder": lambda path: replaced(path, Path.mkdir),
    "a link to itself": lambda path: replaced(path, lambda p: p.symlink_to(p)),
    "a link to nowhere": lambda path: replaced(path, lambda p: p.symlink_to("/nowhere/s.duckdb")),
    "a pipe": lambda path: replaced(path, os.mkfifo),
    "SQLite": lambda path: replaced(path, sqlite),
    "noise in its log": lambda path: Path(f"{path}.wal").write_bytes(os.urandom(5000)),
}


def known(path: Path) -> object:
    """Return what would change if anybody wrote there."""
    if path.is_symlink():
        return path.readlink()
    wal = Path(f"{path}.wal")
    log = wal.read_bytes() if wal.exists() else b""
    return path.read_bytes() + log if path.is_file() else path.stat().st_mode


@pytest.fixture
def small(terminal: Terminal) -> Terminal:
    """A project on a DuckDB target, deployed."""
    terminal.file("app/migrations/001.sql", "CREATE TABLE a (id int);")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    url = f"duckdb://{terminal.home}/target.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", "--plain")
    terminal("deploy", "run", "app")
    return terminal


def test_state_fault_is_named_with_safe_advice_and_a_repair_when_the_state_cannot_be_read(
    small: Terminal,
) -> None:
    path, whole = small.state, small.state.read_bytes()
    for name, fault in FAULTS.items():
        fault(path)
        before = known(path)
        for words in (["status"], ["deploy", "run", "app"], ["sql", "SELECT 1"]):
            said = small(*words, code=69)
            for told in (str(path), SAFE, CHECK):
                assert told in said.err, (name, said.err)
            assert "in use" not in said.err
            assert "Traceback" not in said.all
        found = small("state", "check", code=69)
        assert f"mv {path} {path}.broken" in found.out, name
        assert known(path) == before, name
        small("state", "show")
        for each in (path, Path(f"{path}.wal")):
            if each.is_dir() and not each.is_symlink():
                each.rmdir()
            else:
                each.unlink(missing_ok=True)
        path.write_bytes(whole)
    small("status")
    assert "sound" in small("state", "check").out


def test_database_is_never_written_to_when_the_state_path_holds_a_foreign_database(
    terminal: Terminal,
) -> None:
    terminal.state.parent.mkdir(exist_ok=True)
    with duckdb.connect(f"duckdb:{terminal.state}") as other:
        other.execute("CREATE TABLE customers (id int)")
    before = terminal.state.read_bytes()
    said = terminal("project", "list", code=69)
    assert "not a state of templedb" in said.err
    assert "customers" in said.err
    assert "TEMPLEDB_STATE" in said.err
    assert terminal.state.read_bytes() == before
    terminal("state", "check", code=69)


def test_state_log_is_kept_when_its_state_file_is_missing(small: Terminal) -> None:
    log = Path(f"{small.state}.wal")
    log.write_bytes(b"d\0be\0\2what the last command wrote")
    small.state.rename(f"{small.state}.away")
    assert str(log) in small("status", code=69).err
    assert log.read_bytes().startswith(b"d\0be")
    assert not small.state.exists()


def test_state_check_reads_every_readable_table_when_one_table_is_damaged(small: Terminal) -> None:
    with duckdb.connect(f"duckdb:{small.state}", read_only=True) as state:
        rows = state.execute("SELECT block_id FROM pragma_storage_info('content_blobs')").fetchall()
    blocks = {int(block) for (block,) in rows if block is not None and block >= 0}
    assert blocks
    for block in blocks:
        overwritten(small.state, 12_288 + block * 262_144 + 4096, os.urandom(4096))
    said = small("state", "check", "--json", code=69)
    body = json.loads(said.out.splitlines()[-1])
    troubles = {each["name"]: each["trouble"] for each in body["tables"]}
    assert "checksum" in troubles["content_blobs"]
    assert body["found"] == "broken"
    assert any(not trouble for trouble in troubles.values())


def test_state_is_rebuilt_by_the_commands_of_state_check_when_moved_away_as_broken(
    shop: Shop,
) -> None:
    shop.run()
    path = shop.terminal.state
    rows = shop.pg.query("SELECT count(*) FROM orders")
    os.truncate(path, 100_000)
    told = shop.terminal("state", "check", code=69).out.splitlines()
    moves = [shlex.split(line) for line in told if line.strip().startswith("mv ")]
    assert moves
    for move in moves:
        subprocess.run(move, check=True)
    assert "no project" in shop.terminal("migration", "status", code=64).err
    assert any(line.strip() == "templedb project import FOLDER" for line in told)
    shop.terminal("project", "import", "app")
    shop.config(MIGRATIONS)
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    status = shop.terminal("migration", "status").out
    assert "Applied: 2\nPending: 0" in status
    shop.run()
    assert shop.pg.query("SELECT count(*) FROM orders") == rows
    shop.migration("003.sql", "CREATE TABLE third (id int);")
    shop.terminal("project", "sync", "app")
    shop.run()
    assert "third" in shop.pg.tables()
    assert Path(f"{path}.broken").stat().st_size == 100_000


def test_state_check_names_the_import_commands_when_a_block_of_releases_is_damaged(
    small: Terminal,
) -> None:
    with duckdb.connect(f"duckdb:{small.state}") as state:
        state.execute("CHECKPOINT")
        (block,) = {
            int(each) for (each,) in state.execute(
                "SELECT block_id FROM pragma_storage_info('releases') WHERE block_id >= 0"
            ).fetchall()
        }  # fmt: skip
        others = {
            int(each) for (each,) in state.execute(
                "SELECT block_id FROM pragma_storage_info('projects') WHERE block_id >= 0"
            ).fetchall()
        }  # fmt: skip
    if block in others:
        pytest.fail("this DuckDB keeps both tables in one block")
    overwritten(small.state, 12_288 + block * 262_144 + 4096, os.urandom(4096))
    said = small("state", "check", code=69).out
    assert f"templedb project import {small.home}/app --slug app" in said
    assert "templedb target add app staging" in said
    assert "templedb env set app DATABASE_URL --target staging" in said


# --- journals -----------------------------------------------------------------------------------


def died(shop: Shop) -> Path:
    """Let a run die after its first migration; return its journal."""
    shop.terminal.set(TEMPLEDB_FAILPOINT="step.done:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    process.communicate(timeout=120)
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    (found,) = (shop.terminal.state.parent).rglob("*.jsonl")
    return Path(found)


def test_journal_is_read_as_far_as_possible_and_kept_when_a_line_is_damaged(shop: Shop) -> None:
    journal = died(shop)
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    damaged = b"".join([first, b'{"v":1,"run":"torn in the mid\0\0\0\n', *rest])
    journal.write_bytes(damaged)
    check = shop.terminal("state", "check", code=69).out
    assert "damaged" in check
    assert "line 2 cannot be read" in check
    assert "001_users.sql" in shop.terminal("deploy", "show", journal.stem).out
    kept = journal.with_name(f"{journal.name}.damaged")
    assert kept.read_bytes() == damaged
    assert not journal.exists()
    assert "set aside" in shop.terminal("state", "check").out
    shop.run()


def test_foreign_files_stay_and_stop_no_command_when_they_lie_among_the_journals(
    small: Terminal,
) -> None:
    folder = Path(f"{small.state}.d") / "journal"
    folder.mkdir(exist_ok=True)
    (folder / "notes.jsonl").write_text("not a journal\n")
    (folder / "other.jsonl").write_text('{"v": 1, "message": "somebody else\'s"}\n')
    (folder / "zeros.jsonl").write_bytes(bytes(500))
    (folder / "deep.jsonl").write_text("[" * 100_000 + "\n")
    (folder / "newer.jsonl").write_text('{"v": 99, "run": "x"}\n')
    (folder / "folder.jsonl").mkdir()
    (folder / "link.jsonl").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe.jsonl")
    before = sorted(each.name for each in folder.iterdir())
    for words in (["status"], ["deploy", "history"], ["deploy", "run", "app"], ["board"]):
        small(*words)
    assert sorted(each.name for each in folder.iterdir()) == before
    said = small("state", "check", code=69).out
    for name in before:
        assert name in said


LIMIT = """
import os, resource, sys
pid = os.getpid()
while b"deploy\\0run" not in open(f"/proc/{pid}/cmdline", "rb").read():
    pid = int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("PPid")).split()[1])
resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
"""


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of others are Linux's")
def test_run_stops_with_a_truthful_report_when_the_disk_fills_during_the_run(shop: Shop) -> None:
    (shop.terminal.home / "limit.py").write_text(LIMIT)
    fill = {
        "name": "fill", "deploy_command": f"{sys.executable} {shop.terminal.home}/limit.py",
        "order": 2,
    }  # fmt: skip
    late = {"name": "late", "file_patterns": ["late/*.sql"], "order": 3}
    shop.terminal.file("app/late/001.sql", "CREATE TABLE late (id int);")
    shop.config({**MIGRATIONS, "order": 1}, fill, late)
    shop.terminal("project", "sync", "app")
    process = subprocess.Popen(  # by its own words, which limit.py looks for
        [sys.executable, "-m", "templedb_nb", "deploy", "run", "app"], cwd=shop.terminal.home,
        env={**os.environ, **shop.terminal.environ}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = process.communicate(timeout=120)
    assert process.returncode == 12, out + err  # the ledger has how the command ended
    for told in ("cannot write the run's journal", SAFE, "the target changed", "df -h"):
        assert told in err
    assert "Traceback" not in err
    assert shop.pg.tables() == ["orders", "users"]
    run = re.search(r"deploy show (\S+)", err)
    assert run is not None
    shown = shop.terminal("deploy", "show", run[1]).out
    assert "2 migrations applied" in shown
    assert "skipped" in shown
    assert "late" not in shop.pg.tables()


def test_run_names_the_full_disk_and_loses_nothing_when_the_state_cannot_grow(
    small: Terminal,
) -> None:
    before = small.state.read_bytes()
    small.file("app/migrations/002.sql", "CREATE TABLE b (id int);")
    limited = subprocess.run(
        [sys.executable, "-m", "templedb_nb", "deploy", "run", "app"], cwd=small.home,
        env={**os.environ, **small.environ}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1)),
    )  # fmt: skip
    assert limited.returncode == 69, limited.stdout + limited.stderr
    for told in ("the disk of the state file", str(small.state), SAFE, "df -h"):
        assert told in limited.stderr
    assert small.state.read_bytes() == before
    small("deploy", "run", "app")


def test_file_log_keeps_its_tail_and_stops_no_step_when_its_folder_cannot_be_made(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").write_text("no folder")
    log = FileLog(tmp_path / "logs", "run", 0)
    log.write("what it said\n")
    kept, tail = log.close()
    assert kept is None
    assert "what it said" in tail
    assert "could not be kept: Not a directory" in tail


def test_run_executes_nothing_and_names_the_folder_when_a_state_folder_cannot_be_made(
    small: Terminal,
) -> None:
    small.file("app/migrations/002.sql", "CREATE TABLE b (id int);")
    small.config(MIGRATIONS, {"name": "more", "deploy_command": "true", "order": 9})
    folder = Path(f"{small.state}.d")
    for name, code in (("journal", 69), ("work", 78)):
        there = folder / name
        if there.exists():
            there.rename(folder / "kept")
        there.write_text("no folder")
        said = small("deploy", "run", "app", code=code)
        assert str(there) in said.err
        assert "nothing was executed" in said.err
        assert "Traceback" not in said.all
        there.unlink()
        if (folder / "kept").exists():
            (folder / "kept").rename(there)
    small("deploy", "run", "app")


def test_state_check_names_sealed_values_when_their_key_is_gone(shop: Shop) -> None:
    assert "cannot be opened" not in shop.terminal("state", "check").out
    shop.terminal.set(TEMPLEDB_KEY="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    said = shop.terminal("state", "check", code=69).out
    assert "app: DATABASE_URL of staging: wrong key" in said
    assert "restore the key" in said
    assert "postgresql://" not in said
