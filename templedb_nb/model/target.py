"""Where a project is deployed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

TargetName = NewType("TargetName", str)
DatabaseName = NewType("DatabaseName", str)
"""The variable that holds a database's address, such as ``DATABASE_URL``."""

DATABASE_URL = DatabaseName("DATABASE_URL")


class TargetType(StrEnum):
    """What a target is; a label for people, it decides nothing."""

    DATABASE = "database"
    EDGE_FUNCTION = "edge_function"
    STATIC_SITE = "static_site"
    SERVICE = "service"


class OrderPolicy(StrEnum):
    """What happens to a pending migration that sorts before an applied one."""

    NON_LINEAR = "non-linear"
    LINEAR = "linear"
    LINEAR_SKIP = "linear-skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One place where a project is deployed, without its variables."""

    name: TargetName
    type: TargetType = TargetType.DATABASE
    provider: str = ""
    host: str = ""
    region: str = ""
    url: str = ""
    protected: bool = False
    order_policy: OrderPolicy | None = None
    from_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a target demands of a run; the stricter of store and ledger holds."""

    protected: bool = False
    order_policy: OrderPolicy = OrderPolicy.NON_LINEAR

    @classmethod
    def of(cls, target: Target) -> Policy:
        """Return what *target* demands; a protected one is linear unless it says otherwise."""
        default = OrderPolicy.LINEAR if target.protected else OrderPolicy.NON_LINEAR
        return cls(protected=target.protected, order_policy=target.order_policy or default)

    def stricter(self, other: Policy | None) -> Policy:
        """Return a policy that satisfies both; linear refuses, linear-skip skips, in that order."""
        if other is None:
            return self
        ranked = (OrderPolicy.LINEAR, OrderPolicy.LINEAR_SKIP, OrderPolicy.NON_LINEAR)
        order = min(self.order_policy, other.order_policy, key=ranked.index)
        return Policy(protected=self.protected or other.protected, order_policy=order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a database said of itself when `target test` asked."""

    target: TargetName
    database: DatabaseName
    address: str
    server: str
    role: str
    latency_us: int
    ledger: str
    may_create_ledger: bool
    superuser: bool = False
    findings: tuple[str, ...] = ()
