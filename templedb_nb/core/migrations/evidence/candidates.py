"""Folders that may hold migrations, by the evidence of names, numbers, pairs, marks, neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from templedb_nb.core.migrations.evidence import drizzle, folder_words, grate, series
from templedb_nb.core.migrations.layouts import (
    atlas,
    flyway,
    golang_migrate,
    nested,
    plain,
    postgrator,
    recognise,
    sqitch,
)
from templedb_nb.core.migrations.layouts.placing import FolderView, joined, last, parent
from templedb_nb.model.dataclass import dataclass

VERSION = re.compile(r"(?i)(?:v|ver|version|release)?[._-]?\d+(?:[._-]\d+)*")
_WAYS = frozenset({"up", "ups", "down", "downs", "rollback", "rollbacks", "undo", "revert"})
_UPS = frozenset({"up", "ups"})
_INCLUDE = re.compile(r"^\\(?:ir?|include(?:_relative)?)[ \t]+'?(?P<path>[^\s';]+)", re.MULTILINE)
_HARMLESS = frozenset({"yoyo", "Atlas", "sqlx"})
_MOST, _SERIES = 0.6, 2
SINGLE = "an SQL file whose name says migration"
_OTHER_TIMES = (
    "is left out: by its name it runs again, or around the migrations; here, a file that begins"
    ' with -- templedb:repeatable runs whenever it changes, once "{}" is in file_patterns'
)
NAME, _NUMBERS = "its name", "numbers,"
_MANIFESTS = frozenset(
    {"package.json", "Cargo.toml", "go.mod", "pom.xml", "build.gradle", "build.gradle.kts",
     "pyproject.toml", "composer.json", "mix.exs", "Gemfile", "deno.json", "build.sbt"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A folder that may hold migrations: its SQL files, and what says that they are some.

    With `alone`, its files are meant, and not what else lies beside them. It is `weak` if only its
    numbers speak for it.
    """

    folder: str
    files: tuple[str, ...]
    evidence: str
    alone: bool = False
    weak: bool = False


class ProjectFiles:
    """The SQL files of a project, each in the folder whose order it belongs to."""

    def __init__(self, paths: Sequence[str], texts: Mapping[str, str]) -> None:
        """Look at *paths*; *texts* has how SQL files begin."""
        self.paths = paths
        self.there: AbstractSet[str] = frozenset(paths)
        self.texts = texts
        self.beside_up = grate.beside(path for path in paths if path.endswith(".sql"))
        self.left_out: dict[str, str] = {}
        self.other_times: set[str] = set()
        self.look = FolderView(
            marks={path: recognise.marks(text) for path, text in texts.items()},
            beside={path: text for path, text in texts.items() if not path.endswith(".sql")},
            texts={path: text for path, text in texts.items() if path.endswith(".sql")},
        )
        self._planned = [
            joined(parent(path), "deploy") for path in paths if last(path) == sqitch.PLAN
        ]
        self.by_home: dict[str, list[str]] = {}
        for path in paths:
            if not path.endswith(".sql"):
                continue
            folder, why = folder_words.not_meant(path)
            if folder:
                self.left_out.setdefault(folder, why)
            elif not any(path.startswith(f"{each}/") for each in self.beside_up):
                self.by_home.setdefault(self.home(path), []).append(path)

    def home(self, path: str) -> str:
        """Return the folder whose order a file belongs to."""
        own = parent(path)
        for each in self._planned:
            if path.startswith(f"{each}/"):
                return each
        if self._has_own_folder(path) or last(path) in {"up.sql", "down.sql"}:
            return parent(own)
        if named := folder_words.of_migrations(own):
            return named
        if own != "." and last(own).lower() in {*_WAYS, "committed"}:
            return parent(own)
        if own != "." and VERSION.fullmatch(last(own)):
            return parent(own)
        return own

    def _has_own_folder(self, path: str) -> bool:
        """Return whether a migration has its own folder; ``queries/migration.sql`` has none."""
        own = parent(path)
        if not nested.is_part(path):
            return False
        by_name = last(own)[:1].isdigit() or folder_words.of_migrations(parent(own))
        return bool(by_name) or joined(parent(own), nested.LOCK) in self.there

    def candidates(self) -> list[Candidate]:
        """Return every folder for which something speaks, those of fewer levels first."""
        found = [
            Candidate(
                folder=home,
                files=tuple(sorted(files)),
                evidence=evidence,
                weak=evidence.startswith(_NUMBERS) and not folder_words.of_changes(home),
            )
            for home, files in self.by_home.items()
            if (evidence := self._evidence(home, files))
        ]
        found.sort(key=lambda each: (each.folder.count("/"), each.folder))
        return list(self._meant(found))

    def _meant(self, found: Sequence[Candidate]) -> Iterator[Candidate]:
        examples = [each for each in found if folder_words.is_example(each.files[0])]
        homes = {each.folder for each in found}
        strong = any(not each.weak and each not in examples for each in found)
        self._leave_other_times(homes)
        for each in found:
            if each.folder in self.other_times:
                continue
            if each in examples and len(examples) < len(found):
                self.left_out[each.folder] = "is left out: it is an example"
            elif folder_words.is_old(each.folder) and parent(each.folder) in homes:
                self.left_out[each.folder] = "is left out: its name says that it is not used"
            elif program := self._programs(each):
                why = (
                    f"is left out: most are programs, such as {program}, which only their tool runs"
                )
                self.left_out[each.folder] = why
            elif each.weak and strong:
                why = (
                    f"is left out: only its numbers speak for it (--folder {each.folder} takes it)"
                )
                self.left_out[each.folder] = why
            else:
                yield each

    def _leave_other_times(self, homes: AbstractSet[str]) -> None:
        """Leave out what lies in or beside a folder of migrations, and runs at other times."""
        own = {home for home in homes if not folder_words.of_other_times(home)}
        above = {*own, *(parent(home) for home in own)}
        for home, files in self.by_home.items():
            if any(flyway.NAME.fullmatch(last(path)) for path in files):
                continue  # Flyway's own repeatable ones
            if home not in own and parent(home) in above and folder_words.of_other_times(home):
                self.other_times.add(home)
                self.left_out.setdefault(home, _OTHER_TIMES.format(joined(home, "*.sql")))

    def _programs(self, candidate: Candidate) -> str:
        """Return a numbered file that is no SQL, if a folder has at least as many as of SQL."""
        if candidate.evidence != NAME and not candidate.weak:
            return ""
        folders = {parent(path) for path in candidate.files}
        found = [
            path
            for path in self.paths
            if parent(path) in folders and plain.NOT_READ.fullmatch(last(path))
        ]
        return last(found[0]) if len(found) >= len(candidate.files) else ""

    def _evidence(self, home: str, files: Sequence[str]) -> str:
        return (
            self._by_neighbours(home)
            or self._by_tool(files)
            or self._by_marks(files)
            or self._by_words(home, files)
            or self._by_siblings(home, files)
        )

    def _by_neighbours(self, home: str) -> str:
        if joined(parent(home), sqitch.PLAN) in self.there and home in self._planned:
            return f"the file {sqitch.PLAN}"
        for name in (atlas.SUM, nested.LOCK, drizzle.JOURNAL):
            if joined(home, name) in self.there:
                return f"the file {name}"
        return ""

    def _by_tool(self, files: Sequence[str]) -> str:
        """Return the name that only a tool's files have."""
        for path in files:
            name = last(path)
            versioned = flyway.NAME.fullmatch(name)
            if versioned and (versioned["kind"] == "V" or versioned["again"]):
                return f"names such as {name}"
            if self._has_own_folder(path):
                return f"folders such as {last(parent(path))}"
            pair = golang_migrate.NAME.fullmatch(name)
            if (pair and pair["way"] == "up") or postgrator.NAME.fullmatch(name):
                return f"names such as {name}"
        if sum(last(path) == "up.sql" for path in files) >= _SERIES:
            return "an up.sql in each folder"
        return ""

    def _by_marks(self, files: Sequence[str]) -> str:
        marked = [
            (path, mark)
            for path in files
            for mark in self.look.marks.get(path, ())[:1]
            if mark.tool not in _HARMLESS
        ]
        if marked and len(marked) * 2 >= len(files):
            path, mark = marked[0]
            return f"{last(path)}, {mark.evidence}"
        return ""

    def _by_words(self, home: str, files: Sequence[str]) -> str:
        ups = [path for path in files if not plain.is_down(path, self.there)]
        if ups and folder_words.of_migrations(home):
            return NAME
        if folder_words.of_other_things(home):
            return ""
        folders = {parent(path) for path in ups} - {home}
        if len(folders) >= _SERIES and all(VERSION.fullmatch(last(each)) for each in folders):
            return f"folders of versions such as {last(min(folders, key=series.natural))}"
        own = [path for path in ups if parent(path) == home or last(parent(path)).lower() in _UPS]
        numbered = [path for path in own if series.number(path)]
        many = series.distinct(numbered) >= _SERIES
        if many and (folder_words.of_changes(home) or len(numbered) >= _MOST * len(own)):
            return f"{_NUMBERS} {last(numbered[0])} to {last(numbered[-1])}"
        return ""

    def _by_siblings(self, home: str, files: Sequence[str]) -> str:
        """Return the folder beside ``up`` that says whose convention this is."""
        own = sorted(each for each in self.beside_up if parent(each) == home)
        up = any(last(parent(path)) in grate.UP for path in files)
        return f"the folder {last(own[0])} beside up" if own and up else ""

    def root(self, folder: str) -> str:
        """Return the folder of the program that a folder belongs to, by its manifest."""
        while folder != "." and not any(joined(folder, name) in self.there for name in _MANIFESTS):
            folder = parent(folder)
        return folder

    def listing(self) -> Candidate | None:
        """Return the one psql script that includes others, if it is the only one."""
        included: dict[str, set[str]] = {}
        for files in self.by_home.values():
            for path in files:
                own = {p for p in _may_include(path, self.texts.get(path, "")) if p in self.there}
                if own:
                    included[path] = own
        below = {path for own in included.values() for path in own}
        tops = [path for path in included if path not in below and len(included[path]) > 1]
        if len(tops) != 1:
            return None
        (top,) = tops
        evidence = f"a psql script that includes {len(included[top])} others"
        return Candidate(folder=parent(top), files=(top,), evidence=evidence, alone=True)

    def seen(self) -> list[tuple[str, int]]:
        """Return the folders that have SQL files at all, with how many each has."""
        count: dict[str, int] = {}
        for path in self.paths:
            if path.endswith(".sql"):
                count[parent(path)] = count.get(parent(path), 0) + 1
        return sorted(count.items())


def _may_include(path: str, text: str) -> Iterator[str]:
    """Yield the paths that includes of a psql script may mean: from the root, and from itself."""
    for found in _INCLUDE.finditer(text):
        said = found["path"].removeprefix("./")
        yield said
        yield joined(parent(path), said)


def inside(own: Sequence[str], texts: Mapping[str, str]) -> dict[str, str]:
    """Return the files that psql runs as parts of others, each with why it is left out."""
    found: dict[str, str] = {}
    for path in own if len(own) > 1 else ():
        for each in _may_include(path, texts.get(path, "")):
            if each in own and each != path and path not in found:
                found.setdefault(each, f"is left out: {path} includes it")
    return found
