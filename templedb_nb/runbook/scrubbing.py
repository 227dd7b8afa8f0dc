"""Secrets and outputs in notebooks: found, and taken out of what a kernel wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.model.leak import Leak
from templedb_nb.runbook.notebook import Notebook
from templedb_nb.runbook.secrets import Secrets

_MARK = re.compile(r"\*\*\*\[([^\]\n]{0,200})\]")
_SHAPES = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a token of GitHub", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22,})")),
    ("a token of GitLab", re.compile(r"\bglpat-[\w-]{20}")),
    ("a key of AWS", re.compile(r"\bAKIA[A-Z0-9]{16}\b")),
    ("a token of Slack", re.compile(r"\bxox[abprs]-[\w-]{10,}")),
)


def leaks(notebook: Notebook, secrets: Secrets, *, outputs: bool) -> Iterator[Leak]:
    """Yield what *notebook* holds: secrets that are known, texts that look like some, outputs."""
    file = str(notebook.path)
    for what in _found(_text(notebook.body["metadata"]), secrets):
        yield Leak(file=file, cell=0, place="metadata", what=what)
    for number, cell in enumerate(notebook.cells, start=1):
        for line, text in enumerate(cell["source"].split("\n"), start=1):
            for what in _found(text, secrets):
                yield Leak(file=file, cell=number, place="source", what=what, line=line)
        across = set(_found(cell["source"], secrets))
        each = {w for text in cell["source"].split("\n") for w in _found(text, secrets)}
        for what in sorted(across - each):
            yield Leak(file=file, cell=number, place="source", what=what)
        for place, held in (("metadata", cell["metadata"]), ("output", cell.get("outputs", []))):
            for what in _found(_text(held), secrets):
                yield Leak(file=file, cell=number, place=place, what=what)
        if outputs and cell.get("outputs"):
            yield Leak(file=file, cell=number, place="output", what="it is kept")


def scrub(notebook: Notebook, secrets: Secrets, *, keep_outputs: bool) -> bool:
    """Take out what kernels wrote, or with *keep_outputs* the known secrets in it alone.

    Sources stay as people wrote them. Returns whether anything changed.
    """
    before = json.dumps(notebook.body, sort_keys=True)
    if keep_outputs:
        sources = [cell["source"] for cell in notebook.cells]
        notebook.body = secrets.document(notebook.body)
        for cell, source in zip(notebook.cells, sources, strict=True):
            cell["source"] = source
    else:
        notebook.clear()
        for _, cell in notebook.code():
            mine = cell["metadata"].get("templedb")
            if isinstance(mine, dict):
                for key in ("state", "seconds", "message"):
                    mine.pop(key, None)
                if not mine:
                    del cell["metadata"]["templedb"]
    return json.dumps(notebook.body, sort_keys=True) != before


def _found(text: str, secrets: Secrets) -> Iterator[str]:
    masked = secrets.masker.compiled.mask(text)
    if masked != text:
        names = [name for name in _MARK.findall(masked) if f"***[{name}]" not in text]
        yield from dict.fromkeys(f"the value of {name}" for name in names)
    if without_url_passwords(masked) != masked:
        yield "a URL with a password"
    for what, shape in _SHAPES:
        if shape.search(masked):
            yield what


def _text(held: Any) -> str:
    """Return every text in *held*, a line each: as they are, not as JSON escapes them."""
    match held:
        case str():
            return held
        case dict():
            return "\n".join(f"{key}\n{_text(each)}" for key, each in held.items())
        case list():
            whole = all(isinstance(each, str) for each in held)
            return ("" if whole else "\n").join(map(_text, held))
        case _:
            return ""
