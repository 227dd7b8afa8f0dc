"""A runbook that runs unattended: its parameters, its cells, what they did, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias  # Any: values of a notebook's parameters

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest


class CellState(StrEnum):
    """How far a cell came."""

    NOT_RUN = "not_run"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A name that the cell tagged ``parameters`` gives a literal; `default` is that text."""

    name: str
    type: str
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLine:
    """One ``%templedb`` line of a cell, as it stands there."""

    words: str
    command: str
    mutates: bool
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellShown:
    """One code cell of a runbook, and what it would ask of templedb."""

    number: int
    id: str
    title: str
    tags: tuple[str, ...] = ()
    lines: tuple[CellLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookShown:
    """A runbook before it runs."""

    json_kind: ClassVar[str] = "RunbookShown"

    notebook: str
    runbook: str
    parameters: tuple[Parameter, ...]
    cells: tuple[CellShown, ...]
    warnings: tuple[str, ...] = ()
    """What its author should know: a cell that would fail, a kernel that is not named."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the targets that its lines name, in their order."""
        named = (line.target for cell in self.cells for line in cell.lines)
        return tuple(dict.fromkeys(each for each in named if each))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnded:
    """A command of templedb that a cell gave, and how it ended."""

    cell: int
    command: str
    mutates: bool
    exit_code: int
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellExitRequest:
    """A cell ended the runbook; `done` if it named 0, which says that nothing is left to do."""

    cell: int
    said: str
    done: bool

    def __str__(self) -> str:
        """Return what ended it, and at which cell."""
        return f"cell {self.cell} ended the runbook: {self.said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """One code cell of a runbook that ran, or did not; `message` says why, if it is known."""

    number: int
    id: str
    title: str
    state: CellState = CellState.NOT_RUN
    took_ms: int = 0
    message: str = ""

    @property
    def how(self) -> str:
        """Return the state in words, and of a cell that was not run why."""
        word = self.state.value.replace("_", " ")
        return (
            f"{word} ({self.message})" if self.state is CellState.NOT_RUN and self.message else word
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookResult:
    """What a runbook came to; the exit code is that of the deployment inside.

    `roots` are the folders of the projects that it deployed, by slug.
    """

    json_kind: ClassVar[str] = "RunbookResult"

    notebook: str
    out: str
    runbook: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime
    took_ms: int
    cells: tuple[CellResult, ...]
    runs: tuple[Result, ...] = ()
    told: tuple[CommandEnded, ...] = ()
    exit_code: int = 0
    reason: str = ""
    roots: Mapping[str, str] = field(default_factory=dict)

    @property
    def ran(self) -> int:
        """Return how many cells ran to their end."""
        return sum(each.state is CellState.OK for each in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookStarted:
    """The parameters fit, and the kernel is about to start.

    `resumes` is the execution that it goes on with; with `resume` alone there was none.
    """

    json_kind: ClassVar[str] = "RunbookStarted"

    notebook: str
    out: str
    runbook: str
    cells: int
    code: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False
    resumes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted:
    """A cell was given to the kernel."""

    json_kind: ClassVar[str] = "CellStarted"

    cell: int
    of: int
    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellWrote:
    """A cell wrote something; masked."""

    json_kind: ClassVar[str] = "CellWrote"

    cell: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFinished:
    """A cell ended."""

    json_kind: ClassVar[str] = "CellFinished"

    cell: int
    state: CellState
    took_ms: int
    message: str = ""


RunbookEvent: TypeAlias = RunbookStarted | CellStarted | CellWrote | CellFinished
Pairs: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A runbook that began; `given` is the digest of its parameters.

    `resumes` is the execution that it goes on with, or nothing.
    """

    id: str
    name: str
    runbook: str
    given: Digest
    parameters: Mapping[str, str]
    out: str
    started_at: datetime
    started_by: str
    host: str
    pid: int
    resumes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionEnd:
    """How an execution ended."""

    ended_at: datetime
    exit_code: int
    reason: str
    cells: tuple[CellResult, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command of a cell that was carried out, or, with `run`, that began that run.

    `content` is the digest of what it deployed, however far the target was.
    """

    key: Digest
    runbook: str
    cell: str
    words: str
    command: str
    done_at: datetime
    run: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One execution at a glance; `state` is running, ended or died."""

    execution: Execution
    state: str
    ended: ExecutionEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookHistory:
    """Executions, newest first."""

    json_kind: ClassVar[str] = "RunbookHistory"

    rows: tuple[ExecutionRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookStatus:
    """The last execution of a runbook: its cells, and what is proven done."""

    json_kind: ClassVar[str] = "RunbookStatus"

    row: ExecutionRow
    cells: tuple[CellResult, ...]
    done: tuple[Done, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
