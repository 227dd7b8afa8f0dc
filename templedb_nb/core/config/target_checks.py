"""The health checks that a target of the state has: kept as JSON, read as the config's are."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any  # Any: a document before it is a check

from templedb_nb.core.config.groups import on_health
from templedb_nb.core.config.keys.health import HEALTH_CHECK
from templedb_nb.core.values.schema import ListOf
from templedb_nb.errors import InvalidConfig
from templedb_nb.model.config import HealthCheck
from templedb_nb.model.finding import errors

_CHECKS = ListOf(HEALTH_CHECK)
_TCP = re.compile(r"tcp://(?P<host>.+):(?P<port>\d+)")


def expanded(text: str) -> Any:
    """Return the document that an address stands for, or nothing: ``https://…``, ``tcp://h:p``."""
    if re.match(r"https?://", text):
        return {"type": "http", "url": text}
    found = _TCP.fullmatch(text)
    if found is None and text.startswith("tcp://"):
        raise InvalidConfig(f"{text} names no host and port", hint="tcp://HOST:PORT")
    if found is None:
        return None
    host = found["host"].removeprefix("[").removesuffix("]")
    return {"type": "tcp", "host": host, "port": int(found["port"])}


def kept(documents: Sequence[object]) -> str:
    """Return the text that is kept of checks, or raise `InvalidConfig` with all that is wrong."""
    complaints: list[str] = []
    if not documents:
        raise InvalidConfig("there is no check in it", hint="--no-health-checks removes them")

    def complain(at: str, message: str) -> None:
        complaints.append(f"{at}: {message}" if at else message)

    found = _CHECKS.read(list(documents), "health_checks", complain)
    if not complaints:
        complaints += [
            str(each) for each in errors(tuple(on_health("health_checks", "the target", found)))
        ]
    if complaints:
        message = "the health checks of the target are wrong; nothing was changed"
        hint = "docs/howto/health.md has the keys"
        raise InvalidConfig(message, problems=complaints, hint=hint)
    return json.dumps(list(documents), sort_keys=True)


@lru_cache(maxsize=16)
def read(text: str) -> tuple[HealthCheck, ...]:
    """Return the checks that `kept` has written."""
    if not text:
        return ()
    found: tuple[HealthCheck, ...] = _CHECKS.read(json.loads(text), "", lambda *_: None)
    return found
