"""Which earlier run a person means."""

from __future__ import annotations

from pathlib import Path

from templedb_nb.app.deploy.bundles import read_bundle
from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.core.run import rollback_choice
from templedb_nb.core.run.rollback_choice import RollbackChoices
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.errors import Ambiguous, UsageProblem
from templedb_nb.model.past_run import PastRun


def goal(
    found: RollbackChoices, word: str | None, bundle: Path | None, case: DeployContext
) -> PastRun:
    """Return the run to go back to, or raise with what there is.

    Where nobody names one, it is the one that deployed what *bundle* holds, if there is a bundle.
    """
    if bundle is not None and word is None:
        tree = read_bundle(bundle)[0].preview.tree
        rows = (each.run for each in found.rows if each.run.tree == tree and not each.why_not)
        if run := next(rows, None):
            return run
    return _chosen(found, word, case)


def _chosen(found: RollbackChoices, word: str | None, case: DeployContext) -> PastRun:
    """Return the run to go back to, or raise with what there is."""
    slug, target = case.project.slug, case.target.name
    hint = f"templedb deploy rollback {slug} --target {target} --list"
    if word is None:
        if found.default is None:
            message = f"there is nothing to go back to on {target}: no earlier run of other content"
            later = "it was deployed after the release in place: --to RUN goes to it"
            problems = [f"{each.run.run[:13]}: {each.why_not or later}" for each in found.rows]
            raise UsageProblem(message, hint=hint, problems=problems)
        return found.default
    rows = rollback_choice.named(found, word)
    if len(rows) > 1:
        problems = [each.run.run for each in rows]
        raise Ambiguous(f"{typed(word)!r} begins more than one run", problems=problems)
    if not rows:
        message = f"{typed(word)!r} names no successful run before the one in place on {target}"
        raise UsageProblem(message, hint=hint)
    if rows[0].why_not:
        message = f"cannot go back to run {rows[0].run.run[:13]}: {rows[0].why_not}"
        raise UsageProblem(message, hint=hint)
    return rows[0].run
