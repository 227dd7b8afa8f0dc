"""The recipe of a release: its config without what says where it may go."""

from __future__ import annotations

import difflib
import json
from typing import Any  # Any: a config's document, plain JSON

from templedb_nb.core.config.document import PROMOTION_KEYS, document
from templedb_nb.model.config import DeployConfig

_BESIDE = {key.name for key in PROMOTION_KEYS} | {"artifacts_store", "artifacts_limit"}


def recipe(config: DeployConfig) -> dict[str, Any]:
    """Return what of a config says how a release is deployed."""
    return {key: value for key, value in document(config).items() if key not in _BESIDE}


def differences(then: DeployConfig, now: DeployConfig) -> tuple[str, ...]:
    """Return the lines in which two recipes differ, as a unified diff; nothing where they do not.

    Lines that begin with - are of *then*, those with + of *now*.
    """
    old, new = (json.dumps(recipe(each), indent=2).splitlines() for each in (then, now))
    lines = difflib.unified_diff(old, new, "recipe of the run", "recipe of today", lineterm="", n=2)
    return tuple(lines)
