"""The habits of the code, held by a machine (CONTRIBUTING.md says why)."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slow

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "templedb_nb"
MOST_LINES = 400
MOST_MODULES = 15
DICTIONARIES = {
    "model",  # one noun a file
    "commands",  # one noun of the tree a file
    "core/migrations/layouts",  # one convention a file
}
PURE = ("model", "core", "ports", "engine")


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def test_module_has_at_most_400_lines() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_room_has_at_most_fifteen_modules() -> None:
    rooms: dict[str, int] = defaultdict(int)
    for path in MODULES.values():
        if path.name != "__init__.py":
            rooms[str(path.parent.relative_to(PACKAGE))] += 1
    rooms = {room: count for room, count in rooms.items() if room not in DICTIONARIES}
    assert {room: count for room, count in rooms.items() if count > MOST_MODULES} == {}


def test_type_ignore_has_a_reason() -> None:
    bare = re.compile(r"# type: ignore(?:\[[\w, -]+\])?\s*$", re.MULTILINE)
    assert [name for name, path in MODULES.items() if bare.search(path.read_text())] == []


def test_any_has_a_reason_when_used_in_the_pure_half() -> None:
    """At the borders, driver rows and plain JSON are Any: pyproject.toml says so, at ANN401."""
    without = re.compile(r"^from typing import (?!.*# Any: ).*\bAny\b.*$", re.MULTILINE)
    pure = {n: p for n, p in MODULES.items() if n.split(".")[1:2] and n.split(".")[1] in PURE}
    assert len(pure) > 100
    assert [name for name, path in pure.items() if without.search(path.read_text())] == []


def test_module_has_a_layer() -> None:
    """A module that no contract names may import what it likes."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(each for each in contracts["contracts"] if each["name"] == "one direction")
    named = {one.strip() for row in layers["layers"] for one in re.split(r"[|:]", row)}
    free = {"templedb_nb", *(f"templedb_nb.{each}" for each in FREE)}
    within = [
        n
        for n in MODULES
        if n not in free and not any(f"{n}.".startswith(f"{one}.") for one in named)
    ]
    assert within == []


FREE = (
    "__main__", "api", "api_promotion", "api_rollback", "failpoints", "kernel_config",
    "templates", "ticker",
)  # fmt: skip
"""Front ends of one line, what only a front end imports, and the failpoints that all may reach."""


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports when it is imported itself, and what its types alone need."""
    body = ast.parse(path.read_text()).body
    for node in (*body, *(one for each in body if isinstance(each, ast.If) for one in each.body)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for each in node.names:
                full = f"{node.module}.{each.name}"
                yield full if full in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def test_modules_import_each_other_without_a_circle() -> None:
    needs = {
        name: {each for each in imported(path) if each in MODULES and each != name}
        for name, path in MODULES.items()
    }
    while done := {name for name, needed in needs.items() if not needed & needs.keys()}:
        needs = {name: needed for name, needed in needs.items() if name not in done}
    assert needs == {}


TOGETHER = {
    "ports.target": {"Session", "Server"},
    "ports.store": {"SettingsStore", "ContentStore"},
    "ports.records": {"RecordStore", "RunbookRecords"},
}
"""They inherit roles, and add nothing."""
SINGLE = {"Transactions", "Scratch"}
"""A role of one method, and a copy that is thrown away."""


@pytest.mark.parametrize("port", TOGETHER)
def test_role_of_a_port_has_two_to_seven_methods(port: str) -> None:
    tree = ast.parse(MODULES[f"templedb_nb.{port}"].read_text())
    classes = [each for each in tree.body if isinstance(each, ast.ClassDef)]
    protocols = [c for c in classes if "Protocol" in {ast.unparse(base) for base in c.bases}]
    methods = {c.name: _methods(c) for c in protocols}
    for whole in TOGETHER[port]:
        assert methods.pop(whole) == [], "a method belongs to a role"
    sizes = {role: len(names) for role, names in methods.items() if role not in SINGLE}
    assert {role: size for role, size in sizes.items() if not 2 <= size <= 7} == {}
    every = [n for role, names in methods.items() if role not in FREE_NAMES for n in names]
    assert len(every) == len(set(every)), "a method belongs to one role"


FREE_NAMES = {"Scratch", "StateInspector", "BlobSink"}
"""Nobody is one of these and another role as well."""


def _methods(node: ast.ClassDef) -> list[str]:
    return [each.name for each in node.body if isinstance(each, ast.FunctionDef)]


def test_store_alone_opens_sessions_of_the_state_file() -> None:
    opened = {
        name
        for name, path in MODULES.items()
        if not name.startswith("templedb_nb.store.") and ".session()" in path.read_text()
    }
    assert opened == set()


def test_class_name_stands_once() -> None:
    """One word, one meaning; the public `Temple` and what it is over have names of their own."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_modules_exist_when_the_inner_loop_leaves_them_out() -> None:
    named = [module for modules in slow.MODULES.values() for module in modules]
    folder = Path(slow.__file__).parent
    there = {path.stem for path in folder.rglob("*")}
    assert sorted(set(named) - there) == []
    assert len(named) == len(set(named))


NO_ROOMS = ("browser", "documents", "house")


def test_folder_of_tests_mirrors_a_room() -> None:
    tests = Path(slow.__file__).parent
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert len(folders) > len(NO_ROOMS)
    strange = [each for each in folders if not (PACKAGE / each).is_dir()]
    assert sorted(str(each) for each in strange if str(each) not in NO_ROOMS) == []
    assert Path() not in folders


def test_dataclasses_are_made_by_our_decorator() -> None:
    """It costs a tenth at import (docs/decisions/0082)."""
    wrong = [
        name
        for name, path in MODULES.items()
        if name != "templedb_nb.model.dataclass"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if any(each.name == "dataclass" for each in node.names)
    ]
    assert not wrong
