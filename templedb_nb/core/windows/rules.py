"""Rules of windows as people write them, with every complaint about them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any  # Any: a document before it is a rule

from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.core.values.schema import Complain, Duration, Key, ListOf, Object, Text, nearest
from templedb_nb.core.windows.firings import wrong_cron, zones
from templedb_nb.errors import InvalidConfig
from templedb_nb.model.window import Rules, WindowEffect, WindowRule, ordered

FORM = "[NAME:] allow|deny CRON for DURATION in ZONE because REASON"
EXAMPLE = "weekend: deny 0 18 * * FRI for 62h in Europe/Berlin because nobody is on call"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_FEWEST = 6
"""So many words a rule has at least, beside its name, its reason and the rest of its cron."""
_LONGEST_S = 366 * 24 * 3600


class _Cron(Text):
    """Five fields of cron that name a time which comes."""

    def read(self, value: object, at: str, complain: Complain) -> str:
        """Return the expression, with one space between its fields."""
        told: list[str] = []
        text = super().read(value, at, lambda _, message: told.append(message))
        if not told and (wrong := wrong_cron(text)):
            right = "for example: 0 18 * * FRI"
            told.append(f"{text!r} is not a cron expression: it {_said(wrong)}; {right}")
        for each in told:
            complain(at, each)
        return " ".join(text.split())


def _said(wrong: str) -> str:
    return wrong if wrong.startswith(("has", "names")) else f"has a {wrong}"


class _Zone(Text):
    """The name of a time zone in the IANA's database."""

    def read(self, value: object, at: str, complain: Complain) -> str:
        """Return the name."""
        told: list[str] = []
        text = super().read(value, at, lambda _, message: told.append(message))
        if not told and text not in zones():
            known = sorted(zones())
            close = nearest(text, known) or "; for example: Europe/Berlin, or UTC"
            told.append(f"{text!r} is not a time zone of the IANA database{close}")
        for each in told:
            complain(at, each)
        return text


class _Length(Duration):
    """How long a window lasts: at least a minute, at most a year."""

    def read(self, value: object, at: str, complain: Complain) -> int:
        """Return the seconds."""
        seconds = super().read(value, at, complain)
        if seconds > _LONGEST_S:
            complain(at, f"must be at most {_LONGEST_S // 3600}h, not {value!r}")
        return seconds


class _Reason(Text):
    """Why: one line, as ``--window`` takes it, however a document folds it."""

    def read(self, value: object, at: str, complain: Complain) -> str:
        """Return the words, with one space between them."""
        told: list[str] = []
        text = " ".join(super().read(value, at, lambda _, message: told.append(message)).split())
        if not told and not text:
            told.append("must not be empty")
        for each in told:
            complain(at, each)
        return without_url_passwords(text)  # it is recorded, and told to everybody


def _rule(**given: Any) -> dict[str, Any]:
    return given


RULE = Object(
    _rule,
    (
        Key(
            "cron",
            _Cron(),
            "When the window begins: minute, hour, day of the month, month, day of the week.",
        ),
        Key(
            "duration",
            _Length(60),
            "How long it lasts, in elapsed time: 90m, 62h.",
            field="duration_s",
        ),
        Key("time_zone", _Zone(), "Whose clock: a name of the IANA's database.", field="zone"),
        Key("reason", _Reason(), "Why, for those whom it stops."),
        Key(
            "name",
            Text(_NAME, "is not a name: use letters, digits, . _ -"),
            "What overrides it.",
            "",
        ),
    ),
)


def _windows(**given: Any) -> Rules:
    rules = ((effect, each) for effect in WindowEffect for each in given[effect.value])
    return tuple(WindowRule(effect=effect, **each) for effect, each in rules)


class _Windows(Object):
    """The windows of a target: rules that allow, and rules that deny."""

    def read(self, value: object, at: str, complain: Complain) -> Rules:
        """Return the rules."""
        found: Rules = super().read(value, at, complain)
        for told in _twice(found):
            complain(at, told)
        return found


WINDOWS = _Windows(
    _windows,
    (
        Key("allow", ListOf(RULE), "Runs begin only while one of these holds.", ()),
        Key("deny", ListOf(RULE), "No run begins while one of these holds.", ()),
    ),
)


def _twice(rules: Rules) -> Iterable[str]:
    """Say which names several rules have: an override would mean more than its reason says."""
    names = Counter(each.name for each in rules if each.name)
    for name in (each for each, times in names.items() if times > 1):
        yield f"has several windows with the name {name}: give each its own"


def typed(texts: Iterable[object]) -> Rules:
    """Return the rules that words or documents stand for, or raise with all that is wrong."""
    complaints: list[str] = []

    def complain(at: str, message: str) -> None:
        complaints.append(f"{at}: {message}" if at else message)

    found: list[WindowRule] = []
    for number, text in enumerate(texts, start=1):
        at = f"--window {number}"
        document = _document(text) if isinstance(text, str) else text
        if document is None:
            complain(at, f"{text!r} has not the form {FORM}")
        else:
            found += WINDOWS.read(document, at, complain)
    if not complaints:
        complaints += _twice(tuple(found))
    if complaints:
        message = "the windows of the target are wrong; nothing was changed"
        hint = f'for example: --window "{EXAMPLE}"'
        raise InvalidConfig(message, problems=complaints, hint=hint)
    return ordered(found)


def _document(text: str) -> dict[str, Any] | None:
    """Return the document of a rule that is written in one line; None if it has another form."""
    words = text.split()
    until = words.index("because") if "because" in words else len(words)
    head, reason = words[:until], " ".join(words[until + 1 :])
    name = head.pop(0).removesuffix(":") if head and head[0].endswith(":") else ""
    if len(head) < _FEWEST or head[0] not in set(WindowEffect) or not reason:
        return None
    effect, *cron, begin, duration, within, zone = head
    if (begin, within) != ("for", "in"):
        return None
    rule = {"cron": " ".join(cron), "duration": duration, "time_zone": zone, "reason": reason}
    return {effect: [rule | ({"name": name} if name else {})]}


@lru_cache(maxsize=256)
def unreadable(rule: WindowRule) -> str:
    """Return why a rule of a ledger cannot be read on this machine; nothing if it can."""
    if rule.zone not in zones():
        return f"time zone {rule.zone} is unknown on this machine: pip install --upgrade tzdata"
    if wrong := wrong_cron(rule.cron):
        return f"cron expression {rule.cron!r}: {wrong}"
    return ""
