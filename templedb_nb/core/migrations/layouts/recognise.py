"""Tell whose convention a folder follows, by its names, its marks and what lies beside, in words.

Evidence that contradicts itself is an error that shows it. Files of tools that are not read must
not be taken for plain ones: a file with an up and a down part, run as it stands, would do both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import PurePosixPath

from templedb_nb.core.migrations.layouts import (
    alembic,
    atlas,
    dbmate,
    flyway,
    golang_migrate,
    goose,
    graphile,
    nested,
    postgrator,
    prisma,
    refinery,
    sqitch,
    sqlx,
    supabase,
    ways_back,
)
from templedb_nb.core.migrations.layouts.chosen import ChosenLayout, mixed
from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    ToolMark,
    file_names,
    joined,
    last,
    parent,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.layout import Layout

_SIDECARS = {"sqitch.plan": "Sqitch"}
_MARKS = (
    ("dbmate", re.compile(r"^--\s*migrate:\s*(?:up|down)\b[^\r\n]*", re.MULTILINE)),
    ("goose", re.compile(r"^--[ \t]*\+goose[ \t]+\w[^\r\n]*", re.MULTILINE | re.IGNORECASE)),
    ("sql-migrate", re.compile(r"^--\s*\+migrate\s+down\b", re.MULTILINE | re.IGNORECASE)),
    ("Liquibase", re.compile(r"\A\s*--\s*liquibase formatted sql", re.IGNORECASE)),
    (
        "graphile-migrate",
        re.compile(
            r"^--!\s*(?:Previous|Hash|Message|no-transaction)", re.MULTILINE | re.IGNORECASE
        ),
    ),
    ("tern", re.compile(r"^----\s*(?:create above|tern:)", re.MULTILINE | re.IGNORECASE)),
    ("Atlas", re.compile(r"^--\s*atlas:\w+", re.MULTILINE)),
    ("yoyo", re.compile(r"^--\s*(?:depends|transactional)\s*:", re.MULTILINE)),
    ("sqlx", re.compile(r"\A--\s*no-transaction\b")),
)
_READ = {
    "dbmate": Layout.DBMATE,
    "goose": Layout.GOOSE,
    "sqlx": Layout.SQLX,
    "Liquibase": Layout.LIQUIBASE,
    "tern": Layout.TERN,
}
_OWN_MARKS = {"Atlas": Layout.ATLAS, "graphile-migrate": Layout.GRAPHILE, "yoyo": Layout.YOYO}
_OWN_NAMES = {
    Layout.DBMATE: dbmate.NAME,
    Layout.GOOSE: goose.NAME,
    Layout.SQLX: sqlx.NAME,
    Layout.LIQUIBASE: re.compile(r".*\.sql"),
}
_WEAK = frozenset({"yoyo", "Atlas", "sqlx"})
"""Marks that are mere comments, or harmless, to the files of other tools."""
_NOT_BY_MARKS = frozenset({Layout.SQITCH})
"""Layouts whose files are named by a plan file, whatever their comments say."""
_RUST = frozenset({"sqlx-data.json", "sqlx.toml"})
_JAVA = re.compile(r"flyway\.(?:conf|toml)|pom\.xml|build\.gradle(?:\.kts)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Another tool's convention, and the evidence for it."""

    tool: str
    evidence: str

    @property
    def mend(self) -> str:
        """Return what lets the file be read here."""
        if self.tool in {*ways_back.TOOLS, "sql-migrate"}:
            return ways_back.MEND + (ways_back.NO_SQL if "#" in self.evidence else "")
        return f"keep using {self.tool} for this folder, or write a plain SQL file"


def marks(text: str) -> tuple[ToolMark, ...]:
    """Return the first mark of each tool whose marks a text bears."""
    found = ((tool, pattern.search(text)) for tool, pattern in _MARKS)
    known = tuple(
        ToolMark(tool=tool, line=text.count("\n", 0, each.start()) + 1, words=each[0].strip())
        for tool, each in found
        if each and not (tool == "sql-migrate" and ways_back.is_settled(text))
    )
    return known or tuple(ways_back.marks(text))


def by_name(path: str) -> Dialect | None:
    """Return whose convention the name of a file follows, if not the plain one."""
    name = PurePosixPath(path).name
    if flyway.NAME.fullmatch(name):
        return Dialect(tool="Flyway", evidence=f"the name {name}")
    if name == prisma.NAME:
        return Dialect(tool="Prisma", evidence=f"the name {name}")
    return None


def by_text(text: str) -> Dialect | None:
    """Return whose marks a text bears, if any."""
    found = next(iter(marks(text)), None)
    return Dialect(tool=found.tool, evidence=found.evidence) if found else None


def by_sidecar(folder: str, paths: AbstractSet[str]) -> Dialect | None:
    """Return whose plan or lock file lies in *folder*, if any of *paths* is one."""
    for name, tool in _SIDECARS.items():
        if f"{folder}/{name}".removeprefix("./") in paths:
            return Dialect(tool=tool, evidence=f"the file {name}")
    return None


def not_read(
    path: str, paths: AbstractSet[str], texts: Mapping[str, str], layout: Layout | None
) -> Dialect | None:
    """Return whose file this is, where that is another tool than the *layout* it is read by."""
    if layout in _NOT_BY_MARKS:
        return None
    if layout is None:
        own = by_sidecar(parent(path), paths)
        return own or (by_text(texts[path]) if path in texts else None)
    for mark in marks(texts.get(path, "")):
        own_layout = _READ.get(mark.tool) or _OWN_MARKS.get(mark.tool)
        if own_layout is not layout and mark.tool not in _WEAK | ways_back.TOOLS:
            return Dialect(tool=mark.tool, evidence=mark.evidence)
    return None


def is_read(path: str, texts: Mapping[str, str]) -> bool:
    """Return whether a file bears the marks of a tool whose convention is read."""
    return any(each.tool in {*_READ, *_OWN_MARKS} for each in marks(texts.get(path, "")))


def base_of(path: str, pattern: str, layout: Layout) -> str:
    """Return the folder that a file is of, under a layout that may be left to choose."""
    folder, name = parent(path), last(path)
    own = layout is Layout.AUTO
    if layout is Layout.SQITCH or (own and _may_be_sqitch(folder, pattern)):
        return _above(folder)
    if layout in {Layout.PRISMA, Layout.DIESEL} or (own and nested.is_part(path)):
        return parent(folder)
    if layout is Layout.FLYWAY or (own and flyway.NAME.fullmatch(name)):
        return beginning(pattern) if "**" in pattern.split("/") else folder
    return folder


@cache
def _may_be_sqitch(folder: str, pattern: str) -> bool:
    """Return whether the pattern, or the folder, ends in ``deploy`` or its like, or goes below."""
    if last(folder) in sqitch.FOLDERS:
        return True
    begins = beginning(pattern).split("/")
    below = folder.split("/")[len(begins) if begins != ["."] else 0 :]
    wild = "**" in pattern.split("/")
    return wild and (begins[-1] in sqitch.FOLDERS or bool(sqitch.FOLDERS.intersection(below)))


def _above(folder: str) -> str:
    """Return the folder that holds ``deploy``, above the folders that names of changes have."""
    steps = folder.split("/")
    place = next((n for n, each in enumerate(steps) if each in sqitch.FOLDERS), 0)
    return "/".join(steps[:place]) or "."


def beginning(pattern: str) -> str:
    """Return the folder that a pattern names before it gets wild."""
    fixed = []
    for segment in pattern.split("/")[:-1]:
        if re.search(r"[*?\[]", segment):
            break
        fixed.append(segment)
    return "/".join(fixed) or "."


def choose(folder: MigrationFolder, known: AbstractSet[str]) -> ChosenLayout:
    """Return whose convention a folder follows; *known* are the keys of what was deployed.

    What was deployed as plain files stays so: their keys are in ledgers.
    """
    if not any(path in known for path in folder.files):
        return _by_marks(folder) or _by_names(folder)
    return _by_marks(folder) or ChosenLayout(layout=Layout.PLAIN)


def _by_marks(folder: MigrationFolder) -> ChosenLayout | None:
    first: dict[str, tuple[str, ToolMark]] = {}
    for path in folder.files:
        for mark in folder.look.marks.get(path, ()):
            if mark.tool == "Liquibase" or not nested.is_part(path):  # no other reads such names
                first.setdefault(mark.tool, (path, mark))
    read = sorted((tool for tool in first if tool in _READ), key=_WEAK.__contains__)
    if not read:
        return None
    if others := [t for t in first if t != read[0] and t not in _WEAK | ways_back.TOOLS]:
        return mixed(folder, *(_shown(*first[tool]) for tool in (read[0], others[0])))
    if sidecar := by_sidecar(folder.base, folder.there):
        return mixed(folder, _shown(*first[read[0]]), f"{sidecar.evidence} ({sidecar.tool})")
    layout = _READ[read[0]]
    path, mark = first[read[0]]
    if layout is Layout.SQLX:
        strange = next((f for f in folder.files if not sqlx.NAME.fullmatch(last(f))), None)
        if strange is not None:
            return mixed(folder, _shown(path, mark), f"the name {last(strange)}")
    elif bare := _bare(folder, layout):
        return mixed(folder, _shown(path, mark), f"{last(bare)} has no mark of {layout}")
    return ChosenLayout(layout=layout, evidence=f"{last(path)}, {mark.evidence}")


def _bare(folder: MigrationFolder, layout: Layout) -> str | None:
    """Return a file that the tool would take, and that has none of its marks."""
    own = _OWN_NAMES.get(layout)
    if own is None:  # a file of tern's without a mark has no way back, and is one
        return None
    for path in folder.files:
        if folder.look.marks.get(path) == () and own.fullmatch(last(path)):
            return path
    return None


def _shown(path: str, mark: ToolMark) -> str:
    return f"{last(path)} {mark.evidence} ({mark.tool})"


def _by_names(folder: MigrationFolder) -> ChosenLayout:
    names = [last(path) for path in folder.files]
    if beside := _alembic(folder, names) or _sqitch(folder):
        return beside
    if graphile.committed_of(folder):
        return ChosenLayout(layout=Layout.GRAPHILE, evidence=f"the folder {graphile.COMMITTED}")
    if own_folders := nested.choose(folder):
        return own_folders
    versions = [name for name in names if flyway.NAME.fullmatch(name)]
    if versions:
        return _refinery(folder, names) or _flyway(folder, names, versions)
    if any(postgrator.NAME.fullmatch(name) for name in names):
        return ChosenLayout(layout=Layout.POSTGRATOR, evidence=f"names such as {names[0]}")
    if _in_pairs(names):
        layout = Layout.SQLX if _has_sqlx(folder) else Layout.GOLANG_MIGRATE
        return ChosenLayout(layout=layout, evidence=f"names such as {names[0]}")
    numbered = all(supabase.NAME.fullmatch(name) for name in names)
    some = any(supabase.NAME.fullmatch(name) for name in names)
    if some and f"/{folder.base}".endswith("/supabase/migrations"):
        return ChosenLayout(layout=Layout.SUPABASE, evidence=f"the folder {folder.base}")
    if numbered and _has_sqlx(folder):
        return ChosenLayout(layout=Layout.SQLX, evidence="sqlx's own files are in the project")
    if joined(folder.base, atlas.SUM) in folder.there:
        return ChosenLayout(layout=Layout.ATLAS, evidence=f"the file {atlas.SUM}")
    return _yoyo(folder) or ChosenLayout(layout=Layout.PLAIN)


def _alembic(folder: MigrationFolder, names: list[str]) -> ChosenLayout | None:
    mako = joined(parent(folder.base), alembic.MAKO)
    if mako in folder.there and all(name.endswith(".py") for name in names):
        return ChosenLayout(layout=Layout.ALEMBIC, evidence=f"the file {mako}")
    return None


def _sqitch(folder: MigrationFolder) -> ChosenLayout | None:
    planned = by_sidecar(folder.base, folder.there)
    return ChosenLayout(layout=Layout.SQITCH, evidence=planned.evidence) if planned else None


def _yoyo(folder: MigrationFolder) -> ChosenLayout | None:
    if "yoyo.ini" in file_names(folder.there):
        return ChosenLayout(layout=Layout.YOYO, evidence="the file yoyo.ini")
    found = ((p, m) for p in folder.files for m in folder.look.marks.get(p, ()))
    mark = next(((path, mark) for path, mark in found if mark.tool == "yoyo"), None)
    if mark is None or not any(path.endswith(".rollback.sql") for path in folder.there):
        return None
    return ChosenLayout(layout=Layout.YOYO, evidence=f"{last(mark[0])}, {mark[1].evidence}")


def _refinery(folder: MigrationFolder, names: list[str]) -> ChosenLayout | None:
    """Return refinery where only Rust is there to run such names.

    A number that is both V and U is Flyway's way of rolling back; refinery refuses it.
    """
    made = [found for name in names if (found := refinery.NAME.fullmatch(name))]
    numbers = [int(each["version"]) for each in made]
    if len(set(numbers)) < len(numbers):
        return None
    crate = any(last(path) in {"Cargo.toml", "refinery.toml"} for path in folder.there)
    java = any(_JAVA.fullmatch(last(path)) for path in folder.there)
    if not crate or java or not all(refinery.NAME.fullmatch(name) for name in names):
        return None
    return ChosenLayout(
        layout=Layout.REFINERY, evidence=f"names such as {names[0]}, and Cargo.toml"
    )


def _in_pairs(names: list[str]) -> bool:
    """Return whether every file with a number is an up or a down, and there are some."""
    paired = [golang_migrate.NAME.fullmatch(name) is not None for name in names]
    numbered = [name[:1].isdigit() for name in names]
    return any(paired) and all(p or not n for p, n in zip(paired, numbered, strict=True))


def _flyway(folder: MigrationFolder, names: list[str], versions: list[str]) -> ChosenLayout:
    known = frozenset(versions)
    others = [n for n in names if n not in known and not flyway.CALLBACK.fullmatch(n)]
    if numbered := next((name for name in others if name[:1].isdigit()), None):
        return mixed(folder, f"{versions[0]} (Flyway)", f"{numbered} (not Flyway)")
    found = tuple(flyway.collisions(folder))
    return ChosenLayout(
        layout=Layout.FLYWAY, evidence=f"names such as {versions[0]}", findings=found
    )


def _has_sqlx(folder: MigrationFolder) -> bool:
    return any(
        last(path) in _RUST or path.startswith(".sqlx/") or "/.sqlx/" in path
        for path in folder.there
    )


def told(folder: str, chosen: ChosenLayout) -> Finding:
    """Return the note that says how a folder is read, and why."""
    message = f"is read as {chosen.layout} would: {chosen.evidence}"
    return Finding(
        severity=Severity.NOTE, topic=Topic.MIGRATION, message=message, where=f"{folder}/"
    )
