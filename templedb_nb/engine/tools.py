"""What the steps of a run work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from typing import Protocol

from templedb_nb.core.migrations.script import Script
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.command import Invocation
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunFinished
from templedb_nb.model.layout import Address
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.step import Command
from templedb_nb.model.switch_step import NO_GO_AHEAD, GoAhead
from templedb_nb.model.target import DatabaseName, Policy
from templedb_nb.model.window import WindowPassed
from templedb_nb.ports.artifacts import ArtifactKeeper
from templedb_nb.ports.health import Checker
from templedb_nb.ports.router import Routers
from templedb_nb.ports.run import Clock, Interruptions, StepLog
from templedb_nb.ports.shell import Psql, Shell
from templedb_nb.ports.slots import SlotRecords
from templedb_nb.ports.target import Decide, Session

Admit = Callable[[Mapping[DatabaseName, Ledger]], tuple[WindowPassed, ...]]
"""Raises, under the lock, if the windows of the target let no run begin; else returns which of them
are closed that the run passes nevertheless."""


class Settle(Protocol):
    """Says which rollback a run owes that ends so, if any."""

    def __call__(
        self, finished: RunFinished, half_done: Sequence[str], *, back: bool
    ) -> RunFinished:
        """Return the end; *half_done* files stand in part, *back* asks for a rollback."""
        ...


def nothing_owed(finished: RunFinished, half_done: Sequence[str], *, back: bool) -> RunFinished:
    """Return the end of a run that owes nothing."""
    del half_done, back
    return finished


@dataclass(slots=True)
class NoInterrupts:
    """Nobody interrupts the run."""

    draining: bool = False
    wish: str = ""
    back: bool = False

    def cancellable(self) -> AbstractContextManager[None]:
        """Let the block be."""
        return nullcontext()

    def asked(self, wanted: CancelRequest) -> None:
        """Let no further step begin."""
        self.wish, self.back, self.draining = wanted.wish, wanted.back, True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the steps of one run work with; `policy` is what the target itself demands."""

    sessions: Mapping[DatabaseName, Session]
    script: Callable[[Address], Script]
    invocation: Callable[[Command, str], Invocation]
    shell: Shell
    psql: Psql
    log: Callable[[int], StepLog]
    clock: Clock
    new_id: Callable[[], str]
    decide: Decide = lambda _: ()
    policy: Policy = field(default_factory=Policy)
    admit: Admit = lambda _: ()
    interrupts: Interruptions = field(default_factory=NoInterrupts)
    resumed: int = 0
    finished: frozenset[int] = frozenset()
    """Steps behind the first `resumed` that the run had done which is resumed."""
    mask: Callable[[str], str] = str
    settle: Settle = nothing_owed
    checker: Checker | None = None
    """Who measures health; a plan without a check needs nobody."""
    routers: Routers | None = None
    slot_records: SlotRecords | None = None
    """What sends traffic to slots, and what is recorded of them; a plan without any needs none."""
    go: GoAhead = NO_GO_AHEAD
    release: int = 0
    artifacts: ArtifactKeeper | None = None
    """Who keeps and places artifacts; a plan without any needs nobody."""

    @property
    def route(self) -> Routers:
        """Return what sends traffic to slots, which a plan that switches has."""
        assert self.routers is not None  # noqa: S101 - whoever runs such a plan has them
        return self.routers

    def text(self, source: Address | None, otherwise: str = "") -> str:
        """Return the text of a script; where there is none, what stands for it."""
        return self.script(source).text if source else otherwise

    def leave_files(self) -> None:
        """Close the targets that are files: one lets one process in, the command or the check."""
        for session in self.sessions.values():
            if session.server is None:
                session.close()

    def before(self, number: int) -> bool:
        """Return whether the run that is resumed had done the step."""
        return number < self.resumed or number in self.finished
