"""Checks of type tcp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from templedb_nb.core.health.variables import filled
from templedb_nb.health import evidence
from templedb_nb.health.asking import asked
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Measurement, TcpCheck

PROGRAM = "templedb_nb.health.reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpChecker:
    """Connects, in a process of its own."""

    value: Callable[[str], str]
    mask: Callable[[str], str]
    environment: Mapping[str, str] = field(repr=False)

    def measure(self, check: TcpCheck, within_s: float) -> Measurement:
        """Connect once, and hang up."""
        host = filled(check.host, self.value).strip("[]")
        found = asked(PROGRAM, {"reach": [host, check.port]}, within_s, self.environment)
        message = evidence.message(found.message, self.mask)
        return Measurement(cause=found.cause, message=message, latency_ms=found.latency_ms)
