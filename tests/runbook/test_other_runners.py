"""Runbooks under the runners of others: a failed deployment fails there, too, and nothing hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import HARD_PASSWORD
from tests.runbook.test_runbook import DEPLOY, LOAD, Cell, Runbooks, books

__all__ = ["books"]

OUT = "out.ipynb"
RUNNERS = {
    "papermill": ["papermill", "book.ipynb", OUT, "-p", "target", "staging"],
    "jupyter-execute": ["jupyter", "execute", "book.ipynb", "--output=out"],
    "nbconvert": [
        "jupyter", "nbconvert", "--execute", "--to", "notebook", "book.ipynb", "--output", OUT,
    ],
    "nbmake": ["pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "--overwrite", "book.ipynb"],
}  # fmt: skip
SAVES = {"papermill": OUT, "nbmake": "book.ipynb"}
"""What saves a notebook whose cell failed."""


def execute(books: Runbooks, runner: str) -> subprocess.CompletedProcess[str]:
    """Execute the runbook by another tool."""
    program, *words = RUNNERS[runner]
    begin = {"jupyter": ["-m", "jupyter"], "papermill": ["-m", "papermill"]}
    environ = {**os.environ, "IPYTHONDIR": str(books.home / "ipython")}
    made = subprocess.run(
        [sys.executable, *begin.get(program, ["-m", program]), *words],
        cwd=books.home, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert HARD_PASSWORD not in made.stdout + made.stderr
    return made


def write(books: Runbooks, *cells: Cell) -> None:
    """Write a runbook that says which kernel it wants, as those tools demand."""
    path = books.write(*cells)
    body = json.loads(path.read_text())
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps({**body, "metadata": {"kernelspec": spec}}))


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def written(books: Runbooks) -> Runbooks:
    write(books, ("target = 'x'", "parameters"), LOAD, DEPLOY, "1")
    return books


def test_deployment_succeeds_when_another_runner_executes_the_notebook(
    written: Runbooks, runner: str
) -> None:
    made = execute(written, runner)
    assert made.returncode == 0, made.stdout + made.stderr
    assert written.shop.pg.tables() == ["orders", "users"]


def test_runner_fails_when_the_deployment_fails(written: Runbooks, runner: str) -> None:
    written.shop.migration("003_bad.sql", "SELECT nope;")
    made = execute(written, runner)
    assert made.returncode == 1, made.stdout + made.stderr
    assert "nope" in made.stdout + made.stderr, "the log says why"
    if runner in SAVES:
        assert "nope" in (written.home / SAVES[runner]).read_text()


def test_runner_fails_without_waiting_when_the_approval_is_missing(
    written: Runbooks, runner: str
) -> None:
    written.shop.terminal("target", "update", "app", "staging", "--protected")
    made = execute(written, runner)
    assert made.returncode == 1
    assert "templedb approve" in made.stdout + made.stderr
    assert written.shop.pg.tables() == []


def test_runner_fails_when_the_kernel_dies(books: Runbooks, runner: str) -> None:
    write(books, "import os\nos.kill(os.getpid(), 9)", DEPLOY)
    assert execute(books, runner).returncode != 0
    assert books.shop.pg.tables() == []
