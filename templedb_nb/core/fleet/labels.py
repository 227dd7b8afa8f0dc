"""Labels of targets: which keys and values they may have, and changes of them in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields

from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.errors import UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.target import TEXT_FIELDS, Target

LONGEST = 256
"""So many characters a value may have: a label is a word, not a document."""
SELECTOR_WORDS = frozenset({"and", "or", "not", "in"})
_KEY = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FIELDS = frozenset(each.name for each in fields(Target)) - set(TEXT_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChanges:
    """What becomes of a target: labels, and those of its fields that are labels, too."""

    labels: Mapping[str, str]
    fields: Mapping[str, str]


def key_fault(key: str) -> str:
    """Return what is wrong with the key of a label; nothing if it may be one."""
    if key in SELECTOR_WORDS:
        return f"{key} is a word of selectors"
    if key in _FIELDS:
        return f"{key} is a setting of targets: templedb target update NAME"
    if not _KEY.fullmatch(key):
        return (
            "the key of a label begins with a lower-case letter,"
            " then has lower-case letters, digits and _ . -"
        )
    return ""


def value_fault(value: str) -> str:
    """Return what is wrong with the value of a label; nothing if it may be one."""
    if not value.strip():
        return "is empty"
    if value != value.strip():
        return "begins or ends with white space"
    if _CONTROL.search(value):
        return "contains a control character"
    if len(value) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if without_url_passwords(value) != value:
        return "contains a password, but is only a label"
    return ""


def changed(target: Target, words: Iterable[str]) -> LabelChanges:
    """Return what *words* (``key=value``, ``key-``) make of a target; raise with every fault."""
    labels, own, problems = dict(target.labels), dict[str, str](), list[str]()
    seen = set[str]()
    for word in words:
        key, equals, value = word.partition("=")
        key = key if equals else word.removesuffix("-")
        if not equals and key == word:
            problems.append(f"{word}: write {word}=VALUE to set it, {word}- to remove it")
        elif told := key_fault(key) or (equals and value_fault(value)) or "":
            problems.append(f"{key}: {told}")
        elif key in seen:
            problems.append(f"{key}: is named twice")
        elif key in TEXT_FIELDS:
            own[key] = value
        elif equals:
            labels[key] = value
        elif labels.pop(key, None) is None:
            problems.append(f"{key}: the target has no such label")
        seen.add(key)
    if problems:
        hint = "templedb target label NAME region=eu tier-"
        message = f"the labels of {target.name} are not changed"
        raise UsageProblem(message, problems=problems, hint=hint)
    return LabelChanges(labels=dict(sorted(labels.items())), fields=own)
