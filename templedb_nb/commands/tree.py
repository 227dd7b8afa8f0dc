"""The tree: nouns, their verbs, and the few verbs that stand alone."""

from __future__ import annotations

import click

from templedb_nb.commands import (
    approval,
    ci,
    completion,
    config,
    deploy,
    drift,
    env,
    examples,
    health,
    history,
    ledger_restore,
    lock,
    migration,
    notebook,
    project,
    promote,
    query,
    rollback,
    run,
    runbook,
    shell_completion,
    state,
    status,
    target,
    use,
)
from templedb_nb.commands.options import CONTEXT, NounGroup
from templedb_nb.version import __version__


@click.group("templedb", cls=NounGroup, context_settings=CONTEXT)
@click.version_option(__version__, message="templedb %(version)s")
def tree() -> None:
    """Plan, review, approve and run deployments. Every step is recorded.

    \b
    A first deployment:
      templedb project import ./shop
      templedb deploy init shop
      templedb target add shop staging
      templedb env set shop DATABASE_URL --target staging
      templedb deploy run shop --target staging --dry-run
      templedb deploy run shop --target staging

    PROJECT and --target are optional if there is only one, or if TEMPLEDB_PROJECT and
    TEMPLEDB_TARGET name them. The state is a file: TEMPLEDB_STATE if set, else in the nearest
    .templedb folder upwards, else in the user's data folder.
    """


migration.commands.add_command(ledger_restore.restore_ledger)
deploy.commands.add_command(rollback.rollback)
for noun in (
    project,
    deploy,
    config,
    migration,
    target,
    env,
    run,
    lock,
    drift,
    health,
    runbook,
    notebook,
    ci,
    state,
):
    tree.add_command(noun.commands)
alone = (*status.verbs, *promote.verbs, *approval.verbs, use.use, shell_completion.complete)
for verb in (*alone, *history.verbs, query.query):
    tree.add_command(verb)
examples.attach(tree)
completion.attach(tree)


def reserved() -> frozenset[str]:
    """Return the words that cannot be a project's slug."""
    found: set[str] = set(tree.commands)
    for command in tree.commands.values():
        if isinstance(command, click.Group):
            found |= set(command.commands)
    return frozenset(found)
