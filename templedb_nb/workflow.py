"""A job of GitHub Actions: its masks, annotations and outputs, and no commands of others.

Masks are given only to a runner that is known to read them: behind ``| tee job.log`` they would
write into a file what they are to hide.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from templedb_nb.model.dataclass import dataclass

if TYPE_CHECKING:
    from templedb_nb.model.lint import LintReport
    from templedb_nb.model.result import Result
    from templedb_nb.model.runbook import RunbookResult

RUNNER = "Runner.Worker"
SHORTEST = 4
"""Shorter values stay: a log without the letter a says nothing."""


@dataclass(frozen=True)
class Workflow:
    """What a job of GitHub Actions knows by its environment."""

    environ: Mapping[str, str]

    def guarded(self, text: str) -> str:
        """Return *text* without commands."""
        from templedb_nb.views import github

        return github.guarded(text)

    @cached_property
    def _heard(self) -> bool:
        return _read_by_runner(sys.stdout.fileno())

    def secret(self, name: str, value: str) -> None:
        """Let the runner hide *value*, in all its forms, in what this job writes from now on."""
        del name
        if not self._heard:
            return
        from templedb_nb.core.secrets.masking import patterns
        from templedb_nb.views import github

        for form in (value, *patterns(value)):
            for line in github.mask(form) if len(form) >= SHORTEST else ():
                click.echo(line)

    def ended(self, value: Result | RunbookResult, roots: Mapping[str, str]) -> None:
        """Give annotations and outputs."""
        from templedb_nb.views import github

        places = {slug: self._place(root) for slug, root in roots.items() if root}
        for each in github.annotated(value, places):
            click.echo(str(each))
        self._output(github.values(value))

    def risky(self, value: LintReport, root: str) -> None:
        """Give an annotation for each risk."""
        from templedb_nb.views import github

        for each in github.risks(value, self._place(root)):
            click.echo(str(each))

    def failed(self, title: str, message: str) -> None:
        """Give an annotation that belongs to no file."""
        from templedb_nb.views import github

        click.echo(str(github.Annotation(title=title, message=message)))

    def _place(self, root: str) -> PurePosixPath:
        """Return a folder as the repository has it."""
        base = self.environ.get("GITHUB_WORKSPACE") or str(Path.cwd())
        return PurePosixPath(os.path.relpath(root, base))

    def _output(self, values: Mapping[str, str]) -> None:
        path = self.environ.get("GITHUB_OUTPUT")
        if path:
            import secrets

            from templedb_nb.views import github

            with suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
                file.write(github.outputs(values, f"end-{secrets.token_hex(16)}"))


def _read_by_runner(handle: int) -> bool:
    """Return whether nobody but GitHub's runner reads what is written to *handle*.

    Known on Linux alone, from ``/proc``: either every reader that can be seen is the runner, or
    none is to be seen although all processes are, as in a container.
    """
    try:
        found = os.fstat(handle)
        if not stat.S_ISFIFO(found.st_mode):
            return False
        names, hidden = _readers(f"pipe:[{found.st_ino}]")
    except OSError:
        return False
    return all(name == RUNNER for name in names) if names else not hidden


def _readers(pipe: str) -> tuple[list[str], bool]:
    names, hidden = [], False
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(_reads(process, handle, pipe) for handle in (process / "fd").iterdir()):
                names.append((process / "comm").read_text().strip())
        except PermissionError:
            hidden = True
        except OSError:
            continue
    return names, hidden or not Path("/proc/self/fd").exists()


def _reads(process: Path, handle: Path, pipe: str) -> bool:
    try:
        if str(handle.readlink()) != pipe:
            return False
        lines = (process / "fdinfo" / handle.name).read_text().splitlines()
    except FileNotFoundError:
        return False
    flags = next((line.split()[1] for line in lines if line.startswith("flags:")), "0")
    return int(flags, 8) & os.O_ACCMODE == os.O_RDONLY
