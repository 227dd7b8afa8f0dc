"""Examples as a cell takes them: ``%templedb …``, with a comment on a line of its own."""

from __future__ import annotations

import re
from collections.abc import Container

_EXAMPLE = re.compile(r"^(?P<indent> +)templedb (?P<words>(?P<first>[\w-]++).*+)$", re.MULTILINE)
_QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_SHELL = re.compile(r"[|<>]|\$\(|&&")
_COMMENT = re.compile(r"(?<!\s)\s++#\s")


def in_magic_form(text: str, commands: Container[str]) -> str:
    """Return a help text whose examples can be run in a cell.

    Lines that need a shell go on to have one: ``!templedb …``. *commands* tells examples from
    sentences.
    """

    def written(found: re.Match[str]) -> str:
        indent, words = found["indent"], found["words"]
        if found["first"] not in commands:
            return found[0]
        bare = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), words)
        comment = _COMMENT.search(bare)
        told = words[comment.start() :].strip() if comment else ""
        words = words[: comment.start()] if comment else words
        sign = "!" if _SHELL.search(bare[: len(words)]) else "%"
        return f"{indent}{told}\n{indent}{sign}templedb {words}".removeprefix(f"{indent}\n")

    return _EXAMPLE.sub(written, text)
