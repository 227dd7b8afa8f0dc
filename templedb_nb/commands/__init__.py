"""One tree of commands, for the terminal and the notebook alike.

A command turns words into a call on `Temple`, and returns the model value that came back. It
prints nothing and asks nothing: how a value looks is the front end's business, and consent is an
argument, never a prompt.
"""

from templedb_nb.commands.tree import reserved, tree

__all__ = ["reserved", "tree"]
