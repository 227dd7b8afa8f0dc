"""Everything that templedb_nb raises on purpose.

TempleError
├── UsageProblem            64  the words do not say what to do
│   ├── UnknownName         64  no project, target, group, plan, run or migration of that name
│   └── Ambiguous           64  more than one fits
├── ConfigError             78  a file or a setting is wrong
│   ├── InvalidConfig       78  the deployment config, with all its problems
│   ├── SecretError         78  a variable cannot be sealed, opened or found
│   ├── FilesError          78  a file of the project cannot be read or stored
│   ├── UnfitArtifacts      78  what a build made cannot be kept as its config says
│   ├── NotStarted          78  a program cannot be started; nothing of it ran
│   └── PlanRefused         78  the plan holds findings that forbid a run
├── ApprovalMissing         20  the target wants an approval that is not there
├── Rejected                21  a person said that the plan may not run
├── Stale                   22  the target moved since the plan was made
├── UnavailableArtifacts    69  what an earlier run built is not here any more
├── Frozen                  23  the target is frozen, or its deployment windows are closed
├── Busy                    24  somebody else holds the lock
├── Unresolved              13  a person must look first
├── TargetError             69  a target refused or could not be reached
│   ├── Unreachable         69  no connection, or it was lost
│   ├── LedgerRefused       69  the role may not read, write or create the ledger
│   ├── Held                69  another session holds what was to be read
│   ├── UnfitServer         69  a pooler, a replica, a read-only or an unknown server
│   ├── RouterFailed        69  what sends traffic to a slot could not be switched
│   └── StatementFailed     12  the server rejected one statement
├── QueryRefused            64  a question is no SQL, or wants more than to read
├── QueryTimedOut          124  a question to a target took too long
├── ExpectationFailed       10  a target answered otherwise than was expected
├── StoreError              69  the state file could not be read or written
│   ├── StoreTooNew         69  a newer templedb wrote it
│   └── JournalFailed       69… the record of a run could not be written; carries that run's code
├── RunFailed               10… a run ended without success; carries its result's exit code
├── RehearsedFailure         1  a failure that TEMPLEDB_FAILPOINT asked for
└── InternalError            1  a defect of templedb itself
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from templedb_nb.exit_code import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

LISTED = 50
"""At most this many problems are listed; JSON has all of them."""
LONGEST = 2000
"""A line of a message or a finding is shown up to this length."""


def shortened(line: str) -> str:
    """Return a line that people can read: of a long one its beginning and its end.

    Mask it first: a secret that is cut in two is not found any more.
    """
    if len(line) <= LONGEST:
        return line
    begin, end = LONGEST * 3 // 4, LONGEST // 4
    return f"{line[:begin]} […{len(line) - begin - end} characters…] {line[-end:]}"


class TempleError(Exception):
    """Base of the tree: one message for people, the problems, one hint, one exit code."""

    exit_code: int = ExitCode.INTERNAL
    listed = LISTED
    told = False
    """Whether a picture beside it tells the problems and the hint: then one line is left to say."""

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        """Say what happened, to what, and what fixes it."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)

    def lines(self, mask: Callable[[str], str] = str) -> list[str]:
        """Return the message, the problems, and the hint, as people read them."""
        problems = [f"  - {problem}" for problem in self.problems[: self.listed]]
        if (more := len(self.problems) - self.listed) > 0:
            problems.append(f"  … and {more} more, which --json lists")
        hint = [f"hint: {self.hint}"] if self.hint else []
        return [shortened(mask(line)) for line in (self.message, *problems, *hint)]

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines in place of a traceback.
        head = f"{type(self).__name__}: {shortened(self.message)}"
        return [head] if self.told else [head, *self.lines()[1:]]


class UsageProblem(TempleError):
    """The words do not say what to do."""

    exit_code = ExitCode.USAGE


class UnknownName(UsageProblem):
    """Nothing of that name is known here."""


class Ambiguous(UsageProblem):
    """More than one thing fits the words."""


class ConfigError(TempleError):
    """A file or a setting is wrong."""

    exit_code = ExitCode.CONFIG


class InvalidConfig(ConfigError):
    """The deployment config is wrong; `problems` has every complaint with its key."""


class SecretError(ConfigError):
    """A variable cannot be sealed, opened or found."""


class FilesError(ConfigError):
    """Files of the project cannot be read or stored; nothing was stored."""


class UnfitArtifacts(ConfigError):
    """What a build made cannot be kept as the config says; nothing of it was kept."""


_RAISED: list[KeyboardInterrupt] = []


def raising(stop: KeyboardInterrupt) -> KeyboardInterrupt:
    """Remember what a signal's handler is about to raise: DuckDB swallows it."""
    _RAISED[:] = [stop]
    return stop


def swallowed(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interrupt in whose place DuckDB raised *error*, if it did."""
    if type(error) is not RuntimeError or str(error) != "Query interrupted":
        return None
    return _RAISED.pop() if _RAISED else KeyboardInterrupt()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line why *path* cannot be written, where the block fails to."""
    try:
        yield
    except OSError as error:
        raise FilesError(
            f"cannot write {path}: {error.strerror or error}", hint=_way_to_write(path, error.errno)
        ) from None


def _way_to_write(path: Path, number: int | None) -> str:
    match number:
        case errno.ENOENT:
            return f"mkdir -p {path.parent}"
        case errno.EISDIR | errno.ENOTDIR | errno.EEXIST | errno.ENAMETOOLONG | errno.ELOOP:
            return "name another file"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "name a file in a folder that you may write"
        case errno.ENOSPC | errno.EDQUOT:
            return "make room on the disk, or name a file on another one"
        case _:
            return ""


class NotStarted(ConfigError):
    """A program cannot be started: it, its interpreter or its folder is not there, or not fit."""


class PlanRefused(ConfigError):
    """The plan holds findings that forbid a run; nothing was executed."""


class ApprovalMissing(TempleError):
    """The target wants an approval of exactly this plan; nothing was executed."""

    exit_code = ExitCode.APPROVAL_MISSING


class ApprovalPending(ApprovalMissing):
    """A notebook showed the plan to those who may approve it, and nobody has decided yet."""


class Rejected(TempleError):
    """A person said that exactly this plan may not run; nothing was executed."""

    exit_code = ExitCode.REJECTED


class Stale(TempleError):
    """The target moved since the plan was made; nothing was executed."""

    exit_code = ExitCode.STALE


class UnavailableRelease(TempleError):
    """What an earlier run deployed is not here any more; nothing was executed."""

    exit_code = ExitCode.UNAVAILABLE


class UnavailableArtifacts(TempleError):
    """What an earlier run built is not here any more, or is damaged; nothing was executed."""

    exit_code = ExitCode.UNAVAILABLE


class Frozen(TempleError):
    """The target is frozen, or its deployment windows are closed; nothing was executed."""

    exit_code = ExitCode.FROZEN


class Busy(TempleError):
    """Somebody else holds the lock; nothing was executed."""

    exit_code = ExitCode.BUSY


class Unresolved(TempleError):
    """An earlier run ended in a way that a person must look at first."""

    exit_code = ExitCode.UNRESOLVED


class TargetError(TempleError):
    """A target refused, or could not be reached."""

    exit_code = ExitCode.UNAVAILABLE


class Unreachable(TargetError):
    """No connection, or it was lost."""


class LedgerRefused(TargetError):
    """The role may not read, write or create the ledger."""


class Held(TargetError):
    """Another session holds what was to be read."""


class UnfitServer(TargetError):
    """The server cannot give what a deployment needs: a pooler, a replica, read-only."""


class RouterUnclear(TempleError):
    """A router names no slot, so that nobody knows which one to measure."""

    exit_code = ExitCode.INCONCLUSIVE


class RouterFailed(TargetError):
    """What sends traffic to a slot could not be switched, or does not say where traffic goes."""


class StatementFailed(TargetError):
    """The server rejected one statement.

    `changed` says whether earlier steps took effect, `passing` whether other sessions alone caused
    it, so that another try may pass.
    """

    exit_code = ExitCode.CHANGED

    def __init__(
        self,
        message: str,
        *,
        statement: int,
        line: int,
        column: int,
        sqlstate: str | None = None,
        detail: str = "",
        hint: str = "",
        changed: bool = False,
    ) -> None:
        """Keep where it failed, so that a view can point at the line."""
        super().__init__(message, hint=hint)
        self.statement = statement
        self.line = line
        self.column = column
        self.sqlstate = sqlstate
        self.detail = detail
        self.changed = changed
        self.passing = False


class QueryRefused(UsageProblem):
    """A question that is no SQL, or wants more than to read."""


class QueryTimedOut(TempleError):
    """A question to a target took longer than it may; it was cancelled."""

    exit_code = ExitCode.TIMED_OUT


class ExpectationFailed(TempleError):
    """A target answered otherwise than was expected; nothing was changed."""

    exit_code = ExitCode.UNCHANGED


class StoreError(TempleError):
    """The state file could not be read or written."""

    exit_code: int = ExitCode.UNAVAILABLE


class StoreTooNew(StoreError):
    """A newer templedb wrote the state file."""


class JournalFailed(StoreError):
    """The record of a run could not be written; it started no further step."""


class RunFailed(TempleError):
    """A run ended without success."""

    def __init__(self, message: str, *, exit_code: int, hint: str = "") -> None:
        """Carry the exit code of the run's result."""
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class RehearsedFailure(TempleError):
    """A failure on purpose: TEMPLEDB_FAILPOINT asked for it."""


class InternalError(TempleError):
    """A defect of templedb itself; its problems are a traceback."""

    listed = 10_000
