"""What is kept of a runbook in the state that its kernel uses, once it uses one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from templedb_nb.app.environment import Environment
from templedb_nb.errors import StoreError
from templedb_nb.model.runbook import Execution, ExecutionEnd, RunbookResult
from templedb_nb.model.serialization import digest
from templedb_nb.runbook.notebook import Notebook
from templedb_nb.store.duckdb.runbooks import Runbooks
from templedb_nb.store.duckdb.state_file import FOLDER, StateFile, discover


def known_as(notebook: Path, state: StateFile) -> str:
    """Return the name of a runbook: its path below the folder that has the state, or as a whole."""
    whole = notebook.resolve()
    home = state.path.parent.parent.resolve()
    if state.path.parent.name == FOLDER and whole.is_relative_to(home):
        return whole.relative_to(home).as_posix()
    return str(whole)


def state_of(notebook: Path, system: Environment) -> StateFile:
    """Return the state that a kernel in the notebook's folder finds."""
    start = notebook.resolve().parent
    named = system.environ.get("TEMPLEDB_STATE")
    path = discover(str(system.folder / named) if named else None, start, system.data_folder)
    return StateFile(path)


class Record:
    """One execution of a runbook: begun when its kernel opens a state, ended with the runner.

    A state that cannot be written stops no deployment: its targets have ledgers of their own.
    """

    def __init__(
        self, notebook: Notebook, given: dict[str, str], system: Environment, *, resume: bool
    ) -> None:
        """Look up what broke off, if *resume* says so; *given* are the parameters as literals."""
        self._system = system
        self._notebook = notebook
        self._state = state_of(notebook.path, system)
        self._begun: Runbooks | None = None
        self.id = system.new_id()
        self.given = digest(given)
        self.name = known_as(notebook.path, self._state)
        self.chain: tuple[str, ...] = ()
        if resume and self._state.path.exists():
            self.chain = Runbooks(self._state).broken_off(self.name, self.given)

    @property
    def path(self) -> str:
        """Return the state that is used."""
        return str(self._state.path)

    def begin(self, path: str, shown: RunbookResult) -> None:
        """Record the execution in the state at *path*, the first time that one is opened."""
        if self._begun is not None:
            return
        self._state = StateFile(Path(path))
        self._begun = Runbooks(self._state)
        execution = Execution(
            id=self.id,
            name=self.name,
            runbook=shown.runbook,
            given=self.given,
            parameters=shown.parameters,
            out=str(Path(shown.out).resolve()),
            started_at=shown.started_at,
            started_by=self._system.user(),
            host=self._system.host,
            pid=self._system.pid,
            resumes=self.chain[0] if self.chain else "",
        )
        with suppress(StoreError):
            self._begun.begin(execution)

    def end(self, shown: RunbookResult) -> None:
        """Record how it ended."""
        if self._begun is None:
            return
        ended = ExecutionEnd(
            ended_at=self._system.clock.now(),
            exit_code=shown.exit_code,
            reason=shown.reason,
            cells=shown.cells,
            runs=tuple(run.run for run in shown.runs),
        )
        with suppress(StoreError):
            self._begun.end(self.id, ended)
