"""Whether a run may begin: what windows say, what a person set aside, and what waits for none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from templedb_nb.core.values.schema import nearest
from templedb_nb.core.windows import told
from templedb_nb.core.windows.decision import state
from templedb_nb.errors import Frozen, UsageProblem
from templedb_nb.model.plan import Plan
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.window import (
    NO_WINDOWS,
    PassReason,
    WindowOverride,
    WindowPassed,
    Windows,
    WindowState,
)

_WORDS = frozenset({RunKind.AMEND, RunKind.IMPORT, RunKind.HEALTH})
"""Runs that record what people say, or measure: they change nothing that windows protect."""


def bound(plan: Plan) -> bool:
    """Return whether a run of *plan* begins only while windows are open."""
    return bool(plan.work) and plan.run_kind not in _WORDS


def admit(
    windows: Windows,
    moments: Sequence[datetime],
    override: WindowOverride,
    waits_not: PassReason | None,
    target: str,
) -> tuple[WindowPassed, ...]:
    """Return which closed windows a run passes that begins now, or raise `Frozen`.

    *moments* is the time by the clock of each database. *waits_not* says why the run waits for no
    window, if it does not.
    """
    if waits_not is None:
        _refuse_unknown(windows, override)
    if windows == NO_WINDOWS:
        return ()
    closed = _closed(windows, moments)
    if closed is None:
        return ()
    if waits_not is not None:
        return (WindowPassed(windows=_rules(closed), because=waits_not),)
    left = _closed(windows.without(override.names), moments)
    if left is not None:
        raise _frozen(left, target)
    reason, names = override.reason, {*override.names}
    rules = [n for each in closed.blocks for n in each.names if n in names]
    kept = tuple(dict.fromkeys(rules))
    return (WindowPassed(windows=kept, because=PassReason.OVERRIDE, reason=reason),)


def _closed(windows: Windows, moments: Sequence[datetime]) -> WindowState | None:
    """Return what the windows say by the first clock by which they are closed."""
    return next((each for at in moments if not (each := state(windows, at)).open), None)


def _rules(closed: WindowState) -> tuple[str, ...]:
    names = [rule.known_as for each in closed.blocks for rule in each.rules]
    return tuple(dict.fromkeys(names))


def _refuse_unknown(windows: Windows, override: WindowOverride) -> None:
    if override.names and not override.reason.strip():
        message = "--override-window needs a reason, which is recorded for good"
        raise UsageProblem(message, hint="--reason WHY")
    known = sorted({each.name for each in windows.rules if each.name})
    for name in override.names:
        if name not in known:
            message = f"there is no deployment window {name!r}{nearest(name, known)}"
            raise UsageProblem(message, problems=known, hint="templedb target show has all rules")


def _frozen(closed: WindowState, target: str) -> Frozen:
    problems = [*(told.block(each) for each in closed.blocks), told.opening(closed)]
    message = f"the deployment windows of {target} are closed; nothing was executed"
    names = [each.names for each in closed.blocks]
    if all(names):
        override = " ".join(f"--override-window {each[0]}" for each in names)
        wait = "wait until then, or " if closed.opens else ""
        hint = f"{wait}run it again with {override} --reason WHY"
    else:
        hint = "a rule without a name cannot be overridden: wait, or change the windows:"
        hint = f"{hint} templedb target update {target} --window … --reason WHY; if the rule is of"
        hint = f"{hint} another project in the database: templedb target exempt"
    return Frozen(message, problems=problems, hint=hint)
