"""Plans that wait for approvals, over all projects and targets of the state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from templedb_nb.app.approval.evidence import PlanEvidence, TargetEvidence
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.approval.policy import decision
from templedb_nb.core.approval.waiting import waiting
from templedb_nb.core.migrations.waiting_files import changed_since
from templedb_nb.errors import TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.step import Apply
from templedb_nb.model.waiting import JudgedPlan, KeptPlan, WaitingList
from templedb_nb.model.waiting_files import WaitingFiles
from templedb_nb.ports.records import RecordStore


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingApprovals:
    """Asks each target that has plans without an end which of them wait for approvals."""

    projects: Projects
    plans: Plans
    runs: Runs
    configs: Configs
    evidence: TargetEvidence
    records: RecordStore
    system: Environment

    def list(self, slug: str | None) -> WaitingList:
        """Return what waits for approvals, of one project or of all."""
        project = self.projects.pick(slug).slug if slug is not None else None
        self.runs.reconcile(anew=True)
        kept, unseen = self.records.waiting_plans(project)
        notes = [f"{unseen} older plans were not looked at"] if unseen else []
        judged: list[JudgedPlan] = []
        alerts: dict[str, WaitingFiles] = {}
        for own in _by_target(each for each in kept if not each.preview.plan.harmless):
            slug, target = own[0].preview.slug, own[0].preview.plan.target
            found = self.evidence.of(slug, target, [each.preview.plan for each in own])
            if found.gone:
                continue
            if found.trouble:
                notes.append(f"{slug} → {target}: known from this state only: {found.trouble}")
            standing = list(self._judged(own, found))
            alerts |= self._alerts([each for each in standing if each.waits], found)
            judged += standing
        open_ = [each for each in judged if each.waits]
        return waiting(judged, dict(self._superseded(open_)), alerts, notes)

    def _judged(self, own: Sequence[KeptPlan], found: PlanEvidence) -> Iterator[JudgedPlan]:
        """Yield the plans of a target that may still run, with what people said of them."""
        now = self.system.clock.now()
        for each in own:
            plan = each.preview.plan
            if found.overtaken(plan, each.asked_at):
                continue
            words = found.words[plan.content_hash]
            proofs = self.plans.signatures.proofs(plan.policy, words)
            came_to = decision(plan, words, each.planner, now, proofs)
            yield JudgedPlan(kept=each, words=words, decision=came_to)

    def _alerts(
        self, judged: Sequence[JudgedPlan], found: PlanEvidence
    ) -> Iterator[tuple[str, WaitingFiles]]:
        """Yield the plans whose files have been in the releases for too long."""
        for each in judged:
            preview = each.kept.preview
            with suppress(TempleError):  # a config that cannot be read: a note tells of it
                project = self.projects.pick(preview.slug)
                config = self.configs.current(project, self.projects.release(project, None)).config
                files = [step.file for step in preview.plan.steps if isinstance(step, Apply)]
                alert, target = config.pending_alert, preview.plan.target
                again = changed_since(preview.plan, found.ledgers)
                if late := self.projects.waiting_files(project, target, alert, files, again):
                    yield preview.plan.id, late

    def _superseded(self, judged: Sequence[JudgedPlan]) -> Iterator[tuple[str, str]]:
        """Yield the plans that `approve` refuses, and the newer ones that replace them."""
        for each in judged:
            if newer := self.records.newer_plan(each.kept.preview):
                yield each.kept.preview.plan.id, newer


def _by_target(found: Iterable[KeptPlan]) -> Iterator[list[KeptPlan]]:
    groups: dict[tuple[str, str], list[KeptPlan]] = {}
    for each in found:
        groups.setdefault((each.preview.slug, each.preview.plan.target), []).append(each)
    yield from (groups[key] for key in sorted(groups))
