"""What is said of sessions that a plan's migrations would wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from templedb_nb.model.effect import Blocks
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.foreseen_wait import ForeseenWait


def on_waits(found: Iterable[ForeseenWait], concurrent: str, watch: str) -> Iterator[Finding]:
    """Yield a warning for each session that is in the way now.

    *concurrent* is the first file with a statement that waits for every older transaction; *watch*
    is the command that shows who is in the way during the run.
    """
    for each in found:
        message = f"would wait now for {_named(each)}"
        if each.wanted is None:
            message = f"{message}: a concurrent statement waits for every older transaction"
        elif each.wanted.awaited:
            message = f"{message}: a concurrent statement waits for it"
        elif (blocks := each.wanted.lock.blocks) in {Blocks.ALL, Blocks.WRITES}:
            message = f"{message}; new {blocks} of {each.relation} would queue behind it"
        yield Finding(
            severity=Severity.WARNING,
            topic=Topic.LOCK,
            message=message,
            where=each.wanted.file if each.wanted else concurrent,
            mend=_mend(each, watch),
        )


def _mend(each: ForeseenWait, watch: str) -> str:
    if each.prepared:
        return "end it with COMMIT PREPARED or ROLLBACK PREPARED: it has no session"
    return f"let it end first; during the run: {watch}"


def _named(each: ForeseenWait) -> str:
    lasted = _lasted(each.age_s)
    if each.wraparound:
        return (
            f"autovacuum (pid {each.blocker.pid}, to prevent wraparound, for {lasted}) on"
            f" {each.relation}: it does not give way"
        )
    verb = "holds" if each.granted else "waits for"
    holds = f" and {verb} {each.held.removesuffix('Lock')} on {each.relation}" if each.held else ""
    if each.prepared:
        gid, role = each.prepared, each.blocker.role
        return f"prepared transaction {gid} ({role}), which has lasted {lasted}{holds}"
    who = ", ".join(filter(None, (f"pid {each.blocker.pid}", each.blocker.role,
                                  each.blocker.application, each.blocker.state)))  # fmt: skip
    return f"{who}, whose transaction has lasted {lasted}{holds}"


def _lasted(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
