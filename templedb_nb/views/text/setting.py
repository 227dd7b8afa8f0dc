"""Projects, files and configs, as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
from templedb_nb.model.notification import Urgency
from templedb_nb.model.project import Changes, Synced
from templedb_nb.model.receiver import ReceiverList, ReceiverRow, Sent
from templedb_nb.model.serialization import short
from templedb_nb.views.format import many, moment, shown, size, table
from templedb_nb.views.text.base import INDENT, LISTED, findings, following, text


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
    if value.offers:
        lines += ["not added", *(f"{INDENT}{each.what}: {each.why}" for each in value.offers)]
        lines += [f"{INDENT}add them: templedb deploy init {slug} --force --build"]
    return "\n".join([*lines, *following(value.next)])


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
    lines += [f"{INDENT}note: {shown(each)}" for each in value.overlooked[:LISTED]]
    if len(value.overlooked) > LISTED:
        lines.append(f"{INDENT}… and {len(value.overlooked) - LISTED} more such files")
    return "\n".join([*lines, *following(value.next)])


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
            listed = [shown(path) for path in paths] if len(paths) <= LISTED else folders(paths)
            lines.append(f"{len(paths)} {kind}: {', '.join(listed)}")
    return lines


def folders(paths: Sequence[str]) -> list[str]:
    """Return the folders of many files with their counts: as deep as few of them say it all."""
    deep = max(path.count("/") for path in paths)
    counts = Counter[str]()
    for depth in range(deep, -1, -1):
        counts = Counter("/".join(path.split("/")[:-1][:depth]) for path in paths)
        if len(counts) <= LISTED:
            break
    listed = [
        f"{shown(folder)}/ {many(count, 'file')}" if folder else f"{count} beside them"
        for folder, count in sorted(counts.items(), key=lambda each: (not each[0], each[0]))
    ]
    return listed if list(counts) != [""] else [many(len(paths), "file")]


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
def _(value: ReceiverList) -> str:
    rows = [
        [
            row.name,
            row.kind.value,
            row.state.value,
            _wanted(row),
            str(row.delivered),
            str(row.waiting),
            str(row.dead),
            moment(row.last_at),
            row.note or (f"tried again {moment(row.next_at)}" if row.next_at else ""),
        ]
        for row in value.rows
    ]
    heads = ["NAME", "KIND", "STATE", "WANTS", "SENT", "WAITING", "DEAD", "LAST", "NOTE"]
    none = "nobody is notified (templedb notify add NAME KIND)"
    lines = [table(heads, rows) if rows else none]
    if value.dead:
        letters = [
            [each.receiver, each.kind, moment(each.happened_at), each.told, each.what]
            for each in value.dead
        ]
        heads = ["RECEIVER", "EVENT", "WHEN", "WHY", "WHAT"]
        lines += ["", "dead letters: they will not be sent any more", table(heads, letters)]
        lines += ["hint: send them once more: templedb notify replay NAME --since 7d"]
    return "\n".join([*lines, *(f"not read: {each}" for each in value.notes)])


def _wanted(row: ReceiverRow) -> str:
    """Return which notifications a receiver gets, in a few words."""
    least = f" from {row.urgency} on" if row.urgency is not Urgency.INFO else ""
    where = [*row.projects, *row.targets]
    return f"{', '.join(row.events)}{f' of {chr(44).join(where)}' if where else ''}{least}"


@text.register
def _(value: Sent) -> str:
    parts = [f"{value.delivered} sent"]
    parts += [f"{value.failed} not taken"] if value.failed else []
    parts += [f"{value.dead} given up"] if value.dead else []
    parts += [f"{value.waiting} waiting"] if value.waiting else []
    return "\n".join([", ".join(parts), *(f"{INDENT}{each}" for each in value.told)])
