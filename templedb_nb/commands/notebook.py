"""Notebooks as files: what must not be checked in with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import group, pass_call
from templedb_nb.exit_code import ExitCode

if TYPE_CHECKING:
    from templedb_nb.model.leak import Leak
    from templedb_nb.model.listings import Coded
    from templedb_nb.runbook.secrets import Secrets

FILES = click.argument(
    "files", nargs=-1, required=True, metavar="NOTEBOOK…", type=click.Path(path_type=Path)
)


@group("notebook")
def commands() -> None:
    """Find secrets and outputs in notebooks, and remove them before they are committed."""


@commands.command()
@FILES
@click.option("--outputs", is_flag=True, help="Report any output, too.")
@pass_call
def check(call: Call, files: tuple[Path, ...], *, outputs: bool) -> Coded:
    """Find known secrets, and what looks like one, in notebooks. Values are never shown.

    Known values are the variables of all projects in the state, and environment variables whose
    names say that they are secret. The exit code is 10 if anything was found.

    \b
    Examples:
      templedb notebook check deploy.ipynb
      templedb notebook check --outputs notebooks/*.ipynb
    """
    from templedb_nb.model.leak import Leaks
    from templedb_nb.model.listings import Coded
    from templedb_nb.runbook.notebook import Notebook
    from templedb_nb.runbook.scrubbing import leaks

    known = _known(call)
    read = [Notebook.read(file) for file in files]
    rows = tuple(leak for each in read for leak in leaks(each, known, outputs=outputs))
    return Coded(
        value=Leaks(files=len(files), rows=rows),
        exit_code=ExitCode.UNCHANGED if rows else ExitCode.OK,
    )


@commands.command()
@FILES
@click.option(
    "--keep-outputs", is_flag=True, help="Keep outputs, and only mask known secrets in them."
)
@pass_call
def scrub(call: Call, files: tuple[Path, ...], *, keep_outputs: bool) -> Coded:
    """Remove outputs, execution counts and the state of widgets from notebooks, in place.

    Sources are not changed: a secret in one is reported, and the exit code is 10.

    \b
    Examples:
      templedb notebook scrub deploy.ipynb
      templedb notebook scrub --keep-outputs executed/*.ipynb
    """
    from templedb_nb.model.leak import Leaks
    from templedb_nb.model.listings import Coded
    from templedb_nb.runbook.notebook import Notebook, write
    from templedb_nb.runbook.scrubbing import leaks
    from templedb_nb.runbook.scrubbing import scrub as scrubbed

    known = _known(call)
    rows: list[Leak] = []
    written: list[str] = []
    for each in [Notebook.read(file) for file in files]:
        if scrubbed(each, known, keep_outputs=keep_outputs):
            write(each.path, each.body)
            written.append(str(each.path))
        rows += leaks(each, known, outputs=False)
    value = Leaks(files=len(files), rows=tuple(rows), scrubbed=tuple(written))
    return Coded(value=value, exit_code=ExitCode.UNCHANGED if rows else ExitCode.OK)


def _known(call: Call) -> Secrets:
    from templedb_nb.errors import TempleError
    from templedb_nb.runbook.secrets import Secrets

    secrets = Secrets(call.world.environ)
    app: Any = call.app
    if not app.state.path.exists():
        return secrets
    for project in app.projects.all():
        root = Path(project.root) if project.root else None
        for variable in app.settings.variables(project.slug):
            try:
                value = app.variables.secret(variable, root)
            except TempleError as error:
                call.output.tell(f"not checked: {variable.name} of {project.slug}: {error.message}")
                continue
            if value is not None:
                secrets.add(variable.name, value)
    return secrets
