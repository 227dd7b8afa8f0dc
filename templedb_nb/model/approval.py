"""Somebody's word that one exact plan may run, or may not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Self
from uuid import UUID, uuid5

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.serialization import Digest, canonical, digest
from templedb_nb.model.target import TargetName

UNVERIFIED = "unverified"
"""What is shown of whoever nobody checked."""

STATEMENT = 2
"""The version of what is signed: 2 has `through`, which 1 had not."""


BUNDLE_STATEMENT = 3
"""The version of what is signed where one approval is for several plans."""


class Verdict(StrEnum):
    """What somebody said of a plan."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanBundle:
    """The plans of which one person approves several at once.

    `plans` are their content hashes in order, `content_hash` is the hash over those. `id` is the
    word's own; the id of each plan's approval follows from it, so that none can be used twice.
    """

    id: str
    content_hash: Digest
    plans: tuple[Digest, ...]

    @classmethod
    def of(cls, key: str, plans: Iterable[Digest]) -> Self:
        """Return the bundle of *plans*, approved by the word *key*."""
        ordered = tuple(sorted(set(plans)))
        return cls(id=key, content_hash=digest(ordered), plans=ordered)

    def member(self, content_hash: Digest) -> str:
        """Return the id of the approval of one of the plans."""
        return str(uuid5(UUID(self.id), content_hash))

    def holds(self, approval: str, content_hash: Digest) -> bool:
        """Return whether that *approval*, by its id, of that content came by this bundle."""
        whole = self.content_hash == digest(self.plans) == digest(sorted(set(self.plans)))
        try:
            own = self.member(content_hash)
        except (ValueError, TypeError, AttributeError):
            return False
        return whole and content_hash in self.plans and own == approval


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Binds to a plan's content; the run that succeeds under it uses it up.

    `given_by` is what the person's environment says. `signature` is one of `statement`, as
    ssh-keygen writes it, or empty. `identity` says what was found of it, just now; it is for
    people, it is never kept, and nothing is decided by it. `bundle` is set where one word approved
    several plans; its signature is then over all of them.
    """

    json_kind: ClassVar[str] = "Approval"
    json_absent: ClassVar[tuple[str, ...]] = ("bundle",)

    id: str
    plan: str
    content_hash: Digest
    project: str
    target: TargetName
    given_by: str
    given_at: datetime
    reason: str
    through: str
    used_by: str = ""
    verdict: Verdict = Verdict.APPROVED
    signature: str = ""
    identity: str = UNVERIFIED
    bundle: PlanBundle | None = None

    @property
    def statement(self) -> bytes:
        """Return what is signed: canonical JSON, without an end of line."""
        if self.bundle:
            return self._bundle_statement(self.bundle)
        return self._statement({"templedb_approval": STATEMENT, "through": self.through})

    @property
    def statements(self) -> tuple[bytes, ...]:
        """Return what a signature may be of, newest version first: earlier ones stay good."""
        if self.bundle:
            return (self.statement,)
        return (self.statement, self._statement({"templedb_approval": 1}))

    def _statement(self, own: dict[str, int | str]) -> bytes:
        said = {"plan": self.content_hash, "project": self.project, "target": self.target}
        return canonical({"id": self.id, **own, **said, **self._word()})

    def _bundle_statement(self, bundle: PlanBundle) -> bytes:
        own = {"templedb_approval": BUNDLE_STATEMENT, "through": self.through}
        said = {"id": bundle.id, "bundle": bundle.content_hash, "plans": bundle.plans}
        return canonical({**own, **said, **self._word()})

    def _word(self) -> dict[str, str]:
        return {
            "verdict": self.verdict,
            "by": self.given_by,
            "at": self.moment,
            "reason": self.reason,
        }

    @property
    def moment(self) -> str:
        """Return when it was given, as every machine writes it."""
        return self.given_at.astimezone(UTC).isoformat(timespec="microseconds")

    @property
    def proof(self) -> Digest:
        """Address the statement and its signature together; of a bundle, for this plan alone."""
        own = [self.id, self.content_hash] if self.bundle else []
        return digest([self.statement.decode(), self.signature, *own])

    @property
    def who(self) -> str:
        """Return who decided, and whether that is verified."""
        signed = self.identity == signed_by(self)
        return self.identity if signed else f"{self.given_by} ({self.identity})"

    @property
    def way(self) -> str:
        """Return through what it was given, and with how many other plans."""
        if not self.bundle:
            return self.through
        return f"{self.through}, bundle of {len(self.bundle.plans)} plans"

    @property
    def by(self) -> str:
        """Return who decided, as it follows the verb: by NAME."""
        return f"{'and' if self.identity == signed_by(self) else 'by'} {self.who}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenApproval:
    """A word that was just given: where it is kept, and why it does not count, if it does not."""

    approval: Approval
    kept: str
    uncounted: str = ""

    @property
    def told(self) -> str:
        """Return what whoever gave it has to know."""
        return f"{self.kept}; it does not count: {self.uncounted}" if self.uncounted else self.kept


def signed_by(approval: Approval) -> str:
    """Return how the identity of who signed is shown."""
    return f"signed by {approval.given_by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What was found of signatures under one list of signers.

    `found` has, for each approval's `proof`, why its signature does not hold; empty where it does.
    """

    signers: tuple[str, ...] = ()
    found: Mapping[Digest, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What people's words on a plan come to.

    `counted` are the approvals that count, of `needed`; `veto` forbids the run; `left_out` says
    whose word does not count, and why; `wants` is the rule, as people say it.
    """

    needed: int = 0
    wants: str = ""
    counted: tuple[Approval, ...] = ()
    veto: Approval | None = None
    left_out: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """Return how many approvals are not there yet."""
        return max(0, self.needed - len(self.counted))

    @property
    def problems(self) -> tuple[str, ...]:
        """Return whose word does not count, and the rule where it is more than one approval."""
        rule = (f"it requires {self.wants}",) if self.wants != "1 approval" else ()
        return (*self.left_out, *rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStanding:
    """How a plan stands with those who may approve it, as *me* sees it.

    `mine` says why an approval of *me* would not count; it is empty where it would.
    """

    me: str
    decision: Decision
    mine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalList:
    """What people said of plans, newest first; `note` says what may be missing, and why.

    Of one plan, `left_out` says whose approval does not count, and why.
    """

    json_kind: ClassVar[str] = "ApprovalList"

    rows: tuple[Approval, ...]
    note: str = ""
    left_out: tuple[str, ...] = ()
