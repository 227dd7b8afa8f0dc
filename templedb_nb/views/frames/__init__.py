"""Tables as pandas DataFrames, with proper types: times in UTC, durations, categories.

`columns` say what each holds; `drawing` is how a notebook shows one that nobody has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from templedb_nb.model.approval import ApprovalList
from templedb_nb.model.health_history import HealthTries
from templedb_nb.model.history import Answer, DeployHistory, DeployStats
from templedb_nb.model.plan import Preview
from templedb_nb.model.promotion import ReleaseTable
from templedb_nb.model.result import Result
from templedb_nb.model.status import MigrationStatus
from templedb_nb.model.waiting import WaitingList
from templedb_nb.views.cells import answer_frame
from templedb_nb.views.frames.columns import COLUMNS, MARK, PLAN_STEPS, RUN_STEPS
from templedb_nb.views.frames.kinds import Column, series
from templedb_nb.views.frames.run_columns import PLANNED, RAN
from templedb_nb.views.scope import scope_words

if TYPE_CHECKING:
    import pandas as pd


def frame(value: Any) -> pd.DataFrame | None:
    """Return a table as a DataFrame, or None for a value that is none.

    Times are ``datetime64[us, UTC]``, durations ``timedelta64``, words of a fixed set categories,
    counts nullable ``Int64``, rates nullable ``Float64``. What the rows are is in ``attrs``: the
    project, the filter, the counts of a `MigrationStatus`, what a `DeployStats` measures.
    """
    if isinstance(value, Answer):
        return answer_frame(value)
    columns = COLUMNS.get(type(value))
    if columns is None:
        return None
    made = _table(columns, value.shown if isinstance(value, MigrationStatus) else value.rows)
    made.attrs.update({MARK: value.json_kind, **_about(value)})
    return made


def steps(value: Result | Preview) -> pd.DataFrame:
    """Return the steps of a run or of a plan, a row each; `step` counts from 1.

    Those of a run have the columns of the view ``steps``, but for what is the same in all: that is
    in ``attrs``.
    """
    if isinstance(value, Preview):
        planned = zip(value.plan.steps, value.draft.told, strict=True)
        rows = [
            (n, s, told.compatibility if told else None) for n, (s, told) in enumerate(planned, 1)
        ]
        made = _table(PLANNED, rows)
        made.attrs.update({MARK: PLAN_STEPS, "plan": value.plan.id})
        made.attrs.update(project=value.slug, target=value.plan.target)
        return made
    began = value.started_at
    made = _table(RAN, [(n, step, began) for n, step in enumerate(value.steps, start=1)])
    made.attrs.update({MARK: RUN_STEPS, "run": value.run})
    made.attrs.update(project=value.slug, target=value.target)
    return made


def _about(value: Any) -> dict[str, Any]:
    """Return what all rows of a table share, for its ``attrs``."""
    about: dict[str, Any] = {}
    if slug := getattr(value, "slug", None):
        about["project"] = str(slug)
    if target := getattr(value, "target", None):
        about["target"] = str(target)
    match value:
        case ApprovalList() if value.note:
            about["note"] = value.note
        case WaitingList():
            about |= {"rejected": value.rejected, "ready": value.ready, "notes": value.notes}
        case ReleaseTable():
            about["notes"] = value.notes
        case DeployHistory():
            about["filter"] = scope_words(value.scope)
        case DeployStats():
            about |= {"filter": scope_words(value.scope), "definitions": value.definitions}
        case HealthTries():
            about |= {"run": value.run, "health": value.health.value}
        case MigrationStatus():
            about |= {"applied": value.applied, "pending": value.pending}
        case _:
            pass
    return about


def _table(columns: Sequence[Column], rows: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd

    made = {name: series([pick(row) for row in rows], kind) for name, kind, pick in columns}
    return pd.DataFrame(made, columns=[name for name, _, _ in columns])
