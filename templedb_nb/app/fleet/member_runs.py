"""The runs of a fleet's targets: each in a thread, with an application of its own."""

from __future__ import annotations

import threading
from dataclasses import field

from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.app.fleet.workers import Workers
from templedb_nb.app.project.variables import GivenValues
from templedb_nb.errors import Stale, TempleError, Unresolved
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome, Stamped
from templedb_nb.model.fleet import MemberResult, MemberState
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.step import Apply, Revert
from templedb_nb.model.target import TargetName
from templedb_nb.store import cancel_requests

_STATES = {
    Outcome.SUCCEEDED: MemberState.SUCCEEDED,
    Outcome.FAILED: MemberState.FAILED,
    Outcome.TIMED_OUT: MemberState.FAILED,
    Outcome.CANCELLED: MemberState.CANCELLED,
    Outcome.UNKNOWN: MemberState.UNKNOWN,
    None: MemberState.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRuns:
    """Brings targets to their plans, and knows which of them run."""

    workers: Workers
    slug: Slug
    given: GivenValues
    lock_wait_s: float
    _running: dict[TargetName, str] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def of_row(target: TargetName, run: str, outcome: str | None, code: int | None) -> MemberResult:
        """Return how far a target has come, by the row of its run."""
        state = _STATES[Outcome(outcome) if outcome else None]
        message = "" if state is MemberState.SUCCEEDED else f"see templedb deploy show {run[:13]}"
        return MemberResult(
            target=target, state=state, run=run, exit_code=code or 0, message=message
        )

    def carry_out(self, target: TargetName, plan: str, earlier: str) -> MemberResult:
        """Bring a target to its plan: go on with the *earlier* run of it, or begin; never raise."""
        seen: list[str] = []

        def watch(entry: Stamped) -> None:
            if not seen:
                seen.append(entry.run)
                with self._turn:
                    self._running[target] = entry.run

        wish = RunOptions(observers=(watch,), lock_wait_s=self.lock_wait_s, reason="fleet run")
        app = None
        try:
            app = self.workers.one()
            if earlier and app.history.result(earlier).outcome is not Outcome.SUCCEEDED:
                choice = Selection(project=self.slug, target=target)
                result = app.deployments.resume(choice, earlier, wish, self.given)
            else:
                result = app.deployments.run_plan(plan, wish, self.given)
        except TempleError as error:
            message = app.masker.mask(error.message) if app else type(error).__name__
            return _refused(target, error, message, "".join(seen))
        except Exception as error:  # noqa: BLE001 - a defect at one target ends no rollout
            told = f"a defect of templedb: {type(error).__name__}"
            return MemberResult(
                target=target,
                state=MemberState.UNKNOWN,
                run="".join(seen),
                exit_code=ExitCode.UNRESOLVED,
                message=told,
            )
        finally:
            with self._turn:
                self._running.pop(target, None)
        return of_result(target, result)

    def cancel(self, why: str) -> None:
        """Ask all that run to end; each ends as `run cancel` would have it."""
        with self._turn:
            running = tuple(self._running.values())
        folder = self.workers.app.runs.journals
        for run in running:
            cancel_requests.ask(folder, run, CancelRequest(wish=why))


def of_result(target: TargetName, result: Result) -> MemberResult:
    """Return how far a target has come, by its run."""
    failure, file, line = result.failure, "", 0
    message = result.message
    if failure is not None:
        label = result.steps[failure.step].label
        file = label.title if label.kind in _MIGRATIONS else ""
        line, message = failure.line or 0, failure.message
    state = _STATES[result.outcome]
    if result.final_exit_code == ExitCode.UNRESOLVED:
        state = MemberState.UNKNOWN
    return MemberResult(
        target=target,
        state=state,
        run=result.run,
        exit_code=result.final_exit_code or 0,
        message="" if state is MemberState.SUCCEEDED else message,
        file=file,
        line=line,
        took_ms=result.elapsed_ms,
    )


_MIGRATIONS = frozenset({Apply.kind, Revert.kind})


def _refused(target: TargetName, error: TempleError, message: str, run: str) -> MemberResult:
    """Return how far a target has come whose run was refused, or broke off."""
    code = error.exit_code
    state = MemberState.REFUSED
    if isinstance(error, Stale):
        state = MemberState.STALE
    elif isinstance(error, Unresolved) or code == ExitCode.UNRESOLVED:
        state = MemberState.UNKNOWN
    elif run:
        state = MemberState.FAILED
    return MemberResult(target=target, state=state, run=run, exit_code=code, message=message)
