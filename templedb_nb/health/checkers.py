"""Which checker asks which kind of check."""

from __future__ import annotations

from templedb_nb.health.command import CommandChecker
from templedb_nb.health.http import HttpChecker
from templedb_nb.health.sql import SqlChecker
from templedb_nb.health.tcp import TcpChecker
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import (
    Check,
    CommandCheck,
    HttpCheck,
    Measurement,
    SqlCheck,
    TcpCheck,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkers:
    """A checker for each kind."""

    http: HttpChecker
    tcp: TcpChecker
    command: CommandChecker
    sql: SqlChecker

    def measure(self, check: Check, within_s: float) -> Measurement:
        """Ask once, by the checker of its kind."""
        match check:
            case HttpCheck():
                return self.http.measure(check, within_s)
            case TcpCheck():
                return self.tcp.measure(check, within_s)
            case CommandCheck():
                return self.command.measure(check, within_s)
            case SqlCheck():
                return self.sql.measure(check, within_s)
