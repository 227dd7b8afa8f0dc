"""What Tab offers for words of the magic: commands, options and names, with what they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from templedb_nb.commands.completion import projects, targets
from templedb_nb.commands.likely import likely_first
from templedb_nb.commands.tree import tree
from templedb_nb.core.config.home_folder import expanded
from templedb_nb.views.format import cut

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from templedb_nb.commands.context import Call

NAME = "templedb"
MOST_FILES = 200
WIDEST = 76
_JOINED = {ord(" "): "\u00a0", ord("-"): "\u2011"}
_HEAD = re.compile(rf"^\s*+(?:[\w, ]++=\s*+)?%{{1,2}}{NAME}\s++(?:\w++\s*+<<\s*+)?")
_CONFIG = re.compile(
    r"^\s*%?config\s+TempleDB\.(?P<trait>project|target)\s*=\s*(?P<word>['\"]?\S*)$"
)


def matcher(called: Callable[[], Call], names: Mapping[str, Any], last: Callable[[], str]) -> Any:
    """Return what completes words of the magic, and leaves all others alone.

    *called* gives a fresh call of the tree, *names* are the Python variables of the notebook,
    *last* is the command that ran before. What is likely next comes first.
    """
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher(identifier=NAME, priority=1000)  # type: ignore[untyped-decorator]  # IPython types no decorator
    def matcher(context: Any) -> Any:
        first = context.full_text.split("\n", 1)[0].lstrip()
        head = _HEAD.match(context.text_until_cursor)
        below = context.cursor_line > 0 and first.startswith("%%")
        if head is not None and not below:
            given, incomplete = _split(context.text_until_cursor[head.end() :])
            offered = dict(_completed(called(), given, incomplete))
            ranked = likely_first(list(offered), given, last())
            found = [*_variables(names, incomplete), *((word, offered[word]) for word in ranked)]
        elif setting := _CONFIG.match(context.text_until_cursor):
            incomplete, found = setting["word"], list(_settings(called(), **setting.groupdict()))
        else:
            return {"completions": [], "suppress": False}
        made = [SimpleCompletion(text=text, type=_unbroken(told)) for text, told in found]
        return {
            "completions": made,
            "matched_fragment": incomplete,
            "suppress": True,
            "ordered": True,
        }

    return matcher


def _unbroken(told: str) -> str:
    """Return what a word is, on one line: JupyterLab breaks it at every space, over other words."""
    return cut(told, WIDEST).translate(_JOINED)


def _split(rest: str) -> tuple[list[str], str]:
    try:
        given = shlex.split(rest, comments=False)
    except ValueError:
        given = rest.split()
    incomplete = "" if not rest or rest[-1].isspace() else given.pop()
    return given, incomplete


def _completed(call: Call, given: list[str], incomplete: str) -> Iterator[tuple[str, str]]:
    from click.shell_completion import ShellComplete

    before, equals, value = incomplete.partition("=")
    prefix = f"{before}=" if equals and incomplete.startswith("--") else ""
    shell = ShellComplete(tree, {"obj": call}, NAME, "")
    for each in shell.get_completions(given, incomplete):
        if each.type in {"file", "dir"}:
            for path, told in _files(value if prefix else incomplete):
                yield prefix + path, told
        else:
            yield prefix + each.value, each.help or "option"


def _files(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the files and folders that a path may go on with."""
    folder, slash, start = incomplete.rpartition("/")
    base = expanded(folder or slash) if slash else Path()
    try:
        there = sorted(base.iterdir())
    except OSError:
        return
    fits = [each for each in there if each.name.startswith(start)]
    shown = [each for each in fits if start or not each.name.startswith(".")]
    for each in shown[:MOST_FILES]:
        end, told = ("/", "folder") if each.is_dir() else ("", "file")
        yield f"{folder}{slash}{each.name}{end}", told


def _variables(names: Mapping[str, Any], incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the Python variables that ``{name}`` may stand for."""
    before, brace, start = incomplete.rpartition("{")
    if not brace or (before and not before.endswith("=")):
        return
    for name in sorted(names):
        value = names[name]
        if name.startswith(start) and not name.startswith("_") and isinstance(value, str | int):
            yield f"{before}{{{name}}}", f"Python variable: {type(value).__name__}"


def _settings(call: Call, trait: str, word: str) -> Iterator[tuple[str, str]]:
    """Yield the names that ``%config TempleDB.trait = `` may be set to, in quotes."""
    from click import Argument, Context

    quote, start = (word[0], word[1:]) if word[:1] in {"'", '"'} else ("'", word)
    source = projects if trait == "project" else targets
    context = Context(tree, obj=call)
    items: list[CompletionItem] = source(context, Argument(["name"]), start)
    for each in items:
        yield f"{quote}{each.value}{quote}", each.help or trait
