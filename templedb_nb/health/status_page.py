"""A page behind a router that names the slot; asked in a process of its own, as checks are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any  # Any: plain JSON between two processes

from templedb_nb.core.health.variables import filled
from templedb_nb.core.slots.answers import piece
from templedb_nb.errors import TempleError
from templedb_nb.health import evidence
from templedb_nb.health.asking import asked
from templedb_nb.health.reach import ProbeStopped, Tell
from templedb_nb.model.blue_green import RouterStatus
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import BODY_LIMIT, Cause, HttpCheck, Timing
from templedb_nb.model.router_status import NoStatus, StatusAnswer, StatusReply
from templedb_nb.model.serialization import from_plain, to_plain

_NAMED = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """Asks once, over a new connection and past every proxy.

    `value` gives the value of a variable that the URL names; `environment` is what the process
    that asks gets.
    """

    value: Callable[[str], str]
    mask: Callable[[str], str]
    environment: Mapping[str, str] = field(repr=False)

    def ask(self, status: RouterStatus) -> StatusReply:
        """Return what of the answer should name a slot, whatever status the answer has."""
        check = HttpCheck(name="status", group="", timing=Timing(), url=status.url)
        try:
            url = filled(status.url, self.value)
        except TempleError as error:
            return NoStatus(message=f"{status.url}: {error.message}")
        request = {
            "check": to_plain(check),
            "url": url,
            "headers": [],
            "proxies": {},
            "pattern": status.pattern,
        }
        found = asked(__name__, request, status.timeout_s, self.environment)
        answer = found.answer
        if answer is None or (status.pattern and _NAMED not in answer):
            return NoStatus(message=evidence.message(f"{status.url}: {found.message}", self.mask))
        return self._answer(status, answer)

    def _answer(self, status: RouterStatus, answer: Mapping[str, Any]) -> StatusAnswer:
        said = f"{status.url} answered {answer['status']}"
        if status.pattern:
            begin = piece(self.mask(answer["text"]))
            told = f"body {begin!r}" if begin else "an empty body"
            return StatusAnswer(names=tuple(answer[_NAMED]), message=f"{said} with {told}")
        wanted = status.header.lower()
        names = tuple(value for name, value in answer["headers"] if name.lower() == wanted)
        if not names:
            return StatusAnswer(names=(), message=f"{said} without the header {status.header}")
        told = piece(self.mask(", ".join(dict.fromkeys(names))))
        return StatusAnswer(names=names, message=f"{said} with {status.header}: {told}")


def ask(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Return the answer, and what the first group of the pattern finds in it; runs in the probe."""
    from templedb_nb.health.exchange import answered, plain

    check: HttpCheck = from_plain(HttpCheck, request["check"])
    try:
        answer = answered(check, request, tell)
    except ProbeStopped as stopped:
        return {"cause": stopped.cause, "message": stopped.message}
    if len(answer.body) > BODY_LIMIT:
        return {"cause": Cause.TOO_LARGE, "message": "the body is larger than 1 MiB"}
    tell({"phase": "judge"})
    found = re.search(request["pattern"], answer.text) if request["pattern"] else None
    names = [found[1]] if found and found[1] is not None else []
    told = {**plain(answer, answer.text), _NAMED: names}
    return {"cause": Cause.MET, "message": f"status {answer.status}", "answer": told}
