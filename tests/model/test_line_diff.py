"""How texts differ by lines: a diff that says how, whatever the texts are, and costs their size."""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.model.line_diff import hunks, unified

LINES = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "", "x", "yy"]), max_size=40)


def applied(before: Sequence[str], after: Sequence[str], around: int) -> list[str]:
    """Return what the hunks make of the first text."""
    found: list[str] = []
    at = 0
    for hunk in hunks(before, after, around):
        for word, i, j, k, end in hunk:
            found += before[at:i]
            if word == "equal":
                assert before[i:j] == after[k:end]
            found += after[k:end]
            at = j
    return found + list(before[at:])


@given(LINES, LINES, st.integers(0, 4))
def test_diff_makes_the_second_text_of_the_first_when_it_is_applied(
    before: list[str], after: list[str], around: int
) -> None:
    assert applied(before, after, around) == after


@given(LINES, LINES)
def test_unified_diff_is_read_by_patch_when_texts_differ(
    before: list[str], after: list[str]
) -> None:
    lines = list(unified(before, after))
    assert bool(lines) == (before != after)
    if not lines:
        return
    removed = sum(line.startswith("-") for line in lines[2:])
    added = sum(line.startswith("+") for line in lines[2:])
    assert len(before) - removed + added == len(after)


@pytest.mark.parametrize("around", [0, 1, 3])
def test_patch_makes_the_second_file_of_the_first_when_it_gets_the_diff(
    tmp_path: Path, around: int
) -> None:
    before = [f"line {n % 60}" for n in range(200)]
    after = [f"{line} edited" if n % 9 == 0 else line for n, line in enumerate(before)]
    after[50:60] = []
    after[100:100] = ["new", "new", ""]
    (tmp_path / "file").write_text("".join(f"{line}\n" for line in before))
    text = "".join(f"{line}\n" for line in unified(before, after, ("file", "file"), around))
    words = ["git", "apply", "--unidiff-zero", "-"]
    subprocess.run(words, input=text, text=True, cwd=tmp_path, check=True)
    assert (tmp_path / "file").read_text() == "".join(f"{line}\n" for line in after)


def test_diff_is_that_of_difflib_when_one_line_was_edited() -> None:
    before = [f"select {n};" for n in range(30)]
    after = [*before[:10], "select 'edited';", *before[11:]]
    there = list(difflib.unified_diff(before, after, "a", "b", lineterm=""))
    assert list(unified(before, after, ("a", "b"))) == there


HUGE = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from templedb_nb.model.line_diff import unified
N = 200_000
rows = [f"insert into t values ({n});" for n in range(N)]
edited = [f"{line} -- edited" if n % 2 else line for n, line in enumerate(rows)]
alike = [f"x{n % 150}" for n in range(N)]
moved = [f"x{n * 7 % 150}" for n in range(N)]
for before, after in ((rows, edited), (alike, moved), (rows, rows[::-1]), (alike, rows), (rows, [])):
    assert sum(1 for _ in unified(before, after)) > N
"""


def test_diff_costs_what_its_texts_size_says_when_every_second_line_was_edited() -> None:
    done = subprocess.run([sys.executable, "-c", HUGE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
