"""What a person says of a run that nobody saw end."""

from __future__ import annotations

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.run.health_decision import decided, known, of_ledger, undecided
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.errors import Ambiguous, UnknownName, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import HealthDecided, Outcome, RunId, RunStarted, Stamped
from templedb_nb.model.health import Health
from templedb_nb.model.history import Filter
from templedb_nb.model.listings import CommandOutcome
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.ports.records import RecordStore
from templedb_nb.store.journal import going_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolutions:
    """Keeps what people saw of runs."""

    projects: Projects
    planning: Plans
    running: Runs
    memory: RecordStore
    system: Environment

    def resolve(self, choice: Selection, named: str, reason: str) -> CommandOutcome:
        """Record what a person saw of a run that nobody saw end; the ledger may know it alone."""
        return _resolve(self, choice, named, reason)

    def decide_health(
        self, choice: Selection, named: str, health: Health, reason: str
    ) -> CommandOutcome:
        """Record how a target was, which a run could not measure; the run ends as that says.

        A run that another has followed on the target is not decided any more.
        """
        self.running.reconcile(anew=True)
        result = _known(self, named)
        if result is None:
            message = f"no run begins with {named!r} here: its health cannot be decided here"
            raise UnknownName(message, hint="templedb deploy history")
        self._refuse_other(choice, result)
        open_checks = undecided(result)
        if not open_checks:
            raise UsageProblem(
                f"run {result.run[:13]} has no health to decide: {known(result)}",
                hint="measure again: templedb deploy resume",
            )
        by = self.system.user()
        event = decided(result, open_checks, health, by, reason)
        choice = Selection(project=result.slug, target=result.target)
        project = self.projects.pick(choice.project)
        case = self.planning.case(project, choice.target, sync=False)
        run = RunId(result.run)
        with self.planning.opened(case, name="resolve") as opened:
            self._refuse_followed(result, opened)
            for session in opened.sessions.values():
                session.decide_health(project.known_as, of_ledger(run, event))
        self._keep(run, event)
        return CommandOutcome(text=f"run {run[:13]}: {event.message}")

    def _refuse_other(self, choice: Selection, result: Result) -> None:
        run = result.run[:13]
        meant = ((choice.project, result.slug), (choice.target, result.target))
        if wrong := [f"{asked}, not {own}" for asked, own in meant if asked and asked != own]:
            message = f"run {run} is one of {result.slug} to {result.target}"
            raise UsageProblem(message, hint=f"it was named as {'; '.join(wrong)}")

    def _refuse_followed(self, result: Result, opened: OpenTarget) -> None:
        """Raise where another run went on with the target, in this state or by the ledgers."""
        self.memory.fold_live(self.running.journals)
        slug, target = Slug(result.slug), TargetName(result.target)
        known = {each.run for each in self.memory.runs(slug, target, Filter(last=1))}
        for ledger in opened.ledgers.values():
            known |= {ledger.last_run} | ({ledger.holder.run} if ledger.holder else set())
        newest = max(known)  # ids of runs sort by the time at which they began
        if newest > result.run:
            message = f"run {newest[:13]} has followed run {result.run[:13]} on {target}"
            hint = "its health is what counts: templedb deploy resume, or deploy run"
            raise UsageProblem(message, hint=hint)

    def _keep(self, run: RunId, event: HealthDecided) -> None:
        """Add the decision to the run's events; a success has used up its approvals."""
        entries = self.memory.events(run)
        last, now = entries[-1], self.system.clock.now()
        stamped = Stamped(
            run=run, seq=last.seq + 1, at=now, elapsed_ms=last.elapsed_ms, event=event
        )
        self.memory.fold((stamped,), Result.of((*entries, stamped)))
        if event.outcome is Outcome.SUCCEEDED and isinstance(entries[0].event, RunStarted):
            self.memory.use_approvals(Digest(entries[0].event.content_hash), run)


def _resolve(app: Resolutions, choice: Selection, named: str, reason: str) -> CommandOutcome:
    """Record what a person saw of a run; where nobody has to look, say so and write nothing.

    The ledger may know the run alone: another state began it.
    """
    app.running.reconcile(anew=True)
    result = _known(app, named)
    if result is not None:
        choice = Selection(project=result.slug, target=result.target)
    project = app.projects.pick(choice.project)
    case = app.planning.case(project, choice.target, sync=False)
    with app.planning.opened(case, name="resolve") as opened:
        run = RunId(result.run) if result else _open_run(opened, named)
        settled = _settled(app, opened, result)
        if settled:
            return CommandOutcome(
                text=f"run {run} has nothing to resolve: {settled}; nothing was written"
            )
        user, now = app.system.user(), app.system.clock.now()
        sessions = opened.sessions.values()
        closed = sum(each.resolve(project.known_as, run, user, reason) for each in sessions)
    app.memory.resolve(run, now, user, reason)
    return CommandOutcome(text=f"run {run} is resolved", also=(f"{closed} open commands closed",))


def _known(app: Resolutions, named: str) -> Result | None:
    """Return what this state knows of the run; raise if it has not ended."""
    live = [each for each in going_on(app.running.journals) if each.run.startswith(named)]
    try:
        result = live[0] if live else Result.of(app.memory.events(app.memory.run(named)))
    except UnknownName:
        return None
    if result.outcome is None:
        message = f"run {result.run} has not ended: there is nothing to resolve yet"
        raise UsageProblem(message, hint=f"templedb run attach {result.run[:13]}")
    return result


def _open_run(opened: OpenTarget, named: str) -> RunId:
    """Return the run that a ledger alone knows: one of its commands has no recorded end."""
    ledgers = opened.ledgers.values()
    found = {each.run for ledger in ledgers for each in ledger.unresolved if each.run}
    pending = [ledger.rollback for ledger in ledgers if ledger.rollback]
    found |= {run for each in pending for run in (each.parent, each.run) if run}
    runs = sorted(run for run in found if run.startswith(named))
    if len(runs) > 1:
        raise Ambiguous(f"{typed(named)!r} matches more than one run", problems=runs)
    if not runs:
        where = f"target {opened.case.target.name}"
        message = (
            f"no run begins with {typed(named)!r} here, and none is unresolved in the ledger of"
        )
        raise UnknownName(f"{message} {where}", hint="templedb deploy history")
    return RunId(runs[0])


def _settled(app: Resolutions, opened: OpenTarget, result: Result | None) -> str:
    """Return why nobody has to look at the run; nothing if somebody has."""
    if result is None:
        return ""
    ledgers = opened.ledgers.values()
    if any(each.run == result.run for ledger in ledgers for each in ledger.unresolved):
        return ""
    pending = [ledger.rollback for ledger in ledgers if ledger.rollback]
    if any(result.run in {each.parent, each.run} for each in pending):
        return ""
    if result.outcome is not Outcome.UNKNOWN:
        return f"its outcome is known: {result.outcome}"
    said = app.memory.resolution(RunId(result.run))
    return f"{said} resolved it already" if said else ""
