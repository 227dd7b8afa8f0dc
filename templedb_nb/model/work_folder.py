"""Where commands run."""

from __future__ import annotations

from enum import StrEnum


class WorkFolderKind(StrEnum):
    """Where a group's commands run."""

    RELEASE = "release"
    PROJECT = "project"
