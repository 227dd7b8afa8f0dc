"""What people see at a terminal: widths, colours, progress, help, completion by their shell."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pexpect
import pytest
from wcwidth import wcswidth

from templedb_nb.commands.examples import EXAMPLES, leaves
from templedb_nb.commands.tree import tree
from templedb_nb.views import colour
from templedb_nb.views.format import cut, fitted, table, width
from tests.conftest import MIGRATIONS, Shop, Terminal

PROGRAM = f"{sys.executable} -m templedb_nb"
LEAVES = dict(leaves(tree))


def at_terminal(terminal: Terminal, words: str, columns: int = 80, **environ: str) -> str:
    """Run a command on a terminal of its own, and return what that shows."""
    inherited = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
    size = struct.pack("HHHH", 24, columns, 0, 0)
    child = pexpect.spawn(
        f"{PROGRAM} {words}",
        cwd=str(terminal.home),
        env={**inherited, **terminal.environ, "TERM": "xterm", **environ},
        dimensions=(24, columns),
        # The line above sets the size from outside, maybe after the program asked for it.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSWINSZ, size),
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before).replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", text)


# --- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("words", ["deploy history", "migration status --show-applied", "status"])
def test_table_fits_its_window_when_values_are_long(shop: Shop, words: str, columns: int) -> None:
    shop.migration("003_" + "long_" * 20 + "名前.sql", "SELECT 1;")
    shop.run()
    said = plain(at_terminal(shop.terminal, words, columns))
    assert all(wcswidth(line) <= columns for line in said.splitlines()), said
    assert "staging" in said or ".sql" in said


def test_output_is_complete_when_it_is_not_a_terminal(shop: Shop) -> None:
    name = "003_" + "long_" * 40 + ".sql"
    shop.migration(name, "SELECT 1;")
    assert name in shop.terminal("migration", "list").out


def test_narrow_columns_are_kept_and_wide_ones_shortened_when_the_table_is_too_wide() -> None:
    rows = [["2026-11-23 13:46:28Z", "x" * 80, "migrations/" + "y" * 60 + ".sql", ""]]
    with fitted(80):
        head, line = table(["WHEN", "MESSAGE", "FILE", "EMPTY"], rows).splitlines()
    assert line.startswith("2026-11-23 13:46:28Z  xxx")
    assert "x…  …y" in line
    assert line.endswith("y.sql")
    assert "EMPTY" not in head
    assert width(line) <= 80


def test_table_becomes_lines_when_the_window_is_too_narrow_for_columns() -> None:
    rows = [["a" * 30, "b" * 30, "c" * 30], ["d" * 30, "e" * 30, "f" * 30]]
    with fitted(20):
        said = table(["ONE", "TWO", "THREE"], rows)
    assert said.splitlines()[0].startswith("ONE    aaa")
    assert said.count("ONE") == 2


@pytest.mark.parametrize("text", ["plain", "名前", "👩‍💻 done", "a/b/c.sql"])
def test_text_fits_its_column_when_cut(text: str) -> None:
    assert all(width(cut(text, columns)) <= columns for columns in range(1, 12))


# --- colours ----------------------------------------------------------------------------------


def test_colours_only_repeat_words_when_shown_in_a_terminal(shop: Shop) -> None:
    shop.run()
    coloured = at_terminal(shop.terminal, "deploy history", 200)
    assert "\x1b[32msucceeded\x1b[0m" in coloured
    assert "RUN            TARGET   OUTCOME" in plain(coloured)
    assert "\x1b[31merror\x1b[0m: " in at_terminal(shop.terminal, "status nope")
    assert "\x1b" not in at_terminal(shop.terminal, "deploy history", 200, NO_COLOR="1")
    assert "\x1b" not in shop.terminal("deploy", "history").out
    shop.terminal.set(FORCE_COLOR="1")
    assert "\x1b[32m" in shop.terminal("deploy", "history").out


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"CLICOLOR": "0"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colours_are_decided_when_the_environment_sets_them(
    environ: dict[str, str],
    terminal: bool,  # noqa: FBT001 - a case of the table
    wanted: bool,  # noqa: FBT001 - a case of the table
) -> None:
    assert colour.wanted(environ, terminal=terminal) is wanted


def test_only_states_are_painted_when_text_contains_state_words() -> None:
    assert (
        colour.painted("the file failed.sql has failed us") == "the file failed.sql has failed us"
    )
    assert "\x1b" in colour.painted("a.sql  failed  x")


# --- progress ---------------------------------------------------------------------------------


def test_run_shows_the_running_step_and_its_time_when_in_a_terminal(shop: Shop) -> None:
    command = {"name": "build", "kind": "commands", "build_command": "sleep 2; echo built"}
    shop.config(MIGRATIONS | {"order": 1}, command | {"order": 2})
    said = at_terminal(shop.terminal, "deploy run app", 100)
    assert re.search(r"\r\x1b\[Kbuild: sleep 2; echo built, \d\.\d\d s", said)
    assert re.search(r"\r\x1b\[K  done   build: |\r\x1b\[K    \| built", said)


def test_run_prints_plain_lines_when_output_is_a_pipe(shop: Shop) -> None:
    command = {"name": "build", "kind": "commands", "build_command": "sleep 1.5"}
    shop.config(MIGRATIONS | {"order": 1}, command | {"order": 2})
    said = shop.run()
    assert "\r" not in said.text
    assert "\x1b" not in said.text
    assert "done   build: sleep 1.5" in said.out


def test_run_says_nothing_of_a_success_and_all_of_a_failure_when_quiet(shop: Shop) -> None:
    assert shop.run("--quiet").text == ""
    shop.migration("003_bad.sql", "SELECT nope;")
    said = shop.run("-q", code=10)
    assert 'column "nope" does not exist' in said.text
    assert "done" not in said.out


def test_run_says_where_the_state_is_and_what_took_how_long_when_verbose(shop: Shop) -> None:
    said = shop.run("--verbose")
    assert str(shop.terminal.state) in said.err
    assert re.search(r"reading the files and the target: \d", said.err)


# --- help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_has_an_example_when_help_is_asked_for(terminal: Terminal, path: str) -> None:
    said = terminal(*path.split(), "--help").out
    assert "Example" in said
    assert f"  templedb {path}" in said
    assert all(len(line) <= 100 for line in said.splitlines())


def test_every_example_is_of_an_existing_command_and_parses() -> None:
    for path, lines in EXAMPLES.items():
        command = LEAVES[path]
        for line in lines:
            words = line.split("#")[0].split("|")[0].split(">")[0].split("<")[0]
            given = shlex.split(words)[len(path.split()) :]
            context = command.make_context(path, [*given], resilient_parsing=True)
            assert isinstance(context, click.Context)
            command.parse_args(click.Context(command, info_name=path), given)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("stauts",), "status"),
        (("deploy", "histroy"), "history"),
        (("deploy", "run", "--drry-run"), "--dry-run"),
        (("status", "ap"), "app"),
        (("status", "app", "--target", "stagin"), "staging"),
        (("deploy", "run", "app", "--skip-group", "migration"), "migrations"),
        (("migration", "show", "001_user.sql"), "001_users.sql"),
    ],
)
def test_nearest_word_is_suggested_when_a_command_has_a_slip(
    shop: Shop, words: tuple[str, ...], meant: str
) -> None:
    said = shop.terminal(*words, code=None)
    assert said.code in {64, 78}
    assert re.search(rf"[Dd]id you mean.*{re.escape(meant)}", said.err), said.err


# --- shells -----------------------------------------------------------------------------------


def completed(shop: Shop, shell: str, typed: str, folder: Path) -> str:
    """Let a real shell complete *typed*, and return what it would offer."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    program = bin_ / "templedb"
    program.write_text(f'#!/bin/sh\nexec {PROGRAM} "$@"\n')
    program.chmod(0o755)
    environ = {**os.environ, **shop.terminal.environ, "PATH": f"{bin_}:{os.environ['PATH']}"}
    script = subprocess.run(
        ["templedb", "completion", shell], env=environ, capture_output=True, text=True, check=True,
        executable=str(program),
    ).stdout  # fmt: skip
    words = typed.split(" ")
    ask = {
        "bash": f"{script}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _templedb_completion"
        ' templedb; printf "%s\\n" "${COMPREPLY[@]}"',
        "fish": f"{script}\ncomplete -C '{typed}'",
        "zsh": "autoload -U compinit; compinit -D\n"
        f"{script}\n_describe() {{ local a; for a in ${{(P)3}} ${{(P)2}}; do print -r -- $a; done }}\n"
        f"compadd() {{ print -r -- $@ }}\nwords=({typed}); [[ '{typed}' == *' ' ]] && words+=('')\n"
        f"CURRENT={len(words)}; _templedb_completion",
    }[shell]  # fmt: skip
    return subprocess.run(
        [str(shutil.which(shell)), "-c", ask], env=environ, capture_output=True, text=True,
        cwd=shop.terminal.home, check=False, timeout=60,
    ).stdout  # fmt: skip


SHELLS = [each for each in ("bash", "zsh", "fish") if os.geteuid() == 0 or shutil.which(each)]
"""scripts/test installs them where it is root; others test those that they have."""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("templedb dep", "deploy"),
        ("templedb deploy his", "history"),
        ("templedb deploy run --dry", "--dry-run"),
        ("templedb status a", "app"),
        ("templedb status app --target st", "staging"),
        ("templedb migration show app migrations/001", "migrations/001_users.sql"),
        ("templedb deploy run app --skip-group mig", "migrations"),
        ("templedb env unset app DATA", "DATABASE_URL"),
    ],
)
def test_word_is_completed_when_typed_in_a_real_shell(
    shop: Shop, tmp_path: Path, shell: str, typed: str, offered: str
) -> None:
    assert offered in completed(shop, shell, typed, tmp_path)


def test_runs_and_plans_are_completed_with_what_they_are_when_typed_in_a_real_shell(
    shop: Shop, tmp_path: Path
) -> None:
    shop.run()
    row = shop.terminal("deploy", "history", "--json").json[-1]["rows"][0]
    shell = SHELLS[-1]
    said = completed(shop, shell, "templedb deploy show 0", tmp_path)
    assert row["run"] in said
    assert shell == "bash" or "succeeded: app to staging" in said
    plan = row["plan"]
    assert plan[:12] in completed(shop, shell, f"templedb approve {plan[:3]}", tmp_path)
