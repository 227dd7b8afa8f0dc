"""A plan as a card: what a reviewer needs, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.errors import shortened
from templedb_nb.model.finding import Finding, Severity, errors
from templedb_nb.model.plan import Preview
from templedb_nb.model.serialization import short
from templedb_nb.model.step import Apply, Revert, failure_hook
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.views.format import many, middle_out
from templedb_nb.views.html.card import (
    Column,
    Tone,
    badge,
    band,
    body,
    card,
    code,
    facts,
    folded,
    listed,
    marked,
    table,
    title,
    toned,
    when,
    with_commands,
)
from templedb_nb.views.html.markup import Child, Html, block, join, tag
from templedb_nb.views.html.parts.promotion import promotion_part
from templedb_nb.views.html.parts.slots import slots_part
from templedb_nb.views.html.parts.steps import TONES, steps_table
from templedb_nb.views.locks import blocked, of_plan
from templedb_nb.views.plans import approvals_told, compared, in_all, promotion_gates
from templedb_nb.views.text.rollback import heading, if_fails

OVERLAID = (Column("Key"), Column("In the config"), Column("For this plan", wide=True))
SEVERITIES = {
    Severity.ERROR: (Tone.BAD, "✗"),
    Severity.WARNING: (Tone.LOUD, "!"),
    Severity.NOTE: (Tone.QUIET, "·"),
}
LISTED = 12
"""So many files of a difference are shown unfolded."""
FINDINGS, DIFFS = 50, 20


def plan_card(value: Preview, *, at_gate: bool = False) -> Html:
    """Return a plan as a card; that of a protected target cannot be taken for another.

    *at_gate*, another card says how it stands with those who may approve it.
    """
    guarded = value.plan.policy.needed > 0
    tone = Tone.BAD if value.decision.veto else Tone.LOUD if guarded else Tone.PLAIN
    return card(
        tone,
        _title(value),
        _guard(value, tone, at_gate=at_gate) if tone is not Tone.PLAIN else None,
        _sum(value),
        _findings(value.findings),
        _overlay(value),
        promotion_part(way, promotion_gates(value)) if (way := value.draft.promotion) else None,
        _back(value) if value.draft.rollback else _since(value),
        slots_part(value),
        steps_table(value),
        _fallback(value),
        _facts(value),
        [_diff(file, diff) for file, diff in value.diffs[:DIFFS]],
        tag("p", f"… and {more} more edited files")
        if (more := len(value.diffs) - DIFFS) > 0
        else None,
    )


def _title(value: Preview) -> Html:
    name = code(short(value.plan.id), value.plan.id)
    dry = badge(Tone.QUIET, "○", "dry run") if value.dry_run else None
    no = badge(Tone.BAD, "✗", "rejected") if value.decision.veto else None
    return title("Plan ", name, f": {value.slug} to {value.plan.target}", dry, no)


def _guard(value: Preview, tone: Tone, *, at_gate: bool) -> Html:
    policy = value.plan.policy
    what = "WANTS APPROVAL" if policy.needed else "REJECTED PLAN"
    what = "PROTECTED TARGET" if policy.protected else what
    target = tag("strong", f"▲ {what}: ", value.plan.target)
    if not value.plan.steps or at_gate:
        return band(tone, target)
    lines: list[Child] = []
    if told := approvals_told(value):
        lines += [tag("br"), told]
    return band(tone, target, *lines, *_words(value))


def _words(value: Preview) -> list[Child]:
    """Return what people said of the plan, and what is missing."""
    decision, lines = value.decision, list[Child]()
    for each in decision.counted:
        yes = marked(Tone.GOOD, "✓", "Approved")
        who = f" {each.by}, "
        lines += [tag("br"), yes, who, when(each.given_at), f": {each.reason}"]
    if veto := decision.veto:
        no = marked(Tone.BAD, "✗", "Rejected")
        who, why = f" {veto.by}, ", f": {veto.reason}"
        lines += [tag("br"), no, who, when(veto.given_at), why]
    elif decision.missing:
        sign = " --sign" if value.plan.policy.signed else ""
        how = code(f"%templedb approve {short(value.plan.id)} --reason WHY{sign}")
        more = "an approval" if decision.missing == 1 else f"{decision.missing} approvals"
        lines += [part for each in decision.left_out for part in (tag("br"), each)]
        lines += [tag("br"), f"This plan needs {more}: ", how]
    return lines


def _sum(value: Preview) -> Html:
    steps = value.plan.steps
    applies, reverts = (sum(isinstance(each, kind) for each in steps) for kind in (Apply, Revert))
    switches = sum(isinstance(each, SwitchSlot) for each in value.plan.work)
    opaque = sum(step.opaque for step in value.plan.work) - switches
    times = "" if switches == 1 else f" {switches} times"
    checks = len(steps) - len(value.plan.work) - sum(map(failure_hook, steps))
    what = f"{many(applies, 'migration')} to apply" if applies else ""
    what = f"{many(reverts, 'migration')} to roll back" if reverts else what
    locks = of_plan(value)
    tone = TONES.get(locks[0].blocks, Tone.QUIET) if locks else Tone.QUIET
    wrong = len(errors(value.findings))
    parts = [
        tag("strong", what) if what else "No migration to apply",
        f", {value.draft.applied} applied before",
        join("; ", toned(tone, blocked(locks))) if locks else None,
        f"; {many(opaque, 'command')} to run" if opaque else None,
        f"; {many(checks, 'health check')}" if checks else None,
        f"; traffic is switched{times}" if switches else None,
        "." if steps else ". There is nothing to do.",
        f" Expected: {in_all(value.expected)}." if value.expected.total_ms else None,
        [" ", marked(Tone.BAD, "✗", f"{many(wrong, 'error')}: it cannot run.")] if wrong else None,
        " This was a dry run: nothing was executed or changed." if value.dry_run else None,
    ]
    return tag("p", parts)


def _since(value: Preview) -> Html | None:
    """Return which files differ from those of the last successful run; long lists are folded."""
    heading = tag("strong", compared(value))
    found = value.since.changes if value.since else None
    if not found:
        return tag("p", heading)
    kinds = (
        (Tone.GOOD, "+", "added", found.added),
        (Tone.LOUD, "~", "changed", found.changed),
        (Tone.BAD, "-", "removed", found.removed),
    )
    rows = [
        (marked(tone, mark, what), listed([code(path) for path in paths]))
        for tone, mark, what, paths in kinds
    ]
    few = len(found.added) + len(found.changed) + len(found.removed) <= LISTED
    return folded(heading, facts(rows), opened=few)


def _back(value: Preview) -> Html:
    """Return what a rollback brings back, and what it leaves as it is."""
    back = value.draft.rollback
    assert back is not None  # noqa: S101 - the caller looked
    whole = heading(back)
    rows = [
        ("Its files come from", back.origin),
        ("Brought back", listed([code(each) for each in back.undoes])),
        ("Left as it is", listed(list(back.leaves))),
        ("Variables, then and now", listed(list(back.differs))),
    ]
    return join(tag("p", tag("strong", whole[:1].upper() + whole[1:])), facts(rows))


def _fallback(value: Preview) -> Html | None:
    """Return what follows where the run fails, if the config asks for a rollback."""
    if value.fallback is None or value.plan.if_fails is None:
        return None
    head, *lines = if_fails(value.fallback)
    return folded(
        join(tag("strong", "If this fails"), head.removeprefix("if this fails")),
        listed(list(lines)),
        opened=True,
    )


def _findings(found: tuple[Finding, ...]) -> Html | None:
    if not found:
        return None
    order = list(Severity)
    ranked = sorted(found, key=lambda each: order.index(each.severity))
    worst = ranked[0].severity
    tone = SEVERITIES[worst][0] if worst is not Severity.NOTE else Tone.PLAIN
    mends = [each.mend for each in ranked]
    rows = [
        tag("li", _finding(each, "" if each.mend in mends[:n] else each.mend))
        for n, each in enumerate(ranked[:FINDINGS])
    ]
    if (more := len(ranked) - FINDINGS) > 0:
        rows.append(tag("li", f"… and {more} more"))
    return tag("div", tag("strong", "Findings"), tag("ul", rows), class_=f"tdb-band tdb-on-{tone}")


def _finding(each: Finding, hint: str) -> Html:
    """Return a finding; *hint* is what helps, where no finding above says the same."""
    tone, mark = SEVERITIES[each.severity]
    place = join(code(each.where), ": ") if each.where else None
    mend = join(" (", with_commands(hint), ")") if hint else None
    return join(marked(tone, mark, each.severity.value), " ", place, shortened(each.message), mend)


def _overlay(value: Preview) -> Html | None:
    """Return what of the config is different for this plan, as a diff."""
    if not value.overlay:
        return None
    rows: list[list[Child]] = [
        [code(each.at), toned(Tone.BAD, f"- {each.before}"), toned(Tone.GOOD, f"+ {each.after}")]
        for each in value.overlay
    ]
    return table(
        "Overlay: changes to the config, for this plan only", OVERLAID, [body(OVERLAID, rows)]
    )


def _facts(value: Preview) -> Html | None:
    draft = value.draft
    made = join(when(value.made_at), f" by {value.made_by}")
    return facts(
        [
            ("Release", str(value.release or "not in this state")),
            ("Config", value.config),
            ("Planned", made),
            ("Databases", listed([f"{name}: {place}" for name, place in value.reached])),
            ("Left out", listed([f"{each.what}: {each.why}" for each in draft.skips])),
            ("Variables", listed(list(_variables(value)))),
        ]
    )


def _variables(value: Preview) -> Iterator[Html]:
    for each in value.draft.sources:
        yield join(code(each.name), toned(Tone.QUIET, str(each).removeprefix(each.name)))


def _diff(file: str, diff: str) -> Html:
    summary = join("How ", code(file), " differs from what was applied")
    told = middle_out(diff, "templedb migration show")
    return folded(summary, block(told, _diff_line), opened=True)


def _diff_line(line: str) -> Html:
    tone = {"+": Tone.GOOD, "-": Tone.BAD}.get(line[:1])
    return toned(tone, line) if tone else join(line)
