"""What is special about each table that is shown as a DataFrame: title, first columns, signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from templedb_nb.model.approval import Verdict
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.foreign_history import ImportConfidence
from templedb_nb.model.health import Measured
from templedb_nb.model.ledger import State
from templedb_nb.model.receiver import ReceiverState
from templedb_nb.model.slots import RouterState, SlotState
from templedb_nb.views.html.card import Tone
from templedb_nb.views.html.run import OUTCOMES, WAITS
from templedb_nb.views.html.run import STATES as STEP_STATES
from templedb_nb.views.html.status import STATES as FILE_STATES

LOUDEST = (Tone.BAD, Tone.LOUD, Tone.GOOD, Tone.QUIET, Tone.PLAIN)

SIGNS: Mapping[str, tuple[Tone, str]] = {
    str(word): sign
    for signs in (
        OUTCOMES,
        FILE_STATES,
        STEP_STATES,
        {
            "waits": WAITS,
            "rolled back": (Tone.LOUD, "↩"),
            State.REVERTED: (Tone.QUIET, "↩"),
            State.IN_DOUBT: (Tone.BAD, "?"),
            Measured.HEALTHY: (Tone.GOOD, "✓"),
            Measured.UNHEALTHY: (Tone.BAD, "✗"),
            Measured.INCONCLUSIVE: (Tone.LOUD, "?"),
            Measured.NO_GATE: (Tone.QUIET, "·"),
            Measured.NOT_MEASURED: (Tone.QUIET, "·"),
            Verdict.APPROVED: (Tone.GOOD, "✓"),
            Verdict.REJECTED: (Tone.BAD, "✗"),
            ImportConfidence.VERIFIED: (Tone.GOOD, "✓"),
            ImportConfidence.ASSUMED: (Tone.LOUD, "!"),
            ImportConfidence.EDITED: (Tone.LOUD, "!"),
            SlotState.LIVE: (Tone.GOOD, "→"),
            SlotState.DIRTY: (Tone.BAD, "!"),
            RouterState.SILENT: (Tone.BAD, "?"),
            ReceiverState.DISABLED: (Tone.BAD, "■"),
            ReceiverState.PAUSED: (Tone.LOUD, "■"),
        },
    )
    for word, sign in signs.items()
}
"""The sign and the colour of a word of a fixed set: one word is one sign in every table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLook:
    """How a table is shown.

    `main` are the columns that stand in it, all if there are none; `key` names a row where columns
    are folded away, else the first column; `usual` are values that are not worth a column.
    """

    title: str = "Table"
    main: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    usual: Mapping[str, str] = field(default_factory=dict)


PLAIN_LOOK = TableLook()


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_STATUS = _names(
    "target last_outcome last_at last_run applied pending attention release last_health note"
)

TABLE_LOOKS: Mapping[str, TableLook] = {
    "DeployHistory": TableLook(
        title="Runs",
        main=_names(
            "run target outcome kind started_at took applied release started_by health message"
        ),
        usual={"kind": "deploy", "health": "no gate"},
    ),
    "MigrationHistory": TableLook(
        title="Ledger entries",
        main=_names("file state how target applied_at took client checksum error"),
    ),
    "StatusTable": TableLook(title="Status", main=_STATUS, usual={"last_health": "no gate"}),
    "Board": TableLook(
        title="Targets",
        main=("project", *_STATUS),
        key=("project", "target"),
        usual={"last_health": "no gate"},
    ),
    "MigrationStatus": TableLook(
        title="Migrations",
        main=_names("file state group database applied_at applied_by note mend compat"),
        usual={"database": "DATABASE_URL"},
    ),
    "DeployStatus": TableLook(
        title="Deployments",
        main=_names(
            "target live_run live_step live_since last_outcome last_at last_run unresolved "
            "rollback message"
        ),
        usual={"last_health": "no gate", "last_kind": "deploy"},
    ),
    "DeployStats": TableLook(
        title="Statistics",
        main=_names(
            "target span runs succeeded failed failure_rate applied median p90 deployments"
        ),
        key=("target", "span"),
    ),
    "ReleaseTable": TableLook(title="Releases", key=("release",)),
    "RollbackList": TableLook(title="Rollbacks that are possible"),
    "HealthTries": TableLook(title="Health checks", key=("step", "check_name")),
    "ApprovalList": TableLook(
        title="Approvals",
        main=_names("given_at verdict plan target given_by through used_by reason"),
    ),
    "WaitingList": TableLook(
        title="Plans that wait",
        main=_names(
            "plan project target release since planned_by missing waits_for approved_by expires_at"
        ),
    ),
    "ReceiverList": TableLook(title="Receivers of notifications"),
    "Slots": TableLook(title="Slots", key=("group", "slot")),
    "Adoption": TableLook(title="History to import"),
    "DriftReport": TableLook(title="Drift"),
    "TargetsDiffer": TableLook(title="Differences"),
    "LintReport": TableLook(title="Lint"),
    "Blame": TableLook(title="What changed"),
    "TargetList": TableLook(title="Targets"),
    "TargetImport": TableLook(title="Imported targets"),
    "FleetList": TableLook(title="Fleets", key=("fleet",)),
    "FleetPlan": TableLook(title="Plan of a fleet", main=_names("target state problem approved")),
    "FleetStatus": TableLook(
        title="Rollout", main=_names("target state message file line run took_ms")
    ),
    "FleetDrift": TableLook(title="Drift of a fleet"),
    "RolloutHistory": TableLook(title="Rollouts", key=("rollout",)),
    "ProjectList": TableLook(title="Projects"),
    "FileList": TableLook(title="Files"),
    "VariableList": TableLook(title="Variables"),
    "ConfigHistory": TableLook(title="Configs"),
    "PlanSteps": TableLook(title="Planned steps", key=("step",)),
    "RunSteps": TableLook(
        title="Steps",
        main=_names("step group phase title state attempts took exit_status rows message"),
        usual={"attempts": "1"},
    ),
}
"""By the word that a DataFrame's ``attrs`` have."""

NAMES = frozenset(
    _names(
        "file key path folder log title content plan checksum tree bundle supersedes superseded_by"
    )
)
"""Columns of names that are drawn as code."""
WIDE = frozenset(
    _names(
        "message note mend error reason file title path folder why_not compat_reason safer before "
        "after about waits_for rollback value object"
    )
)
"""Columns of texts that may need several lines."""
