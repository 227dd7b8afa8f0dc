"""What was decided about a folder: whose convention it follows, and the evidence."""

from __future__ import annotations

from templedb_nb.core.migrations.layouts.placing import MigrationFolder, complaint
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenLayout:
    """The layout of a folder, and why."""

    layout: Layout
    evidence: str = ""
    findings: tuple[Finding, ...] = ()


def mixed(folder: MigrationFolder, one: str, other: str) -> ChosenLayout:
    """Return the error that a folder follows two conventions, with the evidence for both."""
    message = f"follows more than one convention: {one}, and {other}"
    mend = "name the layout of its group, such as layout: plain, or move some files"
    found = complaint(f"{folder.base}/", message, mend)
    return ChosenLayout(layout=Layout.PLAIN, findings=(found,))
