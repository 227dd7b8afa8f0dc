"""One use of the tree: who calls, and what that front end has to offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from templedb_nb.app.container import Container
    from templedb_nb.app.environment import Environment
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.runbook import Done, RunbookEvent
    from templedb_nb.model.selection import Selection
    from templedb_nb.model.status import Board, Choices
    from templedb_nb.ports.run import Observer
    from templedb_nb.workflow import Workflow


@dataclass
class Output:
    """How a front end shows what a command says, and what it says meanwhile."""

    json: bool = field(default=False)
    quiet: bool = field(default=False)
    verbose: bool = field(default=False)
    tell: Callable[[str], None] = field(default=lambda _: None)
    progress: Callable[[str], None] = field(default=lambda _: None)
    working: Callable[[str], AbstractContextManager[None]] = field(default=lambda _: nullcontext())


@dataclass
class Followers:
    """Who follows a run or a runbook as it goes on."""

    observers: tuple[Observer, ...] = ()
    planned: Callable[[Preview], None] | None = None
    closing: Callable[[], None] = field(default=lambda: None)
    cells: Callable[[RunbookEvent], None] = field(default=lambda _: None)


@dataclass
class Panels:
    """What a front end with buttons offers; None where it has none."""

    gate: Callable[[bool, Preview], None] | None = None
    board: Callable[[Board, Callable[[], Board]], None] | None = None
    picker: Callable[[Choices], None] | None = None
    use: Callable[[str | None, str | None], None] | None = None


@dataclass
class Unattended:
    """What the runner of an unattended runbook brings to each of its commands."""

    found: Done | None = None
    approvals: tuple[Path, ...] = ()
    approval_wait: str = ""


@dataclass
class Call:
    """One use of the tree by a front end, with what that end has to offer."""

    open_app: Callable[[], Container]
    stdin: TextIO
    ask_secret: Callable[[str], str]
    project: str | None = None
    target: str | None = None
    cell: str | None = None
    words: Sequence[str] = ()
    notebook: bool = False
    through: str = "terminal"
    interactive: bool = False
    workflow: Workflow | None = None
    output: Output = field(default_factory=Output)
    followers: Followers = field(default_factory=Followers)
    panels: Panels = field(default_factory=Panels)
    runner: Unattended = field(default_factory=Unattended)
    _kept: ExitStack = field(default_factory=ExitStack, repr=False)

    @cached_property
    def world(self) -> Environment:
        """Return the clock, the environment and the folder of this process."""
        from templedb_nb.app.environment import Environment

        return Environment()

    @cached_property
    def app(self) -> Container:
        """Return the application, opened at its first use; its state is kept open until `over`."""
        app = self.open_app()
        self._kept.enter_context(app.state.kept())
        return app

    def over(self) -> None:
        """Leave the state to others: the command has ended."""
        self._kept.close()

    def cleaned(self, text: str) -> str:
        """Return *text* without the secrets that are known, and without passwords of URLs."""
        from templedb_nb.core.secrets.url_passwords import without_url_passwords

        opened = self.__dict__.get("app")
        return opened.masker.mask(text) if opened is not None else without_url_passwords(text)

    def masked(self, text: str) -> str:
        """Return what is said of an error: without the passwords of this command's words, too."""
        from templedb_nb.core.secrets.url_passwords import without_passwords_of

        return without_passwords_of(self.words, self.cleaned(text))

    def body(self, said: str | None = None) -> str:
        """Return the text that a command works on: *said*, the cell's body, or standard input."""
        cell = (self.cell or "").strip()
        if said and cell:
            raise click.UsageError("the cell has a body: leave out the text on the line")
        return said or (cell and str(self.cell)) or ("" if self.notebook else self.stdin.read())

    def choice(self, project: str | None, target: str | None = None) -> Selection:
        """Return which project and target are meant: by the words, else by what is in use."""
        from templedb_nb.model.selection import Selection

        same = self.project is None or project in {None, self.project}
        meant = target or (self.target if same else None)
        return Selection(project=project or self.project, target=meant)

    def is_project(self, word: str) -> bool:
        """Return whether a project is known by *word*."""
        return any(each.slug == word for each in self.app.projects.all())
