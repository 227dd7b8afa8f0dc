"""Whether a regular expression can take more than linear time, by its parse tree.

Three shapes make a backtracking engine slow, and all of them are looked for:

- two unbounded repetitions in a row that can both take the same characters (``a*b*`` is fine, ``a*[ab]*x`` is
  not): the border between them is tried at every place;
- an unbounded repetition in an unbounded repetition, where nothing marks the border of a round;
- a search whose match could begin anywhere inside of the run that it repeats (``[ab]*x`` in ``aaaa…``): every
  place is a new start.

Possessive repetitions and atomic groups give nothing back, and are not dangerous for the first two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

SAMPLE = frozenset(
    [*map(chr, range(128)), "\x85", "\xa0", "ä", "é", "²", "٣", "ł", "中", "\u2028", "\ue000"]
)
"""Characters that stand for all others of their kind."""
MANY = 1000
"""A repetition up to so often counts as unbounded."""
_REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT)
_CATEGORIES = {
    c.CATEGORY_DIGIT: r"\d", c.CATEGORY_NOT_DIGIT: r"\D", c.CATEGORY_SPACE: r"\s",
    c.CATEGORY_NOT_SPACE: r"\S", c.CATEGORY_WORD: r"\w", c.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
Node = tuple[Any, Any]


def dangers(pattern: re.Pattern[str], *, searched: bool) -> list[str]:
    """Return what could make *pattern* slow; *searched*, it may begin anywhere."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    found = [*_in_a_row(list(tree), pattern.flags)]
    if searched:
        found += _restarts(list(tree), pattern.flags)
    return found


# --- repetitions in a row, and in each other ------------------------------------------------------


def _in_a_row(items: Sequence[Node], flags: int) -> Iterator[str]:
    for path in _paths(items):
        before: list[frozenset[str]] = []  # what repetitions that are still open can take
        for op, av in path:
            if op in _REPEATS and _unbounded(av):
                taken, first = _all_chars(av[2], flags), _first(list(av[2]), flags)
                if shared := next((old & first for old in before if old & first), None):
                    yield f"repetitions in a row share {_show(shared)}"
                if _nested(list(av[2]), flags):
                    yield "a repetition in a repetition, with no border"
                before = [*(old for old in before if _nullable([(op, av)])), taken]
            else:
                chars = _all_chars([(op, av)], flags)
                if not _nullable([(op, av)]):
                    before = [old & chars for old in before if old & chars]
                yield from _inner(op, av, flags)


def _inner(op: Any, av: Any, flags: int) -> Iterator[str]:
    if op in _REPEATS or op is c.POSSESSIVE_REPEAT:
        yield from _in_a_row(list(av[2]), flags)
    elif op is c.ATOMIC_GROUP:
        yield from _in_a_row(list(av), flags)
    elif op in {c.ASSERT, c.ASSERT_NOT}:
        yield from _in_a_row(list(av[1]), flags)


def _nested(items: Sequence[Node], flags: int) -> bool:
    """Return whether a round of these can end where another could go on with the same characters."""
    for path in _paths(items):
        repeats = [n for n, (op, av) in enumerate(path) if op in _REPEATS and _unbounded(av)]
        for n in repeats:
            taken = _all_chars([path[n]], flags)
            rest = [*path[n + 1 :], *path[:n]]
            if all(_nullable([each]) or _all_chars([each], flags) & taken for each in rest):
                return True
    return False


def _paths(items: Sequence[Node]) -> Iterator[list[Node]]:
    """Yield the sequences that the branches and groups of these lead to."""
    if not items:
        yield []
        return
    (op, av), rest = items[0], items[1:]
    heads: list[list[Node]]
    if op is c.SUBPATTERN:
        heads = list(_paths(list(av[3])))
    elif op is c.BRANCH:
        heads = [path for branch in av[1] for path in _paths(list(branch))]
    elif op in _REPEATS and not _unbounded(av):
        heads = [*_paths(list(av[2]))] + ([[]] if av[0] == 0 else [])
    else:
        heads = [[(op, av)]]
    tails = list(_paths(rest))
    for head in heads[:64]:
        for tail in tails[:64]:
            yield [*head, *tail]


# --- where a search may begin -----------------------------------------------------------------------


def _restarts(items: Sequence[Node], flags: int) -> Iterator[str]:
    for path in _paths(items):
        anchored, guarded, prefix = False, frozenset[str](), list[Node]()
        for n, (op, av) in enumerate(path):
            if op is c.AT and av in {c.AT_BEGINNING_STRING} | (
                {c.AT_BEGINNING} if not flags & re.MULTILINE else set()
            ):
                anchored = True
            if op is c.AT and av is c.AT_BEGINNING and flags & re.MULTILINE:
                guarded |= SAMPLE - {"\n"}
            if op is c.ASSERT_NOT and av[0] < 0 and not prefix:
                guarded |= _all_chars(av[1], flags)
            if op in {*_REPEATS, c.POSSESSIVE_REPEAT} and _unbounded(av):
                taken = _all_chars(av[2], flags)
                starts = taken - guarded
                inside = all(_nullable([e]) or _all_chars([e], flags) & taken for e in prefix)
                more = any(not _nullable([e]) or e[0] in {c.AT, c.ASSERT} for e in path[n + 1 :])
                if (
                    not anchored
                    and starts
                    and inside
                    and more
                    and _enters(prefix, taken, guarded, flags)
                ):
                    yield f"a search begins anew at every {_show(starts)}"
                    return
            if op not in {c.AT, c.ASSERT, c.ASSERT_NOT}:
                prefix.append((op, av))


def _enters(
    prefix: Sequence[Node], taken: frozenset[str], guarded: frozenset[str], flags: int
) -> bool:
    """Return whether a new match can begin behind a character of the run."""
    return bool(taken - guarded) and all(
        _nullable([e]) or _all_chars([e], flags) & taken for e in prefix
    )


# --- what nodes can take ----------------------------------------------------------------------------


def _unbounded(av: Any) -> bool:
    return av[1] is c.MAXREPEAT or av[1] >= MANY


def _nullable(items: Sequence[Node]) -> bool:
    """Return whether these can match nothing at all."""
    return all(_may_be_empty(op, av) for op, av in items)


def _may_be_empty(op: Any, av: Any) -> bool:
    match op:
        case c.MAX_REPEAT | c.MIN_REPEAT | c.POSSESSIVE_REPEAT:
            return not av[0] or _nullable(list(av[2]))
        case c.SUBPATTERN:
            return _nullable(list(av[3]))
        case c.ATOMIC_GROUP:
            return _nullable(list(av))
        case c.BRANCH:
            return any(_nullable(list(branch)) for branch in av[1])
        case _:
            return op in {c.AT, c.ASSERT, c.ASSERT_NOT, c.GROUPREF, c.GROUPREF_EXISTS}


def _all_chars(items: Sequence[Node], flags: int) -> frozenset[str]:
    """Return every character that can stand somewhere in what these match."""
    return frozenset().union(*(_chars(op, av, flags) for op, av in items))


def _chars(op: Any, av: Any, flags: int) -> frozenset[str]:
    match op:
        case c.LITERAL:
            return _cased(chr(av), flags)
        case c.NOT_LITERAL:
            return SAMPLE - _cased(chr(av), flags)
        case c.ANY:
            return SAMPLE if flags & re.DOTALL else SAMPLE - {"\n"}
        case c.IN:
            return _set(av, flags)
        case c.GROUPREF:
            return SAMPLE
        case _:
            return frozenset().union(*(_all_chars(list(each), flags) for each in _below(op, av)))


def _below(op: Any, av: Any) -> list[Any]:
    """Return what stands inside of a node."""
    match op:
        case c.MAX_REPEAT | c.MIN_REPEAT | c.POSSESSIVE_REPEAT:
            return [av[2]]
        case c.SUBPATTERN:
            return [av[3]]
        case c.ATOMIC_GROUP:
            return [av]
        case c.BRANCH:
            return list(av[1])
        case _:
            return []


def _first(items: Sequence[Node], flags: int) -> frozenset[str]:
    """Return every character with which what these match can begin."""
    found = frozenset[str]()
    for path in _paths(items):
        for op, av in path:
            if op in {*_REPEATS, c.POSSESSIVE_REPEAT}:
                found |= _first(list(av[2]), flags)
            elif op is c.ATOMIC_GROUP:
                found |= _first(list(av), flags)
            else:
                found |= _all_chars([(op, av)], flags)
            if not _nullable([(op, av)]):
                break
    return found


def _set(members: Sequence[Node], flags: int) -> frozenset[str]:
    negated, found = False, frozenset[str]()
    for op, av in members:
        if op is c.NEGATE:
            negated = True
        elif op is c.LITERAL:
            found |= _cased(chr(av), flags)
        elif op is c.RANGE:
            found |= frozenset(
                x for x in SAMPLE if any(av[0] <= ord(y) <= av[1] for y in _cased(x, flags))
            )
        elif op is c.CATEGORY:
            found |= frozenset(
                x for x in SAMPLE if re.match(_CATEGORIES[av], x, flags & (re.ASCII | re.UNICODE))
            )
    return SAMPLE - found if negated else found


def _cased(char: str, flags: int) -> frozenset[str]:
    return (
        frozenset({char, char.lower(), char.upper()})
        if flags & re.IGNORECASE
        else frozenset({char})
    )


def _show(chars: frozenset[str]) -> str:
    return repr("".join(sorted(chars))[:12])
