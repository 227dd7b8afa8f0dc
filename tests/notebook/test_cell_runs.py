"""A cell that is run again: the outcome of a run whose end no page saw comes before a new run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from templedb_nb.model.event import Outcome, RunId, RunStarted, Stamped
from templedb_nb.model.result import Result
from templedb_nb.notebook.cell_commands import CellRuns
from tests.conftest import Shop
from tests.notebook.test_live import begun, waiting
from tests.notebook.test_notebook import Kernel, kernel

__all__ = ["kernel", "waiting"]
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ENDED = Result(run="01a209fa", slug="shop", target="live", outcome=Outcome.SUCCEEDED)


def runs(cell: str, page: str) -> CellRuns:
    """Return what a kernel knows whose cell has begun a run for a page."""
    made = CellRuns()
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
    made.watching(cell, page)(
        Stamped(run=RunId("01a209fa"), seq=0, at=NOW, elapsed_ms=0, event=event)
    )
    return made


def test_outcome_is_shown_once_when_the_page_was_loaded_again() -> None:
    known = runs("cell", "page")
    assert known.unseen(ENDED, "cell", "reloaded")
    assert not known.unseen(ENDED, "cell", "reloaded")


def test_run_begins_anew_when_the_same_page_or_another_cell_asks() -> None:
    assert not runs("cell", "page").unseen(ENDED, "cell", "page")
    assert not runs("cell", "page").unseen(ENDED, "other", "reloaded")
    assert not runs("", "page").unseen(ENDED, "", "reloaded")
    assert not CellRuns().unseen(ENDED, "cell", "page")


def test_outcome_is_shown_once_when_the_process_of_the_run_died() -> None:
    known, dead = CellRuns(), replace(ENDED, outcome=Outcome.UNKNOWN, found_at=NOW)
    assert known.unseen(dead, "cell", "page")
    assert not known.unseen(dead, "cell", "page")


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
