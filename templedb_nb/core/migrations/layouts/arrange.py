"""The migrations of a group: its patterns in their order, folders by name, files by layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache

from templedb_nb.core.config import globs
from templedb_nb.core.migrations.layouts import plain, recognise
from templedb_nb.core.migrations.layouts.listed import in_order
from templedb_nb.core.migrations.layouts.placing import (
    NOTHING_SEEN,
    FolderView,
    MigrationFolder,
    Placed,
    Placements,
)
from templedb_nb.core.migrations.layouts.readers import PLACES
from templedb_nb.model.config import Group
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """The migrations of a group in their order."""

    files: tuple[Placed, ...]
    downs: tuple[str, ...]
    findings: tuple[Finding, ...]
    layouts: tuple[tuple[str, Layout], ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the files of the migrations."""
        return tuple(each.path for each in self.files)


def arrange(
    group: Group,
    paths: Sequence[str],
    look: FolderView = NOTHING_SEEN,
    known: AbstractSet[str] = _NONE,
) -> Arranged:
    """Return the migrations that the patterns of *group* match among *paths*.

    *known* are the keys of the target's ledger: what was deployed as plain files stays plain.
    """
    there = _there(tuple(paths))
    taken: dict[tuple[str, str], Placed] = {}
    downs: dict[str, None] = {}
    findings: list[Finding] = []
    layouts: dict[str, Layout] = {}
    for pattern in group.file_patterns:
        before = [path for path, _ in taken]
        run: list[str] = []
        for base, files in _folders(group.layout, pattern, paths, [*before, *downs]):
            folder = MigrationFolder(
                base=base, files=files, there=there, look=look, values=group.placeholders
            )
            layout, made = _placements(folder, group.layout, known)
            taken.update({(each.path, each.key): each for each in made.files})
            downs.update(dict.fromkeys(made.downs))
            findings += made.findings
            layouts[base] = layout
            run += [base] if made.files and layout is Layout.PLAIN else []
        findings += plain.disagreeing(run)
    ordered = tuple(taken.values())
    if group.order_file:
        ordered, wrong = in_order(group.order_file, look.beside.get(group.order_file), ordered)
        findings += wrong
    return Arranged(
        files=ordered,
        downs=tuple(downs),
        findings=tuple(findings),
        layouts=tuple(layouts.items()),
    )


@lru_cache(maxsize=2)
def _there(paths: tuple[str, ...]) -> frozenset[str]:
    """Return the files of a release as one set, whose hash is counted once."""
    return frozenset(paths)


def _folders(
    layout: Layout, pattern: str, paths: Sequence[str], taken: Iterable[str]
) -> list[tuple[str, tuple[str, ...]]]:
    gone = frozenset(taken)
    found: dict[str, list[str]] = {}
    for path in globs.match(pattern, paths):
        if path not in gone:
            found.setdefault(recognise.base_of(path, pattern, layout), []).append(path)
    return [(base, tuple(sorted(files))) for base, files in sorted(found.items())]


def _placements(
    folder: MigrationFolder, wanted: Layout, known: AbstractSet[str]
) -> tuple[Layout, Placements]:
    if wanted is not Layout.AUTO:
        return wanted, PLACES.get(wanted, plain.place)(folder)
    chosen = recognise.choose(folder, known)
    made = PLACES.get(chosen.layout, plain.place)(folder)
    if chosen.findings:
        return chosen.layout, replace(made, findings=chosen.findings)
    notes = [recognise.told(folder.base, chosen)] if chosen.evidence else []
    return chosen.layout, replace(made, findings=(*notes, *made.findings))
