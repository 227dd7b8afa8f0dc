"""Tables of the generated parts of the documents, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def linked(text: str) -> str:
    """Return a text with each option as code."""
    return re.sub(r"(--[a-z][a-z-]*)", r"`\1`", text).replace("``", "`")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Return a text as the cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")
