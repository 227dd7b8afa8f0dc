"""The Python API: what the commands do, as methods that return the same values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from templedb_nb.api_promotion import ReleaseMethods, signing_key
from templedb_nb.api_rollback import SlotMethods, wished
from templedb_nb.app.container import Container as App
from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.app.deploy.signatures import SigningKey
from templedb_nb.app.notifications.methods import notifying
from templedb_nb.app.project.variables import GivenValues
from templedb_nb.core.values.points_in_time import since, wait_s
from templedb_nb.errors import UsageProblem
from templedb_nb.model.approval import Approval, ApprovalList, Verdict
from templedb_nb.model.charts import Durations, Frequency, Timeline
from templedb_nb.model.difference import Blame, Difference
from templedb_nb.model.event import Stamped
from templedb_nb.model.health_history import HealthTries
from templedb_nb.model.history import DeployHistory, DeployStats, MigrationHistory, StepLogs
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Project
from templedb_nb.model.query import LIMIT
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.status import MigrationStatus, StatusTable
from templedb_nb.model.target import Target, TargetName
from templedb_nb.model.window import WindowOverride
from templedb_nb.notebook.runner_channel import teller

if TYPE_CHECKING:
    import pandas as pd


class Temple(ReleaseMethods, SlotMethods):
    """The projects of one state file, and what can be done with them.

    *project* and *target* of every method are optional if TEMPLEDB_PROJECT and TEMPLEDB_TARGET name
    them, or if there is only one. All errors are subclasses of `templedb_nb.errors.TempleError`,
    with ``message``, ``problems``, ``hint`` and ``exit_code``.
    """

    def __init__(self, app: App) -> None:
        """Stand before *app*; `Temple.open` makes both."""
        self._app = app

    @classmethod
    def open(cls, state: str | Path | None = None) -> Temple:
        """Use the state file at *state*, or the one that the commands would use.

        Nothing is opened or created before the first call. In a notebook, plans, runs and
        statuses are shown as cards from now on.
        """
        from templedb_nb.notebook.display import add_looks_here

        app = App.open(state)
        add_looks_here(app)
        if there := teller():
            there.listens(app)
        return cls(app)

    def plan(  # noqa: PLR0913 - each is an option of the command, by name
        self,
        project: str | None = None,
        target: str | None = None,
        *,
        release: int | None = None,
        sync: bool = True,
        skip_groups: Iterable[str] = (),
        skip_validation: bool = False,
        discard_old: bool = False,
        env: Mapping[str, str] | None = None,
        overlay: Mapping[str, Any] | None = None,
        out: str | Path | None = None,
    ) -> Preview:
        """Return what a run would do, in order; change nothing.

        *sync* first stores what changed in the project's folder. *env* are values for this plan
        only; they are never stored. *overlay* changes the config for this plan: ``{"groups":
        {"web": {"timeout": "5m"}}}``. *discard_old* may overwrite a slot that is kept. *out* also
        writes the plan as a bundle. Raises `UnknownName`, `ConfigError`, `TargetError`.
        """
        options = wished(skip_groups, skip_validation=skip_validation, discard_old=discard_old)
        return self._app.deployments.plan(
            self._choice(project, target),
            options,
            release=release,
            sync=sync,
            given=self._given(env),
            overlay=overlay,
            out=Path(out) if out else None,
        )

    @notifying
    def run(  # noqa: PLR0913 - each is an option of the command, by name
        self,
        project: str | None = None,
        target: str | None = None,
        *,
        plan: Preview | str | Path | None = None,
        release: int | None = None,
        sync: bool = True,
        skip_groups: Iterable[str] = (),
        skip_validation: bool = False,
        discard_old: bool = False,
        env: Mapping[str, str] | None = None,
        overlay: Mapping[str, Any] | None = None,
        lock_wait: str | float = "10s",
        approvals: Iterable[str | Path] = (),
        override_windows: Iterable[str] = (),
        reason: str = "",
        on_event: Callable[[Stamped], None] | None = None,
    ) -> Result:
        """Run a deployment and return its result.

        With *plan* (a `Preview`, a plan's id, or a bundle's path) exactly that plan runs, or none.
        A failed step does not raise: see the result's ``outcome``. *overlay* and *discard_old* are
        as in `plan`. *lock_wait* is in seconds, or ``"15m"``. *approvals* are files of signed
        approvals, beside those that are recorded. *override_windows* names closed windows to run
        in, *reason* says why. *on_event* is called with every event. Raises `PlanRefused`,
        `ApprovalMissing`, `Frozen`, `Stale`, `Busy`, `Unresolved` before anything is changed.
        """
        wish = RunOptions(
            options=wished(skip_groups, skip_validation=skip_validation, discard_old=discard_old),
            observers=tuple(each for each in (on_event, teller()) if each),
            lock_wait_s=wait_s(str(lock_wait)),
            approvals=tuple(Path(each) for each in approvals),
            override=WindowOverride(names=tuple(override_windows), reason=reason),
        )
        if plan is not None:
            if overlay is not None:
                raise UsageProblem("a plan runs as it is: give the overlay to Temple.plan")
            named = plan.plan.id if isinstance(plan, Preview) else str(plan)
            return self._app.deployments.run_plan(named, wish, self._given(env))
        choice = self._choice(project, target)
        how: dict[str, Any] = {"release": release, "sync": sync, "overlay": overlay}
        return self._app.deployments.run(choice, wish, given=self._given(env), **how)

    def approve(
        self, plan: Preview | str | Path, reason: str, *, sign: str | Path | bool = False
    ) -> Approval:
        """Approve exactly the content of *plan*, with a reason; this is recorded for good.

        *sign* names the SSH key to sign with; True uses git's signing key. There is no prompt for a
        passphrase: a key that has one must be in ssh-agent. Warns (`UserWarning`) if the approval
        is recorded but does not count, such as one's own. Raises `ConfigError`.
        """
        return self._judge(plan, Verdict.APPROVED, reason, signing_key(sign=sign))

    def reject(
        self, plan: Preview | str | Path, reason: str, *, sign: str | Path | bool = False
    ) -> Approval:
        """Reject exactly this plan: it may not run, whoever approves it. Raises `UnknownName`."""
        return self._judge(plan, Verdict.REJECTED, reason, signing_key(sign=sign))

    @notifying
    def _judge(
        self, plan: Preview | str | Path, verdict: Verdict, reason: str, key: SigningKey | None
    ) -> Approval:
        named = plan.plan.id if isinstance(plan, Preview) else str(plan)
        given = self._app.approvals.judge(named, verdict, reason, "python", key)
        if given.uncounted:
            warnings.warn(f"the approval does not count: {given.uncounted}", stacklevel=4)
        return given.approval

    async def gate(self, plan: Preview) -> None:
        """In a notebook: show *plan* with buttons, and return once it may run; `run` it then.

        Other tasks of the kernel go on meanwhile. Raises `ApprovalPending`, `Rejected`.
        """
        from templedb_nb.notebook.approval_gate import Gate

        if self._app.approvals.standing(plan).decision.missing:
            await Gate(self._app.approvals, plan).decided()
        self._app.approvals.demand(plan)

    def approvals(self, plan: Preview | str | Path | None = None) -> ApprovalList:
        """Return the approvals and rejections of a plan, or of all plans, newest first."""
        named = plan.plan.id if isinstance(plan, Preview) else plan
        return self._app.approvals.words(str(named) if named else None)

    def status(self, project: str | None = None, target: str | None = None) -> StatusTable:
        """Return a project on all its targets, or on one: counts, last run, what needs attention.

        ``rows`` has one `TargetStatus` per target; counts are None if a target could not be read,
        and ``note`` says why.
        """
        choice = self._choice(project, target)
        rows = self._app.overview.status(choice)
        return StatusTable(slug=self._app.projects.pick(choice.project).slug, rows=rows)

    def migrations(self, project: str | None = None, target: str | None = None) -> MigrationStatus:
        """Return the state of every migration on a target, in the order in which they run."""
        with self._app.selections.opened(self._choice(project, target)) as opened:
            return self._app.migrations.status(self._app.selections.reachable(opened))

    def history(
        self,
        project: str | None = None,
        target: str | None = None,
        *,
        last: int | None = 20,
        since: str | None = None,
        status: Iterable[str] = (),
    ) -> DeployHistory:
        """Return runs, newest first: the *last* ones, *since* a time (``"7d"``), by outcome."""
        wanted = self._app.history.filter(last, since, tuple(status))
        return self._app.deployments.history(self._choice(project, target), wanted)

    def show(self, run: str) -> Result:
        """Return the run whose id begins with *run*, with every step; times are in milliseconds."""
        return self._app.history.result(run)

    def logs(self, run: str, step: int | None = None) -> StepLogs:
        """Return the output of a run's commands, with secrets masked; steps count from 1.

        ``steps`` are pairs of title and text. Raises `UnknownName`, `UsageProblem`.
        """
        return self._app.history.logs(run, step)

    def stats(
        self,
        project: str | None = None,
        target: str | None = None,
        *,
        by: Literal["all", "day", "week", "month"] = "all",
        since: str | None = None,
    ) -> DeployStats:
        """Return counts by outcome and durations of the runs that ended, by target and span.

        Spans are in UTC (``2026-11-23``, ``2026-W48``, ``2026-11``); ``failure_rate`` is from 0 to
        1; ``median_ms`` and ``p90_ms`` are of the runs that succeeded, None where none did. The
        DORA measures (``lead_ms``, ``per_week``, ``change_failure_rate``, ``restore_ms``,
        ``rework_rate``) count deployments; ``definitions``, also in ``attrs``, says what each is.
        """
        wanted = self._app.history.filter(since=since)
        return self._app.history.stats(*self._named(project, target), by, wanted)

    def ledger(
        self,
        project: str | None = None,
        target: str | None = None,
        *,
        last: int | None = None,
        since: str | None = None,
        status: Iterable[str] = (),
    ) -> MigrationHistory:
        """Return what was applied, from the target's own ledger, newest first.

        ``rows`` have a database and its `Entry` each. Raises `TargetError`, `ConfigError`.
        """
        wanted = self._app.history.filter(last, since, tuple(status))
        with self._app.selections.opened(self._choice(project, target), sync=False) as opened:
            return self._app.migrations.history(self._app.selections.reachable(opened), wanted)

    def diff(self, run: str, other: str | None = None) -> Difference:
        """Return what differs between two runs, or between a run and the last success before it.

        Raises `UnknownName`, `UsageProblem`.
        """
        return self._app.comparisons.diff(run, other)

    def blame(
        self,
        project: str | None = None,
        target: str | None = None,
        *,
        at: str,
        window: str | float = "1h",
    ) -> Blame:
        """Return everything that changed on a target within *window* of a time, oldest first.

        ``rows`` have when, what, by whom; ``note`` says what could not be read. *window* is in
        seconds, or ``"30m"``.
        """
        found, on = self._app.selections.named(self._choice(project, target))
        meant = on or self._app.targets.pick(found, None, None)
        now, span = self._app.system.clock.now(), timedelta(seconds=wait_s(str(window)))
        return self._app.comparisons.blame(found, meant, since(at, now), span)

    def timeline(
        self,
        project: str | None = None,
        target: str | None = None,
        *,
        last: int = 50,
        since: str | None = None,
    ) -> Timeline:
        """Return the newest runs, oldest first; a notebook shows them as a chart."""
        found = self.history(project, target, last=last, since=since)
        return Timeline(slug=found.slug, rows=found.rows[::-1], scope=found.scope)

    def chart(
        self,
        what: Literal["durations", "frequency"],
        project: str | None = None,
        target: str | None = None,
        *,
        by: Literal["hour", "day", "week", "month"] | None = None,
        last: int = 100,
        since: str | None = None,
    ) -> Durations | Frequency:
        """Return how long runs took, or how often they ran; a notebook shows this as a chart.

        *last* is for durations, *by* for the frequency; without *by*, a period that fits.
        """
        return self._app.history.chart(what, *self._named(project, target), by, last, since)

    def health(
        self, run: str | None = None, project: str | None = None, target: str | None = None
    ) -> HealthTries:
        """Return each try of a run's health checks; without *run*, of the newest run.

        In a notebook it is shown as a picture; `frame` makes a DataFrame of it.
        """
        if run is not None:
            return self._app.history.health(run, None, None)
        return self._app.history.health(None, *self._named(project, target))

    def _named(self, project: str | None, target: str | None) -> tuple[Project, TargetName | None]:
        found, on = self._app.selections.named(self._choice(project, target))
        return found, on.name if on else None

    def projects(self) -> tuple[Project, ...]:
        """Return every project, by slug."""
        return self._app.projects.all()

    def targets(self, project: str | None = None) -> tuple[Target, ...]:
        """Return the targets of a project, by name."""
        found, _ = self._app.selections.named(self._choice(project, None))
        return self._app.targets.all(found)

    def sql(self, query: str) -> pd.DataFrame:
        """Return the answer of the state to *query*: times in UTC, durations as timedeltas.

        The views are ``runs``, ``steps``, ``migrations``, ``events``, ``approvals``, ``messages``
        and ``runbooks``. The query cannot change anything. Raises `QueryRefused`.
        """
        return self._app.history.frame(query)

    def query(
        self,
        query: str,
        project: str | None = None,
        target: str | None = None,
        *,
        database: str | None = None,
        params: Mapping[str, str] | None = None,
        expect: str | None = None,
        limit: int = LIMIT,
        timeout: str | float = "30s",
    ) -> pd.DataFrame:
        """Return the answer of a target's database to *query*, read-only.

        *params* are bound to ``%(name)s``. With *expect*, the query is a check: ``"0"``,
        ``"empty"``, ``"rows>=1"``. *limit* is the number of rows; ``attrs["more"]`` says whether
        there are more. Raises `QueryRefused`, `QueryTimedOut`, `ExpectationFailed`, `TargetError`.
        """
        from templedb_nb.core.sql.query import question
        from templedb_nb.core.values.query_expectation import expectation
        from templedb_nb.views.frames import frame

        asked = replace(question(query, params or {}), limit=limit, timeout_s=wait_s(str(timeout)))
        wanted = expectation(expect) if expect is not None else None
        found = self._app.queries.answer(self._choice(project, target), asked, database, wanted)
        made = frame(found)
        assert made is not None  # noqa: S101 - an answer is a table
        return made

    def _choice(self, project: str | None, target: str | None) -> Selection:
        named = self._app.system.environ
        project = project or named.get("TEMPLEDB_PROJECT") or None
        return Selection(project=project, target=target or named.get("TEMPLEDB_TARGET") or None)

    def _given(self, env: Mapping[str, str] | None) -> GivenValues:
        words = [f"{name}={value}" for name, value in (env or {}).items()]
        return GivenValues.parsed(words, self._app.system.environ)


def frame(value: Any) -> pd.DataFrame:
    """Return a status, a history, or the steps of a plan or of a run as a DataFrame.

    A row is a target, a migration, a run or a step; ``step`` counts from 1. Times
    are ``datetime64[us, UTC]``, durations ``timedelta64``, words of a fixed set categories, counts
    nullable ``Int64``. Raises `TypeError` for a value that is not a table.
    """
    from templedb_nb.views import frames

    if isinstance(value, Result | Preview):
        return frames.steps(value)
    made = frames.frame(value)
    if made is None:
        raise TypeError(f"a {type(value).__name__} is not a table")
    return made
