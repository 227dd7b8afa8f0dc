"""The parts of a group of a plan."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The parts of a group, in the order in which they run."""

    PRE_DEPLOY = "pre_deploy"
    BUILD = "build"
    TEST = "test"
    MIGRATIONS = "migrations"
    DEPLOY = "deploy"
    POST_DEPLOY = "post_deploy"
    HEALTH = "health"
    SWITCH = "switch"
    ON_FAILURE = "on_failure"
