"""What servers said while steps ran, in words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from templedb_nb.model.artifact import ArtifactsKept
from templedb_nb.model.event import MessageReceived, Outcome
from templedb_nb.model.health import Health, Measured
from templedb_nb.model.health_step import span
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.step_result import StepResult
from templedb_nb.views.format import many, shown, size


def told(message: MessageReceived, file: str = "") -> str:
    """Return a message on one line, with its place."""
    place = ":".join(str(part) for part in (file, message.line) if part)
    if not file and message.line:
        place = f"line {message.line}"
    at = f"{shown(place)}: " if place else ""
    more = " ".join(shown(part) for part in (message.detail, message.hint) if part)
    return f"{message.level}  {at}{shown(message.message)}{f' ({more})' if more else ''}"


def warnings(step: StepResult) -> tuple[MessageReceived, ...]:
    """Return the warnings of a step that are kept."""
    return tuple(each for each in step.messages if each.level is MessageLevel.WARNING)


def kept(event: ArtifactsKept) -> str:
    """Return what of a group is kept, or placed again."""
    names = shown(", ".join(event.artifacts))
    return f"{names}: {many(event.files, 'file')}, {size(event.size)}, record {event.manifest[:12]}"


def others(step: StepResult) -> tuple[MessageReceived, ...]:
    """Return the other messages of a step that are kept."""
    return tuple(each for each in step.messages if each.level is not MessageLevel.WARNING)


def counted(value: Result | StepResult) -> list[str]:
    """Return how many warnings and notices there were, in words, if there were any."""
    counts = ((value.warnings, "warning"), (value.notices, "notice"))
    return [many(count, noun) for count, noun in counts if count]


def beside(step: StepResult) -> list[str]:
    """Return what a step gave beside its effect: messages, and rows that nobody took."""
    rows = [] if step.rows is None else [f"{many(step.rows, 'row')} returned"]
    return [*counted(step), *([tries(step)] if step.tries else []), *rows]


def tries(step: StepResult) -> str:
    """Return how many tries a health check took, and how many of them were good."""
    good = sum(each.outcome is Health.HEALTHY for each in step.tries)
    count = "1 try" if len(step.tries) == 1 else f"{len(step.tries)} tries"
    return count if good == len(step.tries) else f"{count}, {good} good"


def outcome(value: Result) -> str:
    """Return how a run ended, with health and warnings: ``succeeded, healthy, 1 warning``."""
    warned = [many(value.warnings, "warning")] if value.warnings else []
    return ", ".join([ended(value.outcome, value.health), *warned])


def ended(outcome: Outcome | None, health: Measured | None) -> str:
    """Return how a run ended, with what is known of health: ``failed, health inconclusive``."""
    if outcome is None:
        return "running"
    word = outcome.value.replace("_", " ")
    if health in {None, Measured.NO_GATE}:
        return word
    return f"{word}, {'health ' if health in _WITH_NOUN else ''}{health}"


def last_run(outcome: Outcome | None, health: Measured | None, kind: RunKind | None) -> str:
    """Return how a run ended, and what it was for, if not for a deployment: ``rolled back``."""
    word = ended(outcome, health)
    match kind:
        case None | RunKind.DEPLOY:
            return word
        case RunKind.ROLLBACK if outcome is None:
            return "rolling back"
        case RunKind.ROLLBACK if outcome is Outcome.SUCCEEDED:
            return f"rolled back{word.removeprefix(outcome.value)}"
        case _:
            return f"{kind} {word}"


_WITH_NOUN = frozenset({Measured.INCONCLUSIVE, Measured.NOT_MEASURED})


def trying(step: StepResult) -> str:
    """Return where a health check stands after its last try, or nothing before the first."""
    if not step.tries:
        return ""
    last = step.tries[-1]
    of_check = [each for each in step.tries if each.check == last.check]
    good = last.outcome is Health.HEALTHY
    since = takewhile(lambda each: (each.outcome is Health.HEALTHY) == good, reversed(of_check))
    like = sum(each.outcome is last.outcome for each in since)
    parts = [f"{last.outcome} in {last.latency_ms} ms"]
    if last.threshold > 1:
        parts.append(f"{like} of {last.threshold}")
    if last.left_s:
        parts.append(f"{span(last.left_s)} left")
    told = f"{shown(last.check)}: try {len(of_check)}, {', '.join(parts)}"
    return f"{told}: {shown(last.message)}"


def left_out(step: StepResult) -> Iterator[str]:
    """Yield how many messages are not kept."""
    counts = ((step.more_warnings, "warning"), (step.more_messages, "notice"))
    for count, noun in counts:
        if count:
            yield f"… and {many(count, f'more {noun}')}"
