"""A migration's file as it will run: its text, its checksums, its statements, what forbids it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache

from templedb_nb.core.migrations.layouts.placing import Parts
from templedb_nb.core.migrations.layouts.readers import parts
from templedb_nb.core.migrations.net_effect import NetEffect, left
from templedb_nb.core.sql import classify
from templedb_nb.core.sql.directives import (
    NAMES_NO_RULE,
    NOLINT,
    NONE,
    WHOLE,
    Directives,
    Remark,
    directives,
    down_part,
)
from templedb_nb.core.sql.execution_units import Unit, course
from templedb_nb.core.sql.lexer import position, split
from templedb_nb.core.sql.line_index import LineIndex, Spans
from templedb_nb.core.sql.tokens import Meta, Split, Statement, TokenKind
from templedb_nb.core.sql.transaction_settings import opening, openings
from templedb_nb.model.config import Executor
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.layout import Reading
from templedb_nb.model.ledger import Checksums
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Mode

_BOM = b"\xef\xbb\xbf"
_IGNORED_METAS = re.compile(r"\\(?:set\s+ON_ERROR_STOP\b.*|restrict\b.*|unrestrict\b.*)")
_SILENT_METAS = re.compile(
    r"\\(?:set|unset|restrict|unrestrict|echo|qecho|warn|timing|pset|encoding|conninfo|x|t|a)\b.*"
)
"""Commands of psql that leave nothing in a database."""
_SECTION = re.compile(
    r"^[ \t]*+(?:--|#)[-=*!@+/ \t]*+(?:migrate[ :]++)?"
    r"(?:downs?|undo|rollback|revert)(?:[ \t]++migration)?[-=*!:. \t]*+$",
    re.MULTILINE | re.IGNORECASE,
)
"""A comment that is nothing but a word for the way back, as several tools divide their files."""
_INCLUDES = re.compile(r"^[ \t]*+\\(?:ir|include_relative)\b", re.MULTILINE)
_VARIABLE = re.compile(r"""(?<!:):(?:'\w++'|"\w++"|\w++)""")
_ENUM = "enum-value-used"
_NO_COMMANDS = "remove its psql commands, or move them to a file of their own"
_QUITS = re.compile(r"\\q(?:uit)?\b")
_SWITCHES = re.compile(r"\\(?:c|connect)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A migration that was read.

    `text` is UTF-8 without its BOM, line ends as LF; `up` is that without its down part.
    `statements` are what runs: where the whole file stands in one ``BEGIN … COMMIT``, that pair is
    dropped, and our transaction stands in. A script of mode STATEMENTS runs by its `units`; of one
    in a transaction, the statements at `leading` go into its BEGIN. `left` says why it leaves
    nothing, or less than it says. `down` is what rolls it back, if the file says so. Of a file with
    several migrations, `up` and `down` are of one alone, and begin at `line`; the lines of their
    statements are those of the file. `commands` are those of psql that may leave something.
    """

    text: str
    up: str
    checksums: Checksums
    statements: tuple[Statement, ...]
    mode: Mode = Mode.TRANSACTION
    units: tuple[Unit, ...] = ()
    leading: tuple[int, ...] = ()
    asked: Directives = NONE
    down: Script | None = None
    left: NetEffect | None = None
    problems: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    note: str = ""
    line: int = 1
    commands: tuple[Meta, ...] = ()

    @property
    def lines(self) -> int:
        """Return how many lines the migration has."""
        return len((self.text if self.line == 1 else self.up).splitlines())

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and the column in the file of an offset of `up`."""
        line, column = position(self.up, offset)
        return self.line - 1 + line, column

    @property
    def meant(self) -> bool:
        """Return whether the file says that it is meant to leave what it leaves."""
        rule = self.left.rule if self.left else ""
        return bool(self.asked.meant) or rule in self.asked.nolint.get(WHOLE, ())

    @property
    def once(self) -> tuple[Statement, ...]:
        """Return what leads its transaction, where the server does not hear it a second time."""
        found = tuple(self.statements[index] for index in self.leading)
        asks = [opening(each) for each in found]
        repeated = len(found) == 1 and not any(each and each.once for each in asks)
        return () if repeated else found

    @property
    def steps(self) -> int:
        """Return how many steps the ledger counts: units, or else statements."""
        return len(self.units) if self.mode is Mode.STATEMENTS else len(self.statements)

    @property
    def for_psql(self) -> Remark | None:
        """Return the first reason why only psql can run the script, if there is one."""
        return next((each for each in self.problems if each.native_only), None)

    def sender(self, executor: Executor) -> Executor:
        """Return who sends the script in a group of that executor: psql only if nobody else can."""
        if executor is not Executor.AUTO:
            return executor
        return Executor.PSQL if self.for_psql else Executor.NATIVE

    def problems_for(self, executor: Executor) -> tuple[Remark, ...]:
        """Return what forbids the script, when *executor* sends it."""
        if self.sender(executor) is Executor.NATIVE:
            return self.problems
        found = [each for each in self.problems if not each.native_only]
        if self.once and _INCLUDES.search(self.up):
            message = "psql takes this SET TRANSACTION in front of the file alone, apart from \\ir"
            line = self.statements[self.leading[0]].line
            found.append(Remark(message=message, line=line, mend="write \\i in place of \\ir"))
        for each in (self.statements[index] for index in self.leading):
            if variable := _VARIABLE.search(each.text):
                message = (
                    f"psql takes this SET TRANSACTION in front of the file, without {variable[0]}"
                )
                mend = "write the mode itself in place of the variable"
                found.append(Remark(message=message, line=each.line, mend=mend))
        if self.up != self.text:
            message = "executor psql runs a whole file, but only a part of this one is the up part"
            mend = "remove executor: psql" if executor is Executor.PSQL else _NO_COMMANDS
            found.append(Remark(message=message, mend=mend))
        if self.mode is Mode.STATEMENTS:
            message = f"{self.note}, but executor psql runs a file in one transaction"
            apart = "move the file to a group without executor: psql"
            mend = apart if executor is Executor.PSQL else _NO_COMMANDS
            found.append(Remark(message=message, mend=mend))
        return tuple(found)


def read_script(raw: bytes, reading: Reading | None = None, *, apart: bool = False) -> Script:
    """Return the migration that a file's bytes are; whatever they are, its problems say so.

    A *reading* of another layout than the plain one says what goes up and what goes down. *apart*,
    it runs step by step although one transaction could hold it.
    """
    try:
        text = (_shared if reading is not None and reading.part else _decoded)(raw)
    except UnicodeDecodeError as error:
        return _unreadable(raw, f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return _unreadable(raw, "a NUL byte: the server would drop what follows it", line)
    if reading is not None and reading.opaque:
        return _opaque(text, reading)
    own = parts(text, reading) if reading else Parts(up=text)
    script = _read(own.text or text, own, reading, apart=apart)
    if reading is None and not script.asked.no_down and (below := _way_back(script)):
        return replace(script, problems=(*script.problems, below))
    if own.text or own.whole:
        return replace(script, checksums=_sums(own.whole or text, script))
    return script


def _decoded(raw: bytes) -> str:
    return raw.removeprefix(_BOM).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


_CHUNK = 1 << 20


@lru_cache(maxsize=2)
def _shared(raw: bytes) -> str:
    """Return the text of a file with several migrations: they have one, and not a copy each."""
    return _decoded(raw)


def without_data(script: Script) -> str:
    """Return what goes up with each line of data below a COPY left empty: no SQL stands there."""
    kept, at = [], 0
    for each in script.statements:
        if each.data:
            begin = script.up.find("\n", each.start + len(each.text)) + 1
            kept += [script.up[at:begin], "\n" * each.data.count("\n")]
            at = begin + len(each.data)
    return "".join([*kept, script.up[at:]])


def _way_back(script: Script) -> Remark | None:
    """Return a problem where statements stand below a line that calls them the way back."""
    marks = list(_SECTION.finditer(script.up))
    if not marks:  # nearly always, and a line index of millions of rows is not free
        return None
    lines = LineIndex(script.up)
    inside = Spans((s.start + 1, s.start + len(s.text)) for s in script.statements)
    last = max((each.line for each in script.statements), default=0)
    for mark in marks:
        line = lines.line(mark.start())
        if mark.start() not in inside and last >= line:
            words = mark[0].strip()
            message = f"{words!r} says that the SQL below rolls back the SQL above"
            mend = (
                "write -- templedb:down there: the rest is then for migration down; or, if all of"
                " the file is to run, -- templedb:no-down on top"
            )
            return Remark(message=message, line=line, mend=mend)
    return None


def _sums(text: str, script: Script) -> Checksums:
    """Return checksums of what stands in the file, not of what its placeholders made of it.

    Of a file with several migrations it is of the one that is meant.
    """
    return Checksums(text=_sha256(text), tokens=script.checksums.tokens)


def _opaque(text: str, reading: Reading) -> Script:
    whole = parts(text, reading).whole if reading.part else text
    address = _sha256(whole)
    remark = Remark(message=reading.opaque)
    sums = Checksums(text=address, tokens=address)
    return Script(text=text, up=text, checksums=sums, statements=(), problems=(remark,))


def _read(
    text: str,
    own: Parts,
    reading: Reading | None = None,
    *,
    may_have_down: bool = True,
    apart: bool = False,
) -> Script:
    up, below = own.up, own.down
    if may_have_down and below is None and "templedb:" in up and up == text:
        up, below = _cut(text)
    lexed = split(up, own.line)
    back = Parts(up=below, line=own.line) if below is not None else None
    down = _read(back.up, back, may_have_down=False) if back else None
    asked = _asked(directives(up, lexed), own, reading)
    way = course(lexed.statements, asked, apart=apart)
    commands = tuple(each for each in lexed.metas if not _SILENT_METAS.fullmatch(each.text))
    few = None if commands else left(way.statements, way.mode, way.units)
    below_problems = down.problems if down else ()
    return Script(
        text=text,
        up=up,
        checksums=Checksums(
            text=_sha256(own.whole or text),
            tokens=_sha256_of(classify.canonical_tokens(lexed.pieces)),
        ),
        statements=way.statements,
        mode=way.mode,
        units=way.units,
        leading=openings(way.statements) if way.mode is Mode.TRANSACTION else (),
        asked=asked,
        down=down,
        left=few,
        problems=(
            *own.problems,
            *_problems(lexed, told=frozenset(each.line for each in own.problems)),
            *asked.problems,
            *_names_no_rule(asked, few),
            *_both_ways(asked, down),
            *way.problems,
            *below_problems,
        ),
        warnings=(
            *way.warnings,
            *(_warnings(way.statements) if way.mode is Mode.TRANSACTION else ()),
        ),
        note=way.note,
        line=own.line,
        commands=commands,
    )


def _names_no_rule(asked: Directives, few: NetEffect | None) -> Iterator[Remark]:
    """Complain of a nolint without a rule in a file of which it can mean nothing."""
    if asked.meant and few is None:
        yield Remark(message=NAMES_NO_RULE, line=asked.meant, mend=NOLINT)


def _both_ways(asked: Directives, down: Script | None) -> Iterator[Remark]:
    if asked.no_down and down is not None:
        message = "templedb:no-down and templedb:down contradict each other"
        yield Remark(message=message, line=asked.no_down, mend="remove one")


def _cut(text: str) -> tuple[str, str | None]:
    """Return a text in two at its line ``-- templedb:down``; the lines of the second stay."""
    cut = down_part(text, split(text))
    if cut is None:
        return text, None
    below = text.index("\n", cut) + 1 if "\n" in text[cut:] else len(text)
    return text[:cut], "\n" * text.count("\n", 0, below) + text[below:]


def _asked(asked: Directives, own: Parts, reading: Reading | None) -> Directives:
    """Return what a file asks for, with what its layout's marks and helpers say."""
    if own.no_transaction:
        asked = replace(asked, no_transaction=own.no_transaction, no_transaction_by=own.words)
    elif reading and reading.no_transaction:
        asked = replace(asked, no_transaction=-1, no_transaction_by=reading.no_transaction)
    return replace(asked, repeatable=True) if reading and reading.repeatable else asked


def _unreadable(raw: bytes, message: str, line: int = 0) -> Script:
    address = Digest(hashlib.sha256(raw).hexdigest())
    sums = Checksums(text=address, tokens=address)
    remark = Remark(message=message, line=line, mend="save the file as UTF-8")
    return Script(text="", up="", checksums=sums, statements=(), problems=(remark,))


def _sha256(text: str) -> Digest:
    return _sha256_of((text,))


def _sha256_of(texts: Iterable[str]) -> Digest:
    """Return the address of *texts*, joined; no second copy of a long one is made for it."""
    made = hashlib.sha256()
    for text in texts:
        for at in range(0, len(text), _CHUNK):
            made.update(text[at : at + _CHUNK].encode())
    return Digest(made.hexdigest())


def _problems(found: Split, told: AbstractSet[int]) -> Iterator[Remark]:
    """Yield what cannot run; of a line that was *told* of, a placeholder is not told again."""
    for each in found.problems:
        yield Remark(message=each.message, line=each.line)
    does = [each.line for each in found.metas if not _SILENT_METAS.fullmatch(each.text)]
    last = max((*(each.line for each in found.statements), *does), default=0)
    for meta in found.metas:
        yield from _about_meta(meta)
        if _QUITS.match(meta.text) and last > meta.line:
            message = f"{meta.text} ends the file here: what follows would count as applied"
            yield Remark(message=message, line=meta.line, mend="remove it, or what follows")
    for statement in found.statements:
        yield from (each for each in _about_braces(statement) if each.line not in told)


def _about_braces(statement: Statement) -> Iterator[Remark]:
    """Complain of a brace outside of texts: SQL has none, and templates have."""
    if "{" not in statement.text:
        return
    brace = next((t for t in statement.tokens if t.text == "{"), None)
    if brace is not None:
        offset = brace.start - statement.start
        line = statement.line + statement.text.count("\n", 0, offset)
        rest = statement.text[max(offset - 1, 0) :].split("\n")[0][:40].strip()
        message = f"a template placeholder is in the SQL: {rest}"
        yield Remark(message=message, line=line, mend="write its value, or render the file first")


def _about_meta(meta: Meta) -> Iterator[Remark]:
    if _SWITCHES.match(meta.text):
        yield Remark(message=f"{meta.text} leaves the target's database", line=meta.line)
    elif not _IGNORED_METAS.fullmatch(meta.text):
        message = f"{meta.text.split()[0]} is a psql command"
        mend = "set executor: auto for its group, and psql runs this file"
        yield Remark(message=message, line=meta.line, mend=mend, native_only=True)


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
                yield Remark(message=message, line=statement.line, mend=mend, rule=_ENUM)
        elif classify.type_name(statement) not in created:
            added |= dict.fromkeys(labels, statement)
