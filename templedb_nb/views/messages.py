"""What servers said while steps ran, and what is told of fleets, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile

from templedb_nb.model.artifact import ArtifactsKept
from templedb_nb.model.board import DriftGlance, RunningNow
from templedb_nb.model.event import MessageReceived, Outcome, StepLabel
from templedb_nb.model.fleet import (
    OPEN,
    FleetPlan,
    FleetStatus,
    MemberResult,
    OnFailure,
    PlannedState,
    RolloutRules,
    RolloutState,
)
from templedb_nb.model.health import Health, Measured
from templedb_nb.model.health_step import span
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import short
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.sql_excerpt import SqlExcerpt
from templedb_nb.model.step_result import StepResult
from templedb_nb.model.switch_event import SwitchDone, SwitchIntended
from templedb_nb.views.format import duration, many, shown, size, width

NAMED = 3
"""Of steps that are skipped for one reason, so many are named; more are counted."""

_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))


def place(label: StepLabel) -> str:
    """Return the group and the phase of a step; the word that is both, once."""
    return label.group if label.phase == label.group else f"{label.group} {label.phase}"


def excerpt_lines(excerpt: SqlExcerpt) -> list[str]:
    """Return a line of a file with its number, and the caret below it, for one width of letters."""
    lines = [f"{excerpt.line:>5} | {shown(excerpt.text)}"]
    if excerpt.caret is not None:
        before = width(shown(excerpt.text[: excerpt.caret]))
        lines.append(f"{'':>5} | {' ' * before}^")
    return lines


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


def switched(event: SwitchIntended | SwitchDone) -> str:
    """Return from where to where traffic is to go, or how often the router named the new slot."""
    if isinstance(event, SwitchIntended):
        why = f": {shown(event.reason)} ({shown(event.by)})" if event.reason else ""
        if event.live == event.to:
            return f"traffic goes to {shown(event.to)} already; the router is asked again{why}"
        source = f"from {shown(event.live)} " if event.live else ""
        return f"traffic is to go {source}to {shown(event.to)}{why}"
    times = many(event.answers, "answer")
    return f"{shown(event.to)} serves: {times} in a row after {duration(event.took_ms)}"


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
    word = "waits for a person" if value.waiting else ended(value.outcome, value.health)
    return ", ".join([word, *warned])


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


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago a moment was, to the unit that matters."""
    seconds = max(0, round((now - at).total_seconds()))
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now"


def running_told(each: RunningNow, now: datetime | None) -> str:
    """Return how far a run is."""
    since = f", begun {ago(each.started_at, now)}" if each.started_at and now else ""
    return f"{each.done} of {many(each.steps, 'step')}{since}, by {each.started_by}"


def drift_told(found: DriftGlance | None, now: datetime | None) -> str:
    """Return what differed when it was last looked at, and how long ago that was."""
    if found is None:
        return "not measured"
    told = f"{many(found.changes, 'object')} changed" if found.changes else "none"
    return f"{told}, {ago(found.at, now)}" if now else told


def fleet_rules(rules: RolloutRules) -> str:
    """Return how a fleet is rolled out: how many at a time, and what failures mean."""
    per = f", {rules.parallel_per_server} on one server" if rules.parallel_per_server else ""
    soak = f", {duration(rules.soak_ms)} between waves" if rules.soak_ms else ""
    speed = f"{rules.parallel} at a time{per}{soak}"
    if rules.on_failure is OnFailure.CONTINUE:
        return f"{speed}; failures do not end it"
    failures = f"{rules.max_failures} may fail" if rules.max_failures else "none may fail"
    then = "pauses" if rules.on_failure is OnFailure.PAUSE else "stops"
    beside = rules.parallel - 1
    more = f" (at most {beside} more that run at that moment)" if beside else ""
    return f"{speed}; {failures}, then it {then}{more}"


def fleet_hints(value: FleetPlan | FleetStatus) -> list[str]:
    """Return the commands that go on from a fleet's plan, or from a rollout."""
    if isinstance(value, FleetPlan):
        named = f"{value.slug} {short(value.id)}"
        if not value.count(PlannedState.READY):
            return []
        if waits := len(value.unapproved):
            who = f"{many(waits, 'target')} {'waits' if waits == 1 else 'wait'} for an approval"
            return [f"{who}: templedb fleet approve {named} --reason WHY"]
        return [f"next: templedb fleet run {named}"]
    named = f"{value.slug} {short(value.plan)}"
    if value.state is RolloutState.PLANNED:
        return [f"next: templedb fleet run {named}"]
    failed, open_ = len(value.failures) - value.left_out, value.count(*OPEN)
    if value.state in {RolloutState.RUNNING, RolloutState.SUCCEEDED} or not (failed or open_):
        return []
    hints = [f"next: templedb fleet resume {named}"] if open_ else []
    if failed:
        hints.append(f"{'or' if hints else 'next'}: templedb fleet retry {named} --failed")
        again = f"templedb fleet run {value.slug} {value.fleet}".rstrip()
        hints.append(f"after a change of files: {again}")
    return hints


def member_told(value: MemberResult) -> str:
    """Return why a target has not come to a good end: file and line, once, and the message."""
    if not value.file or value.message.startswith(value.file):
        return value.message
    line = f", line {value.line}" if value.line else ""
    return f"{value.file}{line}: {value.message}"


def some_names(names: Sequence[str]) -> str:
    """Return the first names, and whether there are more."""
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
