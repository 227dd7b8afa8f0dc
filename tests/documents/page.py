"""The documents as a reader has them: pages, and the blocks of code in them.

A fence's first word is its language; what follows says what is done with it:

- ``bash``, ``python``, ``ipython`` are run, in the order of the page, in one place for each page.
  ``exit=20`` expects another end than success; ``stdin=NAME`` feeds a variable's value.
- ``no-run: WHY`` leaves a block of these out, and says why.
- ``yaml``, ``json``, ``toml`` and ``sql`` are read; ``file=PATH`` also writes them for what follows.
- ``text output`` is what the block before it wrote: its lines in their order, ``…`` for anything.
- ``sql bad`` and ``sql good`` are examples of rules, which tests of their own try.
- ``text`` is a picture made of letters.

A page with the comment ``<!-- continues: PAGE -->`` goes on where that page's blocks ended.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent.parent
RUN = frozenset({"bash", "python", "ipython"})
READ = frozenset({"yaml", "json", "toml", "sql"})
SHOWN = frozenset({"text"})
SITE = frozenset({"{toctree}", "{include}", "{image}"})
NO_RUN = "no-run:"
_CONTINUES = re.compile(r"<!-- continues: (\S+) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One piece of code in a page; `line` is that of its fence, from 1."""

    page: Path
    line: int
    language: str
    code: str
    words: tuple[str, ...] = ()
    named: dict[str, str] = field(default_factory=dict)
    left_out: str | None = None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every document of the repository."""
    found = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*/*.md"),
        *ROOT.glob("findings/*.md"),
    ]
    return sorted(path for path in found if "_build" not in path.parts)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of *page*; code that is indented in place of fenced has no language."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    return [_block(page, each) for each in tokens if each.type in {"fence", "code_block"}]


def before(page: Path) -> list[Path]:
    """Return the pages that *page* goes on from, the first one first."""
    found = _CONTINUES.search(page.read_text(encoding="utf-8"))
    if found is None:
        return []
    earlier = (page.parent / found[1]).resolve()
    return [*before(earlier), earlier]


def spoken(page: Path) -> list[str]:
    """Return the pieces of code within the sentences of *page*."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    inner = [child for each in tokens for child in each.children or ()]
    return [" ".join(each.content.split()) for each in inner if each.type == "code_inline"]


def _block(page: Path, token: Token) -> Block:
    assert token.map is not None
    language, _, rest = token.info.strip().partition(" ")
    if rest.strip().startswith(NO_RUN):
        left_out, given = rest.strip().removeprefix(NO_RUN).strip(), []
    else:
        left_out, given = None, shlex.split(rest)
    return Block(
        page=page,
        line=token.map[0] + 1,
        language=language,
        code=token.content,
        words=tuple(word for word in given if "=" not in word),
        named=dict(word.split("=", 1) for word in given if "=" in word),
        left_out=left_out,
    )
