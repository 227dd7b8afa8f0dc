"""Checks of type http."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace

from templedb_nb.core.health.variables import RELEASE, filled, versioned
from templedb_nb.health import evidence
from templedb_nb.health.asking import asked
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Cause, HttpCheck, Measurement
from templedb_nb.model.serialization import to_plain

PROGRAM = "templedb_nb.health.exchange"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpChecker:
    """Asks by HTTP, in a process of its own.

    `value` gives the value of a variable; `environment` is what that process gets, of which the
    proxies count only where a check says so. `release` is the hash of the release that must answer.
    """

    value: Callable[[str], str]
    mask: Callable[[str], str]
    environment: Mapping[str, str] = field(repr=False)
    release: str = ""

    def measure(self, check: HttpCheck, within_s: float) -> Measurement:
        """Ask once."""
        if RELEASE in check.expect_version and not self.release:
            message = f"the deployed release is unknown, but expect_version uses {RELEASE}"
            return Measurement(cause=Cause.NOT_MEASURED, message=message, latency_ms=0)
        version = versioned(check.expect_version, self.release)
        request = {
            "check": to_plain(replace(check, expect_version=version, headers=())),
            "url": filled(check.url, self.value),
            "headers": [[name, filled(value, self.value)] for name, value in check.headers],
            "proxies": {n: self.environment.get(n, "") for n in _PROXIES} if check.proxy else {},
        }
        rest = {n: v for n, v in self.environment.items() if n.lower() not in _PROXIES}
        found = asked(PROGRAM, request, within_s, rest)
        return Measurement(
            cause=found.cause,
            message=evidence.message(found.message, self.mask),
            latency_ms=found.latency_ms,
            evidence=evidence.of_http(found.answer, self.mask),
        )
