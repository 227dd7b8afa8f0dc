"""What a reader of a plan or a config must know."""

from __future__ import annotations

from enum import StrEnum

from templedb_nb.model.dataclass import dataclass


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Topic(StrEnum):
    """What a finding is about; some are answered by an option, some by nothing but a fix."""

    CONFIG = "config"
    VARIABLE = "variable"
    MIGRATION = "migration"
    ORDER = "order"
    COMMAND = "command"
    FILES = "files"
    LOCK = "lock"
    FROZEN = "frozen"
    APPROVAL = "approval"
    UNRESOLVED = "unresolved"
    LEDGER = "ledger"
    HEALTH = "health"
    LINT = "lint"
    DRIFT = "drift"
    ROLLBACK = "rollback"
    PROMOTION = "promotion"
    SLOTS = "slots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found, where it is, and what fixes it."""

    severity: Severity
    topic: Topic
    message: str
    where: str = ""
    mend: str = ""

    def __str__(self) -> str:
        """Return the finding as one line."""
        place = f"{self.where}: " if self.where else ""
        mend = f" ({self.mend})" if self.mend else ""
        return f"{place}{self.message}{mend}"


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return those that forbid a run."""
    return tuple(each for each in findings if each.severity is Severity.ERROR)
