"""What is very large is told in a few lines, and read in as many steps as it is long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.migrations.script import read_script
from templedb_nb.errors import LISTED, LONGEST, FilesError, InternalError, shortened
from templedb_nb.views.format import cut, middle_out
from tests.conftest import MIGRATIONS, Terminal


def calls(work: Callable[[], object]) -> int:
    """Return how many functions of Python's and C's a work calls."""
    found = 0

    def count(frame: object, event: str, about: object) -> None:
        nonlocal found
        del frame, about
        found += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def probes(count: int) -> str:
    each = "-- templedb:probe SELECT {0}\nCREATE INDEX CONCURRENTLY i{0} ON t (a);\n"
    return "-- templedb:no-transaction\n" + "".join(each.format(n) for n in range(count))


def requires(count: int) -> str:
    return "".join(f"-- templedb:requires {n}.sql\n" for n in range(count)) + "SELECT 1;\n"


def unknown(count: int) -> str:
    return "".join(f"-- templedb:strange{n}\n" for n in range(count)) + "SELECT 1;\n"


def drops(count: int) -> str:
    return "".join(f"-- templedb:nolint\nDROP TABLE a{n};\n" for n in range(count))


@pytest.mark.parametrize("text", [probes, requires, unknown, drops])
def test_directives_are_read_in_linear_steps_when_there_are_many(
    text: Callable[[int], str],
) -> None:
    few, many = (text(count).encode() for count in (150, 600))
    read_script(few)  # what is kept from a first call is made
    assert calls(lambda: read_script(many)) < 5 * calls(lambda: read_script(few))


class Counted(str):
    """A text that adds up how many characters its lines are counted over."""

    __slots__ = ()

    seen = 0

    def count(self, x: str, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        end = len(self) if end is None else end
        Counted.seen += end - start
        return str.count(self, x, start, end)


def test_lines_above_a_directive_are_counted_once_when_there_are_many_directives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    from templedb_nb.core.sql import directives, lexer

    text = requires(400)
    found = lexer.split(text)
    pieces = tuple(replace(piece, raw=Counted(piece.raw)) for piece in found.pieces)
    monkeypatch.setattr(Counted, "seen", 0)
    asked = directives.directives(text, replace(found, pieces=pieces))
    assert len(asked.requires) == 400
    assert Counted.seen < 3 * len(text)


def test_cell_is_cut_in_steps_of_the_column_width_when_its_text_is_long() -> None:
    short, long = "ü" * 1000, "ü" * 100_000
    assert cut(long, 40) == "ü" * 39 + "…"
    assert cut(f"a/{long}", 40) == "…" + "ü" * 39
    assert calls(lambda: cut(long, 40)) == calls(lambda: cut(short, 40))


def test_error_shows_few_lines_and_keeps_all_problems_when_there_are_many() -> None:
    error = FilesError("wrong", hint="h", problems=[f"p{n}" for n in range(20_000)])
    told = error.lines()
    assert len(told) == LISTED + 3
    assert told[-2:] == [f"  … and {20_000 - LISTED} more, which --json lists", "hint: h"]
    assert len(error.problems) == 20_000
    assert len(InternalError("a", problems=["x"] * 200).lines()) == 201


def test_message_is_masked_before_it_is_cut_when_long() -> None:
    secret = "k3y" * 300
    text = "x" * (LONGEST * 3 // 4 - 10) + secret + "y" * 2_000_000
    (told,) = FilesError(text).lines(lambda line: line.replace(secret, "***"))
    assert "k3y" not in told
    assert "***" in told
    assert len(told) < LONGEST + 50
    assert shortened("z" * LONGEST) == "z" * LONGEST


def test_findings_are_told_in_a_few_lines_when_many_or_long(terminal: Terminal) -> None:
    lines = [f"-- templedb:strange{n}\n" for n in range(500)]
    lines += [f"-- templedb:requires {'x' * 200_000}\n", "SELECT 1;\n"]
    terminal.file("app/migrations/001.sql", "".join(lines))
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb:///{terminal.home}/t.duckdb", "--target", "staging")  # fmt: skip
    said = terminal("deploy", "plan", "app", code=78).out
    assert "more, which --json lists" in said
    assert max(map(len, said.splitlines())) < LONGEST + 50
    assert len(said) < 40_000
    assert terminal("deploy", "plan", "app", "--json", code=78).out.count("strange499") == 1
    refused = terminal("deploy", "run", "app", code=78).err
    assert "more, which --json lists" in refused
    assert len(refused) < 40_000


def test_text_is_shown_without_its_middle_unless_all_is_asked_for_when_long(
    terminal: Terminal,
) -> None:
    lines = "".join(f"INSERT INTO t VALUES ({n});\n" for n in range(20_000))
    terminal.file("app/migrations/001.sql", f"{lines}SELECT '{'x' * 300_000}';\n-- the end\n")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb:///{terminal.home}/t.duckdb", "--target", "staging")  # fmt: skip
    show = ("migration", "show", "app", "001.sql", "--target", "staging")
    said = terminal(*show).out
    assert "VALUES (399);" in said
    assert "-- the end" in said
    assert "VALUES (15000);" not in said
    assert "lines, " in said
    assert "--target staging --full" in said
    assert len(said) < 50_000
    for more in ("--full", "--json"):
        assert "VALUES (15000);" in terminal(*show, more).out


@given(st.text(alphabet="ab \n", max_size=200), st.integers(1, 500))
def test_shortened_text_has_its_own_beginning_and_end_when_its_middle_is_left_out(
    part: str, times: int
) -> None:
    text = (part * times).rstrip("\n")
    told = middle_out(text, "--full").split("\n[… ")
    if len(told) == 2:
        assert text.startswith(told[0])
        assert text.endswith(told[1].partition("…]\n")[2])
    else:
        assert told == [text]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_program_says_nothing_and_exits_with_a_code_when_a_signal_comes_while_loading(
    number: int,
) -> None:
    loading = """
import importlib.abc, os, sys
class Kill(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "templedb_nb.commands":
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Kill())
from templedb_nb.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", loading, str(number)],
        capture_output=True, text=True, check=False, env={**os.environ},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (128 + number, "")


ENDS = """
import os, signal, sys
from templedb_nb import cli

def in_exec(words):
    exec("os.kill(os.getpid(), signal.SIGINT)\\nwhile True: pass")

class Late:
    \"\"\"Is freed when the interpreter ends, behind what was registered for the end.\"\"\"

    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM):
        kill(pid, number)

def late(words):
    signal.late = Late()
    return 7

signal.signal(signal.SIGINT, signal.SIG_DFL)
cli.run = {"in_exec": in_exec, "late": late}[sys.argv[1]]
cli.main()
"""


@pytest.mark.parametrize(("when", "code"), [("in_exec", 130), ("late", 7)])
def test_program_ends_in_an_exit_code_when_a_signal_comes_in_exec_or_at_the_end(
    tmp_path: Path, when: str, code: int
) -> None:
    """Python ends itself by the signal: where its KeyboardInterrupt left an `exec`, and at its end."""
    (tmp_path / "ends.py").write_text(ENDS)
    done = subprocess.run([sys.executable, "-m", "ends", when], check=False, cwd=tmp_path)
    assert done.returncode == code


def test_server_message_is_shortened_in_the_history_when_long(terminal: Terminal) -> None:
    terminal.file("app/migrations/001.sql", f"SELECT 1 FROM nowhere_{'y' * 200_000};\n")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb:///{terminal.home}/t.duckdb", "--target", "staging")  # fmt: skip
    ran = terminal("deploy", "run", "app", code=10).all
    assert max(map(len, ran.splitlines())) < LONGEST + 200
    history = terminal("deploy", "history", "app").out
    assert "characters…]" in history
    assert max(map(len, history.splitlines())) < LONGEST + 200
