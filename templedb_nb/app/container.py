"""The wiring: every use case made once, from what it needs; nothing is decided here."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from templedb_nb.app.approval.bundle import BundledApprovals
from templedb_nb.app.approval.evidence import TargetEvidence
from templedb_nb.app.approval.waiting import WaitingApprovals
from templedb_nb.app.artifacts.artifacts import Artifacts
from templedb_nb.app.artifacts.collection import ArtifactCollection
from templedb_nb.app.deploy.approvals import Approvals
from templedb_nb.app.deploy.attach import RunFollower
from templedb_nb.app.deploy.connections import Connections
from templedb_nb.app.deploy.deployments import Deployments
from templedb_nb.app.deploy.locks import Locks
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.deploy.selections import Selections
from templedb_nb.app.deploy.workspace import Workspace
from templedb_nb.app.health.checks import HealthChecks
from templedb_nb.app.health.surroundings import HealthSurroundings
from templedb_nb.app.history.comparisons import Comparisons
from templedb_nb.app.history.history import History
from templedb_nb.app.history.overview import Overview
from templedb_nb.app.history.queries import Queries
from templedb_nb.app.migrations.down_proof import DownProofs
from templedb_nb.app.migrations.drift import DriftChecks
from templedb_nb.app.migrations.history_import import HistoryImports
from templedb_nb.app.migrations.ledger_restore import LedgerRestores
from templedb_nb.app.migrations.migrations import Migrations
from templedb_nb.app.notifications.notifications import Notifications
from templedb_nb.app.notifying import Notifying
from templedb_nb.app.project.legacy_import import LegacyImport
from templedb_nb.app.project.policies import TargetPolicies
from templedb_nb.app.promotion.promotions import Promotions
from templedb_nb.app.promotion.releases import Releases
from templedb_nb.app.promotion.source import PromotionSources
from templedb_nb.app.recovery.resolve import Resolutions
from templedb_nb.app.rollback.older_release import OlderReleases
from templedb_nb.app.rollback.rollbacks import Rollbacks
from templedb_nb.app.slots.observer import SlotObserver
from templedb_nb.app.slots.slots import Slots
from templedb_nb.model.dataclass import dataclass
from templedb_nb.store.duckdb.query import Query
from templedb_nb.store.slots import StateSlots


@dataclass
class Container(Notifying):
    """Everything that templedb can do, over one state file."""

    @cached_property
    def policies(self) -> TargetPolicies:
        """Return the use cases around what targets demand."""
        own = self.state, self.projects, self.targets, self.plans
        return TargetPolicies(*own, self.runs, self.system)

    @cached_property
    def drift_checks(self) -> DriftChecks:
        """Return the use cases around what no run of ours changed."""
        return DriftChecks(open=self.selections.opened, system=self.system)

    @cached_property
    def legacy_import(self) -> LegacyImport:
        """Return the use case of the older TempleDB's projects."""
        return LegacyImport(
            state=self.state,
            projects=self.projects,
            settings=self.settings,
            content=self.content,
            variables=self.variables,
            records=self.records,
            system=self.system,
        )

    @cached_property
    def plans(self) -> Plans:
        """Return the use cases around plans."""
        made = Plans(
            self.projects,
            self.configs,
            self.targets,
            self.variables,
            Connections(self.state.path, self.variables.learn),
            self.reader,
            self.records,
            self.system,
        )
        made.slots_of = lambda opened: self.slot_observer.seen(opened)  # noqa: PLW0108 - made later
        made.watch = self.ledger_watch.look
        return made

    @cached_property
    def slot_observer(self) -> SlotObserver:
        """Return what asks routers, and reads what is recorded of slots."""
        return SlotObserver(
            surroundings=self.health_surroundings,
            without_database=lambda target: StateSlots(file=self.state, target=target),
            system=self.system,
        )

    @cached_property
    def runs(self) -> Runs:
        """Return the use cases that change targets."""
        own = self.plans, self.records, self.state.folder, self.workspace
        watched = self.health_surroundings, self.slot_observer
        made = Runs(*own, *watched, self.masker, self.system)
        made.watchers = self.beginnings.of
        return made

    @cached_property
    def migrations(self) -> Migrations:
        """Return the use cases around single migrations."""
        return Migrations(self.plans, self.runs)

    @cached_property
    def ledger_restores(self) -> LedgerRestores:
        """Return the use case that writes a damaged ledger again."""
        return LedgerRestores(self.plans, self.runs, self.plans.copies)

    @cached_property
    def history_imports(self) -> HistoryImports:
        """Return the use cases around other tools' histories."""
        return HistoryImports(self.migrations)

    @cached_property
    def approvals(self) -> Approvals:
        """Return the use cases around approvals."""
        return Approvals(self.projects, self.plans, self.records, self.system)

    @cached_property
    def waiting(self) -> WaitingApprovals:
        """Return the use case that tells what waits for approvals."""
        return WaitingApprovals(
            projects=self.projects,
            plans=self.plans,
            runs=self.runs,
            configs=self.configs,
            evidence=TargetEvidence(self.projects, self.plans, self.records),
            records=self.records,
            system=self.system,
        )

    @cached_property
    def bundled_approvals(self) -> BundledApprovals:
        """Return the use case of one approval of several plans."""
        return BundledApprovals(
            state=self.state,
            approvals=self.approvals,
            evidence=self.waiting.evidence,
            system=self.system,
        )

    @cached_property
    def down_proofs(self) -> DownProofs:
        """Return the use case that tries down parts on a copy."""
        return DownProofs(
            self.migrations, Connections(self.state.path, self.variables.learn), self.system
        )

    @cached_property
    def queries(self) -> Queries:
        """Return the use cases that only read what a target holds."""
        ledgers = Connections(self.state.path, self.variables.learn)
        return Queries(self.state, self.projects, self.plans, ledgers, self.variables, self.masker)

    @cached_property
    def health(self) -> HealthChecks:
        """Return the use case that measures how a target is."""
        return HealthChecks(
            state=self.state,
            projects=self.projects,
            plans=self.plans,
            records=self.records,
            surroundings=self.health_surroundings,
            system=self.system,
        )

    @cached_property
    def health_surroundings(self) -> HealthSurroundings:
        """Return what makes the checkers of a target."""
        return HealthSurroundings(
            plans=self.plans,
            variables=self.variables,
            connections=Connections(self.state.path, self.variables.learn),
            workspace=self.workspace,
            masker=self.masker,
            system=self.system,
        )

    @cached_property
    def workspace(self) -> Workspace:
        """Return what prepares the places of runs."""
        folder = self.state.folder / "work"
        return Workspace(
            folder, self.variables, self.artifacts, self.masker, self.system, self.state.rest
        )

    @cached_property
    def artifacts(self) -> Artifacts:
        """Return the use cases around what runs have built."""
        return Artifacts(
            folder=self.state.folder / "artifacts",
            content=self.content,
            projects=self.projects,
            configs=self.configs,
            records=self.records,
        )

    @cached_property
    def artifact_collection(self) -> ArtifactCollection:
        """Return the use case that throws artifacts away."""
        return ArtifactCollection(
            artifacts=self.artifacts,
            history=self.records,
            records=self.records,
            system=self.system,
            journals=self.runs.journals,
        )

    @cached_property
    def locks(self) -> Locks:
        """Return the use cases around locks."""
        return Locks(self.plans, self.runs, self.records, self.system)

    @cached_property
    def overview(self) -> Overview:
        """Return the use cases that ask targets how they stand."""
        return Overview(
            resolutions=self.records,
            copies=self.records,
            slots=self.slot_observer,
            addresses=self.addresses,
            state=self.state,
            projects=self.projects,
            targets=self.targets,
            content=self.content,
            configs=self.configs,
            settings=self.settings,
            variables=self.variables,
            plans=self.plans,
            migrations=self.migrations,
            runs=self.runs,
            records=self.records,
            system=self.system,
        )

    @cached_property
    def follower(self) -> RunFollower:
        """Return the use cases of those who watch."""
        return RunFollower(self.records, self.runs, self.history, self.system)

    @cached_property
    def comparisons(self) -> Comparisons:
        """Return the use cases of those who ask what is different, and what changed."""
        return Comparisons(
            history=self.history,
            records=self.records,
            settings=self.settings,
            content=self.content,
            plans=self.plans,
        )

    @cached_property
    def history(self) -> History:
        """Return the use cases around what happened."""
        return History(self.records, self.runs, Query(self.state), self.system)

    @cached_property
    def selections(self) -> Selections:
        """Return what the words of a command select."""
        return Selections(
            state=self.state,
            projects=self.projects,
            targets=self.targets,
            configs=self.configs,
            plans=self.plans,
            runs=self.runs,
            records=self.records,
            reader=self.reader,
        )

    @cached_property
    def resolutions(self) -> Resolutions:
        """Return the use case of those who say what a run did that nobody saw end."""
        return Resolutions(
            projects=self.projects,
            planning=self.plans,
            running=self.runs,
            memory=self.records,
            system=self.system,
        )

    @cached_property
    def rollbacks(self) -> Rollbacks:
        """Return the use cases around going back to an earlier release."""
        return Rollbacks(
            state=self.state,
            projects=self.projects,
            plans=self.plans,
            runs=self.runs,
            approvals=self.approvals,
            older=OlderReleases(
                content=self.content,
                configs=self.configs,
                records=self.records,
                reader=self.reader,
            ),
            artifacts=self.artifacts,
            migrations=self.migrations,
            down_proofs=self.down_proofs,
            records=self.records,
            system=self.system,
            mask=self.masker.mask,
        )

    @cached_property
    def promotions(self) -> Promotions:
        """Return the use cases around releases that move from target to target."""
        return Promotions(
            state=self.state,
            projects=self.projects,
            plans=self.plans,
            runs=self.runs,
            approvals=self.approvals,
            rollbacks=self.rollbacks,
            older=replace(self.rollbacks.older, does="promote"),
            configs=self.configs,
            sources=self._sources,
            artifacts=self.artifacts,
            system=self.system,
            mask=self.masker.mask,
        )

    @cached_property
    def _sources(self) -> PromotionSources:
        return PromotionSources(
            plans=self.plans,
            targets=self.targets,
            records=self.records,
            health=self.health,
            clock=self.system.clock,
        )

    @cached_property
    def releases(self) -> Releases:
        """Return the use case that tells which release is where."""
        return Releases(
            state=self.state,
            projects=self.projects,
            targets=self.targets,
            configs=self.configs,
            content=self.content,
            plans=self.plans,
            runs=self.runs,
            sources=self._sources,
            records=self.records,
        )

    @cached_property
    def notifications(self) -> Notifications:
        """Return the use cases around who is notified of what."""
        return self.notifying(self.history.catch_up, self.overview.everywhere)

    @cached_property
    def deployments(self) -> Deployments:
        """Return the deployments."""
        return Deployments(
            artifacts=self.artifacts,
            selections=self.selections,
            projects=self.projects,
            variables=self.variables,
            plans=self.plans,
            runs=self.runs,
            approvals=self.approvals,
            follower=self.follower,
            rollbacks=self.rollbacks,
            promotions=self.promotions,
            run_history=self.history,
            records=self.records,
            system=self.system,
            notify=self.notifications.tell,
        )

    @cached_property
    def slots(self) -> Slots:
        """Return the use cases around the slots of groups."""
        return Slots(
            selections=self.selections,
            plans=self.plans,
            runs=self.runs,
            deployments=self.deployments,
            observer=self.slot_observer,
            records=self.records,
        )
