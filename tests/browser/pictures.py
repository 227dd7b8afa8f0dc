"""The pictures of the documents, taken of the real thing: ``scripts/pictures`` remakes them."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
from playwright.sync_api import Browser, expect

from tests import postgres
from tests.browser.chromium import chromium
from tests.browser.front import PATIENCE_MS, Front
from tests.browser.jupyter import Server, jupyter
from tests.browser.place import Place

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH, SHARPNESS, MARGIN = 1060, 2, 12
FAILING = """\
CREATE TABLE loyalty (customer integer NOT NULL, points integer CHECK (points >= 0));
INSERT INTO loyalty SELECT id, -1 FROM (VALUES (1)) AS moved(id);
"""
CELLS = {
    "title": "# Deploy the shop\nRead the plan, approve it, carry it out.",
    "use": "%load_ext templedb_nb\n%templedb use shop --target production",
    "plan": "%templedb deploy plan",
    "approve": 'id = _.plan.id\n%templedb approve {id} --reason "Read every statement"',
    "run": "%templedb deploy run",
}
MORE = {
    "use": "%load_ext templedb_nb\n%templedb use shop --target production",
    "failed": "%templedb deploy run --target staging",
    "error": "%templedb migration show 005_invoices",
}
LOCKED = {
    "use": "%load_ext templedb_nb\n%templedb use shop --target staging",
    "run": "%templedb deploy run",
}
WAITS = "-- templedb:lock-timeout 300s\nALTER TABLE orders ADD note text;\n"


def main(names: list[str]) -> None:
    """Write the pictures of these *names* (a theme, ``blocked``), else every one."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home = Path(folder).resolve()
        with jupyter(home) as server:
            made: dict[str, Callable[[Browser, Server], None]] = {
                "light": lambda browser, server: _theme(browser, server, "light"),
                "dark": lambda browser, server: _theme(browser, server, "dark"),
                "blocked": _blocked,
            }
            for name in names or made:
                made[name](browser, server)


def _theme(browser: Browser, server: Server, theme: str) -> None:
    server.theme(theme)
    place = Place.made(server.root / theme, example="shop", user="deployer")
    for line in (
        "project import shop",
        "deploy init shop",
        "target add shop production --protected --self-approval",
        "target add shop staging",
        f"env set shop DATABASE_URL duckdb://{place.home}/live.duckdb --target production --plain",
        f"env set shop DATABASE_URL duckdb://{place.home}/test.duckdb --target staging --plain",
        "deploy run shop --target staging",
    ):
        place.templedb(line)
    page = _ran(browser, server, place.notebook("deploy.ipynb", CELLS, frozenset()))
    page.fit(WIDTH)
    _until_the_last_cell(page, IMAGES / f"notebook-{theme}.png")
    page.page.close()
    (place.home / "shop" / "migrations" / "004_loyalty.sql").write_text(FAILING)
    page = _ran(browser, server, place.notebook("more.ipynb", MORE, frozenset(MORE)))
    page.fit(WIDTH)
    for name, card in (("failed", 0), ("error", 1)):
        page.page.locator(".tdb").nth(card).screenshot(path=IMAGES / f"{name}-{theme}.png")
    page.page.close()


def _blocked(browser: Browser, server: Server) -> None:
    """Take a picture of a run that waits for another session's lock."""
    server.theme("light")
    place = Place.made(server.root / "blocked", example="shop", user="deployer")
    group = {"name": "migrations", "file_patterns": ["migrations/*.sql"]}
    (place.home / "config.json").write_text(json.dumps({"groups": [group]}))
    with postgres.server() as database:
        with psycopg.connect(database.admin, autocommit=True) as admin:
            admin.execute("CREATE DATABASE pictures")
        address = database.database("pictures")
        given = {k: quote(str(v)) for k, v in psycopg.conninfo.conninfo_to_dict(address).items()}
        where = f"{given['host']}:{given['port']}/pictures"
        url = f"postgresql://{given['user']}:{given['password']}@{where}"
        for line in (
            "project import shop",
            "deploy config shop --set config.json",
            "target add shop staging",
            f"env set shop DATABASE_URL {url} --target staging --plain",
            "deploy run shop --target staging",
        ):
            place.templedb(line)
        (place.home / "shop" / "migrations" / "004_note.sql").write_text(WAITS)
        with psycopg.connect(address, application_name="nightly report") as other:
            other.execute("UPDATE orders SET cents = 1200 WHERE id = 1")
            notebook = place.notebook("blocked.ipynb", LOCKED, frozenset())
            it = _opened(browser, server, notebook)
            it.choose("Run", "Run All Cells")
            end = it.page.get_by_role("button", name="End session")
            expect(end).to_be_visible(timeout=PATIENCE_MS)
            it.fit(WIDTH)
            it.cells.nth(1).screenshot(path=IMAGES / "blocked.png")
        it.finished()
        it.page.close()


def _until_the_last_cell(it: Front, path: Path) -> None:
    panel = it.page.locator(".jp-NotebookPanel").bounding_box()
    last = it.cells.last.bounding_box()
    assert panel is not None
    assert last is not None
    height = last["y"] + last["height"] + MARGIN - panel["y"]
    it.page.screenshot(path=path, clip={**panel, "height": height})


def _ran(browser: Browser, server: Server, notebook: Path) -> Front:
    it = _opened(browser, server, notebook)
    it.run_all()
    return it


def _opened(browser: Browser, server: Server, notebook: Path) -> Front:
    page = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=SHARPNESS)
    page.set_default_timeout(PATIENCE_MS)
    it = Front(page, server, "lab")
    it.open(str(notebook.relative_to(server.root)))
    return it


if __name__ == "__main__":
    main(sys.argv[1:])
