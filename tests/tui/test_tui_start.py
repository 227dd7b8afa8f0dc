from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pexpect
import pytest

from tests.conftest import Terminal

LEFT = "\x1b[?1049l"
"""What gives the terminal back as it was."""


def at_terminal(terminal: Terminal, **environ: str) -> pexpect.spawn[str]:
    child = pexpect.spawn(
        f"{sys.executable} -m templedb_nb tui",
        cwd=str(terminal.home),
        env={**os.environ, **terminal.environ, "TERM": "xterm-256color", **environ},
        dimensions=(24, 80),
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # not ignored
        encoding="utf-8",
        timeout=60,
    )
    child.expect("4 History")
    return child


def ended(child: pexpect.spawn[str]) -> str:
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before)


@pytest.mark.parametrize("key", ["q", "\x03", "\x11"])
def test_terminal_is_given_back_when_somebody_leaves(duck: Terminal, key: str) -> None:
    child = at_terminal(duck)
    child.send(key)
    said = ended(child)
    assert LEFT in said
    assert "Traceback" not in said
    assert child.exitstatus == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_terminal_is_given_back_when_a_signal_ends_it(
    duck: Terminal, number: signal.Signals, code: int
) -> None:
    child = at_terminal(duck)
    child.kill(number)
    said = ended(child)
    assert LEFT in said
    assert "Traceback" not in said
    assert child.exitstatus == code


def test_one_leaves_at_once_when_a_target_does_not_answer(duck: Terminal) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes a connection, and is silent
        port = silent.getsockname()[1]
        address = f"postgresql://somebody@127.0.0.1:{port}/none?connect_timeout=60"
        duck("target", "add", "app", "away")
        duck("env", "set", "app", "DATABASE_URL", address, "--target", "away", "--plain")
        child = at_terminal(duck)
        child.expect("asking the targets")
        began = time.monotonic()
        child.send("q")
        said = ended(child)
    assert LEFT in said
    assert child.exitstatus == 0
    assert time.monotonic() - began < 30  # connecting is given up after a minute
    duck("target", "list", "app")


def test_command_says_what_to_install_when_textual_is_missing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)
    said = terminal("tui", code=78)
    assert "hint: pip install 'templedb-nb[tui]'" in said.err
    assert "Traceback" not in said.all


def test_command_names_board_when_there_is_no_terminal(terminal: Terminal) -> None:
    assert "templedb board" in terminal("tui", code=64).err
    assert "templedb board --json" in terminal("tui", "--json", code=64).err
    assert not terminal.state.exists()


def test_screen_needs_no_colour_when_there_is_none(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")
    child = at_terminal(duck, NO_COLOR="1")
    child.expect("✓ succeeded")
    child.send("q")
    ended(child)
    assert child.exitstatus == 0


def test_textual_is_not_loaded_when_another_command_runs(duck: Terminal) -> None:
    code = (
        "import sys; from templedb_nb import cli; cli.run(['board']); "
        "print('LOADED', [m for m in sys.modules if m.split('.')[0] in ('textual', 'rich')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=duck.home,
        env={**os.environ, **duck.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "LOADED []" in said.stdout
