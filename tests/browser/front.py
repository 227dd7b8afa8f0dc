"""A person at a notebook: opens it, runs it, reads what is there, in JupyterLab or Notebook 7."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.jupyter import Server

Kind = Literal["lab", "notebook"]
KINDS: tuple[Kind, ...] = ("lab", "notebook")
PATHS = {"lab": "doc/tree", "notebook": "notebooks"}
WIDE, NARROW, TALL = 1400, 600, 900
PATIENCE_MS = 60_000


@dataclass
class Front:
    """One page with one notebook."""

    page: Page
    server: Server
    kind: Kind

    def open(self, notebook: str) -> None:
        """Open a notebook of the server's folder, and wait until its cells are there."""
        with self._connected():
            self.page.goto(self._address(notebook))

    def join(self, notebook: str) -> None:
        """Open a notebook whose kernel may be busy, and wait until its cells are there."""
        self.page.goto(self._address(notebook))
        expect(self.cells.first).to_be_visible(timeout=PATIENCE_MS)

    def _address(self, notebook: str) -> str:
        where = f"{self.server.url}{PATHS[self.kind]}/{quote(notebook)}"
        return f"{where}?token={self.server.token}"

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Wait until the notebook is drawn and its kernel is idle.

        A front end calls a kernel idle that it has not reached yet, and runs nothing then: so the
        word counts only once the socket to the kernel is open.
        """
        with self.page.expect_websocket(lambda socket: "/api/kernels/" in socket.url):
            yield
        expect(self.cells.first).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "idle", timeout=PATIENCE_MS
        )

    def reload(self) -> None:
        """Load the page again, as a person would who comes back to it."""
        with self._connected():
            self.page.reload()

    def choose(self, menu: str, item: str) -> None:
        """Choose an item of a menu."""
        bars = self.page.get_by_role("menubar")
        bars.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=re.compile(rf"^{re.escape(item)}")).click()

    def trust(self) -> None:
        """Trust the notebook, as JupyterLab lets people do it."""
        self.page.keyboard.press("Control+Shift+c")
        expect(self.page.locator(".lm-CommandPalette-input")).to_be_focused(timeout=PATIENCE_MS)
        self.page.keyboard.type("Trust Notebook")
        self.page.locator("[data-command='notebook:trust']").click()
        self.page.locator(".jp-Dialog").get_by_role("button", name="Trust").click()
        expect(self.page.locator(".jp-Dialog")).to_have_count(0, timeout=PATIENCE_MS)

    def run_all(self) -> None:
        """Run every cell, and wait until the last one has a number."""
        self.choose("Run", "Run All Cells")
        self.finished()

    def finished(self) -> None:
        """Wait until the last cell has a number."""
        prompt = self.page.locator(".jp-CodeCell .jp-InputPrompt").last
        try:
            expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE_MS)
        except AssertionError as error:
            raise AssertionError(f"not every cell ran: {self.said()}") from error

    def said(self) -> list[str]:
        """Return the text of every output."""
        return self.page.locator(".jp-OutputArea-output").all_inner_texts()

    def save(self) -> None:
        """Save the notebook, and wait until nothing is left to save."""
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+s")
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0, timeout=PATIENCE_MS)

    def errors(self) -> list[str]:
        """Return the text of every error, without the cards above them."""
        red = "[data-mime-type='application/vnd.jupyter.stderr']"
        return self.page.locator(f".jp-OutputArea-output{red}").all_inner_texts()

    @property
    def cells(self) -> Locator:
        """Return every cell."""
        return self.page.locator(".jp-Notebook .jp-Cell")

    @property
    def outputs(self) -> Locator:
        """Return every output that is drawn as HTML."""
        return self.page.locator(".jp-OutputArea-output.jp-RenderedHTML")

    def fit(self, width: int = WIDE) -> None:
        """Make the window as tall as the notebook, so that one picture shows it all."""
        self.page.set_viewport_size({"width": width, "height": TALL})
        tall = self.page.evaluate(
            "() => Math.max(...[...document.querySelectorAll('.jp-Notebook, .jp-WindowedPanel-outer')]"
            ".map(each => each.scrollHeight)) + 200"
        )
        self.page.set_viewport_size({"width": width, "height": min(tall, 16_000)})


def front(browser: Browser, server: Server, kind: Kind, *, width: int = WIDE) -> Front:
    """Return a new page, of which nothing is remembered."""
    page = browser.new_page(viewport={"width": width, "height": TALL})
    page.set_default_timeout(PATIENCE_MS)
    return Front(page, server, kind)


def picture(page: Page | Locator, folder: Path, name: str) -> None:
    """Keep what is to be seen: for people to look at, never compared."""
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", animations="disabled")
