"""What a ledger held at one moment, as far as a run must find it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from templedb_nb.model.dataclass import dataclass

Key = tuple[str, str]
"""A project and the key of one of its migrations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What a ledger held.

    `migrations` and `approvals` have a fingerprint of each row, `counts` how many rows the tables
    have to which a run only adds, `facts` what meta says. `shapes` is what each table is made of,
    and what this role may do with it; a table that is not there is not in it. `running` and
    `locked` say whether the rows of the run that asks are there.
    """

    migrations: Mapping[Key, str] = field(default_factory=dict)
    approvals: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, str] = field(default_factory=dict)
    running: bool = False
    locked: bool = False
