"""Liquibase's formatted SQL: several changesets in one file, each a migration of its own.

``--liquibase formatted sql`` on top, ``--changeset AUTHOR:ID ATTRIBUTE:VALUE …`` before each, and
``--rollback`` lines or blocks in it. A changeset's key is what Liquibase knows it by: path, id,
author.
https://docs.liquibase.com/concepts/changelogs/sql-format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    last,
    left_out,
    only,
    twice,
)
from templedb_nb.core.sql.directives import Remark
from templedb_nb.core.sql.line_index import LineIndex
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

HEAD = re.compile(r"\A\s*--\s*liquibase\s+formatted\s+sql", re.IGNORECASE)
_NO_SQL = re.compile(r"\d.*\.(?:xml|ya?ml|json)", re.IGNORECASE)
_NOT_READ = "is no SQL, and only Liquibase can run it"
ROOT = re.compile(r".*changelog.*\.(?:xml|ya?ml|json)", re.IGNORECASE)
_SET = re.compile(
    r"^[ \t]*+--[ \t]*+changeset[ \t](?P<words>[^\r\n]*+)$", re.MULTILINE | re.IGNORECASE
)
_NAMED = re.compile(
    r"""(?:"(?P<qa>[^"]+)"|(?P<author>[^:"]++)):(?:"(?P<qi>[^"]+)"|(?P<id>[^\s"]++))(?P<rest>.*)"""
)
_ATTRIBUTE = re.compile(r"""(?<!\w)(?P<name>\w++):(?:"(?P<quoted>[^"]*)"|(?P<value>\S*))""")
_BACK = re.compile(
    r"^[ \t]*--[ \t]*rollback\b[ \t]?(?P<sql>[^\r\n]*)$", re.MULTILINE | re.IGNORECASE
)
_BLOCK = re.compile(r"/\*\s*+liquibase\s+rollback\b", re.IGNORECASE)
_CONDITION = re.compile(
    r"^[ \t]*--[ \t]*(?P<word>preconditions?|precondition-[\w-]+)\b", re.MULTILINE | re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"\$\{[\w.:-]+\}")
_NOTHING = frozenset({"", "not required", "empty"})
_ATTRIBUTES = [
    "stripComments",
    "splitStatements",
    "rollbackSplitStatements",
    "endDelimiter",
    "rollbackEndDelimiter",
    "runAlways",
    "runOnChange",
    "context",
    "contextFilter",
    "contexts",
    "labels",
    "runInTransaction",
    "failOnError",
    "dbms",
    "logicalFilePath",
    "objectQuotingStrategy",
    "created",
    "runOrder",
    "ignore",
    "runWith",
    "runWithSpoolFile",
]
_OURS = frozenset({"postgresql", "postgres"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeset:
    """One changeset of a text: who, its place from `start` to `end`, and its attributes.

    `mark` is where its line ``--changeset`` begins.
    """

    part: str
    mark: int
    start: int
    end: int
    line: int
    attributes: Mapping[str, str]

    def says(self, name: str) -> str:
        """Return an attribute, in small letters; nothing where it is not set."""
        return self.attributes.get(name.lower(), "").lower()


@lru_cache(maxsize=8)
def changesets(text: str) -> tuple[Changeset, ...]:
    """Return the changesets of a text, in their order; `part` is ``id::author``."""
    return tuple(_changesets(text))


@lru_cache(maxsize=8)
def _by_part(text: str) -> Mapping[str, Changeset]:
    """Return the changesets of a text by their parts; of two alike the first."""
    return {each.part: each for each in reversed(changesets(text))}


@lru_cache(maxsize=8)
def _lines(text: str) -> LineIndex:
    """Return where the lines of a text are, for all of its parts at once."""
    return LineIndex(text)


def _changesets(text: str) -> Iterator[Changeset]:
    lines = LineIndex(text)
    marks = [(m, _NAMED.fullmatch(m["words"].strip(" \t"))) for m in _SET.finditer(text)]
    for number, (mark, named) in enumerate(marks):
        if named is None:
            continue
        attributes = {
            a["name"].lower(): a["quoted"] if a["quoted"] is not None else a["value"]
            for a in _ATTRIBUTE.finditer(named["rest"])
        }
        author, own = named["qa"] or named["author"], named["qi"] or named["id"]
        yield Changeset(
            part=f"{own.strip()}::{author.strip()}",
            mark=mark.start(),
            start=mark.end(),
            end=marks[number + 1][0].start() if number + 1 < len(marks) else len(text),
            line=lines.line(mark.start()),
            attributes=attributes,
        )


def place(folder: MigrationFolder) -> Placements:
    """Return the changesets in their order, files as a changelog includes them, else by name."""
    placed: list[Placed] = []
    findings: list[Finding] = []
    others = [path for path in folder.beside(_NO_SQL) if not ROOT.fullmatch(last(path))]
    for path in _in_order(folder, others):
        if path in others:
            reading = Reading(layout=Layout.LIQUIBASE, opaque=_NOT_READ)
            placed.append(Placed(path=path, key=path, reading=reading, base=folder.base))
            continue
        text = folder.look.texts.get(path, "").replace("\r\n", "\n")
        if not HEAD.match(text.removeprefix("\ufeff")):
            message = "has no line '--liquibase formatted sql' on top: it is left out"
            findings.append(left_out(path, message))
            continue
        for each in changesets(text):
            if _other(each):
                where = f"{path}:{each.line}"
                findings.append(left_out(where, f"is for {each.says('dbms')}: it is left out"))
                continue
            reading = Reading(
                layout=Layout.LIQUIBASE,
                part=each.part,
                repeatable=each.says("runOnChange") == "true",
                opaque=_opaque(text, each),
                values=folder.values,
            )
            key = f"{each.attributes.get('logicalfilepath') or path}::{each.part}"
            placed.append(Placed(path=path, key=key, reading=reading, base=folder.base))
    return Placements(files=tuple(placed), findings=(*findings, *twice(placed)))


def _in_order(folder: MigrationFolder, others: Sequence[str]) -> list[str]:
    """Return the files as they stand in the text of a changelog beside or above them.

    *others* are changelogs that are no SQL, among the files by their names.
    """
    every = sorted([*folder.files, *others], key=last) if others else folder.files
    best: list[str] = []
    for path, text in sorted(folder.look.beside.items()):
        if ROOT.fullmatch(last(path)):
            found = [(text.find(last(each)), each) for each in every]
            named = [each for at, each in sorted(found) if at >= 0]
            best = max(best, named, key=len)
    listed = frozenset(best)
    return [*best, *(each for each in every if each not in listed)]


def _other(each: Changeset) -> bool:
    """Return whether a changeset is for databases that are none of ours."""
    names = [name.strip() for name in each.says("dbms").split(",") if name.strip()]
    if not names or "all" in names:
        return False
    if any(name in _OURS for name in names):
        return False
    return not all(name.startswith("!") for name in names) or any(
        name[1:] in _OURS for name in names
    )


def _opaque(text: str, each: Changeset) -> str:
    body = text[each.start : each.end]
    if condition := _CONDITION.search(body):
        return f"has {condition['word']}, which only Liquibase can check"
    if each.says("runAlways") == "true":
        return "runs always (runAlways:true), which is not supported"
    if each.says("ignore") == "true":
        return "is to be ignored (ignore:true)"
    return ""


def parts(text: str, reading: Reading) -> Parts:
    """Return one changeset of a text: its SQL, and what rolls it back."""
    own = _by_part(text).get(reading.part)
    if own is None:
        return Parts(up="", problems=(Remark(message=f"has no changeset {reading.part}"),))
    body = text[own.start : own.end]
    backs = sorted(_backs(body))
    said = "".join(body[start:end] for start, end in backs).strip().lower()
    back = only(body, backs) if backs and said not in _NOTHING else None
    return Parts(
        up=body.removeprefix("\n"),
        down=back.removeprefix("\n") if back is not None else None,
        line=own.line + 1,
        no_transaction=own.line if own.says("runInTransaction") == "false" else 0,
        words="runInTransaction:false",
        whole=body,
        own=text[own.mark : own.end],
        problems=tuple(_problems(text, own, dict(reading.values))),
    )


def _backs(body: str) -> Iterator[tuple[int, int]]:
    """Yield where the SQL stands that rolls a changeset back, in lines and in blocks."""
    yield from (found.span("sql") for found in _BACK.finditer(body))
    at = 0
    while found := _BLOCK.search(body, at):
        at = body.find("*/", found.end())
        if at < 0:
            return
        yield found.end(), at


def _problems(text: str, own: Changeset, values: Mapping[str, str]) -> Iterator[Remark]:
    for name in own.attributes:
        known = name in {each.lower() for each in _ATTRIBUTES}
        if not known and (meant := nearest(name, _ATTRIBUTES)):  # Liquibase ignores all others
            mend = "write it as Liquibase has it, or remove it"
            yield Remark(message=f"there is no attribute {name}{meant}", line=own.line, mend=mend)
    if own.says("failOnError") == "false":
        message = "failOnError:false ignores an error, which is not supported"
        yield Remark(
            message=message, line=own.line, mend="remove it, or write SQL that does not fail"
        )
    delimiter = own.says("endDelimiter")
    if delimiter not in {"", ";"} and own.says("splitStatements") != "false":
        message = f"its statements end with {delimiter!r}, which is not SQL"
        yield Remark(message=message, line=own.line, mend="end them with ;")
    lines = _lines(text)
    for found in _PLACEHOLDER.finditer(text, own.start, own.end):
        if found[0][2:-1] not in values:
            line = lines.line(found.start())
            mend = "write the value: Liquibase's own parameters are not read"
            yield Remark(message=f"{found[0]} has no value here", line=line, mend=mend)
