"""Fleets, their plans and their rollouts; a lock on a file tells which rollouts go on."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from templedb_nb.errors import Ambiguous, UnknownName
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.fleet import (
    Fleet,
    FleetPlan,
    MemberResult,
    RolloutRow,
    RolloutState,
    RolloutWish,
)
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import from_plain, to_plain
from templedb_nb.model.target import TargetName
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned

FOLDER = "rollouts"
PATIENCE_S = 0.3
"""Whoever only looks whether a rollout lives holds its lock for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFleets:
    """Keeps them in the state file; each method is one short session."""

    file: StateFile

    def keep_fleet(self, fleet: Fleet) -> None:
        """Keep a fleet under its name, in place of one that had it."""
        with self.file.session() as session:
            session.execute(
                "INSERT OR REPLACE INTO fleets VALUES (?, ?, ?)",
                [fleet.slug, fleet.name, json.dumps(to_plain(fleet))],
            )

    def remove_fleet(self, slug: Slug, name: str) -> bool:
        """Forget a fleet, and say whether there was one; its plans and rollouts stay."""
        with self.file.session() as session:
            gone = session.execute(
                "DELETE FROM fleets WHERE project = ? AND name = ? RETURNING name", [slug, name]
            ).fetchall()
        return bool(gone)

    def fleets(self, slug: Slug) -> tuple[Fleet, ...]:
        """Return the fleets of a project, by name."""
        with self.file.session() as session:
            rows = session.execute(
                "SELECT body FROM fleets WHERE project = ? ORDER BY name", [slug]
            ).fetchall()
        return tuple(from_plain(Fleet, json.loads(body)) for (body,) in rows)

    def keep_fleet_plan(self, plan: FleetPlan) -> None:
        """Keep a plan under its address."""
        row = [plan.id, plan.slug, plan.fleet, json.dumps(to_plain(plan))]
        with self.file.session() as session:
            session.execute(
                "INSERT OR REPLACE INTO fleet_plans VALUES (?, ?, ?, ?, ?, ?)",
                [*row, bare(plan.made_at), plan.made_by],
            )

    def fleet_plan(self, slug: Slug, start: str) -> FleetPlan:
        """Return the one plan of the project whose id begins so, or raise."""
        with self.file.session() as session:
            rows = session.execute(
                "SELECT id, body FROM fleet_plans WHERE project = ? AND starts_with(id, ?)"
                " ORDER BY id LIMIT 5",
                [slug, start],
            ).fetchall()
        if not rows or not start:
            message = f"{slug} has no plan of a fleet whose id begins with {start!r}"
            raise UnknownName(message, hint=f"templedb fleet history {slug}")
        if len(rows) > 1:
            message = f"{len(rows)} plans of fleets begin with {start!r}"
            raise Ambiguous(message, problems=[str(each) for each, _ in rows])
        found: FleetPlan = from_plain(FleetPlan, json.loads(rows[0][1]))
        return found

    def newest_fleet_plan(self, slug: Slug, fleet: str | None) -> FleetPlan | None:
        """Return the newest plan of a project, or of one of its fleets."""
        with self.file.session() as session:
            row = session.execute(
                "SELECT body FROM fleet_plans WHERE project = ? AND (? IS NULL OR fleet = ?)"
                " ORDER BY made_at DESC, id LIMIT 1",
                [slug, fleet, fleet],
            ).fetchone()
        return from_plain(FleetPlan, json.loads(row[0])) if row else None

    def begin_rollout(self, row: RolloutRow) -> None:
        """Record that a process carries out a plan."""
        with self.file.session() as session:
            session.execute(
                "INSERT INTO rollouts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [row.rollout, row.plan, row.slug, row.fleet, bare(row.started_at), row.started_by,
                 row.host, row.pid, row.parallel, json.dumps([str(each) for each in row.only])],
            )  # fmt: skip

    def end_rollout(self, rollout: str, state: RolloutState, why: str, at: datetime) -> None:
        """Record how it ended."""
        with self.file.session() as session:
            session.execute(
                "INSERT OR REPLACE INTO rollout_ends VALUES (?, ?, ?, ?)",
                [rollout, state.value, why, bare(at)],
            )

    def keep_results(
        self, rollout: str, plan: str, results: Sequence[MemberResult], at: datetime
    ) -> None:
        """Record how far targets have come."""
        columns: list[list[Any]] = [
            [str(each.target) for each in results],
            [each.state.value for each in results],
            [each.run for each in results],
            [json.dumps(to_plain(each)) for each in results],
        ]
        with self.file.session() as session:
            session.execute(
                "INSERT INTO rollout_results SELECT ?, ?, target, state, run, body, ? FROM"
                " (SELECT unnest(?::VARCHAR[]) AS target, unnest(?::VARCHAR[]) AS state,"
                " unnest(?::VARCHAR[]) AS run, unnest(?::VARCHAR[]) AS body)",
                [rollout, plan, bare(at), *columns],
            )

    def results(self, plan: str) -> tuple[MemberResult, ...]:
        """Return the newest result of each target that was tried under a plan."""
        with self.file.session() as session:
            rows = session.execute(
                "SELECT body FROM rollout_results WHERE plan = ?"
                " QUALIFY row_number() OVER"
                " (PARTITION BY target ORDER BY ended_at DESC, rowid DESC) = 1 ORDER BY target",
                [plan],
            ).fetchall()
        return tuple(from_plain(MemberResult, json.loads(body)) for (body,) in rows)

    def runs_of(self, plans: Collection[str]) -> dict[str, tuple[str, str | None, int | None]]:
        """Return the newest run of each of these plans of targets: run, outcome and exit code."""
        with self.file.session() as session:
            rows = session.execute(
                "SELECT plan, run, outcome, exit_code FROM runs"
                " WHERE plan IN (SELECT unnest(?::VARCHAR[])) ORDER BY run",
                [list(plans)],
            ).fetchall()
        return {plan: (run, outcome, code) for plan, run, outcome, code in rows}

    def rollouts(self, slug: Slug, plan: str | None, last: int) -> tuple[RolloutRow, ...]:
        """Return the newest rollouts, newest first."""
        with self.file.session() as session:
            rows = session.execute(
                "SELECT r.id, r.plan, r.project, r.fleet, r.started_at, r.started_by, r.host,"
                " r.pid, r.parallel, r.only_for, e.state, e.why, e.ended_at,"
                " (SELECT count(*) FROM rollout_results x WHERE x.rollout = r.id"
                "   AND x.state IN ('succeeded', 'current')),"
                " (SELECT count(*) FROM rollout_results x WHERE x.rollout = r.id"
                "   AND x.state NOT IN ('succeeded', 'current'))"
                " FROM rollouts r LEFT JOIN rollout_ends e USING (id)"
                " WHERE r.project = ? AND (? IS NULL OR r.plan = ?) ORDER BY r.id DESC LIMIT ?",
                [slug, plan, plan, last],
            ).fetchall()
        return tuple(_row(each) for each in rows)

    def wish(self, rollout: str, wish: RolloutWish, parallel: int, by: str, at: datetime) -> None:
        """Record what somebody wants of a rollout."""
        with self.file.session() as session:
            session.execute(
                "INSERT INTO rollout_wishes VALUES (?, ?, ?, ?, ?)",
                [rollout, wish.value, parallel, by, bare(at)],
            )

    def wishes(self, rollout: str) -> tuple[tuple[RolloutWish, int], ...]:
        """Return what people want of a rollout, in order, each with the number of `speed`."""
        with self.file.session() as session:
            rows = session.execute(
                "SELECT wish, parallel FROM rollout_wishes WHERE rollout = ? ORDER BY rowid",
                [rollout],
            ).fetchall()
        return tuple((RolloutWish(wish), parallel) for wish, parallel in rows)

    @contextmanager
    def held(self, plan: str) -> Iterator[bool]:
        """Hold a plan for one process of this machine; False where another one holds it."""
        from filelock import FileLock, Timeout

        folder = self.file.folder / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(folder / f"{plan}.lock", mode=0o600)
        try:
            lock.acquire(timeout=PATIENCE_S, poll_interval=0.02)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def alive(self, plan: str) -> bool:
        """Return whether a process of this machine carries the plan out now."""
        if not (self.file.folder / FOLDER / f"{plan}.lock").exists():
            return False
        with suppress(OSError), self.held(plan) as ours:
            return not ours
        return False


def _row(found: Sequence[Any]) -> RolloutRow:
    names = ("rollout", "plan", "slug", "fleet", "started_at", "started_by", "host", "pid")
    values = dict(zip(names, found, strict=False))
    values["started_at"] = zoned(values["started_at"])
    only, state, why, ended, succeeded, failed = found[9:15]
    return RolloutRow(
        **values,
        parallel=found[8],
        only=tuple(TargetName(each) for each in json.loads(only)),
        state=RolloutState(state) if state else RolloutState.RUNNING,
        why=why or "",
        finished_at=zoned(ended),
        succeeded=succeeded,
        failed=failed,
    )
