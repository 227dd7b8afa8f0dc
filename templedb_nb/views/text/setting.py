"""Projects, files and configs, as plain text."""

from __future__ import annotations

from templedb_nb.model.legacy_project import TakenOver, TakeOver
from templedb_nb.model.listings import (
    ConfigHistory,
    ConfigVersion,
    FileList,
    ProjectList,
    ProjectRow,
    ProjectShown,
    Proposed,
    Validation,
)
from templedb_nb.model.project import Changes, Synced
from templedb_nb.model.serialization import short
from templedb_nb.views.format import many, moment, shown, size, table
from templedb_nb.views.text.base import INDENT, LISTED, findings, text


@text.register
def _(value: Validation) -> str:
    head = f"{value.slug}: {many(value.groups, 'group')}, {value.origin}"
    verdict = "valid" if value.valid else "not valid"
    return "\n".join([f"{head}: {verdict}", *findings(value.findings)])


@text.register
def _(value: ConfigVersion) -> str:
    groups = ", ".join(value.groups)
    return f"version {value.version} of the config of {value.slug} is stored: {groups}"


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
    lines = [f"version {value.version.version} of the config of {slug} is proposed and stored"]
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
        if any("symbolic link" in each for each in value.left_out):
            lines.append(f"{INDENT}links are not followed: replace them with the files themselves")
    return "\n".join(lines)


@text.register
def _(value: TakeOver) -> str:
    lines = []
    for row in value.rows:
        verb = "would be imported" if value.dry_run else "is imported"
        lines.append(f"project {row.slug} {verb} from {value.file}")
        lines += [f"{INDENT}{told}" for told in _taken(row)]
        lines += [f"{INDENT}left out: {shown(each)}" for each in row.left_out[:LISTED]]
        if len(row.left_out) > LISTED:
            lines.append(f"{INDENT}… and {len(row.left_out) - LISTED} more left out")
        if value.dry_run:
            continue
        lines += [
            f"next: templedb migration import {row.slug} --target {target} --from templedb"
            f" --file FILE  ({many(count, 'migration')} applied there)"
            for target, count in row.histories
        ]
    return "\n".join(lines)


def _taken(row: TakenOver) -> list[str]:
    facts = [
        many(row.files, "file") if row.release else "",
        f"config: {row.config}" if row.config else "",
        f"targets: {', '.join(row.targets)}" if row.targets else "",
        f"variables: {', '.join(row.variables)}" if row.variables else "",
        f"{many(row.runs, 'deployment')} of the history" if row.runs else "",
    ]
    return [fact for fact in facts if fact] or ["nothing new"]


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
