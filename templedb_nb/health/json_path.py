"""JSONPath (RFC 9535), by python-jsonpath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def find(path: str, document: Any) -> Sequence[Any]:
    """Return every value that *path* finds."""
    from jsonpath import JSONPathEnvironment

    return [each.obj for each in JSONPathEnvironment(strict=True).finditer(path, document)]


def complaint(path: str) -> str:
    """Return what is wrong with a path; nothing, if it can be asked."""
    from jsonpath import JSONPathEnvironment

    try:
        JSONPathEnvironment(strict=True).compile(path)
    except RecursionError:
        return "it is nested too deeply"
    except Exception as error:  # noqa: BLE001 - its errors cannot always be written
        return str(error.args[0]) if error.args else type(error).__name__
    return ""
