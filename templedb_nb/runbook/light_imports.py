"""Imports that leave out what nobody here needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

PINNED = "rfc3987_syntax"


@contextmanager
def light_imports() -> Iterator[None]:
    """Import nbformat without a grammar that only checks of URIs need, and that takes a second.

    jsonschema goes without it where it is missing; whoever imports it later gets it.
    """
    there = PINNED in sys.modules
    if not there:
        sys.modules[PINNED] = None  # type: ignore[assignment]  # None is how an import is forbidden
    try:
        yield
    finally:
        if not there:
            del sys.modules[PINNED]
