"""What is risky in a migration's SQL: rules, places, and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import FindingLevel, TargetName

OURS, SQUAWK = "templedb", "squawk"
RULE_NAMES = (
    "drop-table", "drop-column", "drop-schema", "truncate", "rename-table", "rename-column",
    "table-rewrite", "index-not-concurrent", "drop-index-not-concurrent", "reindex-not-concurrent",
    "constraint-not-valid", "set-not-null", "unique-without-index", "column-with-check",
    "refresh-not-concurrent", "every-row", "lock-timeout-off", "several-tables-locked",
    "enum-value-used", "setting-without-effect", "empty-file", "rolled-back", "literal-password",
)  # fmt: skip
"""Our own rules, as files and reports name them."""
CONTRACT_WITH_DEPLOY = "contract-with-deploy"
PLAN_RULES = (CONTRACT_WITH_DEPLOY,)
"""Rules that look at a whole plan; files silence them like the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One risky statement: the rule, the place, what happens, and the safer way.

    `line` and `column` count from 1 and are those of the file.
    """

    rule: str
    file: str
    line: int
    column: int
    message: str
    mend: str = ""
    source: str = OURS


@dataclass(frozen=True, slots=True)
class NullCheck:
    """A check that a column is not null; `valid` where it holds for every row."""

    name: str
    column: str
    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a relation is, as the server guesses; `rows` is None where it never counted.

    `toast` are the bytes of long values, which only a rewrite copies. A `partitioned` table or
    index has the sum of its leaves. With a default partition (`has_default`), no partition of it
    can be detached concurrently.
    """

    rows: int | None
    bytes: int
    toast: int = 0
    partitioned: bool = False
    has_default: bool = False
    checks: tuple[NullCheck, ...] = ()


Sizes: TypeAlias = Mapping[tuple[str, str], Size]
"""By schema and name; what is not in it does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What was found in the files that were read; `target` is empty where none was asked.

    `version` is the server's major one, 0 where it is not known. `strict` makes any complaint an
    error, `level` is what the target does with them.
    """

    json_kind: ClassVar[str] = "LintReport"

    slug: Slug
    target: TargetName | None
    files: int
    rows: tuple[Complaint, ...]
    level: FindingLevel = FindingLevel.WARN
    version: int = 0
    notes: tuple[str, ...] = ()
    strict: bool = False
    format: str = "text"

    @property
    def forbids(self) -> bool:
        """Return whether what was found ends a command with an error."""
        return bool(self.rows) and (self.strict or self.level is FindingLevel.BLOCK)
