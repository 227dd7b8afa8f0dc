"""One approval of several plans: of all of them, or of none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from templedb_nb.app.approval.evidence import TargetEvidence
from templedb_nb.app.deploy.approvals import Approvals, Word
from templedb_nb.app.deploy.signatures import SigningKey
from templedb_nb.app.environment import Environment
from templedb_nb.core.approval.policy import decision
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.errors import ConfigError, Rejected, Stale, TempleError, UnknownName, UsageProblem
from templedb_nb.model.approval import Approval, GivenApproval, PlanBundle, Verdict
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.person import folded
from templedb_nb.model.plan import Preview
from templedb_nb.model.serialization import Digest, short
from templedb_nb.ports.store import Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledApprovals:
    """Approves plans together."""

    state: Transactions
    approvals: Approvals
    evidence: TargetEvidence
    system: Environment

    def approve(
        self, named: Sequence[str], reason: str, through: str, key: SigningKey | None = None
    ) -> tuple[GivenApproval, ...]:
        """Approve all of *named*, or raise with every problem and record nothing.

        Plans of one content are one. With *key*, one signature is over all of them.
        """
        if not named:
            raise UsageProblem("no plan is named", hint="templedb approvals --waiting")
        found = self._found(named)
        if len(found) == 1:
            return (self.approvals.judge(named[0], Verdict.APPROVED, reason, through, key),)
        _refuse([problem for each in found.values() for problem in self._problems(*each)], named)
        bundle = PlanBundle.of(self.system.new_id(), found)
        words = self._words(bundle, found, Word(
            verdict=Verdict.APPROVED, reason=without_url_passwords(reason), through=through,
            at=self.system.clock.now(),
        ))  # fmt: skip
        if key:
            words = self._signed(words, found, key)
        with self.state.transaction():
            for word in words:
                self.evidence.records.keep_approval(word)
        return tuple(self.approvals.shared(word, *found[word.content_hash]) for word in words)

    def _found(self, named: Sequence[str]) -> dict[Digest, tuple[Preview, str]]:
        """Return the plans by their content, in the order of the words; raise what is unknown."""
        found: dict[Digest, tuple[Preview, str]] = {}
        wrong: list[TempleError] = []
        for each in named:
            try:
                preview, slug = self.approvals.plan_of(each)
            except TempleError as error:
                wrong.append(error)
            else:
                found.setdefault(preview.plan.content_hash, (preview, slug))
        if len(wrong) == 1 and len(named) == 1:
            raise wrong[0]
        if wrong:
            rest = [problem for each in found.values() for problem in self._problems(*each)]
            _refuse([*wrong, *rest], named)
        return found

    def _problems(self, preview: Preview, slug: str) -> Iterator[TempleError]:
        """Yield why a plan may not be approved together with others."""
        plan = preview.plan
        about = f"plan {short(plan.id)} for {plan.target}"
        if newer := self.approvals.replaced(preview):
            yield newer
            return
        if run := self.evidence.records.overtaken_by(preview):
            yield Stale(f"{about} cannot run any more: run {run[:13]} has succeeded since")
            return
        found = self.evidence.of(slug, plan.target, [plan])
        asked = self.evidence.records.plans_asked([plan.id]).get(plan.id, preview.made_at)
        if why := found.overtaken(plan, asked):
            yield Stale(f"{about} cannot run any more: {why}")
            return
        me, planner = folded(self.system.user()), self.approvals.planner(preview)
        others = [w for w in found.words[plan.content_hash] if folded(w.given_by) != me]
        proofs = self.evidence.plans.signatures.proofs(plan.policy, others)
        if veto := decision(plan, others, planner, self.system.clock.now(), proofs).veto:
            yield Rejected(f"{about} was rejected by {veto.given_by}: {veto.reason}")

    def _words(
        self, bundle: PlanBundle, found: dict[Digest, tuple[Preview, str]], said: Word
    ) -> list[Approval]:
        made = (
            self.approvals.word(preview.plan, said, bundle.member(content_hash))
            for content_hash, (preview, _) in found.items()
        )
        return [replace(each, bundle=bundle) for each in made]

    def _signed(
        self,
        words: Sequence[Approval],
        found: dict[Digest, tuple[Preview, str]],
        key: SigningKey,
    ) -> list[Approval]:
        """Return the words with one signature over all, or raise for which it would not count."""
        signature = self.evidence.plans.signatures.signed(words[0], key).signature
        signed, wrong = [], []
        for word in words:
            plan = found[word.content_hash][0].plan
            try:
                signed.append(self.approvals.proven(replace(word, signature=signature), plan))
            except ConfigError as error:
                wrong.append(error)
        if wrong:
            told = dict.fromkeys(error.message for error in wrong)
            raise ConfigError(next(iter(told)), problems=tuple(told)[1:], hint=wrong[0].hint)
        return signed


def _refuse(wrong: Sequence[TempleError], named: Sequence[str]) -> None:
    """Raise every problem at once, as the kind that is to be mended first."""
    if not wrong:
        return
    kinds = (UnknownName, ConfigError, Stale, Rejected)
    kind = next((kind for kind in kinds if any(isinstance(e, kind) for e in wrong)), Stale)
    message = f"{len(wrong)} of {len(named)} plans cannot be approved; nothing was recorded"
    alone = "approve the others alone: templedb approve PLAN … --reason WHY"
    raise kind(
        message,
        problems=[error.message for error in wrong],
        hint=next((error.hint for error in wrong if error.hint), alone),
    )
