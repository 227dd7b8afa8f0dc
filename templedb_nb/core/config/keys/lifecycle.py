"""The keys of a config that say how a release moves from target to target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any  # Any: what a document holds until its shape is read

from templedb_nb.core.values.circles import circle
from templedb_nb.core.values.schema import Complain, Duration, Flag, Key, Object, Text, WholeNumber
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.lifecycle import Lifecycle, PromotionGates

_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "may hold only letters, digits, _ . -")
_LEAST, _MOST = 2, 1000

GATES = Object(
    PromotionGates,
    (
        Key(
            "min_soak",
            Duration(),
            "How long the release must have been deployed where it comes from.",
            0,
            "min_soak_s",
        ),
        Key(
            "healthy",
            Flag(),
            "Every measurement there since, and one made now, must find it healthy.",
            True,  # noqa: FBT003 - a default
        ),
        Key(
            "min_targets",
            WholeNumber(1),
            "On how many targets it must have been deployed.",
            1,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Stages:
    """Targets in order; a list in the list is several targets. Or an object: target to targets."""

    def read(self, value: object, at: str, complain: Complain) -> Lifecycle:
        """Return the lifecycle, or complain."""
        if isinstance(value, Mapping):
            pairs = [(name, _names(ends, f"{at}.{name}", complain)) for name, ends in value.items()]
        elif isinstance(value, list):
            stages = [_names(each, f"{at}[{n}]", complain) for n, each in enumerate(value)]
            if len(stages) < _LEAST:
                complain(at, "must name two targets or more, in order")
            steps = pairwise(stages)
            pairs = [(name, after) for before, after in steps for name in before]
        else:
            complain(at, "must be a list of targets, or an object: target to next targets")
            return Lifecycle()
        if (most := len(pairs) + max((len(ends) for _, ends in pairs), default=0)) > _MOST:
            complain(at, f"must name at most {_MOST} targets, not {most}")
            return Lifecycle()
        found = Lifecycle(next_of=tuple((str(name), ends) for name, ends in pairs))
        for told in _wrong(found):
            complain(at, told)
        return found

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        one = _NAME.schema()
        many = {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]}
        stages = {"type": "array", "items": many, "minItems": _LEAST}
        return {"oneOf": [stages, {"type": "object", "additionalProperties": many}]}


def _names(value: object, at: str, complain: Complain) -> tuple[str, ...]:
    if isinstance(value, list):
        if not value:
            complain(at, "must name a target")
        return tuple(_NAME.read(each, f"{at}[{n}]", complain) for n, each in enumerate(value))
    return (_NAME.read(value, at, complain),)


def _wrong(found: Lifecycle) -> Iterator[str]:
    origins = Counter(origin for origin, _ in found.next_of)
    for name in (each for each, times in origins.items() if times > 1):
        yield f"names {name} more than once"
    for origin, ends in found.next_of:
        if len(set(ends)) < len(ends):
            yield f"names a target twice behind {origin}"
    after: dict[str, tuple[str, ...]] = {}
    for origin, ends in found.next_of:
        after.setdefault(origin, ends)
    if back := circle(after):
        yield f"leads from {back[0]} back to {back[0]}"


def lifecycle_document(value: Lifecycle) -> dict[str, Any]:
    """Return the document that `Stages` reads back."""
    return {name: ends[0] if len(ends) == 1 else list(ends) for name, ends in value.next_of}
