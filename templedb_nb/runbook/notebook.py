"""A notebook file: read, checked, known by its sources, and written whole or not at all."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from templedb_nb.errors import ConfigError, FilesError
from templedb_nb.files.reading import contents
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.serialization import digest

MAJOR = 4
TITLE = 72
KERNELS = {
    "ir": "r", "julia": "julia", "bash": "bash", "zsh": "zsh", "javascript": "javascript",
    "deno": "typescript", "tslab": "typescript", "jslab": "javascript", "ruby": "ruby",
    "rust": "rust", "scala": "scala", "almond": "scala", "kotlin": "kotlin", "java": "java",
    "octave": "octave", "matlab": "matlab", "gophernotes": "go", "gonb": "go", "xcpp": "c++",
    "stata": "stata", "sas": "sas",
}  # fmt: skip
"""What kernels speak whose notebooks may name no language; of a name the letters at its start."""
PARAMETERS, INJECTED = "parameters", "injected-parameters"


@dataclass
class Notebook:
    """The JSON of one notebook; sources are whole texts, and every cell has an id."""

    path: Path
    body: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Notebook:
        """Return what *path* holds, or say what is wrong with it."""
        try:
            body = json.loads(contents(path).decode())
        except ValueError as error:
            raise ConfigError(f"{path} is not a notebook: {error}") from None
        except RecursionError:
            raise ConfigError(f"{path} is not a notebook: it is nested too deeply") from None
        version = body.get("nbformat") if isinstance(body, dict) else None
        if version != MAJOR or not isinstance(body.get("cells"), list):
            message = f"{path} is not a notebook of format {MAJOR}"
            raise ConfigError(message, hint=f"jupyter nbconvert --to notebook --inplace {path}")
        taken: set[str] = set()
        for number, cell in enumerate(body["cells"]):
            _settle(cell, number, taken)
        minor = body.get("nbformat_minor")
        body["nbformat_minor"] = max(5, minor) if isinstance(minor, int) else 5
        if not isinstance(body.get("metadata"), dict):
            body["metadata"] = {}
        return cls(path=path, body=body)

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Return its cells, which may be changed."""
        cells: list[dict[str, Any]] = self.body["cells"]
        return cells

    def code(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each cell of code with its place in the notebook, counted from one."""
        for number, cell in enumerate(self.cells, start=1):
            if cell["cell_type"] == "code":
                yield number, cell

    @property
    def language(self) -> str:
        """Return the language that its metadata names, in lower case; empty where none is named.

        Where only a kernel is named, its name may tell.
        """
        metadata = self.body["metadata"]
        for where, key in (("kernelspec", "language"), ("language_info", "name")):
            part = metadata.get(where)
            if isinstance(part, dict) and isinstance(part.get(key), str) and part[key].strip():
                return str(part[key]).strip().lower()
        word = "".join(takewhile(str.isalpha, self.kernel.lower()))
        return KERNELS.get(word, "")

    @property
    def kernel(self) -> str:
        """Return the name of the kernel that its metadata names; empty where none is named."""
        spec = self.body["metadata"].get("kernelspec")
        name = spec.get("name") if isinstance(spec, dict) else None
        return name.strip() if isinstance(name, str) else ""

    def refuse_other_language(self) -> None:
        """Refuse a notebook whose cells are not Python: this Python would run them all the same."""
        if self.language not in {"", "python", "ipython", "python3"}:
            message = f"{self.path} is a notebook for {self.language}; a runbook's cells are Python"
            hint = "nothing was executed; another language may run as a script that a group deploys"
            raise ConfigError(message, hint=hint)

    def misplaced_magics(self) -> list[int]:
        """Return the cells whose ``%%templedb`` has other lines above it.

        IPython takes a cell magic in the first line alone, and reads such a cell as Python.
        """
        return [number for number, cell in self.code() if misplaced(cell["source"])]

    def refuse_surrogates(self) -> None:
        """Refuse a cell with half of a surrogate pair, which no kernel takes; all such at once."""
        halves = [
            n for n, cell in self.code() if any("\ud800" <= c <= "\udfff" for c in cell["source"])
        ]
        if halves:
            problems = [f"cell {number} has half of a surrogate pair" for number in halves]
            message = "the notebook contains text that is not valid Unicode, and no kernel runs it"
            raise ConfigError(message, problems=problems, hint="write the character again")

    @property
    def digest(self) -> str:
        """Return what names the runbook: its cells, their ids and tags; never what they wrote."""
        self.refuse_surrogates()
        mine = (cell for cell in self.cells if INJECTED not in tags(cell))
        return digest([[c["cell_type"], c["id"], c["source"], list(tags(c))] for c in mine])

    def clear(self) -> None:
        """Forget what an earlier run left."""
        self.body["metadata"].pop("templedb", None)
        self.body["metadata"].pop("widgets", None)
        self.body["cells"] = [cell for cell in self.cells if INJECTED not in tags(cell)]
        for _, cell in self.code():
            cell["outputs"], cell["execution_count"] = [], None
            cell["metadata"].pop("execution", None)

    def inject(self, source: str) -> None:
        """Put a cell after the one tagged ``parameters``, as papermill does."""
        at = next(n for n, cell in self.code() if PARAMETERS in tags(cell))
        metadata = {"tags": [INJECTED]}
        cell = {"cell_type": "code", "id": "injected-parameters", "metadata": metadata}
        self.cells.insert(at, {**cell, "source": source, "outputs": [], "execution_count": None})


def tags(cell: dict[str, Any]) -> tuple[str, ...]:
    """Return the tags of a cell."""
    found = cell["metadata"].get("tags", [])
    return tuple(map(str, found)) if isinstance(found, list) else ()


def misplaced(source: str) -> bool:
    """Return whether a ``%%templedb`` begins a statement of a cell below other lines."""
    lines = [line for line in source.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.lstrip().startswith("%%"):
            meant = re.match(r"%%templedb\b", line.lstrip()) is not None
            return number > 0 and meant and _whole(lines[:number])
    return False


def _whole(lines: list[str]) -> bool:
    """Return whether lines end where a statement does, and not in the middle of a text."""
    plain = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in lines]
    try:
        ast.parse("\n".join(plain))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def title(source: str) -> str:
    """Return the line by which people know a cell: its first that says something."""
    lines = [line.strip() for line in source.splitlines()]
    said = [line for line in lines if line and not line.startswith("#")]
    first = (said or [line for line in lines if line] or [""])[0]
    return first if len(first) <= TITLE else first[: TITLE - 1] + "…"


def write(path: Path, body: dict[str, Any]) -> None:
    """Put *body* at *path* in one instant: whoever reads finds the old or the new, whole."""
    text = json.dumps(_lined(body), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
                file.write(text)
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise FilesError(f"cannot write {path}: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _settle(cell: Any, number: int, taken: set[str]) -> None:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        raise ConfigError(f"cell {number + 1} of the notebook is not a cell")
    source = cell.get("source", "")
    cell["source"] = "".join(map(str, source)) if isinstance(source, list) else str(source)
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    known = str(cell.get("id") or "")
    if not known or known in taken:
        known = hashlib.sha256(
            f"{number} {cell['source']}".encode(errors="surrogatepass")
        ).hexdigest()[:8]
    cell["id"] = known
    taken.add(known)


def _lined(body: dict[str, Any]) -> dict[str, Any]:
    """Return *body* with long texts as lists of lines, as Jupyter writes them."""
    return {**body, "cells": [_lined_cell(cell) for cell in body["cells"]]}


def _lined_cell(cell: dict[str, Any]) -> dict[str, Any]:
    made = {**cell, "source": cell["source"].splitlines(keepends=True)}
    if "outputs" in cell:
        made["outputs"] = [_lined_output(each) for each in cell["outputs"]]
    return made


def _lined_output(output: dict[str, Any]) -> dict[str, Any]:
    if isinstance(output.get("text"), str):
        return {**output, "text": output["text"].splitlines(keepends=True)}
    if isinstance(output.get("data"), dict):
        data = {
            kind: told.splitlines(keepends=True)
            if isinstance(told, str) and (kind.startswith("text/") or kind.endswith("svg+xml"))
            else told
            for kind, told in output["data"].items()
        }
        return {**output, "data": data}
    return output
