"""A plan as a card: what a reviewer needs, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.finding import Finding, Severity
from templedb_nb.model.plain import short
from templedb_nb.model.plan import Apply, Mode, Preview, ScriptSummary, Step
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
from templedb_nb.views.text import changed
from templedb_nb.views.words import many

COLUMNS = (
    Column("#", number=True),
    Column("Phase"),
    Column("Step", wide=True),
    Column("What is known"),
)
OVERLAID = (Column("Key"), Column("In the config"), Column("For this plan", wide=True))
SEVERITIES = {
    Severity.ERROR: (Tone.BAD, "✗"),
    Severity.WARNING: (Tone.LOUD, "!"),
    Severity.NOTE: (Tone.QUIET, "·"),
}
OPAQUE = frozenset({"command", "script"})


def plan_card(value: Preview) -> Html:
    """Return a plan as a card; that of a protected target cannot be taken for another."""
    guarded = value.plan.policy.needed > 0 or value.decision.veto is not None
    return card(
        Tone.LOUD if guarded else Tone.PLAIN,
        _title(value),
        _guard(value) if guarded else None,
        _sum(value),
        _findings(value.findings),
        _overlay(value),
        _steps(value),
        _facts(value),
        [_diff(file, diff) for file, diff in value.diffs],
    )


def _title(value: Preview) -> Html:
    name = code(short(value.plan.id), value.plan.id)
    dry = badge(Tone.QUIET, "○", "dry run") if value.dry_run else None
    return title("Plan ", name, f": {value.slug} to {value.plan.target}", dry)


def _guard(value: Preview) -> Html:
    policy = value.plan.policy
    what = "WANTS APPROVAL" if policy.needed else "REJECTED PLAN"
    what = "PROTECTED TARGET" if policy.protected else what
    target = tag("strong", f"▲ {what}: ", value.plan.target)
    if not value.plan.steps:
        return band(Tone.LOUD, target)
    found = value.decision
    lines: list[Child] = []
    for each in found.counted:
        yes = marked(Tone.GOOD, "✓", "Approved")
        who = f" {each.by}, "
        lines += [tag("br"), yes, who, when(each.given_at), f": {each.reason}"]
    if veto := found.veto:
        no = marked(Tone.BAD, "✗", "Rejected")
        who, why = f" {veto.by}, ", f": {veto.reason}"
        lines += [tag("br"), no, who, when(veto.given_at), why]
    elif found.missing:
        sign = " --sign" if policy.signed else ""
        how = code(f"%templedb approve {short(value.plan.id)} --reason WHY{sign}")
        more = "an approval" if found.missing == 1 else f"{found.missing} approvals"
        lines += [tag("br"), f"This plan needs {more}: ", how]
        lines += [part for told in found.problems for part in (tag("br"), told)]
    return band(Tone.LOUD, target, *lines)


def _sum(value: Preview) -> Html:
    steps = value.plan.steps
    applies, reverts = (sum(step.kind == k for step in steps) for k in ("apply", "revert"))
    opaque = sum(step.kind in OPAQUE for step in steps)
    what = f"{many(applies, 'migration')} to apply" if applies else ""
    what = f"{many(reverts, 'migration')} to take back" if reverts else what
    parts = [
        tag("strong", what) if what else "No migration to apply",
        f", {value.draft.applied} applied before",
        f"; {many(opaque, 'command')} to run" if opaque else None,
        "." if steps else ". Nothing to do: no step is left.",
        " This was a dry run: nothing was executed, nothing was changed."
        if value.dry_run
        else None,
    ]
    return tag("p", parts)


def _findings(found: tuple[Finding, ...]) -> Html | None:
    if not found:
        return None
    order = list(Severity)
    ranked = sorted(found, key=lambda each: order.index(each.severity))
    worst = ranked[0].severity
    tone = SEVERITIES[worst][0] if worst is not Severity.NOTE else Tone.PLAIN
    rows = [tag("li", _finding(each)) for each in ranked]
    return tag("div", tag("strong", "Findings"), tag("ul", rows), class_=f"tdb-band tdb-on-{tone}")


def _finding(each: Finding) -> Html:
    tone, mark = SEVERITIES[each.severity]
    place = join(code(each.where), ": ") if each.where else None
    mend = join(" (", with_commands(each.mend), ")") if each.mend else None
    return join(marked(tone, mark, each.severity.value), " ", place, each.message, mend)


def _overlay(value: Preview) -> Html | None:
    """Return what of the config is different for this plan, as a diff."""
    if not value.overlay:
        return None
    rows: list[list[Child]] = [
        [code(each.at), toned(Tone.BAD, f"- {each.before}"), toned(Tone.GOOD, f"+ {each.after}")]
        for each in value.overlay
    ]
    return table("Overlay: the config, for this plan alone", OVERLAID, [body(OVERLAID, rows)])


def _steps(value: Preview) -> Html | None:
    if not value.plan.steps:
        return None
    scripts = {each.file: each for each in value.draft.scripts}
    bodies, first = [], 1
    for place, group in enumerate(value.plan.groups, start=1):
        rows = [
            _step(n, step, scripts.get(step.title)) for n, step in enumerate(group.steps, first)
        ]
        later = (
            toned(Tone.QUIET, " (later groups run even if it fails)")
            if group.continue_on_failure
            else None
        )
        bodies.append(body(COLUMNS, rows, join(f"{place}. {group.name}", later)))
        first += len(rows)
    return table("Steps, in order", COLUMNS, bodies)


def _step(number: int, step: Step, script: ScriptSummary | None) -> list[Child]:
    phase = toned(Tone.QUIET, step.phase.value)
    return [str(number), phase, code(step.title), _known(step, script)]


def _known(step: Step, script: ScriptSummary | None) -> Child:
    if step.kind in OPAQUE:
        return toned(Tone.QUIET, "opaque command")
    counted = f", {many(script.statements, 'statement')}" if script else ""
    alone = isinstance(step, Apply) and step.mode is not Mode.TRANSACTION
    loud = join(", ", toned(Tone.LOUD, "no transaction")) if alone else None
    return join(toned(Tone.QUIET, f"exact{counted}"), loud)


def _facts(value: Preview) -> Html | None:
    draft = value.draft
    made = join(when(value.made_at), f" by {value.made_by}")
    return facts(
        [
            ("Release", str(value.release)),
            ("Config", value.config),
            ("Planned", made),
            ("Changes", listed(changed(value.changes))),
            ("Left out", listed([f"{each.what}: {each.why}" for each in draft.skips])),
            ("Variables", listed(list(_variables(value)))),
        ]
    )


def _variables(value: Preview) -> Iterator[Html]:
    for each in value.draft.sources:
        yield join(code(each.name), toned(Tone.QUIET, str(each).removeprefix(each.name)))


def _diff(file: str, diff: str) -> Html:
    summary = join("How ", code(file), " differs from what was applied")
    return folded(summary, block(diff, _diff_line), opened=True)


def _diff_line(line: str) -> Html:
    tone = {"+": Tone.GOOD, "-": Tone.BAD}.get(line[:1])
    return toned(tone, line) if tone else join(line)
