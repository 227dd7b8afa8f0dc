"""Rows of the state as model values, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from templedb_nb.errors import StoreError
from templedb_nb.model.approval import Approval, PlanBundle, Verdict
from templedb_nb.model.event import Outcome, RunId, Stamped
from templedb_nb.model.health import Measured
from templedb_nb.model.history import RunRow
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import from_plain, to_plain
from templedb_nb.model.step_result import StepState
from templedb_nb.store.duckdb.times import bare, zoned


def read(kind: Any, text: str) -> Any:
    """Return the value of *kind* that the JSON *text* stands for."""
    try:
        return from_plain(kind, json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the state contains what this version cannot read: {error}") from error


def insert_events(session: Any, entries: Sequence[Stamped]) -> None:
    """Add events that are not there yet."""
    columns = list(
        zip(
            *(
                (e.seq, bare(e.at), e.elapsed_ms, str(e.event.kind), json.dumps(to_plain(e.event)))
                for e in entries
            ),
            strict=True,
        )
    )
    session.execute(
        "INSERT INTO events SELECT ?, unnest(?::INTEGER[]), unnest(?::TIMESTAMP[]),"
        " unnest(?::BIGINT[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[])"
        " ON CONFLICT DO NOTHING",
        [entries[0].run, *(list(column) for column in columns)],
    )


def run_row(run: RunId, result: Result) -> list[Any]:
    """Return what is kept of a run."""
    return [
        run,
        result.slug,
        result.target,
        result.plan,
        result.release,
        bare(result.started_at) if result.started_at else None,
        bare(result.finished_at) if result.finished_at else None,
        result.elapsed_ms,
        result.outcome,
        result.exit_code,
        len(result.steps),
        result.count(StepState.DONE),
        result.applied(),
        result.started_by,
        result.message,
        result.warnings,
        bare(result.found_at) if result.found_at else None,
        result.health,
        result.run_kind,
        result.parent_run,
        result.tree,
        result.config_hash,
        result.owes,
        result.manifest,
    ]


def as_run(row: Sequence[Any]) -> RunRow:
    """Return the run that a row of the history stands for."""
    run, slug, target, plan, release, started, finished, ms, outcome, code, *rest = row
    steps, done, applied, by, message, warnings, found, health, kind, parent, undone = rest
    return RunRow(
        run=run,
        slug=slug,
        target=target,
        plan=plan,
        release=release,
        started_at=zoned(started),
        finished_at=zoned(finished),
        elapsed_ms=ms,
        outcome=Outcome(outcome) if outcome else None,
        exit_code=code,
        steps=steps,
        done=done,
        applied=applied,
        started_by=by,
        message=message,
        warnings=warnings or 0,
        found_at=zoned(found) if found else None,
        health=Measured(health) if health else None,
        run_kind=RunKind(kind) if kind else None,
        parent_run=parent or "",
        rolled_back_by=undone or "",
    )


def as_approval(row: Sequence[Any]) -> Approval:
    """Return the approval that a row stands for."""
    key, plan, content_hash, project, target, by, at, reason, through, used_by, *rest = row
    verdict, signature, bundle = rest
    return Approval(
        id=key,
        plan=plan,
        content_hash=content_hash,
        project=project,
        target=target,
        given_by=by,
        given_at=zoned(at),
        reason=reason,
        through=through,
        used_by=used_by,
        verdict=Verdict(verdict),
        signature=signature or "",
        bundle=read(PlanBundle, bundle) if bundle else None,
    )
