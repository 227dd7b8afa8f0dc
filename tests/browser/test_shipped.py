"""The shipped notebooks, and a whole session, as somebody runs them in JupyterLab."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.front import NARROW, PATIENCE_MS, Front, front, picture
from tests.browser.jupyter import THEMES, Server
from tests.browser.place import Place
from tests.browser.reading import cut_off, pale

ROOT = Path(__file__).parents[2]
MOST_BYTES = 300_000
"""A saved notebook of a whole session, with its charts, has at most so many."""
WIDE = 1280
SHIPPED = {
    "02_production_deploy": "1 migration applied",
    "03_failed_deploy": "1 migration rolled back",
    "04_promotion_review": "1 migration applied",
    "05_history_review": "Statistics of shop",
    "06_incident": "files that differ",
}
LONG = (
    "CREATE TABLE loyalty (points integer CHECK (points >= 0));\nINSERT INTO loyalty VALUES (-1);\n"
)
SESSION = {
    "load": "%load_ext templedb_nb\n%templedb use shop --target production",
    "board": "%templedb board",
    "plan": "%templedb deploy plan",
    "run": "%templedb deploy run",
    "migrations": "%templedb migration status --show-applied",
    "staging": "%templedb deploy run --target staging",
    "failed": (
        f"from pathlib import Path\n_ = Path('shop/migrations/004_loyalty.sql').write_text({LONG!r})\n"
        "%templedb deploy run --target staging"
    ),
    "mended": "_ = Path('shop/migrations/004_loyalty.sql').write_text('SELECT 1;')\n"
    "%templedb deploy run --target staging",
    "logs": "%templedb deploy status",
    "history": "history = %templedb deploy history\nhistory",
    "wrong": "history[history.outcome == 'failed']",
    "timeline": "%templedb timeline",
    "durations": "%templedb chart durations",
    "frequency": "%templedb chart frequency",
    "stats": "%templedb deploy stats --by day",
    "ledger": "%templedb migration history",
    "status": "%templedb status",
    "releases": "%templedb releases",
    "board again": "%templedb board",
}


@pytest.fixture
def lab(browser: Browser, jupyter_server: Server) -> Iterator[Front]:
    jupyter_server.theme("light")
    it = front(browser, jupyter_server, "lab", width=WIDE)
    yield it
    it.page.close()


@pytest.fixture
def notebook_7(browser: Browser, jupyter_server: Server) -> Iterator[Front]:
    jupyter_server.theme("light")
    it = front(browser, jupyter_server, "notebook", width=WIDE)
    yield it
    it.page.close()


def approved(it: Front) -> None:
    """Approve what the gate waits for, as a person does: a reason, the target's name, a click."""
    button = it.page.get_by_role("button", name="Approve and deploy", exact=True)
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    it.page.get_by_label("Reason").fill("read every statement")
    it.page.get_by_label("Type production to approve").fill("production")
    button.click()
    expect(button).to_have_count(0, timeout=PATIENCE_MS)


def run_all(it: Front, *, gate: bool) -> None:
    if gate:
        it.choose("Run", "Run All Cells")
        approved(it)
        it.finished()
    else:
        it.run_all()


def looked_at(it: Front, folder: Path, name: str) -> None:
    """Measure what is to be read, and keep a picture of it, in both themes, wide and narrow."""
    for theme in THEMES:
        it.server.theme(theme)
        it.reload()
        for width in (WIDE, NARROW):
            it.fit(width)
            picture(it.page, folder, f"{name}-{theme}-{width}")
            assert pale(it.page) == []
            assert cut_off(it.page) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_notebook_runs_and_can_be_read_when_opened_in_jupyterlab(
    lab: Front, artefacts: Path, name: str
) -> None:
    runs_and_can_be_read(lab, artefacts, name)


def test_shipped_notebook_with_a_gate_runs_and_can_be_read_when_opened_in_notebook_7(
    notebook_7: Front, artefacts: Path
) -> None:
    runs_and_can_be_read(notebook_7, artefacts, "02_production_deploy")


def runs_and_can_be_read(it: Front, artefacts: Path, name: str) -> None:
    home = it.server.root / f"shipped-{it.kind}-{name}"
    shutil.copytree(ROOT / "examples", home / "examples")
    shutil.copytree(ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".*"))
    path = home / "notebooks" / f"{name}.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    raising = [c for c in cells if "raises-exception" in c.metadata.get("tags", ())]
    it.open(f"{home.name}/notebooks/{path.name}")
    run_all(it, gate=name.startswith("02"))
    told = it.page.locator(".jp-OutputArea-output").filter(has_text=SHIPPED[name])
    expect(told.first).to_be_visible()
    assert len(it.errors()) == len(raising)
    it.save()
    assert path.stat().st_size <= MOST_BYTES
    looked_at(it, artefacts / "shipped", f"{it.kind}-{name}")


def test_saved_notebook_of_a_whole_session_is_small_and_can_be_read(
    lab: Front, artefacts: Path
) -> None:
    place = Place.made(lab.server.root / "session", example="shop")
    for line in (
        "project import shop",
        "deploy init shop",
        "target add shop production --protected --self-approval",
        "target add shop staging",
        f"env set shop DATABASE_URL duckdb://{place.home}/p.duckdb --target production --plain",
        f"env set shop DATABASE_URL duckdb://{place.home}/s.duckdb --target staging --plain",
    ):
        place.templedb(line)
    path = place.notebook("session.ipynb", SESSION, frozenset({"failed"}))
    lab.open("session/session.ipynb")
    run_all(lab, gate=True)
    lab.save()
    print(f"a whole session: {path.stat().st_size} bytes")
    assert path.stat().st_size <= MOST_BYTES
    for told in ("Runs of shop on production", "Statistics of shop on production"):
        expect(lab.page.get_by_role("heading", name=told).first).to_be_visible()
    assert "0 days" not in path.read_text()
    looked_at(lab, artefacts / "shipped", "session")
