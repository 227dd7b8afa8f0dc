"""Where a project is deployed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, NewType

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.person import folded
from templedb_nb.model.rollback import AfterFailure, RollbackTrigger
from templedb_nb.model.window import NO_WINDOWS, Rules, Windows

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


class FindingLevel(StrEnum):
    """What findings of a kind do to a plan: forbid the run, be shown, or not be looked for."""

    BLOCK = "block"
    WARN = "warn"
    OFF = "off"


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
    approvals: int | None = None
    approvers: tuple[str, ...] = ()
    self_approval: bool | None = None
    approval_expires_s: int = 0
    signed: bool = False
    signers: tuple[str, ...] = ()
    lint: FindingLevel | None = None
    drift: FindingLevel | None = None
    from_file: bool = False
    on_failure: AfterFailure | None = None
    rollback_on: tuple[RollbackTrigger, ...] = ()
    cancel_policy: AfterFailure | None = None
    pre_approve_rollback: bool = False
    health: str = ""
    """Its own health checks as a JSON list; core/config/target_checks reads them."""
    windows: Rules = ()
    """When runs may begin, and when not."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Free facts by which selectors find it; the keys sorted."""
    imported: bool = False
    """Whether a file of ``target import`` added it."""


TEXT_FIELDS = ("provider", "host", "region", "url")
"""The fields of a target that are labels for people, and may be any text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a target demands of a run; the stricter of store and ledger holds.

    `approvals` is how many people must approve, `approvers` who may (empty: anybody), an approval
    counts for `approval_expires_s` seconds (0: for good). `signers` are the lines of an
    allowed_signers file itself: whose key may sign for whom; with `signed`, an approval counts only
    if such a key signed it. `lint` is what risky statements do to a plan, `drift` what changes of
    the database's objects do that no run made. With `pre_approve_rollback`, the approvals of a run
    count for the rollback that its plan names. `windows` are when runs may begin: no part of a
    plan or of its address, for they may change while a plan waits for approvals.
    """

    protected: bool = False
    order_policy: OrderPolicy = OrderPolicy.NON_LINEAR
    approvals: int = 0
    approvers: tuple[str, ...] = ()
    self_approval: bool = True
    approval_expires_s: int = 0
    signed: bool = False
    signers: tuple[str, ...] = ()
    lint: FindingLevel = FindingLevel.WARN
    drift: FindingLevel = FindingLevel.WARN
    pre_approve_rollback: bool = False
    windows: Windows = NO_WINDOWS

    @classmethod
    def of(cls, target: Target) -> Policy:
        """Return what *target* demands; a protected one is linear unless it says otherwise."""
        default = OrderPolicy.LINEAR if target.protected else OrderPolicy.NON_LINEAR
        alone = target.self_approval
        return cls(
            protected=target.protected,
            order_policy=target.order_policy or default,
            approvals=target.approvals or int(target.protected or target.signed),
            approvers=tuple(sorted(target.approvers)),
            self_approval=not target.protected if alone is None else alone,
            approval_expires_s=target.approval_expires_s,
            signed=target.signed,
            signers=tuple(sorted(target.signers)),
            lint=target.lint or FindingLevel.WARN,
            drift=target.drift or FindingLevel.WARN,
            pre_approve_rollback=target.pre_approve_rollback,
            windows=Windows.of(target.windows),
        )

    @property
    def wanted(self) -> str:
        """Return what approvals a run must have, as people say it; nothing where it needs none."""
        if not self.needed:
            return ""
        what = "signed approval" if self.signed else "approval"
        told = f"{self.needed} {what}{'s' if self.needed > 1 else ''}"
        if self.approvers:
            told += f" by {', '.join(self.approvers)}"
        if not self.self_approval:
            told += ", not by the author of the plan"
        if self.approval_expires_s:
            told += f", no older than {timedelta(seconds=self.approval_expires_s)}"
        return told

    @property
    def planned(self) -> Policy:
        """Return what of it a plan has: all but the windows."""
        return self if self.windows == NO_WINDOWS else replace(self, windows=NO_WINDOWS)

    @property
    def needed(self) -> int:
        """Return how many people must approve a plan; who wants signatures wants one at least."""
        return max(self.approvals, int(self.protected or self.signed))

    def stricter(self, other: Policy | None) -> Policy:
        """Return a policy that satisfies both; linear refuses, linear-skip skips, in that order."""
        if other is None:
            return self
        ranked = (OrderPolicy.LINEAR, OrderPolicy.LINEAR_SKIP, OrderPolicy.NON_LINEAR)
        order = min(self.order_policy, other.order_policy, key=ranked.index)
        lasts = [s for s in (self.approval_expires_s, other.approval_expires_s) if s]
        return Policy(
            protected=self.protected or other.protected,
            order_policy=order,
            approvals=max(self.approvals, other.approvals),
            approvers=_both(self.approvers, other.approvers, folded),
            self_approval=self.self_approval and other.self_approval,
            approval_expires_s=min(lasts, default=0),
            signed=self.signed or other.signed,
            signers=_both(self.signers, other.signers, str),
            lint=_stricter(self.lint, other.lint),
            drift=_stricter(self.drift, other.drift),
            pre_approve_rollback=self.pre_approve_rollback and other.pre_approve_rollback,
            windows=self.windows.stricter(other.windows),
        )


def strictest(policies: Iterable[Policy]) -> Policy | None:
    """Return a policy that satisfies all *policies*; None for none."""
    found: Policy | None = None
    for each in policies:
        found = each.stricter(found)
    return found


NOBODY = ("(nobody)",)
"""Who may approve, or sign, where two policies name nobody in common."""


def _both(
    one: tuple[str, ...], other: tuple[str, ...], compared: Callable[[str], str]
) -> tuple[str, ...]:
    """Return whom both name, by the spelling that sorts first."""
    if not one or not other or one == other:
        return one or other
    common = {compared(each) for each in one} & {compared(each) for each in other}
    found: dict[str, str] = {}
    for each in sorted({*one, *other}):
        if compared(each) in common:
            found.setdefault(compared(each), each)
    return tuple(found.values()) or NOBODY


def _stricter(one: FindingLevel, other: FindingLevel) -> FindingLevel:
    return min(one, other, key=tuple(FindingLevel).index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a database said of itself when `target test` asked.

    `notes` say who decided what its address leaves open; `others` are the target's other databases.
    """

    json_kind: ClassVar[str] = "Probe"

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
    notes: tuple[str, ...] = ()
    others: tuple[Probe, ...] = ()
