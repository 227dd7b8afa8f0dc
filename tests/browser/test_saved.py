"""Notebooks saved while something was live: what is to be read of them where no kernel is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.front import KINDS, PATHS, PATIENCE_MS, Front, Kind, front, picture
from tests.browser.jupyter import Server
from tests.browser.place import Place

LINE_PX = 40
CELLS = {
    "load": "%load_ext templedb_nb",
    "board": "%templedb board",
    "pick": "%templedb deploy pick shop --target staging",
    "run": "%templedb deploy run shop --target staging",
    "gate": "%templedb deploy run shop --target production",
}
ALWAYS = (r"shop, release \d+", r"%templedb deploy run shop --target staging")
RUNNING = (r"as of \d\d:\d\d:\d\dZ; %templedb deploy show", "0 of 2 steps")
WAITING = (
    r"Waiting: plan \w+ for production has 0 of 1 approval",
    "Whoever clicks here speaks as rosa",
    r"templedb approve \w+ --reason WHY",
    r"interrupt the kernel, then run this cell again",
)
AFTER = ("2 commands run", r"approved by rosa", r"approved; deploying")
WIDGET = re.compile(r"^(Loading widget\.\.\.|Error displaying widget.*)$")


@pytest.fixture
def place(request: pytest.FixtureRequest, jupyter_server: Server) -> Place:
    name = re.sub(r"\W+", "-", request.node.name)
    place = Place.made(jupyter_server.root / name, example="shop")
    wait = "while [ ! -e $HOME/go ]; do sleep 0.1; done"
    groups = [
        {"name": "first", "pre_deploy": [wait]},
        {"name": "second", "pre_deploy": ["echo the second"]},
    ]
    (place.home / "config.json").write_text(json.dumps({"groups": groups}))
    for line in (
        "project import shop",
        "deploy config shop --set config.json",
        "target add shop staging",
        "target add shop production --protected --self-approval",
        f"env set shop DATABASE_URL duckdb://{place.home}/s.duckdb --target staging --plain",
        f"env set shop DATABASE_URL duckdb://{place.home}/p.duckdb --target production --plain",
    ):
        place.templedb(line)
    return place


class Saved:
    """Copies of a notebook, as it was saved at some moments."""

    def __init__(self, it: Front, path: Path, server: Server) -> None:
        self.it, self.path, self.server = it, path, server
        self.pages: list[Page] = []

    def keep(self, moment: str) -> None:
        """Save, and keep a copy that wants a kernel that is not there, so none is; it is trusted."""
        before = self.path.stat().st_mtime_ns
        self.it.page.keyboard.press("Escape")
        self.it.page.keyboard.press("Control+s")
        while self.path.stat().st_mtime_ns == before or not self._whole():
            self.it.page.wait_for_timeout(50)  # a live card makes the page unsaved again at once
        kept = nbformat.read(self.path, as_version=4)
        kept.metadata.kernelspec = {"name": "gone", "display_name": "gone", "language": "python"}
        NotebookNotary(data_dir=str(self.server.settings.parent / "data")).sign(kept)
        nbformat.write(kept, self.path.with_name(f"{moment}.ipynb"))

    def _whole(self) -> bool:
        """Return whether the server has written the file to its end."""
        try:
            return bool(json.loads(self.path.read_text()))
        except ValueError:
            return False

    def reopened(self, browser: Browser, moment: str, kind: Kind) -> Page:
        page = browser.new_page(viewport={"width": 1280, "height": 4000})
        page.set_default_timeout(PATIENCE_MS)
        self.pages.append(page)
        where = f"{self.server.url}{PATHS[kind]}/{self.path.parent.name}/{moment}.ipynb"
        page.goto(f"{where}?token={self.server.token}")
        expect(page.locator(".jp-OutputArea-output").first).to_be_visible(timeout=PATIENCE_MS)
        return page


def widgets(page: Page) -> Locator:
    return page.locator(".jp-OutputArea-output").filter(has_text=WIDGET)


def tells(page: Page, *patterns: str) -> None:
    outputs = page.locator(".jp-OutputArea-output")
    for each in (*ALWAYS, *patterns):
        expect(outputs.filter(has_text=re.compile(each)).first).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("kind", KINDS)
def test_cards_can_be_read_when_saved_at_any_moment_and_opened_without_a_kernel(
    browser: Browser, jupyter_server: Server, place: Place, artefacts: Path, kind: Kind
) -> None:
    it = front(browser, jupyter_server, kind)
    path = place.notebook("saved.ipynb", CELLS, frozenset())
    it.open(f"{place.home.name}/{path.name}")
    saved = Saved(it, path, jupyter_server)
    it.choose("Run", "Run All Cells")
    expect(it.page.get_by_role("button", name="Stop after this step")).to_be_visible(
        timeout=PATIENCE_MS
    )
    saved.keep("running")
    (place.home / "go").touch()
    expect(it.page.get_by_role("button", name="Reject")).to_be_visible(timeout=PATIENCE_MS)
    saved.keep("waiting")
    it.page.get_by_label("Reason").fill("read it")
    it.page.get_by_label("Type production to approve").fill("production")
    it.page.get_by_role("button", name="Approve and deploy").click()
    expect(
        it.page.locator(".jp-OutputArea-output").filter(has_text="approved; deploying")
    ).to_be_visible(timeout=PATIENCE_MS)
    expect(
        it.page.get_by_role("heading", name=re.compile("Run .* to production.*succeeded"))
    ).to_be_visible(timeout=PATIENCE_MS)
    saved.keep("after")
    it.page.close()
    panels = 2
    for moment, told, live in (
        ("running", RUNNING, panels + 1),
        ("waiting", WAITING, panels + 1),
        ("after", AFTER, panels),
    ):
        page = saved.reopened(browser, moment, kind)
        tells(page, *told)
        expect(widgets(page)).to_have_count(live)
        picture(page, artefacts / "saved", f"{kind}-{moment}")
        for each in widgets(page).all():
            box = each.bounding_box()
            assert box is not None
            assert box["height"] <= LINE_PX
        page.close()
    assert path.stat().st_size < 300_000
