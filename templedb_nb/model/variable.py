"""Names that commands and databases need, and where their values are kept."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName


class Keeping(StrEnum):
    """How a value is kept."""

    SEALED = "sealed"
    PLAIN = "plain"
    REFERENCE = "reference"


class Scope(StrEnum):
    """Where a value comes from, lowest precedence first."""

    ENVIRONMENT = "process environment"
    PROJECT = "project"
    TARGET = "target"
    GROUP = "group"
    OPTION = "--env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One kept variable; `text` is cipher text, plain text or a reference, as `keeping` says."""

    project: Slug
    target: TargetName | None
    name: str
    keeping: Keeping
    text: str
    set_at: datetime | None = None
    set_by: str = ""

    @property
    def scope(self) -> Scope:
        """Return where the value belongs."""
        return Scope.PROJECT if self.target is None else Scope.TARGET


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSource:
    """Where the value of a name will come from, at the run; never the value."""

    name: str
    scope: Scope
    keeping: Keeping

    def __str__(self) -> str:
        """Return the source as people read it."""
        return f"{self.name} from {self.scope} ({self.keeping})"
