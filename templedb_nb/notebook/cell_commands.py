"""What cells did before: a runbook's commands, and the runs whose end no page saw."""

from __future__ import annotations

import time
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from templedb_nb.core.plan.intent import asked
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunStarted
from templedb_nb.model.runbook import Done
from templedb_nb.model.serialization import Digest, digest
from templedb_nb.notebook.button_events import BEGUN, ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from templedb_nb.app import Container
    from templedb_nb.model.event import Stamped
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.notebook.button_events import PageEcho
    from templedb_nb.notebook.runner_channel import RunnerChannel

ECHO_S = 2.0
"""How long after the end of a run the echo of a page may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a front end asks to execute: which cell, for which page, when by that page's clock."""

    cell: str = ""
    page: str = ""
    execution: str = ""
    at: datetime | None = None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Request:
        """Return what an ``execute_request`` says of itself; it is empty outside of kernels."""
        header, at = message.get("header", {}), message.get("header", {}).get("date")
        return cls(
            cell=message.get("metadata", {}).get("cellId", ""),
            page=header.get("session", ""),  # a page that is loaded again has another
            execution=header.get("msg_id", ""),
            at=at if isinstance(at, datetime) else None,
        )


@dataclass
class Begun:
    """A run that a cell began, and whether a page saw its end."""

    request: Request
    echo: PageEcho | None
    ended_s: float | None = None

    def over(self) -> None:
        """Ask the pages, now that the cell has shown the end."""
        if self.ended_s is None:
            self.ended_s = time.monotonic()
            if self.echo is not None:
                self.echo.ask(ENDED)

    def seen(self, request: Request) -> bool:
        """Return whether *request* was made by somebody who could know the end."""
        mine, echo = self.request, self.echo
        if mine.execution == request.execution != "":  # the same cell goes on
            return True
        if echo is None:
            return mine.page == request.page
        if not self._shown(echo):
            return mine.page == request.page and not echo.heard(mine.page, BEGUN)
        told_at = echo.heard_at(request.page, ENDED)
        return told_at is None or request.at is None or request.at >= told_at

    def _shown(self, echo: PageEcho) -> bool:
        """Return whether the page that shows what the cell says has come to the end of it.

        One that was there when the run began may be about to answer.
        """
        page = self.request.page
        if echo.heard(page, ENDED) or not echo.heard(page, BEGUN):
            return echo.heard(page, ENDED)
        return echo.wait(page, ENDED, (self.ended_s or time.monotonic()) + ECHO_S)


@dataclass
class CellRuns:
    """The runs that one kernel's cells began, and the pages that asked for them.

    The page that runs a cell writes its outputs, on a shared notebook, too. So the end of a run was
    seen if that page has echoed a word that was sent after it. A page that never echoes anything (a
    front end without widgets) is taken to have seen what it began, and no other page's runs.
    """

    echo: Callable[[], PageEcho | None] = lambda: None
    _began: dict[str, Begun] = field(default_factory=dict)
    _dropped: dict[str, list[Request]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def watching(self, request: Request) -> Callable[[Stamped], None]:
        """Return an observer that notes the runs which *request* begins."""

        def note(entry: Stamped) -> None:
            if isinstance(entry.event, RunStarted) and entry.run not in self._began:
                self._dropped.pop(request.cell, None)
                self._began[entry.run] = Begun(request, self._echo(request))

        return note

    def over(self, request: Request) -> None:
        """Ask the pages whether they have seen all; the command of *request* has shown it."""
        for each in self._began.values():
            if each.request == request:
                each.over()

    def dropped(self, message: Mapping[str, Any]) -> None:
        """Note a request that is not executed, because a cell before it failed."""
        request = Request.of(message)
        self._dropped.setdefault(request.cell, []).append(request)

    def unseen(self, result: Result, request: Request) -> bool:
        """Return whether the end of a run is new to whoever asks: once, for each run.

        It is if the process of the run died, or if the cell began it and no page showed its end, or
        if a page asked before it knew: it has cleared what the cell said, also where the kernel has
        dropped its request.
        """
        if result.run in self._told:
            return False
        began = self._began.get(result.run)
        if began is None:
            new = result.found_at is not None
        else:
            asked = (request, *self._dropped.get(request.cell, ()))
            new = began.request.cell == request.cell != "" and not all(map(began.seen, asked))
        if new:
            self._told.add(result.run)
        return new

    def _echo(self, request: Request) -> PageEcho | None:
        """Return what asks the pages: one for all runs of a request; former ones ask no more."""
        former = [each for each in self._began.values() if each.request.cell == request.cell]
        for each in former:
            if each.request == request:  # the rollback of a run that failed
                return each.echo
        for each in former:
            if each.echo is not None:
                each.echo.close()
        return self.echo() if request.cell else None


def hear_dropped(kernel: Any, note: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
    """Let *note* know the requests that *kernel* drops after an error; return what undoes that."""
    reply = getattr(kernel, "_send_abort_reply", None)
    if reply is None:  # no kernel, or one that does it otherwise
        return lambda: None

    def heard(stream: Any, message: dict[str, Any], idents: Any) -> None:
        note(message)
        reply(stream, message, idents)

    kernel._send_abort_reply = heard  # noqa: SLF001 - there is no other way
    return lambda: setattr(kernel, "_send_abort_reply", reply)


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
