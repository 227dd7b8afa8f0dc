"""Two people in one notebook: two pages of one JupyterLab with jupyter-collaboration, and the file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.front import PATIENCE_MS, Front, front, picture
from tests.browser.jupyter import Server, jupyter
from tests.browser.place import Place

pytestmark = pytest.mark.skipif(
    find_spec("jupyter_server_ydoc") is None,
    reason="jupyter-collaboration (of the extra `test`) is not installed",
)
TURN_MS = 100
TOKEN = "a-token-of-two-people"
CELLS = {
    "load": "%load_ext templedb_nb\n%templedb use shop --target production",
    "deploy": "%templedb deploy run",
    "next": "print('the cell behind the run ran')",
}
WAIT = "echo the token is $TOKEN; while [ ! -e $HOME/go ]; do sleep 0.1; done"
GROUPS = [
    {"name": "first", "pre_deploy": [WAIT], "required_env_vars": ["TOKEN"]},
    {"name": "second", "pre_deploy": ["echo the second"]},
]
WAITING = (
    re.compile(r"Waiting: plan \w+ for production has 0 of 1 approval"),
    "Whoever clicks here speaks as rosa",
    re.compile(r"templedb approve \w+ --reason WHY"),
    re.compile("Without buttons .*: interrupt the kernel, then run this cell again"),
)
RUNNING = re.compile(r"as of \d\d:\d\d:\d\dZ; %templedb deploy show")
APPROVED = re.compile(r"approved by rosa .* through notebook button")
CANCELLED = re.compile(r"Run [\w-]+: shop to production.*cancelled", re.DOTALL)
SUCCEEDED = re.compile(r"Run [\w-]+: shop to production.*succeeded", re.DOTALL)
FAILED = re.compile(r"Run [\w-]+: shop to production.*failed", re.DOTALL)
STILL = "this card no longer changes"
TO_GO_ON = re.compile(r"interrupted; .* To go on: templedb approve \w+ --reason WHY, then run the")
UNSEEN = re.compile("ended unseen: this is its outcome")
INSTEAD = re.compile("Buttons need .* File > Trust Notebook, or in JupyterLab's palette")


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("shared"), shared=True) as running:
        yield running


class Shared:
    """One notebook, and the pages that show it."""

    def __init__(self, browser: Browser, server: Server, name: str, deploy: str) -> None:
        self.browser, self.server = browser, server
        self.place = Place.made(server.root / name, example="shop")
        (self.place.home / "config.json").write_text(json.dumps({"groups": GROUPS}))
        (self.place.home / "token.txt").write_text(TOKEN)
        for line in (
            "project import shop",
            "deploy config shop --set config.json",
            "target add shop production --protected --self-approval",
            f"env set shop DATABASE_URL duckdb://{self.place.home}/p.duckdb --target production --plain",
            f"env set shop TOKEN file:{self.place.home}/token.txt",
        ):
            self.place.templedb(line)
        self.path = self.place.notebook("shared.ipynb", CELLS | {"deploy": deploy}, frozenset())
        self.pages: list[Front] = []

    def page(self, how: Callable[[Front, str], None] = Front.open) -> Front:
        it = front(self.browser, self.server, "lab")
        # On a busy machine, jupyter-collaboration asks what to do.
        slow = it.page.locator(".jp-Dialog").filter(has_text="taking some time to load")
        it.page.add_locator_handler(
            slow, lambda: slow.get_by_role("button", name="Continue waiting").click()
        )
        self.pages.append(it)
        how(it, f"{self.place.home.name}/{self.path.name}")
        return it

    def until_the_file_has(self, pattern: re.Pattern[str]) -> str:
        """Return the texts of the file, which the server saves by itself."""
        for _ in range(PATIENCE_MS // TURN_MS):
            if pattern.search(texts := self._texts()):
                return texts
            self.pages[0].page.wait_for_timeout(TURN_MS)
        raise AssertionError(f"the file does not have {pattern.pattern}: {self._texts()}")

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, the newest first."""
        listed = self.place.templedb("deploy history shop --json").splitlines()[1]
        rows: list[dict[str, Any]] = json.loads(listed)["rows"]
        return rows

    def _texts(self) -> str:
        try:
            cells = json.loads(self.path.read_text())["cells"]
        except ValueError:  # it is being written
            return ""
        outputs = [each for cell in cells for each in cell.get("outputs", ())]
        plain = [each.get("data", {}).get("text/plain", each.get("text", "")) for each in outputs]
        return "\n".join("".join(each) for each in plain)


@pytest.fixture
def shared(
    request: pytest.FixtureRequest, browser: Browser, shared_server: Server
) -> Iterator[Shared]:
    name = re.sub(r"\W+", "-", request.node.name)
    shared_server.theme("light")
    deploy = getattr(request, "param", CELLS["deploy"])
    made = Shared(browser, shared_server, name, deploy)
    yield made
    (made.place.home / "go").touch()  # whatever runs then ends by itself
    for each in made.pages:
        each.page.close()


def button(it: Front, name: str) -> Locator:
    return it.page.get_by_role("button", name=name, exact=True)


def sees(it: Front, *told: str | re.Pattern[str]) -> None:
    """Find each of these in one output, and in no second one."""
    for each in told:
        found = it.page.locator(".jp-OutputArea-output").filter(has_text=each)
        expect(found).to_have_count(1, timeout=PATIENCE_MS)
        expect(found).to_be_visible()


def sees_no(it: Front, *told: str | re.Pattern[str]) -> None:
    for each in told:
        found = it.page.locator(".jp-OutputArea-output").filter(has_text=each)
        expect(found).to_have_count(0, timeout=PATIENCE_MS)


def texts(it: Front) -> list[str]:
    """Return what the page shows of the cells' outputs, without those that are empty."""
    return [each for each in it.said() if each.strip()]


def waits(it: Front) -> None:
    it.choose("Run", "Run All Cells")
    expect(button(it, "Approve and deploy")).to_be_visible(timeout=PATIENCE_MS)


def approve(it: Front) -> None:
    it.page.get_by_label("Reason").fill("read it")
    it.page.get_by_label("Type production to approve").fill("production")
    button(it, "Approve and deploy").click()


def test_second_page_approves_watches_and_cancels_the_run_when_it_was_trusted_before(
    shared: Shared, artefacts: Path
) -> None:
    one, two = shared.page(), shared.page()
    two.trust()
    waits(one)
    sees(two, *WAITING)
    two.page.get_by_label("Reason").fill("read it")
    expect(one.page.get_by_label("Reason")).to_have_value("read it")
    approve(two)
    for each in (one, two):
        sees(each, APPROVED, RUNNING)
        sees_no(each, WAITING[0])
        expect(button(each, "Stop after this step")).to_be_visible(timeout=PATIENCE_MS)
        expect(button(each, "Approve and deploy")).to_have_count(0)
    picture(two.page, artefacts / "shared", "running")
    button(two, "Stop after this step").click()
    for each in (one, two):
        sees(each, re.compile("Stopping after this step"))
    button(one, "Cancel this step now").click()
    for each in (one, two):
        sees(each, APPROVED, CANCELLED)
        sees_no(each, RUNNING, "the cell behind the run ran")
        expect(button(each, "Cancel this step now")).to_have_count(0)
    picture(two.page, artefacts / "shared", "cancelled")
    kept = shared.until_the_file_has(re.compile("run .* to production: cancelled"))
    assert APPROVED.search(kept)
    assert not RUNNING.search(kept)
    history = b"".join(each.read_bytes() for each in shared.server.root.parent.glob(".*ystore*"))
    assert b"***[TOKEN]" in history, "the run's output is kept, also what was replaced"
    assert TOKEN.encode() not in history


def test_page_shows_the_run_once_and_its_end_when_it_joins_late_or_is_not_trusted(
    shared: Shared, artefacts: Path
) -> None:
    one, two = shared.page(), shared.page()
    waits(one)
    sees(two, INSTEAD, *WAITING)
    picture(two.page, artefacts / "shared", "not-trusted")
    late = shared.page(Front.join)
    sees(late, *WAITING)
    expect(button(late, "Approve and deploy")).to_have_count(0)
    picture(late.page, artefacts / "shared", "late")
    approve(one)
    later = shared.page(Front.join)
    for each in (one, two, late, later):
        sees(each, APPROVED, RUNNING)
        sees_no(each, WAITING[0])
    expect(button(one, "Stop after this step")).to_be_visible(timeout=PATIENCE_MS)
    expect(button(two, "Stop after this step")).to_have_count(0)
    (shared.place.home / "go").touch()
    for each in (one, two, late, later):
        sees(each, APPROVED, SUCCEEDED, "the cell behind the run ran")
        sees_no(each, RUNNING, INSTEAD, "Loading widget")
    kept = shared.until_the_file_has(re.compile("the cell behind the run ran"))
    assert not RUNNING.search(kept)
    assert not INSTEAD.search(kept)


@pytest.mark.parametrize(
    "shared", ["%templedb board\n%templedb deploy pick shop\n%templedb deploy run"], indirect=True
)
def test_both_pages_show_each_output_once_and_in_order_when_a_cell_has_several_live_ones(
    shared: Shared, artefacts: Path
) -> None:
    one, two = shared.page(), shared.page()
    two.trust()
    waits(one)
    for each in (one, two):
        sees(each, *WAITING)
        expect(each.outputs.filter(has_text=STILL)).to_have_count(2, timeout=PATIENCE_MS)
    two.page.get_by_role("textbox", name="Filter", exact=True).fill("no such target")
    approve(two)
    for each in (one, two):
        sees(each, APPROVED, RUNNING)
        expect(button(each, "Stop after this step")).to_be_visible(timeout=PATIENCE_MS)
    picture(two.page, artefacts / "shared", "several")
    (shared.place.home / "go").touch()
    for each in (one, two):
        sees(each, APPROVED, SUCCEEDED, "the cell behind the run ran")
        sees_no(each, RUNNING, WAITING[0])
        expect(each.outputs.filter(has_text=STILL)).to_have_count(2, timeout=PATIENCE_MS)
    picture(two.page, artefacts / "shared", "several-ended")
    assert texts(one) == texts(two)


def test_gate_shows_itself_again_when_its_outputs_are_cleared(
    shared: Shared, artefacts: Path
) -> None:
    one, two = shared.page(), shared.page()
    two.trust()
    waits(one)
    sees(two, *WAITING)
    one.choose("Edit", "Clear Outputs of All Cells")
    sees_no(one, WAITING[0])
    for each in (one, two):
        sees(each, *WAITING)
        expect(button(each, "Approve and deploy")).to_be_visible(timeout=PATIENCE_MS)
    picture(two.page, artefacts / "shared", "cleared")
    one.choose("Edit", "Clear Outputs of All Cells")
    one.choose("Kernel", "Interrupt Kernel")
    for each in (one, two):
        sees(each, TO_GO_ON)


def test_gate_can_be_reached_again_when_the_executing_page_reloads_while_it_waits(
    shared: Shared, artefacts: Path
) -> None:
    one, two = shared.page(), shared.page()
    waits(one)
    shared.until_the_file_has(WAITING[0])
    one.page.reload()
    for each in (one, two):
        sees(each, *WAITING)
    expect(button(one, "Approve and deploy")).to_have_count(0)
    picture(one.page, artefacts / "shared", "reloaded")
    one.choose("Kernel", "Interrupt Kernel")
    expect(one.page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
        "data-status", "idle", timeout=PATIENCE_MS
    )
    waits(one)
    sees(two, *WAITING)
    button(one, "Stop waiting").click()
    for each in (one, two):
        sees(each, re.compile(r"Plan \w+ for production: stopped; nothing was executed"))
        sees_no(each, WAITING[0])


def test_run_begins_anew_when_the_other_page_runs_the_cell_whose_end_both_have_seen(
    shared: Shared,
) -> None:
    one, two = shared.page(), shared.page()
    (shared.place.home / "go").touch()
    waits(one)
    approve(one)
    for each in (one, two):
        sees(each, SUCCEEDED, "the cell behind the run ran")
    waits(two)
    for each in (one, two):
        sees(each, WAITING[0])
        sees_no(each, UNSEEN, SUCCEEDED)
    approve(two)
    for each in (one, two):
        sees(each, APPROVED, SUCCEEDED)
        sees_no(each, UNSEEN)
    assert len(shared.runs()) == 2


def test_outcome_is_shown_to_a_page_that_ran_the_cell_again_while_the_run_went_on(
    shared: Shared,
) -> None:
    one, two = shared.page(), shared.page()
    waits(one)
    approve(one)
    expect(button(one, "Stop after this step")).to_be_visible(timeout=PATIENCE_MS)
    sees(two, RUNNING)
    one.choose("Run", "Run All Cells")
    (shared.place.home / "go").touch()
    for each in (one, two):
        sees(each, UNSEEN, SUCCEEDED, "the cell behind the run ran")
    assert len(shared.runs()) == 1


def test_outcome_of_a_failed_run_is_shown_when_the_cell_was_run_again_while_it_went_on(
    shared: Shared,
) -> None:
    failing = {"name": "first", "pre_deploy": [f"{WAIT}; [ -e $HOME/well ]"]}
    config = {"groups": [failing | {"required_env_vars": ["TOKEN"]}]}
    (shared.place.home / "config.json").write_text(json.dumps(config))
    shared.place.templedb("deploy config shop --set config.json")
    one, two = shared.page(), shared.page()
    waits(one)
    approve(one)
    sees(two, RUNNING)
    one.choose("Run", "Run All Cells")
    (shared.place.home / "go").touch()
    for each in (one, two):
        sees_no(each, RUNNING, FAILED)
    while [each["outcome"] for each in shared.runs()] != ["failed"]:
        pass
    expect(one.page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
        "data-status", "idle", timeout=PATIENCE_MS
    )
    one.choose("Run", "Run All Cells")
    for each in (one, two):
        sees(each, UNSEEN, FAILED)
    assert len(shared.runs()) == 1


def test_outcome_is_shown_on_both_pages_when_the_cell_runs_again_after_a_reload(
    shared: Shared,
) -> None:
    one, two = shared.page(), shared.page()
    waits(one)
    approve(one)
    expect(button(one, "Stop after this step")).to_be_visible(timeout=PATIENCE_MS)
    shared.until_the_file_has(RUNNING)
    one.page.reload()
    for each in (one, two):
        sees(each, RUNNING)
    (shared.place.home / "go").touch()
    while [each["outcome"] for each in shared.runs()] != ["succeeded"]:
        pass
    two.choose("Run", "Run All Cells")
    for each in (one, two):
        sees(each, UNSEEN, SUCCEEDED)
        sees_no(each, RUNNING)
