"""The command that was meant, where the words that were typed are none.

Of what was typed, only names that are known and bare options are repeated: any other word may be a
secret.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

import click

Known = Callable[[str], bool]
"""Whether a word is the name of a project or of a target."""
FLAGS = frozenset({"-v", "--verbose", "-q", "--quiet", "--json"})
VALUED = frozenset({"-t", "--target", "--project"})
FIRST = ("deploy", "migration", "project", "target", "env", "run")
"""Whose verb is meant where several nouns have it."""
WORDS = {
    "apply": "deploy run", "migrate": "deploy run", "up": "deploy run", "upgrade": "deploy run",
    "down": "migration down", "downgrade": "migration down", "revert": "deploy rollback",
    "undo": "deploy rollback", "ls": "project list", "log": "deploy logs", "setup": "start",
    "deployments": "deploy history", "runs": "deploy history", "retry": "deploy resume",
    "continue": "deploy resume", "validate": "deploy config", "create": "migration new",
    "generate": "migration new", "stop": "run cancel", "abort": "run cancel", "begin": "start",
    "info": "status", "targets": "target list", "projects": "project list", "secrets": "env list",
    "variables": "env list", "migrations": "migration list", "connect": "target test",
    "ping": "target test",
}  # fmt: skip
"""Words that other tools have, and people try."""
_AWAY = ("remove", "unset")
VERBS = {"ls": ("list",), "mv": ("rename",), "rm": _AWAY, "delete": _AWAY, "del": _AWAY}
"""Verbs that people try behind a noun."""


def meant(ctx: click.Context, words: Sequence[str], known: Known) -> str:
    """Return the command that *words*, from the first on, may stand for, or nothing."""
    top = ctx.find_root()
    assert isinstance(top.command, click.Group)  # noqa: S101 - the tree
    for path, rest in _readings(top.command, list(words), known):
        told = _repeated(rest, known, _options(top.command, path))
        return " ".join([top.info_name or "templedb", *path, *told])
    return ""


def before(ctx: click.Context) -> list[str]:
    """Return the words that led to a group."""
    return ctx.command_path.split()[1:] if ctx.parent else []


def _readings(
    root: click.Group, words: list[str], known: Known
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each way to read the words: the path of a command, and what follows it."""
    words, moved = _without_options(words)
    if not words:
        return
    for changed in _changed(root, words, known):
        if (count := _path(root, changed)) > 0:
            yield changed[:count], [*changed[count:], *moved]


def _changed(root: click.Group, words: list[str], known: Known) -> Iterator[list[str]]:
    """Yield the words as they may be meant, the likeliest first."""
    first, rest = words[0], words[1:]
    yield words
    if rest and rest[0] in root.commands:  # verb and noun swapped, or the project first
        yield [rest[0], first, *rest[1:]]
        yield from _projected(root, rest, first) if known(first) else ()
    if rest and first in root.commands:
        yield from _of_noun(root, first, rest)
    if first in WORDS:
        yield [*WORDS[first].split(), *rest]
    if path := _verb(root, first):
        yield [*path, *rest]
    yield from _misspelt(root, first, rest)


def _of_noun(root: click.Group, noun: str, rest: list[str]) -> Iterator[list[str]]:
    """Yield what may be meant by a noun whose verb is misspelt, or is another noun's."""
    group = root.commands[noun]
    if not isinstance(group, click.Group):
        return
    for verb in VERBS.get(rest[0], ()):
        if verb in group.commands:
            yield [noun, verb, *rest[1:]]
    if verb := nearest(rest[0], group.commands):
        yield [noun, verb, *rest[1:]]
    if rest[0] in WORDS and WORDS[rest[0]].startswith(f"{noun} "):
        yield [*WORDS[rest[0]].split(), *rest[1:]]
    if path := _verb(root, rest[0]):
        yield [*path, *rest[1:]]
    if path := _verb(root, noun):
        yield [*path, *rest]


def _misspelt(root: click.Group, first: str, rest: list[str]) -> Iterator[list[str]]:
    """Yield what may be meant by a first word that is a slip of a noun's or a verb's."""
    if right := nearest(first, root.commands):
        yield [right, *rest]
        yield from _of_noun(root, right, rest) if rest else ()
        if path := _verb(root, right):
            yield [*path, *rest]
    verbs = {name for group in _groups(root) for name in group.commands}
    if path := _verb(root, nearest(first, verbs)):
        yield [*path, *rest]


def _projected(root: click.Group, rest: list[str], project: str) -> Iterator[list[str]]:
    if (count := _path(root, rest)) > 0:
        yield [*rest[:count], project, *rest[count:]]


def _without_options(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words without options that stand before the command, and those options."""
    moved: list[str] = []
    while words and words[0].startswith("-"):
        count = 2 if words[0] in VALUED else 1
        if words[0].partition("=")[0] not in FLAGS | VALUED:
            return [], []
        moved, words = [*moved, *words[:count]], words[count:]
    return words, moved


def _path(root: click.Group, words: Sequence[str]) -> int:
    """Return how many words name a command that does something; 0 if they do not."""
    command = root.commands.get(words[0]) if words else None
    if command is None:
        return 0
    if not isinstance(command, click.Group):
        return 1
    if len(words) > 1 and words[1] in command.commands:
        return 2
    default = getattr(command, "default", None)
    return 1 if default and (len(words) == 1 or words[1].startswith("-")) else 0


def _groups(root: click.Group) -> list[click.Group]:
    names = [*FIRST, *(each for each in root.commands if each not in FIRST)]
    found = [root.commands[each] for each in names if each in root.commands]
    return [each for each in found if isinstance(each, click.Group)]


def _verb(root: click.Group, word: str) -> list[str]:
    """Return the command of that verb: of the noun that it is used with most."""
    return next(([str(g.name), word] for g in _groups(root) if word in g.commands), [])


def _options(root: click.Group, path: Sequence[str]) -> set[str]:
    """Return the options of a command; those alone are repeated: ``-pVALUE`` may be a password."""
    command: click.Command = root
    for word in (*path, getattr(root.commands[path[0]], "default", None)):
        if isinstance(command, click.Group) and word:
            command = command.commands[word]
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def _repeated(rest: Sequence[str], known: Known, options: AbstractSet[str]) -> Iterator[str]:
    hidden = False
    for word in rest:
        if word in options or known(word):
            yield shlex.quote(word)
        elif not hidden:
            hidden = True
            yield "…"


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the name that *word* is a slip of: by one letter, or two if it is long."""
    slips = 1 if len(word) <= 5 else 2  # noqa: PLR2004 - a short word is another one soon
    close = [(d, each) for each in sorted(names) if 0 < (d := slip(word, each)) <= slips]
    return min(close)[1] if close else ""


def slip(one: str, other: str) -> int:
    """Return how many letters were left out, added, changed, or swapped with the next one."""
    if abs(len(one) - len(other)) > 2:  # noqa: PLR2004 - too far to be counted
        return 3
    rows: list[list[int]] = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, own in enumerate(other, 1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != own))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == own:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
