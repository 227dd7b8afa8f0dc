"""Masking: no form in which a secret may show comes through, however the text arrives.

A lazy automaton walks all forms of all secrets at once (`written_forms`), over the text without
what a terminal shows as nothing. The leftmost form wins, then the longest. Most text is never
walked: each form has a part that every program writes as it is, and only around one of those does
the walk begin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import TypeAlias

from templedb_nb.core.secrets.bare_text import MAY_FOLD, UNFINISHED, BareText, before_half_fold
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.core.secrets.written_forms import (
    MINIMUM,
    Form,
    forms,
    patterns,
)
from templedb_nb.model.dataclass import dataclass

__all__ = [
    "MINIMUM",
    "Masker",
    "MaskingStream",
    "patterns",
    "too_short",
]

_MOST_STATES = 20_000
_NEEDLE = 4
"""Shorter ones stand everywhere: those forms are looked for by their first characters."""
_Span: TypeAlias = tuple[int, int, str]
"""Where a form begins and ends, and whose it is."""


def too_short(value: str) -> bool:
    """Return whether a value is too short to be masked."""
    return len(value.strip()) < MINIMUM


class Masker:
    """The secrets that a process has seen: the one thing in it that only grows."""

    def __init__(self) -> None:
        """Know no secret; `heard` is told each value before it is masked."""
        self.heard: Callable[[str, str], None] | None = None
        self._names: dict[str, str] = {}
        self._compiled = _Compiled({})

    def add(self, name: str, value: str) -> None:
        """Mask *value* from now on, in all its forms; the first name of a value stays."""
        if self.heard is not None:
            self.heard(name, value)
        if value not in self._names and not too_short(value):
            self._names = {**self._names, value: name}
            self._compiled = _Compiled(self._names)

    def mask(self, text: str) -> str:
        """Return *text* with ``***[NAME]`` for each secret, and without passwords in URLs."""
        return without_url_passwords(self._compiled.mask(text))

    def stream(self) -> MaskingStream:
        """Return a mask for text that comes in pieces."""
        return MaskingStream(self)

    @property
    def compiled(self) -> _Compiled:
        """Return what is known now; a stream reads it at each piece."""
        return self._compiled


class MaskingStream:
    """Masks text that comes in pieces: the outcome is that of the whole, however it is cut.

    It holds back the longest end that may be the beginning of a form, over line ends, too. One
    exception: a line is shown at its end where no more than its last character may begin a form.
    Much text ends so, and who waits for a program must see its last line.
    """

    def __init__(self, masker: Masker) -> None:
        """Mask what *masker* knows when a piece comes."""
        self._masker = masker
        self._held = ""
        self._early = ""

    def feed(self, text: str) -> str:
        """Return what of the text so far may be shown."""
        out, self._held = self._masker.compiled.advance(self._held + text, last=False)
        out = self._behind_early(out)
        if not self._early and _LAST_OF_A_LINE.fullmatch(self._held):
            self._early = self._held
            out += self._early
        return out

    def close(self) -> str:
        """Return the rest."""
        rest, self._held = self._masker.compiled.mask(self._held), ""
        return self._behind_early(rest)

    def _behind_early(self, out: str) -> str:
        """Return *out* without what was shown early; the name of a secret stands behind that."""
        if not out:
            return out
        early, self._early = self._early, ""
        return out.removeprefix(early)


_LAST_OF_A_LINE = re.compile("[^\x00-\x1f\x7f-\x9f](?:['\"](?: ?\\+)?|[\\\\=])?\r?\n[ \t]*")


def _escaped(chars: Iterable[str]) -> str:
    """Return *chars* as they stand in a class of a pattern."""
    return "".join(f"\\U{ord(each):08x}" for each in sorted(chars))


def _together(one: list[_Span], other: list[_Span], stop: int) -> tuple[list[_Span], int]:
    """Return the places of both readings, joined where they overlap, none of them beyond *stop*."""
    found: list[_Span] = []
    for start, end, name in sorted([*one, *other], key=lambda span: (span[0], -span[1])):
        if found and start < found[-1][1]:
            begun, reached, first = found.pop()
            found.append((begun, max(end, reached), first))
        else:
            found.append((start, end, name))
    while found and found[-1][1] > stop:
        stop = min(stop, found.pop()[0])
    return found, stop


class _State:
    """Where the walks over all forms stand; what follows is found at its first need."""

    __slots__ = ("name", "next", "places")

    def __init__(self, places: frozenset[tuple[int, int, int]], name: str) -> None:
        self.places = places
        self.name = name
        self.next: dict[str, _State | None] = {}


@dataclass(slots=True)
class _Compiled:
    """The forms of one moment, ready for search."""

    names: dict[str, str]
    _forms: list[Form] = field(init=False)
    _owners: list[str] = field(init=False)
    _needles: dict[str, int] = field(init=False)
    _longest: int = field(init=False, default=0)
    _states: dict[frozenset[tuple[int, int, int]], _State] = field(init=False)
    _start: _State = field(init=False)
    _heads: re.Pattern[str] = field(init=False)
    _weak: re.Pattern[str] | None = field(init=False, default=None)
    _built: bool = field(init=False, default=False)

    def _build(self) -> None:
        self._built = True
        self._forms, self._owners, self._needles, self._states = [], [], {}, {}
        for value, name in self.names.items():
            for form in forms(value):
                self._forms.append(form)
                self._owners.append(name)
                if len(form.needle) >= _NEEDLE:
                    ahead = max(form.ahead, self._needles.get(form.needle, 0))
                    self._needles[form.needle] = ahead
        self._longest = max((each.longest for each in self._forms), default=0)
        self._begin()
        self._heads = self._heads_of(range(len(self._forms)))
        weak = [n for n, each in enumerate(self._forms) if len(each.needle) < _NEEDLE]
        self._weak = self._heads_of(weak) if weak else None

    def _begin(self) -> None:
        """Forget every state but the first."""
        self._states = {}
        self._start = self._state(frozenset(self._first(range(len(self._forms)))))

    def _first(self, numbers: Iterable[int]) -> set[tuple[int, int, int]]:
        begun: set[tuple[int, int, int]] = set()
        for number in numbers:
            self._enter(begun, number, 0)
        return begun

    def _heads_of(self, numbers: Sequence[int]) -> re.Pattern[str]:
        """Return what finds where forms may begin: a first character before a second one."""
        pairs: dict[str, set[str]] = {}
        for number, place, inside in self._first(numbers):
            writing = self._forms[number].writings[place]
            for char, following in writing.steps[inside].items():
                reached = {(number, place, following)}
                if following in writing.ends:
                    self._enter(reached, number, place + 1)
                pairs.setdefault(char, set()).update(
                    each for _, at, state in reached
                    for each in self._forms[number].writings[at].steps[state]
                )  # fmt: skip
        heads = (f"{re.escape(c)}(?=[{_escaped(second)}])" for c, second in sorted(pairs.items()))
        return re.compile("|".join(heads))

    def mask(self, text: str) -> str:
        """Return the whole *text* masked."""
        return self.advance(text, last=True)[0]

    def advance(self, text: str, *, last: bool) -> tuple[str, str]:
        """Return what of *text* is decided, masked, and the end that is not."""
        if not self.names or not text:
            return text, ""
        if not self._built:
            self._build()
        held = "" if last else self._unfinished(text)
        if held:
            text = text[: -len(held)]
        found, stop = self._seen(BareText(text), len(text), last=last)
        half = len(text) if last else before_half_fold(text)
        for size in {half, len(text)} if half < len(text) or MAY_FOLD.search(text) else ():
            more, undecided = self._seen(BareText(text[:size], folds=True), len(text), last=last)
            found, stop = _together(found, more, min(stop, undecided))
        out, at = [], 0
        for start, end, name in found:
            out += [text[at:start], f"***[{name}]"]
            at = end
        return "".join([*out, text[at:stop]]), text[stop:] + held

    def _seen(self, bare: BareText, size: int, *, last: bool) -> tuple[list[_Span], int]:
        """Return the forms by their places in the whole text, and where undecided text begins."""
        found, undecided = self._matches(bare.text, last=last)
        spans = [(bare.whole(start), bare.whole(end - 1) + 1, name) for start, end, name in found]
        return spans, size if undecided >= len(bare.text) else bare.whole(undecided)

    def _unfinished(self, text: str) -> str:
        found = UNFINISHED.search(text, max(0, len(text) - 80))
        return found[0] if found else ""

    def _matches(self, text: str, *, last: bool) -> tuple[list[_Span], int]:
        """Return the forms in *text*, and where its end begins that is not decided yet."""
        found: list[_Span] = []
        at = 0
        for place in self._candidates(text, last=last):
            if place < at:
                continue
            stop, name, alive = self._walk(text, place)
            if alive and not last:
                return found, place
            if stop:
                found.append((place, stop, name))
                at = stop
        return found, len(text)

    def _candidates(self, text: str, *, last: bool) -> list[int]:
        """Return where forms may begin, in order: by needles, by first characters, at the end."""
        spans: list[tuple[int, int]] = []
        for needle, ahead in self._needles.items():
            place = text.find(needle)
            while place >= 0:
                spans.append((max(0, place - ahead), place + 1))
                place = text.find(needle, place + 1)
        if not last:
            spans.append((max(0, len(text) - self._longest), len(text)))
        places: set[int] = set()
        if self._weak:
            places.update(found.start() for found in self._weak.finditer(text))
        end = 0
        for begin, stop in sorted(spans):
            if stop > end:
                heads = self._heads.finditer(text, max(begin, end), min(stop + 1, len(text)))
                places.update(found.start() for found in heads)
                end = stop
        if not last and text:
            places.add(len(text) - 1)
        return sorted(places)

    def _walk(self, text: str, place: int) -> tuple[int, str, bool]:
        """Return where the longest form from *place* on ends, whose it is, and if more may come."""
        state: _State | None = self._start
        stop, name = 0, ""
        for at in range(place, len(text)):
            assert state is not None  # noqa: S101 - the loop ends where it would be
            char = text[at]
            state = state.next[char] if char in state.next else self._step(state, char)
            if state is None:
                return stop, name, False
            if state.name:
                stop, name = at + 1, state.name
        return stop, name, bool(state and state.places)

    def _step(self, state: _State, char: str) -> _State | None:
        reached: set[tuple[int, int, int]] = set()
        ended: list[int] = []
        for number, place, inside in state.places:
            writing = self._forms[number].writings[place]
            following = writing.steps[inside].get(char)
            if following is None:
                continue
            if writing.steps[following]:
                reached.add((number, place, following))
            if following in writing.ends and self._enter(reached, number, place + 1):
                ended.append(number)
        if len(self._states) > _MOST_STATES:
            self._begin()
        made = self._state(frozenset(reached), self._owners[min(ended)] if ended else "")
        following_state = made if reached or ended else None
        state.next[char] = following_state
        return following_state

    def _enter(self, into: set[tuple[int, int, int]], number: int, place: int) -> bool:
        """Stand before a writing, and the next if it may be empty; return whether none is left."""
        writings: Sequence[object] = self._forms[number].writings
        while place < len(writings):
            into.add((number, place, 0))
            if not self._forms[number].writings[place].empty:
                return False
            place += 1
        return True

    def _state(self, places: frozenset[tuple[int, int, int]], name: str = "") -> _State:
        key = places | {(-1, hash(name), 0)} if name else places
        if key not in self._states:
            self._states[key] = _State(places, name)
        return self._states[key]
