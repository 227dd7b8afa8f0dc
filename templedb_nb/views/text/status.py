"""Where targets and migrations stand, as plain text."""

from __future__ import annotations

from templedb_nb.model.board import Board, next_command, without_command
from templedb_nb.model.listings import (
    BlockerList,
    LockList,
    LockRow,
    MigrationShown,
)
from templedb_nb.model.serialization import short
from templedb_nb.model.status import Choices, MigrationStatus, Picked, StatusTable, TargetStatus
from templedb_nb.views import blockers
from templedb_nb.views.format import duration, middle_out, moment, shown, table
from templedb_nb.views.messages import ago, drift_told, last_run, running_told
from templedb_nb.views.plans import older_code
from templedb_nb.views.slots import recorded
from templedb_nb.views.text.base import INDENT, text


@text.register
def _(value: StatusTable) -> str:
    if not value.rows:
        return f"{value.slug} has no target yet (templedb target add {value.slug} NAME)"
    rows = [
        [
            row.target + (" (protected)" if row.protected else ""),
            _count(row.applied),
            _count(row.pending),
            _count(row.attention),
            last_run(row.last_outcome, row.last_health, row.last_kind) if row.last_run else "never",
            moment(row.last_at),
            "; ".join(each for each in (recorded(row.slots), row.note) if each),
        ]
        for row in value.rows
    ]
    headers = ["TARGET", "APPLIED", "PENDING", "ATTENTION", "LAST RUN", "WHEN", "NOTE"]
    return f"project {value.slug}, release {value.rows[0].release}\n{table(headers, rows)}"


@text.register
def _(value: Board) -> str:
    told = [_project(value, each) for each in value.tables] or ["no target"]
    waits = [f"notifications of {each.name}: {each.stands}" for each in value.receivers]
    told += ["\n".join([*waits, "hint: templedb notify list"])] if waits else []
    return "\n\n".join(told)


def _project(board: Board, value: StatusTable) -> str:
    if not value.rows:
        return text(value)
    rows = [_on_board(board, row) for row in value.rows]
    headers = ["TARGET", "PENDING", "WAITS FOR", "RUNNING", "LAST RUN", "DRIFT", "NEXT", "NOTE"]
    return f"project {value.slug}, release {value.rows[0].release}\n{table(headers, rows)}"


def _on_board(board: Board, row: TargetStatus) -> list[str]:
    now = board.now(row)
    last = last_run(row.last_outcome, row.last_health, row.last_kind) if row.last_run else "never"
    since = f" {ago(row.last_at, board.at)}" if row.last_at and board.at else ""
    notes = (recorded(row.slots), "" if now.running else without_command(row.note))
    return [
        row.target + (" (protected)" if row.protected else ""),
        _count(row.pending),
        "; ".join(f"{each.waits_for} ({short(each.plan)})" for each in now.waiting),
        "; ".join(running_told(each, board.at) for each in now.running),
        f"{last}{since}",
        drift_told(now.drift, board.at),
        next_command(row, now),
        "; ".join(each for each in notes if each),
    ]


@text.register
def _(value: Choices) -> str:
    releases = [f"{number}: {told}" for number, told in value.releases]
    found = {"targets": value.targets, "releases": releases, "groups": value.groups}
    lines = [f"choices for a deployment of {value.slug}"]
    for name, items in found.items():
        lines += [f"{INDENT}{name}", *(f"{INDENT}{INDENT}{each}" for each in items or ["none"])]
    how = f"templedb deploy plan {value.slug} --target T --release N --skip-group G"
    return "\n".join([*lines, f"next: {how}"])


@text.register
def _(value: Picked) -> str:
    return f"to deploy it: {value.command}" if value.target else text(value.choices)


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


@text.register
def _(value: MigrationStatus) -> str:
    lines = [
        f"{value.slug} on {value.target}",
        f"Applied: {value.applied}",
        f"Pending: {value.pending}",
    ]
    rows = [
        [row.state.value, row.file, moment(row.entry.finished_at) if row.entry else "", row.note]
        for row in value.shown
    ]
    if rows:
        lines.append(table(["STATE", "FILE", "WHEN", "NOTE"], rows))
    lines += [f"hint for {row.file}: {row.mend}" for row in value.shown if row.mend]
    return "\n".join(lines)


@text.register
def _(value: MigrationShown) -> str:
    lines = [f"{value.file} on {value.target}"]
    # A fact keeps its name in JSON; people read "hint".
    named = [("hint" if name == "mend" else name, fact) for name, fact in value.facts]
    lines += [f"{INDENT}{name:<10}{shown(fact)}" for name, fact in named]
    if found := value.compatibility:
        lines.append(f"{INDENT}{'compat':<10}{shown(older_code(found))}")
    how = f"templedb migration show {value.slug} {value.file} --target {value.target} --full"
    for part in filter(None, (value.diff, value.text)):
        lines += ["", part.rstrip("\n") if value.full else middle_out(part, how)]
    return "\n".join(lines)


@text.register
def _(value: LockList) -> str:
    return "\n".join(line for row in value.rows for line in _lock(value, row))


@text.register
def _(value: BlockerList) -> str:
    if not value.rows:
        return f"no run on {value.target} waits for another session"
    how = "templedb run unblock PID --reason WHY (with --terminate to end the session)"
    head = f"the run on {value.target} waits for"
    return "\n".join([head, *blockers.lines(value.rows, value.at), f"hint: {how}"])


def _lock(value: LockList, row: LockRow) -> list[str]:
    head = f"{value.target} ({row.database})"
    lines = []
    if row.frozen:
        since = moment(row.frozen.since)
        lines.append(f"{head}: frozen by {row.frozen.by} since {since}: {row.frozen.reason}")
    if row.held is None:
        return [*lines, f"{head}: nobody holds the lock"]
    held = row.held
    session = "gone" if held.backend is None else f"{held.backend}, {held.doing or 'idle'}"
    facts = {
        "run": held.run,
        "since": moment(held.since),
        "heartbeat": f"{duration(held.heartbeat_s * 1000)} ago",
        "session": session,
    }
    lines.append(f"{head}: held by {held}")
    return [*lines, *(f"{INDENT}{name:<10} {fact}" for name, fact in facts.items())]
