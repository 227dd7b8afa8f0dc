"""Use cases of those who ask what is different, and what changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.history.history import History
from templedb_nb.core.run.comparison import applied, config_lines, step_times
from templedb_nb.errors import TempleError, UnknownName, UsageProblem
from templedb_nb.model.approval import Verdict
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.difference import Blame, Difference, HistoryEvent
from templedb_nb.model.event import Outcome, RunId
from templedb_nb.model.history import Filter
from templedb_nb.model.ledger import State
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Changes, Project, Slug, changes
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import short
from templedb_nb.model.target import Target, TargetName
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.store import ReleaseStore, SettingsStore

VERSIONS, NAMED = 1000, 5
FORMER = 50
"""So many successful runs before one are looked through for a deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """Asks the state, and the target's ledger where it can be read."""

    history: History
    records: RecordStore
    settings: SettingsStore
    content: ReleaseStore
    plans: Plans

    def diff(self, first: str, second: str | None) -> Difference:
        """Return how two runs differ; one alone is compared with the success before it."""
        after = self.history.result(second or first)
        before = self.history.result(first) if second else self._before(after)
        old, new = self._plan(before), self._plan(after)
        there = set(old.plan.variables) if old else set()
        here = set(new.plan.variables) if new else set()
        return Difference(
            before=before,
            after=after,
            files=self._files(before, after),
            config=config_lines(self._config(before), self._config(after)),
            variables_added=tuple(sorted(here - there)),
            variables_removed=tuple(sorted(there - here)),
            applied_before=applied(before),
            applied_after=applied(after),
            approved_before=self._approved(before, old),
            approved_after=self._approved(after, new),
            steps=step_times(before, after),
        )

    def blame(self, project: Project, target: Target, at: datetime, window: timedelta) -> Blame:
        """Return everything that is known to have changed within *window* of *at*."""
        begin, end = at - window, at + window
        found, note = [*self._here(project, target, begin, end)], ""
        try:
            case = self.plans.case(project, target, sync=False)
            if self.plans.databases(case):
                with self.plans.opened(case, name="blame") as opened:
                    found += self._there(opened, begin, end)
        except TempleError as error:
            note = f"the target's ledger could not be read: {error.message}"
        rows = sorted((e for e in found if begin <= e.at <= end), key=lambda each: each.at)
        return Blame(
            slug=project.slug,
            target=target.name,
            at=at,
            window_s=round(window.total_seconds()),
            rows=tuple(rows),
            note=note,
        )

    def _before(self, after: Result) -> Result:
        """Return the last success before a run; before a deployment, the last deployment."""
        wanted = Filter(last=FORMER, status=(Outcome.SUCCEEDED,), before=after.run)
        for row in self.records.runs(Slug(after.slug), TargetName(after.target), wanted):
            former = Result.of(self.records.events(RunId(row.run)))
            if former.deploys or not after.deploys:
                return former
        message = f"no run to {after.target} succeeded before {after.run[:13]}"
        raise UsageProblem(message, hint="name both runs: templedb diff RUN RUN")

    def _plan(self, result: Result) -> Preview | None:
        try:
            return self.records.plan(result.plan) if result.plan else None
        except UnknownName:
            return None

    def _files(self, before: Result, after: Result) -> Changes:
        if before.slug != after.slug or before.release == after.release:
            return Changes()
        old, new = (self.content.release(Slug(after.slug), r.release) for r in (before, after))
        return changes(old.files, new.files)

    def _config(self, result: Result) -> dict[str, object]:
        """Return the config that was set when a run began; one in a file is among the files."""
        if result.started_at is None:
            return {}
        for _, at, _, _, document in self.settings.configs(Slug(result.slug), last=VERSIONS):
            if at <= result.started_at:
                return document
        return {}

    def _approved(self, result: Result, preview: Preview | None) -> tuple[str, ...]:
        if preview is None:
            return ()
        words = self.records.approvals(preview.plan.content_hash)
        used = [each for each in words if each.used_by == result.run]
        yes = [each for each in used if each.verdict is Verdict.APPROVED]
        return tuple(f"{each.given_by}: {each.reason}" for each in yes)

    def _here(
        self, project: Project, target: Target, begin: datetime, end: datetime
    ) -> Iterator[HistoryEvent]:
        """Yield what this state file knows."""
        for run in self.records.runs(project.slug, target.name, Filter(within=(begin, end))):
            name, by = f"run {run.run[:13]}", run.started_by
            release = f"release {run.release}"
            yield HistoryEvent(at=run.started_at, what=f"{name} began", by=by, about=release)
            if run.finished_at and run.outcome and run.finished_at >= begin:
                done = ", ".join(applied(self.history.result(run.run))[:NAMED])
                about = f"{release}, {run.applied} applied; {done}; {run.message}".rstrip("; ")
                what = f"{name} {run.outcome.value.replace('_', ' ')}"
                yield HistoryEvent(at=run.finished_at, what=what, by=by, about=about)
        for word in self.records.approvals_within(project.known_as, target.name, begin, end):
            what = f"plan {short(word.plan)} {word.verdict}"
            yield HistoryEvent(at=word.given_at, what=what, by=word.given_by, about=word.reason)
        for each in self.settings.variables(project.slug, target.name):
            if each.set_at is not None:
                what = f"variable {each.name} set ({each.keeping})"
                about = f"for {each.target}" if each.target else "for all targets"
                yield HistoryEvent(at=each.set_at, what=what, by=each.set_by, about=about)
        for version, at, by, note, _ in self.settings.configs(project.slug, last=VERSIONS):
            yield HistoryEvent(at=at, what=f"config version {version}", by=by, about=note)
        for number, _, files, _, at, by in self.content.releases(project.slug):
            about = f"{files} files"
            yield HistoryEvent(at=at, what=f"release {number} taken in", by=by, about=about)

    def _there(self, opened: OpenTarget, begin: datetime, end: datetime) -> Iterator[HistoryEvent]:
        """Yield what the target's ledgers know, whoever did it from wherever."""
        for ledger in opened.ledgers.values():
            for entry in ledger.entries:
                if entry.finished_at and entry.state in {State.APPLIED, State.REVERTED}:
                    what, by = f"{entry.file} {entry.state}", entry.client
                    yield HistoryEvent(at=entry.finished_at, what=what, by=by, about=entry.kind)
        project = opened.case.project.known_as
        for session in opened.sessions.values():
            for each in session.events(project, (begin, end)):
                what = f"ledger: {each.what} {each.key}".rstrip()
                yield HistoryEvent(at=each.at, what=what, by=each.by, about=each.reason)
