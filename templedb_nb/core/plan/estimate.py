"""How long a plan will probably take: what each of its steps took on this target before.

A command is known by its group, phase and title. A migration runs once, so that it has no history
of its own; it is taken for a middling one among those that the target has had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from templedb_nb.model.estimate import Expected, StepEstimate
from templedb_nb.model.event import Evidence
from templedb_nb.model.step import Step

Key: TypeAlias = tuple[str, str, str, str]
"""Group, phase, kind and title; a migration has its kind alone."""


def expected(steps: Iterable[Step], took: Mapping[Key, StepEstimate]) -> Expected:
    """Return what *steps* will probably take."""
    every = list(steps)
    found = [took.get(key(each)) for each in every]
    single = [each.proof is Evidence.LEDGER for each in every]
    return Expected(
        steps=tuple(each.median_ms if each else None for each in found),
        runs=max((each.runs for each in found if each), default=0),
        others=tuple(
            each.times if each and once else 0 for each, once in zip(found, single, strict=True)
        ),
    )


def key(step: Step) -> Key:
    """Return what makes two steps of different plans the same."""
    if step.proof is Evidence.LEDGER:
        return "", "", step.kind, ""
    return step.group, step.phase.value, step.kind, step.title
