"""No output, no metadata and no widget's state of a saved notebook holds a value of a variable."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.front import PATIENCE_MS, Front, front
from tests.browser.jupyter import Server
from tests.browser.place import Place

TOKEN = "of the t&ken/7f3a"
GROUP = {
    "name": "migrations",
    "file_patterns": ["migrations/*.sql"],
    "pre_deploy": ["echo the token is $TOKEN; echo again: $TOKEN >&2"],
    "required_env_vars": ["TOKEN"],
}
FAILING = {**GROUP, "name": "later", "file_patterns": [], "pre_deploy": ["echo $TOKEN; exit 3"]}
CELLS = {
    "load": "%load_ext templedb_nb\n%templedb use shop --target production",
    "board": "%templedb board",
    "pick": "%templedb deploy pick",
    "variables": "%templedb env list",
    "plan": "%templedb deploy plan",
    "deploy": "%templedb deploy run",
    "logs": "%templedb deploy history",
}
FORMS = (TOKEN, quote(TOKEN, safe=""), b64encode(TOKEN.encode()).decode(), json.dumps(TOKEN)[1:-1])


@pytest.fixture
def opened(browser: Browser, jupyter_server: Server) -> Iterator[tuple[Front, Path]]:
    place = Place.made(jupyter_server.root / "leaks", example="shop")
    (place.home / "token.txt").write_text(TOKEN)
    (place.home / "config.json").write_text(json.dumps({"groups": [GROUP, FAILING]}))
    for line in (
        "project import shop",
        "deploy config shop --set config.json",
        "target add shop production --protected --self-approval",
        f"env set shop DATABASE_URL duckdb://{place.home}/p.duckdb --target production --plain",
        f"env set shop TOKEN file:{place.home}/token.txt",
    ):
        place.templedb(line)
    path = place.notebook("leaks.ipynb", CELLS, frozenset({"deploy"}))
    jupyter_server.theme("light")
    jupyter_server.keep_widgets(saved=True)
    it = front(browser, jupyter_server, "lab")
    it.open("leaks/leaks.ipynb")
    yield it, path
    it.page.close()
    jupyter_server.keep_widgets(saved=False)


def test_saved_notebook_holds_no_secret_value_when_a_deployment_waits_or_has_ended(
    opened: tuple[Front, Path],
) -> None:
    it, path = opened
    it.choose("Run", "Run All Cells")
    deploy = it.page.get_by_role("button", name="Approve and deploy", exact=True)
    expect(deploy).to_be_visible(timeout=PATIENCE_MS)
    it.save()
    waiting = path.read_text()
    assert "widgets" in nbformat.reads(waiting, as_version=4).metadata
    it.page.get_by_label("Reason").fill("read it")
    it.page.get_by_label("Type production to approve").fill("production")
    deploy.click()
    failed = it.page.get_by_role("heading", name=re.compile("Run .*: shop to production"))
    expect(failed.last).to_be_visible(timeout=PATIENCE_MS)
    expect(it.page.locator(".jp-CodeCell .jp-InputPrompt").last).to_have_text(
        re.compile(r"\[\d+\]:"), timeout=PATIENCE_MS
    )
    it.save()
    ended = path.read_text()
    assert "***[TOKEN]" in ended
    assert "exit 3" in ended
    for kept in (waiting, ended):
        for form in FORMS:
            assert form not in kept
