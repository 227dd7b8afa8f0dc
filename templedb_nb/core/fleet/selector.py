"""Selectors: ``region=eu and tier!=free``, read into a condition and asked of targets.

The grammar, the loosest first; words of it may be in any case::

    any   = all { "or" all }
    all   = one { "and" one }
    one   = "not" one | "(" any ")" | test
    test  = KEY
          | KEY ( "=" | "==" | "!=" ) VALUE
          | KEY [ "not" ] "in" "(" VALUE { "," VALUE } ")"

A VALUE is bare, or in quotes, where a doubled quote stands for one. Each test is true or false of
a target: `!=` and `not in` are the opposite of `=` and `in`, so they are true without the label.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from templedb_nb.core.values.schema import nearest
from templedb_nb.errors import UnknownName, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.selector import AllOf, AnyOf, Condition, HasLabel, LabelIn, NotThat
from templedb_nb.model.target import Target

DEEPEST = 50
"""So many conditions may be inside one another."""
_TOKEN = re.compile(
    r"\s*+(?:(?P<sign>==|!=|[=(),])"
    r"|(?P<quoted>'(?:[^']|'')*+'|\"(?:[^\"]|\"\")*+\")"
    r"|(?P<word>[^\s=!(),'\"*?<>|&;]++)"
    r"|(?P<end>\Z)|(?P<strange>.))",
    re.DOTALL,
)
_HINT = 'for example: --where "region=eu and not tier in (free, trial)"'
FACTS = ("name", "type", "provider", "host", "region", "url", "protected")
"""What may be asked of every target beside its labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A selector as it was written, and the condition that it is."""

    text: str
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    at: int

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.text.lower() == word


def selector(text: str) -> Selector:
    """Read *text*, or raise with the place of the mistake and what may stand there."""
    parser = _Parser(text)
    return Selector(text=text, condition=parser.whole())


class _Parser:
    """Reads one selector from left to right; nothing is read twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Condition:
        if self._token.kind == "end":
            raise self._wrong("it is empty")
        found = self._any()
        if self._token.kind != "end":
            raise self._wrong("expected `and`, `or` or the end")
        return found

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _any(self) -> Condition:
        found = [self._all()]
        while self._took("or"):
            found.append(self._all())
        return found[0] if len(found) == 1 else AnyOf(of=tuple(found))

    def _all(self) -> Condition:
        found = [self._one()]
        while self._took("and"):
            found.append(self._one())
        return found[0] if len(found) == 1 else AllOf(of=tuple(found))

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"it is nested more than {DEEPEST} levels deep")
        try:
            if self._took("not"):
                return NotThat(of=self._one())
            if self._took_sign("("):
                found = self._any()
                self._sign(")")
                return found
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Condition:
        key = self._key()
        if self._took_sign("=") or self._took_sign("=="):
            return LabelIn(key=key, values=(self._value(),))
        if self._took_sign("!="):
            return NotThat(of=LabelIn(key=key, values=(self._value(),)))
        if self._token.is_word("not") and self._tokens[self._next + 1].is_word("in"):
            self._next += 1
            return NotThat(of=self._in(key))
        return self._in(key) if self._token.is_word("in") else HasLabel(key=key)

    def _in(self, key: str) -> Condition:
        self._next += 1
        self._sign("(")
        values = [self._value()]
        while self._took_sign(","):
            values.append(self._value())
        self._sign(")")
        return LabelIn(key=key, values=tuple(values))

    def _key(self) -> str:
        token = self._token
        if token.kind != "word" or token.text.lower() in {"and", "or", "not", "in"}:
            raise self._wrong("expected the key of a label, `not` or `(`")
        self._next += 1
        return token.text

    def _value(self) -> str:
        token = self._token
        if token.kind not in {"word", "quoted"}:
            raise self._wrong("expected a value; put one with spaces or signs into quotes")
        self._next += 1
        if token.kind == "word":
            return token.text
        quote = token.text[0]
        return token.text[1:-1].replace(quote * 2, quote)

    def _took(self, word: str) -> bool:
        found = self._token.is_word(word)
        self._next += found
        return found

    def _took_sign(self, sign: str) -> bool:
        found = self._token.kind == "sign" and self._token.text == sign
        self._next += found
        return found

    def _sign(self, sign: str) -> None:
        if not self._took_sign(sign):
            raise self._wrong(f"expected `{sign}`")

    def _wrong(self, told: str) -> UsageProblem:
        token = self._token
        if token.kind == "strange" and token.text in "'\"":
            told = "a quote is not closed"
        elif token.kind == "strange" and token.text == "!":
            told = "write `!=`, or `not` before a condition"
        elif token.kind == "strange":
            told = f"{token.text} has no meaning here; put a value that contains it into quotes"
        return _refusal(self._text, token.at, told)


def _tokens(text: str) -> list[_Token]:
    found, at = list[_Token](), 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, at)
        assert match is not None  # noqa: S101 - its last branches match whatever is there
        kind = match.lastgroup or "end"
        found.append(_Token(kind=kind, text=match[kind], at=match.start(kind)))
        at = match.end()
    return found


_AROUND = 40


def _refusal(text: str, at: int, told: str) -> UsageProblem:
    """Return the error, with the part of the text around the mistake and a mark below it."""
    begin = max(at - _AROUND, 0)
    shown = text[begin : at + _AROUND]
    shown = "".join(each if each.isprintable() else " " for each in shown)
    mark = f"{' ' * (at - begin)}^ {told}"
    message = f"the selector cannot be read at character {at + 1}: {told}"
    return UsageProblem(message, hint=_HINT, problems=[shown, mark] if text.strip() else [])


def facts(target: Target) -> dict[str, str]:
    """Return what a selector may ask of a target: its labels, and its fields that are like them."""
    own = {
        "name": str(target.name),
        "type": target.type.value,
        "provider": target.provider,
        "host": target.host,
        "region": target.region,
        "url": target.url,
        "protected": "true" if target.protected else "false",
    }
    return {**target.labels, **{key: value for key, value in own.items() if value}}


def holds(condition: Condition, known: Mapping[str, str]) -> bool:
    """Return whether a condition holds for a target of which that is known."""
    match condition:
        case HasLabel():
            return condition.key in known
        case LabelIn():
            return known.get(condition.key) in condition.values
        case NotThat():
            return not holds(condition.of, known)
        case AllOf():
            return all(holds(each, known) for each in condition.of)
        case AnyOf():
            return any(holds(each, known) for each in condition.of)


def keys(condition: Condition) -> frozenset[str]:
    """Return the keys that a condition asks for."""
    match condition:
        case HasLabel() | LabelIn():
            return frozenset({condition.key})
        case NotThat():
            return keys(condition.of)
        case AllOf() | AnyOf():
            return frozenset().union(*(keys(each) for each in condition.of))


def selected(found: Selector, targets: Iterable[Target]) -> tuple[Target, ...]:
    """Return the targets for which a selector holds, in their order.

    A key that no target has is refused: mistyped behind a `not`, it would select all of them.
    """
    every = [(each, facts(each)) for each in targets]
    known = set(FACTS).union(*(own for _, own in every))
    if every and (strange := keys(found.condition) - known):
        raise _unknown(sorted(strange), known)
    return tuple(each for each, own in every if holds(found.condition, own))


def _unknown(strange: list[str], known: Collection[str]) -> UnknownName:
    first = strange[0]
    message = f"no target has a label {first}{nearest(first, sorted(known))}"
    more = [f"no target has a label {each}" for each in strange[1:]]
    hint = f"known here: {', '.join(sorted(known))}"
    return UnknownName(message, hint=hint, problems=more)
