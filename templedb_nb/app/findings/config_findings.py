"""What a plan would say of a config and its files, before any target is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.app.findings.lint import whatever_is_there
from templedb_nb.app.findings.plan_findings import on_includes
from templedb_nb.core.lint.linter import on_lint
from templedb_nb.core.migrations import status
from templedb_nb.core.plan import planner
from templedb_nb.core.plan.older_code import contracts_with_code
from templedb_nb.core.plan.situation import Situation
from templedb_nb.engine.observe import ReadCache, Reader
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import State
from templedb_nb.model.plan import Plan
from templedb_nb.model.project import Release
from templedb_nb.model.target import FindingLevel, Policy, TargetName

_OF_FILES = frozenset({Topic.CONFIG, Topic.MIGRATION, Topic.ORDER, Topic.FILES, Topic.COMMAND})
"""What follows from config and files; values, servers and records are another matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTarget:
    """A target as far as the state knows it: what it demands, and the copies of its ledgers."""

    name: TargetName
    policy: Policy
    ledgers: status.Ledgers


NO_TARGET = KnownTarget(name=TargetName(""), policy=Policy(), ledgers=status.NO_LEDGERS)


def on_files(
    project: str, config: DeployConfig, release: Release, read: Reader, known: Sequence[KnownTarget]
) -> tuple[Finding, ...]:
    """Return the errors and warnings of config and files: order, keys, layouts, texts, needs.

    Without any *known* target, every migration is new.
    """
    found: dict[tuple[str, str], Finding] = {}
    for target in known or (NO_TARGET,):
        seen = read.observe(config, release.files, target.ledgers)
        situation = Situation(
            project=project,
            target=target.name,
            policy=target.policy,
            config=config,
            files=release.files,
            tree=release.tree,
            ledgers=target.ledgers,
            scripts=seen.scripts,
            look=seen.look,
            migrations=seen.migrations,
            elsewhere=frozenset(
                (entry.key, entry.checksums.tokens)
                for other in known
                if other is not target
                for ledger in other.ledgers.values()
                for entry in ledger.entries
                if entry.state is State.APPLIED
            ),
        )
        draft = planner.plan(situation)
        for each in (*draft.findings, *on_includes(draft.plan, situation, read)):
            if each.severity is not Severity.NOTE and each.topic in _OF_FILES:
                found.setdefault((each.where, each.message), each)
        for each in _refused(draft.plan, situation, read.cache):
            found.setdefault((each.where, each.message), each)
    return tuple(found.values())


def _refused(plan: Plan, situation: Situation, cache: ReadCache) -> Iterator[Finding]:
    """Yield what lint refuses on the target, whatever tables are there and however large."""
    if plan.policy.lint is FindingLevel.BLOCK:
        new = frozenset(name for name, each in situation.ledgers.items() if not each.entries)
        certain = whatever_is_there(plan.steps, situation, cache)
        early = contracts_with_code(plan, situation.scripts, new)
        yield from on_lint((*certain, *early), FindingLevel.BLOCK)
