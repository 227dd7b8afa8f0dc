"""Saved notebooks where there is no notebook front end: nbconvert's pages, and GitHub's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bleach
import nbformat
from bleach.css_sanitizer import CSSSanitizer

# What GitHub leaves of HTML. From github/markup and its html-pipeline, "SanitizationFilter":
# no style, no class, no role; of attributes about a hundred that shape nothing by themselves.
TAGS = frozenset(
    [
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "h7",
        "h8",
        "br",
        "b",
        "i",
        "strong",
        "em",
        "a",
        "pre",
        "code",
        "img",
        "tt",
        "div",
        "ins",
        "del",
        "sup",
        "sub",
        "p",
        "picture",
        "ol",
        "ul",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "blockquote",
        "dl",
        "dt",
        "dd",
        "kbd",
        "q",
        "samp",
        "var",
        "hr",
        "ruby",
        "rt",
        "rp",
        "li",
        "tr",
        "td",
        "th",
        "s",
        "strike",
        "summary",
        "details",
        "caption",
        "figure",
        "figcaption",
        "abbr",
        "bdo",
        "cite",
        "dfn",
        "mark",
        "small",
        "source",
        "span",
        "time",
        "wbr",
    ]
)
ATTRIBUTES = [
    "abbr",
    "accept",
    "align",
    "alt",
    "aria-describedby",
    "aria-hidden",
    "aria-label",
    "aria-labelledby",
    "axis",
    "border",
    "char",
    "charoff",
    "clear",
    "cols",
    "colspan",
    "compact",
    "datetime",
    "dir",
    "disabled",
    "for",
    "frame",
    "headers",
    "height",
    "hreflang",
    "id",
    "label",
    "lang",
    "name",
    "nowrap",
    "open",
    "rel",
    "rev",
    "rows",
    "rowspan",
    "rules",
    "scope",
    "span",
    "start",
    "summary",
    "tabindex",
    "title",
    "type",
    "valign",
    "value",
    "width",
]
PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><body>{body}</body></html>'


def github(notebook: Path, page: Path) -> Path:
    """Write what GitHub would leave of a notebook's outputs; return the page."""
    parts = [_left(html) for html in htmls(notebook)]
    page.write_text(PAGE.format(title=notebook.stem, body="<hr>".join(parts)), encoding="utf-8")
    return page


def htmls(notebook: Path) -> list[str]:
    """Return the HTML of every card of a notebook."""
    return [data["text/html"] for data in pictures(notebook) if 'class="tdb' in data["text/html"]]


def pictures(notebook: Path) -> list[dict[str, Any]]:
    """Return the pictures of every output that has HTML."""
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [each for cell in cells for each in cell.get("outputs", [])]
    return [each.data for each in outputs if "text/html" in each.get("data", {})]


def _left(html: str) -> str:
    head, _, rest = html.partition("<style>")
    bare = head + rest.partition("</style>")[2]
    return bleach.clean(
        bare, tags=TAGS, attributes={"*": ATTRIBUTES}, strip=True, css_sanitizer=CSSSanitizer([])
    )


def nbconvert(notebook: Path, folder: Path, *, template: str, theme: str = "light") -> Path:
    """Return the page that nbconvert makes of a notebook."""
    words = ["--to", "html", f"--template={template}", f"--HTMLExporter.theme={theme}"]
    name = f"{notebook.stem}-{template}-{theme}"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "nbconvert",
            *words,
            f"--output={name}",
            f"--output-dir={folder}",
            str(notebook),
        ],
        env={**os.environ, "JUPYTER_PLATFORM_DIRS": "1"},
        check=True,
        capture_output=True,
    )
    return folder / f"{name}.html"
