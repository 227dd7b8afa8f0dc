"""Places at which a rehearsal may break a run on purpose, to see what is true afterwards.

``TEMPLEDB_FAILPOINT=NAME:ACTION`` names one place, or several with commas between them;
``NAME@2:ACTION`` means the second time that the place is reached. A protected target refuses them.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import field

from templedb_nb.errors import RehearsedFailure, UsageProblem
from templedb_nb.model.dataclass import dataclass

PLACES = {
    "run.before-lock": "the run is in the journal; no lock is held",
    "ledger.made": "the ledger is created or upgraded; nothing of that is committed",
    "run.locked": "the lock is held and its row is written; the ledger is not read yet",
    "run.begun": "the run is in the ledger; no step has begun",
    "run.before-end": "every step is done; the run's end is not in the ledger yet",
    "rollback.owed": "a run has failed, and the rollback that it owes has not begun",
    "run.ended": "the run's end is in the ledger, and not in the journal",
    "rollout.begun": "a rollout is recorded; no target has begun",
    "rollout.ended": "targets of a rollout have ended; their results are not recorded",
    "rollout.recorded": "the results of targets are recorded; others run",
    "run.told": "the run's end is in the journal; the state's copies of the ledgers are older",
    "step.started": "the journal says that a step began; nothing was done",
    "step.done": "a step is done; the journal does not say so yet",
    "apply.begun": "BEGIN; the ledger row is written in the open transaction",
    "apply.ran": "every statement returned; nothing is committed",
    "apply.commit-sent": "COMMIT was sent; its answer was not read",
    "apply.committed": "the migration and its row are committed",
    "guard.looked": "a transaction that involves the ledger was checked; it is still open",
    "stepwise.entered": "the row says running, committed; no step has begun",
    "stepwise.ran": "a step's statements returned; its transaction is open",
    "stepwise.commit-sent": "a step's COMMIT was sent; its answer was not read",
    "stepwise.committed": "a step and its count are committed",
    "alone.started": "the ledger says that a statement outside a transaction has begun",
    "alone.asked": "the catalog was asked; the statement is not sent",
    "alone.sent": "the statement was sent; its answer was not read",
    "alone.ran": "the statement returned; it is not counted",
    "alone.counted": "the statement is counted",
    "stepwise.before-end": "every step is counted; the row still says running",
    "stepwise.ended": "the row says applied",
    "psql.ran": "psql has ended; the ledger was not asked what came of it",
    "command.recorded": "the ledger says that a command begins; it has not started",
    "command.ran": "the command ended; the ledger does not say so",
    "command.closed": "the ledger says how the command ended",
    "artifacts.begun": "artifacts are about to be kept or placed; nothing was done",
    "artifacts.stored": "a file of an artifact is stored; the record of all is not yet",
    "artifacts.staged": "every file is verified beside the work folder; none is in its place",
    "artifacts.placing": "a file is in its place; others may follow",
    "artifacts.kept": "artifacts are kept or placed; the journal does not say so yet",
    "artifacts.recorded": "the journal names the artifacts; their step does not count as done",
    "router.prepared": "a router's new link or file is written beside the former one",
    "slot.used": "the record says that a deployment into a slot begins; nothing was done there",
    "switch.intended": "the intent of a switch is recorded; the router is not touched",
    "switch.pointed": "the router's link or file names the new slot; nothing is reloaded yet",
    "switch.redirected": "the router's reload was called; the router has not answered yet",
    "switch.confirmed": "the router names the new slot; the record does not say so yet",
    "switch.done": "the record says that the new slot serves; its step does not count as done",
    "health.tried": "a try of a health check is in the journal; the check is not settled yet",
    "health.settled": "a health check is settled; the journal does not say so yet",
    "notify.taken": "receivers took notifications, or did not; the state does not say so yet",
}
ACTIONS = ("kill9", "drop", "error", "sleep", "sleep=SECONDS")
SLEEP_S = 3600.0
_ACTION = re.compile(r"kill9|drop|error|sleep(?:=\d+)?")


@dataclass(slots=True)
class _Armed:
    """The places that are to fail, and how often each was reached."""

    text: str = ""
    wanted: dict[str, tuple[int, str]] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)


_armed = _Armed()


def arm(text: str | None, *, counting_on: bool = False) -> bool:
    """Take the places of *text* to fail, and no others; say whether there are any.

    With *counting_on*, places that are armed already go on being counted: a rollback that follows
    a run belongs to it. Raises `UsageProblem` for a place or an action that does not exist, with
    all that do.
    """
    if counting_on and text and text == _armed.text:
        return bool(_armed.wanted)
    _armed.text, _armed.wanted, _armed.reached = text or "", {}, {}
    for each in (text or "").split(","):
        if each.strip():
            name, count, action = _parsed(each.strip())
            _armed.wanted[name] = (count, action)
    return bool(_armed.wanted)


def _parsed(text: str) -> tuple[str, int, str]:
    place, _, action = text.partition(":")
    name, _, count = place.partition("@")
    if name not in PLACES or not _ACTION.fullmatch(action) or not (count or "1").isdecimal():
        problems = [f"{place}: {what}" for place, what in PLACES.items()]
        hint = f"TEMPLEDB_FAILPOINT=PLACE:ACTION, where ACTION is one of {', '.join(ACTIONS)}"
        raise UsageProblem(f"{text!r} names no failpoint", hint=hint, problems=problems)
    return name, int(count or "1"), action


def reach(place: str, cut: Callable[[], None] | None = None) -> None:
    """Fail here, if that was asked for; *cut* drops the connection that is at stake."""
    if not _armed.wanted or place not in _armed.wanted:
        return
    _armed.reached[place] = _armed.reached.get(place, 0) + 1
    count, action = _armed.wanted[place]
    if _armed.reached[place] != count:
        return
    match action:
        case "kill9":
            os.kill(os.getpid(), signal.SIGKILL)
        case "drop" if cut is not None:
            cut()
        case _ if action.startswith("sleep"):
            time.sleep(float(action.partition("=")[2] or SLEEP_S))
        case _:
            raise RehearsedFailure(f"TEMPLEDB_FAILPOINT: failed at {place}: {PLACES[place]}")


def reached(place: str) -> int:
    """Return how often an armed place was reached since it was armed."""
    return _armed.reached.get(place, 0)
