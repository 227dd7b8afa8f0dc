"""Model values as plain JSON and back: one canonical form, equal on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, NewType, TypeAlias, TypeVar  # Any: types as values, and plain JSON

Digest = NewType("Digest", str)
"""64 hexadecimal digits of SHA-256."""

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

T = TypeVar("T")
SHOWN_DIGITS = 12


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> Digest:
    """Return the address of *value*'s canonical form."""
    return Digest(hashlib.sha256(canonical(value)).hexdigest())


def canonical(value: object) -> bytes:
    """Return the one byte string that stands for *value*.

    Keys sorted, no white space, UTF-8: RFC 8785 for values without floats.
    """
    return _ENCODER.encode(to_plain(value)).encode()


def rows_digest(rows: Iterable[tuple[str | int, ...]]) -> Digest:
    """Return the address of rows of texts and numbers, without a look at each: `digest` of them."""
    return Digest(hashlib.sha256(_ENCODER.encode(list(rows)).encode()).hexdigest())


def short(value: str) -> str:
    """Return the digits of a digest that people read."""
    return value[:SHOWN_DIGITS]


def to_plain(value: object) -> Json:
    """Return *value* as plain JSON, or raise `TypeError`: a Secret or a float has no such form."""
    if type(value) in _PLAIN:
        return value  # type: ignore[return-value]  # mypy does not narrow by a set of types
    match value:
        case Enum():
            return to_plain(value.value)
        case None | bool() | int() | str():
            return value
        case datetime():
            return value.isoformat()
        case tuple() | list():
            return [to_plain(item) for item in value]
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _object(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


_PLAIN = frozenset({str, int, bool, type(None)})


def from_plain(kind: Any, plain: Any) -> Any:
    """Return the value of type *kind* that *plain* stands for; the inverse of `to_plain`.

    *kind* is a dataclass, an enum, a union of dataclasses told apart by their ``kind``, or a
    builtin or generic made of those. Fields that are absent keep their defaults, so that a value
    written by an older version can be read; an unknown field raises `ValueError`.
    """
    return _reader(kind)(plain)


def holds(kind: Any, value: Any) -> bool:
    """Return whether *value*, which `from_plain` made, holds what *kind* says, in every field.

    `from_plain` takes texts and numbers as they are; what comes from outside is asked about this.
    """
    if isinstance(kind, NewType):
        return holds(kind.__supertype__, value)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(holds(each, value) for each in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        whole = len(arguments) == len(value) and Ellipsis not in arguments
        kinds = arguments if whole else (arguments[0],) * len(value)
        return all(holds(each, item) for each, item in zip(kinds, value, strict=True))
    if kind in {str, int, bool, type(None)}:
        return isinstance(value, kind)
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        return True
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return isinstance(value, kind) and all(
        holds(hints[each.name], getattr(value, each.name)) for each in fields
    )


def _object(value: Any) -> dict[str, Json]:
    cls: Any = type(value)
    names, kind, absent = _shape(cls)
    plain: dict[str, Json] = {"kind": kind} if kind else {}
    for name in names:
        plain[name] = to_plain(getattr(value, name))
    for name in absent:
        if plain[name] is None:
            del plain[name]
    return plain


@cache
def _shape(kind: Any) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return the names of a dataclass's fields, and the word that tells it from its siblings.

    Also those that its JSON leaves out while they are None: they came after its first form.
    """
    names = tuple(field.name for field in dataclasses.fields(kind))
    word = getattr(kind, "kind", None)
    tag = word if isinstance(word, str) and "kind" not in names else ""
    return names, tag, getattr(kind, "json_absent", ())


@cache
def _reader(kind: Any) -> typing.Callable[[Any], Any]:
    if isinstance(kind, NewType):
        return _reader(kind.__supertype__)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda plain: tuple(item(each) for each in plain)
    if origin is not None and issubclass(origin, Mapping):
        item = _reader(arguments[1])
        return lambda plain: {key: item(each) for key, each in plain.items()}
    if kind is datetime:
        return datetime.fromisoformat
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    return lambda plain: plain


def _union(arguments: tuple[Any, ...]) -> typing.Callable[[Any], Any]:
    optional = type(None) in arguments
    members = [each for each in arguments if each is not type(None)]
    if len(members) == 1:
        only = members[0]  # its reader is looked up later: a value may hold one of its own kind
        return lambda plain: None if plain is None and optional else _reader(only)(plain)
    by_kind = {str(each.kind): _reader(each) for each in members if hasattr(each, "kind")}

    def read(plain: Any) -> Any:
        if not isinstance(plain, dict):
            return plain
        if plain.get("kind") not in by_kind:
            raise ValueError(f"a newer templedb wrote a value of kind {plain.get('kind')!r}")
        return by_kind[plain["kind"]](plain)

    return read


def _dataclass(kind: Any) -> typing.Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}
    tagged = "kind" not in readers and hasattr(kind, "kind")

    def read(plain: Mapping[str, Any]) -> Any:
        given = {key: item for key, item in plain.items() if not (tagged and key == "kind")}
        if unknown := given.keys() - readers.keys():
            raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        return kind(**{key: readers[key](item) for key, item in given.items()})

    return read
