"""Commands that are imported when they are used, and listed without being imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING

import click

from templedb_nb.commands.options import NounGroup
from templedb_nb.model.dataclass import dataclass

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is: its module and its name there; *told* is its summary in lists."""

    module: str
    name: str
    told: str

    def load(self) -> click.Command:
        """Import the command."""
        found = getattr(import_module(f"templedb_nb.commands.{self.module}"), self.name)
        assert isinstance(found, click.Command)  # noqa: S101 - the table names commands alone
        return found


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name. The names are known; a command is imported when it is asked for."""

    def __init__(
        self, places: Mapping[str, Place], prepare: Callable[[str, click.Command], None]
    ) -> None:
        """Import from *places*; *prepare* completes a command once, after its import."""
        self.places = places
        self._prepare = prepare
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        """Return a command, imported by now."""
        if name not in self._loaded:
            found = self.places[name].load()
            self._prepare(name, found)
            self._loaded[name] = found
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a command, without importing it."""
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.places)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.places)

    def __setitem__(self, name: str, command: click.Command) -> None:
        """Refuse: a command has its place in the table."""
        raise TypeError(f"{name} needs a place in the table of commands")

    def __delitem__(self, name: str) -> None:
        """Refuse: the table of commands is fixed."""
        raise TypeError(f"{name} stays in the table of commands")


class LazyGroup(NounGroup):
    """A group whose help and completion list its commands without importing them."""

    commands: LazyCommands

    def listed(self, name: str) -> click.Command:
        """Return what stands for a command in a list: its name and its summary."""
        return click.Command(name, help=self.commands.places[name].told)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(len(name) for name in names)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.listed(name).get_short_help_str(limit)) for name in names]
            )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands, and options."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=self.listed(name).get_short_help_str())
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ] + click.Command.shell_complete(self, ctx, incomplete)
