"""What people say of plans: that one may run, that it may not; and waiting for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from templedb_nb.app.deploy.bundles import read_bundle
from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.signatures import SigningKey, fitting, read_approvals
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.approval.policy import Approved, decision, doubted, identified, uncounted
from templedb_nb.core.approval.signers import names
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.errors import ApprovalMissing, ConfigError, Stale, TempleError
from templedb_nb.model.approval import (
    Approval,
    ApprovalList,
    ApprovalStanding,
    GivenApproval,
    Verdict,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.person import folded
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.serialization import short
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.target import ApprovalRecords

NEWEST = 50
"""Words on plans that are listed where no plan is named."""

POLL_S = 1.0
"""How often somebody who waits for an approval looks for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What somebody says: their verdict, why, by what, and when, if that is not now."""

    verdict: Verdict
    reason: str
    through: str
    at: datetime | None = None


class Approvals:
    """Use cases around approvals."""

    def __init__(
        self, projects: Projects, plans: Plans, records: RecordStore, system: Environment
    ) -> None:
        """Keep words in *records*, and in ledgers that *plans* opens."""
        self._projects = projects
        self._plans = plans
        self._records = records
        self._system = system

    def judge(
        self, named: str, verdict: Verdict, reason: str, through: str, key: SigningKey | None = None
    ) -> GivenApproval:
        """Say that the content of a plan may run, or may not.

        With *key*, it is signed; a signature that would not count is refused, and nothing is kept.
        """
        preview, slug = self.plan_of(named)
        if verdict is Verdict.APPROVED and (newer := self.replaced(preview)):
            raise newer
        reason = without_url_passwords(reason)  # it is recorded for good
        said = Word(verdict=verdict, reason=reason, through=through)
        approval = self.word(preview.plan, said, self._system.new_id())
        if key:
            approval = self._signed(approval, preview.plan, key)
        self._records.keep_approval(approval)
        return self.shared(approval, preview, slug)

    def shared(self, approval: Approval, preview: Preview, slug: str) -> GivenApproval:
        """Share an approval that is kept here, and say why it will not count, if it will not."""
        where = self._share(approval, slug)
        why = self._uncounted(preview, approval)
        return GivenApproval(approval=approval, kept=where, uncounted=why)

    def replaced(self, preview: Preview) -> Stale | None:
        """Return the error that a plan of a newer release replaces this one, if one does."""
        newer = self._records.newer_plan(preview)
        if not newer:
            return None
        message = f"plan {short(preview.plan.id)} is of release {preview.release}; plan"
        message = f"{message} {short(newer)} of a newer one replaces it"
        hint = f"review the newer plan: templedb approve {short(newer)} --reason WHY"
        return Stale(message, hint=hint)

    def word(self, plan: Plan, said: Word, key: str) -> Approval:
        """Return the approval *key* of who works here, of *plan*, now."""
        return Approval(
            id=key,
            plan=plan.id,
            content_hash=plan.content_hash,
            project=plan.project,
            target=plan.target,
            given_by=self._system.user(),
            given_at=said.at or self._system.clock.now(),
            reason=said.reason,
            through=said.through,
            verdict=said.verdict,
        )

    def _uncounted(self, preview: Preview, approval: Approval) -> str:
        """Return why a word that was just given will not count."""
        plan, planner = preview.plan, self.planner(preview)
        if plan.policy.signed and not approval.signature and approval.verdict is Verdict.APPROVED:
            return f"{plan.target} requires a signature (--sign)"
        proofs = self._plans.signatures.proofs(plan.policy, [approval])
        return uncounted(plan, approval, planner, approval.given_at, proofs)

    def _signed(self, approval: Approval, plan: Plan, key: SigningKey) -> Approval:
        return self.proven(self._plans.signatures.signed(approval, key), plan)

    def proven(self, signed: Approval, plan: Plan) -> Approval:
        """Return a signed approval with its signer; raise if it would not count for *plan*."""
        proofs = self._plans.signatures.proofs(plan.policy, [signed])
        if plan.policy.signers and (doubt := doubted(signed, plan.policy, proofs)):
            message = (
                f"an approval by {signed.given_by} would not count: {doubt}; nothing was recorded"
            )
            may = ", ".join(names(plan.policy.signers))
            hint = f"sign as one of {may}: set TEMPLEDB_USER or git's user.email, and use their key"
            raise ConfigError(message, hint=hint)
        return identified(signed, plan.policy, proofs)

    def admit(
        self,
        files: Iterable[Path],
        preview: Preview,
        sessions: Mapping[DatabaseName, ApprovalRecords],
    ) -> Preview:
        """Take in approvals from files, each by its signature alone, and count again."""
        plan = preview.plan
        for file in files:
            approval = fitting(file, read_approvals(file), plan)
            proofs = self._plans.signatures.proofs(plan.policy, [approval])
            if doubt := doubted(approval, plan.policy, proofs):
                message = f"{file} does not count: {doubt}"
                raise ApprovalMissing(message, hint="templedb approve PLAN --sign --out FILE")
            self._records.keep_approval(approval)
            for session in sessions.values():
                session.approve([approval])
        return self._plans.decided(preview, self._plans.approvals(plan, sessions))

    def meant(
        self, files: tuple[Path, ...], offered: tuple[Path, ...], plan: Plan
    ) -> tuple[Path, ...]:
        """Return the approvals of *files*, and those of *offered* that are of that plan.

        If a plan needs some and none is of it, all are returned, so that whoever counts them says
        what is wrong.
        """
        own = plan.content_hash
        mine = tuple(f for f in offered if own in {a.content_hash for a in read_approvals(f)})
        return (*files, *(mine or (offered if plan.policy.needed else ())))

    def words(self, named: str | None) -> ApprovalList:
        """Return what people said of a plan, here and in its target's ledger; or the newest."""
        if named is None:
            rows = self._records.recent_approvals(None, NEWEST)
            return ApprovalList(rows=tuple(self._identified(each) for each in rows))
        preview, slug = self.plan_of(named)
        found, why = self._said(preview, slug)
        policy = preview.plan.policy
        proofs = self._plans.signatures.proofs(replace(policy, signed=False), found)
        planner, now = self.planner(preview), self._system.clock.now()
        left_out = decision(preview.plan, found, planner, now, proofs).left_out
        found = tuple(identified(each, policy, proofs) for each in found)
        alone = f"the ledger of {preview.plan.target} could not be read"
        note = f"{alone}; this list is from this state file alone: {why}" if why else ""
        return ApprovalList(rows=found[::-1], note=note, left_out=left_out)

    def _identified(self, each: Approval) -> Approval:
        """Return a word with what is known of who gave it, if its plan is still known here."""
        if not each.signature:
            return each
        try:
            policy = self._records.plan(each.plan).plan.policy
        except TempleError:
            return each
        proofs = self._plans.signatures.proofs(replace(policy, signed=False), [each])
        return identified(each, policy, proofs)

    def plan_of(self, named: str) -> tuple[Preview, str]:
        """Return the plan of that id or in that bundle file, and its project's first name here."""
        if Path(named).is_file():
            bundle, _ = read_bundle(Path(named))
            return bundle.preview, bundle.slug
        preview = self._records.plan(named)
        return preview, preview.slug

    @contextmanager
    def _opened(self, slug: str, target: str) -> Iterator[OpenTarget]:
        case = self._plans.case(self._projects.pick(slug), target, sync=False)
        with self._plans.opened(case, name="approvals") as opened:
            yield opened

    def _share(self, approval: Approval, slug: str) -> str:
        """Write an approval into the target's ledger, where there is one that can be reached."""
        try:
            with self._opened(slug, approval.target) as opened:
                written = [session.approve([approval]) for session in opened.sessions.values()]
        except TempleError as error:
            return f"recorded only in this state file: {error.message}"
        return (
            "recorded here and in the target's ledger"
            if any(written)
            else "recorded in this state file"
        )

    def wait(self, preview: Preview, seconds: float) -> None:
        """Return once the plan may run; no lock and no session is held meanwhile."""
        clock = self._system.clock
        end = clock.monotonic_ms() + seconds * 1000
        while self.standing(preview).decision.missing:
            if clock.monotonic_ms() > end:
                self.demand(preview)
            clock.sleep(POLL_S)
        self.demand(preview)

    def demand(self, preview: Preview) -> None:
        """Raise `Rejected` or `ApprovalMissing` unless the plan may run now."""
        plan, planner = preview.plan, self.planner(preview)
        found, _ = self._said(preview, preview.slug)
        proofs = self._plans.signatures.proofs(plan.policy, found)
        now = self._system.clock.now()
        Approved(plan=plan, approvals=found, planner=planner, now=now, proofs=proofs)

    def standing(self, preview: Preview) -> ApprovalStanding:
        """Return how the plan stands, and whether a word of who asks would count."""
        plan, me, now = preview.plan, self._system.user(), self._system.clock.now()
        (words, _), planner = self._said(preview, preview.slug), self.planner(preview)
        word = Approval(
            id="",
            plan=plan.id,
            content_hash=plan.content_hash,
            project=plan.project,
            target=plan.target,
            given_by=me,
            given_at=now,
            reason="",
            through="",
        )
        proofs = self._plans.signatures.proofs(plan.policy, words)
        others = [each for each in words if folded(each.given_by) != folded(me)]
        without = decision(plan, others, planner, now, proofs)
        mine = decision(plan, [*others, word], planner, now, proofs)
        told = [each for each in mine.left_out if each not in without.left_out]
        now_is = decision(plan, words, planner, now, proofs)
        return ApprovalStanding(me=me, decision=now_is, mine=told[0] if told else "")

    def planner(self, preview: Preview) -> str:
        """Return who made the first plan of that content."""
        return self._records.planner(preview.plan.content_hash) or preview.made_by

    def _said(self, preview: Preview, slug: str) -> tuple[tuple[Approval, ...], str]:
        """Return the words on a plan, oldest first, and why no ledger was asked for them."""
        plan = preview.plan
        try:
            with self._opened(slug, plan.target) as opened:
                found = self._plans.approvals(plan, opened.sessions)
                silent = [name for name in opened.databases if name not in opened.sessions]
                return found, f"{', '.join(silent)} has no value" if silent else ""
        except TempleError as error:
            return self._records.approvals(plan.content_hash), error.message
