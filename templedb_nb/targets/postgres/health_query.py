"""A health check's question to a PostgreSQL database; it runs in a process that may be killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from templedb_nb.core.health.query_answer import judged, refused
from templedb_nb.errors import ConfigError, QueryRefused, QueryTimedOut, TargetError
from templedb_nb.model.health import Cause
from templedb_nb.model.query import Question
from templedb_nb.model.route import Route
from templedb_nb.model.secret import Secret
from templedb_nb.model.serialization import from_plain
from templedb_nb.targets.postgres.query import answer

_PORT = "5432"


def about(route: Route) -> dict[str, Any]:
    """Return what a process of its own must know to open a session; it goes by a pipe alone."""
    return {
        "name": route.name,
        "parameters": dict(route.parameters),
        "secrets": {key: each.reveal() for key, each in route.secrets.items()},
        "address": route.address,
    }


def reach(route: Route) -> tuple[str, int] | None:
    """Return the one host and port that must accept a connection; none for sockets and several."""
    host = route.parameters.get("hostaddr") or route.parameters.get("host", "")
    port = route.parameters.get("port") or _PORT
    single = host and "," not in host and not host.startswith(("/", "@"))
    return (host, int(port)) if single and port.isdigit() else None


def ask(request: Mapping[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return what the answer is worth; the transaction is read only, and no lock is taken."""
    route = Route(
        name=request["name"],
        parameters=request["parameters"],
        secrets={key: Secret(request["name"], value) for key, value in request["secrets"].items()},
        address=request["address"],
    )
    question: Question = from_plain(Question, request["question"])
    tell({"phase": "session" if request.get("reach") else "hosts"})
    try:
        found = answer(
            route, request["target"], request["title"], question, lambda _: tell({"phase": "query"})
        )
    except (QueryRefused, QueryTimedOut, TargetError) as error:
        cause, message = refused(error)
        return {"cause": cause, "message": message}
    except ConfigError as error:
        return {"cause": Cause.NOT_SENT, "message": error.message}
    cause, message, shown = judged(found, request["expect"])
    return {"cause": cause, "message": message, "evidence": shown}
