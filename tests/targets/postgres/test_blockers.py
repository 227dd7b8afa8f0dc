"""Whom a run waits for: seen as a tree, told without values, and taken out of the way."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from templedb_nb.core.sql.outline import outline
from templedb_nb.model.event import Blocker
from templedb_nb.views.blockers import lines
from tests.conftest import Shop

BLOCKED = "-- templedb:lock-timeout 60s\nALTER TABLE users ADD note text;\n"


@pytest.fixture
def ready(shop: Shop) -> Shop:
    shop.run()
    shop.migration("003_note.sql", BLOCKED)
    return shop


@contextmanager
def blocked(
    shop: Shop, dsn: str = ""
) -> Iterator[tuple[psycopg.Connection, subprocess.Popen[str]]]:
    """Run a migration that waits for a session with an open transaction."""
    with psycopg.connect(dsn or shop.pg.dsn, application_name="nightly report") as other:
        other.execute("UPDATE users SET id = id WHERE id = 4711")
        process = shop.terminal.process("deploy", "run", "app")
        try:
            end = time.monotonic() + 60
            while str(other.info.backend_pid) not in waits_for(shop):
                assert time.monotonic() < end
                time.sleep(0.1)
            yield other, process
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


def waits_for(shop: Shop) -> str:
    return shop.terminal("run", "blockers", "app", "staging").out


def unblock(shop: Shop, pid: int, *words: str, code: int = 0) -> str:
    given = ("run", "unblock", str(pid), "--target", "staging", "--reason", "forgotten", *words)
    return shop.terminal(*given, code=code).all


def test_statement_outline_leaves_out_values_when_it_holds_literals() -> None:
    said = outline(
        "UPDATE users SET name = 'O''Neil', n = 4.5e3 -- mine\n WHERE id = $1 AND x=$$secret$$"
    )
    assert said == "UPDATE users SET name = ?, n = ? WHERE id = $1 AND x=?"
    assert outline("SELECT 'cut off by the server") == "SELECT ?"
    assert len(outline("SELECT " + "a, " * 100)) == 80


def test_blockers_are_drawn_as_a_tree_when_sessions_wait_for_each_other() -> None:
    found = (
        Blocker(pid=1, application="app", waits_for=(3,)),
        Blocker(pid=2, role="batch"),
        Blocker(pid=3, state="idle in transaction", direct=False, waits_for=(1,)),
    )
    assert lines(found, None) == [
        "├─ pid 1 · app",
        "│  └─ pid 3 · idle in transaction",
        "└─ pid 2 · role batch",
    ]


def test_blocking_session_is_shown_and_ended_when_unblock_terminates(ready: Shop) -> None:
    with blocked(ready) as (other, process):
        pid = other.info.backend_pid
        shown = waits_for(ready)
        assert f"└─ pid {pid} · nightly report" in shown
        assert "UPDATE users SET id = id WHERE id = ?" in shown
        assert f"session {pid} of staging is ended" in unblock(ready, pid, "--terminate")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")
    ((detail,),) = ready.pg.query("SELECT detail FROM templedb.event WHERE what = 'terminate'")
    assert detail["reason"] == "forgotten"
    assert str(pid) in detail["session"]


def test_blocking_statement_is_cancelled_and_its_session_lives_when_unblock_cancels(
    ready: Shop,
) -> None:
    with blocked(ready) as (other, process):
        asleep = threading.Thread(target=_sleep, args=[other], daemon=True)
        asleep.start()
        end = time.monotonic() + 60
        while "active" not in waits_for(ready):
            assert time.monotonic() < end
        unblock(ready, other.info.backend_pid)
        asleep.join(60)
        assert not asleep.is_alive()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
        assert other.execute("SELECT 1").fetchone() == (1,)


def _sleep(other: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        other.execute("SELECT pg_sleep(120)")
    other.rollback()


def test_session_is_left_alone_when_no_run_waits_for_it(ready: Shop) -> None:
    with blocked(ready), psycopg.connect(ready.pg.dsn) as bystander:
        pid = bystander.info.backend_pid
        assert f"does not wait for pid {pid}" in unblock(ready, pid, "--terminate", code=64)
        assert bystander.execute("SELECT 1").fetchone() == (1,)


def test_unblock_names_the_missing_right_when_the_role_may_not_end_the_session(ready: Shop) -> None:
    with blocked(ready, ready.pg.server.database(ready.pg.name)) as (other, _):
        said = unblock(ready, other.info.backend_pid, "--terminate", code=69)
        assert "GRANT" in said
        assert "pg_signal_backend" in said
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_blockers_are_empty_when_no_run_is_going_on(ready: Shop) -> None:
    assert "waits for another session" in waits_for(ready)
    assert "no run waits" in unblock(ready, 1, code=64)
