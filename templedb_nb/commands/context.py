"""What every command shares: who calls, which words mean a project, and the common options."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from templedb_nb.commands import completion

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from templedb_nb.app.container import Temple
    from templedb_nb.app.environment import System
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.runbook import Done, RunbookEvent
    from templedb_nb.model.selection import Choice
    from templedb_nb.model.status import Board, Choices
    from templedb_nb.ports import Observer
    from templedb_nb.workflow import Workflow

HELPS = ["-h", "--help"]
CONTEXT: dict[str, Any] = {"help_option_names": HELPS, "max_content_width": 100}


@dataclass
class Call:
    """One use of the tree by a front end, with what that end has to offer."""

    open_app: Callable[[], Temple]
    stdin: TextIO
    ask_secret: Callable[[str], str]
    project: str | None = None
    target: str | None = None
    notebook: bool = False
    through: str = "terminal"
    observers: tuple[Observer, ...] = ()
    planned: Callable[[Preview], None] | None = None
    gate: Callable[[bool, Preview], None] | None = None
    closing: Callable[[], None] = field(default=lambda: None)
    board: Callable[[Board, Callable[[], Board]], None] | None = None
    picker: Callable[[Choices], None] | None = None
    cell: str | None = None
    json: bool = field(default=False)
    quiet: bool = field(default=False)
    verbose: bool = field(default=False)
    interactive: bool = False
    tell: Callable[[str], None] = field(default=lambda _: None)
    working: Callable[[str], AbstractContextManager[None]] = field(default=lambda _: nullcontext())
    use: Callable[[str | None, str | None], None] | None = None
    cells: Callable[[RunbookEvent], None] = field(default=lambda _: None)
    workflow: Workflow | None = None
    found: Done | None = None
    approvals: tuple[Path, ...] = ()
    approval_wait: str = ""

    @cached_property
    def world(self) -> System:
        """Return the clock, the environment and the folder of this process."""
        from templedb_nb.app.environment import System

        return System()

    @cached_property
    def app(self) -> Temple:
        """Return the application, opened at its first use."""
        return self.open_app()

    def body(self, said: str | None = None) -> str:
        """Return the text that a command works on: *said*, the cell's body, or standard input."""
        cell = (self.cell or "").strip()
        if said and cell:
            raise click.UsageError("the cell has a body: leave the text of the line out")
        return said or (cell and str(self.cell)) or ("" if self.notebook else self.stdin.read())

    def choice(self, project: str | None, target: str | None = None) -> Choice:
        """Return which project and target are meant: by the words, else by what is in use."""
        from templedb_nb.model.selection import Choice

        same = self.project is None or project in {None, self.project}
        meant = target or (self.target if same else None)
        return Choice(project=project or self.project, target=meant)

    def is_project(self, word: str) -> bool:
        """Return whether a project is known by *word*."""
        return any(each.slug == word for each in self.app.projects.all())


class Effect(IntEnum):
    """What may not be as it was after a command."""

    NONE = 0
    CHANGES = 1
    DEPLOYS = 2


class Command(click.Command):
    """A command whose value any front end can give as JSON, with the facts that front ends ask.

    `takes_cell`: it reads the body of a notebook's cell. `effect`: what it does, where none of
    `shows` is among its words; with `only_with`, where one of those begins a word.
    """

    shows = frozenset({"--dry-run", "--help", "-h", "--check"})

    def __init__(
        self,
        *args: Any,
        takes_cell: bool = False,
        effect: Effect = Effect.NONE,
        only_with: str = "",
        **named: Any,
    ) -> None:
        """Add the options that every command has."""
        super().__init__(*args, **named)
        self.takes_cell = takes_cell
        self.effect = effect
        self.only_with = only_with
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_json,
                help="Give the value as JSON, one object a line.",
            )
        )
        for name, short, told in (
            ("quiet", "-q", "Say nothing but the result and errors."),
            ("verbose", "-v", "Say on standard error what is done, and how long it takes."),
        ):
            option = click.Option(
                [short, f"--{name}"], is_flag=True, expose_value=False, callback=_set, help=told
            )
            self.params.append(option)


def _json(ctx: click.Context, _: click.Parameter, value: Any) -> None:
    if value and isinstance(ctx.obj, Call):
        ctx.obj.json = True


def _set(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    if value and isinstance(ctx.obj, Call) and option.name:
        setattr(ctx.obj, option.name, True)


class Group(click.Group):
    """A noun: its commands are verbs."""

    command_class = Command

    def __init__(self, *args: Any, default: str | None = None, **named: Any) -> None:
        """Let *default* stand for a verb that is left out."""
        super().__init__(*args, **named)
        self.default = default
        self.no_args_is_help = default is None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default verb where the first word is no verb."""
        completing = ctx.resilient_parsing and not args
        known = bool(args) and (args[0] in self.commands or args[0] in HELPS)
        if self.default and not known and not completing:
            self._refuse_misspelling(args)
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the verbs, and what may follow the one that can be left out."""
        found = super().shell_complete(ctx, incomplete)
        if self.default:
            verb = self.commands[self.default]
            inner = verb.make_context(self.default, [], parent=ctx, resilient_parsing=True)
            there = {each.value for each in found}
            values = [*verb.shell_complete(inner, incomplete)]
            for parameter in verb.get_params(inner):
                if parameter.name == "words" and not incomplete.startswith("-"):
                    values += parameter.shell_complete(inner, incomplete)
            found += [each for each in values if each.value not in there]
        return found

    def _refuse_misspelling(self, args: Sequence[str]) -> None:
        close = difflib.get_close_matches(args[0], self.commands, n=1, cutoff=0.75) if args else []
        if close:
            raise click.UsageError(f"there is no {args[0]!r}; did you mean {close[0]!r}?")


Group.group_class = type


def group(name: str, *, default: str | None = None, **named: Any) -> Callable[..., Group]:
    """Declare a noun."""
    return click.group(name, cls=Group, default=default, **named)


pass_call = click.make_pass_decorator(Call)


class Words(click.Argument):
    """The bare words of a command, given to it by the names in its metavar.

    ``[PROJECT] FILE [NAME]`` gives `slug`, `file` and `name`. A project is left out as a rule: with
    every word there, the first is the project; with fewer, it is one only if a project is known by
    it. ``[FILE …]`` gives all the rest, as `files`. With *hint*, a complaint repeats no word: one
    of them may be a secret.
    """

    def __init__(self, metavar: str, hint: str) -> None:
        """Read *metavar*."""
        completer = completion.words(metavar)
        super().__init__(["words"], nargs=-1, metavar=metavar, shell_complete=completer)
        self._hint = hint
        self._rest = metavar.endswith("[FILE …]")
        named = metavar.removesuffix("[FILE …]").split()
        self._always = "[PROJECT]" not in named
        self._names = [each.strip("[]") for each in named if each.strip("[]") != "PROJECT"]
        self._needed = sum(not each.startswith("[") for each in named if "PROJECT" not in each)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Put each word under its name; completion sees them as they are."""
        value, args = super().handle_parse_result(ctx, opts, args)
        if not ctx.resilient_parsing:
            call = ctx.find_object(Call)
            ctx.params |= self._parted(call, ctx.params.pop("words"))
        return value, args

    def _parted(self, call: Call | None, words: Sequence[str]) -> dict[str, Any]:
        given = list(words)
        if self._always and not given:
            raise click.UsageError("PROJECT is missing")
        many = len(given) > len(self._names) and not self._rest
        first = bool(given) and (
            self._always or many or (call is not None and call.is_project(given[0]))
        )
        project = given.pop(0) if first else None
        if self._rest:
            return {"slug": project, "files": tuple(given)}
        if len(given) > len(self._names):
            raise click.UsageError(f"too many words: {self._hint or ' '.join(words)}")
        if len(given) < self._needed:
            raise click.UsageError(f"{self._names[len(given)]} is missing")
        padded = [*given, *[None] * (len(self._names) - len(given))]
        named = zip(self._names, padded, strict=True)
        return {"slug": project, **{name.lower(): word for name, word in named}}


def words(metavar: str, hint: str = "") -> Callable[[Any], Any]:
    """Declare the bare words of a command."""

    def declare(function: Any) -> Any:
        parameters = getattr(function, "__click_params__", [])
        function.__click_params__ = [*parameters, Words(metavar, hint)]
        return function

    return declare


def on_target(function: Any) -> Any:
    """Declare the option that names a target."""
    option = click.option(
        "-t",
        "--target",
        metavar="TARGET",
        shell_complete=completion.targets,
        help="The target; may be left out where there is only one, or one is in use.",
    )
    return option(function)
