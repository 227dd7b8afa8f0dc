"""The first line of a command's output that tells of an error."""

from __future__ import annotations

import pytest

from templedb_nb.core.run.first_error import FirstError

ERRORS = (
    "src/a.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.",
    "src/a.ts:3:5 - error TS2304: Cannot find name 'foo'.",
    "main.c:3:5: error: expected ';' before 'return'",
    "main.c:3:5: fatal error: missing.h: No such file or directory",
    "/usr/bin/ld: main.o: undefined reference to `f'",
    "error[E0425]: cannot find value `x` in this scope",
    "./main.go:5:2: undefined: foo",
    "panic: runtime error: index out of range",
    "ModuleNotFoundError: No module named 'requests'",
    "django.db.utils.OperationalError: no such table",
    "E   assert 1 == 2",
    "FAILED tests/test_a.py::test_b - assert 1 == 2",
    "FAIL src/a.test.js",
    "Error: Cannot find module 'vite'",
    "SyntaxError: Unexpected token",
    "npm ERR! missing script: build",
    "npm error Missing script: build",
    "  3:5  error  'x' is not defined  no-undef",
    '✘ [ERROR] Could not resolve "./missing"',
    "[ERROR] Failed to execute goal",
    "sh: 1: tsc: not found",
    "bash: line 1: foo: command not found",
    "ERROR: failed to solve: process did not complete",
    "Main.java:3: error: ';' expected",
    "java.lang.NullPointerException: null",
    "\x1b[31mERROR:\x1b[0m it broke",
)
FINE = (
    "Found 0 errors.",
    "compiling error.ts",
    "built error-handler in 3 s",
    "copied src/errors/error: none",
    "no errors: everything is well",
    "warning: unused variable",
    "running 12 tests",
    "INFO  started",
    "",
)


def found(*pieces: str) -> str:
    finder = FirstError()
    for each in pieces:
        finder.feed(each)
    return finder.found()


@pytest.mark.parametrize("line", ERRORS)
def test_line_is_found_when_a_tool_tells_of_an_error_so(line: str) -> None:
    assert found("building\n", f"{line}\n", "done\n").split("\n")[1:] == ["done"]


@pytest.mark.parametrize("line", FINE)
def test_line_is_passed_over_when_it_tells_of_none(line: str) -> None:
    assert found(f"{line}\n") == ""


def test_first_line_is_kept_with_two_behind_it_when_several_tell_of_errors() -> None:
    assert found("error: one\n --> a.rs\n  |\nerror: two\n") == "error: one\n --> a.rs\n  |"


def test_line_is_found_when_it_comes_in_pieces_without_an_end() -> None:
    assert found("x\nerr", "or: bro", "ken") == "error: broken"


def test_line_is_what_stands_last_when_a_progress_bar_wrote_over_it() -> None:
    assert found("10 %\r20 %\rerror: disk full\r\n") == "error: disk full"


def test_long_output_without_lines_is_read_in_bounded_memory() -> None:
    finder = FirstError()
    for _ in range(50):
        finder.feed("x" * 65536)
    assert finder.found() == ""
