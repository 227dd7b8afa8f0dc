"""Reports beside the outcome: written while a deployment goes on, and whole at its end."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.errors import FilesError, UsageProblem, writing
from templedb_nb.model.dataclass import dataclass

if TYPE_CHECKING:
    from templedb_nb.commands.context import Call
    from templedb_nb.model.event import Stamped
    from templedb_nb.model.result import Progress, Result
    from templedb_nb.views.reports.summary import Reported

AUTO = "auto"
SHARE = 10
"""A report is written anew once that many times as long has passed as writing it took."""

FILE = click.Path(path_type=Path, dir_okay=False)


def summarised(function: Any) -> Any:
    """Declare the option for a summary."""
    option = click.option(
        "--summary", metavar="[FILE]", is_flag=False, flag_value=AUTO,
        help="Write Markdown. Default: $GITHUB_STEP_SUMMARY, or summary.md.",
    )  # fmt: skip
    return option(function)


def reported(function: Any) -> Any:
    """Declare the options for reports of what came to pass."""
    option = click.option(
        "--junit", type=FILE, metavar="FILE", help="Write JUnit XML: one case per step."
    )
    return option(summarised(function))


def _folder(path: Path) -> Path:
    """Return where *path* will be written, also where links lead in a circle."""
    return Path(os.path.realpath(path)).parent


@dataclass
class Reports:
    """Files that say what a run or a runbook has come to so far."""

    junit: Path | None = None
    summary: str | None = None
    html: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    page: Callable[[], str] | None = None
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)
    _lost: set[str] = field(default_factory=set)
    _planned: bool = False
    _before: dict[Path, bytes] = field(default_factory=dict)
    _next: dict[str, float] = field(default_factory=dict)
    _timers: dict[str, threading.Timer] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _progress: Progress | None = None
    _run: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be written at the end."""
        for path in (self.junit, self._summary_file(), self.html):
            if path is not None and not _folder(path).is_dir():
                hint = f"mkdir -p {path.parent}"
                raise UsageProblem(f"there is no folder {path.parent} for {path}", hint=hint)

    @classmethod
    def of(cls, call: Call, how: dict[str, Any]) -> Reports:
        """Return what the options ask for; they are taken out of *how*."""
        named = {name: how.pop(name) for name in ("junit", "summary", "html") if name in how}
        return cls(environ=call.world.environ, tell=call.output.tell, **named)

    @property
    def wanted(self) -> bool:
        """Return whether there is anything to write."""
        return bool(self.junit or self.summary or self.html)

    def watch(self, entry: Stamped) -> None:
        """Follow a run; write when one of its steps has ended."""
        from templedb_nb.model.event import RunFinished, StepFailed, StepFinished, StepWarned
        from templedb_nb.model.result import Progress

        self._run = self._run or entry.run
        if entry.run != self._run:  # the rollback of that run: the end tells of both
            return
        self._progress = self._progress or Progress()
        self._progress.add(entry)
        if isinstance(entry.event, StepFinished | StepFailed | StepWarned | RunFinished):
            self.write(self._progress.result, done=isinstance(entry.event, RunFinished))

    def ended(self, result: Result) -> Result:
        """Return *result*; write once more where a rollback has followed, or is owed."""
        if self.wanted and (result.rollback or result.owes):
            self.write(result)
        return result

    def write(self, value: Reported, *, done: bool = True) -> None:
        """Write each report that is wanted; one that goes on is written now and then.

        What was planned is shown with its report or not at all. A run or a runbook came to what it
        came to, whether a report of it can be written or not: that is told, once for each.
        """
        from templedb_nb.model.fleet import FleetPlan
        from templedb_nb.model.plan import Preview
        from templedb_nb.views.reports.junit import junit
        from templedb_nb.views.reports.summary import COMMENT, STEP, summary

        self._planned = isinstance(value, Preview | FleetPlan)
        if self.junit and not isinstance(value, Preview | FleetPlan):
            self._put("junit", self.junit, lambda: junit(value, done=done), done=done)
        if file := self._summary_file():
            shared = self._shared(file)
            before = self._before.setdefault(file, _read(file)) if shared else b""
            limit = (STEP if shared else COMMENT) - len(before)
            if limit > 0:
                head = before.decode(errors="replace")
                self._put(
                    "summary",
                    file,
                    lambda: head + summary(value, limit, done=done),
                    done=done,
                    shared=shared,
                )
        if self.html and self.page:
            self._put("html", self.html, self.page, done=done)

    def _put(
        self, kind: str, path: Path, made: Callable[[], str], *, done: bool, shared: bool = False
    ) -> None:
        """Write now, or soon: whatever was wanted last is written, even if nothing more comes."""
        with self._lock:
            if timer := self._timers.pop(kind, None):
                timer.cancel()
            # A page takes a second and a half to make at first: not before anything has happened.
            due = self._next.setdefault(kind, time.monotonic() + (SHARE if kind == "html" else 0))
            wait_s = 0 if done else due - time.monotonic()
            if wait_s <= 0:
                self._write_or_tell(kind, path, made, shared=shared)
                return
            late = partial(self._put_late, kind, path, made, shared=shared)
            self._timers[kind] = threading.Timer(wait_s, late)
            self._timers[kind].daemon = True
            self._timers[kind].start()

    def _write_or_tell(
        self, kind: str, path: Path, made: Callable[[], str], *, shared: bool
    ) -> None:
        try:
            self._write_now(kind, path, made, shared=shared)
        except FilesError as error:
            if self._planned:
                raise
            if kind not in self._lost:
                self._lost.add(kind)
                self.tell(f"warning: {error.message}; the report is missing")

    def _put_late(self, kind: str, path: Path, made: Callable[[], str], *, shared: bool) -> None:
        with self._lock:
            if self._timers.get(kind) is threading.current_thread():
                del self._timers[kind]
                with suppress(FilesError):  # the end writes again, and tells
                    self._write_now(kind, path, made, shared=shared)

    def _write_now(self, kind: str, path: Path, made: Callable[[], str], *, shared: bool) -> None:
        began = time.monotonic()
        text = made()
        with writing(path):
            if shared or (path.exists() and not path.is_file()):  # a pipe, /dev/stdout
                path.write_text(text, encoding="utf-8")
            else:
                _replace(path, text)
        ended = time.monotonic()
        self._next[kind] = ended + SHARE * (ended - began)

    def _summary_file(self) -> Path | None:
        if self.summary is None:
            return None
        if self.summary != AUTO:
            return Path(self.summary)
        return Path(self.environ.get("GITHUB_STEP_SUMMARY") or "summary.md")

    def _shared(self, file: Path) -> bool:
        """Return whether other commands of the job's step have written there, too."""
        return str(file) == self.environ.get("GITHUB_STEP_SUMMARY")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
