"""What every command shares: its facts, its bare words, and the common options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.magic_form import in_magic_form

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from templedb_nb.app.project.variables import GivenValues

RECORDED = ("reason", "note")
"""Options whose text stands in ledgers, states and logs from then on."""
HELPS = ["-h", "--help"]
ROOMY = 200
"""Characters of a summary beside a word that a page completes."""
CONTEXT: dict[str, Any] = {"help_option_names": HELPS, "max_content_width": 100}


class Effect(IntEnum):
    """What may not be as it was after a command."""

    NONE = 0
    CHANGES = 1
    DEPLOYS = 2


class Command(click.Command):
    """A command whose value any front end can give as JSON, with the facts that front ends ask.

    `takes_cell`: it reads the body of a notebook's cell. `effect`: what it does, where none of
    `shows` is among its words; with `only_with`, where one of those begins a word. `repeatable`: it
    takes in how the world is now, so that a runbook that is resumed does it once more.
    """

    shows = frozenset({"--dry-run", "--help", "-h", "--check", "--list"})

    def __init__(
        self,
        *args: Any,
        takes_cell: bool = False,
        effect: Effect = Effect.NONE,
        only_with: str | tuple[str, ...] = "",
        repeatable: bool = False,
        **named: Any,
    ) -> None:
        """Add the options that every command has."""
        super().__init__(*args, **named)
        self.takes_cell = takes_cell
        self.effect = effect
        self.only_with = only_with
        self.repeatable = repeatable
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_json,
                help="Print the result as JSON, one object per line.",
            )
        )
        for name, short, told in (
            ("quiet", "-q", "Print only the result and errors."),
            ("verbose", "-v", "Print each activity and its duration to standard error."),
        ):
            option = click.Option(
                [short, f"--{name}"], is_flag=True, expose_value=False, callback=_set, help=told
            )
            self.params.append(option)

    def get_help(self, ctx: click.Context) -> str:
        """Return its help; in a notebook its examples are magics."""
        return _help(ctx, super().get_help(ctx))

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; what is recorded for good keeps no password of a URL."""
        from templedb_nb.core.secrets.url_passwords import without_url_passwords

        for name in RECORDED:
            if isinstance(text := ctx.params.get(name), str):
                ctx.params[name] = without_url_passwords(text)
        call = ctx.find_object(Call)
        if call is None:
            return super().invoke(ctx)
        call.invoked = True
        call.changed = call.changed or self.effect_of(call.words) is not Effect.NONE
        call.value = super().invoke(ctx)
        return call.value

    def effect_of(self, given: Sequence[str]) -> Effect:
        """Return what it does with *given* among its words."""
        only_shows = bool(self.shows.intersection(given))
        asked = not self.only_with or any(each.startswith(self.only_with) for each in given)
        return self.effect if asked and not only_shows else Effect.NONE


def _help(ctx: click.Context, text: str) -> str:
    call, root = ctx.find_object(Call), ctx.find_root().command
    if call is None or not call.notebook or not isinstance(root, click.Group):
        return text
    return in_magic_form(text, root.commands)


def _json(ctx: click.Context, _: click.Parameter, value: Any) -> None:
    if value and isinstance(ctx.obj, Call):
        ctx.obj.output.json = True


def _set(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    if value and isinstance(ctx.obj, Call) and option.name:
        setattr(ctx.obj.output, option.name, True)


class NounGroup(click.Group):
    """A noun: its commands are verbs."""

    command_class = Command

    def __init__(self, *args: Any, default: str | None = None, **named: Any) -> None:
        """Let *default* stand for a verb that is left out."""
        super().__init__(*args, **named)
        self.default = default
        self.no_args_is_help = default is None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default verb where the first word is not a verb."""
        if any("\0" in each for each in args):  # a cell or Python may, a shell cannot
            raise click.UsageError("a word contains a NUL character")
        completing = ctx.resilient_parsing and not args
        if args and args[0] == "help" and "help" not in self.commands:
            args = [*args[1:], HELPS[-1]]
        known = bool(args) and (args[0] in self.commands or args[0] in HELPS)
        if self.default and not known and not completing:
            self._refuse_misspelling(ctx, args)
            args = [self.default, *args]
        try:
            return super().parse_args(ctx, [*args])
        except click.NoSuchOption as error:
            message = f"there is no option {error.option_name} before a command"
            raise self._no_such(ctx, args, message) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word; where there is none, name the one that was meant."""
        if ctx.resilient_parsing or args[0] in self.commands:
            return super().resolve_command(ctx, args)
        raise self._no_such(ctx, args, f"there is no command {args[0]!r}")

    def _no_such(self, ctx: click.Context, args: Sequence[str], message: str) -> click.UsageError:
        from templedb_nb.commands import suggestions

        found = suggestions.meant(ctx, [*suggestions.before(ctx), *args], _known(ctx))
        return click.UsageError(f"{message}; did you mean: {found}" if found else message, ctx)

    def get_help(self, ctx: click.Context) -> str:
        """Return its help; in a notebook its examples are magics."""
        return _help(ctx, super().get_help(ctx))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the verbs, and what may follow the one that can be left out."""
        found = super().shell_complete(ctx, incomplete)
        call = ctx.find_object(Call)
        for each in found if call is not None and call.notebook else ():  # a page has the room
            if (command := self.commands.get(each.value)) is not None:
                each.help = command.get_short_help_str(ROOMY)
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

    def _refuse_misspelling(self, ctx: click.Context, args: Sequence[str]) -> None:
        word = args[0] if args else "-"
        if word.startswith("-") or ctx.resilient_parsing:
            return
        from templedb_nb.commands import suggestions

        slip = suggestions.nearest(word, self.commands) or word in suggestions.WORDS
        if slip and not _known(ctx)(word):
            raise self._no_such(ctx, args, f"there is no command {word!r}")


def _known(ctx: click.Context) -> Callable[[str], bool]:
    """Return what tells the names of projects and targets, without ever failing."""
    from templedb_nb.errors import TempleError

    def known(word: str) -> bool:
        call = ctx.find_object(Call)
        try:
            return call is not None and call.app.state.path.exists() and call.knows(word)
        except TempleError:
            return False

    return known


NounGroup.group_class = type


def group(name: str, *, default: str | None = None, **named: Any) -> Callable[..., NounGroup]:
    """Declare a noun."""
    return click.group(name, cls=NounGroup, default=default, **named)


pass_call = click.make_pass_decorator(Call)


class Words(click.Argument):
    """The bare words of a command, given to it by the names in its metavar.

    ``[PROJECT] FILE [NAME]`` gives `slug`, `file` and `name`. A project is left out as a rule: with
    every word there, the first is the project; with fewer, it is one only if a project is known by
    it. ``[FILE …]`` at the end gives all the rest, as `files`, and ``[LABEL …]`` as `labels`. With
    *hint*, a complaint repeats no word: one of them may be a secret.
    """

    def __init__(self, metavar: str, hint: str) -> None:
        """Read *metavar*."""
        completer = completion.words(metavar)
        super().__init__(["words"], nargs=-1, metavar=metavar, shell_complete=completer)
        self._hint = hint or f"the command takes {metavar}"
        rests = {"[FILE …]": "files", "[LABEL …]": "labels"}
        rest = next((each for each in rests if metavar.endswith(each)), "")
        self._rest = rests.get(rest, "")
        named = metavar.removesuffix(rest).split()
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
            given = ctx.params.pop("words")
            try:
                ctx.params |= self._parted(call, given)
            except click.UsageError as error:
                raise self._meant(ctx, given, error) from None
            self._refuse_swapped(ctx, given)
        return value, args

    def _meant(
        self, ctx: click.Context, given: Sequence[str], error: click.UsageError
    ) -> click.UsageError:
        """Return the complaint, with the command if a target stands among the words."""
        from templedb_nb.commands import suggestions

        call = ctx.find_object(Call)
        takes = any(each.name == "target" for each in ctx.command.params)
        if call is None or not takes or not given or not call.app.projects.all():
            return error
        projects = [each for each in given if call.is_project(each)]
        others = [each for each in given if each not in projects]
        targets = call.targets_of(projects[0] if projects else None)
        meant = [each for each in others if each in targets]
        meant = meant or [near for e in others if (near := suggestions.nearest(e, targets))]
        if len(projects) > 1 or len(others) != 1 or self._needed:
            return error
        named = meant[0] if meant else f"TARGET ({', '.join(sorted(targets)) or 'there is none'})"
        words = [ctx.command_path, *projects, "--target", named]
        return click.UsageError(f"{error.message}; did you mean: {' '.join(words)}", ctx)

    def _refuse_swapped(self, ctx: click.Context, given: Sequence[str]) -> None:
        """Refuse words whose second is a project, and whose first is none."""
        call = ctx.find_object(Call)
        if call is None or len(given) < 2 or ctx.params["slug"] != given[0]:  # noqa: PLR2004 - two
            return
        if not call.is_project(given[0]) and call.is_project(given[1]):
            repeated = " ".join([ctx.command_path, given[1], *(n for n in self._names[:1])])
            message = f"the project comes first; did you mean: {repeated}"
            raise click.UsageError(message, ctx)

    def _parted(self, call: Call | None, words: Sequence[str]) -> dict[str, Any]:
        given = list(words)
        if self._always and not given:
            raise click.UsageError("PROJECT is missing")
        many = len(given) > len(self._names) and not self._rest
        first = bool(given) and (
            self._always or many or (call is not None and call.is_project(given[0]))
        )
        project = given.pop(0) if first else None
        if len(given) < self._needed:
            raise click.UsageError(f"{self._names[len(given)]} is missing")
        rest = {}
        if self._rest:
            rest = {self._rest: tuple(given[len(self._names) :])}
            del given[len(self._names) :]
        if len(given) > len(self._names):
            raise click.UsageError(f"too many words: {self._hint}")
        padded = [*given, *[None] * (len(self._names) - len(given))]
        named = zip(self._names, padded, strict=True)
        return {"slug": project, **{name.lower(): word for name, word in named}, **rest}


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
        help="The target. Optional if there is only one, or one is in use.",
    )
    return option(function)


WHERE = click.option(
    "--where", metavar="SELECTOR",
    help="Only the targets that it selects: region=eu and not tier in (free, trial).",
)  # fmt: skip
BUNDLE_OF_RUN = click.option(
    "--plan", "bundle", metavar="FILE",
    help="The plan bundle that the run carried out; it is not kept in the state.",
)  # fmt: skip
VALUES = click.option(
    "--env", "env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable for this run only."
)


def running(function: Any) -> Any:
    """Declare how a run is carried out: its lock and its approvals."""
    from pathlib import Path

    options = (
        click.option("--lock-wait", default="10s", metavar="TIME", show_default=True,
                     help="How long to wait for another run: 90s, 15m."),
        click.option("--wait-approval", metavar="TIME", is_flag=False, flag_value="30m",
                     help="Wait for missing approvals: 10m, 2h. Without TIME: 30m."),
        click.option("--approval", "approvals", type=click.Path(path_type=Path), multiple=True,
                     metavar="FILE", help="A signed approval, from approve --sign --out."),
        click.option("--no-wait", is_flag=True,
                     help="In a notebook: show who may approve, then stop."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def given_values(call: Call, env: Sequence[str]) -> GivenValues:
    """Return the values of ``--env``; a cell, which is saved, may only name them."""
    from templedb_nb.app.project.variables import GivenValues

    if call.notebook and any("=" in text for text in env):
        message = "a value in a cell is saved with the notebook"
        raise click.UsageError(f"{message}: use --env NAME, which reads the environment")
    return GivenValues.parsed(env, call.app.system.environ)
