"""What the README and the notebooks promise, done as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.app.deploy.test_locks import until
from tests.conftest import Database, Terminal

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def execute(path: Path, environ: dict[str, str]) -> Any:
    notebook = nbformat.read(path, as_version=4)
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable
    client = NotebookClient(
        notebook, km=manager, timeout=120, resources={"metadata": {"path": str(path.parent)}}
    )
    client.owns_km = True
    client.execute(env={**os.environ, **environ})
    return notebook


def texts(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    parts = [output.get("text", "") for output in outputs]
    return "\n".join(
        [*parts, *(str(output.get("data", {}).get("text/plain", "")) for output in outputs)]
    )


TOLD = {
    "01_quickstart": (
        "3 migrations applied",
        "nothing applied: no migration was pending",
        "1 migration applied",
    ),
    "03_failed_deploy": (
        "the target is unchanged",
        "the process ended with -9",
        "its process died",
        "an earlier run of this plan applied it",
        "1 migration rolled back",
    ),
    "05_history_review": ("8 runs", "NOT SUCCEEDED", "failed", "files that differ"),
    "06_incident": ("plan", "migrations/004_cities.sql applied", "files that differ"),
    "07_health_gate": (
        "is unhealthy",
        "succeeded, healthy",
        "could not be measured",
        "healthy, says",
    ),
    "08_rollback": (
        "if this fails",
        "is unhealthy",
        "rolled back: release",
        "release 3 is in place again",
        "49 EUR",
    ),
    "09_blue_green": (
        "traffic of web goes to green",
        "kept until",
        "release 1 is in place again",
        "keeps the previous release",
        "green answers 500",
        "0 requests failed",
    ),
    "10_fleet": (
        "30 of 30 targets are done",
        "paused: 1 failed, and none may fail",
        "0 of 30 targets are done, 29 waiting, 1 failed",
        "tenant01: failed",
        "succeeded",
    ),
    "04_promotion_review": (
        "release 2 can be promoted to production",
        "promotion of release 2",
        "approves plan",
        "1 migration applied",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_notebook_runs_top_to_bottom_when_there_is_no_server(terminal: Terminal, name: str) -> None:
    told = texts(execute(ROOT / "notebooks" / f"{name}.ipynb", terminal.environ))
    for each in TOLD[name]:
        assert each in told


BROKEN_OFF = """\
import os, sample, two_services
shop = two_services.begin()
sample.templedb("deploy", "run", "shop")
print((shop.live / "blue" / "pid").read_text())
os._exit(9)
"""


def test_runbook_services_end_when_the_kernel_ends(terminal: Terminal) -> None:
    environ = {**os.environ, **terminal.environ}
    words = [sys.executable, "-c", BROKEN_OFF]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=ROOT / "notebooks", env=environ
    )
    assert done.returncode == 9, done.stderr
    running = Path(f"/proc/{int(done.stdout)}")
    until(lambda: not running.exists())


def test_notebook_deployment_stops_at_the_gate_when_nobody_can_answer(terminal: Terminal) -> None:
    with pytest.raises(CellExecutionError, match="has no approval"):
        execute(ROOT / "notebooks" / "02_production_deploy.ipynb", terminal.environ)


def test_every_notebook_has_a_test() -> None:
    assert {path.stem for path in NOTEBOOKS} == {*TOLD, "02_production_deploy"}


def test_quickstart_tells_the_same_story_when_the_target_is_postgresql(
    terminal: Terminal, pg: Database
) -> None:
    environ = {**terminal.environ, "DATABASE_URL": pg.dsn}
    notebook = execute(ROOT / "notebooks" / "01_quickstart.ipynb", environ)
    assert "PostgreSQL" in texts(notebook)
    assert pg.tables() == ["cities", "customers", "orders"]
    assert len(pg.applied()) == 4
    assert pg.dsn not in nbformat.writes(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_no_outputs_when_checked_in(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


def test_first_command_of_the_readme_deploys_the_sample(tmp_path: Path) -> None:
    """The set-up is the installer's part; what it sets up is this very environment."""
    (Path(sys.prefix) / ".templedb-base").touch()
    environ = {
        **os.environ,
        "VENV": sys.prefix,
        "DEMO": str(tmp_path / "demo"),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    for name in ("TEMPLEDB_STATE", "TEMPLEDB_PROJECT", "TEMPLEDB_TARGET"):
        environ.pop(name, None)
    done = subprocess.run(
        [ROOT / "scripts" / "demo"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in (
        "nothing is executed",
        "3 migrations applied",
        "Applied: 3",
        "Pending: 0",
        "succeeded",
    ):
        assert word in done.stdout
