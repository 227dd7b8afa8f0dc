"""A migration's file as it will run: its text, its checksums, its statements, what forbids it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from templedb_nb.core import classify
from templedb_nb.core.classify import Begins, Commits, Controls, CopiesOut, Outside
from templedb_nb.core.lexer import Meta, Split, Statement, TokenKind, split, tokens
from templedb_nb.model.config import Executor
from templedb_nb.model.ledger import Checksums
from templedb_nb.model.plain import Digest

_BOM = b"\xef\xbb\xbf"
_LATER = "this version runs every migration in one transaction"
_IGNORED_METAS = re.compile(r"\\(?:set\s+ON_ERROR_STOP\b.*|restrict\b.*|unrestrict\b.*)")
_SWITCHES = re.compile(r"\\(?:c|connect)\b")
_DIRECTIVE = re.compile(r"--\s*templedb:(\S*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something about one line of a script; `native_only` if psql itself would take it."""

    message: str
    line: int = 0
    mend: str = ""
    native_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A migration that was read.

    `text` is UTF-8 without its BOM, line ends as LF. `statements` are what runs: where the whole
    file stands in one ``BEGIN … COMMIT``, that pair is dropped, and our transaction stands in.
    """

    text: str
    checksums: Checksums
    statements: tuple[Statement, ...]
    problems: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    note: str = ""

    @property
    def lines(self) -> int:
        """Return how many lines the text has."""
        return len(self.text.splitlines())

    def problems_for(self, executor: Executor) -> tuple[Remark, ...]:
        """Return what forbids the script, when *executor* sends it."""
        by_psql = executor is Executor.PSQL
        return tuple(each for each in self.problems if not (by_psql and each.native_only))


def read_script(raw: bytes) -> Script:
    """Return the migration that a file's bytes are; whatever they are, its problems say so."""
    try:
        text = raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        return _unreadable(raw, f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return _unreadable(raw, "a NUL byte: the server would drop what follows it", line)
    return _read(text)


def _read(text: str) -> Script:
    found = split(text)
    statements, note = _without_pair(found)
    return Script(
        text=text,
        checksums=Checksums(
            text=_sha256(text), tokens=_sha256(classify.canonical_tokens(found.pieces))
        ),
        statements=statements,
        problems=tuple(_problems(text, found, statements)),
        warnings=tuple(_warnings(statements)),
        note=note,
    )


def _unreadable(raw: bytes, message: str, line: int = 0) -> Script:
    address = Digest(hashlib.sha256(raw).hexdigest())
    sums = Checksums(text=address, tokens=address)
    remark = Remark(message=message, line=line, mend="save the file as UTF-8")
    return Script(text="", checksums=sums, statements=(), problems=(remark,))


def _sha256(text: str) -> Digest:
    return Digest(hashlib.sha256(text.encode()).hexdigest())


def _without_pair(found: Split) -> tuple[tuple[Statement, ...], str]:
    """Drop a BEGIN … COMMIT that stands around everything else."""
    statements = found.statements
    if len(statements) < 2:  # noqa: PLR2004 - a pair
        return statements, ""
    needs = [classify.need(each) for each in statements]
    inner = needs[1:-1]
    around = needs[0] == Begins() and needs[-1] == Commits()
    if around and not any(isinstance(each, Begins | Commits | Controls) for each in inner):
        return statements[1:-1], "its own BEGIN and COMMIT are dropped: our transaction stands in"
    return statements, ""


def _problems(text: str, found: Split, statements: Sequence[Statement]) -> Iterator[Remark]:
    for each in found.problems:
        yield Remark(message=each.message, line=each.line)
    for meta in found.metas:
        yield from _about_meta(meta)
    for statement in statements:
        yield from _about(statement)
    yield from _directives(text)


def _about_meta(meta: Meta) -> Iterator[Remark]:
    if _SWITCHES.match(meta.text):
        yield Remark(message=f"{meta.text} leaves the target's database", line=meta.line)
    elif not _IGNORED_METAS.fullmatch(meta.text):
        message = f"{meta.text.split()[0]} is a command of psql"
        mend = "set executor: psql for its group"
        yield Remark(message=message, line=meta.line, mend=mend, native_only=True)


def _about(statement: Statement) -> Iterator[Remark]:
    match classify.need(statement):
        case Begins(modes=modes):
            what = f"BEGIN {modes}".strip()
            yield _outside(statement, f"{what} begins a transaction of its own")
        case Commits():
            yield _outside(statement, "COMMIT ends the transaction before the file does")
        case Controls(what=what):
            yield _outside(statement, f"{what} controls the transaction")
        case Outside(what=what):
            yield _outside(statement, f"{what} cannot run in a transaction")
        case CopiesOut():
            message = "COPY … TO stdout gives rows to nobody"
            yield Remark(message=message, line=statement.line, native_only=True)
        case _:
            pass


def _outside(statement: Statement, message: str) -> Remark:
    mend = "move it out of the migrations until a later version takes it"
    return Remark(message=f"{message}, and {_LATER}", line=statement.line, mend=mend)


def _directives(text: str) -> Iterator[Remark]:
    """Refuse directives: one that is passed over in silence would be worse than none."""
    if "templedb:" not in text:
        return
    for token in tokens(text):
        found = _DIRECTIVE.match(token.text) if token.kind is TokenKind.COMMENT else None
        if found:
            line = text.count("\n", 0, token.start) + 1
            message = f"the directive templedb:{found[1]} is not known to this version"
            yield Remark(message=message, line=line, mend="take it out, or upgrade templedb-nb")


def _warnings(statements: Sequence[Statement]) -> Iterator[Remark]:
    """Warn of an enum value that is used in the transaction that adds it (SQLSTATE 55P04)."""
    created = {classify.type_name(s) for s in statements if s.tokens[0].upper == "CREATE"} - {""}
    added: dict[str, Statement] = {}
    for statement in statements:
        labels = classify.added_labels(statement)
        if not labels:
            used = {t.text for t in statement.tokens if t.kind is TokenKind.STRING}
            for label in sorted(used & added.keys()):
                message = f"the new enum value {label} looks used in the file that adds it"
                mend = "PostgreSQL refuses that in one transaction: use it in a later migration"
                yield Remark(message=message, line=statement.line, mend=mend)
        elif classify.type_name(statement) not in created:
            added |= dict.fromkeys(labels, statement)
