"""The options of `deploy init` that answer what the files leave open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from templedb_nb.commands.context import Call
    from templedb_nb.core.migrations.proposal import Proposal, ProposalAnswers

Command = TypeVar("Command", bound=Callable[..., object])

_ANSWERS = (
    click.option("--folder", "folders", multiple=True, metavar="FOLDER",
                 help="Take this folder of migrations; repeat it for several of one database."),
    click.option("--each", is_flag=True, help="With --folder: each folder is of its own database."),
    click.option("--write-order", is_flag=True,
                 help="Write the order of migrations into order.txt where names do not give it."),
    click.option("--by-name", is_flag=True,
                 help="Accept the order of names where numbers do not decide."),
    click.option("--build/--no-build", default=None,
                 help="Whether builds and tests of manifests are groups, too."),
)  # fmt: skip


def answering(command: Command) -> Command:
    """Give a command these options, in this order."""
    for each in reversed(_ANSWERS):
        command = each(command)
    return command


def with_builds(call: Call | None, proposal: Proposal, answers: ProposalAnswers) -> ProposalAnswers:
    """Return *answers* with what a person says of the builds that are offered, if *call* can ask.

    A project for which nothing but a build speaks is asked about it, too.
    """
    from dataclasses import replace

    if call is None or not call.asks or not proposal.offers or proposal.doubts:
        return answers
    for each in proposal.offers:
        call.output.progress(f"{each.what}: {each.why}")
    said = call.ask("run the build and the tests at each deployment, too? y or n", "n")
    return replace(answers, build=said.lower().startswith("y"))
