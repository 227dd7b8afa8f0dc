"""What a migration's own comments ask for: ``-- templedb:NAME …``, a line each.

A directive that is unknown, misspelt or out of place is a problem and never a mere comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

from templedb_nb.core.sql.lexer import tokens
from templedb_nb.core.sql.tokens import Meta, Split, Statement, TokenKind
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.compatibility import Compat
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.lint import PLAN_RULES, RULE_NAMES

_DIRECTIVE = re.compile(r"--\s*+templedb:\s*+(\S*+)[ \t]*+(.*)")
_DURATION = re.compile(r"(\d+)\s*(ms|s|min|m|h)?")
_MS = {"ms": 1, "s": 1000, "min": 60_000, "m": 60_000, "h": 3_600_000}
MAX_MS = 2_147_483_647
"""PostgreSQL keeps its timeouts in 32 bits of milliseconds."""
WHOLE = -1
_STATED = (Compat.EXPAND.value, Compat.CONTRACT.value, Compat.DATA.value)
"""What a file may state; that nobody knows is no statement."""
NAMES_NO_RULE, NOLINT = "templedb:nolint names no rule", "-- templedb:nolint drop-table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something about one line of a script; `native_only` if psql itself would take it.

    `rule` is what a warning is called by who silences it.
    """

    message: str
    line: int = 0
    mend: str = ""
    native_only: bool = False
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """How to tell what became of one statement: by a query, or by running it again."""

    line: int
    probe: str = ""

    @property
    def name(self) -> str:
        """Return the directive's name."""
        return "probe" if self.probe else "idempotent"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCompatibility:
    """What a file says itself of older code, and why, if it says that."""

    word: Compat
    line: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """Everything that a file asks for.

    `hints` are by the offset of the statement that they precede, and so are the rules of `nolint`;
    those of the whole file are at `WHOLE`. `meant` is the line of a nolint on top that names no
    rule: the file says that it is meant to leave nothing, or less than it says. `no_down` is the
    line that says that no comment begins a way back.
    """

    no_transaction: int = 0
    no_transaction_by: str = "templedb:no-transaction"
    lock_timeout_ms: int | None = None
    statement_timeout_ms: int | None = None
    requires: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    repeatable: bool = False
    hints: Mapping[int, Hint] = field(default_factory=dict)
    nolint: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    meant: int = 0
    no_down: int = 0
    compat: StatedCompatibility | None = None
    problems: tuple[Remark, ...] = ()


NONE = Directives()


def down_part(text: str, found: Split) -> int | None:
    """Return the offset of the line that begins the down part, if the file has one."""
    for each in _read(found):
        if each.name == "down":
            return text.rfind("\n", 0, each.start) + 1
    return None


def directives(text: str, found: Split) -> Directives:
    """Return what the comments of *text* ask for; *found* is that text, split."""
    if "templedb:" not in text:
        return NONE
    taken = _DirectiveReader()
    for each in _read(found):
        taken.take(each, alone=not text[text.rfind("\n", 0, each.start) + 1 : each.start].strip())
    return taken.result()


@dataclass(frozen=True, slots=True)
class _Comment:
    """One directive where it stands: before any statement (`top`), right before one (`before`)."""

    name: str
    words: str
    start: int
    line: int
    top: bool
    before: int | None


def _read(found: Split) -> Iterator[_Comment]:
    """Yield the directives in order; comments inside a statement stand before none."""
    at, line, top = 0, found.line, True
    for piece in found.pieces:
        first = piece.start if isinstance(piece, Statement) else at + len(piece.raw)
        scope = piece.raw
        if isinstance(piece, Statement):
            scope = piece.raw[: first - at + len(piece.text)]
        if isinstance(piece, Meta):
            scope = piece.raw[: piece.start - at]
        below, counted = line, 0
        for token in tokens(scope) if "templedb:" in scope else ():
            if token.kind is not TokenKind.COMMENT:
                continue
            if match := _DIRECTIVE.fullmatch(token.text.rstrip()):
                start = at + token.start
                inside = isinstance(piece, Statement) and start > first
                before = first if isinstance(piece, Statement) and not inside else None
                below += piece.raw.count("\n", counted, token.start)
                counted = token.start
                yield _Comment(match[1], match[2], start, below, top and not inside, before)
        top = top and not isinstance(piece, Statement)
        line += piece.raw.count("\n")
        at += len(piece.raw)


class _DirectiveReader:
    """Gathers directives, and every problem with them."""

    def __init__(self) -> None:
        self._found: dict[str, object] = {}
        self._hints: dict[int, Hint] = {}
        self._requires: list[str] = []
        self._verify: list[str] = []
        self._nolint: dict[int, tuple[str, ...]] = {}
        self._problems: list[Remark] = []

    def take(self, each: _Comment, *, alone: bool) -> None:
        """Take one directive, or say what is wrong with it."""
        if each.name not in _KNOWN:
            message = (
                f"there is no directive templedb:{each.name}{nearest(each.name, sorted(_KNOWN))}"
            )
            self._wrong(each, message, f"known: {', '.join(sorted(_KNOWN))}")
        elif not alone:
            self._wrong(
                each,
                f"templedb:{each.name} is not at the beginning of its line",
                "put it on its own line",
            )
        else:
            _KNOWN[each.name](self, each)

    def result(self) -> Directives:
        """Return what was gathered."""
        if self._found.get("repeatable") and self._found.get("no_transaction"):
            message = "templedb:repeatable and templedb:no-transaction contradict each other"
            line = int(str(self._found["no_transaction"]))
            self._problems.append(Remark(message=message, line=line, mend="split the file"))
        return Directives(
            requires=tuple(self._requires),
            verify=tuple(self._verify),
            hints=self._hints,
            nolint=self._nolint,
            problems=tuple(self._problems),
            **self._found,  # type: ignore[arg-type]  # each key is a field of its own type
        )

    def _wrong(self, each: _Comment, message: str, mend: str = "") -> None:
        self._problems.append(Remark(message=message, line=each.line, mend=mend))

    def _top(self, each: _Comment, field_name: str, value: object) -> None:
        if not each.top:
            self._wrong(
                each, f"templedb:{each.name} is out of place", "put it at the top of the file"
            )
        elif field_name in self._found:
            self._wrong(each, f"templedb:{each.name} appears twice", "remove one")
        else:
            self._found[field_name] = value

    def _flag(self, each: _Comment, field_name: str, value: object) -> None:
        if each.words:
            self._wrong(each, f"templedb:{each.name} takes no value, not {each.words!r}")
        else:
            self._top(each, field_name, value)

    def no_transaction(self, each: _Comment) -> None:
        self._flag(each, "no_transaction", each.line)

    def repeatable(self, each: _Comment) -> None:
        self._flag(each, "repeatable", value=True)

    def timeout(self, each: _Comment) -> None:
        ms = _milliseconds(each.words)
        if ms is None:
            message = f"templedb:{each.name} {each.words!r} is not a duration"
            self._wrong(each, message, "write 500ms, 10s, 5m or 1h; 0 means none")
        else:
            self._top(each, f"{each.name.replace('-', '_')}_ms", ms)

    def needed(self, each: _Comment) -> None:
        if not each.top:
            self._wrong(each, "templedb:requires is out of place", "put it at the top of the file")
        elif not each.words:
            self._wrong(each, "templedb:requires names no file")
        else:
            self._requires.append(each.words.strip())

    def verified(self, each: _Comment) -> None:
        if not each.top:
            self._wrong(each, "templedb:verify is out of place", "put it at the top of the file")
        elif sql := self._query(each):
            self._verify.append(sql)

    def probed(self, each: _Comment) -> None:
        if sql := self._query(each):
            self._hint(each, Hint(line=each.line, probe=sql))

    def idempotent(self, each: _Comment) -> None:
        if each.words:
            self._wrong(each, f"templedb:idempotent takes no value, not {each.words!r}")
        else:
            self._hint(each, Hint(line=each.line))

    def silenced(self, each: _Comment) -> None:
        rules = tuple(rule.strip() for rule in each.words.split(",") if rule.strip())
        known = (*RULE_NAMES, *PLAN_RULES)
        for unknown in [rule for rule in rules if rule not in known]:
            self._wrong(each, f"there is no rule {unknown}{nearest(unknown, known)}")
        place = WHOLE if each.top else each.before
        if not rules and each.top:
            self._found.setdefault("meant", each.line)
        elif not rules:
            self._wrong(each, NAMES_NO_RULE, NOLINT)
        elif place is None:
            self._wrong(each, "templedb:nolint is not before a statement")
        else:
            self._nolint[place] = (*self._nolint.get(place, ()), *rules)

    def compatible(self, each: _Comment) -> None:
        word, _, reason = each.words.strip().partition(" ")
        word = word.rstrip(":,;")
        mend = f"write -- templedb:compat {'|'.join(_STATED)}, then a reason"
        if not word:
            self._wrong(each, "templedb:compat names no kind", mend)
        elif word not in _STATED:
            message = f"templedb:compat does not know {word!r}{nearest(word, _STATED)}"
            self._wrong(each, message, mend)
        else:
            reason = reason.strip(" \t:-")
            stated = StatedCompatibility(word=Compat(word), line=each.line, reason=reason)
            self._top(each, "compat", stated)

    def no_down(self, each: _Comment) -> None:
        self._flag(each, "no_down", each.line)

    def down(self, each: _Comment) -> None:
        self._wrong(each, "templedb:down appears twice", "remove one")

    def _hint(self, each: _Comment, hint: Hint) -> None:
        if each.before is None:
            self._wrong(each, f"templedb:{each.name} is not before a statement")
        elif each.before in self._hints:
            self._wrong(
                each,
                "the statement below has more than one probe or idempotent directive",
                "keep one",
            )
        else:
            self._hints[each.before] = hint

    def _query(self, each: _Comment) -> str:
        sql = each.words.strip().removesuffix(";")
        if not re.match(r"(?:select|with|values|table)\b", sql, re.IGNORECASE):
            mend = f"-- templedb:{each.name} SELECT … , one value that is true or false"
            self._wrong(each, f"templedb:{each.name} requires a query", mend)
            return ""
        return sql


_KNOWN: dict[str, Callable[[_DirectiveReader, _Comment], None]] = {
    "no-transaction": _DirectiveReader.no_transaction,
    "repeatable": _DirectiveReader.repeatable,
    "lock-timeout": _DirectiveReader.timeout,
    "statement-timeout": _DirectiveReader.timeout,
    "requires": _DirectiveReader.needed,
    "verify": _DirectiveReader.verified,
    "probe": _DirectiveReader.probed,
    "idempotent": _DirectiveReader.idempotent,
    "compat": _DirectiveReader.compatible,
    "nolint": _DirectiveReader.silenced,
    "no-down": _DirectiveReader.no_down,
    "down": _DirectiveReader.down,
}


def _milliseconds(words: str) -> int | None:
    found = _DURATION.fullmatch(words.strip())
    if found is None or (found[2] is None and found[1] != "0"):
        return None
    ms = int(found[1]) * _MS[found[2] or "ms"]
    return ms if ms <= MAX_MS else None


def unused(found: Directives, alone: Sequence[Statement]) -> Iterator[Remark]:
    """Yield a problem for each hint before a statement that does not stand alone."""
    heard = {each.start for each in alone}
    for start, hint in found.hints.items():
        if start not in heard:
            message = f"templedb:{hint.name} is before a statement that must run in a transaction"
            mend = (
                "put it before a statement outside of BEGIN and COMMIT that is not COPY FROM stdin"
            )
            yield Remark(message=message, line=hint.line, mend=mend)
