"""Looking back: runs, their output, their numbers, and questions in SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.environment import Environment
from templedb_nb.core.values import points_in_time
from templedb_nb.errors import UnknownName, UsageProblem
from templedb_nb.model.charts import ChartPeriod, Durations, Frequency, suited
from templedb_nb.model.event import HealthMeasured, Outcome, RunId, Stamped
from templedb_nb.model.health_history import HealthTries, HealthTry
from templedb_nb.model.history import (
    Answer,
    DeployHistory,
    DeployStats,
    DeployStatus,
    Filter,
    HistoryScope,
    RunRow,
    RunStatus,
    StepLogs,
    StepSaid,
)
from templedb_nb.model.project import Project, Slug
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.selection import LAST
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.model.target import TargetName
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.store import HistoryQuery
from templedb_nb.store.journal import going_on
from templedb_nb.store.logs import log_path, read_log

if TYPE_CHECKING:
    import pandas as pd


class History:
    """Use cases around what happened."""

    def __init__(
        self, records: RecordStore, runs: Runs, query: HistoryQuery, system: Environment
    ) -> None:
        """Read from *records*, once *runs* has closed what dead processes left."""
        self._records = records
        self._runs = runs
        self._query = query
        self._system = system

    def filter(
        self, last: int | None = None, since: str | None = None, status: tuple[str, ...] = ()
    ) -> Filter:
        """Return which rows those words mean."""
        moment = points_in_time.since(since, self._system.clock.now()) if since else None
        return Filter(last=last, since=moment, status=status)

    def runs(self, project: Project, target: TargetName | None, wanted: Filter) -> DeployHistory:
        """Return runs of a project, newest first, on one target or on all."""
        self.catch_up()
        rows = self._records.runs(project.slug, target, wanted)
        return DeployHistory(slug=project.slug, rows=rows, scope=_scope(target, wanted))

    def newest(self, slug: str | None = None, target: str | None = None) -> str:
        """Return the newest run, of a project and of a target where they are named."""
        self.catch_up()
        project, on = Slug(slug) if slug else None, TargetName(target) if target else None
        found = self._records.runs(project, on, Filter(last=1))
        if found:
            return found[0].run
        where = " ".join(f"{word} {name}" for word, name in (("of", slug), ("on", target)) if name)
        hint = f"templedb deploy run {slug}" if slug else "templedb deploy run"
        raise UnknownName(f"there is no run {where}".rstrip() + " in this state", hint=hint)

    def result(self, named: str) -> Result:
        """Return what the run whose id begins so came to, or has come to so far."""
        named = self.newest() if named == LAST else named
        self._runs.reconcile()
        live = [each for each in going_on(self._runs.journals) if each.run.startswith(named)]
        if len(live) == 1:
            return live[0]
        return self._with_rollback(Result.of(self._records.events(self._records.run(named))))

    def _with_rollback(self, result: Result) -> Result:
        """Return a failed run with the one that rolled it back, else with the newest that tried."""
        if result.outcome in {None, Outcome.SUCCEEDED}:
            return result
        slug, target = Slug(result.slug), TargetName(result.target)
        back, of = RunKind.ROLLBACK, result.run
        going = going_on(self._runs.journals)
        live = [e for e in going if e.parent_run == of and e.run_kind is back]
        rows = self._records.past_runs(slug, target)
        own = [r for r in rows if r.parent_run == of and r.run_kind is back]
        if not live and not own:
            return result
        good = [each for each in own if each.outcome is Outcome.SUCCEEDED]
        found = live[0] if live else Result.of(self._records.events(RunId([*good, *own][0].run)))
        return replace(result, rollback=found)

    def health(
        self, named: str | None, project: Project | None, target: TargetName | None
    ) -> HealthTries:
        """Return each try of a run's health checks; without a name, of the newest run.

        The newest run is one of *project*, on *target* if that is given.
        """
        self.catch_up()
        named = self.newest() if named == LAST else named
        if named is None:
            assert project is not None  # noqa: S101 - the caller chose one
            newest = self._records.runs(project.slug, target, Filter(last=1))
            if not newest:
                where = f" on {target}" if target else ""
                message = f"{project.slug} has no run{where} that could have measured health"
                raise UsageProblem(message, hint=f"templedb health check {project.slug}")
            named = newest[0].run
        entries = self._records.events(self._records.run(named))
        result = Result.of(entries)
        return HealthTries(
            slug=Slug(result.slug),
            target=TargetName(result.target),
            run=result.run,
            health=result.health,
            rows=tuple(_try(each) for each in entries if isinstance(each.event, HealthMeasured)),
        )

    def logs(self, named: str, step: int | None) -> StepLogs:
        """Return what the commands of a run wrote, and what servers said; steps count from 1.

        Of a step that goes on, was cancelled or that nobody saw end, it is what there is so far.
        """
        result = self.result(named)
        if step is not None and not 1 <= step <= len(result.steps):
            message = f"run {result.run[:13]} has no step {step}"
            raise UsageProblem(message, hint=f"its steps are 1 to {len(result.steps)}")
        kept: list[tuple[str, str]] = []
        gone: list[str] = []
        said: list[StepSaid] = []
        for number, each in enumerate(result.steps, start=1):
            if step not in {None, number} or each.started_ms is None:
                continue
            title = f"{number} {each.label.group}: {each.label.title}"
            path = each.log.path if each.log else log_path(result.run, number - 1)
            if each.messages:
                said.append(_said(title, each))
            text = read_log(self._runs.logs, path)
            if text is not None:
                kept.append((title, text))
            elif each.log:
                gone.append(title)
        return StepLogs(run=result.run, steps=tuple(kept), gone=tuple(gone), messages=tuple(said))

    def status(self, project: Project, targets: tuple[TargetName, ...]) -> DeployStatus:
        """Return what goes on, and what ended last, on each of *targets*."""
        self._runs.reconcile()
        live = {(each.slug, each.target): each for each in going_on(self._runs.journals)}
        open_runs = self._records.unresolved(project.slug)
        rows = []
        for target in targets:
            ended = self._records.runs(project.slug, target, Filter(last=1, status=_ENDED))
            now = live.get((project.slug, target))
            row = _status(target, now, ended[0] if ended else None, open_runs)
            owed = None if now else self._records.ledger(project.slug, target).rollback
            rows.append(replace(row, rollback=owed))
        return DeployStatus(slug=project.slug, rows=tuple(rows))

    def stats(
        self, project: Project, target: TargetName | None, by: str, wanted: Filter
    ) -> DeployStats:
        """Return counts and durations of the runs that ended, by target and by week or month."""
        self.catch_up()
        now = self._system.clock.now()
        rows = self._records.stats(project.slug, target, by, wanted.since, now)
        return DeployStats(slug=project.slug, rows=rows, scope=_scope(target, wanted))

    def chart(
        self,
        what: str,
        project: Project,
        target: TargetName | None,
        by: str | None,
        last: int,
        since: str | None,
    ) -> Durations | Frequency:
        """Return what a picture shows: durations of what succeeded, or how often runs ended how.

        Without *by*, runs are counted by what suits the time between the first and the last.
        """
        if what == "durations":
            found = self.runs(project, target, self.filter(last, since, ("succeeded",)))
            scope = replace(found.scope, status=())  # a picture of what succeeded, always
            return Durations(slug=found.slug, rows=found.rows[::-1], scope=scope)
        wanted = self.filter(since=since)
        if by is None:
            by = suited({each.span for each in self.stats(project, target, "day", wanted).rows})
        counted = self.stats(project, target, by, wanted)
        rows = sorted(counted.rows, key=lambda each: (each.span, each.target))
        made = Frequency(slug=project.slug, by=ChartPeriod(by), rows=tuple(rows))
        return replace(made, scope=counted.scope)

    def answer(self, sql: str) -> Answer:
        """Return the first rows of a question to the state."""
        self.catch_up()
        return self._query.answer(sql)

    def frame(self, sql: str) -> pd.DataFrame:
        """Return every row of a question to the state as a DataFrame."""
        self.catch_up()
        whole: pd.DataFrame = self._query.frame(sql)
        return whole

    def catch_up(self) -> None:
        """Take in what was written by runs that died, and by those that go on."""
        self._runs.reconcile()
        self._records.fold_live(self._runs.journals)


def _scope(target: TargetName | None, wanted: Filter) -> HistoryScope:
    return HistoryScope(
        target=target, last=wanted.last, since=wanted.since, status=tuple(sorted(wanted.status))
    )


def _try(entry: Stamped) -> HealthTry:
    event = entry.event
    assert isinstance(event, HealthMeasured)  # noqa: S101 - the caller looked
    return HealthTry(
        step=event.step + 1,
        check=event.check,
        measured_at=entry.at,
        outcome=event.outcome,
        cause=event.cause,
        latency_ms=event.latency_ms,
        message=event.message,
    )


def _said(title: str, step: StepResult) -> StepSaid:
    return StepSaid(
        title=title,
        file=step.label.key,
        said=step.messages,
        more_warnings=step.more_warnings,
        more_messages=step.more_messages,
    )


_ENDED = tuple(each.value for each in Outcome)


def _status(
    target: TargetName, live: Result | None, last: RunRow | None, unresolved: frozenset[str]
) -> RunStatus:
    return RunStatus(
        target=target,
        live_run=live.run if live else "",
        live_step=_step(live) if live else "",
        live_since=live.started_at if live else None,
        last_run=last.run if last else "",
        last_outcome=last.outcome if last else None,
        last_health=last.health if last else None,
        last_kind=last.run_kind if last else None,
        last_at=last.started_at if last else None,
        message=last.message if last else "",
        unresolved=bool(last and last.run in unresolved),
    )


def _step(result: Result) -> str:
    """Return the step that runs now."""
    runs = (each.label for each in result.steps if each.state is StepState.RUNNING)
    return next((f"{label.group}: {label.title}" for label in runs), "")
