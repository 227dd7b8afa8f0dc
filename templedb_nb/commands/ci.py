"""Pipelines: a plan for review, an approval, and the deployment."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from templedb_nb.commands import completion
from templedb_nb.commands.ci_words import HOSTS, PROMOTING, pipeline_words
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import group, on_target, pass_call
from templedb_nb.errors import UsageProblem, writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from templedb_nb.model.listings import CommandOutcome

RUNBOOK = "deploy.ipynb"


@group("ci")
def commands() -> None:
    """Write a pipeline that plans, waits for an approval, and deploys with a runbook."""


def _host(host: str, about: str) -> None:
    """Declare the command that writes for one CI system; they differ by their templates alone."""

    @commands.command(host, help=about)
    @click.argument(
        "project", metavar="[PROJECT]", required=False, shell_complete=completion.projects
    )
    @on_target
    @click.option("--from", "source", metavar="TARGET", default="",
                  shell_complete=completion.targets,
                  help="Promote from this target, in a pipeline of its own.")  # fmt: skip
    @click.option("--secret", "secrets", multiple=True, metavar="NAME",
                  help="A secret that the deployment reads. Default: TARGET_URL.")  # fmt: skip
    @click.option("--runbook", default=RUNBOOK, metavar="NOTEBOOK", show_default=True,
                  help="The runbook; created if it does not exist.")  # fmt: skip
    @click.option("--out", metavar="FILE",
                  help=f"The file to write. Default: {HOSTS[host]}.")  # fmt: skip
    @click.option("--force", is_flag=True, help="Replace the file.")
    @pass_call
    def write(
        call: Call, /, project: str | None, target: str | None, source: str, *,
        secrets: tuple[str, ...], runbook: str, out: str | None, force: bool,
    ) -> CommandOutcome:  # fmt: skip
        chosen = target or call.target or "production"
        if source == chosen:
            raise click.UsageError(f"a release cannot be promoted from {source} to itself")
        both = (source, chosen) if source else (chosen,)
        named = secrets or tuple(f"{each.upper().replace('-', '_')}_URL" for each in both)
        file = out or (PROMOTING if source else HOSTS)[host]
        for name in named:
            if not name.isidentifier():
                raise click.UsageError(f"{name!r} is not a variable name")
        meant = {
            **pipeline_words(host, source),
            "PROJECT": project or call.project or call.world.folder.name,
            "TARGET": chosen,
            "RUNBOOK": runbook,
            "STEM": Path(runbook).stem,
            "OUT": file,
            "SECRETS": _secrets(host, named),
            "VERSION": _version(),
        }
        return _written(host, meant, Path(file), force=force)


_host(
    "github",
    """Write a workflow for GitHub Actions.

\b
Examples:
  templedb ci github shop --target production
  templedb ci github shop --target production --secret PRODUCTION_URL --secret API_KEY
  templedb ci github shop --from staging --target production
""",
)
_host(
    "gitlab",
    """Write jobs for GitLab, to be included from .gitlab-ci.yml.

\b
Examples:
  templedb ci gitlab shop --target production
  templedb ci gitlab shop --from staging --target production
""",
)


def _written(host: str, meant: Mapping[str, str], out: Path, *, force: bool) -> CommandOutcome:
    from templedb_nb.model.listings import CommandOutcome

    with writing(out):
        there = out.exists()
    if there and not force:
        raise UsageProblem(f"{out} is there already", hint=f"templedb ci {host} --force, or --out")
    written, runbook = [str(out)], Path(meant["RUNBOOK"])
    _put(out, _filled(f"{host}.yml", meant))
    if not runbook.exists():
        _put(runbook, _filled(RUNBOOK, meant))
        written.append(str(runbook))
    names = meant["SECRETS"].replace(":", " ").split() if host == "gitlab" else ()
    where = {
        "github": f"create the environment {meant['TARGET']}, its reviewers and its secrets",
        "gitlab": f"include {out} from .gitlab-ci.yml, and set {' '.join(names)} as variables",
    }
    next_ = (f"next: {where[host]}", "the targets of templedb.yaml refer to them: env:NAME")
    return CommandOutcome(text=f"written: {', '.join(written)}", also=next_)


def _secrets(host: str, names: tuple[str, ...]) -> str:
    if host == "gitlab":
        return ", ".join(names)
    return "\n".join(f"          {name}: ${{{{ secrets.{name} }}}}" for name in names)


def _version() -> str:
    """Return the release that a pipeline may go on with: its patches, and no more."""
    from templedb_nb.version import __version__

    return ".".join(__version__.split("+")[0].split(".")[:2]) + ".0"


def _filled(template: str, meant: Mapping[str, str]) -> str:
    text = (resources.files("templedb_nb") / "templates" / template).read_text(encoding="utf-8")
    for name, value in meant.items():
        text = text.replace(f"@{name}@", value)
    return text


def _put(path: Path, text: str) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
