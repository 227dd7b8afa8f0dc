"""Importing a tree of 10,000 files, beside git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Row, alternate, process
from benchmarks.place import PROGRAM
from tests.postgres import Server

_SYNC = """
import time
from templedb_nb.app.container import Temple
app = Temple.open()
project = app.projects.pick("tree")
app.projects.sync(project)
began = time.perf_counter()
app.projects.sync(project)
print(time.perf_counter() - began)
"""


def bench(server: Server, root: Path) -> list[Row]:
    """Return import and re-import, as processes and within one, beside git add and git status."""
    del server
    tree = root / "tree"
    for number in range(10_000):
        path = tree / f"d{number % 100}" / f"e{number % 7}" / f"f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# file {number}\n" + "x = 1\n" * (number % 80))
    state = {"TEMPLEDB_STATE": str(root / "state" / "s.duckdb"), "TEMPLEDB_USER": "bench"}

    def git_add() -> float:
        shutil.rmtree(tree / ".git", ignore_errors=True)
        subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
        return process(["git", "add", "-A"], tree)()

    def first() -> float:
        shutil.rmtree(root / "state", ignore_errors=True)
        return process([*PROGRAM, "project", "import", "tree"], root, state)()

    def within() -> float:
        done = subprocess.run(
            [sys.executable, "-c", _SYNC], cwd=root, env={**os.environ, **state}, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        return float(done.stdout)

    taken = alternate(
        {
            "git add": git_add,
            "import": first,
            "git status": process(["git", "status", "--porcelain"], tree),
            "import again": process([*PROGRAM, "project", "import", "tree"], root, state),
            "import again, within a process": within,
        }
    )
    beside = {"import": "git add", "import again": "git status"}
    beside |= {"import again, within a process": "git status"}
    return [
        Row(name, seconds, beside.get(name, ""), "≤ 1.5" if name in beside else "")
        for name, seconds in taken.items()
    ]
