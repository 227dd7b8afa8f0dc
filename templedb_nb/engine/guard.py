"""The ledgers of a run, looked at around what no transaction of ours holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace

from templedb_nb.core.migrations.kept_text import own_text
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.run.ledger_guard import RESTORE, TOUCHED, damage, touched_by
from templedb_nb.errors import TargetError
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.config import Executor
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Event, Outcome, RunFinished, StepFailed
from templedb_nb.model.layout import Address
from templedb_nb.model.plan import Plan
from templedb_nb.model.step import Command, Migration, Mode, Step
from templedb_nb.model.target import DatabaseName
from templedb_nb.model.witness import Key, Witness
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import LedgerReader

_OTHER_SESSIONS = re.compile(r"\bdblink|\bpg_background|\bPROGRAM\b", re.IGNORECASE)
"""Words of a file that may write the ledger in another session than the one that runs it."""


@dataclass(slots=True)
class Guard:
    """Compares what the ledgers hold before and after a step, and over a whole run."""

    claim: Claim
    sessions: Mapping[DatabaseName, LedgerReader]
    script: Callable[[Address], Script]
    damaged: bool = field(default=False, init=False)
    _known: dict[DatabaseName, Witness] = field(default_factory=dict, init=False)
    _moved: bool = field(default=True, init=False)

    def begin(self, plan: Plan) -> None:
        """Read every ledger, under the lock; a plan that is about the ledger alone needs none."""
        if any(isinstance(step, Migration | Command) for step in plan.steps):
            self._known, self._moved = self._read(), False

    def before(self, step: Step) -> None:
        """Read every ledger again, if the run wrote it since and *step* may do as it likes."""
        if self._open(step) and self._moved:
            self._known, self._moved = self._read(), False

    def after(self, step: Step, event: Event) -> Event:
        """Return *event*, or one that says that the step damaged a ledger."""
        if not self._open(step):
            self._moved = True
            return event
        found = self._damage(_own(step, self.claim.project))
        if not found or not hasattr(event, "step"):
            return event
        self.damaged = True
        return _failed(event, touched_by(_name(step), found))

    def end(self, plan: Plan, finished: RunFinished) -> RunFinished:
        """Look once more at what the run is to leave, whatever its transactions said."""
        if self.damaged or not self._known:
            return finished
        own = {each for step in plan.steps for each in _own(step, self.claim.project)}
        found = self._damage(own)
        if not found:
            return finished
        self.damaged = True
        message = touched_by("a step of this run", found)
        if finished.message:
            message = f"{finished.message}; and {message}"
        return RunFinished(outcome=Outcome.UNKNOWN, exit_code=ExitCode.UNRESOLVED, message=message)

    def _damage(self, own: Collection[Key]) -> tuple[str, ...]:
        try:
            now = self._read()
        except TargetError:
            return ()  # it cannot be reached: no step goes on without it
        found = tuple(
            each
            for name, before in self._known.items()
            for each in damage(before, now[name], own=own)
        )
        self._known, self._moved = now, False
        return found

    def _read(self) -> dict[DatabaseName, Witness]:
        return {name: each.witness(self.claim.run) for name, each in self.sessions.items()}

    def _open(self, step: Step) -> bool:
        """Return whether no transaction of ours holds all that a step may do."""
        if isinstance(step, Command):
            return True
        if not isinstance(step, Migration):
            return False
        alone = step.executor is Executor.NATIVE and step.mode is Mode.TRANSACTION
        text = own_text(self.script(step.source).text, step.reading)
        return not alone or bool(_OTHER_SESSIONS.search(text))


def _own(step: Step, project: str) -> frozenset[Key]:
    key, former = getattr(step, "key", ""), getattr(step, "old_key", "")
    return frozenset((project, each) for each in (key, former) if each)


def _name(step: Step) -> str:
    return step.file if isinstance(step, Migration) else step.title


def _failed(event: Event, message: str) -> StepFailed:
    """Return that a step left a ledger damaged, with what else went wrong in it."""
    if isinstance(event, StepFailed):
        told = event.message if TOUCHED in event.message else f"{message} ({event.message})"
        return replace(
            event, message=told, hint=RESTORE, changed=True, unknown=True, timed_out=False
        )
    return StepFailed(
        step=event.step,  # type: ignore[union-attr]  # events of a step have one
        message=message,
        changed=True,
        hint=RESTORE,
        unknown=True,
        exit_status=getattr(event, "exit_status", None),
        log=getattr(event, "log", None),
        tail=getattr(event, "tail", ""),
    )
