"""Runbooks that run unattended: notebooks as deploy jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, pass_call
from templedb_nb.commands.reports import Reports, reported

if TYPE_CHECKING:
    from templedb_nb.model.event import Stamped
    from templedb_nb.model.runbook import (
        RunbookHistory,
        RunbookResult,
        RunbookShown,
        RunbookStatus,
    )

FILE = click.Path(path_type=Path)
NOTEBOOK = click.argument("notebook", type=FILE, metavar="NOTEBOOK")


@group("runbook")
def commands() -> None:
    """Run a notebook unattended as a deploy job, with the deployment's exit code."""


@commands.command()
@NOTEBOOK
@pass_call
def inspect(call: Call, notebook: Path) -> RunbookShown:
    """List a runbook's parameters and targets, and what each cell would do; execute nothing."""
    from templedb_nb.commands.runbook_inspect import read

    del call
    return read(click.get_current_context().find_root().command, notebook)


@commands.command(effect=Effect.DEPLOYS)
@NOTEBOOK
@click.option("-p", "--param", "words", multiple=True, metavar="NAME=VALUE",
              help="A parameter that the cell tagged `parameters` declares.")  # fmt: skip
@click.option("--params", "file", metavar="FILE",
              help="Parameters from JSON, YAML or TOML (- for stdin).")  # fmt: skip
@click.option("-o", "--out", type=FILE, metavar="PATH",
              help="Where the executed notebook is saved: a file, or a folder.")  # fmt: skip
@click.option(
    "--timeout", metavar="TIME", help="How long the whole runbook may take: 90s, 15m, 2h."
)
@reported
@click.option("--html", type=FILE, metavar="FILE",
              help="Write the executed notebook as one page that needs no network.")  # fmt: skip
@click.option("--resume", is_flag=True,
              help="Resume the runbook's last run; skip what is proven done.")  # fmt: skip
@click.option("--approval", "approvals", type=FILE, multiple=True, metavar="FILE",
              help="A signed approval, for one of the plans.")  # fmt: skip
@click.option("--wait-approval", "approval_wait", metavar="TIME", default="", is_flag=False,
              flag_value="30m", help="Wait for missing approvals: 10m, 2h.")  # fmt: skip
@click.option(
    "--cell-timeout", metavar="TIME", help="How long a cell may run if it sets no timeout."
)
@pass_call
def run(
    call: Call, /, notebook: Path, words: tuple[str, ...], file: str | None, out: Path | None,
    timeout: str | None, cell_timeout: str | None, **how: Any,
) -> RunbookResult:  # fmt: skip
    """Run a notebook in a kernel of its own, and exit with its deployment's exit code.

    The executed notebook is saved after every cell, without secrets. A parameter may also come
    from the environment: TEMPLEDB_PARAM_NAME. A cell's metadata may say
    {"templedb": {"timeout": "5m"}}.

    \b
    Examples:
      templedb runbook run deploy.ipynb -p target=staging -o executed/
      templedb runbook run deploy.ipynb --params staging.yaml --timeout 1h
    """
    from templedb_nb.commands.runbook_inspect import (
        kernel_note,
        read,
        refuse_misplaced,
        refuse_skipped,
    )
    from templedb_nb.core.values.points_in_time import wait_s
    from templedb_nb.files.document import read_document
    from templedb_nb.runbook import parameters
    from templedb_nb.runbook.notebook import Notebook
    from templedb_nb.runbook.order import Order, Watch
    from templedb_nb.runbook.output_path import place
    from templedb_nb.runbook.run import run as carry_out
    from templedb_nb.views.reports.page import page as rendered

    refuse_notebook(call)
    root = click.get_current_context().find_root().command
    refuse_skipped(root, read(root, notebook))
    read_notebook = Notebook.read(notebook)
    refuse_misplaced(read_notebook)
    if note := kernel_note(read_notebook):
        call.output.tell(note)
    document = read_document(file, call.stdin) if file else None
    known = parameters.declared(read_notebook)
    system = call.world
    reports = Reports.of(call, how)
    order = Order(
        notebook=read_notebook,
        out=place(notebook, out),
        values=parameters.settled(known, words, document, system.environ),
        timeout_s=wait_s(timeout) if timeout else None,
        cell_timeout_s=wait_s(cell_timeout) if cell_timeout else None,
        **how,
    )

    def heard(entry: Stamped) -> None:
        for each in call.followers.observers:
            each(entry)

    def page() -> str:
        return rendered(order.out.read_text(encoding="utf-8"))

    reports.page = page
    secret = call.workflow.secret if call.workflow else None
    watch = Watch(cells=call.followers.cells, events=heard, saved=reports.write, secret=secret)
    return carry_out(order, system, watch)


@commands.command()
@click.argument("notebook", type=FILE, metavar="[NOTEBOOK]", required=False)
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, metavar="N",
              help="How many runs.")  # fmt: skip
@pass_call
def history(call: Call, notebook: Path | None, last: int) -> RunbookHistory:
    """List runs of runbooks and how they ended, newest first."""
    from templedb_nb.runbook.past_runs import history

    return history(call.app, notebook, last)


@commands.command()
@NOTEBOOK
@pass_call
def status(call: Call, notebook: Path) -> RunbookStatus:
    """Show how far the last run of a runbook got, cell by cell."""
    from templedb_nb.runbook.past_runs import status

    return status(call.app, notebook)


def refuse_notebook(call: Call) -> None:
    """Raise in a kernel: it hears no signals for another, and has an event loop of its own."""
    if call.notebook:
        message = "a runbook must run another runbook as a process"
        raise click.UsageError(f"{message}: !templedb runbook run NOTEBOOK")
