"""Where targets and migrations stand, as plain text."""

from __future__ import annotations

from templedb_nb.model.listings import (
    BlockerList,
    LockList,
    LockRow,
    MigrationShown,
)
from templedb_nb.model.status import Board, Choices, MigrationStatus, StatusTable
from templedb_nb.views import blockers
from templedb_nb.views.format import duration, middle_out, moment, shown, table
from templedb_nb.views.messages import last_run
from templedb_nb.views.plans import older_code
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
            row.note,
        ]
        for row in value.rows
    ]
    headers = ["TARGET", "APPLIED", "PENDING", "ATTENTION", "LAST RUN", "WHEN", "NOTE"]
    return f"project {value.slug}, release {value.rows[0].release}\n{table(headers, rows)}"


@text.register
def _(value: Board) -> str:
    return "\n\n".join(text(each) for each in value.tables) or "no target"


@text.register
def _(value: Choices) -> str:
    releases = [f"{number}: {told}" for number, told in value.releases]
    found = {"targets": value.targets, "releases": releases, "groups": value.groups}
    lines = [f"choices for a deployment of {value.slug}"]
    for name, items in found.items():
        lines += [f"{INDENT}{name}", *(f"{INDENT}{INDENT}{each}" for each in items or ["none"])]
    how = f"templedb deploy plan {value.slug} --target T --release N --skip-group G"
    return "\n".join([*lines, f"next: {how}"])


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
