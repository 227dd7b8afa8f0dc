"""The first deployment of a real project, word for word, in a terminal and in a notebook."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.conftest import CORPORA, Database, Terminal

HAND_MADE = "20260223_add_sync_state"


@pytest.fixture
def woofs(terminal: Terminal) -> Terminal:
    shutil.copytree(CORPORA / "woofs", terminal.home / "woofs")
    return terminal


def test_story_ends_with_a_tracked_target_when_it_begins_with_a_folder(
    woofs: Terminal, pg: Database
) -> None:
    assert shutil.which("npm"), "the project of the story builds with npm: install Node.js"
    by_hand = (CORPORA / "woofs" / "migrations" / f"{HAND_MADE}.sql").read_text()
    pg.query(by_hand)

    woofs("project", "import", "./woofs", "--slug", "woofs_projects")
    proposed = woofs("deploy", "init", "woofs_projects", "--build").out
    assert "migrations" in proposed
    assert "typescript_build" in proposed
    shown = json.loads(woofs("deploy", "config", "woofs_projects", "--show").out)
    assert shown["groups"][0]["file_patterns"] == [
        "migrations/*.sql",
        "supabase/migrations/*.sql",
        "woofsDB/migrations/*.sql",
        "woofsDB/verify_cell_phone_migration.sql",
    ]
    assert "valid" in woofs("deploy", "config", "woofs_projects", "--validate").out
    woofs(
        *("target", "add", "woofs_projects", "production", "--type", "database"),
        *("--provider", "supabase", "--host", "db.woofs.com"),
    )
    assert "supabase" in woofs("target", "list", "woofs_projects").out
    woofs("env", "set", "woofs_projects", "DATABASE_URL", pg.dsn, "--target", "production")
    tested = woofs("target", "test", "woofs_projects", "production").out
    assert "PostgreSQL" in tested
    assert pg.role in tested
    woofs("migration", "mark-applied", "woofs_projects", HAND_MADE, "--target", "production")
    status = woofs("migration", "status", "woofs_projects", "--target", "production").out
    assert "Applied: 1\n" in status
    assert "Pending: 6\n" in status
    assert "woofsDB/verify_cell_phone_migration.sql" in status

    dry = woofs("deploy", "run", "woofs_projects", "--target", "production", "--dry-run").out
    wanted = [
        "add_breeds",
        "profiles",
        "walks",
        "001_contacts",
        "002_cell",
        "npm run build",
        "npm test",
    ]
    assert [dry.index(word) for word in wanted] == sorted(dry.index(word) for word in wanted)
    assert pg.tables() == ["sync_state"]

    ran = woofs("deploy", "run", "woofs_projects", "--target", "production").out
    assert "6 migrations applied, 2 commands run" in ran
    assert "built 2 files" in ran
    assert pg.tables() == ["breeds", "contacts", "profiles", "sync_state", "walks"]
    assert pg.query("SELECT name FROM breeds ORDER BY id")[2] == ("Pumi 100%",)
    history = woofs("migration", "history", "woofs_projects", "--target", "production").out
    assert history.count("applied") == 7
    assert "marked" in history
    assert woofs("deploy", "history", "woofs_projects").out.count("succeeded") == 2
    again = woofs("deploy", "run", "woofs_projects", "--skip-validation").out
    assert "2 commands run, no migration was pending" in again
    skipped = woofs("deploy", "run", "woofs_projects", "--skip-group", "typescript_build").out
    assert "npm" not in skipped
    zero = woofs("migration", "status", "woofs_projects", "--target", "production").out
    assert "Pending: 0\n" in zero


def test_story_is_the_same_when_the_program_runs_as_a_process(
    woofs: Terminal, pg: Database
) -> None:
    for words in (
        ("project", "import", "./woofs"),
        ("deploy", "init", "--build"),
        ("target", "add", "staging"),
        ("env", "set", "DATABASE_URL", pg.dsn, "--target", "staging"),
        ("deploy", "run", "--skip-group", "typescript_build"),
    ):
        process = woofs.process(*words)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (words, out, err)
    assert "7 migrations applied" in out
    assert len(pg.applied()) == 7


def test_variable_value_is_stored_when_given_on_standard_input(
    woofs: Terminal, pg: Database
) -> None:
    woofs("project", "import", "./woofs")
    woofs("target", "add", "staging")
    woofs("env", "set", "DATABASE_URL", "--target", "staging", stdin=f"{pg.dsn}\n")
    assert pg.role in woofs("target", "test", "staging").out


def test_variable_value_is_asked_with_a_hidden_prompt_when_there_is_a_terminal(
    woofs: Terminal, pg: Database
) -> None:
    import os
    import pty

    woofs("project", "import", "./woofs")
    woofs("target", "add", "staging")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*_program(), "env", "set", "DATABASE_URL", "--target", "staging"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **woofs.environ},
        start_new_session=True,
        preexec_fn=lambda: _make_terminal(theirs),
    )
    os.close(theirs)
    shown = os.read(ours, 1024)
    os.write(ours, pg.dsn.encode() + b"\n")
    while process.poll() is None:
        try:
            shown += os.read(ours, 1024)
        except OSError:
            break
    assert process.wait(30) == 0
    os.close(ours)
    assert b"DATABASE_URL (hidden)" in shown
    assert pg.dsn.encode() not in shown
    assert pg.role in woofs("target", "test", "staging").out


def _program() -> list[str]:
    import sys

    return [sys.executable, "-m", "templedb_nb"]


def _make_terminal(handle: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(handle, termios.TIOCSCTTY, 0)
