"""Run a runbook unattended: save after every cell, tell what goes on, and end with the truth."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from templedb_nb.app.environment import Environment
from templedb_nb.errors import shortened
from templedb_nb.model.event import RunFinished, Stamped, StepFailed, StepFinished
from templedb_nb.model.result import Progress, Result
from templedb_nb.model.runbook import (
    CellExitRequest,
    CellFinished,
    CellResult,
    CellStarted,
    CellState,
    CellWrote,
    CommandEnded,
    RunbookEvent,
    RunbookResult,
    RunbookStarted,
)
from templedb_nb.model.serialization import from_plain
from templedb_nb.runbook import parameters
from templedb_nb.runbook.kernel_channel import Pipe
from templedb_nb.runbook.light_imports import light_imports
from templedb_nb.runbook.notebook import tags, title, write
from templedb_nb.runbook.notebook_marks import marked
from templedb_nb.runbook.order import Order, Watch
from templedb_nb.runbook.outcome import StopReason, verdict
from templedb_nb.runbook.secrets import Secrets
from templedb_nb.runbook.state_record import Record

if TYPE_CHECKING:
    from templedb_nb.runbook.client import Client

GRACE_S = 6.5
"""A cell that was interrupted may take as long; a cancelled CI job has ten seconds in all."""

ASKED_S, HURRIED_S, AGAIN_S = 10.0, 1.0, 0.3
"""How long targets are asked what became of a run: a server goes on for a moment after a kill."""

VARIABLE = "TEMPLEDB_RUNBOOK"
SKIP, RAISES = "skip-execution", "raises-exception"
EXITS = ("SystemExit", "CellExit")


def run(order: Order, system: Environment, watch: Watch) -> RunbookResult:
    """Run *order*, whatever happens in it, and return what it came to."""
    return asyncio.run(Runner(order, system, watch).run())


class Runner:
    """One runbook on its way."""

    def __init__(self, order: Order, system: Environment, watch: Watch) -> None:
        """Prepare; nothing is started yet."""
        self._order, self._system, self._watch = order, system, watch
        self._notebook = order.notebook
        self._runbook = self._notebook.digest
        self._secrets = Secrets(system.environ, watch.secret)
        self._pipe = Pipe(self._hear)
        self._told: list[CommandEnded] = []
        self._runs: dict[str, Progress] = {}
        self._recalled: list[Result] = []
        self._stop: StopReason | None = None
        self._exit: CellExitRequest | None = None
        self._shown = ""
        self._running: int | None = None
        self._client: Client | None = None
        self._limits: list[asyncio.TimerHandle] = []
        self._began = system.clock.monotonic_ms()
        self._at = system.clock.now()
        self._given = {name: repr(value) for name, value in order.values.items()}
        self._roots: dict[str, str] = {}
        self._record = Record(self._notebook, self._given, system, resume=order.resume)
        self._notebook.clear()
        if order.values:
            self._notebook.inject(parameters.source(order.values))
        self._cells = {
            number: CellResult(number=number, id=cell["id"], title=title(cell["source"]))
            for number, cell in self._notebook.code()
        }

    async def run(self) -> RunbookResult:
        """Run every cell until one fails, and save whatever there is."""
        loop = asyncio.get_running_loop()
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        loop.add_signal_handler(signal.SIGINT, self._halt, StopReason.INTERRUPT)
        loop.add_signal_handler(signal.SIGTERM, self._halt, StopReason.TERMINATE)
        if self._order.timeout_s:
            loop.call_later(self._order.timeout_s, self._halt, StopReason.TIMEOUT)
        self._tell(
            RunbookStarted(
                notebook=str(self._notebook.path),
                out=str(self._order.out),
                runbook=self._runbook,
                cells=len(self._notebook.cells),
                code=len(self._cells),
                parameters=self._shown_given(),
                resumes=self._record.chain[0] if self._record.chain else "",
                resume=self._order.resume,
            )
        )
        try:
            await self._run()
        finally:
            result = self._settle()
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)
        return result

    async def _run(self) -> None:
        with light_imports():
            from templedb_nb.runbook.client import Client, kernel, private_folder
        import nbformat

        self._learn_sealed()
        with private_folder() as folder:
            self._save()
            made: Any = nbformat.from_dict
            notebook = made(self._notebook.body)
            self._notebook.body = notebook
            manager = kernel(Path(folder))
            self._client = Client(notebook, manager, self._secrets, self._pipe.drain, self._wrote)
            try:
                place = self._notebook.path.resolve().parent
                await self._client.start(place, self._environ(), self._pipe.writing)
                self._pipe.started()
                loop = asyncio.get_running_loop()
                loop.add_reader(self._pipe.reading, self._read_pipe)
                await self._all()
            finally:
                await self._client.end()
                asyncio.get_running_loop().remove_reader(self._pipe.reading)
                self._pipe.drain()
                self._pipe.close()

    def _environ(self) -> dict[str, str]:
        about = {
            "handle": self._pipe.writing,
            "execution": self._record.id,
            "name": self._record.name,
            "given": self._record.given,
            "chain": self._record.chain,
            "approvals": [str(each.resolve()) for each in self._order.approvals],
            "approval_wait": self._order.approval_wait,
        }
        return {**self._system.environ, VARIABLE: json.dumps(about)}

    async def _all(self) -> None:
        for place, cell in enumerate(self._notebook.cells):
            if cell["cell_type"] != "code":
                continue
            number = place + 1
            if self._stop or self._exit:
                return
            if SKIP in tags(cell):
                self._end(number, CellState.SKIPPED, 0)
            elif not cell["source"].strip():
                self._end(number, CellState.OK, 0)
            elif not await self._cell(cell, number):
                return

    async def _cell(self, cell: Any, number: int) -> bool:
        """Run one cell; return whether the next one may run."""
        from nbclient.exceptions import CellExecutionError, DeadKernelError

        assert self._client is not None  # noqa: S101 - it runs
        self._begin(cell, number)
        began, message, state = time.monotonic(), "", CellState.OK
        try:
            await self._client.run_cell(cell, number - 1)
        except CellExecutionError as error:
            state, message = CellState.FAILED, f"{error.ename}: {error.evalue}"
        except (DeadKernelError, asyncio.CancelledError, RuntimeError):
            self._stop = self._stop or StopReason.DIED
            how = self._client.died_how() if self._stop is StopReason.DIED else ""
            state, message = CellState.FAILED, f"{self._stop.value}{how}"
        finally:
            for limit in self._limits:
                limit.cancel()
            self._limits.clear()
            self._pipe.drain()
            self._running = None
        state, message = self._truly(cell, state, message)
        took = round((time.monotonic() - began) * 1000)
        line = shortened(self._secrets.masker.mask(message).split("\n")[0])
        self._end(number, state, took, line)
        return state is CellState.OK

    def _truly(self, cell: Any, state: CellState, message: str) -> tuple[CellState, str]:
        """Return how the cell ended, where its kernel calls an end an error, or an error none."""
        left = message.startswith(EXITS) or not message
        if self._exit is not None and left and not self._stop:
            state = CellState.OK if self._exit.done else CellState.FAILED
            return state, f"{self._exit.said} ended the runbook"
        if state is CellState.OK and self._shown and RAISES not in tags(cell):
            return CellState.FAILED, self._shown
        return state, message

    def _begin(self, cell: Any, number: int) -> None:
        self._running, self._shown = number, ""
        self._cells[number] = replace(self._cells[number], state=CellState.RUNNING)
        mine = cell["metadata"].get("templedb", {})
        limit = mine.get("timeout") if isinstance(mine, dict) else None
        seconds = _seconds(limit) or self._order.cell_timeout_s
        if seconds:
            loop = asyncio.get_running_loop()
            self._limits.append(loop.call_later(seconds, self._halt, StopReason.CELL_TIMEOUT))
        shown = self._cells[number]
        of = len(self._notebook.cells)
        masked = self._secrets.masker.mask(shown.title)
        self._save()
        self._tell(CellStarted(cell=number, of=of, id=shown.id, title=masked))

    def _end(self, number: int, state: CellState, took_ms: int, message: str = "") -> None:
        cell = self._cells[number]
        self._cells[number] = replace(cell, state=state, took_ms=took_ms, message=message)
        self._tell(CellFinished(cell=number, state=state, took_ms=took_ms, message=message))

    def _halt(self, why: StopReason) -> None:
        """Interrupt what runs; whoever asks again, or waits too long, ends the kernel."""
        again = self._stop is not None
        self._stop = self._stop or why
        if self._client is None:
            return
        if again:
            self._kill()
            return
        loop = asyncio.get_running_loop()
        loop.call_later(GRACE_S, self._kill)
        if self._running is not None:
            self._client.signal(signal.SIGINT)

    def _kill(self) -> None:
        if self._running is not None and self._client is not None:
            self._client.signal(signal.SIGKILL)

    # --- what the kernel tells ------------------------------------------------------------------

    def _hear(self, body: dict[str, Any]) -> None:
        match body:
            case {"secret": [str(name), str(value)]}:
                self._secrets.add(name, value)
            case {"event": dict(event)}:
                entry: Stamped = from_plain(Stamped, event)
                self._runs.setdefault(entry.run, Progress()).add(entry)
                self._watch.events(entry)
                if isinstance(entry.event, StepFinished | StepFailed | RunFinished):
                    self._watch.saved(self._result(), done=False)
            case {"ended": dict(about)}:
                self._told.append(CommandEnded(cell=self._running or 0, **about))
            case {"recalled": dict(result)}:
                self._recalled.append(from_plain(Result, result))
            case {"root": [str(slug), str(root)]}:
                self._roots[slug] = root
            case {"exit": {"said": str(said), "done": bool(done)}}:
                self._exits(CellExitRequest(cell=self._running or 0, said=said, done=done))
            case {"shown": [str(error), str(message)]}:
                self._shown = self._shown or f"{error}: {message}"
            case {"state": str(path)}:
                self._record.begin(path, self._result())
            case _:
                pass

    def _exits(self, asked: CellExitRequest) -> None:
        if asked.cell and (self._exit is None or (self._exit.done and not asked.done)):
            self._exit = asked

    def _read_pipe(self) -> None:
        """Read what the kernel reported; once it has ended, nothing more comes."""
        if not self._pipe.drain():
            asyncio.get_running_loop().remove_reader(self._pipe.reading)

    def _wrote(self, text: str) -> None:
        self._tell(CellWrote(cell=self._running or 0, text=text))

    def _tell(self, event: RunbookEvent) -> None:
        self._watch.cells(event)

    # --- what is kept ---------------------------------------------------------------------------

    def _settle(self) -> RunbookResult:
        """Find out what is still unknown, save all of it, and say what it came to."""
        if self._open_runs():
            self._reconcile()
        self._name_the_rest()
        result = self._result()
        code, reason = verdict(result.cells, result.told, result.runs, self._stop, self._exit)
        result = replace(result, exit_code=code, reason=self._secrets.masker.mask(reason))
        self._save(result)
        self._record.end(result)
        return result

    def _name_the_rest(self) -> None:
        """Say of each cell that did not run which one ended the runbook before it."""
        if self._exit is None:
            return
        for number, cell in self._cells.items():
            if cell.state is CellState.NOT_RUN:
                why = f"ended by cell {self._exit.cell}"
                self._cells[number] = replace(cell, message=why)

    def _learn_sealed(self) -> None:
        """Know what the kernel could open before its first cell shows any of it."""
        from templedb_nb.app.container import Container
        from templedb_nb.errors import TempleError

        if not Path(self._record.path).exists():
            return
        with suppress(TempleError):
            app = Container.open(self._record.path, system=self._system)
            for name, values in app.variables.sealed().items():
                for value in values:
                    self._secrets.add(name, value)

    def _reconcile(self) -> None:
        """Ask the targets how runs ended whose kernel was killed before it could say so."""
        from templedb_nb.app.container import Container
        from templedb_nb.errors import TempleError

        app = Container.open(self._record.path, system=self._system)
        app.masker.heard = self._secrets.add
        cancelled = self._stop in {StopReason.INTERRUPT, StopReason.TERMINATE}
        end = time.monotonic() + (HURRIED_S if cancelled else ASKED_S)
        while self._open_runs() and time.monotonic() < end:
            with suppress(TempleError):
                app.runs.reconcile()
                for run in self._open_runs():
                    self._recall(run, app.records.events(app.records.run(run)))
            if self._open_runs():
                self._system.clock.sleep(AGAIN_S)

    def _open_runs(self) -> list[str]:
        return [run for run, progress in self._runs.items() if progress.result.outcome is None]

    def _recall(self, run: str, known: Sequence[Stamped]) -> None:
        if known and isinstance(known[-1].event, RunFinished):
            self._runs[run] = Progress()
            for entry in known:
                self._runs[run].add(entry)

    def _result(self) -> RunbookResult:
        return RunbookResult(
            notebook=str(self._notebook.path),
            out=str(self._order.out),
            runbook=self._runbook,
            parameters=self._shown_given(),
            roots=self._roots,
            started_at=self._at,
            took_ms=self._system.clock.monotonic_ms() - self._began,
            cells=tuple(
                replace(each, title=self._secrets.masker.mask(each.title))
                for each in self._cells.values()
            ),
            runs=(*self._recalled, *(progress.result for progress in self._runs.values())),
            told=tuple(self._told),
        )

    def _shown_given(self) -> dict[str, str]:
        return {name: self._secrets.masker.mask(value) for name, value in self._given.items()}

    def _save(self, result: RunbookResult | None = None) -> None:
        """Write the notebook as it is now, without any secret that is known by now."""
        shown = result or self._result()
        body = marked(self._notebook.body, self._cells, shown, done=result is not None)
        write(self._order.out, self._secrets.document(body))
        self._watch.saved(shown, done=result is not None)


def _seconds(limit: object) -> float | None:
    """Return a limit that stands in a cell's metadata: a number of seconds, or ``15m``."""
    from templedb_nb.core.values.points_in_time import wait_s

    if isinstance(limit, str):
        return wait_s(limit)
    return float(limit) if isinstance(limit, int | float) and limit > 0 else None


__all__ = ["Order", "Result", "Runner", "Watch", "run"]
