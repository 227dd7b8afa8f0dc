"""Model values as JSON objects, for programs: one object a line, the first of them a header."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from templedb_nb.model.history import Answer, Csv, DeployStats
from templedb_nb.model.listings import Coded, Document, ShownConfig
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import to_plain
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.views.cells import cell_plain
from templedb_nb.views.text import text

FORMAT = 1
_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON lets stand: control characters of 8 bits, marks of direction, other line ends."""


def header() -> str:
    """Return the line that says how to read the others."""
    return json.dumps({"templedb": FORMAT})


def line(value: Any) -> str:
    """Return *value* as one line of JSON, with what it is in ``kind``.

    What a terminal would obey stands as an escape: a reader of JSON finds the same text.
    """
    return _OBEYED.sub(_escape, json.dumps(plain(value), ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def plain(value: Any) -> dict[str, Any]:
    """Return *value* as an object; a sealed value never shows, not even sealed."""
    match value:
        case Coded(value=inner) | Csv(answer=inner):
            return plain(inner)
        case Document(document=document) | ShownConfig(document=document):
            return {"kind": kind(value), "document": document}
        case Answer():
            rows = [[cell_plain(cell) for cell in row] for row in value.rows]
            about = {"columns": list(value.columns), "types": list(value.kinds)}
            return {"kind": kind(value), **about, "rows": rows, "more": value.more}
        case None:
            return {"kind": "None"}
        case _:
            body = to_plain(_without_seals(value))
            own = body if isinstance(body, dict) else {"value": body}
            return {"kind": kind(value), **own, **dict(_extras(value))}


def kind(value: Any) -> str:
    """Return the word that programs know *value*'s class by; it outlives the class's name."""
    return str(type(value).json_kind)


def _extras(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value knows of itself and does not store."""
    match value:
        case Preview():
            yield "plan_id", value.plan.id
            yield "content_hash", value.plan.content_hash
            yield "text", text(value)
        case Result():
            yield "applied", value.applied()
            yield "changed", value.changed
            yield "warnings", value.warnings
            yield "notices", value.notices
        case DeployStats():
            rates = ("failure_rate", "per_week", "change_failure_rate", "rework_rate")
            rows = [asdict(r) | {name: getattr(r, name) for name in rates} for r in value.rows]
            yield "rows", rows
            yield "definitions", value.definitions
        case _:
            for name in ("applied", "pending", "valid"):
                if hasattr(value, name) and not callable(getattr(value, name)):
                    yield name, getattr(value, name)


def _without_seals(value: Any) -> Any:
    from dataclasses import fields, is_dataclass, replace

    if isinstance(value, Variable) and value.keeping is Keeping.SEALED:
        return replace(value, text="***")
    if isinstance(value, tuple):
        return tuple(_without_seals(each) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: _without_seals(getattr(value, f.name)) for f in fields(value)}
        return replace(value, **changed)
    return value
