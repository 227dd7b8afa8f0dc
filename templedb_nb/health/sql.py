"""Checks of type sql."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from templedb_nb.core.health.query_answer import refused, wanted
from templedb_nb.core.sql.query import question
from templedb_nb.errors import QueryRefused, TargetError
from templedb_nb.health import evidence
from templedb_nb.health.asking import asked
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Measurement, SqlCheck
from templedb_nb.model.target import TargetName

_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDatabase:
    """A database, and the module that asks it in the probe.

    `about` is what that module needs to open it. With `reach`, a host and a port, it is a server.
    """

    program: str
    about: Mapping[str, Any] = field(repr=False)
    reach: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlChecker:
    """Asks a database of the target in a transaction that can only read."""

    database: Callable[[SqlCheck], AskedDatabase]
    target: TargetName
    title: str
    mask: Callable[[str], str]
    environment: Mapping[str, str] = field(repr=False)

    def measure(self, check: SqlCheck, within_s: float) -> Measurement:
        """Ask once."""
        try:
            where = self.database(check)
            request = self._request(check, where, within_s)
        except (QueryRefused, TargetError) as error:
            cause, message = refused(error)
            return Measurement(
                cause=cause, message=evidence.message(message, self.mask), latency_ms=0
            )
        found = asked(where.program, request, within_s, self.environment)
        return Measurement(
            cause=found.cause,
            message=evidence.message(found.message, self.mask),
            latency_ms=found.latency_ms,
            evidence=evidence.kept(found.evidence, self.mask),
        )

    def _request(self, check: SqlCheck, where: AskedDatabase, within_s: float) -> dict[str, Any]:
        asks, expects = question(check.query, {}), wanted(check.expect)
        return {
            **where.about,
            "reach": where.reach,
            "target": self.target,
            "title": self.title,
            "expect": check.expect,
            "question": {
                "sql": asks.sql,
                "text": asks.text,
                "start": asks.start,
                "timeout_s": within_s,
                "limit": max(_ROWS, expects.needs) if expects else _ROWS,
            },
        }
