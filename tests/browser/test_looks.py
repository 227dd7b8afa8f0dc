"""Cards in real front ends: told by roles and words, readable in every light, at every width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests import postgres
from tests.browser import elsewhere, story
from tests.browser.front import KINDS, NARROW, WIDE, Front, Kind, front, picture
from tests.browser.jupyter import THEMES, Server
from tests.browser.reading import cut_off, pale

PASSWORD = "a-password-of-staging"


@pytest.fixture(scope="package")
def told(browser: Browser, jupyter_server: Server, server: postgres.Server) -> Iterator[Path]:
    """The notebook of all cards, run and saved in a real JupyterLab."""
    with psycopg.connect(server.admin, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE looks LOGIN PASSWORD '{PASSWORD}'")
        admin.execute("CREATE DATABASE looks OWNER looks")
        given = psycopg.conninfo.conninfo_to_dict(server.admin)
        address = f"postgresql://looks:{PASSWORD}@{given['host']}:{given['port']}/looks"
        made = story.tell(jupyter_server.root / "looks", address)
        jupyter_server.theme("light")
        lab = front(browser, jupyter_server, "lab")
        lab.open(f"looks/{made.name}")
        lab.run_all()
        lab.save()
        lab.page.close()
        yield made
        admin.execute("DROP DATABASE looks WITH (FORCE)")
        admin.execute("DROP ROLE looks")


@pytest.fixture
def opened(browser: Browser, jupyter_server: Server, told: Path) -> Iterator[Opener]:
    opener = Opener(browser, jupyter_server, told)
    yield opener
    for page in opener.pages:
        page.close()


class Opener:
    """Opens the saved notebook, and forgets no page."""

    def __init__(self, browser: Browser, server: Server, told: Path) -> None:
        self.browser, self.server, self.told = browser, server, told
        self.pages: list[Page] = []

    def __call__(
        self, kind: Kind, *, theme: str = "light", width: int = WIDE, notebook: str = ""
    ) -> Front:
        self.server.theme(theme)
        it = front(self.browser, self.server, kind, width=width)
        self.pages.append(it.page)
        it.open(f"looks/{notebook or self.told.name}")
        it.fit()
        return it

    def file(self, path: Path, *, width: int = WIDE) -> Page:
        page = self.browser.new_page(viewport={"width": width, "height": 900})
        self.pages.append(page)
        page.route(re.compile("^https?:"), lambda route: route.abort())
        page.goto(path.as_uri())
        return page


def tells_everything(page: Page) -> None:
    """Find what people and screen readers are told, wherever the cards stand."""
    for name in (
        r"Plan \w+: shop to production",
        r"Run [\w-]+: shop to production",
        r"Run [\w-]+: shop to staging",
    ):
        expect(page.get_by_role("heading", name=re.compile(name)).first).to_be_visible()
    expect(page.get_by_text("PROTECTED TARGET: production").first).to_be_visible()
    steps = page.get_by_role("table", name="Steps, in order")
    for name in ("Phase", "Step", "What is known"):
        expect(steps.first.get_by_role("columnheader", name=name, exact=True)).to_be_visible()
    expect(steps.first.get_by_role("rowheader", name="1. migrations")).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile("failed$")).first).to_be_visible()
    expect(page.get_by_text("Step 2 of 5 failed:")).to_be_visible()
    expect(page.get_by_text("23514")).to_be_visible()
    expect(page.get_by_text("unchanged", exact=True)).to_be_visible()
    expect(page.get_by_text("did you mean file_patterns?").first).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile("production .*protected"))).to_be_visible()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("theme", THEMES)
def test_card_is_readable_and_uncut_when_shown_in_any_front_end_theme_and_width(
    opened: Opener, artefacts: Path, kind: Kind, theme: str
) -> None:
    it = opened(kind, theme=theme)
    for width in (WIDE, NARROW):
        it.fit(width)
        picture(it.page, artefacts / "looks", f"{kind}-{theme}-{width}")
        tells_everything(it.page)
        assert pale(it.page) == []
        assert cut_off(it.page) == []


def test_card_keeps_its_text_when_a_saved_notebook_is_reloaded(opened: Opener) -> None:
    it = opened("lab")
    before = it.page.locator(".tdb").all_inner_texts()
    it.reload()
    expect(it.page.locator(".tdb")).to_have_count(len(before))
    assert it.page.locator(".tdb").all_inner_texts() == before


def test_error_is_one_line_when_it_stands_below_its_card(opened: Opener) -> None:
    said = opened("lab").errors()
    assert len(said) == len(story.RAISING)
    for each in said:
        assert len(each.strip().splitlines()) == 1, each


def test_card_tells_everything_when_the_notebook_is_not_trusted(
    opened: Opener, told: Path, artefacts: Path
) -> None:
    copied = nbformat.read(told, as_version=4)
    copied.cells.append(nbformat.v4.new_markdown_cell("This came from somebody else."))
    nbformat.write(copied, told.parent / "untrusted.ipynb")
    it = opened("lab", notebook="untrusted.ipynb")
    picture(it.page, artefacts / "looks", "untrusted")
    expect(it.page.locator(".tdb style")).to_have_count(0)
    tells_everything(it.page)


@pytest.mark.parametrize(
    ("template", "theme"), [("lab", "light"), ("lab", "dark"), ("classic", "light")]
)
def test_card_tells_everything_when_nbconvert_exports_the_notebook(
    opened: Opener, told: Path, tmp_path: Path, artefacts: Path, template: str, theme: str
) -> None:
    made = elsewhere.nbconvert(told, tmp_path, template=template, theme=theme)
    page = opened.file(made)
    page.screenshot(path=artefacts / "looks" / f"nbconvert-{template}-{theme}.png", full_page=True)
    tells_everything(page)
    assert pale(page) == []
    assert cut_off(page) == []


def test_card_tells_everything_when_github_strips_styles_and_scripts(
    opened: Opener, told: Path, tmp_path: Path, artefacts: Path
) -> None:
    page = opened.file(elsewhere.github(told, tmp_path / "github.html"), width=1000)
    page.screenshot(path=artefacts / "looks" / "github.png", full_page=True)
    expect(page.locator("[style], [class], style, script")).to_have_count(0)
    tells_everything(page)


def test_card_has_a_text_form_and_runs_no_script(told: Path) -> None:
    for data in elsewhere.pictures(told):
        assert data["text/plain"].strip()
        assert not re.search(r"<script|javascript:|\son\w+=|<link|@import|url\(", data["text/html"])


def test_notebook_holds_no_password_when_pictures_of_cards_are_taken(told: Path) -> None:
    assert PASSWORD not in told.read_text()
