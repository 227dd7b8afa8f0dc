"""graphile-migrate: ``committed/000001-name.sql``, each with the hash of itself and the one before.

Source of the format: ``FORMATS.md`` and ``src/migration.ts``, ``src/hash.ts`` of graphile/migrate.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    complaint,
    last,
    left_out,
    parent,
    twice,
)
from templedb_nb.core.sql.directives import Remark
from templedb_nb.core.sql.lexer import tokens
from templedb_nb.core.sql.line_index import LineIndex, Spans
from templedb_nb.core.sql.tokens import TokenKind
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

COMMITTED = "committed"
NAME = re.compile(r"(?P<version>\d{6,})(?:-.*)?\.sql")
_HEADER = re.compile(r"--! ([A-Z][a-zA-Z0-9_]*)(?::(.*))?")
_ALONE = re.compile(r"--!\s*no-transaction\b")
_PLACEHOLDER = re.compile(r"(?<![:\w]):[A-Z][0-9A-Z_]+\b")


def committed_of(folder: MigrationFolder) -> str | None:
    """Return the folder of what was committed, if *folder* is that, or lies beside or above it."""
    places = (folder.base, f"{folder.base}/{COMMITTED}", f"{parent(folder.base)}/{COMMITTED}")
    for each in places:
        own = each.removeprefix("./")
        if last(own) == COMMITTED and any(NAME.fullmatch(last(path)) for path in folder.lies(own)):
            return own
    return None


def place(folder: MigrationFolder) -> Placements:
    """Return what was committed by number, which is the key; ``current.sql`` is left out."""
    reading = Reading(layout=Layout.GRAPHILE, values=folder.values)
    placed, findings = [], []
    for path in folder.files:
        found = NAME.fullmatch(last(path))
        if found is None or last(folder.base) != COMMITTED:
            message = "was not committed by graphile-migrate: it is left out"
            findings.append(left_out(path, message, "graphile-migrate commit"))
            continue
        key = str(int(found["version"]))
        placed.append(Placed(path=path, key=key, reading=reading, base=folder.base))
    placed.sort(key=lambda each: int(each.key))
    findings += [*_chain(folder, placed), *twice(placed)]
    return Placements(files=tuple(placed), findings=tuple(findings))


def headers(text: str) -> tuple[dict[str, str], str]:
    """Return the headers of a file, and its body as it was hashed."""
    found: dict[str, str] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines):
        told = _HEADER.fullmatch(line)
        if told is None:
            return found, "\n".join(lines[number:]).strip() + "\n"
        found[told[1]] = (told[2] or "").strip()
    return found, "\n"


def hashed(body: str, before: str) -> str:
    """Return the hash of a body behind the one before it, or behind none."""
    whole = f"{before}\n{body.strip()}".strip() + "\n"
    return f"sha1:{hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest()}"


def _chain(folder: MigrationFolder, placed: list[Placed]) -> Iterator[Finding]:
    before = ""
    for each in placed:
        text = folder.look.texts.get(each.path)
        if text is None:
            return
        told, body = headers(text)
        own, previous = told.get("Hash", ""), told.get("Previous", "").removeprefix("-")
        if "AllowInvalidHash" not in told:
            if previous != before:
                message = "does not follow the one before it: its header names another hash"
                yield complaint(each.path, message, "put the files of both branches in order")
                return
            if own != hashed(body, previous):
                message = "does not match the hash in its header: it was edited after its commit"
                yield complaint(each.path, message, "undo the edit, or --! AllowInvalidHash")
                return
        before = own


def parts(text: str, reading: Reading) -> Parts:
    """Return the text with the values of its placeholders; one without a value is a problem."""
    _, body = headers(text)
    alone = _ALONE.match(body) is not None
    line = text.count("\n", 0, text.index("--! no-transaction")) + 1 if alone else 0
    values = {name if name.startswith(":") else f":{name}": v for name, v in reading.values}
    lines = LineIndex(text)
    problems = [
        Remark(
            message=f"the placeholder {found[0]} has no value",
            line=lines.line(found.start()),
            mend=f'set it in its group: placeholders: {{"{found[0][1:]}": …}}',
        )
        for found in _wanted(text)
        if found[0] not in values
    ]
    whole = _PLACEHOLDER.sub(lambda found: values.get(found[0], found[0]), text)
    return Parts(
        up=whole,
        text=whole if whole != text else "",
        no_transaction=line,
        words="--! no-transaction",
        problems=tuple(problems),
    )


def _wanted(text: str) -> list[re.Match[str]]:
    """Return the placeholders outside of comments and texts, where SQL has no such thing."""
    found = list(_PLACEHOLDER.finditer(text))
    if not found:
        return []
    quiet = {TokenKind.COMMENT, TokenKind.STRING}
    spans = Spans((t.start, t.start + len(t.text)) for t in tokens(text) if t.kind in quiet)
    return [each for each in found if each.start() not in spans]
