"""Look at a project's files and propose how it could be deployed, and say why."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any  # Any: package.json, as npm has it

from templedb_nb.core.migrations.layouts import plain, recognise, sqitch
from templedb_nb.core.migrations.layouts.arrange import Arranged, arrange
from templedb_nb.core.migrations.layouts.placing import FolderView, joined, last, parent
from templedb_nb.model.config import DeployConfig, Group, GroupKind
from templedb_nb.model.layout import Layout
from templedb_nb.model.listings import Reason

_FOLDER_WORDS = re.compile(r"(?i)(^|[_-])(migrations?|migrate)$")
_CHANGELOGS = re.compile(r"(?i)change(?:log|set)?s?|liquibase")
_TESTS = frozenset(
    {"test", "tests", "testdata", "test-data", "fixture", "fixtures", "__tests__", "spec", "specs",
     "mocks", "node_modules"}
)  # fmt: skip
_OTHER_SERVERS = frozenset(
    {"mysql", "mariadb", "sqlite", "sqlite3", "mssql", "sqlserver", "oracle", "h2", "hsqldb",
     "derby", "db2", "clickhouse", "snowflake", "bigquery", "cassandra", "spanner"}
)  # fmt: skip
_FILE_WORDS = re.compile(r"(?i)migrat")
_NUMBERED = re.compile(r"[Vv]?\d+[._-]")
_TYPESCRIPT = re.compile(r"\.tsx?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A config that fits the files, with its reasons; the config itself is a suggestion."""

    config: DeployConfig
    reasons: tuple[Reason, ...]


def propose(paths: Sequence[str], texts: Mapping[str, str]) -> Proposal:
    """Return groups for what is among *paths*; *texts* has manifests, and how SQL files begin."""
    groups: list[Group] = []
    reasons: list[Reason] = []
    for found in (
        _migrations(paths, texts),
        _package(paths, texts),
        _python(paths, texts),
        _make(paths),
    ):
        made, why = found
        groups += [_placed(group, len(groups) + 1) for group in made]
        reasons += why
    if "deploy.sh" in paths:
        reasons.append(_script(groups))
    return Proposal(config=DeployConfig(groups=tuple(groups)), reasons=tuple(reasons))


Found = tuple[list[Group], list[Reason]]


def _placed(group: Group, order: int) -> Group:
    return replace(group, order=order)


def _migrations(paths: Sequence[str], texts: Mapping[str, str]) -> Found:
    patterns: list[str] = []
    reasons: list[Reason] = []
    found, left_out = _folders(paths, texts)
    reasons += left_out
    for folder, files in found:
        nested = any(str(PurePosixPath(path).parent) != folder for path in files)
        pattern = f"{folder}/**/*.sql" if nested else f"{folder}/*.sql"
        made = _arranged(pattern, paths, texts)
        if dialect := _foreign(files, paths, texts, made):
            why = f"its files are in the style of {dialect.tool} ({dialect.evidence}), not read yet"
            reasons.append(Reason(what=f"{folder}/", why=why))
            continue
        count = len(set(made.paths))
        patterns.append(pattern)
        why = f"{count} SQL file{'s' * (count != 1)} in a folder of migrations{_manner(made)}"
        reasons.append(Reason(what=patterns[-1], why=why))
    for path in _single(paths):
        patterns.append(path)
        reasons.append(Reason(what=path, why="an SQL file whose name says migration"))
    if not patterns:
        return [], reasons
    group = Group(
        name="migrations",
        order=1,
        kind=GroupKind.MIGRATIONS,
        file_patterns=tuple(patterns),
        required_env_vars=("DATABASE_URL",),
    )
    return [group], reasons


def _folders(
    paths: Sequence[str], texts: Mapping[str, str]
) -> tuple[list[tuple[str, list[str]]], list[Reason]]:
    """Return the folders of migrations, those of fewer levels first, and what is none of them."""
    by_folder: dict[str, list[str]] = {}
    out: dict[str, str] = {}
    there = set(paths)
    planned = tuple(f"{joined(parent(p), 'deploy')}/" for p in paths if last(p) == sqitch.PLAN)
    for path in paths:
        if own := next((each for each in planned if path.startswith(each)), ""):
            by_folder.setdefault(own.rstrip("/"), []).append(path)
            continue
        base = _home(path, texts, there) if path.endswith(".sql") else ""
        if not base:
            continue
        if why := _not_meant(path):
            out.setdefault(parent(path), why)
        elif not plain.is_down(path, there):
            by_folder.setdefault(base, []).append(path)
    split = [each for base, files in by_folder.items() for each in _split(base, files, out)]
    split.sort(key=lambda each: (each[0].count("/"), each[0]))
    return split, [Reason(what=f"{folder}/", why=why) for folder, why in sorted(out.items())]


def _home(path: str, texts: Mapping[str, str], there: AbstractSet[str]) -> str:
    """Return the folder of migrations that a file is in; nothing if it is in none."""
    pure = PurePosixPath(path)
    if _is_migration_folder(pure.parent):
        return _base(pure.parent)
    own = str(pure.parent)
    if f"{own}/meta/_journal.json" in there:  # Drizzle's
        return own
    known = any(each.tool == "Liquibase" for each in recognise.marks(texts.get(path, "")))
    return own if known and _CHANGELOGS.search(own) else ""


def _not_meant(path: str) -> str:
    """Return why a file is none of what is deployed, by the folders that it is in; or nothing."""
    for part in PurePosixPath(path).parts[:-1]:
        if part.lower() in _TESTS:
            return f"is left out: {part} is for tests"
        if part.lower() in _OTHER_SERVERS:
            return f"is left out: {part} is another database"
    return ""


def _split(base: str, files: list[str], out: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder with its files; folder by folder below it, where others there are left out."""
    if not any(folder.startswith(f"{base}/") for folder in out):
        yield base, files
        return
    below: dict[str, list[str]] = {}
    for path in files:
        first, slash, _ = path.removeprefix(f"{base}/").partition("/")
        below.setdefault(f"{base}/{first}" if slash else base, []).append(path)
    yield from below.items()


def _is_migration_folder(folder: PurePosixPath) -> bool:
    return any(_FOLDER_WORDS.search(part) for part in folder.parts)


def _base(folder: PurePosixPath) -> str:
    """Return the outermost folder that calls itself one of migrations."""
    places = [n for n, part in enumerate(folder.parts, start=1) if _FOLDER_WORDS.search(part)]
    return str(PurePosixPath(*folder.parts[: places[0]]))


def _foreign(
    files: Sequence[str], paths: Sequence[str], texts: Mapping[str, str], made: Arranged
) -> recognise.Dialect | None:
    """Return whose files these are, where that tool's are not read."""
    there = frozenset(paths)
    layouts = {p.path: p.reading.layout for p in made.files if p.reading}
    found = (recognise.not_read(path, there, texts, layouts.get(path)) for path in files)
    return next((dialect for dialect in found if dialect), None)


def _arranged(pattern: str, paths: Sequence[str], texts: Mapping[str, str]) -> Arranged:
    group = Group(name="found", order=1, file_patterns=(pattern,))
    marks = {path: recognise.marks(texts[path]) for path in paths if path in texts}
    beside = {path: text for path, text in texts.items() if last(path) == sqitch.PLAN}
    whole = {path: text for path, text in texts.items() if path.endswith(".sql")}
    return arrange(group, paths, FolderView(marks=marks, beside=beside, texts=whole))


def _manner(made: Arranged) -> str:
    found = sorted({str(layout) for _, layout in made.layouts if layout is not Layout.PLAIN})
    return f", in the style of {' and '.join(found)}" if found else ""


def _single(paths: Sequence[str]) -> list[str]:
    """Return SQL files outside of the folders whose own names say that they are migrations."""
    there = set(paths)
    return [
        path
        for path in paths
        if path.endswith(".sql")
        and not _is_migration_folder(PurePosixPath(path).parent)
        and (_FILE_WORDS.search(PurePosixPath(path).name))
        and not plain.is_down(path, there)
        and not recognise.by_name(path)
    ]


def _package(paths: Sequence[str], texts: Mapping[str, str]) -> Found:
    if "package.json" not in paths:
        return [], []
    scripts = _scripts(texts.get("package.json", ""))
    typescript = sorted({_pattern(p) for p in paths if _TYPESCRIPT.search(p)})
    build = "npm run build" if "build" in scripts else ""
    test = "npm test" if _tests(scripts) else ""
    if not build and not test:
        return [], [Reason(what="package.json", why="has neither a build nor a test script")]
    name = "typescript_build" if typescript else "node_build"
    patterns = typescript or ["package.json"]
    group = Group(
        name=name,
        order=1,
        file_patterns=tuple(patterns),
        build_command=build,
        test_command=test,
    )
    have = " and ".join(each for each in (build and "build", test and "test") if each)
    return [group], [Reason(what=name, why=f"package.json has a {have} script")]


def _scripts(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text).get("scripts", {})
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _tests(scripts: Mapping[str, Any]) -> bool:
    return "test" in scripts and "no test specified" not in str(scripts["test"])


def _pattern(path: str) -> str:
    """Return the pattern of a source file: its top folder, and all below it."""
    pure = PurePosixPath(path)
    top = pure.parts[0] if len(pure.parts) > 1 else ""
    return f"{top}/**/*{pure.suffix}" if top else f"*{pure.suffix}"


def _python(paths: Sequence[str], texts: Mapping[str, str]) -> Found:
    if "pyproject.toml" not in paths:
        return [], []
    try:
        project = tomllib.loads(texts.get("pyproject.toml", ""))
    except tomllib.TOMLDecodeError:
        return [], [Reason(what="pyproject.toml", why="is no TOML")]
    builds = "build-system" in project
    tests = any(path.startswith(("tests/", "test/")) and path.endswith(".py") for path in paths)
    if not builds and not tests:
        return [], [Reason(what="pyproject.toml", why="has neither a build system nor tests")]
    group = Group(
        name="python_build",
        order=1,
        file_patterns=("pyproject.toml",),
        build_command="python3 -m build" if builds else "",
        test_command="python3 -m pytest" if tests else "",
    )
    why = "pyproject.toml has a build system" if builds else "there are tests"
    return [group], [Reason(what="python_build", why=why)]


def _make(paths: Sequence[str]) -> Found:
    if "Makefile" not in paths:
        return [], []
    why = "there is a Makefile; name its targets in a build_command or deploy_command"
    return [], [Reason(what="Makefile", why=why)]


def _script(groups: Iterable[Group]) -> Reason:
    if any(groups):
        return Reason(what="deploy.sh", why="does not run, because there are groups")
    return Reason(
        what="deploy.sh", why="runs as the whole deployment, as long as there are no groups"
    )
