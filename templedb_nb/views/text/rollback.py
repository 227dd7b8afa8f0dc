"""Where one can go back to, and what a rollback does, as plain text."""

from __future__ import annotations

from templedb_nb.model.rollback_summary import Fallback, RollbackList, RollbackRow, RollbackSummary
from templedb_nb.model.serialization import short
from templedb_nb.views.format import moment, shown, table
from templedb_nb.views.text.base import INDENT, text


@text.register
def _(value: RollbackList) -> str:
    if not value.in_place:
        return f"{value.slug} to {value.target}: nothing was deployed yet"
    release = f", release {value.release}" if value.release else ""
    head = f"{value.slug} to {value.target}: in place is run {value.in_place[:13]}{release}"
    if not value.rows:
        return f"{head}\nno earlier run succeeded: there is nothing to go back to"
    lines = table(
        ("", "run", "release", "kind", "ended", "by", "note"), [_row(each) for each in value.rows]
    )
    told = "→ is where templedb deploy rollback goes; --to RUN names another"
    return "\n".join([head, lines, *([told] if any(r.default for r in value.rows) else [])])


def _row(row: RollbackRow) -> list[str]:
    ended = moment(row.finished_at) if row.finished_at else ""
    release = str(row.release) if row.release else "not here"
    mark = "→" if row.default else ""
    return [mark, row.run[:13], release, row.run_kind.value, ended, row.started_by, row.why_not]


def heading(value: RollbackSummary) -> str:
    """Return what a rollback goes back to, on one line."""
    release = f"release {value.release} of run" if value.release else "run"
    since = f", deployed at {moment(value.since)}" if value.since else ""
    return f"rollback to {release} {value.goal[:13]}{since}"


def told(value: RollbackSummary) -> list[str]:
    """Return what a rollback runs, what it leaves, and which values differ from then."""
    lines = [f"{INDENT}its files come from: {value.origin}"] if value.origin else []
    lines += ["", "brought back", *(f"{INDENT}{shown(each)}" for each in value.undoes)]
    if value.leaves:
        lines += ["", "left as it is", *(f"{INDENT}{shown(each)}" for each in value.leaves)]
    if value.differs:
        lines += ["", "variables, then and now", *(f"{INDENT}{shown(e)}" for e in value.differs)]
    return lines


def if_fails(value: Fallback) -> list[str]:
    """Return what follows where the run of a plan fails; nothing where nothing does."""
    rule, back = value.if_fails, value.summary
    if rule is None or back is None:
        return []
    ends = ", ".join(rule.rollback_on)
    head = f"if this fails ({ends}): {heading(back)}, by plan {short(value.plan)}"
    does = [f"{INDENT}{shown(each)}" for each in back.undoes]
    return [head, *does, *(f"{INDENT}left as it is: {shown(each)}" for each in back.leaves)]
