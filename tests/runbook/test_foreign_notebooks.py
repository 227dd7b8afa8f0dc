"""Notebooks that are not runbooks of this Python, cells that would fail, and outputs of odd sizes."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.runbook.client import OF_ERROR, as_shown
from tests.conftest import Terminal
from tests.runbook.test_runbook import notebook

COVERED = re.compile(r".*\r(?=[^\n])")
"""What Jupyter's own tools take out of a stream; its cost is the square of a line's length."""


def with_metadata(path: Path, **metadata: Any) -> Path:
    body = json.loads(path.read_text())
    body["metadata"] = metadata
    path.write_text(json.dumps(body))
    return path


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}},
        {"language_info": {"name": "julia"}},
        {"kernelspec": {"name": "julia-1.9", "display_name": "Julia 1.9"}},
        {"kernelspec": {"name": "ir", "display_name": "R"}},
        {"kernelspec": {"name": "x", "display_name": "X"}, "language_info": {"name": "bash"}},
    ],
)
@pytest.mark.parametrize("verb", ["run", "inspect"])
def test_notebook_is_refused_when_it_is_for_another_language(
    terminal: Terminal, metadata: dict[str, Any], verb: str
) -> None:
    path = with_metadata(notebook(terminal.home / "book.ipynb", "1 + 1"), **metadata)
    said = terminal("runbook", verb, str(path), code=78)
    assert re.search(r"is a notebook for (r|julia|bash); a runbook's cells are Python", said.err)
    assert not (terminal.home / "book.executed.ipynb").exists()


def test_runbook_says_that_no_kernel_is_named_when_its_metadata_is_empty(
    terminal: Terminal,
) -> None:
    path = with_metadata(notebook(terminal.home / "book.ipynb", "1 + 1"))
    said = terminal("runbook", "inspect", str(path))
    assert "warning: the notebook names no kernel: its cells run in this Python" in said.out
    ran = terminal("runbook", "run", str(path))
    assert "the notebook names no kernel" in ran.text
    named = with_metadata(path, kernelspec={"name": "python3", "language": "python"})
    assert "kernel" not in terminal("runbook", "inspect", str(named)).text


def test_runbook_says_which_kernel_is_named_when_it_is_not_this_one(terminal: Terminal) -> None:
    spec = {"name": "conda-env-shop-py", "display_name": "shop", "language": "python"}
    path = with_metadata(notebook(terminal.home / "book.ipynb", "1 + 1"), kernelspec=spec)
    told = (
        "the notebook names the kernel conda-env-shop-py: its cells run in this Python all the same"
    )
    assert f"warning: {told}" in terminal("runbook", "inspect", str(path)).out
    assert told in terminal("runbook", "run", str(path)).text


@pytest.mark.parametrize(
    ("source", "misplaced"),
    [
        ("# deploy\n%%templedb deploy run\n{}", True),
        ("\n# a\n\n# b\n  %%templedb deploy run\n{}", True),
        ("%load_ext templedb_nb\n%%templedb deploy run", True),
        ("import os\nrows = (1,\n  2)\n%%templedb deploy run\n{}", True),
        ("%%templedb deploy run\n# deploy\n%%templedb deploy run", False),
        ("%%bash\n%%templedb deploy run", False),
        ("print('''\n%%templedb deploy run\n''')", False),
        ("%templedb deploy run", False),
        ("# %%templedb deploy run", False),
    ],
)
def test_cell_is_named_when_its_cell_magic_stands_below_other_lines(
    terminal: Terminal,
    source: str,
    misplaced: bool,  # noqa: FBT001
) -> None:
    path = notebook(terminal.home / "book.ipynb", "1 + 1", source)
    told = "cell 2: its cell magic (%%templedb) must be the first line"
    assert (told in terminal("runbook", "inspect", str(path)).out) == misplaced
    if misplaced:
        refused = terminal("runbook", "run", str(path), code=78)
        assert told in refused.err
        assert "nothing was executed" in refused.err


@given(st.text(alphabet="ab \r\n", max_size=60))
def test_stream_is_shown_as_other_tools_show_it_when_it_holds_carriage_returns(text: str) -> None:
    assert as_shown(text) == COVERED.sub("", text)


def test_stream_costs_what_its_size_says_when_its_only_line_is_long() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    code = (
        "from templedb_nb.runbook.client import as_shown\n"
        "assert as_shown('x' * 3_000_000) == 'x' * 3_000_000\n"
        "assert as_shown('x' * 3_000_000 + '\\ry') == 'y'\n"
        "assert as_shown('\\r' * 3_000_000) == '\\r'"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, preexec_fn=limit)
    assert done.returncode == 0


def test_saved_runbook_holds_the_last_words_of_each_line_when_a_cell_shows_its_progress(
    terminal: Terminal,
) -> None:
    source = (
        "import sys\nsys.stderr.write('e')\nfor i in range(50): print(i, end='\\r')\nprint('end')\n"
        "_ = sys.stdout.write('x' * 200_000)"
    )
    path = notebook(terminal.home / "book.ipynb", source)
    terminal("runbook", "run", str(path), "--out", "done.ipynb")
    saved = json.loads((terminal.home / "done.ipynb").read_text())
    outputs = {each["name"]: "".join(each["text"]) for each in saved["cells"][0]["outputs"]}
    assert list(outputs) == ["stdout", "stderr"]
    assert outputs["stdout"] == "end\n" + "x" * 200_000
    assert outputs["stderr"] == "e"


LONG_ERROR = """\
class Far(Exception):
    pass
raise Far('the cause: ' + ('\\x1b[31mx\\x1b[0m' * 300_000) + ' the end')
"""


def test_saved_runbook_holds_both_ends_of_an_error_when_it_has_megabytes(
    terminal: Terminal,
) -> None:
    path = notebook(terminal.home / "book.ipynb", LONG_ERROR, "0 / 0  # as in the cell before")
    said = terminal("runbook", "run", str(path), "--out", "done.ipynb", code=10)
    done = terminal.home / "done.ipynb"
    (error,) = json.loads(done.read_text())["cells"][0]["outputs"]
    for text in (error["evalue"], "\n".join(error["traceback"])):
        assert len(text) < 2 * OF_ERROR + 100
        assert "characters left out …" in text
        assert text.endswith(" the end")
        assert set(re.split(r"\x1b\[[0-9;]*m", text.split("left out …\n")[1].split(" the")[0])) <= {
            "x",
            "",
        }
    assert error["evalue"].startswith("the cause: ")
    assert error["traceback"][0].startswith("\x1b[") or "---" in error["traceback"][0]
    assert done.stat().st_size < 1_500_000
    assert len(said.all) < 1_000_000


def test_traceback_stays_as_the_kernel_sent_it_when_it_is_short(terminal: Terminal) -> None:
    path = notebook(terminal.home / "book.ipynb", "def f():\n    1 / 0\nf()")
    terminal("runbook", "run", str(path), "--out", "done.ipynb", code=10)
    (error,) = json.loads((terminal.home / "done.ipynb").read_text())["cells"][0]["outputs"]
    assert any("\n" in each for each in error["traceback"])
    assert error["evalue"] == "division by zero"
