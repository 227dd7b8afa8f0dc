"""What ``%templedb?`` shows: the whole tree, and what is different in a notebook."""

from __future__ import annotations

from templedb_nb.commands.examples import leaves
from templedb_nb.commands.tree import tree

PROGRAM = "%templedb"
IN_A_NOTEBOOK = """\
In a notebook the words are those of the terminal, and what a command shows is its value:
  %load_ext templedb_nb
  %templedb use shop --target staging          # sets the default PROJECT and --target
  %templedb status                             # a table is a DataFrame
  rows = %templedb deploy history --last 5     # … that can be kept; a ; at the end shows nothing
  %templedb deploy --dry-run                   # a plan, a run and an error are cards
  %templedb target show {name}                 # {name} is the Python variable of that name

Some commands take a cell's body; NAME << keeps the value of a cell:
  %%templedb deploy --dry-run                  changes to the config for this plan only,
  [groups.migrations]                          in JSON, YAML or TOML
  timeout = "5m"

  %%templedb config set --note "longer"        the new config
  groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]

  %%templedb ROWS << query --target staging    a query of the target, read-only;
  SELECT id, total FROM orders                 --expect 0, empty, true … makes it a check

  %%templedb migration new add_email           the next migration's file
  ALTER TABLE users ADD COLUMN email text;

  %%templedb sql                               a query of the history of all runs
  SELECT target, outcome, count(*) FROM runs GROUP BY ALL

Tab completes commands, options and names. %config TempleDB shows and sets what is in use."""


def manual() -> str:
    """Return the help of the tree, of notebooks, and of every command in a line."""
    with tree.make_context(PROGRAM, [], resilient_parsing=True) as context:
        whole = tree.get_help(context)
    found = list(leaves(tree))
    wide = max(len(path) for path, _ in found)
    lines = [f"  {path.ljust(wide)}  {each.get_short_help_str(90 - wide)}" for path, each in found]
    commands = "\n".join([f"Every command; {PROGRAM} COMMAND --help has its options:", *lines])
    return f"{whole}\n\n{IN_A_NOTEBOOK}\n\n{commands}"
