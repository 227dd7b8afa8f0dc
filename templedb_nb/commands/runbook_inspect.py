"""Read what the cells of a runbook would ask of templedb; none of them is executed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from templedb_nb.commands.effects import understood
from templedb_nb.errors import ConfigError
from templedb_nb.model.runbook import CellLine, CellShown, Parameter, RunbookShown
from templedb_nb.runbook import parameters
from templedb_nb.runbook.notebook import INJECTED, Notebook, tags, title

SKIP = "skip-execution"
NO_KERNEL = "the notebook names no kernel: its cells run in this Python"
OTHER_KERNEL = "the notebook names the kernel {}: its cells run in this Python all the same"
OWN = ("python", "ipykernel", "xpython")
_MISPLACED = (
    "cell {}: its cell magic (%%templedb) must be the first line; "
    "move what stands above it to another cell"
)
_LINE = re.compile(r"^[^\S\n]*+(?:[\w, ]++=[^\S\n]*+)?%%?templedb\b[ \t]*+(.*)$", re.MULTILINE)
_ASSIGNED = re.compile(r"^\s*+[^\W\d]\w*+\s*+<<\s*+")


def read(root: click.Command, path: Path) -> RunbookShown:
    """Return what the runbook at *path* declares and would do."""
    notebook = Notebook.read(path)
    notebook.refuse_other_language()
    declared = parameters.declared(notebook)
    target = ""
    cells = []
    for number, cell in notebook.code():
        if INJECTED in tags(cell):
            continue
        lines = []
        for words in _spoken(cell["source"]):
            line = _line(root, words, declared, target)
            target = line.target if line.command == "use" else target
            lines.append(line)
        shown = CellShown(
            number=number,
            id=cell["id"],
            title=title(cell["source"]),
            tags=tags(cell),
            lines=tuple(lines),
        )
        cells.append(shown)
    return RunbookShown(
        notebook=str(path),
        runbook=notebook.digest,
        parameters=tuple(declared.values()),
        cells=tuple(cells),
        warnings=tuple(_warnings(notebook)),
    )


def _warnings(notebook: Notebook) -> Iterator[str]:
    if note := kernel_note(notebook):
        yield note
    for number in notebook.misplaced_magics():
        yield _MISPLACED.format(number)


def kernel_note(notebook: Notebook) -> str:
    """Say that the kernel is another one than the notebook asks for, or that it asks for none."""
    name = notebook.kernel
    if not name:
        return "" if notebook.language else NO_KERNEL
    return "" if name.lower().startswith(OWN) else OTHER_KERNEL.format(name)


def refuse_misplaced(notebook: Notebook) -> None:
    """Raise where a ``%%templedb`` is not the first line of its cell: the cell would fail there."""
    found = [_MISPLACED.format(number) for number in notebook.misplaced_magics()]
    if found:
        raise ConfigError(f"{notebook.path}: nothing was executed", problems=found)


def refuse_skipped(root: click.Command, shown: RunbookShown) -> None:
    """Raise if a cell that deploys is never run unattended: the runbook would be green without."""
    found = [
        f"cell {cell.number}: %templedb {line.words}"
        for cell in shown.cells
        for line in cell.lines
        if SKIP in cell.tags and understood(root, shlex.split(line.words, comments=False)).deploys
    ]
    if found:
        message = f"{shown.notebook}: cells that deploy are tagged {SKIP}; nothing was executed"
        raise ConfigError(message, problems=found, hint=f"remove the tag {SKIP}, or the cell")


def _spoken(source: str) -> Iterator[str]:
    for found in _LINE.finditer(source):
        words = _ASSIGNED.sub("", found[1]).strip()
        yield words.removesuffix(";").strip()


def _line(root: click.Command, text: str, known: Mapping[str, Parameter], target: str) -> CellLine:
    try:
        words = shlex.split(text, comments=False)
    except ValueError:
        words = text.split()
    line = understood(root, words)
    meant = [_filled(each, known) for each in words]
    return CellLine(
        words=text,
        command=line.command,
        mutates=line.mutates,
        target=_target(meant) or (target if line.mutates else ""),
    )


def _filled(word: str, known: Mapping[str, Parameter]) -> str:
    name = word[1:-1] if word.startswith("{") and word.endswith("}") else ""
    if name not in known:
        return word
    value: Any = ast.literal_eval(known[name].default)
    return str(value)


def _target(words: list[str]) -> str:
    for number, word in enumerate(words):
        if word in {"--target", "-t"} and number + 1 < len(words):
            return words[number + 1]
        if word.startswith("--target="):
            return word.partition("=")[2]
    return ""
