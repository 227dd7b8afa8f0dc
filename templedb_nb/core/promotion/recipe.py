"""The recipe of a release: its config without what says where it may go."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any  # Any: a config's document, plain JSON

from templedb_nb.core.config.document import document
from templedb_nb.core.config.groups import SECRETIVE
from templedb_nb.core.config.keys.top import ALERT_KEYS, PROMOTION_KEYS
from templedb_nb.core.secrets.url_passwords import looks_random, without_url_passwords
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.line_diff import hunks

_BESIDE = {key.name for key in (*PROMOTION_KEYS, *ALERT_KEYS)}
_BESIDE |= {"artifacts_store", "artifacts_limit"}
_GIVEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?P<name>[A-Za-z0-9_-]++)(?P<mark>[=: ]\s*+)(?P<value>[^\s'\"]++)"
)
_WORD = re.compile(r"[A-Za-z0-9]+")
_AROUND = 2


def recipe(config: DeployConfig) -> dict[str, Any]:
    """Return what of a config says how a release is deployed."""
    return {key: value for key, value in document(config).items() if key not in _BESIDE}


def differences(
    then: DeployConfig, now: DeployConfig, mask: Callable[[str], str] = str
) -> tuple[str, ...]:
    """Return the lines in which two recipes differ, as a unified diff; nothing where they do not.

    Lines that begin with - are of *then*, those with + of *now*. What *mask* knows as a secret, or
    what looks like one, is not shown: its line is, so that a reader knows that it differs.
    """
    old, new = _lines(recipe(then)), _lines(recipe(now))
    if old == new:
        return ()
    return tuple(_diff(old, new, _lines(_masked(recipe(then), mask)),
                       _lines(_masked(recipe(now), mask))))  # fmt: skip


def _lines(value: object) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False).split("\n")


def _diff(
    old: list[str], new: list[str], old_shown: list[str], new_shown: list[str]
) -> Iterator[str]:
    """Yield where *old* and *new* differ, by the lines that stand for theirs."""
    yield from ("--- the run's recipe", "+++ today's recipe")
    for hunk in hunks(old, new, _AROUND):
        (_, a, _, c, _), (_, _, b, _, d) = hunk[0], hunk[-1]
        yield f"@@ -{a + 1},{b - a} +{c + 1},{d - c} @@"
        for word, i, j, k, end in hunk:
            if word == "equal":
                yield from (f" {line}" for line in old_shown[i:j])
                continue
            yield from (f"-{line}" for line in old_shown[i:j])
            yield from (f"+{line}" for line in new_shown[k:end])


def _masked(value: Any, mask: Callable[[str], str], key: str = "") -> Any:  # Any: plain JSON
    """Return a document of as many lines, without its secrets."""
    match value:
        case dict():
            return {name: _masked(each, mask, name) for name, each in value.items()}
        case list():
            return [_masked(each, mask, key) for each in value]
        case str():
            return _text(mask(value), key)
        case _:
            return value


def _text(value: str, key: str) -> str:
    if SECRETIVE.search(key) and not value.startswith(("env:", "file:", "{var:")):
        return "***"
    value = _GIVEN.sub(_given, without_url_passwords(value))
    return _WORD.sub(lambda found: "***" if looks_random(found[0]) else found[0], value)


def _given(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if not SECRETIVE.search(name) or value.startswith(("$", "{", "env:", "file:")):
        return found[0]
    return f"{name}{found['mark']}***"
