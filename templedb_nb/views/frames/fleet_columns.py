"""The columns of what is told of fleets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from templedb_nb.model.fleet import (
    DriftState,
    FleetDrift,
    FleetList,
    FleetPlan,
    FleetStatus,
    MemberState,
    OnFailure,
    PlannedState,
    RolloutHistory,
    RolloutState,
)
from templedb_nb.views.frames.kinds import COUNTS, TEXT, TIMES, WORDS, Column

FLEET_COLUMNS: Mapping[type, Sequence[Column]] = {
    FleetList: (
        ("fleet", TEXT, lambda r: r.name),
        ("where", TEXT, lambda r: r.where),
        ("waves", TEXT, lambda r: ", ".join(r.rules.waves)),
        ("parallel", COUNTS, lambda r: r.rules.parallel),
        ("max_failures", COUNTS, lambda r: r.rules.max_failures),
        ("on_failure", OnFailure, lambda r: r.rules.on_failure.value),
        ("defined_at", TIMES, lambda r: r.defined_at),
        ("defined_by", TEXT, lambda r: r.defined_by),
    ),
    FleetPlan: (
        ("target", TEXT, lambda r: r.target),
        ("state", PlannedState, lambda r: r.state.value),
        ("cohort", WORDS, lambda r: r.cohort),
        ("plan", TEXT, lambda r: r.plan),
        ("approved", TEXT, lambda r: r.approved),
        ("server", WORDS, lambda r: r.server),
        ("problem", TEXT, lambda r: r.problem),
    ),
    FleetStatus: (
        ("target", TEXT, lambda r: r.target),
        ("state", MemberState, lambda r: r.state.value),
        ("run", TEXT, lambda r: r.run),
        ("exit_code", COUNTS, lambda r: r.exit_code),
        ("message", TEXT, lambda r: r.message),
        ("file", TEXT, lambda r: r.file),
        ("line", COUNTS, lambda r: r.line),
        ("took_ms", COUNTS, lambda r: r.took_ms),
    ),
    FleetDrift: (
        ("target", TEXT, lambda r: r.target),
        ("state", DriftState, lambda r: r.state.value),
        ("changes", COUNTS, lambda r: len(r.changes)),
        ("what", TEXT, lambda r: "; ".join(r.changes)),
        ("problem", TEXT, lambda r: r.problem),
    ),
    RolloutHistory: (
        ("rollout", TEXT, lambda r: r.rollout),
        ("plan", TEXT, lambda r: r.plan),
        ("fleet", WORDS, lambda r: r.fleet),
        ("state", RolloutState, lambda r: r.state.value),
        ("started_at", TIMES, lambda r: r.started_at),
        ("finished_at", TIMES, lambda r: r.finished_at),
        ("succeeded", COUNTS, lambda r: r.succeeded),
        ("failed", COUNTS, lambda r: r.failed),
        ("started_by", TEXT, lambda r: r.started_by),
        ("why", TEXT, lambda r: r.why),
    ),
}
