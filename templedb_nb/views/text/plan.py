"""Plans, as plain text."""

from __future__ import annotations

from templedb_nb.model.effect import Blocks
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.plan import Preview
from templedb_nb.model.serialization import short
from templedb_nb.model.start import Started
from templedb_nb.model.step import Apply, Migration, Revert
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.views import slots
from templedb_nb.views.format import indented, many, moment, shown
from templedb_nb.views.locks import blocked
from templedb_nb.views.plans import (
    approvals_told,
    compared,
    in_all,
    nature,
    needs_a_line,
    older_code,
    promotion_gates,
    settles,
    words_counted,
)
from templedb_nb.views.text.base import INDENT, columns, findings, following, text
from templedb_nb.views.text.promotion import promoted, promotion_told
from templedb_nb.views.text.rollback import heading, if_fails
from templedb_nb.views.text.rollback import told as rollback_told
from templedb_nb.views.text.setting import changed


@text.register
def _(value: Started) -> str:
    same = ["the same, by single commands", *(f"{INDENT}{each}" for each in value.commands)]
    return "\n".join([text(value.preview), "", *same, *following(value.next)])


@text.register
def _(value: Preview) -> str:
    plan, draft = value.plan, value.draft
    protected = " (protected)" if plan.policy.protected else ""
    back = f": {heading(draft.rollback)}" if draft.rollback else ""
    if draft.promotion:
        back = f": {promoted(draft.promotion)}"
    lines = [
        f"plan {short(plan.id)}: {value.slug} to {plan.target}{protected}{back}",
        f"{INDENT}release {value.release or 'not in this state'}, config: {value.config}",
    ]
    lines += [f"{INDENT}{name}: {place}" for name, place in value.reached]
    if value.dry_run:
        lines.append(f"{INDENT}dry run: nothing is executed or changed")
    lines += _work(value)
    lines += _locks(value)
    lines += _older_code(value)
    if value.overlay:
        lines += ["", "overlay, for this plan only", *(f"{INDENT}{e}" for e in overlaid(value))]
    if value.expected.total_ms:
        lines.append(f"expected: {in_all(value.expected)}")
    if draft.skips:
        lines += ["", "left out", *(f"{INDENT}{each.what}: {each.why}" for each in draft.skips)]
    if draft.sources:
        lines += ["", "variables", *(f"{INDENT}{each}" for each in draft.sources)]
    if value.fallback and plan.if_fails:
        lines += ["", *if_fails(value.fallback)]
    if value.findings:
        lines += ["", "findings", *findings(value.findings)]
    for file, diff in value.diffs:
        lines += ["", f"how {file} differs from what was applied", indented(diff, INDENT)]
    return "\n".join([*lines, *_approval(value)])


def _work(value: Preview) -> list[str]:
    """Return what a plan does, group by group, and how many migrations that is."""
    groups = _groups(value) or ["", "nothing to do"]
    groups += _slots(value)
    if way := value.draft.promotion:
        groups = [*promotion_told(way, promotion_gates(value)), *groups]
    if back := value.draft.rollback:
        return [*rollback_told(back), *groups]
    reverts = sum(isinstance(step, Revert) for step in value.plan.steps)
    todo = f"{value.draft.applied} applied, {_applies(value)} to apply"
    counted = f"migrations: {f'{reverts} to roll back' if reverts else todo}"
    return [*(f"{INDENT}{line}" for line in _since(value)), *groups, "", counted]


def _slots(value: Preview) -> list[str]:
    """Return how the slots stand between which the plan switches."""
    lines = []
    for each in value.draft.slots:
        lines += ["", f"slots of {shown(each.group)}: {slots.traffic(each)}"]
        lines += columns(slots.rows(each, slots.planned(value, each)))
    return lines


def briefing(value: Preview) -> str:
    """Return what a reader must know of a plan just before it runs; nothing, if there is nothing.

    Findings that forbid the run are left to the error that says so.
    """
    lines = _brief(value)
    lines += [f"overlay: {each}" for each in overlaid(value)]
    lines += [f"left out: {each.what}: {each.why}" for each in value.draft.skips]
    told = tuple(each for each in value.findings if _before_a_run(each))
    return "\n".join([*lines, *(line.strip() for line in findings(told))])


def _before_a_run(each: Finding) -> bool:
    """Return whether it must be known to whom a plan is not shown: who decided where it leads."""
    led = each.severity is Severity.NOTE and each.topic is Topic.VARIABLE
    return led or each.severity is Severity.WARNING


def _brief(value: Preview) -> list[str]:
    since, found = "the last release", value.changes
    if value.since:
        since, found = "the last successful run", value.since.changes
    return [f"since {since}: {line}" for line in changed(found)]


def _since(value: Preview) -> list[str]:
    if value.since is None:
        return _brief(value)
    told = compared(value)
    return [told[0].lower() + told[1:], *(INDENT + line for line in changed(value.since.changes))]


def _locks(value: Preview) -> list[str]:
    """Return whom each migration keeps waiting, a line each; the others are counted."""
    known = [each for each in value.draft.scripts if each.impact.locks]
    if not known:
        return []
    grave = [each for each in known if each.impact.locks[0].blocks is not Blocks.NOTHING]
    lines = (
        columns([[shown(each.file), blocked(each.impact.locks)] for each in grave]) if grave else []
    )
    if rest := len(known) - len(grave):
        lines.append(f"no reads or writes blocked by {many(rest, 'migration')}")
    return ["", "locks, each until its migration commits", *(INDENT + each for each in lines)]


def _older_code(value: Preview) -> list[str]:
    """Return after which migrations older code can fail, a line each; the others are counted."""
    found = [(e.file, e.compatibility) for e in value.draft.scripts if e.compatibility]
    grave = [[shown(file), shown(older_code(each))] for file, each in found if needs_a_line(each)]
    if not grave:
        return []
    lines = columns(grave)
    if rest := words_counted(each for _, each in found if not needs_a_line(each)):
        lines.append(rest)
    return ["", "older code, after each migration", *(INDENT + each for each in lines)]


def overlaid(value: Preview) -> list[str]:
    """Return what an overlay changes in the config for this plan, a key a line."""
    return [f"{each.at}: {shown(f'{each.before} → {each.after}')}" for each in value.overlay]


def _applies(value: Preview) -> int:
    return sum(isinstance(step, Apply) for step in value.plan.steps)


def _groups(value: Preview) -> list[str]:
    summaries = iter(value.draft.told)
    lines: list[str] = []
    for number, group in enumerate(value.plan.groups, start=1):
        go_on = "  (later groups run even if it fails)" if group.continue_on_failure else ""
        lines += ["", f"{number}. {group.name}{go_on}"]
        rows = []
        for step in group.steps:
            summary = next(summaries)
            about = many(summary.statements, "statement") if summary else ""
            if isinstance(step, CheckHealth):
                about = settles(step)
            elif isinstance(step, SwitchSlot) and not step.back:
                about = slots.proof(step)
            what = step.kind if isinstance(step, Migration) else step.phase.value
            found = summary.compatibility if summary else None
            rows.append([what, shown(step.title), nature(step), about, found.word if found else ""])
        lines.append("\n".join(f"   {line}" for line in columns(rows)))
    return lines


def _approval(value: Preview) -> list[str]:
    plan, decision = value.plan, value.decision
    if each := decision.veto:
        return ["", f"REJECTED {each.by} at {moment(each.given_at)}: {each.reason}"]
    if not decision.needed:
        return []
    lines = [approvals_told(value)]
    lines += [
        f"approved {each.by} at {moment(each.given_at)}: {each.reason}" for each in decision.counted
    ]
    if decision.missing:
        many_more = "an approval" if decision.missing == 1 else f"{decision.missing} approvals"
        sign = " --sign" if plan.policy.signed else ""
        more = f"needs {many_more}: templedb approve {short(plan.id)} --reason WHY{sign}"
        lines = [*lines, more, *(f"{INDENT}{each}" for each in decision.left_out)]
    return ["", *lines]
