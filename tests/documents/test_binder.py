"""What repo2docker does with binder/, as far as it goes without Docker: its files, and its steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from tests.browser.jupyter import TOKEN, served
from tests.conftest import Terminal

ROOT = Path(__file__).parents[2]
BINDER, NOTEBOOKS = ROOT / "binder", ROOT / "notebooks"
IMPORTED = re.compile(r"(?m)^\s*(?:import|from)\s+(\w+)")
MOST_BYTES = 300_000


def test_runtime_file_names_a_python_that_the_project_supports() -> None:
    # Without the file repo2docker takes Python 3.10, which is too old.
    found = re.fullmatch(r"python-3\.(\d+)\n", (BINDER / "runtime.txt").read_text())
    assert found is not None
    assert int(found[1]) >= 11


def test_requirements_name_the_project_with_its_notebook_extra() -> None:
    (line,) = (BINDER / "requirements.txt").read_text().split()
    assert Requirement(f"templedb-nb{line.removeprefix('.')}").extras == {"notebook"}


@pytest.mark.parametrize(
    "name", ["02_production_deploy", "04_promotion_review", "05_history_review"]
)
def test_notebook_runs_unattended_when_started_from_its_folder_as_a_runbook(
    terminal: Terminal, tmp_path: Path, name: str
) -> None:
    """The gate of the first stops it: nobody can answer."""
    out = tmp_path / "out.ipynb"
    code = 20 if name.startswith("02") else 0
    terminal("runbook", "run", str(ROOT / "notebooks" / f"{name}.ipynb"), "-o", str(out), code=code)
    saved = nbformat.read(out, as_version=4)
    assert any(cell.get("outputs") for cell in saved.cells)
    assert out.stat().st_size <= MOST_BYTES


def test_notebooks_import_only_what_the_binder_build_installs() -> None:
    sources = [path.read_text() for path in NOTEBOOKS.glob("*.py")]
    for path in NOTEBOOKS.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        sources += [cell.source for cell in cells if cell.cell_type == "code"]
    found = {name for source in sources for name in IMPORTED.findall(source)}
    own = {path.stem for path in NOTEBOOKS.glob("*.py")}
    assert found <= own | {"templedb_nb", "pandas", "IPython", "duckdb"} | set(
        sys.stdlib_module_names
    )


def test_jupyterlab_opens_the_quickstart_when_the_binder_build_has_run(tmp_path: Path) -> None:
    assert os.access(BINDER / "postBuild", os.X_OK)
    home = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environ = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")} | home
    subprocess.run([BINDER / "postBuild"], env=environ, cwd=ROOT, check=True)
    with (
        served(environ, ROOT, tmp_path) as url,
        urllib.request.urlopen(f"{url}?token={TOKEN}") as page,
    ):
        assert page.geturl().partition("?")[0].endswith("/lab/tree/notebooks/01_quickstart.ipynb")
