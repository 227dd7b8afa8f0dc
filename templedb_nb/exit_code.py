"""The exit codes, a stable interface: a code keeps its meaning."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the end of a process, a run or an error says; docs/reference/exit-codes.md explains it.

    64, 69 and 78 are those of ``sysexits.h``, 124 is that of ``timeout(1)``, 130 and 143 are 128
    and the number of the signal.
    """

    OK = 0
    INTERNAL = 1
    PENDING = 2
    UNCHANGED = 10
    ROLLED_BACK = 11
    CHANGED = 12
    UNRESOLVED = 13
    INCONCLUSIVE = 14
    APPROVAL_MISSING = 20
    REJECTED = 21
    STALE = 22
    FROZEN = 23
    BUSY = 24
    USAGE = 64
    UNAVAILABLE = 69
    CONFIG = 78
    TIMED_OUT = 124
    INTERRUPTED = 130
    TERMINATED = 143

    __repr__ = int.__repr__  # notebooks show `error.exit_code`, and scripts compare the text
