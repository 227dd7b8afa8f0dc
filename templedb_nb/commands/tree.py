"""The tree: nouns, their verbs, and the few verbs that stand alone.

A noun is imported when one of its verbs is used: `--help` and completion read the table below.
"""

from __future__ import annotations

from importlib import import_module

import click

from templedb_nb.commands import completion, examples
from templedb_nb.commands.lazy import LazyCommands, LazyGroup, Place
from templedb_nb.commands.options import CONTEXT
from templedb_nb.version import __version__

PLACES = {
    "project": Place(
        "project", "commands", "Import projects, sync them with their folders, show them."
    ),
    "deploy": Place(
        "deploy",
        "commands",
        "Configure, plan and run deployments. `templedb deploy` alone means `templedb deploy run`.",
    ),
    "config": Place(
        "config",
        "commands",
        "Set the deployment config; `deploy config` shows, checks and lists it.",
    ),
    "migration": Place(
        "migration",
        "commands",
        "Show which migrations are applied, and correct their ledger entries.",
    ),
    "target": Place(
        "target", "commands", "Define where a project is deployed, and test the connection."
    ),
    "fleet": Place(
        "fleet",
        "commands",
        "Plan, approve and roll out a release to many targets, wave after wave.",
    ),
    "env": Place(
        "env",
        "commands",
        "Store the values that deployments need: sealed, plain, or as references.",
    ),
    "run": Place(
        "run",
        "commands",
        "Watch and cancel runs, unblock them, and record what became of those that died.",
    ),
    "lock": Place("lock", "commands", "Show who holds a target, freeze it, or take a lock over."),
    "drift": Place(
        "drift", "commands", "Show what was changed in a target's database outside of migrations."
    ),
    "health": Place(
        "health",
        "commands",
        "Measure whether a target is healthy, and show what runs have measured.",
    ),
    "runbook": Place(
        "runbook",
        "commands",
        "Run a notebook unattended as a deploy job, with the deployment's exit code.",
    ),
    "notebook": Place(
        "notebook",
        "commands",
        "Find secrets and outputs in notebooks, and remove them before they are committed.",
    ),
    "ci": Place(
        "ci",
        "commands",
        "Write a pipeline that plans, waits for an approval, and deploys with a runbook.",
    ),
    "notify": Place(
        "notify", "commands", "Notify people and programs of plans, approvals, runs and targets."
    ),
    "state": Place("state", "commands", "Show, check, create, back up and tidy the state."),
    "status": Place(
        "status",
        "status",
        "Show a project on all its targets, or on the one that is named or in use.",
    ),
    "board": Place(
        "status",
        "board",
        "Show what is pending, waits, runs, ended and drifted on each target, and what to do next.",
    ),
    "tui": Place(
        "tui",
        "tui",
        "Stay in a screen of targets, waiting plans, runs and history; needs a terminal.",
    ),
    "promote": Place(
        "promote",
        "promote",
        "Deploy to a target what a run has deployed to another: the same files by the same recipe.",
    ),
    "releases": Place(
        "promote",
        "releases",
        "Show which release is on which target, since when, by whom, and what can be promoted.",
    ),
    "approve": Place(
        "approval", "approve", "Approve exactly PLAN: its id, the beginning of its id, or a bundle."
    ),
    "reject": Place(
        "approval",
        "reject",
        "Reject exactly PLAN: it may not run, whoever approves it. Approve it to withdraw that.",
    ),
    "approvals": Place(
        "approval",
        "approvals",
        "List the approvals and rejections of PLAN, here and in its ledger, or the newest of all.",
    ),
    "use": Place(
        "use", "use", "In a notebook: set the default PROJECT and --target of this kernel."
    ),
    "completion": Place("shell_completion", "complete", "Print the completion script of a shell."),
    "sql": Place("history", "sql", "Query the state with SQL, read-only."),
    "diff": Place(
        "history",
        "diff",
        "Show what differs between two runs, or between a run and the last success before it.",
    ),
    "blame": Place(
        "history",
        "blame",
        "Show everything that changed on a target around a point in time, by anybody, "
        "from anywhere.",
    ),
    "timeline": Place(
        "history",
        "timeline",
        "Show runs over time: what, where, and how they ended; in a notebook, as a chart.",
    ),
    "chart": Place(
        "history",
        "chart",
        "Show how long runs took, or how often they ran; in a notebook, as a chart.",
    ),
    "query": Place("query", "query", "Query a target's database with SQL, read-only."),
    "start": Place(
        "start",
        "start",
        "Import the folder PATH, propose its config, add a target, and show the first plan.",
    ),
}
"""Every word that may come first."""

BESIDE = {
    "migration": (("ledger_restore", "restore_ledger"),),
    "target": (("many_targets", "label"), ("many_targets", "import_")),
    "deploy": (
        ("history", "history"),
        ("history", "show"),
        ("history", "logs"),
        ("history", "status"),
        ("history", "stats"),
        ("rollback", "rollback"),
        ("slots", "slots"),
        ("slots", "switch"),
    ),
}
"""Verbs of a noun that have a module of their own."""


def _prepare(name: str, command: click.Command) -> None:
    for module, verb in BESIDE.get(name, ()):
        assert isinstance(command, click.Group)  # noqa: S101 - those of the table are
        command.add_command(getattr(import_module(f"templedb_nb.commands.{module}"), verb))
    examples.attach(name, command)
    completion.attach(command)


class Tree(LazyGroup):
    """The whole tree; `version` is the option, as a word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `version` for what it says."""
        return super().parse_args(ctx, ["--version"] if args == ["version"] else args)


@click.group(
    "templedb",
    cls=Tree,
    context_settings=CONTEXT,
    commands=LazyCommands(PLACES, _prepare),
)
@click.version_option(__version__, message="templedb %(version)s")
def tree() -> None:
    """Plan, review, approve and run deployments. Every step is recorded.

    \b
    A first deployment:
      templedb start ./shop
      templedb deploy run shop

    PROJECT and --target are optional if there is only one, or if TEMPLEDB_PROJECT and
    TEMPLEDB_TARGET name them. The state is a file: TEMPLEDB_STATE if set, else in the nearest
    .templedb folder upwards, else in the user's data folder.
    """


def reserved() -> frozenset[str]:
    """Return the words that cannot be a project's slug."""
    found: set[str] = set(tree.commands)
    for command in tree.commands.values():
        if isinstance(command, click.Group):
            found |= set(command.commands)
    return frozenset(found)
