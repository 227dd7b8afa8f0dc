"""What the words of a command mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which project and target the words of a command mean."""

    project: str | None = None
    target: str | None = None
