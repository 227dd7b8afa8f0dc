"""What is risky in migrations, as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.lint import SQUAWK, Complaint, LintReport
from templedb_nb.views.format import many, shown
from templedb_nb.views.text.base import INDENT, text


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
