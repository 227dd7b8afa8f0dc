"""A health check's question to a DuckDB file; it runs in a process that may be killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from templedb_nb.core.health.query_answer import judged, refused
from templedb_nb.errors import Busy, QueryRefused, QueryTimedOut, TargetError
from templedb_nb.model.health import Cause
from templedb_nb.model.query import Question
from templedb_nb.model.serialization import from_plain
from templedb_nb.targets.duckdb.query import answer

_OPENS = Question(sql="SELECT 1")


def ask(request: Mapping[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return what the answer is worth; the file is opened read only."""
    path, target = Path(request["file"]), request["target"]
    question: Question = from_plain(Question, request["question"])
    try:
        tell({"phase": "file"})
        answer(path, target, _OPENS)
        tell({"phase": "query"})
        found = answer(path, target, question)
    except (QueryRefused, QueryTimedOut, TargetError) as error:
        cause, message = refused(error)
        return {"cause": cause, "message": message}
    except Busy as error:
        return {"cause": Cause.DATABASE, "message": error.message}
    cause, message, shown = judged(found, request["expect"])
    return {"cause": cause, "message": message, "evidence": shown}
