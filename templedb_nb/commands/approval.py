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
    from collections.abc import Sequence

    from templedb_nb.app.deploy.signatures import SigningKey
    from templedb_nb.model.approval import Approval, ApprovalList, GivenApproval
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.waiting import WaitingList


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
@click.argument(
    "plans", metavar="PLAN...", nargs=-1, required=True, shell_complete=completion.plans
)
@click.option("--reason", required=True, metavar="TEXT", help="Why it may run; recorded for good.")
@signing
@pass_call
def approve(
    call: Call, plans: tuple[str, ...], reason: str, sign: str | None, out: Path | None
) -> CommandOutcome:
    """Approve exactly PLAN: its id, the beginning of its id, or a bundle.

    Several plans are approved together: all of them, or none.
    """
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.serialization import short

    key = _prepared(call, reason, sign, out)
    given = call.app.bundled_approvals.approve(plans, reason, call.through, key)
    _write(out, given)
    approval, then = given[0].approval, f" --approval {out}" if out else ""
    runs = [f"next: templedb deploy run --plan {short(g.approval.plan)}{then}" for g in given]
    if approval.bundle is None:
        by = f"{approval.given_by} approves plan {short(approval.plan)} for {approval.target}"
        return CommandOutcome(text=by, also=(*_told(given[0], sign, out), *runs))
    bundle = short(approval.bundle.content_hash)
    by = f"{approval.given_by} approves {len(given)} plans, bundle {bundle}"
    signed = [] if sign is None else list(dict.fromkeys(_signature(g.approval) for g in given))
    rows = [_row(each) for each in given]
    written = [f"written to {out}"] if out else []
    data = {"bundle": approval.bundle.content_hash, "plans": [g.approval.plan for g in given]}
    return CommandOutcome(text=by, also=(*rows, *signed, *written, *runs), data=data)


def _row(given: GivenApproval) -> str:
    from templedb_nb.model.serialization import short

    word = given.approval
    return f"plan {short(word.plan)}: {word.project} → {word.target}: {given.told}"


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

    key = _prepared(call, reason, sign, out)
    given = call.app.approvals.judge(plan, Verdict.REJECTED, reason, call.through, key)
    _write(out, [given])
    rejection = given.approval
    by = f"{rejection.given_by} rejects plan {short(rejection.plan)} for {rejection.target}"
    return CommandOutcome(text=by, also=_told(given, sign, out))


def _prepared(call: Call, reason: str, sign: str | None, out: Path | None) -> SigningKey | None:
    """Return the key to sign with, if any; refuse words that do not fit together."""
    from templedb_nb.app.deploy.signatures import SigningKey

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
    return None if sign is None else SigningKey(file=sign, prompts=asks)


def _write(out: Path | None, given: Sequence[GivenApproval]) -> None:
    from templedb_nb.app.deploy.signatures import write_approvals

    if out:
        write_approvals(out, [each.approval for each in given])


def _told(given: GivenApproval, sign: str | None, out: Path | None) -> tuple[str, ...]:
    signed = [] if sign is None else [_signature(given.approval)]
    return (*signed, given.told, *([f"written to {out}"] if out else []))


def _signature(given: Approval) -> str:
    from templedb_nb.model.approval import UNVERIFIED

    if given.identity != UNVERIFIED:
        return given.identity
    return f"signed; {given.target} names nobody who may sign, so it stays {UNVERIFIED}"


@click.command(cls=Command)
@click.argument("named", metavar="[PLAN]", required=False, shell_complete=completion.plans)
@click.option(
    "--waiting",
    is_flag=True,
    help="List the plans that wait for approvals, of all projects or of the one that is named.",
)
@pass_call
def approvals(call: Call, named: str | None, *, waiting: bool) -> ApprovalList | WaitingList:
    """List the approvals and rejections of PLAN, here and in its ledger, or the newest of all."""
    if not waiting:
        return call.app.approvals.words(named)
    with call.output.working("connecting to the targets"):
        return call.app.waiting.list(named)


verbs = (approve, reject, approvals)
