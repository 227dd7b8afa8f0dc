"""What servers said while steps ran, in words."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.event import MessageReceived
from templedb_nb.model.result import Result, StepResult
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.views.format import many, shown


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
    return [*counted(step), *rows]


def outcome(value: Result) -> str:
    """Return how a run ended, with its warnings: ``succeeded, 1 warning``."""
    word = value.outcome.value.replace("_", " ") if value.outcome else "running"
    return ", ".join([word, *([many(value.warnings, "warning")] if value.warnings else [])])


def left_out(step: StepResult) -> Iterator[str]:
    """Yield how many messages are not kept."""
    counts = ((step.more_warnings, "warning"), (step.more_messages, "notice"))
    for count, noun in counts:
        if count:
            yield f"… and {many(count, f'more {noun}')}"
