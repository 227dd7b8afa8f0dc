"""What is said of sessions that a plan's migrations would wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from templedb_nb.model.effect import Blocks, TableLock
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.foreseen_wait import ForeseenWait


def on_waits(
    file: str, found: Iterable[ForeseenWait], locks: Mapping[str, TableLock], watch: str
) -> Iterator[Finding]:
    """Yield a warning for each session in the way of *file* now; *watch* shows them later."""
    for each in found:
        message = f"would wait now for {_named(each)}"
        lock = locks.get(each.wanted)
        if lock is None:
            message = f"{message}: a concurrent statement waits for every older transaction"
        elif lock.blocks in {Blocks.ALL, Blocks.WRITES}:
            message = f"{message}; new {lock.blocks} of {each.relation} would queue behind it"
        mend = f"let it end first; during the run: {watch}"
        yield Finding(
            severity=Severity.WARNING, topic=Topic.LOCK, message=message, where=file, mend=mend
        )


def _named(each: ForeseenWait) -> str:
    lasted = _lasted(each.age_s)
    if each.wraparound:
        return (
            f"autovacuum (pid {each.blocker.pid}, to prevent wraparound, for {lasted}) on"
            f" {each.relation}: it does not give way"
        )
    holds = f" and holds {each.held.removesuffix('Lock')} on {each.relation}" if each.held else ""
    who = ", ".join(filter(None, (f"pid {each.blocker.pid}", each.blocker.role,
                                  each.blocker.application, each.blocker.state)))  # fmt: skip
    return f"{who}, whose transaction has lasted {lasted}{holds}"


def _lasted(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
