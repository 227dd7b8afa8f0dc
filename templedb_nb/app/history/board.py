"""The board: every target with what is pending, waits, runs, ended and differs there."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Protocol

from templedb_nb.app.approval.waiting import WaitingApprovals
from templedb_nb.app.deploy.attach import RunFollower
from templedb_nb.app.environment import Environment
from templedb_nb.app.history.overview import Overview
from templedb_nb.app.notifications.receivers import Receivers
from templedb_nb.model.board import Board, DriftGlance, RunningNow, TargetNow
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.status import StatusTable, TargetStatus
from templedb_nb.model.step_result import StepState
from templedb_nb.model.target import FindingLevel, TargetName
from templedb_nb.model.waiting import WaitingPlan
from templedb_nb.ports.records import RecordStore

RECENT = 500
"""So many plans are looked through for the last that looked for drift."""
LOOKED = 20
"""So many plans of a target are read for it; a plan without steps did not look."""
_MORE = re.compile(r"(\d+) more objects")
_TO_COME = frozenset({StepState.PENDING, StepState.RUNNING})


class BoardSources(Protocol):
    """What a board is made of."""

    @property
    def overview(self) -> Overview:
        """Return what tells how targets stand."""
        ...

    @property
    def waiting(self) -> WaitingApprovals:
        """Return what tells which plans wait."""
        ...

    @property
    def follower(self) -> RunFollower:
        """Return what tells which runs go on."""
        ...

    @property
    def receivers(self) -> Receivers:
        """Return what tells whom something is owed to."""
        ...

    @property
    def records(self) -> RecordStore:
        """Return plans and runs."""
        ...

    @property
    def system(self) -> Environment:
        """Return the clock."""
        ...


def board(app: BoardSources, projects: Sequence[Slug]) -> Board:
    """Return the board of *projects*: every target is asked, but not for drift."""
    tables = tuple(
        StatusTable(slug=slug, rows=app.overview.status(Selection(project=slug)))
        for slug in projects
    )
    rows = tuple(chain.from_iterable(table.rows for table in tables))
    waiting = app.waiting.list(projects[0] if len(projects) == 1 else None).rows
    return Board(
        tables=tables,
        receivers=tuple(row for row in app.receivers.list().rows if row.stands),
        facts=_facts(app, rows, waiting),
        at=app.system.clock.now(),
    )


def going_on(app: BoardSources, known: Board) -> Board:
    """Return a board with the runs that go on now; no target is asked."""
    return known.with_running(_running(app.follower.live()), app.system.clock.now())


def _facts(
    app: BoardSources, rows: Sequence[TargetStatus], waiting: Sequence[WaitingPlan]
) -> tuple[TargetNow, ...]:
    running = _running(app.follower.live())
    plans = app.records.recent_plans(RECENT)
    return tuple(
        TargetNow(
            slug=row.slug,
            target=row.target,
            waiting=tuple(w for w in waiting if (w.slug, w.target) == (row.slug, row.target)),
            running=running.get((row.slug, row.target), ()),
            drift=_drift(
                app.records,
                row,
                [p for p, slug, on, _ in plans if (slug, on) == (row.slug, row.target)],
            ),
        )
        for row in rows
    )


def _running(live: Sequence[Result]) -> dict[tuple[str, str], tuple[RunningNow, ...]]:
    found: dict[tuple[str, str], tuple[RunningNow, ...]] = {}
    for each in live:
        key = (each.slug, each.target)
        found[key] = (*found.get(key, ()), _now(each))
    return found


def _now(value: Result) -> RunningNow:
    running = [s.label.title for s in value.steps if s.state is StepState.RUNNING]
    return RunningNow(
        run=value.run,
        started_by=value.started_by,
        started_at=value.started_at,
        done=sum(step.state not in _TO_COME for step in value.steps),
        steps=len(value.steps),
        step=running[0] if running else "",
    )


def drift_seen(
    records: RecordStore, places: Collection[tuple[str, str]]
) -> dict[tuple[str, str], DriftGlance | None]:
    """Return what the last look at each of those targets said; none is asked."""
    plans: dict[tuple[str, str], list[str]] = {}
    for plan, slug, on, _ in records.recent_plans(RECENT):
        plans.setdefault((slug, on), []).append(plan)
    return {
        (slug, on): _seen(records, Slug(slug), TargetName(on), plans.get((slug, on), ()))
        for slug, on in places
    }


def _drift(records: RecordStore, row: TargetStatus, plans: Sequence[str]) -> DriftGlance | None:
    """Return what the last look said: a plan's, or a later run's, which records the objects."""
    if not row.last_run and not row.applied:
        return None  # nothing to compare with
    return _seen(records, row.slug, row.target, plans)


def _seen(
    records: RecordStore, slug: Slug, target: TargetName, plans: Sequence[str]
) -> DriftGlance | None:
    for plan in plans[:LOOKED]:
        made = records.plan(plan)
        if not made.plan.steps or made.plan.policy.drift is FindingLevel.OFF:
            continue  # nobody looked
        last = records.last_deployment(slug, target)
        if last is not None and last[2] > made.made_at:
            return DriftGlance(changes=0, at=last[2], by=f"run {last[0][:13]}")
        changes = sum(_count(each) for each in made.findings if each.topic is Topic.DRIFT)
        return DriftGlance(changes=changes, at=made.made_at, by=f"plan {plan[:12]}")
    return None


def _count(found: Finding) -> int:
    if found.severity is Severity.NOTE:
        return 0
    more = _MORE.match(found.message)
    return int(more[1]) if more else 1
