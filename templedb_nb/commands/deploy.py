"""Deployments: configure, plan, run, look back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import (
    BUNDLE_OF_RUN,
    VALUES,
    Effect,
    given_values,
    group,
    on_target,
    pass_call,
    running,
    words,
)
from templedb_nb.commands.override import override, overriding
from templedb_nb.commands.planning import planning
from templedb_nb.commands.proposal_options import answering, with_builds
from templedb_nb.commands.reports import Reports, reported, summarised
from templedb_nb.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from templedb_nb.app.deploy.runs import RunOptions
    from templedb_nb.app.project.variables import GivenValues
    from templedb_nb.core.plan.situation import PlanOptions
    from templedb_nb.model.listings import Coded, Proposed
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.model.selection import Selection
    from templedb_nb.model.status import Choices

PLANNED = "reading the files and the target"


@group("deploy", default="run")
def commands() -> None:
    """Configure, plan and run deployments. `templedb deploy` alone means `templedb deploy run`."""


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT]")
@click.option("--force", is_flag=True, help="Replace the existing config.")
@answering
@pass_call
def init(call: Call, /, slug: str | None, *, folders: tuple[str, ...], **said: bool) -> Proposed:
    """Propose groups from the project's files, and store them as its config.

    If the files leave a doubt, nothing is stored: the error has a command for each answer.

    \b
    Examples:
      templedb deploy init shop
      templedb deploy init shop --folder db/changes --write-order
    """
    from dataclasses import replace

    from templedb_nb.core.migrations.proposal import ProposalAnswers

    force = said.pop("force")
    app = call.app
    answers = ProposalAnswers(folders=folders, **said)
    project = app.projects.pick(call.choice(slug).project)
    if call.asks and answers.build is None:
        skipped = app.projects.seen(project)
        release = app.projects.release(project, None)
        answers = with_builds(call, app.configs.proposal(release, answers), answers)
    with app.state.transaction():
        skipped = app.projects.seen(project)
        release = app.projects.release(project, None)
        proposed = app.configs.init(project, release, answers, skipped, force=force)
    if said["write_order"]:
        app.projects.sync(project)
    return replace(proposed, next=app.next_steps.after(project))


@commands.command(effect=Effect.CHANGES, takes_cell=True, only_with="--set")
@words("[PROJECT]")
@click.option("--show", is_flag=True, help="Show the config (the default).")
@click.option("--format", "form", type=click.Choice(["json", "yaml"]), help="How to show it.")
@click.option("--validate", is_flag=True, help="Report every problem of the config.")
@click.option("--file", "file", metavar="FILE", help="With --validate: check this file instead.")
@click.option("--set", "set_", metavar="FILE", help="Store FILE (- for stdin) as the new version.")
@click.option("--note", default="", help="With --set: the reason.")
@click.option("--history", is_flag=True, help="List the versions.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a config.")
@on_target
@pass_call
def config(
    call: Call, /, slug: str | None, form: str | None, file: str | None, set_: str | None,
    note: str, target: str | None, **what: bool,
) -> Any:  # fmt: skip
    """Show, check or set the deployment config; FILE is JSON, YAML or TOML.

    In a notebook, the cell's body is the new version; with --validate, it is only checked.

    \b
    Examples:
      templedb deploy config shop --show --format yaml
      templedb deploy config shop --validate --target production
      templedb deploy config shop --set deploy.yaml
    """
    if sum([*(bool(v) for v in what.values()), set_ is not None]) > 1:
        raise click.UsageError(
            "--show, --validate, --set, --history and --schema exclude one another"
        )
    if what["schema"]:
        return _schema()
    body = bool((call.cell or "").strip())
    if body and (file or set_ or what["show"] or what["history"]):
        raise click.UsageError("the cell has a body: leave out the other options")
    app = call.app
    with app.state.transaction():
        project = app.projects.pick(call.choice(slug).project)
        release = app.projects.release(project, None)
        if what["history"]:
            return app.configs.history(project)
        if set_ is not None or (body and not what["validate"]):
            return app.configs.set(project, release, document(call, set_), note)
        if what["validate"]:
            return _validate(call, slug, file, target)
        shown = app.configs.show(project, release)
    from dataclasses import replace

    return replace(shown, format=form or "json")


def _schema() -> Any:
    from templedb_nb.core.config.document import schema
    from templedb_nb.model.listings import Document

    return Document(document=schema())


def document(call: Call, path: str | None) -> object:
    """Return what a file says, or the cell's body where there is one."""
    from templedb_nb.files.document import parse_document, read_document

    if path is None:
        return parse_document(call.cell or "", "the cell")
    return read_document(path, call.stdin)


def _validate(call: Call, name: str | None, file: str | None, target: str | None) -> Any:
    checked = call.app.overview
    project = call.app.projects.pick(call.choice(name).project)
    if file is not None or (call.cell or "").strip():
        found = document(call, file)
        return checked.document(project, found, file or "the cell", target)
    return checked.config(project, target)


@commands.command(takes_cell=True)
@words("[PROJECT]")
@on_target
@planning
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the plan as a bundle.",
)
@click.option("--with-artifacts", is_flag=True,
              help="With --out: also put in the artifacts that the plan places.")  # fmt: skip
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there is something to do.")
@summarised
@pass_call
def plan(
    call: Call, /, slug: str | None, target: str | None, out: Path | None,
    *, with_artifacts: bool, detailed_exitcode: bool, **how: Any,
) -> Preview | Coded:  # fmt: skip
    """Show what a run would do, in order; change nothing."""
    from templedb_nb.model.finding import errors
    from templedb_nb.model.listings import Coded

    if with_artifacts and out is None:
        raise click.UsageError("--with-artifacts goes with --out FILE")
    choice, reports = call.choice(slug, target), Reports.of(call, how)
    written: dict[str, Any] = {"out": out, "with_artifacts": with_artifacts}
    with call.output.working(PLANNED):
        preview = call.app.deployments.plan(choice, _options(how), **written, **_how(call, how))
    reports.write(preview)
    if detailed_exitcode and preview.plan.work and not errors(preview.findings):
        return Coded(value=preview, exit_code=ExitCode.PENDING)
    return preview


@commands.command(effect=Effect.DEPLOYS, takes_cell=True)
@words("[PROJECT]")
@on_target
@planning
@click.option("--dry-run", is_flag=True, help="Show the plan; execute nothing.")
@click.option("--plan", "named", metavar="ID|FILE", shell_complete=completion.plans,
              help="Run exactly this plan, or refuse.")  # fmt: skip
@running
@overriding
@reported
@pass_call
def run(
    call: Call, /, slug: str | None, target: str | None, named: str | None, lock_wait: str,
    wait_approval: str | None, *, dry_run: bool, no_wait: bool, **how: Any,
) -> Preview | Result:  # fmt: skip
    """Run a deployment: sync, plan, and execute the plan.

    \b
    Examples:
      templedb deploy run shop --target staging --dry-run
      templedb deploy run shop --target production
      templedb deploy run --plan 3f9a1c2b7d10
      templedb deploy run --plan shop.plan --approval approval.json
      templedb deploy run shop --skip-group typescript_build
    """
    from dataclasses import replace

    others = ("skip", "discard_old", "release", "overlay")
    alone = any(how[each] for each in others) or (call.cell or "").strip()
    if named and (slug or dry_run or alone):
        raise click.UsageError(
            "--plan runs a plan as it is: leave out PROJECT and the other options"
        )
    if how["approvals"] and (dry_run or wait_approval):
        raise click.UsageError("--approval cannot be combined with --dry-run or --wait-approval")
    reports = Reports.of(call, how)
    wish = replace(
        run_options(call, reports, how, lock_wait, wait_approval, no_wait=no_wait),
        options=_options(how),
        attach=call.unseen,
    )
    with call.output.working(PLANNED):
        if call.runner.found is not None and not dry_run:
            done = _again(call, named, call.choice(slug, target), wish, how)
            if done is not None:
                return done
        if named:
            return reports.ended(call.app.deployments.run_plan(named, wish, _given(call, how)))
        choice = call.choice(slug, target)
        if dry_run:
            preview = replace(
                call.app.deployments.plan(choice, wish.options, **_how(call, how)), dry_run=True
            )
            reports.write(preview)
            return preview
        return reports.ended(call.app.deployments.run(choice, wish, **_how(call, how)))


@commands.command()
@words("[PROJECT]")
@on_target
@pass_call
def pick(call: Call, slug: str | None, target: str | None) -> Choices | None:
    """List the targets, releases and groups to deploy; in a notebook, as a form. Runs nothing."""
    from templedb_nb.model.selection import Selection

    chosen = call.choice(slug, target)
    found = call.app.overview.choices(Selection(project=chosen.project, target=chosen.target))
    if call.panels.picker is None or call.output.json:
        return found
    call.panels.picker(found)
    return None


@commands.command(effect=Effect.DEPLOYS)
@words("[PROJECT] [RUN]")
@on_target
@click.option("--lock-wait", default="10s", metavar="TIME", show_default=True,
              help="How long to wait for another run: 90s, 15m.")  # fmt: skip
@BUNDLE_OF_RUN
@VALUES
@overriding
@pass_call
def resume(
    call: Call, /, slug: str | None, run: str | None, target: str | None, lock_wait: str, **how: Any
) -> Result:
    """Resume RUN, or the last run, from its first step that is not done.

    The plan and its approvals stay the same; variables are read again. If the run's process died in
    a command, resume is refused until somebody looked: `templedb run resolve`.

    \b
    Example:
      templedb deploy resume shop --target production
    """
    from templedb_nb.app.deploy.runs import RunOptions
    from templedb_nb.core.values.points_in_time import wait_s

    wish = RunOptions(
        observers=call.followers.observers,
        planned=call.followers.planned,
        lock_wait_s=wait_s(lock_wait),
        reason="deploy resume",
        override=override(how["override"], how["reason"], alone=True),
        interactive=call.interactive,
        tell=call.output.tell,
    )
    choice, path = call.choice(slug, target), Path(how["bundle"]) if how["bundle"] else None
    with call.output.working(PLANNED):
        run = call.run(run, choice)
        return call.app.deployments.resume(choice, run, wish, _given(call, how), path)


def _again(
    call: Call, named: str | None, choice: Selection, wish: RunOptions, how: dict[str, Any]
) -> Result | None:
    """Return what the runbook's run came to that broke off, or go on with it."""
    from templedb_nb.app.deploy.bundles import read_bundle

    def planned() -> Preview:
        if named is None:
            return call.app.deployments.plan(choice, wish.options, **_how(call, how))
        path = Path(named)
        return read_bundle(path)[0].preview if path.is_file() else call.app.records.plan(named)

    return gone_on(call, planned, wish, _given(call, how))


def gone_on(
    call: Call, planned: Callable[[], Preview], wish: RunOptions, given: GivenValues
) -> Result | None:
    """Return what a run of a runbook came to that broke off, or go on with it; None for anew."""
    from templedb_nb.app.replay import again
    from templedb_nb.views.text import text

    done = call.runner.found
    assert done is not None  # noqa: S101 - whoever asks has looked
    found = again(call.app, done, planned, wish, given)
    if found is not None and found.run == done.run:
        call.output.tell(text(done))
    return found


def run_options(
    call: Call,
    reports: Reports,
    how: dict[str, Any],
    lock_wait: str,
    wait_approval: str | None,
    *,
    no_wait: bool,
) -> RunOptions:
    """Return how a run is to be carried out, as the words of its command and the front end say."""
    from functools import partial

    from templedb_nb.app.deploy.runs import RunOptions
    from templedb_nb.core.values.points_in_time import wait_s

    watchers = call.followers.observers
    return RunOptions(
        observers=(*watchers, reports.watch) if reports.wanted else watchers,
        child_observers=watchers,
        planned=call.followers.planned,
        lock_wait_s=wait_s(lock_wait),
        approvals=how["approvals"],
        offered=call.runner.approvals,
        approval_wait_s=wait_s(wait_approval or call.runner.approval_wait or "0"),
        gate=partial(call.panels.gate, not no_wait) if call.panels.gate else None,
        interactive=call.interactive,
        tell=call.output.tell,
        override=override(how["override"], how["reason"], alone=True),
    )


def _options(how: dict[str, Any]) -> PlanOptions:
    from templedb_nb.core.plan.situation import PlanOptions

    return PlanOptions(
        skip_groups=tuple(how["skip"]),
        skip_validation=how["skip_validation"],
        discard_old=how["discard_old"],
    )


def _given(call: Call, how: dict[str, Any]) -> GivenValues:
    return given_values(call, how["env"])


def _how(call: Call, how: dict[str, Any]) -> dict[str, Any]:
    return {
        "release": how["release"],
        "sync": not how["no_sync"],
        "given": _given(call, how),
        "overlay": _overlay(call, how["overlay"]),
    }


def _overlay(call: Call, path: str | None) -> object:
    """Return what the file says, or the cell's body; None for no overlay."""
    cell = call.cell or ""
    if path is None and not cell.strip():
        return None
    if path is not None and cell.strip():
        raise click.UsageError("the cell has a body: leave out --overlay")
    return document(call, path)
