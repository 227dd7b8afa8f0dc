"""Following a run that somebody else began: by its journal, until it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.environment import Environment
from templedb_nb.app.history.history import History
from templedb_nb.errors import UsageProblem
from templedb_nb.model.event import RunFinished, RunId, Stamped
from templedb_nb.model.history import Filter
from templedb_nb.model.result import Result
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.run import Observer
from templedb_nb.store.journal import going_on, so_far
from templedb_nb.store.logs import LogTail, log_path

LOOK_S = 0.2
"""How often the journal is looked at."""


class RunFollower:
    """Use cases of those who watch a run of this state that goes on elsewhere."""

    def __init__(
        self, records: RecordStore, runs: Runs, history: History, system: Environment
    ) -> None:
        """Read what *runs* writes, and *records* keeps."""
        self._records = records
        self._runs = runs
        self._history = history
        self._system = system

    def live(self, slug: str | None = None, target: str | None = None) -> tuple[Result, ...]:
        """Return the runs that go on, of a project and a target where they are named."""
        return tuple(
            each
            for each in going_on(self._runs.journals)
            if slug in {None, each.slug} and target in {None, each.target}
        )

    def one(self, start: str | None, slug: str | None, target: str | None) -> Result:
        """Return the run that is meant; without the beginning of its id, the only one."""
        found = [each for each in self.live(slug, target) if each.run.startswith(start or "")]
        if len(found) == 1:
            return found[0]
        about = f"whose id begins with {start} " if start else ""
        hint = "templedb deploy history shows the runs that ended"
        message = (
            f"no run {about}is running on this machine"
            if not found
            else "several runs are running: name one"
        )
        problems = [f"{each.run}: {each.slug} to {each.target}" for each in found]
        raise UsageProblem(message, hint=hint if not found else "", problems=problems)

    def again(self, case: DeployContext, wish: RunOptions) -> Result | None:
        """Return the run that a cell asks for once more; None if it asks for a new one.

        It is the run of the very release that goes on at the target, if it is of this state, or the
        last one there, if *wish* says that nobody saw its end.
        """
        if wish.attach is None:
            return None
        slug, target, release = case.project.slug, case.target.name, case.release.number
        for each in self.live(slug, target):
            if each.release == release:
                name = f"run {each.run[:13]} of {each.started_by}"
                wish.tell(f"{name} is still running: watching it")
                return self.follow(RunId(each.run), wish.observers)
        rows = self._records.runs(slug, target, Filter(last=1))
        last = self._history.result(rows[0].run) if rows else None
        if last is None or last.release != release or not wish.attach(last):
            return None
        name = f"run {last.run[:13]} of {last.started_by}"
        wish.tell(f"{name} ended unseen: this is its outcome. Run the cell once more to begin anew")
        return last

    def follow(self, run: RunId, observers: Iterable[Observer]) -> Result:
        """Tell *observers* what the run has done and does, and return what it came to.

        What its commands write is in its log and not in its journal, so it is not told.
        """
        told, watching = 0, tuple(observers)
        while True:
            entries = self._entries(run)
            for entry in entries[told:]:
                for each in watching:
                    each(entry)
            told = max(told, len(entries))
            if entries and isinstance(entries[-1].event, RunFinished):
                return Result.of(entries)
            self._system.clock.sleep(LOOK_S)

    def output(self, run: str, step: int) -> LogTail:
        """Return what reads the output of a step, from 0, while it is written and later."""
        return LogTail(self._runs.logs / log_path(run, step))

    def _entries(self, run: RunId) -> Sequence[Stamped]:
        """Return all events so far; those of a run whose process died end as its target says."""
        found = so_far(self._runs.journals, run)
        if found is not None:
            return found
        self._runs.reconcile()
        return self._records.events(run)
