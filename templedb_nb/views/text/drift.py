"""What no run of ours changed, and how targets differ, as plain text."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from templedb_nb.model.drift import CatalogChange, ChangeKind, DriftReport, DriftRow, TargetsDiffer
from templedb_nb.views.format import many, moment, shown
from templedb_nb.views.text.base import INDENT, text

_SIGNS = {ChangeKind.ADDED: "+", ChangeKind.REMOVED: "-", ChangeKind.CHANGED: "~"}


@text.register
def _(value: DriftReport) -> str:
    count = many(len(value.rows), "object")
    told = f"{count} changed outside of templedb" if value.rows else "as the last run left it"
    if value.notes and not value.rows:
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
    found = list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
    return [line for line in found if not line.startswith("@@")]
