"""What a target says has been done to it."""

from __future__ import annotations

from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.dual_write import DualWriteTable
from templedb_nb.model.ledger_part import MissingPart
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.serialization import Digest, rows_digest
from templedb_nb.model.target import Policy, strictest

TEXT_CHECKSUM = "sha256-text-1"
"""SHA-256 over the UTF-8 text without BOM, line ends normalised to LF."""

TOKEN_CHECKSUM = "sha256-tokens-1"  # noqa: S105 - the name of an algorithm
"""SHA-256 over the text's tokens without comments and white space."""

FORMAT = 4
"""The version of the ledger's tables that this code reads and writes."""


class State(StrEnum):
    """What is true of one migration."""

    RUNNING = "running"
    APPLIED = "applied"
    REVERTED = "reverted"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class EntryKind(StrEnum):
    """How an entry came about."""

    RUN = "run"
    MARKED = "marked"
    INHERITED = "inherited"
    REPEATABLE = "repeatable"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """What a migration's text is, by letters and by tokens."""

    text: Digest
    tokens: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One migration that a target knows."""

    key: str
    file: str
    kind: EntryKind
    state: State
    checksums: Checksums
    mode: str = "transaction"
    steps: int = 0
    step_done: int = 0
    step_started: int = 0
    plan: str = ""
    attempt: str = ""
    applied_by: str = ""
    client: str = ""
    version: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    run_seq: int = 0
    error: str = ""

    @property
    def unfinished(self) -> bool:
        """Return whether an attempt that did not come to its end may have left a part of it."""
        begun = self.state is State.FAILED and self.step_started > 0
        return begun or self.state in {State.RUNNING, State.IN_DOUBT}

    @property
    def blank(self) -> bool:
        """Return whether it says no more than a row that is not there: nothing of it stands."""
        return self.state is State.FAILED and not self.unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherProjectEntry:
    """A migration that the target knows under another project's name."""

    project: str
    key: str
    checksum: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a target's lock, as the lock row says.

    `until` is when they mean to let it go, where they know, and `left_s` how many seconds that was
    from the moment of reading.
    """

    run: str
    owner: str
    host: str
    pid: int
    reason: str
    since: datetime | None = None
    live: bool = True
    until: datetime | None = None
    left_s: int | None = None

    def __str__(self) -> str:
        """Return the holder as people read it."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else ""
        who = f"{self.owner} (pid {self.pid} on {self.host}){since}: {self.reason}"
        return f"{who}{_kept(self.until, self.left_s)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """Who holds a lock now: `heartbeat_s` is how long ago they showed that they live, in seconds.

    `backend` is their session on the server, None where it is gone; `doing` is its statement.
    `until` is when they mean to let it go, where they know, `left_s` seconds from now.
    """

    run: str
    owner: str
    host: str
    pid: int
    reason: str
    since: datetime
    heartbeat_s: int
    backend: int | None
    doing: str
    until: datetime | None = None
    left_s: int | None = None

    def __str__(self) -> str:
        """Return the holder as people read it."""
        who = f"{self.owner} (pid {self.pid} on {self.host}), run {self.run[:13]}: {self.reason}"
        return f"{who}{_kept(self.until, self.left_s)}"


def _kept(until: datetime | None, left_s: int | None) -> str:
    """Say how long a lock is meant to be kept; nothing where that is not known."""
    if until is None or left_s is None:
        return ""
    moment = f"{until:%Y-%m-%d %H:%M:%S %Z}"
    if left_s <= 0:
        return f"; it meant to keep the lock until {moment}"
    minutes, seconds = divmod(left_s, 60)
    left = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"; it keeps the lock for {left} more, until {moment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Somebody keeps every run away from a target, on purpose."""

    by: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHead:
    """Which ledger a target had when it was last read, and how far that had come."""

    uuid: str
    head: Digest
    applied: int
    run_seq: int
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCommand:
    """A command that was started and whose end nobody recorded."""

    run: str
    attempt: str
    step: str
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that ended, by whatever outcome, and its plan."""

    run: str
    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Somebody was let off the policy of another project, as it stood then.

    `by` asked for it in `run`, and `approved_by` are the people whose approvals counted.
    """

    policy: Policy
    by: str
    reason: str
    run: str
    approved_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another project of the same database: its policy, and whether somebody froze it."""

    project: str
    policy: Policy | None = None
    frozen: Freeze | None = None
    exemption: Exemption | None = None

    @property
    def binding(self) -> Policy | None:
        """Return its policy, unless an exemption covers it: one that got stricter since binds."""
        if self.policy is None or self.exemption is None:
            return self.policy
        covered = self.exemption.policy
        return None if covered.stricter(self.policy) == covered else self.policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that one database says of one project, read in one transaction.

    `stepwise` is whether the database can take a migration that runs step by step, `cloned`
    whether the ledger was written in another database than the one that it is in, `table_locks`
    whether statements there lock tables against other sessions. `shadow` is whose table is written
    along. `policy` is the project's own, `neighbours` are other projects with something to say.
    `remains` are its tables, where some of them are gone, `begun` the runs that are left in them;
    with `unused`, no migration and no command was ever recorded. `missing` are the parts of its
    tables that are gone; a table that lost a column cannot be read, and is not among `remains`.
    `runs` are the newest ones, newest first; `rollback` is one that is owed, or did not succeed.
    `now` is what the database's clock said meanwhile, if it was asked.
    """

    exists: bool = False
    remains: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    unused: bool = False
    missing: tuple[MissingPart, ...] = ()
    stepwise: bool = True
    cloned: bool = False
    table_locks: bool = True
    uuid: str = ""
    entries: tuple[Entry, ...] = ()
    elsewhere: tuple[OtherProjectEntry, ...] = ()
    finished: tuple[FinishedRun, ...] = ()
    policy: Policy | None = None
    holder: Holder | None = None
    frozen: Freeze | None = None
    unresolved: tuple[OpenCommand, ...] = ()
    shadow: DualWriteTable | None = None
    neighbours: tuple[Neighbour, ...] = ()
    runs: tuple[PastRun, ...] = ()
    rollback: PendingRollback | None = None
    now: datetime | None = field(default=None, compare=False)

    @property
    def demands(self) -> Policy | None:
        """Return what a run of the project must satisfy: its own policy and those that bind it."""
        found = [self.policy, *(each.binding for each in self.neighbours)]
        return strictest(each for each in found if each is not None)

    @property
    def freezes(self) -> tuple[tuple[str, Freeze], ...]:
        """Return who keeps its runs away: of which project ('' for its own), and the freeze."""
        own = (("", self.frozen),) if self.frozen else ()
        others = ((n.project, n.frozen) for n in self.neighbours if n.binding and n.frozen)
        return (*own, *others)

    @property
    def head(self) -> Digest:
        """Name the exact set of entries; equal for a missing ledger and an empty one."""
        known = sorted((e.key, e.state, e.checksums.text, e.step_done) for e in self.entries)
        return rows_digest(known)

    @property
    def newest(self) -> int:
        """Return the number of what came into effect, or was rolled back, last; 0 for nothing."""
        settled = (State.APPLIED, State.REVERTED)
        return max((e.run_seq for e in self.entries if e.state in settled), default=0)

    @property
    def last_run(self) -> str:
        """Return the run that ended last; `finished` has the newest few, newest first."""
        return self.finished[0].run if self.finished else ""

    def without(self, plan: str) -> Ledger:
        """Return the ledger as it stood before any attempt of *plan*."""
        return replace(
            self,
            entries=tuple(each for each in self.entries if each.plan != plan),
            finished=tuple(each for each in self.finished if each.plan != plan),
        )

    def entry(self, key: str) -> Entry | None:
        """Return the entry of that key."""
        return next((each for each in self.entries if each.key == key), None)


Within: TypeAlias = tuple[datetime, datetime]
"""A span of time: its begin and its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvent:
    """One line of a ledger's own history; `key` is the migration that it is about, if it is."""

    at: datetime
    what: str
    key: str
    by: str
    reason: str
