"""The panels in a real JupyterLab: filter, refresh, pick; and what is left without widgets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.front import NARROW, PATIENCE_MS, Front, front, picture
from tests.browser.jupyter import THEMES, Server
from tests.browser.place import Place
from tests.browser.reading import cut_off, pale

CELLS = {
    "load": "%load_ext templedb_nb",
    "board": "%templedb board",
    "pick": "%templedb deploy pick shop --target staging",
}


@pytest.fixture
def panels(
    request: pytest.FixtureRequest, browser: Browser, jupyter_server: Server
) -> Iterator[tuple[Front, Place]]:
    name = re.sub(r"\W+", "-", request.node.name)
    place = Place.made(jupyter_server.root / name, example="shop")
    for line in (
        "project import shop",
        "deploy init shop",
        "target add shop production --protected",
        "target add shop staging",
        f"env set shop DATABASE_URL duckdb://{place.home}/p.duckdb --target production --plain",
        f"env set shop DATABASE_URL duckdb://{place.home}/s.duckdb --target staging --plain",
        "deploy run shop --target staging",
    ):
        place.templedb(line)
    place.notebook("panels.ipynb", CELLS, frozenset())
    jupyter_server.theme(getattr(request, "param", "light"))
    it = front(browser, jupyter_server, "lab")
    it.open(f"{name}/panels.ipynb")
    it.run_all()
    yield it, place
    it.page.close()


def test_board_asks_again_and_shows_matching_targets_when_filters_change(
    panels: tuple[Front, Place],
) -> None:
    it, place = panels
    names = it.page.get_by_role("table", name="Targets").get_by_role("strong")
    expect(names.filter(has_text="production")).to_be_visible(timeout=PATIENCE_MS)
    words = it.page.get_by_role("textbox", name="Filter", exact=True)
    words.fill("stag")
    expect(names.filter(has_text="production")).to_have_count(0)
    words.fill("")
    it.page.get_by_text("Only targets that need attention").click()
    expect(names.filter(has_text="staging")).to_have_count(0)
    (place.home / "shop" / "migrations" / "009_more.sql").write_text("CREATE TABLE more (id int);")
    place.templedb("project sync shop")
    it.page.get_by_role("button", name="Refresh").click()
    expect(names.filter(has_text="staging")).to_be_visible(timeout=PATIENCE_MS)


def test_picker_shows_the_plan_when_a_target_and_groups_are_picked(
    panels: tuple[Front, Place],
) -> None:
    it, place = panels
    expect(it.page.get_by_text("%templedb deploy run shop --target staging")).to_be_visible()
    it.page.get_by_label("Target", exact=True).select_option("production")
    it.page.get_by_role("button", name="Show plan").click()
    heading = it.page.get_by_role("heading", name=re.compile(r"Plan \w+: shop to production"))
    expect(heading).to_be_visible(timeout=PATIENCE_MS)
    it.page.get_by_label("migrations").uncheck()
    command = "%templedb deploy run shop --target production --skip-group migrations"
    expect(it.page.get_by_text(command)).to_be_visible()
    expect(heading).to_have_count(0)
    assert '"applied": 0' in place.templedb("migration status shop --target production --json")


@pytest.mark.parametrize("panels", THEMES, indirect=True)
def test_panels_are_readable_and_have_a_static_twin_when_the_notebook_is_saved(
    panels: tuple[Front, Place], artefacts: Path, request: pytest.FixtureRequest
) -> None:
    it, place = panels
    it.page.get_by_role("button", name="Show plan").click()
    expect(it.page.get_by_role("heading", name=re.compile("Plan "))).to_be_visible()
    for width in (1400, NARROW):
        it.fit(width)
        picture(it.page, artefacts / "panels", f"{request.node.callspec.id}-{width}")
        assert pale(it.page) == []
        assert cut_off(it.page) == []
    it.save()
    saved = (place.home / "panels.ipynb").read_text()
    assert "project shop, release 1" in saved
    assert "to deploy it: templedb deploy run shop --target staging" in saved
