"""Commands as sentences name them, with words in capitals for what a reader puts in."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

import click

from templedb_nb.commands.options import NounGroup
from templedb_nb.commands.tree import tree

_OF_ITSELF = re.compile(
    r"(?:newer|this|other) templedb|templedb (?:broke|itself|deployment config|project file)"
)
_A_COMMAND = re.compile(r"templedb [a-z]+(?: [a-z-]+| --[a-z-]+)*")
_ASSIGNED = re.compile(r"\w+=")
_END = re.compile(r"[=|,.;:)]")


def commands_in(text: str) -> list[str]:
    """Return the commands that *text* names."""
    return _A_COMMAND.findall(_OF_ITSELF.sub("", text))


def unknown(line: str) -> str:
    """Return the first word of a command, or its first option, that the tree does not know."""
    _, *words = line.split()
    command: click.Command = tree
    while isinstance(command, click.Group):
        if words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        elif isinstance(command, NounGroup) and command.default:
            command = command.commands[command.default]
        elif words and words[0][0].islower():
            return words[0]
        else:
            break
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    options = [_END.split(word)[0] for word in words if word.startswith("--")]
    return next((each for each in options if each not in known | {"--help", "--version"}), "")


def calls(code: str) -> Iterator[list[str]]:
    """Yield the words of each call of templedb in a shell's *code*, behind its name."""
    for line in code.replace("\\\n", " ").splitlines():
        tokens = shlex.shlex(line, posix=True, punctuation_chars=True)
        tokens.whitespace_split = True
        call: list[str] | None = None
        first = True
        for word in [*tokens, ";"]:
            if set(word) <= set("|&;()<>"):
                if call is not None:
                    yield call
                call, first = None, not set(word) <= set("<>")
            elif call is not None:
                call.append(word)
            elif first and not _ASSIGNED.match(word):
                call, first = ([], False) if word == "templedb" else (None, False)


def texts(module: ast.Module) -> Iterator[str]:
    """Yield the texts of a module but its docstrings; what is put into them becomes an X."""
    told = {id(each.value) for each in ast.walk(module) if isinstance(each, ast.Expr)}
    for each in ast.walk(module):
        match each:
            case ast.JoinedStr(values=parts):
                told |= {id(part) for part in parts}
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts
                )
            case ast.Constant(value=str() as text) if id(each) not in told:
                yield text
