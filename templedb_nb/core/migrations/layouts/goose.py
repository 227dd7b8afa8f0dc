"""goose: ``00001_name.sql`` with ``-- +goose Up`` and ``-- +goose Down`` in it; Go files beside."""

from __future__ import annotations

import re

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    by_number,
    last,
    only,
    twice,
)
from templedb_nb.core.sql.directives import Remark
from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.line_index import LineIndex
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.layout import Layout, Reading

NAME = re.compile(r"(?P<version>\d++)_.*\.sql")
CODE = re.compile(r"(?P<version>\d+)_.*(?<!_test)\.go")
MARK = re.compile(r"^(?P<before>[ \t]*+)--[ \t]*+\+goose[ \t]++(?P<words>[^\r\n]*+)$", re.MULTILINE)
_WORDS = (
    "Up",
    "Down",
    "StatementBegin",
    "StatementEnd",
    "NO TRANSACTION",
    "ENVSUB ON",
    "ENVSUB OFF",
)
_KNOWN = {each.upper(): each for each in _WORDS}
_VARIABLE = re.compile(r"\$\{\w[^}\n]{0,200}\}|\$[A-Za-z_]\w*")


def place(folder: MigrationFolder) -> Placements:
    """Return the files by number; a key is that number. What is written in Go is opaque."""
    found = by_number(Layout.GOOSE, folder, NAME)
    opaque = Reading(layout=Layout.GOOSE, opaque="is written in Go, which only goose can run")
    placed = [*found.files]
    for path in folder.beside(CODE):
        match = CODE.fullmatch(last(path))
        assert match is not None  # noqa: S101 - it was chosen by that
        placed.append(Placed(path=path, key=match["version"], reading=opaque, base=folder.base))
    plain = [
        Placed(path=p.path, key=str(int(p.key)), reading=p.reading, down=p.down, base=p.base)
        for p in sorted(placed, key=lambda each: (int(each.key), each.path))
    ]
    mine = [each for each in found.findings if "has the key" not in each.message]
    return Placements(files=tuple(plain), findings=(*mine, *twice(plain)))


def parts(text: str) -> Parts:
    """Return what stands below each mark."""
    reader = _Reader(text)
    for mark in MARK.finditer(text):
        reader.take(mark)
    return reader.result()


class _Reader:
    """Takes one mark after another."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = LineIndex(text)
        self._spans: dict[str, list[tuple[int, int]]] = {"UP": [], "DOWN": []}
        self._way, self._at, self._first = "", 0, len(text)
        self._forbidden = self._begun = self._substituted = 0
        self._problems: list[Remark] = []

    def take(self, mark: re.Match[str]) -> None:
        line = self._lines.line(mark.start())
        word = " ".join(mark["words"].upper().split())
        self._problems += _about(mark, word, line)
        match word:
            case "UP" | "DOWN":
                self._close(mark.start())
                self._way, self._at = word, mark.end()
                self._first = min(self._first, mark.start())
            case "NO TRANSACTION":
                self._forbidden = line
            case "STATEMENTBEGIN" | "STATEMENTEND":
                self._begun = line if word == "STATEMENTBEGIN" else 0
            case "ENVSUB ON":
                self._substituted = mark.end()
            case _:
                self._plain_again(mark.start())

    def _close(self, end: int) -> None:
        if self._way:
            self._spans[self._way].append((self._at, end))
        if self._begun:
            message = "this StatementBegin has no StatementEnd"
            self._problems.append(Remark(message=message, line=self._begun))
        self._begun = 0

    def _plain_again(self, end: int) -> None:
        if self._substituted:
            self._problems += self._variables(self._substituted, end)
        self._substituted = 0

    def _variables(self, start: int, end: int) -> list[Remark]:
        """Complain of each variable in a part where goose would put in its environment."""
        mend = "write the value, or run this file with goose and mark it as applied"
        return [
            Remark(
                message=f"goose would put the value of {each[0]} here",
                line=self._lines.line(each.start()),
                mend=mend,
            )
            for each in _VARIABLE.finditer(self._text, start, end)
        ]

    def result(self) -> Parts:
        """Return the parts, with every problem."""
        text = self._text
        self._close(len(text))
        self._plain_again(len(text))
        ups, downs = self._spans["UP"], self._spans["DOWN"]
        if not ups:
            message = "has no line '-- +goose Up', which goose requires"
            self._problems.append(Remark(message=message))
        elif stray := split(text[: self._first]).statements:
            message = "is before '-- +goose Up', where goose runs nothing"
            mend = "move it below that line"
            self._problems.append(Remark(message=message, line=stray[0].line, mend=mend))
        return Parts(
            up=only(text, ups),
            down=only(text, downs) if downs else None,
            no_transaction=self._forbidden,
            words="-- +goose NO TRANSACTION",
            problems=tuple(self._problems),
        )


def _about(mark: re.Match[str], word: str, line: int) -> list[Remark]:
    words = mark["words"].rstrip(" \t")
    if word not in _KNOWN:
        known = nearest(words, list(_KNOWN.values()))
        return [Remark(message=f"there is no mark +goose {words}{known}", line=line)]
    if mark["before"]:
        message = f"+goose {words} is indented, so goose ignores it"
        return [Remark(message=message, line=line, mend="move it to the beginning of the line")]
    return []
