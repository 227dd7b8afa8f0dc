"""Plans and runs as HTML that is at home in a notebook: static, no script, light and dark."""

from __future__ import annotations

from html import escape
from typing import Any

from templedb_nb.model.finding import Severity
from templedb_nb.model.plain import short, to_plain
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result, StepState
from templedb_nb.views.text import changed, failure, text
from templedb_nb.views.words import duration, many, moment, shown

_GOOD, _BAD, _LOUD, _MUTED = (
    "var(--jp-success-color1, #2e7d32)",
    "var(--jp-error-color1, #c62828)",
    "var(--jp-warn-color1, #b26a00)",
    "var(--jp-ui-font-color2, #6b6b6b)",
)
_CARD = (
    "border:1px solid var(--jp-border-color2, #bdbdbd);border-radius:4px;padding:.6em .9em;"
    "max-width:72em;overflow-x:auto"
)
_CELL = "text-align:left;padding:.15em .9em .15em 0;vertical-align:top"
_SEVERITIES = {Severity.ERROR: _BAD, Severity.WARNING: _LOUD, Severity.NOTE: _MUTED}
_STATES = {
    StepState.DONE: ("✓", _GOOD),
    StepState.FAILED: ("✗", _BAD),
    StepState.WARNED: ("!", _LOUD),
    StepState.UNKNOWN: ("?", _BAD),
    StepState.SKIPPED: ("-", _MUTED),
    StepState.RUNNING: ("…", _LOUD),
    StepState.PENDING: ("·", _MUTED),
}


def preview(value: Preview) -> str:
    """Return a plan as a card."""
    plan, draft = value.plan, value.draft
    guard = _badge("protected", _LOUD) if plan.policy.protected else ""
    head = f"<b>plan <code>{short(plan.id)}</code></b>: {escape(value.slug)} to "
    head += f"<b>{escape(plan.target)}</b> {guard}"
    note = f"release {value.release}, {escape(value.config)}"
    if value.dry_run:
        note += "; a dry run: nothing is executed, nothing is changed"
    parts = [f"<div>{head}</div>", _muted(note)]
    parts += [_muted(f"since the last release: {escape(line)}") for line in changed(value.changes)]
    parts += [_group(n, group, value) for n, group in enumerate(plan.groups, start=1)]
    if not plan.groups:
        parts.append("<p>nothing to do: no step is left</p>")
    applies = sum(step.kind == "apply" for step in plan.steps)
    parts.append(f"<p>migrations: {draft.applied} applied, <b>{applies} to apply</b></p>")
    parts += _list("left out", [f"{escape(s.what)}: {escape(s.why)}" for s in draft.skips])
    parts += _list("variables", [escape(str(source)) for source in draft.sources])
    parts += _list("findings", [_finding(each) for each in value.findings])
    parts += [f"<pre>{escape(diff)}</pre>" for _, diff in value.diffs]
    return _card([*parts, _approval(value)])


def result(value: Result) -> str:
    """Return a run as a card."""
    outcome = value.outcome.value if value.outcome else "running"
    colour = _GOOD if outcome == "succeeded" else _BAD if value.outcome else _LOUD
    head = f"<b>run <code>{escape(value.run[:13])}</code></b>: {escape(value.slug)} to "
    head += (
        f"<b>{escape(value.target)}</b> {_badge(outcome, colour)} in {duration(value.elapsed_ms)}"
    )
    rows = "".join(_step(step) for step in value.steps)
    parts = [f"<div>{head}</div>", f"<table>{rows}</table>" if rows else ""]
    applied = value.applied()
    parts.append(f"<p>{many(applied, 'migration')} applied</p>" if applied else "")
    if value.failure:
        parts.append(f"<pre>{escape(chr(10).join(failure(value)))}</pre>")
    elif value.message:
        parts.append(f"<p>{escape(value.message)}</p>")
    return _card(parts)


def bundle(value: Any) -> dict[str, Any] | None:
    """Return every picture of a plan or a run, for a notebook to choose from; None for others."""
    match value:
        case Preview():
            return {
                "text/plain": text(value),
                "text/html": preview(value),
                "application/vnd.templedb.plan+json": to_plain(value),
            }
        case Result():
            return {
                "text/plain": text(value),
                "text/html": result(value),
                "application/vnd.templedb.run+json": to_plain(value),
            }
        case _:
            return None


def _group(number: int, group: Any, value: Preview) -> str:
    summaries = {each.file: each for each in value.draft.scripts}
    rows = []
    for step in group.steps:
        summary = summaries.get(step.title)
        about = many(summary.statements, "statement") if summary else ""
        opaque = "opaque" if step.kind in {"command", "script"} else "exact"
        cells = [_span(step.phase.value, _MUTED), f"<code>{escape(shown(step.title))}</code>"]
        rows.append(_row([*cells, _span(opaque, _MUTED), _span(about, _MUTED)]))
    head = f"<p style='margin:.6em 0 .2em'><b>{number}. {escape(group.name)}</b></p>"
    return f"{head}<table>{''.join(rows)}</table>"


def _step(step: Any) -> str:
    mark, colour = _STATES[step.state]
    label = step.label
    why = step.message if step.state in {StepState.SKIPPED, StepState.WARNED} else ""
    cells = [
        _span(f"{mark} {step.state.value}", colour),
        escape(label.group),
        _span(label.phase, _MUTED),
        f"<code>{escape(shown(label.title))}</code>",
        duration(step.duration_ms),
        _span(why, _MUTED),
    ]
    return _row(cells)


def _approval(value: Preview) -> str:
    plan = value.plan
    if not plan.policy.protected or not plan.steps:
        return ""
    open_ones = [each for each in value.approvals if not each.used_by]
    if not open_ones:
        how = f"%templedb approve {short(plan.id)} --reason WHY"
        return f"<p>{_badge('needs an approval', _LOUD)} <code>{how}</code></p>"
    each = open_ones[-1]
    by = f"{escape(each.given_by)} at {moment(each.given_at)}: {escape(each.reason)}"
    return f"<p>{_badge('approved', _GOOD)} by {by}</p>"


def _finding(each: Any) -> str:
    return f"{_span(each.severity.value, _SEVERITIES[each.severity])} {escape(shown(str(each)))}"


def _list(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    listed = "".join(f"<li>{item}</li>" for item in items)
    return [f"<p style='margin:.6em 0 0'>{title}</p><ul style='margin:.2em 0'>{listed}</ul>"]


def _card(parts: list[str]) -> str:
    return f"<div style='{_CARD}'>{''.join(parts)}</div>"


def _row(cells: list[str]) -> str:
    inner = "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in cells)
    return f"<tr style='background:none'>{inner}</tr>"


def _span(words: str, colour: str) -> str:
    return f"<span style='color:{colour}'>{escape(words)}</span>" if words else ""


def _muted(inner: str) -> str:
    return f"<div style='color:{_MUTED}'>{inner}</div>"


def _badge(words: str, colour: str) -> str:
    style = f"border:1px solid {colour};color:{colour};border-radius:3px;padding:0 .4em"
    return f"<span style='{style}'>{escape(words)}</span>"
