"""Runs, as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from templedb_nb.model.event import Evidence, Outcome, StepFailed
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.phase import Phase
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.step import Amend, ImportEntry, Restore, Revert, RunCommand, RunScript
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.views import ansi
from templedb_nb.views.format import duration, indented, many, moment, shown
from templedb_nb.views.messages import (
    NAMED,
    beside,
    excerpt_lines,
    outcome,
    place,
    switched,
    told,
    warnings,
)
from templedb_nb.views.text.base import INDENT, LISTED, columns, text


@text.register
def _(value: Result) -> str:
    head, *rest = closing(value).split("\n")
    rows = list(_rows(value))
    table_lines = [f"{INDENT}{line}" for line in columns(rows)] if rows else []
    return "\n".join([head, *table_lines, *_warnings(value), *_logs(value), *rest])


def _rows(value: Result) -> Iterator[list[str]]:
    """Yield a row for each step; many that are skipped for one reason share one."""
    numbered = list(enumerate(value.steps, start=1))
    for _, found in groupby(numbered, key=_skipped):
        steps = list(found)
        (first, step), (last, _) = steps[0], steps[-1]
        if len(steps) > NAMED:
            numbers, count = f"{first}–{last}", many(len(steps), "step")  # noqa: RUF001 - a range
            yield [numbers, step.state.value, "", count, "", shown(step.message)]
            continue
        for n, each in steps:
            yield [str(n), *_step(each, waits=each is value.waiting)]


def _skipped(numbered: tuple[int, StepResult]) -> str | int:
    """Return what skipped steps share; any other step is alone."""
    number, step = numbered
    return step.message if step.state is StepState.SKIPPED else number


def _warnings(value: Result) -> list[str]:
    """Return what servers warned of, a line each; of many the first ones."""
    found = [(step, each) for step in value.steps for each in warnings(step)]
    lines = [f"{INDENT}{told(each, step.label.key)}" for step, each in found[:LISTED]]
    more = sum(step.more_warnings for step in value.steps) + len(found[LISTED:])
    return [*lines, *([f"{INDENT}… and {many(more, 'more warning')}"] if more else [])]


def _logs(value: Result) -> list[str]:
    """Return what prints the whole output of other steps than the failed one."""
    own = value.failure.step + 1 if value.failure else 0
    kept = [str(n) for n, step in enumerate(value.steps, start=1) if step.log and n != own]
    word = "step" if len(kept) == 1 else "steps"
    only = f" --step {kept[0]}" if len(kept) == 1 else ""
    command = f"templedb deploy logs {value.run[:13]}{only}"
    return [f"output of {word} {', '.join(kept)}: {command}"] if kept else []


def closing(value: Result) -> str:
    """Return what a run came to, without its steps."""
    head = f"run {value.run[:13]}: {value.slug} to {value.target}: {outcome(value)}"
    lines = [f"{head} in {duration(value.elapsed_ms)}", came_to(value), *_messages(value)]
    if value.failure:
        lines += ["", *failure(value), *_switched_back(value)]
    elif value.message:
        lines += ["", value.message]
    lines += [str(each) for each in value.passed]
    lines += after(value)
    if value.finished_at and value.found_at:
        signs = f"its last sign of life was at {moment(value.finished_at)}"
        lines += [f"{signs}; it was found dead at {moment(value.found_at)}"]
    return "\n".join(lines)


TAIL = 20
"""So many lines of the end of a failed step's output are shown."""
OUTPUT = "    | "
HALF = "THE ROLLBACK DID NOT SUCCEED: the target may be half rolled back"


def after(value: Result) -> list[str]:
    """Return what became of the rollback that a failed run owes, with what is to do."""
    back = value.rollback
    if value.half_back:
        return ["", HALF, next_steps(value), f"{INDENT}exit {value.final_exit_code}"]
    if back is None:
        if not value.owes:
            told = f"NOT ROLLED BACK: {value.rollback_missing}"
            return ["", told] if value.rollback_missing else []
        why = f": {value.rollback_missing}" if value.rollback_missing else ""
        begins = f"start it: templedb deploy resume {value.slug} {value.run[:13]}"
        leaves = f"or leave the target as it is: templedb run resolve {value.run[:13]} --reason WHY"
        return ["", f"NOT ROLLED BACK: its rollback has not begun{why}", f"{begins}; {leaves}"]
    code = value.final_exit_code
    if back.outcome is None:
        return ["", f"it is being rolled back by run {back.run[:13]}"]
    if back.outcome is Outcome.SUCCEEDED:
        told = f"rolled back: {_release(back)} is in place again, by run {back.run[:13]}"
        return ["", told, f"{INDENT}exit {code}"]
    steps = [f"{INDENT}{line}" for line in text(back).splitlines()]
    return ["", HALF, *steps, next_steps(back), f"{INDENT}exit {code}"]


def next_steps(back: Result) -> str:
    """Return what a person does about a rollback that did not succeed."""
    run = back.run[:13]
    return (
        f"check its steps, then continue it: templedb deploy resume {run}; or, after you fixed it"
        f" by hand: templedb run resolve {run} --reason WHAT-YOU-DID"
    )


def _release(value: Result) -> str:
    return f"release {value.release}" if value.release else "the release before"


def _messages(value: Result) -> list[str]:
    """Return where the notices of servers are, which are not shown while they come."""
    if not value.notices:
        return []
    said = f"the server sent {many(value.notices, 'notice')}"
    return [f"{said}: templedb deploy logs {value.run[:13]}"]


def _step(step: StepResult, *, waits: bool) -> list[str]:
    again = f" ({step.attempts} attempts)" if step.attempts > 1 else ""
    label = step.label
    why = step.message if step.state in {StepState.SKIPPED, StepState.WARNED} else ""
    routed = switched(step.switching[-1]) if step.switching else ""
    why = "; ".join(each for each in (why, routed, ", ".join(beside(step))) if each)
    state = f"{'waits' if waits else step.state.value}{again}"
    return [
        state,
        place(label),
        shown(label.title),
        duration(step.duration_ms),
        shown(why),
    ]


def came_to(value: Result) -> str:
    """Return what a run did to the target, in a few words."""
    if value.run_kind is RunKind.ROLLBACK and value.outcome is Outcome.SUCCEEDED:
        return f"{_release(value)} is in place again"
    applied, goes = value.applied(), _traffic(value)
    if applied or goes:
        counted = f"{many(applied, 'migration')} applied" if applied else ""
        return _also_run(value, f"{goes}{counted}".removesuffix("; "))
    done = Counter(s.label.kind for s in value.steps if s.state is StepState.DONE)
    if reverted := done[Revert.kind]:
        return f"{many(reverted, 'migration')} rolled back"
    if amended := done[Amend.kind]:
        return f"{many(amended, 'ledger entry').replace('entrys', 'entries')} changed; no SQL ran"
    if adopted := done[ImportEntry.kind]:
        return f"{many(adopted, 'migration')} imported; no SQL ran"
    if restored := done[Restore.kind]:
        return f"{restored} of the ledger's rows restored; no SQL ran"
    if value.count(StepState.UNKNOWN):
        return "nothing is known to be applied"
    if value.outcome is None:
        return "nothing applied so far"
    if value.steps and all(step.label.kind == CheckHealth.kind for step in value.steps):
        return "nothing to do but to measure health"
    return _nothing(value)


def _nothing(value: Result) -> str:
    """Return what a run did that applied no migration."""
    asked = any(step.label.evidence is Evidence.LEDGER for step in value.steps)
    if value.failure is not None or asked:
        return _also_run(value, "nothing applied")
    ran = _commands_run(value)
    return (
        f"{ran}, no migration was pending" if ran else "nothing applied: no migration was pending"
    )


def _also_run(value: Result, told: str) -> str:
    """Return what was done, and how many commands ran beside it."""
    return ", ".join(filter(None, (told, _commands_run(value))))


def _commands_run(value: Result) -> str:
    done = (s for s in value.steps if s.state is StepState.DONE)
    count = sum(step.label.kind in {RunCommand.kind, RunScript.kind} for step in done)
    return f"{many(count, 'command')} run" if count else ""


def _traffic(value: Result) -> str:
    """Return where the run has sent traffic to, at the last; nothing where it has not."""
    ends = {StepState.DONE, StepState.WARNED}
    found = {
        step.label.group: step.label.key
        for step in value.steps
        if step.label.kind == SwitchSlot.kind and step.state in ends
    }
    how = "goes" if value.outcome is Outcome.SUCCEEDED else "was sent"
    goes = ", ".join(f"of {shown(group)} {how} to {shown(slot)}" for group, slot in found.items())
    return f"traffic {goes}; " if goes else ""


def _switched_back(value: Result) -> list[str]:
    """Return what became of the traffic that a failed run had switched."""
    out = {StepState.PENDING, StepState.SKIPPED}
    tried = any(
        step.label.kind == SwitchSlot.kind and step.label.phase == Phase.ON_FAILURE
        for step in value.steps
        if step.state not in out
    )
    return [shown(value.message)] if tried or _damaged_after(value) else []


def _damaged_after(value: Result) -> bool:
    """Return whether a hook that ran because of a failure has left more to look at than that."""
    failed = value.failure
    by_hook = failed and value.steps[failed.step].label.phase == Phase.ON_FAILURE
    return bool(by_hook and failed and failed.unknown)


def _asked(value: Result, event: StepFailed) -> bool:
    return value.steps[event.step].label.kind == CheckHealth.kind


def _output(value: Result, event: StepFailed) -> list[str]:
    """Return the first error and the end of what a step wrote, and what prints the whole."""
    if not event.tail:
        return []
    end = ansi.safe("\n".join(event.tail.splitlines()[-TAIL:]))
    first = ansi.safe(event.log.first_error or "") if event.log else ""
    lines = []
    if first and first.split("\n")[0] not in end:
        lines += [f"{INDENT}first error:", indented(first, OUTPUT)]
    word = "answer" if _asked(value, event) else "output"
    lines += [f"{INDENT}last {word}:", indented(end, OUTPUT)]
    if event.log:
        command = f"templedb deploy logs {value.run[:13]} --step {event.step + 1}"
        lines.append(f"{INDENT}all of its output: {command}")
    return lines


def failure(value: Result) -> list[str]:
    """Return why a run failed, with the last lines of the step's output."""
    event = value.failure
    if event is None:
        return []
    lines = [f"{'waits' if event.waits else 'failed'}: {shown(event.message)}"]
    lines += excerpt_lines(event.excerpt) if event.excerpt else []
    facts = [("statement", event.statement), ("SQLSTATE", event.sqlstate)]
    lines += [f"{INDENT}{name}: {fact}" for name, fact in facts if fact is not None]
    if event.detail:
        lines += [f"{INDENT}detail: {line}" for line in event.detail.splitlines()]
    lines += _output(value, event)
    changed_what = "the target changed before that" if value.changed else "the target is unchanged"
    changed_what = "the target may have changed" if value.in_doubt else changed_what
    if value.exit_code is not None and value.rollback is None and not value.half_back:
        lines.append(f"{INDENT}exit {value.exit_code}: {changed_what}")
    hint = "" if value.rollback else event.hint  # what the run wanted, the rollback has settled
    return [*lines, *([f"hint: {hint}"] if hint else [])]
