"""Targets and variables, as plain text."""

from __future__ import annotations

from collections import Counter

from templedb_nb.model.approval import ApprovalList
from templedb_nb.model.listings import (
    TargetList,
    TargetShown,
    VariableList,
)
from templedb_nb.model.serialization import short
from templedb_nb.model.target import Policy, Probe, Target
from templedb_nb.model.target_import import ImportedTarget, TargetChange, TargetImport
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.model.waiting import WaitingList, WaitingPlan
from templedb_nb.views.format import labels_told, moment, table
from templedb_nb.views.text.base import INDENT, text


@text.register
def _(value: TargetList) -> str:
    if not value.rows:
        return f"no target yet (templedb target add {value.slug} NAME)"
    rows = [
        [t.name, t.type, t.provider, t.host, t.region, "yes" if t.protected else "no", _from(t)]
        for t in value.rows
    ]
    names = ["TARGET", "TYPE", "PROVIDER", "HOST", "REGION", "PROTECTED", "FROM"]
    if any(t.windows for t in value.rows):
        names.append("WINDOWS")
        rows = [[*row, _windows(t)] for row, t in zip(rows, value.rows, strict=True)]
    if any(t.labels for t in value.rows):
        names.append("LABELS")
        rows = [[*row, labels_told(t.labels)] for row, t in zip(rows, value.rows, strict=True)]
    return table(names, rows)


def _windows(target: Target) -> str:
    """Return how many rules of each effect a target has."""
    counts = Counter(rule.effect.value for rule in target.windows)
    return ", ".join(f"{count} {effect}" for effect, count in sorted(counts.items())) or "always"


def _from(target: Target) -> str:
    if target.from_file:
        return "templedb.yaml"
    return "import" if target.imported else "database"


_SHOWN = 20
"""So many targets of an import are listed in a terminal; JSON and the DataFrame have all."""


@text.register
def _(value: TargetImport) -> str:
    signs = {TargetChange.NEW: "+", TargetChange.CHANGED: "~"}
    lines = [
        f"{INDENT}{signs.get(row.change, '-')} {row.target}{_told(row)}"
        for row in value.rows[:_SHOWN]
    ]
    if (more := len(value.rows) - _SHOWN) > 0:
        lines.append(f"{INDENT}… and {more} more, which --json lists")
    counts = [f"{value.count(e)} {e.value}" for e in TargetChange if value.count(e)]
    counts += [f"{value.same} as before"] if value.same else []
    done = "would change" if value.dry_run else "changed"
    head = f"{value.file} {done} targets of {value.slug}: {', '.join(counts) or 'none'}"
    if not any(row.change is not TargetChange.GONE for row in value.rows):
        head = f"{value.file} changes no target of {value.slug}: {', '.join(counts) or 'none'}"
    gone = value.count(TargetChange.GONE)
    hint = [f"{gone} that the file does not name stay; --remove-gone removes them"] if gone else []
    return "\n".join([head, *lines, *hint])


def _told(row: ImportedTarget) -> str:
    return f": {', '.join(row.what)}" if row.what else ""


@text.register
def _(value: TargetShown) -> str:
    target = value.target
    facts = [
        ("type", target.type.value),
        ("provider", target.provider),
        ("host", target.host),
        ("region", target.region),
        ("url", target.url),
        ("labels", labels_told(target.labels)),
        ("protected", "yes" if target.protected else "no"),
        ("requires", Policy.of(target).wanted),
        ("signers", ", ".join(dict.fromkeys(each.split(" ", 1)[0] for each in target.signers))),
        ("order policy", target.order_policy.value if target.order_policy else ""),
        ("lint", target.lint.value if target.lint else ""),
        ("drift", target.drift.value if target.drift else ""),
        *(("window", str(rule)) for rule in target.windows),
        ("database", value.address),
        *value.others,
    ]
    lines = [f"{INDENT}{name:<12}  {fact}" for name, fact in facts if fact]
    lines += [f"{INDENT}{each}" for each in value.notes]
    rows = [_variable(each) for each in value.variables]
    found = [table(["VARIABLE", "OF", "KEPT", "VALUE"], rows, INDENT)] if rows else []
    return "\n".join([f"target {target.name} of {value.slug}", *lines, *found])


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
    notes = [f"{INDENT}{each}" for each in value.notes]
    notes += [f"{INDENT}! {each}" for each in value.findings]
    found = "\n".join([f"target {value.target}: reached {value.address}", *lines, *notes])
    return "\n".join([found, *(text(each) for each in value.others)])


@text.register
def _(value: ApprovalList) -> str:
    note = [value.note] if value.note else []
    if not value.rows:
        return "\n".join(["no plan was approved or rejected yet", *note])
    rows = [
        [
            moment(row.given_at),
            row.verdict.value,
            short(row.plan),
            row.target,
            row.who,
            row.way,
            f"used by {row.used_by[:13]}" if row.used_by else "",
            row.reason,
        ]
        for row in value.rows
    ]
    names = ["WHEN", "VERDICT", "PLAN", "TARGET", "WHO", "THROUGH", "USED", "WHY"]
    return "\n".join([table(names, rows), *value.left_out, *note])


@text.register
def _(value: WaitingList) -> str:
    names = ["PLAN", "PROJECT", "TARGET", "RELEASE", "KIND", "SINCE", "PLANNED BY", "WAITS FOR"]
    rows = [
        [
            short(row.plan),
            row.slug,
            row.target,
            str(row.release),
            row.run_kind.value,
            moment(row.since),
            row.planned_by,
            row.waits_for,
        ]
        for row in value.rows
    ]
    found = [table(names, rows)] if rows else ["no plan waits for approvals"]
    told = [f"{short(row.plan)}: {each}" for row in value.rows for each in waiting_told(row)]
    return "\n".join([*found, *told, *counts_told(value), *value.notes])


def waiting_told(row: WaitingPlan) -> list[str]:
    """Return what else is to be known of a plan that waits, a sentence each."""
    lines = []
    if row.superseded_by:
        lines.append(f"superseded by plan {short(row.superseded_by)}; approve that one")
    if row.supersedes:
        lines.append(f"supersedes plan {', '.join(short(each) for each in row.supersedes)}")
    if row.approved_by:
        until = f"; the first expires at {moment(row.expires_at)}" if row.expires_at else ""
        lines.append(f"approved by {', '.join(row.approved_by)}{until}")
    lines += row.left_out
    if row.alert:
        lines.append(str(row.alert))
    return lines


def counts_told(value: WaitingList) -> list[str]:
    """Return how many plans are left out, and why."""

    def plans(count: int) -> str:
        return "1 plan is" if count == 1 else f"{count} plans are"

    rejected = [f"{plans(value.rejected)} left out: rejected"] if value.rejected else []
    ready = [f"{plans(value.ready)} approved and can run"] if value.ready else []
    return [*rejected, *ready]
