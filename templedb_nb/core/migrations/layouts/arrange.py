"""The migrations of a group: its patterns in their order, folders by name, files by layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache

from templedb_nb.core.config import globs
from templedb_nb.core.migrations.layouts import nested, overlooked, plain, recognise, servers
from templedb_nb.core.migrations.layouts.chosen import ChosenLayout
from templedb_nb.core.migrations.layouts.listed import in_order
from templedb_nb.core.migrations.layouts.placing import (
    NOTHING_SEEN,
    FolderView,
    MigrationFolder,
    Placed,
    Placements,
)
from templedb_nb.core.migrations.layouts.readers import NESTED, PLACES
from templedb_nb.core.migrations.layouts.several_locations import by_version
from templedb_nb.model.config import Group
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Topic
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
    for pattern, matched in globs.taken(group.file_patterns, paths):
        before = [path for path, _ in taken]
        run: list[str] = []
        found = [
            MigrationFolder(base=base, files=own, there=there, look=look, values=group.placeholders)
            for base, own in _folders(group.layout, pattern, matched, [*before, *downs])
        ]
        for folder in _gathered(found, known) if group.layout is Layout.AUTO else found:
            layout, made = _placements(folder, group.layout, known)
            taken.update({(each.path, each.key): each for each in made.files})
            downs.update(dict.fromkeys(made.downs))
            findings += made.findings
            layouts[folder.base] = layout
            run += [folder.base] if made.files and layout is Layout.PLAIN else []
        findings += plain.disagreeing(run)
    ordered = by_version(tuple(taken.values()))
    own = [*(path for path, _ in taken), *downs]
    named = {each.where for each in findings}
    alike = overlooked.by_case(group.file_patterns, there, own)
    findings += [each for each in alike if each.where not in named]
    if group.order_file:
        ordered, wrong = in_order(group.order_file, look.beside.get(group.order_file), ordered)
        settled = [each for each in findings if each.topic is not Topic.ORDER]
        findings = [*settled, *wrong]
    else:
        findings += servers.complaints(ordered, known)
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
    for path in paths:
        if path not in gone:
            found.setdefault(recognise.base_of(path, pattern, layout), []).append(path)
    return [(base, tuple(sorted(files))) for base, files in sorted(found.items())]


def _gathered(
    folders: Sequence[MigrationFolder], known: AbstractSet[str]
) -> Sequence[MigrationFolder]:
    """Return the folders; what lies below one with a folder for each migration is that one's.

    It would run after all of them otherwise. What was deployed by its path stays where it was.
    """
    homes = [each.base for each in folders if any(nested.is_part(path) for path in each.files)]
    if not homes:
        return folders
    more: dict[str, tuple[str, ...]] = {}
    left: list[MigrationFolder] = []
    for each in folders:
        home = next((base for base in homes if _is_below(each.base, base)), None)
        stays = home is None or each.base in homes or not known.isdisjoint(each.files)
        if home is None or stays or recognise.choose(each, known).layout is not Layout.PLAIN:
            left.append(each)
        else:
            more[home] = (*more.get(home, ()), *each.files)
    return [
        replace(each, files=tuple(sorted((*each.files, *more[each.base]))))
        if each.base in more
        else each
        for each in left
    ]


def _is_below(base: str, home: str) -> bool:
    return base != home and (home == "." or base.startswith(f"{home}/"))


def _placements(
    folder: MigrationFolder, wanted: Layout, known: AbstractSet[str]
) -> tuple[Layout, Placements]:
    if wanted is not Layout.AUTO:
        return wanted, PLACES.get(wanted, plain.place)(folder)
    chosen = recognise.choose(folder, known)
    if chosen.layout is Layout.PLAIN and not known.isdisjoint(folder.files):
        chosen = _by_its_keys(folder, known) or chosen
    made = PLACES.get(chosen.layout, plain.place)(folder)
    if chosen.findings:
        return chosen.layout, replace(made, findings=chosen.findings)
    notes = [recognise.told(folder.base, chosen)] if chosen.evidence else []
    return chosen.layout, replace(made, findings=(*notes, *made.findings))


def _by_its_keys(folder: MigrationFolder, known: AbstractSet[str]) -> ChosenLayout | None:
    """Return the layout whose keys are in the ledger beside the path of a file.

    A folder of diesel's that had one odd name was two folders once: one by keys, one by paths.
    """
    chosen = recognise.choose(folder, _NONE)
    if chosen.layout not in NESTED or chosen.findings:
        return None
    placed = PLACES[chosen.layout](folder).files
    return chosen if any(each.key in known for each in placed) else None
