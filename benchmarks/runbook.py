"""A runbook of twenty cells: beside bare nbclient, papermill and Jupyter's own executor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.measure import Row, alternate, process
from tests.postgres import Server

CELLS = 20

BARE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read("book.ipynb", as_version=4)
NotebookClient(notebook, kernel_name="python3").execute()
nbformat.write(notebook, "bare.ipynb")
"""


def bench(server: Server, root: Path) -> list[Row]:
    """Return whole processes of each runner, in turn, over cells that do next to nothing."""
    del server
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": f"x = {n}\nprint(x)",
         "outputs": [], "execution_count": None}
        for n in range(CELLS)
    ]  # fmt: skip
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    body = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}
    (root / "book.ipynb").write_text(json.dumps(body))
    python = sys.executable
    environ = {"TEMPLEDB_STATE": str(root / "state.duckdb"), "IPYTHONDIR": str(root / "ipython")}
    works = {
        "templedb runbook run": [python, "-m", "templedb_nb", "runbook", "run", "book.ipynb"],
        "bare nbclient": [python, "-c", BARE],
        "papermill": [python, "-m", "papermill", "book.ipynb", "pm.ipynb"],
        "jupyter execute": [python, "-m", "jupyter", "execute", "book.ipynb", "--output=je"],
    }
    taken = alternate({n: process(words, root, environ) for n, words in works.items()}, rounds=7)
    aims = {"templedb runbook run": "≤ 1.1"}
    return [
        Row(name, seconds, beside="" if name == "bare nbclient" else "bare nbclient", aim=aims.get(name, ""))
        for name, seconds in taken.items()
    ]  # fmt: skip
