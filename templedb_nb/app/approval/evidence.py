"""What a target says of plans for it: the words on them, and whether they may still run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime

from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.approval.policy import demanded, kept
from templedb_nb.core.approval.waiting import overtaken
from templedb_nb.errors import TempleError, UnknownName
from templedb_nb.model.approval import Approval
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import DatabaseName, Policy
from templedb_nb.ports.records import RecordStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEvidence:
    """The words on plans by their content, and the ledgers; `trouble` is why none was read.

    `demands` is what the target demands now. `gone` says that the state has no such target any
    more.
    """

    words: Mapping[Digest, tuple[Approval, ...]]
    ledgers: Mapping[DatabaseName, Ledger] = field(default_factory=dict)
    made: Mapping[str, datetime] = field(default_factory=dict)
    demands: Policy | None = None
    trouble: str = ""
    gone: bool = False

    def overtaken(self, plan: Plan, asked_at: datetime) -> str:
        """Return why a plan that was last made at *asked_at* cannot run any more."""
        return overtaken(plan, asked_at, self.ledgers, self.made, self.demands)


@dataclass(frozen=True, slots=True)
class TargetEvidence:
    """Asks targets about plans."""

    projects: Projects
    plans: Plans
    records: RecordStore

    def of(self, slug: str, target: str, plans: Sequence[Plan]) -> PlanEvidence:
        """Return what a target says of *plans*, or if it does not answer, what the state says."""
        try:
            case = self.plans.case(self.projects.pick(slug), target, sync=False)
        except UnknownName as error:
            return self._alone(plans, error.message, gone=True)
        except TempleError as error:
            return self._alone(plans, error.message)
        try:
            with self.plans.opened(case, name="approvals") as opened:
                silent = [name for name in opened.databases if name not in opened.sessions]
                runs = [run.plan for each in opened.ledgers.values() for run in each.runs]
                ledgers = opened.ledgers.values()
                return PlanEvidence(
                    words={p.content_hash: self.plans.approvals(p, opened.sessions) for p in plans},
                    ledgers=opened.ledgers,
                    made=self.records.plans_asked(runs),
                    demands=demanded(kept(Policy.of(case.target), ledgers), ledgers).planned,
                    trouble=f"{', '.join(silent)} has no value" if silent else "",
                )
        except TempleError as error:
            return self._alone(plans, error.message)

    def _alone(self, plans: Sequence[Plan], why: str, *, gone: bool = False) -> PlanEvidence:
        words = {p.content_hash: self.records.approvals(p.content_hash) for p in plans}
        return PlanEvidence(words=words, trouble=why, gone=gone)
