"""The drift of a fleet: every target is asked, and equal answers are told once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from templedb_nb.app.fleet.fleets import FleetChoice, Fleets
from templedb_nb.app.fleet.workers import Workers
from templedb_nb.errors import TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.drift import DriftReport
from templedb_nb.model.fleet import DriftedTarget, DriftState, FleetDrift
from templedb_nb.model.project import Project
from templedb_nb.model.target import Target

TELL_EVERY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDriftChecks:
    """Asks the targets of a fleet what no run of ours changed there; nothing is written."""

    workers: Workers
    fleets: Fleets

    def check(
        self,
        project: Project,
        choice: FleetChoice,
        *,
        strict: bool,
        tell: Callable[[str], None] = lambda _: None,
    ) -> FleetDrift:
        """Return how each target differs from what its last run left."""
        targets = self.fleets.members(project, choice)
        self.workers.app.runs.reconcile(anew=True)
        rows: list[DriftedTarget] = []
        with ThreadPoolExecutor(min(choice.rules.parallel, len(targets))) as pool:
            try:
                for each in pool.map(lambda target: self._of(project, target), targets):
                    rows.append(each)
                    if len(rows) % TELL_EVERY == 0:
                        tell(f"asked {len(rows)} of {len(targets)} targets")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return FleetDrift(slug=project.slug, fleet=choice.fleet, rows=tuple(rows), strict=strict)

    def _of(self, project: Project, target: Target) -> DriftedTarget:
        """Return how one target differs; in a thread of the pool."""
        app = self.workers.one()
        try:
            case = app.plans.case(project, target, sync=False)
            with app.plans.opened(case, name="drift") as opened:
                report = app.drift_checks.check(app.selections.reachable(opened), strict=False)
        except TempleError as error:
            problem = app.masker.mask(error.message)
            return DriftedTarget(target=target.name, state=DriftState.UNKNOWN, problem=problem)
        return _told(target, report)


def _told(target: Target, report: DriftReport) -> DriftedTarget:
    changes = tuple(f"{row.change.kind.value} {row.change.name}" for row in report.rows)
    if changes:
        state = DriftState.DRIFTED
    elif report.bases and not report.notes:
        state = DriftState.SAME
    else:
        state = DriftState.UNKNOWN
    problem = report.notes[0] if report.notes and not changes else ""
    return DriftedTarget(
        target=target.name, state=state, changes=changes, problem=problem, forbids=report.forbids
    )
