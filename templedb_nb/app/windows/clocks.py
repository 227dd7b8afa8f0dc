"""Windows of a target that is open, by the clocks of its databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.core.approval.policy import demanded, kept
from templedb_nb.core.windows import admission, told
from templedb_nb.core.windows.decision import state
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.plan import Plan
from templedb_nb.model.target import DatabaseName, Policy, Target
from templedb_nb.model.window import (
    NO_OVERRIDE,
    NO_WINDOWS,
    PassReason,
    WindowOverride,
    WindowPassed,
    Windows,
    WindowState,
)
from templedb_nb.ports.run import Clock

Ledgers = Mapping[DatabaseName, Ledger]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Says whether a run of a plan may begin, by ledgers that were read just now."""

    plan: Plan
    target: Target
    clock: Clock
    mask: Callable[[str], str] = str
    override: WindowOverride = NO_OVERRIDE
    waits_not: PassReason | None = None

    def __call__(self, ledgers: Ledgers) -> tuple[WindowPassed, ...]:
        """Return which closed windows the run passes, or raise `Frozen`."""
        if not admission.bound(self.plan):
            return ()
        windows = demands(self.target, ledgers)
        moments = [each.now or self.clock.now() for each in ledgers.values()]
        moments = moments or [self.clock.now()]
        name = self.target.name
        found = admission.admit(windows, moments, self.override, self.waits_not, name)
        return tuple(replace(each, reason=self.mask(each.reason)) for each in found)


def demands(target: Target, ledgers: Ledgers) -> Windows:
    """Return the windows of a target: its own, and those that its ledgers hold."""
    return demanded(Policy.of(target), ledgers.values()).windows


def glance(target: Target, ledgers: Ledgers, clock: Clock) -> WindowState | None:
    """Return what the windows say now, by the first clock that closes them; None without any."""
    windows = demands(target, ledgers)
    if windows == NO_WINDOWS:
        return None
    moments = [each.now or clock.now() for each in ledgers.values()] or [clock.now()]
    states = [state(windows, at) for at in moments]
    return next((each for each in states if not each.open), states[0])


def on_windows(opened: OpenTarget, plan: Plan, clock: Clock) -> Iterator[Finding]:
    """Tell the reader of a plan whether a run may begin now, and by whose clock."""
    target = opened.case.target
    found = glance(target, opened.ledgers, clock)
    if found is None or not admission.bound(plan):
        return
    for line in told.lines(found):
        yield _note(line, target)
    if not opened.databases:
        yield _note("there is no database: windows follow the clock of this machine", target)
    for name, ledger in sorted(opened.ledgers.items()):
        yield from _differing(name, ledger, target)


def _differing(name: DatabaseName, ledger: Ledger, target: Target) -> Iterator[Finding]:
    """Tell where a ledger does not have the windows of the target, and where it has others."""
    if not ledger.exists:
        return
    there = ledger.policy.windows if ledger.policy else NO_WINDOWS
    if kept(Policy.of(target), [ledger]).windows != there:
        how = "the next run by the ledger's owner writes them, or templedb target update"
        line = f"the ledger of {name} does not have these windows yet: other states ignore them"
        yield _note(line, target, how)
    if others := [str(each) for each in there.rules if each not in target.windows]:
        how = f"if they hold no more: templedb target update {target.name} --reason WHY with all"
        how = f"{how} rules as --window, or --no-windows"
        yield _note(f"the ledger of {name} also has: {'; '.join(others)}", target, how)


def _note(message: str, target: Target, mend: str = "") -> Finding:
    where = f"target {target.name}"
    return Finding(
        severity=Severity.NOTE, topic=Topic.FROZEN, message=message, where=where, mend=mend
    )
