"""What the terminal asks of the use cases; each function is one piece of work for a lane.

They are the use cases of `board`, `approvals`, `deploy history`, `deploy show`, `approve` and
`reject`. None changes anything but `judged`, which is a person's word.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from templedb_nb.app.history.board import drift_seen
from templedb_nb.app.history.step_texts import StepTexts
from templedb_nb.errors import StoreError, TempleError
from templedb_nb.model.approval import GivenApproval, Verdict
from templedb_nb.model.board import DriftGlance
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.history import Filter, RunRow
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.waiting import WaitingList
from templedb_nb.store import journal
from templedb_nb.store.advice import IN_USE
from templedb_nb.tui.values import AskedTarget, Footprint, Place, ReadPlan, ReadRun, Remembered

if TYPE_CHECKING:
    from templedb_nb.app.container import Container

WINDOW = 500
"""So many runs of each project are read at first; more, when somebody goes to the end of them."""
NEWEST = 20
THROUGH = "terminal screen"
"""Through what a word on a plan is given here."""


def footprint(app: Container) -> Footprint:
    """Return what the files of the state look like; nothing is opened."""
    found = []
    with suppress(OSError):
        for each in os.scandir(app.runs.journals):
            if each.name.endswith(".jsonl"):
                with suppress(OSError):
                    stat = each.stat(follow_symlinks=False)
                    found.append((each.name, stat.st_mtime_ns, stat.st_size))
    state = (0, 0, 0)
    with suppress(OSError):
        own = app.state.path.stat()
        state = (own.st_mtime_ns, own.st_size, own.st_ino)
    return Footprint(state=state, journals=tuple(sorted(found)))


def live(app: Container) -> tuple[Result, ...]:
    """Return what goes on, as the journals say; the state is not opened."""
    return app.follower.live()


def any_died(app: Container, runs: Iterable[str]) -> bool:
    """Return whether a run does not go on any more; its journal stays as it was if it died."""
    return not all(journal.live(app.runs.journals, each) for each in runs)


def dead(journals: Collection[tuple[str, int, int]], running: Collection[Result]) -> bool:
    """Return whether a journal is there whose run does not go on."""
    return not {Path(name).stem for name, *_ in journals} <= {each.run for each in running}


def remembered(app: Container, window: int) -> Remembered:
    """Return what the state has; one that is not there is not made."""
    path, now = str(app.state.path), app.system.clock.now()
    if not app.state.path.exists():
        return Remembered(path=path, at=now)
    app.known_secrets.learn()
    projects = app.projects.all()
    targets = tuple((each.slug, on) for each in projects for on in app.targets.all(each))
    runs: list[RunRow] = []
    cut = ""
    for each in projects:
        rows = app.records.runs(each.slug, None, Filter(last=window))
        runs += rows
        if len(rows) == window:
            cut = max(cut, rows[-1].run)
    runs = sorted((row for row in runs if row.run >= cut), key=lambda row: row.run, reverse=True)
    plans = app.records.recent_plans(NEWEST)
    said = (plans, app.records.recent_approvals(None, NEWEST))
    return Remembered(
        path=path, targets=targets, runs=tuple(runs), more=bool(cut), plans=plans, said=said, at=now
    )


def settle(app: Container) -> None:
    """Let the targets say how runs ended whose processes died, as every command does."""
    app.runs.reconcile(anew=True)


def ask_targets(
    app: Container,
    slug: str,
    wanted: Collection[str],
    told: Callable[[AskedTarget], bool],
) -> None:
    """Ask the targets of a project how they stand; *told* each answer says whether to go on."""
    for row in app.overview.each(Selection(project=slug), lambda name: name in wanted):
        if not told(AskedTarget(status=row, at=app.system.clock.now())):
            return


def drift(app: Container, places: Collection[Place]) -> dict[Place, DriftGlance | None]:
    """Return what differed at those targets when somebody last looked; none is asked."""
    return drift_seen(app.records, places)


def waiting(app: Container) -> WaitingList:
    """Return which plans wait for approvals; asks the targets that have some."""
    if not app.state.path.exists():
        return WaitingList(rows=())
    return app.waiting.list(None)


def run(app: Container, named: str) -> ReadRun:
    """Return a run with its plan."""
    result = app.history.result(named)
    return ReadRun(result=result, preview=_texts(app).plan_of(result))


def plan(app: Container, named: str) -> ReadPlan:
    """Return a plan, and how it stands with those who may approve it; asks its target."""
    preview = app.records.plan(named)
    replaced = app.approvals.replaced(preview)
    return ReadPlan(
        preview=preview,
        standing=app.approvals.standing(preview),
        newer=replaced.message if replaced else "",
    )


def sql(app: Container, preview: Preview, step: int) -> str | None:
    """Return the SQL of a step of a plan, from 0; None of a step that is no migration."""
    steps = preview.plan.steps
    return _texts(app).sql(steps[step]) if step < len(steps) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What somebody says of a plan; `key` is the SSH key to sign with, '' for git's, or None."""

    plan: str
    verdict: Verdict
    reason: str
    key: str | None = None


Came = Callable[[GivenApproval | None, str], None]
"""Hears what became of a word: the record of it, or why there is none."""


def judged(app: Container, said: Saying) -> GivenApproval:
    """Record a person's word on a plan, as `approve` and `reject` do."""
    from templedb_nb.app.deploy.signatures import SigningKey

    key = None if said.key is None else SigningKey(file=said.key)
    return app.approvals.judge(said.plan, said.verdict, said.reason, THROUGH, key)


def notified(app: Container) -> tuple[str, ...]:
    """Send what people are owed, as a command does at its end; return what went wrong."""
    return app.notifications.tell().told


def _texts(app: Container) -> StepTexts:
    return StepTexts(records=app.records, reader=app.reader, variables=app.variables)


def in_use(error: Exception) -> bool:
    """Return whether another process has the state open."""
    return isinstance(error, StoreError) and error.hint == IN_USE


def line_of(error: Exception) -> str:
    """Return an error on one line, with what helps."""
    if isinstance(error, TempleError):
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return f"a defect of templedb: {type(error).__name__}: {error}"
