"""A cell that is run again: the outcome of a run whose end no page saw comes before a new run."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from templedb_nb.model.event import Outcome, RunId, RunStarted, Stamped
from templedb_nb.model.result import Result
from templedb_nb.notebook.button_events import PageEcho
from templedb_nb.notebook.cell_commands import CellRuns, Request
from tests.conftest import Shop
from tests.notebook.test_live import begun, waiting
from tests.notebook.test_notebook import Kernel, kernel

__all__ = ["kernel", "waiting"]
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ENDED = Result(run="01a209fa", slug="shop", target="live", outcome=Outcome.SUCCEEDED)


PAGE = Request(cell="cell", page="page", execution="first", at=NOW)
AGAIN = replace(PAGE, execution="second", at=NOW + timedelta(minutes=9))
OTHER = replace(AGAIN, page="other")


class Pages(PageEcho):
    """Pages that are told what they echo, and whose messages are real ones."""

    def __init__(self, *echoes: tuple[str, str]) -> None:
        super().__init__()
        self.asked: list[str] = []
        for page, word in echoes:
            self.echo(page, word)

    def ask(self, word: str) -> None:
        super().ask(word)
        self.asked.append(word)

    def echo(self, page: str, word: str, at: datetime = NOW + timedelta(minutes=5)) -> None:
        state = {"method": "update", "state": {"grid_area": word}}
        self._hear({"header": {"session": page, "date": at}, "content": {"data": state}})


def runs(request: Request, pages: Pages | None = None) -> CellRuns:
    """Return what a kernel knows whose cell has begun a run for a page, and has shown its end."""
    made = CellRuns(lambda: pages)
    event = RunStarted(
        plan="3f9a",
        content_hash="",
        project="p",
        slug="shop",
        target="live",
        started_by="ana",
        host="here",
        pid=1,
        release=1,
        steps=(),
    )
    made.watching(request)(Stamped(run=RunId("01a209fa"), seq=0, at=NOW, elapsed_ms=0, event=event))
    made.over(request)
    return made


def test_outcome_is_shown_once_when_the_page_was_loaded_again() -> None:
    known = runs(PAGE)
    assert known.unseen(ENDED, OTHER)
    assert not known.unseen(ENDED, OTHER)


def test_run_begins_anew_when_the_same_page_or_another_cell_asks() -> None:
    assert not runs(PAGE).unseen(ENDED, AGAIN)
    assert not runs(PAGE).unseen(ENDED, replace(OTHER, cell="another"))
    assert not runs(replace(PAGE, cell="")).unseen(ENDED, replace(OTHER, cell=""))
    assert not CellRuns().unseen(ENDED, PAGE)


def test_run_begins_anew_for_every_page_when_the_page_that_ran_the_cell_has_echoed_its_end() -> (
    None
):
    pages = Pages(("page", "begun"), ("page", "ended"), ("other", "ended"))
    for asks in (AGAIN, OTHER, replace(AGAIN, page="opened later")):
        assert not runs(PAGE, pages).unseen(ENDED, asks)
    assert pages.asked == ["ended"] * 3


def test_outcome_is_shown_once_when_only_another_page_has_echoed_the_end() -> None:
    known = runs(PAGE, Pages(("page", "begun"), ("other", "begun"), ("other", "ended")))
    assert known.unseen(ENDED, OTHER)
    assert not known.unseen(ENDED, OTHER)


def test_outcome_is_shown_to_the_same_page_when_it_echoed_the_begin_and_not_the_end() -> None:
    assert runs(PAGE, Pages(("page", "begun"))).unseen(ENDED, AGAIN)
    assert not runs(PAGE, Pages()).unseen(ENDED, AGAIN), "a page without widgets echoes nothing"


def test_end_counts_as_seen_when_its_echo_comes_just_after_the_question() -> None:
    pages = Pages(("page", "begun"))
    known = runs(PAGE, pages)
    later = threading.Timer(0.2, pages.echo, ["page", "ended"])
    later.start()
    assert not known.unseen(ENDED, OTHER)
    later.join()


def test_outcome_is_shown_when_a_page_asked_before_it_heard_of_the_end() -> None:
    pages = Pages(("page", "begun"), ("page", "ended"), ("other", "ended"))
    early = NOW + timedelta(minutes=1)
    for asks in (AGAIN, OTHER):
        assert runs(PAGE, pages).unseen(ENDED, replace(asks, at=early))
    assert not runs(PAGE, pages).unseen(ENDED, replace(PAGE, at=early)), "a loop in one cell"


def test_outcome_is_shown_once_when_a_request_from_before_its_end_was_dropped() -> None:
    pages = Pages(("page", "begun"), ("page", "ended"))

    def message(execution: str, minutes: int) -> dict[str, Any]:
        at = NOW + timedelta(minutes=minutes)
        header = {"session": "page", "msg_id": execution, "date": at}
        return {"header": header, "metadata": {"cellId": "cell"}}

    known = runs(PAGE, pages)
    known.dropped(message("after the end", 7))
    assert not known.unseen(ENDED, AGAIN), "what the cell said was cleared when it was known"
    known.dropped(message("while it went on", 1))
    assert not known.unseen(ENDED, replace(AGAIN, cell="another"))
    assert known.unseen(ENDED, AGAIN)
    assert not known.unseen(ENDED, AGAIN)


def test_outcome_is_shown_once_when_the_process_of_the_run_died() -> None:
    known, dead = CellRuns(), replace(ENDED, outcome=Outcome.UNKNOWN, found_at=NOW)
    assert known.unseen(dead, PAGE)
    assert not known.unseen(dead, PAGE)


def test_cell_shows_what_a_dead_run_came_to_before_it_begins_anew(
    kernel: Kernel, waiting: Shop
) -> None:
    process = waiting.terminal.process("deploy", "run", "app")
    begun(waiting, process)
    process.kill()
    process.communicate()
    kernel.run("%templedb use app --target staging")
    said = kernel.run("%templedb deploy run", answer="", ok=False)
    assert "Run the cell once more to begin anew" in said["stdout"]
    assert said["error"]["ename"] == "RunFailed"
    assert waiting.pg.tables() == []
    (waiting.terminal.home / "go").touch()
    again = kernel.run("%templedb deploy run", answer="", ok=False)
    assert "once more" not in again["stdout"]
