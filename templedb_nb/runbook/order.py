"""What is to be run unattended, and who watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Stamped
from templedb_nb.model.runbook import (
    RunbookEvent,
)
from templedb_nb.runbook.notebook import Notebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to run, and how."""

    notebook: Notebook
    out: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    cell_timeout_s: float | None = None
    resume: bool = False
    approvals: tuple[Path, ...] = ()
    approval_wait: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who hears what: cells as they go on, and the events of the runs in them."""

    cells: Callable[[RunbookEvent], None] = lambda _: None
    events: Callable[[Stamped], None] = lambda _: None
    saved: Callable[..., None] = lambda _, **__: None
    secret: Callable[[str, str], None] | None = None
