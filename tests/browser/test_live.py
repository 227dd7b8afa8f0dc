"""A run that goes on, in a real JupyterLab: seen, stopped, cleared of what blocks it, come back to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, expect

from tests import postgres
from tests.browser.front import NARROW, PATIENCE_MS, Front, front, picture
from tests.browser.jupyter import THEMES, Server
from tests.browser.place import Place
from tests.browser.reading import cut_off, pale

CELLS = {
    "load": "%load_ext templedb_nb\n%templedb use shop --target staging",
    "deploy": "%templedb deploy run",
    "next": "print('the cell behind the run ran')",
}
BEHIND = "the cell behind the run ran"
TWO = [
    {"name": "first", "pre_deploy": ["printf '10%%\\r\\033[31mred\\033[0m 20%%\\n'; {wait}"]},
    {"name": "second", "pre_deploy": ["touch second-was-there"]},
]


class Run:
    """A notebook whose second cell runs a deployment."""

    def __init__(self, it: Front, place: Place, path: Path) -> None:
        self.it, self.place, self.path = it, place, path
        it.open(f"{place.home.name}/{path.name}")

    def begin(self) -> Run:
        self.it.choose("Run", "Run All Cells")
        return self

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.it.page.get_by_role("button", name=name)

    def sees(self, text: str | re.Pattern[str]) -> Run:
        outputs = self.it.page.locator(".jp-OutputArea-output").filter(has_text=text)
        expect(outputs.first).to_be_visible(timeout=PATIENCE_MS)
        return self

    @property
    def went_on(self) -> bool:
        return any(BEHIND in each for each in self.it.said())


@pytest.fixture
def run(request: pytest.FixtureRequest, browser: Browser, jupyter_server: Server) -> Iterator[Run]:
    wanted = getattr(request, "param", {})
    place = Place.made(jupyter_server.root / re.sub(r"\W+", "-", request.node.name), example="shop")
    wait = wanted.get("wait", "sleep 300")
    (place.home / "config.json").write_text(json.dumps({"groups": TWO}).replace("{wait}", wait))
    for line in (
        "project import shop",
        "deploy config shop --set config.json",
        "target add shop staging",
        f"env set shop DATABASE_URL duckdb://{place.home}/s.duckdb --target staging --plain",
    ):
        place.templedb(line)
    jupyter_server.theme(wanted.get("theme", "light"))
    it = front(browser, jupyter_server, "lab")
    yield Run(it, place, place.notebook("run.ipynb", CELLS, frozenset()))
    it.page.close()


def test_running_step_is_shown_and_cancelled_when_its_cancel_button_is_clicked(run: Run) -> None:
    run.begin().sees("red 20%").sees(re.compile("0 of 2 steps"))
    run.button("Stop after this step").click()
    run.sees(re.compile("Stopping after this step"))
    run.button("Cancel this step now").click()
    run.sees(re.compile("run .* to staging: cancelled"))
    expect(run.button(re.compile("this step"))).to_have_count(0)
    assert not run.went_on


@pytest.mark.parametrize(
    "run", [{"wait": "while [ ! -e $HOME/go ]; do sleep 0.1; done"}], indirect=True
)
def test_run_finishes_its_step_and_starts_no_other_when_stopped_after_the_step(run: Run) -> None:
    run.begin().button("Stop after this step").click()
    run.sees(re.compile("Stopping after this step"))
    (run.place.home / "go").touch()
    run.sees(re.compile("run .* to staging: cancelled"))
    rows = run.it.page.get_by_role("table", name="Steps, in order").get_by_role("row")
    expect(rows.filter(has_text="sleep 0.1").last).to_contain_text("done")
    expect(rows.filter(has_text="touch second").last).to_contain_text("skipped")
    assert not run.went_on


@pytest.mark.parametrize(
    "run", [{"wait": "while [ ! -e $HOME/go ]; do sleep 0.1; done"}], indirect=True
)
def test_page_shows_the_run_and_its_end_when_reloaded(run: Run) -> None:
    run.begin().sees("red 20%")
    run.it.save()
    run.it.page.reload()
    run.sees("red 20%")
    (run.place.home / "go").touch()
    history = '"outcome": "succeeded"'
    while history not in run.place.templedb("deploy history shop --last 1 --json"):
        pass
    run.it.reload()
    run.begin().sees(re.compile("2 of 2 steps|succeeded"))


def test_run_is_rolled_back_when_the_roll_back_button_is_clicked(run: Run) -> None:
    home = run.place.home
    script = f"cat version.txt >> {home}/out; test ! -e {home}/wait || sleep 300"
    groups = [{"name": "page", "deploy_command": script}]
    config = {"groups": groups, "on_failure": "rollback"}
    (home / "config.json").write_text(json.dumps(config))
    (home / "shop" / "version.txt").write_text("one\n")
    run.place.templedb("deploy config shop --set config.json")
    run.place.templedb("deploy run shop")
    (home / "shop" / "version.txt").write_text("two\n")
    (home / "wait").touch()
    run.begin()
    expect(run.button("Roll back now")).to_be_visible(timeout=PATIENCE_MS)
    (home / "wait").unlink()
    run.button("Roll back now").click()
    run.button("Really? Roll back now").click()
    run.sees(re.compile(r"rolled\sback:\srelease\s2\sis\sin\splace\sagain"))
    assert (home / "out").read_text().split() == ["one", "two", "one"]
    assert not run.went_on


@pytest.mark.parametrize("run", [{"theme": theme} for theme in THEMES], indirect=True, ids=THEMES)
def test_run_page_is_readable_when_the_run_is_under_way(
    run: Run, artefacts: Path, request: pytest.FixtureRequest
) -> None:
    run.begin()
    expect(run.button("Stop after this step")).to_be_visible(timeout=PATIENCE_MS)
    for width in (1400, NARROW):
        run.it.fit(width)
        picture(run.it.page, artefacts / "live", f"{request.node.callspec.id}-{width}")
        assert pale(run.it.page) == []
        assert cut_off(run.it.page) == []
    run.button("Stop after this step").click()
    run.button("Cancel this step now").click()
    run.sees(re.compile("run .* to staging: cancelled"))


def test_blocker_is_shown_and_ended_when_a_migration_waits_for_a_lock(
    run: Run, server: postgres.Server, artefacts: Path
) -> None:
    with psycopg.connect(server.admin, autocommit=True) as admin:
        admin.execute("CREATE DATABASE live")
        try:
            _blocked(run, server, artefacts)
        finally:
            admin.execute("DROP DATABASE live WITH (FORCE)")


def _blocked(run: Run, server: postgres.Server, artefacts: Path) -> None:
    address = server.database("live")
    given = psycopg.conninfo.conninfo_to_dict(address)
    url = f"postgresql://{given['user']}:{quote(str(given['password']))}@{given['host']}:{given['port']}/live"
    group = {"name": "db", "file_patterns": ["migrations/*.sql"]}
    (run.place.home / "config.json").write_text(json.dumps({"groups": [group]}))
    run.place.templedb("deploy config shop --set config.json")
    run.place.templedb(f"env set shop DATABASE_URL {url} --target staging --plain")
    run.place.templedb("deploy run shop --target staging")
    more = "-- templedb:lock-timeout 60s\nALTER TABLE orders ADD note text;\n"
    (run.place.home / "shop" / "migrations" / "004_note.sql").write_text(more)
    with psycopg.connect(address, application_name="nightly report") as other:
        other.execute("UPDATE orders SET cents = 1200 WHERE id = 1")
        pid = other.info.backend_pid
        run.begin().sees("nightly report").sees("UPDATE orders SET cents = ? WHERE id = ?")
        picture(run.it.page, artefacts / "live", "blocked")
        run.button(f"End session {pid}").click()
        run.button(f"Really? End session {pid}").click()
        run.sees(BEHIND).sees(re.compile("1 migration applied"))
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")
