"""What cells did before: a runbook's commands, and the runs whose end no page saw."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from templedb_nb.core.plan.intent import asked
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunStarted
from templedb_nb.model.runbook import Done
from templedb_nb.model.serialization import Digest, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from templedb_nb.app import Container
    from templedb_nb.model.event import Stamped
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.notebook.runner_channel import RunnerChannel


@dataclass
class CellRuns:
    """The runs that one kernel's cells began, and the pages that asked for them.

    A page that is loaded again is another one, and shows what was saved: maybe a run that goes on.
    """

    _began: dict[str, tuple[str, str]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def watching(self, cell: str, page: str) -> Callable[[Stamped], None]:
        """Return an observer that notes the runs which *cell* begins for *page*."""

        def note(entry: Stamped) -> None:
            if isinstance(entry.event, RunStarted):
                self._began.setdefault(entry.run, (cell, page))

        return note

    def unseen(self, result: Result, cell: str, page: str) -> bool:
        """Return whether the end of a run is new to *cell* in *page*: once, for each run.

        It is if the process of the run died, or if the cell began it for another page.
        """
        if result.run in self._told:
            return False
        began = self._began.get(result.run)
        lost = result.found_at is not None and began is None
        new = lost or (began is not None and began[0] == cell != "" and began[1] != page)
        if new:
            self._told.add(result.run)
        return new


@dataclass
class CellCommands:
    """The commands of one kernel that a runner started; equal ones of a cell are counted."""

    teller: RunnerChannel
    _cell: tuple[str, str] = ("", "")
    _count: dict[Digest, int] = field(default_factory=dict)

    def step(self, at: tuple[str, str], command: str, words: Sequence[str], body: str) -> Step:
        """Return the command that the cell gives now; *at* is its id, and its execution's."""
        if at != self._cell:
            self._cell, self._count = at, {}
        about = [self.teller.name, self.teller.given, at[0], list(words), body]
        first = digest(about)
        number = self._count[first] = self._count.get(first, -1) + 1
        return Step(
            teller=self.teller,
            key=digest([*about, number]),
            cell=at[0],
            command=command,
            words=" ".join(words),
        )


@dataclass
class Step:
    """A command that changes something, with the key by which it is known again."""

    teller: RunnerChannel
    key: Digest
    cell: str
    command: str
    words: str
    _content: str = ""
    _recorded: bool = False

    def found(self, app: Container) -> Done | None:
        """Return what an execution that broke off has left of it."""
        if not self.teller.chain:
            return None
        return app.runbooks.done(self.key, self.teller.chain)

    def planned(self, preview: Preview) -> None:
        """Know what the run will bring about."""
        self._content = asked(preview)

    def listens(self, app: Container) -> Callable[[Stamped], None]:
        """Return what records the command's run before that touches anything."""

        def heard(entry: Stamped) -> None:
            if isinstance(entry.event, RunStarted):
                self._add(app, entry.at, str(entry.run))

        return heard

    def over(self, app: Container) -> None:
        """Record that the command was carried out; of one that ran a plan, its run says more."""
        if not self._recorded:
            self._add(app, app.system.clock.now(), "")

    def _add(self, app: Container, at: datetime, run: str) -> None:
        self._recorded = True
        app.runbooks.add(
            Done(
                key=self.key,
                runbook=self.teller.execution,
                cell=self.cell,
                words=app.masker.mask(self.words),
                command=self.command,
                done_at=at,
                run=run,
                content=self._content,
            )
        )
