"""Sqitch: ``deploy/NAME.sql`` in the order of ``sqitch.plan``, rolled back by ``revert/NAME.sql``.

Source of the format: the manual page sqitchtutorial and ``App::Sqitch::Plan``.
"""

from __future__ import annotations

import re

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placed,
    Placements,
    complaint,
    joined,
    left_out,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

PLAN = "sqitch.plan"
FOLDERS = frozenset({"deploy", "revert", "verify"})
_LINE = re.compile(
    r"(?P<way>[+-])?[ \t]*+(?P<name>[^\s@#:\[+-][^\s@#:\[]*+)"
    r"(?:[ \t]*+\[(?P<wants>[^\]]*+)\])?[ \t]++"
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)[ \t].*"
)
_TAG = re.compile(r"@(?P<name>\S+)[ \t].*")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the plan; `file` has the tag up to which it is kept, if it was reworked."""

    name: str
    file: str


def changes(text: str) -> tuple[list[Change], list[str]]:
    """Return the changes of a plan in order, and the lines that are none."""
    named: list[tuple[str, int]] = []
    tags: list[tuple[int, str]] = []
    strange: list[str] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith(("%", "#")):
            continue
        if tag := _TAG.fullmatch(line):
            tags.append((len(named), tag["name"]))
        elif (told := _LINE.fullmatch(line)) and told["way"] != "-":
            named.append((told["name"], len(named)))
        else:
            strange.append(f"line {number}: {line}")
    made = []
    for name, place_ in named:
        again = next((at for other, at in named if other == name and at > place_), None)
        tag_ = next((t for at, t in tags if again is not None and place_ < at <= again), "")
        made.append(Change(name=name, file=f"{name}@{tag_}" if again is not None else name))
    return made, strange


def place(folder: MigrationFolder) -> Placements:
    """Return the deploy scripts in the order of the plan; a key is a change's name.

    A change that was reworked keeps its earlier script as ``NAME@TAG.sql``, with that key.
    """
    plan = joined(folder.base, PLAN)
    told, strange = changes(folder.look.beside.get(plan, ""))
    findings: list[Finding] = [complaint(plan, f"is not a change: {each}") for each in strange]
    reading = Reading(layout=Layout.SQITCH)
    placed, own = [], set()
    for each in told:
        path = joined(folder.base, f"deploy/{each.file}.sql")
        if path not in folder.there:
            findings.append(complaint(path, f"is listed in {PLAN}, but is missing here"))
            continue
        own.add(path)
        back = joined(folder.base, f"revert/{each.file}.sql")
        placed.append(
            Placed(
                path=path,
                key=each.file,
                reading=reading,
                down=back if back in folder.there else "",
                base=folder.base,
            )
        )
    start = joined(folder.base, "deploy/")
    loose = [path for path in folder.files if path not in own and path.startswith(start)]
    findings += [left_out(path, f"is not listed in {PLAN}: it is left out") for path in loose]
    downs = [path for path in folder.files if path not in own and path not in loose]
    return Placements(files=tuple(placed), downs=tuple(downs), findings=tuple(findings))
