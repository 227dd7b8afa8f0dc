"""What differs between two runs, as values alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any  # Any: two JSON documents

from templedb_nb.model.difference import StepTimes
from templedb_nb.model.event import Evidence
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepState

LONGEST = 60


def config_lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a line for each key of a group that differs between two config documents."""
    old, new = ({g["name"]: g for g in each.get("groups", ())} for each in (before, after))
    lines = [f"group {name} is gone" for name in old if name not in new]
    for name, group in new.items():
        if name not in old:
            lines.append(f"group {name} is new")
            continue
        keys = dict.fromkeys((*old[name], *group))
        lines += [
            f"{name}.{key}: {_shown(old[name].get(key))} → {_shown(group.get(key))}"
            for key in keys
            if old[name].get(key) != group.get(key)
        ]
    return tuple(lines)


def step_times(before: Result, after: Result) -> tuple[StepTimes, ...]:
    """Return the steps of either run; the same group, phase and title are the same step."""
    first, second = _times(before), _times(after)
    keys = dict.fromkeys((*first, *second))
    return tuple(
        StepTimes(group=key[0], title=key[2], before_ms=first.get(key), after_ms=second.get(key))
        for key in keys
    )


def applied(result: Result) -> tuple[str, ...]:
    """Return what a run changed in its ledger, as its steps are called."""
    return tuple(
        step.label.title
        for step in result.steps
        if step.label.evidence is Evidence.LEDGER and step.state is StepState.DONE
    )


def _times(result: Result) -> dict[tuple[str, str, str], int | None]:
    return {
        (step.label.group, step.label.phase, step.label.title): step.duration_ms
        for step in result.steps
        if step.state is not StepState.SKIPPED
    }


def _shown(value: Any) -> str:
    text = "not set" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
