"""What no run of ours changed, how targets differ, and what is risky, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.model import line_diff
from templedb_nb.model.drift import CatalogChange, ChangeKind, DriftReport, DriftRow, TargetsDiffer
from templedb_nb.model.lint import SQUAWK, Complaint, LintReport
from templedb_nb.views.format import many, moment, shown
from templedb_nb.views.text.base import INDENT, text

_SIGNS = {ChangeKind.ADDED: "+", ChangeKind.REMOVED: "-", ChangeKind.CHANGED: "~"}


@text.register
def _(value: DriftReport) -> str:
    count = many(len(value.rows), "object")
    told = f"{count} changed outside of templedb" if value.rows else "as the last run left it"
    if value.notes and value.rows and not value.reprinted:
        told = f"{count} changed"
    elif value.notes and not value.rows:
        told = "some cannot be compared" if value.bases else "nothing can be compared"
        told = f"{many(len(value.reprinted), 'object')} to look at" if value.reprinted else told
    lines = [f"{value.target} of {value.slug}: {told}"]
    for name, base in value.bases:
        by = f"run {base.run}" if base.run else f"accepted by {base.by}"
        lines.append(f"{INDENT}{name}: compared with {moment(base.at)}, {by}")
    lines += _rows(value.rows)
    lines += [f"? {shown(object_)}  reads differently" for _, object_ in value.reprinted]
    lines += [f"note: {shown(each)}" for each in value.notes]
    if value.rows:
        lines.append(f"if it is right: templedb drift accept --target {value.target} --reason WHY")
    return "\n".join(lines)


@text.register
def _(value: TargetsDiffer) -> str:
    if not value.rows:
        return f"{value.target} and {value.against} of {value.slug} have the same objects"
    count = many(len(value.rows), "object")
    head = f"{value.slug}: {count} differ; from {value.target} (-) to {value.against} (+)"
    return "\n".join([head, *_rows(value.rows)])


def _rows(rows: Sequence[DriftRow]) -> Iterator[str]:
    several = len({row.database for row in rows}) > 1
    for row in rows:
        where = f" in {row.database}" if several else ""
        yield f"{_SIGNS[row.change.kind]} {shown(row.change.name)}  {row.change.kind}{where}"
        yield from (f"{INDENT * 2}{shown(line)}" for line in lines_of(row.change))


def lines_of(change: CatalogChange) -> list[str]:
    """Return how a definition differs, without what stayed far from it."""
    if change.kind is not ChangeKind.CHANGED:
        return []
    before, after = change.before.splitlines(), change.after.splitlines()
    found = list(line_diff.unified(before, after, around=1))[2:]
    return [line for line in found if not line.startswith("@@")]


@text.register
def _(value: LintReport) -> str:
    if value.format == "github":
        return ""
    where = f"waiting on {value.target}" if value.target else f"of {value.slug}"
    lines = [f"{many(value.files, 'file')} {where}: {_count(value)}"]
    file = ""
    for each in value.rows:
        if each.file != file:
            lines += ["", each.file]
            file = each.file
        lines += _complaint(each)
    if value.notes:
        lines += ["", *(f"note: {shown(each)}" for each in value.notes)]
    return "\n".join(lines)


def _count(value: LintReport) -> str:
    if not value.rows:
        return "no risks found"
    what = f"{many(len(value.rows), 'risk')}"
    return f"{what}, which block a run" if value.forbids else what


def _complaint(each: Complaint) -> Iterator[str]:
    source = f" ({SQUAWK})" if each.source == SQUAWK else ""
    yield f"{INDENT}{each.line}:{each.column}  {each.rule}{source}: {shown(each.message)}"
    if each.mend:
        yield f"{INDENT * 2}safer: {shown(each.mend)}"
