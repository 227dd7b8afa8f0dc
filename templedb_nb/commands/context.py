"""One use of the tree: who calls, and what that front end has to offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, TextIO, overload

import click

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.selection import LAST

if TYPE_CHECKING:
    from pathlib import Path

    from templedb_nb.app.container import Container
    from templedb_nb.app.environment import Environment
    from templedb_nb.model.board import Board
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.model.runbook import Done, RunbookEvent
    from templedb_nb.model.selection import Selection
    from templedb_nb.model.status import Choices
    from templedb_nb.ports.run import Observer
    from templedb_nb.workflow import Workflow


_QUIET = frozenset({"notify", "state"})
"""Nouns whose commands that only read leave what is owed, and the state, as they are."""


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
    """What a front end with buttons or a screen offers; None where it has none."""

    gate: Callable[[bool, Preview], None] | None = None
    board: Callable[[Board, Callable[[Board | None], Board]], None] | None = None
    picker: Callable[[Choices], None] | None = None
    use: Callable[[str | None, str | None], None] | None = None
    screen: Callable[[], None] | None = None


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
    ask: Callable[[str, str], str] = field(default=lambda _, default: default)
    """Asks a question in words; an empty answer is the default."""
    cell: str | None = None
    words: Sequence[str] = ()
    notebook: bool = False
    unseen: Callable[[Result], bool] | None = None
    """Says of a run whether its end was not seen where it was begun; None: nobody runs a cell."""
    through: str = "terminal"
    interactive: bool = False
    workflow: Workflow | None = None
    output: Output = field(default_factory=Output)
    followers: Followers = field(default_factory=Followers)
    panels: Panels = field(default_factory=Panels)
    runner: Unattended = field(default_factory=Unattended)
    invoked: bool = False
    """Whether a command was carried out, and not only completed or explained."""
    changed: bool = False
    """Whether the command is one that changes something."""
    value: object = None
    """What it returned, if it did."""
    _kept: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def asks(self) -> bool:
        """Return whether a person is there who can be asked in words."""
        return self.interactive and not self.notebook and not self.output.json

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
        """Send what people are owed, and leave the state to others: the command has ended."""
        try:
            if "app" in self.__dict__:
                self._notify()
        finally:
            self._kept.close()

    def _notify(self) -> None:
        """Send what is owed; nothing that goes wrong here changes what the command came to.

        A command that only reads waits for nobody: another process sends.
        """
        if self.changed:
            for told in self.app.notifications.tell(self.value).told:
                self.output.progress(f"not notified: {self.cleaned(told)}")
        elif self.invoked and not _QUIET.intersection(self.words[:1]):
            self.app.notifications.begin(self.value)

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

    @overload
    def run(self, word: str, choice: Selection) -> str: ...
    @overload
    def run(self, word: str | None, choice: Selection) -> str | None: ...
    def run(self, word: str | None, choice: Selection) -> str | None:
        """Return the id of the run that *word* means; `last` is the newest one of what is meant."""
        if word != LAST:
            return word
        if not (choice.project or choice.target):
            return self.app.history.newest()
        project, target = self.app.selections.named(choice)
        return self.app.history.newest(project.slug, target.name if target else None)

    def knows(self, word: str) -> bool:
        """Return whether *word* is the name of a project or of a target."""
        return self.is_project(word) or word in self.targets_of(None)

    def targets_of(self, project: str | None) -> set[str]:
        """Return the names of a project's targets, or of those of all projects."""
        every = self.app.projects.all()
        found = [each for each in every if project in {None, each.slug}]
        return {target.name for each in found for target in self.app.targets.all(each)}

    def is_project(self, word: str) -> bool:
        """Return whether a project is known by *word*."""
        return any(each.slug == word for each in self.app.projects.all())
