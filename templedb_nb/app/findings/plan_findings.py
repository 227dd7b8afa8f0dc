"""What a plan's reader must know of the databases themselves: drift, routes, risky statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.findings.lint import Linted, of_steps, ran_before
from templedb_nb.app.findings.servers import on_psql, on_servers
from templedb_nb.core.address.route import on_routes
from templedb_nb.core.catalog.drift import on_drift
from templedb_nb.core.config.document import problem
from templedb_nb.core.lint.linter import on_lint
from templedb_nb.core.migrations.kept_text import without_passwords
from templedb_nb.core.plan.findings import on_standing
from templedb_nb.core.plan.older_code import contracts_with_code
from templedb_nb.core.plan.situation import Situation
from templedb_nb.core.sql.psql_includes import included, refusals, warnings
from templedb_nb.engine.observe import Bodies, ReadCache, Reader
from templedb_nb.errors import Held
from templedb_nb.model.config import Executor
from templedb_nb.model.drift import Drift
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.plan import Draft, Plan
from templedb_nb.model.route import Route
from templedb_nb.model.step import Apply
from templedb_nb.model.target import DatabaseName, FindingLevel, Policy
from templedb_nb.ports.target import CatalogReader, Reached


def on_databases(
    plan: Plan,
    situation: Situation,
    sessions: Mapping[DatabaseName, Linted],
    read: Reader,
    environment: Mapping[str, str],
) -> tuple[Finding, ...]:
    """Return what is to say of a plan that the databases tell, or the machine which asks them."""
    return (
        *linted(plan, situation, sessions, read.cache),
        *on_servers(plan.steps, situation, sessions),
        *on_psql(plan.steps, environment),
        *on_changes(plan, sessions),
        *on_standing(ran_before(plan.steps, situation, sessions), plan.target),
        *on_includes(plan, situation, read),
        *on_routes(routes(sessions), plan.target),
    )


def on_changes(plan: Plan, sessions: Mapping[DatabaseName, CatalogReader]) -> list[Finding]:
    """Tell of drift where something is to run: what does nothing asks for nothing."""
    if not plan.steps:
        return []
    return list(on_drift(drifts(sessions, plan.policy), plan.target, plan.policy.drift))


def routes(sessions: Mapping[DatabaseName, Reached]) -> dict[str, Route]:
    """Return the server that each session has reached, by its database's name."""
    return {name: each.server.here for name, each in sessions.items() if each.server}


def drifts(
    sessions: Mapping[DatabaseName, CatalogReader], policy: Policy
) -> dict[DatabaseName, Drift]:
    """Return how each database differs from what runs left, unless the target does not care."""
    if policy.drift is FindingLevel.OFF:
        return {}
    return {name: _drift(session, policy) for name, session in sessions.items()}


def _drift(session: CatalogReader, policy: Policy) -> Drift:
    """Look at one database; who must not be in the way of a run, is not by a lock either."""
    try:
        return session.drift()
    except Held as error:
        if policy.drift is FindingLevel.BLOCK:
            raise
        return Drift(behind=f"the objects could not be read ({error.message})")


def linted(
    plan: Plan, situation: Situation, sessions: Mapping[DatabaseName, Linted], cache: ReadCache
) -> list[Finding]:
    """Return what lint says of the plan's statements, as grave as the target's policy has it."""
    level = plan.policy.lint
    if level is FindingLevel.OFF:
        return []
    found = of_steps(plan.steps, situation.scripts, sessions, cache)
    early = contracts_with_code(plan, situation.scripts, situation.empty)
    return list(on_lint((*found, *early), level))


def on_includes(plan: Plan, situation: Situation, bodies: Bodies) -> Iterator[Finding]:
    """Yield what cannot run, or has no effect, in files that psql includes, of the release."""
    blobs = {each.path: each.blob for each in situation.files}

    def read(path: str) -> str | None:
        if (blob := blobs.get(path)) is None:
            return None
        try:
            return bodies((blob,))[blob].decode("utf-8")
        except UnicodeDecodeError:
            return None

    for step in plan.steps:
        if isinstance(step, Apply) and step.executor is Executor.PSQL:
            script = situation.scripts.get(step.source)
            yield from _twice(
                plan, situation, included(script.text, step.file, read) if script else {}
            )
            for each in refusals(script, step.file, read) if script else ():
                where = f"{each.file}:{each.line}"
                message = f"{each.message} (included by {step.file})"
                yield problem(where, message, each.mend, topic=Topic.MIGRATION)
            for each in warnings(script.text, step.file, read) if script else ():
                message = f"{each.message} (included by {step.file})"
                yield Finding(
                    severity=Severity.WARNING,
                    topic=Topic.MIGRATION,
                    message=message,
                    where=f"{each.file}:{each.line}",
                    mend=each.mend,
                )


def _twice(plan: Plan, situation: Situation, by: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the migrations of a plan that another one includes; *by* has which, by their files."""
    for step in plan.steps:
        if not isinstance(step, Apply) or step.file not in by:
            continue
        script = situation.scripts.get(step.source)
        if script and not script.asked.repeatable:
            own, other = step.file, by[step.file]
            message = f"is a migration of its own, and {other} includes it: it would run twice"
            mend = f'add "!{own}" to file_patterns, or take the line out of {other}'
            yield problem(own, message, mend, topic=Topic.MIGRATION)


def unified(ran: str, now: str, file: str) -> str:
    """Return how a file differs from what ran, as a unified diff."""
    from templedb_nb.model import line_diff

    if ran.startswith("sha256:") and "\n" not in ran:
        return f"the SQL that ran was too long to be stored; its hash is {ran}"
    names = f"{file} (as applied)", f"{file} (now)"
    lines = line_diff.unified(ran.splitlines(), now.splitlines(), names)
    return "\n".join(lines)


def edits(opened: OpenTarget, draft: Draft) -> tuple[tuple[str, str], ...]:
    """Return, for each edited migration, how its file differs from what ran."""
    found = []
    for row in draft.edited:
        session = opened.sessions.get(row.database)
        ran = session.applied_sql(draft.plan.project, [row.key]) if session else {}
        if row.key in ran and row.source:
            text = opened.case.read.scripts([row.source])[row.source].text
            was, now = (without_passwords(t, row.reading) for t in (ran[row.key], text))
            found.append((row.file, unified(was, now, row.file)))
    return tuple(found)
