"""What selects targets by their labels: a condition, as a tree."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HasLabel:
    """The target has a value for *key*."""

    kind: ClassVar[str] = "has"

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelIn:
    """The value of *key* is one of *values*; false for a target that has none."""

    kind: ClassVar[str] = "in"

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotThat:
    """The condition does not hold."""

    kind: ClassVar[str] = "not"

    of: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Every condition holds."""

    kind: ClassVar[str] = "and"

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """At least one condition holds."""

    kind: ClassVar[str] = "or"

    of: tuple[Condition, ...]


Condition: TypeAlias = "HasLabel | LabelIn | NotThat | AllOf | AnyOf"
