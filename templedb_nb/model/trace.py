"""What the ledgers of a target hold of a run whose process died."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import State
from templedb_nb.model.step import Verb

BEGUN = "begun"
"""Stands in the ledger's history beside the row of a migration that runs step by step."""
APPLIED = "applied"
"""Stands in the ledger's history beside the row of a migration that is applied."""
ATTEMPTED = (BEGUN, APPLIED)
"""Words that runs leave, and no person."""


class CommandState(StrEnum):
    """What the ledger's row of a command says of it."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    NOT_STARTED = "not started"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What is looked for: the attempt at one step of a run.

    `key` is that of the migration whose SQL the step runs, if it runs one. `recorded` is whether
    the run saw its row in the ledger, of `database` if it is a migration's.
    """

    project: str
    run: str
    attempt: str = ""
    key: str = ""
    recorded: bool = False
    database: str = ""

    def within(self, database: str) -> Lookup:
        """Return what to look for in *database*: another one never had the row."""
        elsewhere = self.recorded and self.database not in {"", database}
        return replace(self, recorded=False) if elsewhere else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the ledgers hold of one attempt.

    `known` is whether the run held their lock. `state` is that of the row that bears the attempt;
    `later` is whether the migration's row bears a newer attempt instead. The steps are those of the
    row that bears the attempt, or of one that no attempt has brought to its end. `noted`
    are the words of the ledger's own history that name the attempt, `undone` is whether one of them
    says that it was in effect and was rolled back since. `silent_s` is how many seconds ago the run
    showed last that it lives. `damaged` is whether a ledger lost rows that this state proves: then
    a row that is not there proves nothing. `taken` is whether the attempt itself had a row that is
    not there any more, and nothing else tells what became of it. `active` is the slot that the
    router names, empty where it names none, None where it was not asked or did not answer.
    """

    known: bool = False
    state: State | None = None
    steps: int = 0
    step_done: int = 0
    step_started: int = 0
    later: bool = False
    noted: tuple[str, ...] = ()
    undone: bool = False
    command: CommandState | None = None
    exit_status: int | None = None
    active: str | None = None
    silent_s: float | None = None
    damaged: bool = False
    taken: bool = False

    @property
    def done(self) -> bool:
        """Return whether the ledger proves that a migration or an amendment took effect."""
        if (
            self.state is State.IN_DOUBT
        ):  # its row may have been restored, with an event that says so
            return False
        noted = any(word in _DONE for word in self.noted)
        return noted or self.undone or self.state in {State.APPLIED, State.REVERTED}

    @property
    def proves_nothing(self) -> bool:
        """Return whether a row that is not there tells nothing: the ledger is not what it was."""
        return not self.found and (self.damaged or self.taken or not self.known)

    @property
    def found(self) -> bool:
        """Return whether the attempt itself left anything."""
        return self.state is not None or self.command is not None or self.undone or bool(self.noted)

    @classmethod
    def of(cls, traces: Iterable[Trace]) -> Trace:
        """Return what the ledgers of one target hold together; one of them bears the attempt."""
        every = tuple(traces)
        best = max(every, key=lambda each: (each.found, each.step_started), default=cls())
        signs = [each.silent_s for each in every if each.silent_s is not None]
        return replace(
            best,
            known=any(each.known for each in every),
            later=any(each.later for each in every),
            damaged=any(each.damaged for each in every),
            taken=any(each.taken for each in every) and not best.found,
            silent_s=min(signs, default=None),
        )


_DONE = frozenset({*Verb, APPLIED, "reverted", "restore-ledger"})
"""Words of the ledger's history that are written together with what they tell."""
