"""Builds and tests that manifests promise: npm's, Python's, make's."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any  # Any: package.json, as npm has it

from templedb_nb.model.config import Group
from templedb_nb.model.listings import Reason

Found = tuple[list[Group], list[Reason]]
_TYPESCRIPT = re.compile(r"\.tsx?$")


def builds(paths: Sequence[str], texts: Mapping[str, str]) -> Found:
    """Return a group for each manifest that has a build or tests, with the reasons."""
    groups: list[Group] = []
    reasons: list[Reason] = []
    for made, why in (_package(paths, texts), _python(paths, texts), _make(paths)):
        groups += made
        reasons += why
    return groups, reasons


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
        return [], [Reason(what="pyproject.toml", why="is not valid TOML")]
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
