"""A runbook that runs unattended: its parameters, its cells, what they did, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from templedb_nb.model.result import Result


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

    notebook: str
    runbook: str
    parameters: tuple[Parameter, ...]
    cells: tuple[CellShown, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the targets that its lines name, in their order."""
        named = (line.target for cell in self.cells for line in cell.lines)
        return tuple(dict.fromkeys(each for each in named if each))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A command of templedb that a cell gave, and how it ended."""

    cell: int
    command: str
    mutates: bool
    exit_code: int
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """One code cell of a runbook that ran, or did not."""

    number: int
    id: str
    title: str
    state: CellState = CellState.NOT_RUN
    took_ms: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookResult:
    """What a runbook came to; the exit code is that of the deployment inside."""

    notebook: str
    out: str
    runbook: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime
    took_ms: int
    cells: tuple[CellResult, ...]
    runs: tuple[Result, ...] = ()
    told: tuple[Told, ...] = ()
    exit_code: int = 0
    reason: str = ""

    @property
    def ran(self) -> int:
        """Return how many cells ran to their end."""
        return sum(each.state is CellState.OK for each in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookStarted:
    """The parameters fit, and the kernel is about to start."""

    notebook: str
    out: str
    runbook: str
    cells: int
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted:
    """A cell was given to the kernel."""

    cell: int
    of: int
    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellWrote:
    """A cell wrote something; masked."""

    cell: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFinished:
    """A cell ended."""

    cell: int
    state: CellState
    took_ms: int
    message: str = ""


RunbookEvent: TypeAlias = RunbookStarted | CellStarted | CellWrote | CellFinished
Pairs: TypeAlias = Mapping[str, Any]
