"""Model values as plain text, for terminals and for the plain side of notebooks."""

from __future__ import annotations

import json
from functools import singledispatch
from typing import Any

from templedb_nb.model.finding import Finding, Severity
from templedb_nb.model.history import DeployHistory, MigrationHistory
from templedb_nb.model.plain import short
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Changes, Synced
from templedb_nb.model.result import Result, StepResult, StepState
from templedb_nb.model.shown import (
    Coded,
    ConfigHistory,
    ConfigVersion,
    Document,
    FileList,
    MigrationShown,
    ProjectList,
    ProjectRow,
    ProjectShown,
    Proposed,
    Said,
    ShownConfig,
    TargetList,
    TargetShown,
    Validation,
    VariableList,
)
from templedb_nb.model.status import MigrationStatus, StatusTable
from templedb_nb.model.target import Probe, Target
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.views.words import duration, indented, many, moment, shown, size, table

INDENT = "  "
LISTED = 10


@singledispatch
def text(value: Any) -> str:
    """Return *value* as a person would like to read it."""
    return str(value)


@text.register
def _(value: Coded) -> str:
    return text(value.value)


@text.register
def _(value: Said) -> str:
    return "\n".join([value.text, *(f"{INDENT}{line}" for line in value.also)])


@text.register
def _(value: Document) -> str:
    body = value.document
    return body.rstrip("\n") if isinstance(body, str) else json.dumps(body, indent=2)


@text.register
def _(value: ShownConfig) -> str:
    if value.format == "yaml":
        import yaml

        return str(
            yaml.safe_dump(dict(value.document), sort_keys=False, allow_unicode=True)
        ).rstrip()
    return json.dumps(value.document, indent=2, ensure_ascii=False)


@text.register
def _(value: Validation) -> str:
    head = f"{value.slug}: {many(value.groups, 'group')}, {value.origin}"
    verdict = "valid" if value.valid else "not valid"
    return "\n".join([f"{head}: {verdict}", *findings(value.findings)])


@text.register
def _(value: ConfigVersion) -> str:
    groups = ", ".join(value.groups)
    return f"version {value.version} of the config of {value.slug} is kept: {groups}"


@text.register
def _(value: ConfigHistory) -> str:
    rows = [
        [str(v.version), moment(v.set_at), v.set_by, ", ".join(v.groups), v.note]
        for v in value.rows
    ]
    return table(["VERSION", "WHEN", "WHO", "GROUPS", "NOTE"], rows)


@text.register
def _(value: Proposed) -> str:
    slug = value.version.slug
    lines = [f"version {value.version.version} of the config of {slug} is proposed and kept"]
    for number, group in enumerate(value.groups, start=1):
        lines.append(f"{INDENT}{number}. {group.name}: {', '.join(group.file_patterns)}")
        lines += [f"{INDENT * 3}{command}" for command in group.commands]
    lines += ["why", *(f"{INDENT}{each.what}: {each.why}" for each in value.reasons)]
    return "\n".join([*lines, f"next: templedb deploy config {slug} --validate"])


@text.register
def _(value: Synced) -> str:
    project = value.project
    head = f"project {project.slug}: release {value.release}, {many(value.files, 'file')}, "
    lines = [head + size(value.size)]
    lines += [f"{INDENT}{line}" for line in changed(value.changes)] or [f"{INDENT}nothing changed"]
    if value.left_out:
        lines += [f"{INDENT}left out: {shown(each)}" for each in value.left_out[:LISTED]]
        if len(value.left_out) > LISTED:
            lines.append(f"{INDENT}… and {len(value.left_out) - LISTED} more left out")
    return "\n".join(lines)


def changed(differs: Changes) -> list[str]:
    """Return what differs between two releases, a line a kind."""
    kinds = (("added", differs.added), ("changed", differs.changed), ("removed", differs.removed))
    lines = []
    for kind, paths in kinds:
        if paths:
            more = f", … {len(paths) - LISTED} more" if len(paths) > LISTED else ""
            listed = ", ".join(shown(path) for path in paths[:LISTED])
            lines.append(f"{len(paths)} {kind}: {listed}{more}")
    return lines


@text.register
def _(value: ProjectList) -> str:
    if not value.rows:
        return "no project yet (templedb project import PATH)"
    rows = [_project(row) for row in value.rows]
    return table(["PROJECT", "RELEASE", "FILES", "SIZE", "SYNCED", "TARGETS", "FOLDER"], rows)


def _project(row: ProjectRow) -> list[str]:
    release = str(row.release) if row.release else "none"
    folder = row.project.root or ""
    counts = [release, str(row.files), size(row.size), moment(row.synced_at), str(row.targets)]
    return [row.project.slug, *counts, folder]


@text.register
def _(value: ProjectShown) -> str:
    project = value.row.project
    lines = [
        f"project {project.slug}",
        f"{INDENT}folder    {project.root}",
        f"{INDENT}known as  {project.known_as}",
        f"{INDENT}config    {value.config}",
        f"{INDENT}targets   {', '.join(each.name for each in value.targets) or 'none'}",
    ]
    rows = [
        [str(r.number), short(r.tree), str(r.files), size(r.size), moment(r.made_at), r.made_by]
        for r in value.releases
    ]
    return "\n".join([*lines, table(["RELEASE", "TREE", "FILES", "SIZE", "WHEN", "WHO"], rows)])


@text.register
def _(value: FileList) -> str:
    rows = [[size(f.size), "x" if f.executable else "", short(f.blob), f.path] for f in value.rows]
    return table(["SIZE", "X", "CONTENT", "PATH"], rows)


@text.register
def _(value: TargetList) -> str:
    if not value.rows:
        return f"no target yet (templedb target add {value.slug} NAME)"
    rows = [
        [t.name, t.type, t.provider, t.host, t.region, "yes" if t.protected else "no", _from(t)]
        for t in value.rows
    ]
    return table(["TARGET", "TYPE", "PROVIDER", "HOST", "REGION", "PROTECTED", "FROM"], rows)


def _from(target: Target) -> str:
    return "templedb.yaml" if target.from_file else "database"


@text.register
def _(value: TargetShown) -> str:
    target = value.target
    facts = [
        ("type", target.type.value),
        ("provider", target.provider),
        ("host", target.host),
        ("region", target.region),
        ("url", target.url),
        ("protected", "yes: runs only plans that have an approval" if target.protected else "no"),
        ("order policy", target.order_policy.value if target.order_policy else ""),
        ("database", value.address),
    ]
    lines = [f"{INDENT}{name:<12}  {fact}" for name, fact in facts if fact]
    rows = [_variable(each) for each in value.variables]
    names = [table(["VARIABLE", "OF", "KEPT", "VALUE"], rows, INDENT)] if rows else []
    return "\n".join([f"target {target.name} of {value.slug}", *lines, *names])


@text.register
def _(value: VariableList) -> str:
    if not value.rows:
        return f"no variable yet (templedb env set {value.slug} NAME)"
    return table(["VARIABLE", "OF", "KEPT", "VALUE"], [_variable(each) for each in value.rows])


def _variable(each: Variable) -> list[str]:
    visible = each.text if each.keeping is not Keeping.SEALED else "***"
    return [each.name, each.target or "all targets", each.keeping.value, visible]


@text.register
def _(value: Probe) -> str:
    facts = [
        ("server", value.server),
        ("role", f"{value.role}{' (superuser)' if value.superuser else ''}"),
        ("latency", f"{value.latency_us / 1000:.1f} ms"),
        ("ledger", value.ledger),
        ("may create it", "yes" if value.may_create_ledger else "no"),
    ]
    lines = [f"{INDENT}{name:<14}{fact}" for name, fact in facts if fact]
    notes = [f"{INDENT}! {each}" for each in value.findings]
    return "\n".join([f"target {value.target}: reached {value.address}", *lines, *notes])


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
            row.last_outcome.value
            if row.last_outcome
            else "never"
            if not row.last_run
            else "running",
            moment(row.last_at),
            row.note,
        ]
        for row in value.rows
    ]
    headers = ["TARGET", "APPLIED", "PENDING", "ATTENTION", "LAST RUN", "WHEN", "NOTE"]
    return f"project {value.slug}, release {value.rows[0].release}\n{table(headers, rows)}"


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
    lines += [f"mend {row.file}: {row.mend}" for row in value.shown if row.mend]
    return "\n".join(lines)


@text.register
def _(value: MigrationHistory) -> str:
    if not value.rows:
        return f"no migration of {value.slug} was applied yet"
    rows = [
        [
            moment(row.entry.finished_at),
            row.entry.state.value,
            row.entry.kind.value,
            row.entry.file,
            short(row.entry.checksums.text),
            row.entry.client,
            row.entry.error,
        ]
        for row in value.rows
    ]
    return table(["WHEN", "STATE", "HOW", "FILE", "CHECKSUM", "WHO", "ERROR"], rows)


@text.register
def _(value: MigrationShown) -> str:
    lines = [f"{value.file} on {value.target}"]
    lines += [f"{INDENT}{name:<10}{shown(fact)}" for name, fact in value.facts]
    if value.diff:
        lines += ["", value.diff]
    return "\n".join([*lines, "", value.text.rstrip("\n")])


@text.register
def _(value: DeployHistory) -> str:
    if not value.rows:
        return f"no run of {value.slug} yet"
    rows = [
        [
            row.run[:13],
            row.target,
            row.outcome.value if row.outcome else "running",
            moment(row.started_at),
            duration(row.elapsed_ms),
            f"{row.done}/{row.steps}",
            str(row.applied),
            str(row.release),
            row.started_by,
            row.message,
        ]
        for row in value.rows
    ]
    headers = [
        "RUN",
        "TARGET",
        "OUTCOME",
        "WHEN",
        "TOOK",
        "STEPS",
        "APPLIED",
        "RELEASE",
        "WHO",
        "MESSAGE",
    ]
    return table(headers, rows)


@text.register
def _(value: Preview) -> str:
    plan, draft = value.plan, value.draft
    protected = " (protected)" if plan.policy.protected else ""
    lines = [
        f"plan {short(plan.id)}: {value.slug} to {plan.target}{protected}",
        f"{INDENT}release {value.release}, config: {value.config}",
    ]
    if value.dry_run:
        lines.append(f"{INDENT}a dry run: nothing is executed, nothing is changed")
    lines += [f"{INDENT}since the last release: {line}" for line in changed(value.changes)]
    lines += _groups(value) or ["", "nothing to do: no step is left"]
    lines += ["", f"migrations: {draft.applied} applied, {_applies(value)} to apply"]
    if draft.skips:
        lines += ["", "left out", *(f"{INDENT}{each.what}: {each.why}" for each in draft.skips)]
    if draft.sources:
        lines += ["", "variables", *(f"{INDENT}{each}" for each in draft.sources)]
    if value.findings:
        lines += ["", "findings", *findings(value.findings)]
    for file, diff in value.diffs:
        lines += ["", f"how {file} differs from what was applied", indented(diff, INDENT)]
    return "\n".join([*lines, *_approval(value)])


def briefing(value: Preview) -> str:
    """Return what a reader must know of a plan just before it runs; nothing, if there is nothing.

    Findings that forbid the run are left to the error that says so.
    """
    lines = [f"since the last release: {line}" for line in changed(value.changes)]
    lines += [f"left out: {each.what}: {each.why}" for each in value.draft.skips]
    told = tuple(each for each in value.findings if each.severity is Severity.WARNING)
    return "\n".join([*lines, *(line.strip() for line in findings(told))])


def _applies(value: Preview) -> int:
    return sum(step.kind == "apply" for step in value.plan.steps)


def _groups(value: Preview) -> list[str]:
    summaries = {each.file: each for each in value.draft.scripts}
    lines: list[str] = []
    for number, group in enumerate(value.plan.groups, start=1):
        go_on = "  (later groups run even if it fails)" if group.continue_on_failure else ""
        lines += ["", f"{number}. {group.name}{go_on}"]
        rows = []
        for step in group.steps:
            summary = summaries.get(step.title)
            about = many(summary.statements, "statement") if summary else ""
            label = "opaque" if step.kind in {"command", "script"} else "exact"
            what = "apply" if step.kind == "apply" else step.phase.value
            rows.append([what, shown(step.title), label, about])
        lines.append("\n".join(f"   {line}" for line in _columns(rows)))
    return lines


def _columns(rows: list[list[str]]) -> list[str]:
    return table([""] * len(rows[0]), rows).split("\n")[1:]


def _approval(value: Preview) -> list[str]:
    plan = value.plan
    if not plan.policy.protected or not plan.steps:
        return []
    open_ones = [each for each in value.approvals if not each.used_by]
    if open_ones:
        each = open_ones[-1]
        return ["", f"approved by {each.given_by} at {moment(each.given_at)}: {each.reason}"]
    return ["", f"needs an approval: templedb approve {short(plan.id)} --reason WHY"]


def findings(found: tuple[Finding, ...]) -> list[str]:
    """Return findings, the gravest first, a line each."""
    order = list(Severity)
    ranked = sorted(found, key=lambda each: order.index(each.severity))
    return [f"{INDENT}{each.severity:<8} {shown(str(each))}" for each in ranked]


@text.register
def _(value: Result) -> str:
    head, *rest = closing(value).split("\n")
    rows = [_step(step) for step in value.steps]
    table_lines = [f"{INDENT}{line}" for line in _columns(rows)] if rows else []
    return "\n".join([head, *table_lines, *rest])


def closing(value: Result) -> str:
    """Return what a run came to, without its steps."""
    outcome = value.outcome.value if value.outcome else "running"
    head = f"run {value.run[:13]}: {value.slug} to {value.target}: {outcome}"
    lines = [f"{head} in {duration(value.elapsed_ms)}", came_to(value)]
    if value.failure:
        lines += ["", *failure(value)]
    elif value.message:
        lines += ["", value.message]
    return "\n".join(lines)


def _step(step: StepResult) -> list[str]:
    again = f" ({step.attempts} attempts)" if step.attempts > 1 else ""
    label = step.label
    why = step.message if step.state in {StepState.SKIPPED, StepState.WARNED} else ""
    state = f"{step.state.value}{again}"
    return [
        state,
        label.group,
        label.phase,
        shown(label.title),
        duration(step.duration_ms),
        shown(why),
    ]


def came_to(value: Result) -> str:
    """Return what a run did to the target, in a few words."""
    applied = value.applied()
    if applied:
        return f"{many(applied, 'migration')} applied"
    amended = [s for s in value.steps if s.label.kind == "amend" and s.state is StepState.DONE]
    if amended:
        return (
            f"{many(len(amended), 'ledger entry').replace('entrys', 'entries')} changed; no SQL ran"
        )
    if value.count(StepState.UNKNOWN):
        return "nothing is known to be applied"
    if value.outcome is None:
        return "nothing applied so far"
    idle = value.failure is None and not any(step.label.kind == "apply" for step in value.steps)
    return "nothing applied: no migration was pending" if idle else "nothing applied"


def failure(value: Result) -> list[str]:
    """Return why a run failed, with the last lines of the step's output."""
    event = value.failure
    if event is None:
        return []
    lines = [f"failed: {shown(event.message)}"]
    facts = [("statement", event.statement), ("SQLSTATE", event.sqlstate)]
    lines += [f"{INDENT}{name}: {fact}" for name, fact in facts if fact is not None]
    if event.detail:
        lines += [f"{INDENT}detail: {line}" for line in event.detail.splitlines()]
    if event.tail:
        lines += [
            f"{INDENT}last output:",
            indented("\n".join(event.tail.splitlines()[-20:]), "    | "),
        ]
    changed_what = "the target changed before that" if value.changed else "the target is unchanged"
    if value.exit_code is not None:
        lines.append(f"{INDENT}exit {value.exit_code}: {changed_what}")
    return [*lines, *([f"mend: {event.hint}"] if event.hint else [])]
