"""Rows of a ledger as what it holds of one attempt, whichever database it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from templedb_nb.model.ledger import State
from templedb_nb.model.trace import BEGUN, CommandState, Lookup, Trace

Row = Sequence[Any] | None


def trace_of(
    lookup: Lookup,
    *,
    known: Row,
    migration: Row,
    noted: Sequence[Sequence[Any]],
    command: Row,
    restored: Row,
    sign: Row,
) -> Trace:
    """Return what the rows say.

    *migration* is the row that bears the attempt, or else that of its migration; *noted* are words
    of the ledger's history, each with whether the attempt itself said it. *restored* is an event
    that rows were written again since the run began: they had been lost.
    """
    attempt, state, *counts = migration or ("", "", 0, 0, 0)
    mine = migration is not None and attempt == lookup.attempt
    own = [word for word, said in noted if said]
    begun = lookup.recorded or not _BEHIND_BEGUN.isdisjoint(own)
    steps, done, started = counts if mine or state in _UNFINISHED else (0, 0, 0)
    return Trace(
        known=known is not None,
        state=State(state) if mine else None,
        steps=steps,
        step_done=done,
        step_started=started,
        later=not mine and attempt > lookup.attempt,
        noted=tuple(word for word in own if word not in _BEHIND_BEGUN),
        undone=any(not said for _, said in noted),
        command=_STATES.get(command[0], CommandState.UNKNOWN) if command else None,
        exit_status=command[1] if command else None,
        damaged=restored is not None,
        taken=begun and not mine and command is None,
        silent_s=sign[0] if sign else None,
    )


_BEHIND_BEGUN = frozenset({BEGUN, "invalid-before"})
"""Words of an attempt that say that it began, and nothing of how it went on."""
_UNFINISHED = frozenset({State.RUNNING, State.FAILED, State.IN_DOUBT})
_STATES = {each.value: each for each in CommandState}
