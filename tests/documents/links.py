"""The links of a page, and the anchors that its headings give, as the site and GitHub make them."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

_OUTSIDE = re.compile(r"[a-z]+:")
_LEFT_OUT = re.compile(r"[^\w\- ]")


def broken(page: Path) -> list[str]:
    """Return the links of *page* that lead to no file, or to no heading of it."""
    return [link for link in _links(page) if not _leads(page, link)]


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of the headings of *page*; the second one of a name gets a number."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    found: list[str] = []
    for opened, inner in pairwise(tokens):
        if opened.type == "heading_open":
            said = [each for each in inner.children or () if each.type in {"text", "code_inline"}]
            name = _LEFT_OUT.sub("", "".join(each.content for each in said).lower())
            name = name.replace(" ", "-")
            again = sum(
                re.fullmatch(rf"{re.escape(name)}(-\d+)?", each) is not None for each in found
            )
            found.append(f"{name}-{again}" if again else name)
    return frozenset(found)


def _links(page: Path) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    inner = [child for each in tokens for child in each.children or ()]
    given = [str(each.attrs.get("href") or each.attrs.get("src") or "") for each in inner]
    return [link for link in given if link and not _OUTSIDE.match(link)]


def _leads(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    to = (page.parent / path).resolve() if path else page
    return to.exists() and (not anchor or anchor in anchors(to))
