"""What repo2docker does with binder/, as far as it goes without Docker: its files, and its steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from packaging.requirements import Requirement

from tests.browser.jupyter import TOKEN, served

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"


def test_the_runtime_is_a_python_that_the_project_supports() -> None:
    # Without the file repo2docker takes Python 3.10, which is too old.
    found = re.fullmatch(r"python-3\.(\d+)\n", (BINDER / "runtime.txt").read_text())
    assert found is not None
    assert int(found[1]) >= 11


def test_the_requirements_are_the_project_with_what_a_notebook_needs() -> None:
    (line,) = (BINDER / "requirements.txt").read_text().split()
    assert Requirement(f"templedb-nb{line.removeprefix('.')}").extras == {"notebook"}


def test_after_the_build_jupyterlab_opens_the_quickstart(tmp_path: Path) -> None:
    assert os.access(BINDER / "postBuild", os.X_OK)
    home = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environ = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")} | home
    subprocess.run([BINDER / "postBuild"], env=environ, cwd=ROOT, check=True)
    with (
        served(environ, ROOT, tmp_path) as url,
        urllib.request.urlopen(f"{url}?token={TOKEN}") as page,
    ):
        assert page.geturl().partition("?")[0].endswith("/lab/tree/notebooks/01_quickstart.ipynb")
