"""Shapes of a document: what a key may hold, read with every complaint at once.

One description serves three ends: reading a document, its JSON Schema (draft 2020-12), and its
reference in the docs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import Any, Protocol  # Any: what a document holds until its shape is read

from templedb_nb.model.dataclass import dataclass

Complain = Callable[[str, str], None]
"""Told the path of a key and what is wrong there."""

REQUIRED: Any = object()
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")
_BYTES = re.compile(r"(\d+) ?([KMGT]?)(i?)B", re.IGNORECASE)


class Shape(Protocol):
    """What one value must look like."""

    def read(self, value: object, at: str, complain: Complain) -> Any:
        """Return the value as the model has it, or complain."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        ...


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    names |= {int: "a number", float: "a number", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty."""

    pattern: str = ""
    says: str = ""

    def read(self, value: object, at: str, complain: Complain) -> str:
        """Return the text."""
        if not isinstance(value, str):
            complain(at, f"must be a text, not {_kind(value)}")
            return ""
        if not value.strip():
            complain(at, "must not be empty")
        elif "\0" in value:
            complain(at, "must not contain a NUL character")
        elif self.pattern and not re.fullmatch(self.pattern, value):
            complain(at, f"{value!r} {self.says}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        limits = {"pattern": f"^{self.pattern}$"} if self.pattern else {}
        return {"type": "string", "minLength": 1, **limits}


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """A whole number within limits."""

    least: int = 0
    most: int | None = None

    def read(self, value: object, at: str, complain: Complain) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int):
            complain(at, f"must be a whole number, not {_kind(value)}")
            return self.least
        if value < self.least or (self.most is not None and value > self.most):
            upper = f" to {self.most}" if self.most is not None else " or more"
            complain(at, f"must be {self.least}{upper}, not {value}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        upper = {"maximum": self.most} if self.most is not None else {}
        return {"type": "integer", "minimum": self.least, **upper}


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds: a whole number, or a text such as ``90s``, ``5m``, ``1h30m`` or ``14d``."""

    least: int = 0

    def read(self, value: object, at: str, complain: Complain) -> int:
        """Return the seconds."""
        seconds = _seconds(value)
        if seconds is None:
            complain(at, f"must be seconds, or a text such as 90s, 5m or 1h30m, not {value!r}")
            return self.least
        if seconds < self.least:
            complain(at, f"must be {self.least} s or more, not {seconds} s")
        return seconds

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        text = {"type": "string", "pattern": f"^{_DURATION.pattern}$"}
        return {"oneOf": [{"type": "integer", "minimum": self.least}, text]}


def _seconds(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not value:
        return None
    if value.isascii() and value.isdigit():
        return int(value)
    found = _DURATION.fullmatch(value)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * 86_400 + hours * 3600 + minutes * 60 + seconds


@dataclass(frozen=True, slots=True)
class ByteSize:
    """Bytes: a whole number, or a text such as ``500MB`` or ``2 GiB``."""

    least: int = 1

    def read(self, value: object, at: str, complain: Complain) -> int:
        """Return the bytes."""
        size = _bytes(value)
        if size is None:
            complain(at, f"must be bytes, or a text such as 500MB or 2GiB, not {value!r}")
            return self.least
        if size < self.least:
            complain(at, f"must be {self.least} or more, not {size}")
        return size

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        text = {"type": "string", "pattern": r"^(\d+|\d+ ?[KMGTkmgt]?[iI]?[bB])$"}
        return {"oneOf": [{"type": "integer", "minimum": self.least}, text]}


def _bytes(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not value.isascii():
        return None
    if value.isdigit():
        return int(value)
    found = _BYTES.fullmatch(value)
    if not found or (found[3] and not found[2]):
        return None
    power = " KMGT".index(found[2].upper() or " ")
    return int(found[1]) * int((1024 if found[3] else 1000) ** power)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, or true or false; kept as text, as JSON writes it."""

    def read(self, value: object, at: str, complain: Complain) -> str:
        """Return the text."""
        match value:
            case bool():
                return "true" if value else "false"
            case int():
                return str(value)
            case float() if isfinite(value):
                return repr(value)
            case str():
                return Text().read(value, at, complain)
            case _:
                complain(at, f"must be a text, a number, true or false, not {_kind(value)}")
                return ""

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"type": ["string", "number", "boolean"], "minLength": 1}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, value: object, at: str, complain: Complain) -> bool:
        """Return the flag."""
        if not isinstance(value, bool):
            complain(at, f"must be true or false, not {_kind(value)}")
            return False
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One word of a fixed set."""

    words: type[StrEnum]

    def read(self, value: object, at: str, complain: Complain) -> StrEnum:
        """Return the word."""
        known = [word.value for word in self.words]
        if value in known:
            return self.words(value)
        complain(at, f"must be one of {', '.join(known)}, not {value!r}{nearest(value, known)}")
        return next(iter(self.words))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"enum": [word.value for word in self.words]}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one shape; a single value stands for a list of one."""

    item: Shape
    single: bool = False

    def read(self, value: object, at: str, complain: Complain) -> tuple[Any, ...]:
        """Return the items."""
        if self.single and not isinstance(value, list):
            value = [value]
        if not isinstance(value, list):
            complain(at, f"must be a list, not {_kind(value)}")
            return ()
        return tuple(self.item.read(each, f"{at}[{n}]", complain) for n, each in enumerate(value))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        many = {"type": "array", "items": self.item.schema()}
        return {"oneOf": [many, self.item.schema()]} if self.single else many


@dataclass(frozen=True, slots=True)
class PairsOf:
    """An object whose keys are free names."""

    name: Shape
    item: Shape

    def read(self, value: object, at: str, complain: Complain) -> tuple[tuple[str, Any], ...]:
        """Return the pairs, in the order of their names."""
        if not isinstance(value, Mapping):
            complain(at, f"must be an object, not {_kind(value)}")
            return ()
        pairs = []
        for key, each in value.items():
            name = self.name.read(key, f"{at}.{key}", complain)
            pairs.append((name, self.item.read(each, f"{at}.{key}", complain)))
        return tuple(sorted(pairs, key=lambda pair: str(pair[0])))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        names = self.name.schema()
        return {
            "type": "object",
            "propertyNames": names,
            "additionalProperties": self.item.schema(),
        }


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object: its shape, the field that it fills, what it says to people."""

    name: str
    shape: Shape
    doc: str
    default: Any = REQUIRED
    field: str = ""

    @property
    def fills(self) -> str:
        """Return the name of the model's field."""
        return self.field or self.name


@dataclass(frozen=True, slots=True)
class Object:
    """An object with known keys alone."""

    make: Callable[..., Any]
    keys: Sequence[Key]
    title: str = ""

    def read(self, value: object, at: str, complain: Complain) -> Any:
        """Return the model value that *make* builds, from what could be read."""
        if not isinstance(value, Mapping):
            complain(at, f"must be an object, not {_kind(value)}")
            value = {}
            return self.make(
                **{key.fills: self._absent(key, at, lambda *_: None) for key in self.keys}
            )
        self._refuse_unknown(value, at, complain)
        return self.make(**{key.fills: self._read(key, value, at, complain) for key in self.keys})

    def _read(self, key: Key, value: Mapping[Any, Any], at: str, complain: Complain) -> Any:
        if value.get(key.name) is None:
            return self._absent(key, at, complain)
        return key.shape.read(value[key.name], joined(at, key.name), complain)

    def _absent(self, key: Key, at: str, complain: Complain) -> Any:
        if key.default is REQUIRED:
            complain(joined(at, key.name), "is missing")
            return key.shape.read(None, at, lambda *_: None)
        return key.default

    def _refuse_unknown(self, value: Mapping[Any, Any], at: str, complain: Complain) -> None:
        known = [key.name for key in self.keys]
        for name in value:
            if name not in known:
                complain(joined(at, str(name)), f"is not a known key{nearest(name, known)}")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        properties = {}
        for key in self.keys:
            properties[key.name] = {**key.shape.schema(), "description": key.doc}
        needed = [key.name for key in self.keys if key.default is REQUIRED]
        title = {"title": self.title} if self.title else {}
        required = {"required": needed} if needed else {}
        body = {"properties": properties, **required, "additionalProperties": False}
        return {**title, "type": "object", **body}


@dataclass(frozen=True, slots=True)
class TextOr:
    """A text, or an object with more to say; the text fills the object's one key."""

    key: str
    long: Object

    def read(self, value: object, at: str, complain: Complain) -> Any:
        """Return what the long form would."""
        return self.long.read({self.key: value} if isinstance(value, str) else value, at, complain)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"oneOf": [{"type": "string", "minLength": 1}, self.long.schema()]}


def joined(at: str, name: str) -> str:
    """Return the path of a key below another."""
    return f"{at}.{name}" if at else name


_LONGEST_WORD = 200


def nearest(word: object, known: Sequence[str]) -> str:
    """Return a question that names the nearest known word, or nothing."""
    text = str(word)
    if len(text) > _LONGEST_WORD:
        return ""
    found = difflib.get_close_matches(text, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


NAME = Text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "may hold only letters, digits, _ . -")
"""The name of a target, a group, a receiver: what people give a name to."""
