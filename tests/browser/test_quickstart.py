"""The quickstart, as somebody new would do it: open it, run every cell, look."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.front import KINDS, Kind, front, picture
from tests.browser.jupyter import Server

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", KINDS)
def test_quickstart_runs_every_cell_when_opened_in_a_front_end(
    browser: Browser, jupyter_server: Server, artefacts: Path, kind: Kind
) -> None:
    home = jupyter_server.root / f"quickstart-{kind}"
    shutil.copytree(ROOT / "examples", home / "examples")
    shutil.copy(ROOT / "notebooks" / "01_quickstart.ipynb", home)
    jupyter_server.theme("light")
    it = front(browser, jupyter_server, kind)
    it.open(f"{home.name}/01_quickstart.ipynb")
    it.run_all()
    it.fit()
    picture(it.page, artefacts / "quickstart", kind)
    runs = it.page.get_by_role("heading", name=re.compile(r"Run .*: shop to local succeeded"))
    expect(runs).to_have_count(3)
    expect(it.page.get_by_text("3 migrations applied in")).to_be_visible()
    expect(it.page.get_by_text("Nothing applied: no migration was pending")).to_be_visible()
    assert it.errors() == []
    it.page.close()
