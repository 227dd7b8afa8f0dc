"""Lines that GitHub's runner takes for commands: ours are well formed, those of others are none.

A line whose first word begins with ``::`` is a command, and so is ``##[`` wherever it stands
(actions/runner, ``ActionCommand``; its issue 4692). Azure's ``##vso[`` and TeamCity's
``##teamcity[`` are of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import StepFailed
from templedb_nb.model.lint import LintReport
from templedb_nb.model.result import Result
from templedb_nb.model.runbook import CellState, RunbookResult
from templedb_nb.views import messages
from templedb_nb.views.ansi import safe

WARNINGS = 10
_ANYWHERE = re.compile(r"##(?=\w*\[)")
_FIRST = re.compile(r"^([^\S\n]*+):(?=:)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Something that a reader of the changed files should see; without *file*, of the job."""

    title: str
    message: str
    file: str = ""
    line: int | None = None
    level: str = "error"

    def __str__(self) -> str:
        """Return the command."""
        where = {"file": self.file, "line": self.line or "" if self.file else ""}
        named = {**where, "title": self.title}
        said = ",".join(
            f"{key}={_property(safe(str(item)))}" for key, item in named.items() if item
        )
        return f"::{self.level} {said}::{_data(safe(self.message))}"


def guarded(text: str) -> str:
    """Return *text* with a space where a runner would see a command."""
    return _FIRST.sub(r"\1: ", _ANYWHERE.sub("# #", text))


def guarded_json(line: str) -> str:
    """Return a line of JSON with the same meaning, in which a runner sees no command."""
    return _ANYWHERE.sub(r"#\\u0023", line)


def mask(value: str) -> Iterable[str]:
    """Yield the commands that let the runner hide *value*, a line each."""
    return (f"::add-mask::{_data(line)}" for line in value.splitlines() if line.strip())


def outputs(values: Mapping[str, str], boundary: str) -> str:
    """Return what is appended to ``$GITHUB_OUTPUT``; no value holds *boundary*, which is random."""
    return "".join(f"{name}<<{boundary}\n{value}\n{boundary}\n" for name, value in values.items())


def values(value: Result | RunbookResult) -> dict[str, str]:
    """Return what later steps of a job may want to know."""
    runs = value.runs if isinstance(value, RunbookResult) else (value,)
    told = {
        "exit-code": "" if value.exit_code is None else str(value.exit_code),
        "runs": " ".join(run.run for run in runs),
        "applied": str(sum(run.applied() for run in runs)),
        "changed": str(any(run.changed for run in runs)).lower(),
        "warnings": str(sum(run.warnings for run in runs)),
    }
    if isinstance(value, RunbookResult):
        return {**told, "notebook": value.out}
    return {
        **told,
        "outcome": value.outcome or "",
        "health": value.health.value,
        "plan": value.plan,
    }


def annotated(
    value: Result | RunbookResult, roots: Mapping[str, PurePosixPath]
) -> tuple[Annotation, ...]:
    """Return what went wrong and what servers warned of, with the file where it did.

    *roots* are the projects' folders.
    """
    if isinstance(value, Result):
        found = _of_run(value, roots)
        return (*([found] if found else []), *_warnings([value], roots))
    runs = [each for each in (_of_run(run, roots) for run in value.runs) if each]
    cells = [
        Annotation(
            title=f"cell {cell.number} of {PurePosixPath(value.notebook).name}",
            message=f"{cell.message}\n{value.reason}" if cell.message else value.reason,
            file=value.notebook,
        )
        for cell in value.cells
        if cell.state is CellState.FAILED
    ]
    if not runs and not cells and value.exit_code:
        title = f"runbook {PurePosixPath(value.notebook).name}"
        cells = [Annotation(title=title, message=value.reason, file=value.notebook)]
    return (*runs, *cells, *_warnings(value.runs, roots))


def _warnings(runs: Iterable[Result], roots: Mapping[str, PurePosixPath]) -> list[Annotation]:
    """Return the first warnings of servers: a job shows no more than ten."""
    warnings = [
        Annotation(
            title=f"{run.slug} to {run.target}: the server warns",
            message=_words(each.message, each.detail, each.hint),
            file=str(roots[run.slug] / step.label.key)
            if step.label.key and run.slug in roots
            else "",
            line=each.line,
            level="warning",
        )
        for run in runs
        for step in run.steps
        for each in messages.warnings(step)
    ]
    return warnings[:WARNINGS]


def risks(value: LintReport, root: PurePosixPath) -> tuple[Annotation, ...]:
    """Return what is risky, each at its line; *root* is the project's folder."""
    level = "error" if value.forbids else "warning"
    return tuple(
        Annotation(
            title=each.rule,
            message=f"{each.message}\n{each.mend}" if each.mend else each.message,
            file=str(root / each.file),
            line=each.line,
            level=level,
        )
        for each in value.rows
    )


def _of_run(run: Result, roots: Mapping[str, PurePosixPath]) -> Annotation | None:
    if not run.exit_code:
        return None
    about = f"{run.slug} to {run.target}: {run.outcome}"
    failed = run.failure
    if failed is None:
        return Annotation(title=about, message=run.message or str(run.outcome))
    label = run.steps[failed.step].label
    file = str(roots[run.slug] / label.key) if label.key and run.slug in roots else ""
    return Annotation(title=about, message=_said(failed), file=file, line=failed.line)


def _said(failed: StepFailed) -> str:
    return _words(failed.message, failed.detail, failed.hint)


def _words(*parts: str) -> str:
    return "\n".join(each for each in parts if each)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
