"""What differs between two runs, and what changed around a moment."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Changes, Slug
from templedb_nb.model.result import Result
from templedb_nb.model.target import TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """How long one step took in either run, in milliseconds; None where it did not run."""

    group: str
    title: str
    before_ms: int | None
    after_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two runs side by side.

    `files` are those that differ between their releases; `config` has a line for each key that
    differs; variables are names; `approved_by` are those whose approval each run used up.
    """

    json_kind: ClassVar[str] = "Difference"

    before: Result
    after: Result
    files: Changes = Changes()
    config: tuple[str, ...] = ()
    variables_added: tuple[str, ...] = ()
    variables_removed: tuple[str, ...] = ()
    applied_before: tuple[str, ...] = ()
    applied_after: tuple[str, ...] = ()
    approved_before: tuple[str, ...] = ()
    approved_after: tuple[str, ...] = ()
    steps: tuple[StepTimes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """One thing that changed: when, what, by whom; `about` is what else is known of it."""

    at: datetime
    what: str
    by: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Everything that is known to have changed on a target around *at*, oldest first.

    `window_s` is how far before and after, in seconds; `note` says what could not be asked.
    """

    json_kind: ClassVar[str] = "Blame"

    slug: Slug
    target: TargetName
    at: datetime
    window_s: int
    rows: tuple[HistoryEvent, ...]
    note: str = ""
