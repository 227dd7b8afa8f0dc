"""Atlas: ``20260101120000_name.sql`` in the order of names, and ``atlas.sum``, which proves them.

Source of the format: ``sql/migrate/dir.go`` of ariga/atlas, checked against folders in the wild.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    complaint,
    joined,
    last,
    left_out,
    twice,
)
from templedb_nb.core.sql.directives import Remark
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

SUM = "atlas.sum"
NAME = re.compile(r"(?P<version>[^_]+?)(?:_(?P<title>.*))?\.sql")
_DIRECTIVE = re.compile(r"^--[ \t]*+atlas:(?P<name>\w++)(?:[ \t]++(?P<value>.*+))?[ \t]*+$")


def place(folder: MigrationFolder) -> Placements:
    """Return the files by name; a key is what stands before the first ``_``.

    A checkpoint is left out: it stands for files that are here.
    """
    reading = Reading(layout=Layout.ATLAS)
    placed, findings = [], list(_sums(folder))
    for path in sorted(folder.files, key=last):
        found = NAME.fullmatch(last(path))
        if "checkpoint" in _header(folder.look.texts.get(path, "")):
            findings.append(left_out(path, "is a checkpoint, which replaces the files before it"))
        elif found is not None:
            placed.append(
                Placed(path=path, key=found["version"], reading=reading, base=folder.base)
            )
    findings += twice(placed)
    return Placements(files=tuple(placed), findings=tuple(findings))


def parts(text: str) -> Parts:
    """Return the text; ``-- atlas:txmode none`` above it forbids a transaction."""
    problems: list[Remark] = []
    told = _header(text)
    for name, (line, value) in told.items():
        if name == "delimiter" and value.strip() and not value.startswith(("--", "\\n")):
            message = f"its statements end at {value!r}, and not as SQL's do"
            problems.append(Remark(message=message, line=line, mend="end them with ;"))
        if name == "txmode" and value not in {"none", "file", "all"}:
            problems.append(Remark(message=f"there is no txmode {value!r}", line=line))
    line, value = told.get("txmode", (0, ""))
    return Parts(
        up=text,
        no_transaction=line if value == "none" else 0,
        words="-- atlas:txmode none",
        problems=tuple(problems),
    )


def _header(text: str) -> dict[str, tuple[int, str]]:
    """Return the directives above the first line that is none, with their lines."""
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        told = _DIRECTIVE.match(line)
        if told:
            found.setdefault(told["name"], (number, (told["value"] or "").rstrip(" \t")))
        elif line.strip() and not line.startswith("--"):
            break
    return found


def _sums(folder: MigrationFolder) -> Iterator[Finding]:
    """Compare the files with ``atlas.sum``, whose every line covers all files up to its own."""
    path = joined(folder.base, SUM)
    if path not in folder.look.beside:
        return
    said = _read(folder.look.beside[path])
    made = hashes({last(p): folder.look.texts[p] for p in folder.files if p in folder.look.texts})
    mend = f"check what changed; if it is right: atlas migrate hash --dir file://{folder.base}"
    for name in sorted(said.keys() | made.keys()):
        if said.get(name) == made.get(name):
            continue
        file = joined(folder.base, name)
        if name not in made:
            yield complaint(file, f"is listed in {SUM}, but is missing here", mend)
        elif name not in said:
            yield complaint(file, f"is not listed in {SUM}", mend)
        else:
            yield complaint(file, f"does not match {SUM}, or a file before it does not", mend)
        return


def hashes(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the hash of each file by its name: of names and texts of all files up to it."""
    total, found = hashlib.sha256(), {}
    for name, text in sorted(texts.items()):
        total.update(name.encode())
        if _header(text).get("sum", (0, ""))[1] == "ignore":
            continue
        total.update(text.encode("utf-8", "surrogateescape"))
        found[name] = base64.b64encode(total.digest()).decode()
    return found


def _read(text: str) -> dict[str, str]:
    pairs = (line.rsplit(" h1:", 1) for line in text.splitlines() if " h1:" in line)
    return {name: value.strip() for name, value in pairs}
