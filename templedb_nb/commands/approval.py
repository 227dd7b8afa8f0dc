"""What people say of plans: that one may run, or may not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, Effect, pass_call
from templedb_nb.errors import writing

if TYPE_CHECKING:
    from templedb_nb.model.approval import Approval, ApprovalList, Verdict
    from templedb_nb.model.listings import CommandOutcome


def signing(function: Any) -> Any:
    """Declare the options of a word that is signed."""
    for option in (
        click.option("--out", type=click.Path(path_type=Path), metavar="FILE",
                     help="With --sign: also write it to FILE, for deploy run --approval."),
        click.option("--sign", metavar="[KEYFILE]", is_flag=False, flag_value="",
                     help="Sign with this SSH key (a .pub for ssh-agent). Default: git's."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command(cls=Command, effect=Effect.CHANGES)
@click.argument("plan", metavar="PLAN", shell_complete=completion.plans)
@click.option("--reason", required=True, metavar="TEXT", help="Why it may run; recorded for good.")
@signing
@pass_call
def approve(
    call: Call, plan: str, reason: str, sign: str | None, out: Path | None
) -> CommandOutcome:
    """Approve exactly PLAN: its id, the beginning of its id, or a bundle."""
    from templedb_nb.model.approval import Verdict
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.serialization import short

    approval, also = _judged(call, plan, Verdict.APPROVED, reason, sign, out)
    by = f"{approval.given_by} approves plan {short(approval.plan)} for {approval.target}"
    given = f" --approval {out}" if out else ""
    then = f"templedb deploy run --plan {short(approval.plan)}{given}"
    return CommandOutcome(text=by, also=(*also, f"next: {then}"))


@click.command(cls=Command, effect=Effect.CHANGES)
@click.argument("plan", metavar="PLAN", shell_complete=completion.plans)
@click.option(
    "--reason", required=True, metavar="TEXT", help="Why it may not run; recorded for good."
)
@signing
@pass_call
def reject(
    call: Call, plan: str, reason: str, sign: str | None, out: Path | None
) -> CommandOutcome:
    """Reject exactly PLAN: it may not run, whoever approves it. Approve it to withdraw that."""
    from templedb_nb.model.approval import Verdict
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.serialization import short

    rejection, also = _judged(call, plan, Verdict.REJECTED, reason, sign, out)
    by = f"{rejection.given_by} rejects plan {short(rejection.plan)} for {rejection.target}"
    return CommandOutcome(text=by, also=also)


def _judged(
    call: Call, plan: str, verdict: Verdict, reason: str, sign: str | None, out: Path | None
) -> tuple[Approval, tuple[str, ...]]:
    from templedb_nb.app.deploy.signatures import SigningKey, write_approval

    if not reason.strip():
        raise click.UsageError("--reason must not be empty")
    if out and sign is None:
        raise click.UsageError("--out requires --sign: only its signature makes a file count")
    if out:
        with writing(out):
            there = out.exists()
        if there:
            raise click.UsageError(f"--out {out} exists already: name a file that does not")
    asks = call.interactive and not call.notebook
    key = None if sign is None else SigningKey(file=sign, prompts=asks)
    given = call.app.approvals.judge(plan, verdict, reason, call.through, key)
    if out:
        write_approval(out, given.approval)
    signed = [] if sign is None else [_signature(given.approval)]
    return given.approval, (*signed, given.told, *([f"written to {out}"] if out else []))


def _signature(given: Approval) -> str:
    from templedb_nb.model.approval import UNVERIFIED

    if given.identity != UNVERIFIED:
        return given.identity
    return f"signed; {given.target} names nobody who may sign, so it stays {UNVERIFIED}"


@click.command(cls=Command)
@click.argument("plan", metavar="[PLAN]", required=False, shell_complete=completion.plans)
@pass_call
def approvals(call: Call, plan: str | None) -> ApprovalList:
    """List the approvals and rejections of PLAN, here and in its ledger, or the newest of all."""
    return call.app.approvals.words(plan)


verbs = (approve, reject, approvals)
