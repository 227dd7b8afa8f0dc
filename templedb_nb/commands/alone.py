"""Verbs that stand alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call, Command, Effect, on_target, pass_call, words
from templedb_nb.errors import writing

if TYPE_CHECKING:
    from templedb_nb.model.approval import Approval, ApprovalList, Verdict
    from templedb_nb.model.listings import Document, Said
    from templedb_nb.model.status import Board, StatusTable


@click.command(cls=Command)
@words("[PROJECT]")
@on_target
@pass_call
def status(call: Call, slug: str | None, target: str | None) -> StatusTable:
    """Show a project on all its targets, or on the one that is named or in use."""
    from templedb_nb.model.status import StatusTable

    choice = call.choice(slug, target)
    with call.working("asking the targets"):
        rows = call.app.overview.status(choice)
    project = call.app.projects.pick(choice.project)
    return StatusTable(slug=project.slug, rows=rows)


def signing(function: Any) -> Any:
    """Declare the options of a word that is signed."""
    for option in (
        click.option("--out", type=click.Path(path_type=Path), metavar="FILE",
                     help="With --sign: write it into a file, too, for deploy run --approval."),
        click.option("--sign", metavar="[KEYFILE]", is_flag=False, flag_value="",
                     help="Sign it by this SSH key (a .pub for ssh-agent), or the one of git."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command(cls=Command)
@words("[PROJECT]")
@pass_call
def board(call: Call, slug: str | None) -> Board | None:
    """Show projects side by side on all their targets; in a notebook with a filter and a refresh.

    \b
    Examples:
      templedb board
      templedb board shop
    """
    from templedb_nb.model.selection import Choice
    from templedb_nb.model.status import Board, StatusTable

    every = [each.slug for each in call.app.projects.all()]
    named = [call.app.projects.pick(slug).slug] if slug else every

    def load() -> Board:
        app = call.open_app() if call.board else call.app
        found = {slug: app.overview.status(Choice(project=slug)) for slug in named}
        return Board(tables=tuple(StatusTable(slug=slug, rows=found[slug]) for slug in found))

    with call.working("asking the targets"):
        found = load()
    if call.board is None or call.json:
        return found
    call.board(found, load)
    return None


@click.command(cls=Command, effect=Effect.CHANGES)
@click.argument("plan", metavar="PLAN", shell_complete=completion.plans)
@click.option("--reason", required=True, metavar="TEXT", help="Why it may run; kept for good.")
@signing
@pass_call
def approve(call: Call, plan: str, reason: str, sign: str | None, out: Path | None) -> Said:
    """Say that exactly PLAN (its id, or the beginning of it, or a bundle) may run."""
    from templedb_nb.model.approval import Verdict
    from templedb_nb.model.listings import Said
    from templedb_nb.model.serialization import short

    approval, also = _judged(call, plan, Verdict.APPROVED, reason, sign, out)
    by = f"{approval.given_by} approves plan {short(approval.plan)} for {approval.target}"
    given = f" --approval {out}" if out else ""
    then = f"templedb deploy run --plan {short(approval.plan)}{given}"
    return Said(text=by, also=(*also, f"next: {then}"))


@click.command(cls=Command, effect=Effect.CHANGES)
@click.argument("plan", metavar="PLAN", shell_complete=completion.plans)
@click.option("--reason", required=True, metavar="TEXT", help="Why it may not run; kept for good.")
@signing
@pass_call
def reject(call: Call, plan: str, reason: str, sign: str | None, out: Path | None) -> Said:
    """Say that exactly PLAN may not run, whoever approves it; approving it takes that back."""
    from templedb_nb.model.approval import Verdict
    from templedb_nb.model.listings import Said
    from templedb_nb.model.serialization import short

    rejection, also = _judged(call, plan, Verdict.REJECTED, reason, sign, out)
    by = f"{rejection.given_by} rejects plan {short(rejection.plan)} for {rejection.target}"
    return Said(text=by, also=also)


def _judged(
    call: Call, plan: str, verdict: Verdict, reason: str, sign: str | None, out: Path | None
) -> tuple[Approval, tuple[str, ...]]:
    from templedb_nb.app.deploy.signatures import Key, write_approval

    if not reason.strip():
        raise click.UsageError("--reason must say something")
    if out and sign is None:
        raise click.UsageError("--out wants --sign: a file counts by its signature alone")
    if out:
        with writing(out):
            there = out.exists()
        if there:
            raise click.UsageError(f"--out {out} is there already: name a file that is not")
    asks = call.interactive and not call.notebook
    key = None if sign is None else Key(file=sign, prompts=asks)
    given = call.app.judging.judge(plan, verdict, reason, call.through, key)
    if out:
        write_approval(out, given.approval)
    signed = [] if sign is None else [_signature(given.approval)]
    return given.approval, (*signed, given.told, *([f"written to {out}"] if out else []))


def _signature(given: Approval) -> str:
    from templedb_nb.model.approval import UNVERIFIED

    if given.identity != UNVERIFIED:
        return given.identity
    return f"signed; {given.target} names nobody who may sign, so that it stays {UNVERIFIED}"


@click.command(cls=Command)
@click.argument("plan", metavar="[PLAN]", required=False, shell_complete=completion.plans)
@pass_call
def approvals(call: Call, plan: str | None) -> ApprovalList:
    """List what people said of PLAN, here and in its target's ledger; or the newest of all."""
    return call.app.judging.words(plan)


@click.command(cls=Command)
@words("[PROJECT]")
@on_target
@pass_call
def use(call: Call, slug: str | None, target: str | None) -> Said:
    """In a notebook: leave PROJECT and --target out from now on, in this kernel."""
    from templedb_nb.model.listings import Said

    if call.use is None:
        message = "`use` lives in a notebook's kernel; a terminal has TEMPLEDB_PROJECT and"
        raise click.UsageError(f"{message} TEMPLEDB_TARGET")
    with call.app.state.session():
        project = call.app.projects.pick(slug or call.project)
        found = call.app.targets.pick(project, None, target) if target else None
    call.use(project.slug, found.name if found else None)
    place = f" on {found.name}{' (protected)' if found.protected else ''}" if found else ""
    return Said(text=f"in use: {project.slug}{place}")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_call
def complete(call: Call, shell: str) -> Document:
    """Print what makes a shell complete the words of templedb."""
    from click.shell_completion import get_completion_class

    from templedb_nb.commands.tree import tree
    from templedb_nb.model.listings import Document

    del call
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows the three shells
    return Document(document=found(tree, {}, "templedb", "_TEMPLEDB_COMPLETE").source())


verbs = (status, board, approve, reject, approvals, use, complete)
