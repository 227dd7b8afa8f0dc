"""A project as the SQLite file of the older TempleDB has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.secret import Secret

Row: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderFile:
    """One file in its newest version."""

    path: str
    body: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderVariable:
    """One variable; without a target it is the project's."""

    name: str
    target: str
    value: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderProject:
    """Everything of one project that can be taken over; `left_out` says what could not be read.

    `folder` is where it was checked out last. `config` is the text of its deployment config.
    """

    slug: str
    folder: str = ""
    config: str = ""
    files: tuple[OlderFile, ...] = ()
    targets: tuple[Row, ...] = ()
    variables: tuple[OlderVariable, ...] = ()
    migrations: tuple[Row, ...] = ()
    deployments: tuple[Row, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What became of one project; `histories` counts applied migrations by target.

    `release` is 0 where its files are not taken: they are here already, or there are none.
    """

    slug: Slug
    release: int
    files: int
    config: str
    targets: tuple[str, ...]
    variables: tuple[str, ...]
    runs: int
    histories: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """What was, or with `dry_run` would be, taken over from one file."""

    json_kind: ClassVar[str] = "TakeOver"

    file: str
    rows: tuple[TakenOver, ...]
    dry_run: bool = False
