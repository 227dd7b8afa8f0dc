"""What the page of a run says beside the output of its commands, in the words of the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepState
from templedb_nb.views.format import duration, many, shown
from templedb_nb.views.messages import left_out, told, trying
from templedb_nb.views.text import closing, failure


def run(value: Result) -> str:
    """Return what a run came to, or has come to so far, with the warnings of servers."""
    lines = [closing(value)] if value.outcome else [_so_far(value)]
    for number, step in enumerate(value.steps, start=1):
        lines += [f"step {number}: {told(each, step.label.key)}" for each in step.messages]
        lines += [f"step {number}: {each}" for each in left_out(step)]
    return "\n".join(lines)


def _so_far(value: Result) -> str:
    ended = sum(step.state not in {StepState.PENDING, StepState.RUNNING} for step in value.steps)
    lines = [f"{ended} of {many(len(value.steps), 'step')} ended"]
    lines += ["it waits for a person", *failure(value)] if value.waiting else []
    lines += [f"{value.started_by}, process {value.pid}"]
    cancel = f"templedb run cancel {value.run[:13]} --after-step --reason WHY"
    return "\n".join([*lines, *map(str, value.passed), "", f"to stop it: {cancel}"])


def step(value: Result, place: int) -> str:
    """Return what is to be said of a step, from 0."""
    return "\n".join(_step(value, place))


def _step(value: Result, place: int) -> Iterator[str]:
    found = value.steps[place]
    took = f" in {duration(found.duration_ms)}" if found.duration_ms is not None else ""
    counted = f", {many(found.statements, 'statement')}" if found.statements else ""
    tried = f", {found.attempts} attempts" if found.attempts > 1 else ""
    yield f"{found.state.value}{took}{counted}{tried}"
    if value.failure and value.failure.step == place:
        yield from failure(value)
    elif found.message:
        yield shown(found.message)
    if found.tries:
        yield trying(found)
    yield from (told(each, found.label.key) for each in found.messages if not each.in_output)
    yield from left_out(found)
