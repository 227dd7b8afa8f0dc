"""An order that somebody wrote down: paths, a line each, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from templedb_nb.core.migrations.layouts.placing import Placed, complaint, joined, parent
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.finding import Finding


def in_order(
    order_file: str, text: str | None, placed: Sequence[Placed]
) -> tuple[tuple[Placed, ...], tuple[Finding, ...]]:
    """Return what is placed, in the order of the list, and what is wrong with that.

    A path is one of the project, or one from the list's own folder; ``#`` begins a comment. A file
    that is matched and not listed is an error: nobody said when it runs.
    """
    if text is None:
        mend = "write one path per line, in the order in which they run"
        found = complaint(order_file, "is the order_file, but is missing here", mend)
        return tuple(placed), (found,)
    findings: list[Finding] = []
    by_path: dict[str, list[Placed]] = {}
    for each in placed:
        by_path.setdefault(each.path, []).append(each)
    listed: dict[str, list[Placed]] = {}
    for number, said in _lines(text):
        path = next((p for p in (joined(parent(order_file), said), said) if p in by_path), "")
        where = f"{order_file}:{number}"
        if not path:
            message = f"{said} is not a migration of the group{nearest(said, list(by_path))}"
            findings.append(complaint(where, message))
        elif path in listed:
            findings.append(complaint(where, f"{said} appears there twice"))
        else:
            listed[path] = [
                replace(each, base=order_file, home=each.folder) for each in by_path[path]
            ]
    for path in by_path:
        if path not in listed:
            mend = "add it in its place, or exclude it from the group's patterns"
            findings.append(complaint(path, f"is not listed in {order_file}", mend))
    return tuple(each for own in listed.values() for each in own), tuple(findings)


def _lines(text: str) -> Iterable[tuple[int, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        said = line.partition("#")[0].strip().removeprefix("./")
        if said:
            yield number, said
