"""Where a plan keeps what is built, and where it places what an earlier run has kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.plan.situation import Situation
from templedb_nb.core.run.images import pinned
from templedb_nb.model.artifact_step import KeepArtifacts, PlaceArtifacts
from templedb_nb.model.config import Group
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import Plan, Skip
from templedb_nb.model.step import Step

PROMOTED = "promoted artifact"
KEPT = "kept artifact"
"""Why a group that is deployed again, or rolled back to, builds nothing."""


def built(
    group: Group, situation: Situation, build: Sequence[Step], test: Sequence[Step]
) -> list[Step]:
    """Return the steps that come to what a group deploys: built and kept, or placed."""
    config = situation.config
    if group.name in situation.options.artifacts:
        place = PlaceArtifacts(
            group=group.name,
            artifacts=situation.options.artifacts[group.name],
            store=config.artifacts_store,
            replaces=tuple(phase.value for phase in _replaced(group)),
            reason=_reason(situation),
        )
        return [place]
    if not group.artifacts or not build:
        return [*build, *test]
    keep = KeepArtifacts(
        group=group.name,
        rules=group.artifacts,
        limit=config.artifacts_limit,
        store=config.artifacts_store,
        protected=situation.policy.protected,
    )
    return [*build, keep, *test]


def _replaced(group: Group) -> Iterator[Phase]:
    if group.build_command:
        yield Phase.BUILD
    if group.test_command:
        yield Phase.TEST


def _reason(situation: Situation) -> str:
    options = situation.options
    return KEPT if options.rollback and not options.promotion else PROMOTED


def skipped(chosen: Sequence[Group], made: Plan) -> list[Skip]:
    """Return which commands do not run because their outcome is placed."""
    names = {group.name for group in chosen}
    return [
        Skip(what=f"group {step.group}: {phase}", why=step.reason)
        for step in made.steps
        if isinstance(step, PlaceArtifacts) and step.group in names
        for phase in step.replaces
    ]


def on_artifacts(made: Plan, situation: Situation) -> Iterator[Finding]:
    """Yield what an image without a digest means, and groups that are not in the config."""
    for step in made.steps:
        if not isinstance(step, PlaceArtifacts):
            continue
        for each in step.artifacts:
            if each.image and not pinned(each.image):
                yield _mutable(each.image, step.group, protected=situation.policy.protected)
    known = {group.name for group in situation.config.groups}
    for name in sorted(set(situation.options.artifacts) - known):
        message = "an earlier run kept artifacts of it, but the config has no such group"
        yield Finding(severity=Severity.WARNING, topic=Topic.CONFIG, message=message, where=name)


def _mutable(image: str, group: str, *, protected: bool) -> Finding:
    message = f"{image} names a tag, which may be another image tomorrow"
    mend = "let the build write the reference with its digest: NAME@sha256:…"
    if protected:
        return problem(group, f"{message}: a protected target refuses it", mend)
    return Finding(
        severity=Severity.WARNING, topic=Topic.CONFIG, message=message, where=group, mend=mend
    )
