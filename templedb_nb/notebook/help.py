"""What ``%templedb?`` shows: what is different in a notebook, and the whole tree, uncut."""

from __future__ import annotations

import inspect
import textwrap

import click

from templedb_nb.commands.examples import leaves
from templedb_nb.commands.magic_form import in_magic_form
from templedb_nb.commands.tree import tree

PROGRAM = "%templedb"
WIDTH = 100
IN_A_NOTEBOOK = """\
In a notebook the words are those of the terminal, and what a command shows is its value.

  %load_ext templedb_nb

  # from now on, this project and target are meant where none is named
  %templedb use shop --target staging

  # a table is a DataFrame, which can be kept; a ; at the end shows nothing
  rows = %templedb deploy history --last 5

  # a plan, a run and an error are cards
  %templedb deploy --dry-run

  # {name} is the Python variable of that name
  %templedb target show {name}

Some commands take a cell's body:

  # changes to the config for this plan only, in JSON, YAML or TOML
  %%templedb deploy --dry-run
  [groups.migrations]
  timeout = "5m"

  # the new config
  %%templedb config set --note "longer"
  groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]

  # a query of the target, read-only; NAME << keeps the value of a cell,
  # and --expect 0, empty, true … makes it a check
  %%templedb ROWS << query --target staging
  SELECT id, total FROM orders

  # the next migration's file
  %%templedb migration new add_email
  ALTER TABLE users ADD COLUMN email text;

  # a query of the history of all runs
  %%templedb sql
  SELECT target, outcome, count(*) FROM runs GROUP BY ALL

The line of a cell magic is the first line of its cell: comments stand in another cell.

Tab completes commands, options and names, the likely ones first. %config TempleDB shows and sets
what is in use."""


def manual() -> str:
    """Return the help of the tree, of notebooks, and of every command with an example."""
    head = in_magic_form(inspect.cleandoc(tree.help or "").replace("\b\n", ""), tree.commands)
    commands = [
        f"Every command; {PROGRAM} COMMAND --help has its options:",
        *(_entry(path, command) for path, command in leaves(tree)),
    ]
    return f"{head}\n\n{IN_A_NOTEBOOK}\n\n" + "\n\n".join(commands)


def _entry(path: str, command: click.Command) -> str:
    """Return a command with all of its summary, and its first example."""
    told = textwrap.fill(_summary(command), WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join([f"  {PROGRAM} {path}", told, *_example(path, command)])


def _summary(command: click.Command) -> str:
    return " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())


def _example(path: str, command: click.Command) -> list[str]:
    """Return the first example that a cell takes, with its options."""
    text = in_magic_form(f"{command.help or ''}\n{command.epilog or ''}", tree.commands)
    lines = (line.strip() for line in text.splitlines())
    found = (line for line in lines if line.startswith(f"{PROGRAM} {path} "))
    return [f"      {line}" for line in found][:1]
