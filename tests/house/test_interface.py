"""What users and scripts hold on to: recorded, so that no change of the code moves it unseen.

`python -m tests.house.test_interface` writes the record anew; what it then lacks is an interface broken.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, NewType

import click
import pytest

import templedb_nb
import templedb_nb.model
from templedb_nb import api, errors
from templedb_nb.commands import tree
from templedb_nb.core.config.document import schema as config_schema
from templedb_nb.exit_code import ExitCode
from templedb_nb.failpoints import ACTIONS, PLACES
from templedb_nb.model.event import Event
from templedb_nb.model.plan import Plan
from templedb_nb.model.step import Step
from templedb_nb.views.frames import COLUMNS

RECORD = Path(__file__).with_name("interface.json")


def keys(kind: Any, inside: tuple[Any, ...] = ()) -> Any:
    """Return the keys of a value's JSON form, by what the code declares."""
    if isinstance(kind, NewType):
        return keys(kind.__supertype__, inside)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        found = [keys(each, inside) for each in arguments if each is not type(None)]
        return found[0] if len(found) == 1 else sorted(found, key=json.dumps)
    if origin is tuple:
        return [keys(arguments[0], inside)]
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {"*": keys(arguments[1], inside)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(each.value) for each in kind)
    if dataclasses.is_dataclass(kind):
        if kind in inside:
            return "…"
        hints = typing.get_type_hints(kind)
        held = {f.name: keys(hints[f.name], (*inside, kind)) for f in dataclasses.fields(kind)}
        told = getattr(kind, "kind", None)
        return {"kind": told, **held} if isinstance(told, str) else held
    return "time" if kind is datetime else getattr(kind, "__name__", str(kind))


def shown() -> dict[str, type]:
    """Return every class that a command may give as JSON, by its word."""
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(templedb_nb.model.__path__, "templedb_nb.model."):
        for each in vars(importlib.import_module(module.name)).values():
            if isinstance(each, type) and "json_kind" in vars(each):
                word = str(vars(each)["json_kind"])
                assert found.setdefault(word, each) is each, f"two classes are {word}"
    return found


def public(kind: type) -> list[str]:
    return sorted(name for name in dir(kind) if not name.startswith("_"))


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, list[str]]]:
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands(each, f"{path} {name}".strip())
    else:
        yield path, sorted(o for each in command.params for o in each.opts if o.startswith("-"))


def config_keys(part: Any, path: str = "config") -> Iterator[tuple[str, list[str]]]:
    """Yield the keys of each object that a config may hold, by the JSON Schema that we publish."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            yield path, sorted(part["properties"])
        for name, each in part.items():
            yield from config_keys(each, f"{path}.{name}")
    elif isinstance(part, list):
        for number, each in enumerate(part):
            yield from config_keys(each, f"{path}[{number}]")


def ledger_columns(kind: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the columns of each table of the ledger, as its SQL makes it."""
    sql = Path(templedb_nb.__file__).parent / "targets" / kind / "sql" / "ledger.sql"
    text = re.sub(r"--.*", "", sql.read_text())
    for table, body in re.findall(r"CREATE TABLE (templedb\.\w+) \((.*?)\);\n", text, re.DOTALL):
        lines = body.splitlines() if "\n" in body else body.split(", ")
        yield table, [e.split()[0] for e in lines if re.match(r" *[a-z_]+ ", e)]


def hierarchy(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for each in kind.__subclasses__():
        yield from hierarchy(each)


def present() -> dict[str, Any]:
    kinds = shown()
    return {
        "commands": dict(commands(tree)),
        "exit codes": {each.name: each.value for each in ExitCode},
        "errors": {each.__name__: int(each.exit_code) for each in hierarchy(errors.TempleError) if each.__module__ == errors.__name__},  # type: ignore[attr-defined]
        "json": {word: keys(each) for word, each in kinds.items()},
        "attributes": {word: public(each) for word, each in kinds.items()},
        "columns": {each.json_kind: [name for name, _, _ in columns] for each, columns in COLUMNS.items()},  # type: ignore[attr-defined]
        "events": {each.kind: keys(each) for each in typing.get_args(Event)},
        "steps": {each.kind: keys(each) for each in typing.get_args(Step)},
        "plan": {"fields": [each.name for each in dataclasses.fields(Plan)]},
        "failpoints": {"places": sorted(PLACES), "actions": sorted(ACTIONS)},
        "config": dict(config_keys(config_schema())),
        "ledger": {kind: dict(ledger_columns(kind)) for kind in ("postgres", "duckdb")},
        "python": {"templedb_nb": sorted(templedb_nb.__all__), "Temple": public(api.Temple)},
    }  # fmt: skip


def written(record: dict[str, Any]) -> str:
    """Return *record* with a line for each thing, so that a change of one is seen as one."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    parts = []
    for part, held in record.items():
        entries = held.items() if isinstance(held, dict) else [("all", held)]
        body = ",\n".join(f" {line(key)}: {line(value)}" for key, value in entries)
        parts.append(f"{line(part)}: {{\n{body}\n}}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


PRESENT = json.loads(json.dumps(present()))


@pytest.mark.parametrize("part", PRESENT)
def test_interface_stays_as_recorded(part: str) -> None:
    assert PRESENT[part] == json.loads(RECORD.read_text())[part]


def test_command_values_all_have_a_json_kind() -> None:
    """A command's return annotation names the classes that its value may have."""
    words, missing = {each.__name__ for each in shown().values()}, []
    for path in Path(templedb_nb.__file__).parent.joinpath("commands").glob("*.py"):
        module = importlib.import_module(f"templedb_nb.commands.{path.stem}")
        for name, each in vars(module).items():
            if not isinstance(each, click.Command) or isinstance(each, click.Group):
                continue
            told = str(getattr(each.callback, "__annotations__", {}).get("return", "Any"))
            classes = {one.strip() for one in told.split("|")} - {"None", "Any"}
            missing += [f"{path.stem}.{name}: {one}" for one in classes - words]
    assert missing == []


if __name__ == "__main__":
    RECORD.write_text(written(PRESENT))
