"""The step of a plan that measures health."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Evidence
from templedb_nb.model.health import (
    Check,
    CommandCheck,
    HealthRole,
    HttpCheck,
    SqlCheck,
    TcpCheck,
)
from templedb_nb.model.phase import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHealth:
    """Measure health, and end the run where it is not good; nothing of the target changes.

    A gate has one check, which is asked until it is settled. A soak asks all of its checks in turn,
    each for its time, and ends with the first breach. Only the run itself can tell that they were
    good: what the journal does not have was not measured.
    """

    kind: ClassVar[str] = "health"
    past: ClassVar[str] = "measured"
    proof: ClassVar[Evidence] = Evidence.JOURNAL
    deploys: ClassVar[bool] = True
    mutates: ClassVar[bool] = False
    group: str
    checks: tuple[Check, ...]
    role: HealthRole = HealthRole.GATE

    @property
    def phase(self) -> Phase:
        """Health is measured after everything else."""
        return Phase.HEALTH

    @property
    def opaque(self) -> bool:
        """Return whether a command is asked, of which nobody can say beforehand what it does."""
        return any(isinstance(check, CommandCheck) for check in self.checks)

    @property
    def sends(self) -> bool:
        """Return whether the value of a variable leaves with it, to an address of the config."""
        return any("{var:" in text for check in self.checks for text in _filled(check))

    @property
    def soak_s(self) -> int:
        """Return how long it asks at the least, in seconds."""
        return max(check.timing.soak_s for check in self.checks)

    @property
    def title(self) -> str:
        """Name the step in one line."""
        if self.role is HealthRole.GATE:
            return "; ".join(f"{check.name}: {_asks(check)}" for check in self.checks)
        names = ", ".join(check.name for check in self.checks)
        return f"soak for {span(self.soak_s)}: {names}"


def span(seconds: int) -> str:
    """Return a whole number of seconds as people write it: 90s, 10m, 2h."""
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _filled(check: Check) -> tuple[str, ...]:
    """Return the texts of a check that variables are put into."""
    match check:
        case HttpCheck():
            return (check.url, *(value for _, value in check.headers))
        case TcpCheck():
            return (check.host,)
        case CommandCheck() | SqlCheck():
            return ()


def _asks(check: Check) -> str:
    match check:
        case HttpCheck():
            return f"{check.method} {check.url}"
        case TcpCheck():
            return f"tcp {check.host}:{check.port}"
        case CommandCheck():
            return check.command
        case SqlCheck():
            return " ".join(check.query.split())
