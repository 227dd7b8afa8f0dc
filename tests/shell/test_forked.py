"""A command that is forked from a loaded process is a process like any other."""

from __future__ import annotations

import os
import signal
import subprocess

import psutil
import pytest

from tests import forked
from tests.conftest import Terminal


@pytest.fixture
def known(terminal: Terminal) -> Terminal:
    terminal.file("app/migrations/001.sql", "CREATE TABLE users (id int);")
    terminal("project", "import", "app")
    return terminal


@pytest.mark.parametrize(
    "words", [("project", "list"), ("project", "show", "nothing"), ("deploi",)]
)
def test_forked_command_says_the_same_as_a_started_command(
    known: Terminal, words: tuple[str, ...]
) -> None:
    env = {**os.environ, **known.environ}
    by_fork = known.process(*words)
    started = subprocess.run(
        forked.command(words), cwd=known.home, env=env, capture_output=True, text=True, check=False
    )
    assert by_fork.communicate(timeout=60) == (started.stdout, started.stderr)
    assert by_fork.returncode == started.returncode


def test_forked_command_sees_only_its_own_environment_when_the_variables_change(
    known: Terminal,
) -> None:
    told = known.process("state", "show").communicate(timeout=60)[0]
    assert str(known.state) in told
    known.set(TEMPLEDB_STATE=str(known.home / "other" / "state.duckdb"))
    assert "other" in known.process("state", "show").communicate(timeout=60)[0]


def test_forked_command_is_a_child_process_that_ends_when_killed(known: Terminal) -> None:
    process = known.process("sql", stdin=subprocess.PIPE)
    assert psutil.Process(process.pid).ppid() == os.getpid()
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid)
    process.communicate()
