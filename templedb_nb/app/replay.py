"""Commands of a runbook that broke off: proven done, gone on with, or begun anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from templedb_nb.core.plan.intent import asked
from templedb_nb.errors import Stale, UsageProblem
from templedb_nb.model.event import Outcome
from templedb_nb.model.selection import Selection

if TYPE_CHECKING:
    from templedb_nb.app.container import Container
    from templedb_nb.app.deploy.runs import RunOptions
    from templedb_nb.app.project.variables import GivenValues
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.model.runbook import Done


def again(
    app: Container, done: Done, plan: Callable[[], Preview], wish: RunOptions, given: GivenValues
) -> Result | None:
    """Return what the run of *done* came to if it succeeded, or go on with it.

    None if another thing is asked for now, or the target has moved: then it has to run anew, which
    applies no migration twice. Raises what going on raises, if a person must look first.
    """
    app.runs.reconcile()
    if asked(plan()) != done.content:
        return None
    result = app.history.result(done.run)
    if result.outcome is Outcome.SUCCEEDED:
        return result
    try:
        choice = Selection(project=result.slug, target=result.target)
        return app.deployments.resume(choice, done.run, wish, given)
    except (Stale, UsageProblem):
        return None
