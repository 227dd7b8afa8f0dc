"""Values that masking cannot hide well: too short, or too common in innocent text."""

from __future__ import annotations

from collections.abc import Collection

from templedb_nb.core.secrets.written_forms import MINIMUM

_SAFE = 8
_COMMON = frozenset({
    "admin", "administrator", "changeme", "database", "default", "deploy", "deployer", "example",
    "hello", "letmein", "localhost", "login", "main", "master", "passw0rd", "password",
    "password1", "passwort", "postgres", "postgresql", "production", "public", "qwerty", "root",
    "secret", "service", "staging", "system", "templedb", "test", "testing", "token", "true",
    "user", "username", "welcome",
})  # fmt: skip


def weakness(value: str, shown: Collection[str] = ()) -> str:
    """Return why output cannot be kept free of *value*, or nothing.

    *shown* are names that every output holds: of the project, its targets, users and hosts.
    """
    bare = value.strip()
    if len(bare) < MINIMUM:
        return f"has fewer than {MINIMUM} characters: it is not masked"
    if bare in shown:
        return f"is also a name that output shows: every {bare} in output is masked"
    if is_common(bare):
        return "is a common word: the mask reveals it, and harmless text is also masked"
    if len(bare) < _SAFE:
        return f"has fewer than {_SAFE} characters: its base64 is not masked"
    return ""


def is_common(value: str) -> bool:
    """Return whether a value stands in innocent text, too."""
    return value.lower() in _COMMON or len(set(value)) == 1
