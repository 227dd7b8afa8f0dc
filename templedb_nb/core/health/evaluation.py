"""Whether an HTTP answer is what a check expects: every complaint, none of it guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from decimal import Decimal
from email.message import Message
from typing import Any  # Any: JSON of anybody

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import BODY_LIMIT, Cause, HttpCheck, JsonExpectation

Find = Callable[[str, Any], Sequence[Any]]
"""Returns what a JSONPath finds in a document."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer as it came; of `body`, at most one byte more than the limit."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Return the first header of that name."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), "")

    @property
    def text(self) -> str:
        """Return the body as text, by the charset that the answer names."""
        about = Message()
        about["content-type"] = self.header("content-type") or "text/plain"
        try:
            return self.body.decode(about.get_content_charset() or "utf-8", "replace")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", "replace")

    @property
    def moved(self) -> str:
        """Return where the answer sends a browser, by its status or a Refresh header."""
        if self.status in _REDIRECTS and self.header("location"):
            return self.header("location")
        for part in self.header("refresh").replace(",", ";").split(";"):
            name, equals, value = part.partition("=")
            if equals and name.strip().lower() == "url":
                return value.strip(" '\"")
        return ""


def evaluate(check: HttpCheck, answer: HttpAnswer, find: Find) -> list[tuple[Cause, str]]:
    """Return what is not as expected; nothing, if the answer is healthy.

    `expect_version` must be filled in already.
    """
    if answer.moved and answer.status not in _allowed(check):
        return [(Cause.REDIRECTED, f"status {answer.status} redirects to {answer.moved}")]
    if answer.status not in check.expect_status:
        wanted = " or ".join(map(str, check.expect_status))
        said = f"{answer.status} {answer.reason}".strip()
        return [(Cause.STATUS, f"status {said}, not {wanted}")]
    if len(answer.body) > BODY_LIMIT:
        return [(Cause.TOO_LARGE, "the body is larger than 1 MiB")]
    return [*_body(check, answer), *_json(check, answer, find), *_version(check, answer)]


def _allowed(check: HttpCheck) -> tuple[int, ...]:
    """Return the statuses of redirects that are what is asked for; a 200 that moves on is none."""
    return tuple(each for each in check.expect_status if each in _REDIRECTS)


def _body(check: HttpCheck, answer: HttpAnswer) -> Iterator[tuple[Cause, str]]:
    if check.expect_body and not re.search(check.expect_body, answer.text):
        yield Cause.BODY, f"nothing in the body matches {check.expect_body}"


def _version(check: HttpCheck, answer: HttpAnswer) -> Iterator[tuple[Cause, str]]:
    version = check.expect_version
    places = (*(value for _, value in answer.headers), answer.text)
    if version and not any(names_version(version, place) for place in places):
        yield Cause.VERSION, f"neither headers nor body contain version {version}"


def names_version(version: str, text: str) -> bool:
    """Return whether *text* names exactly *version*: 1.2 stands in neither 1.2.3, 11.2 nor 1.2-rc1.

    A v may stand before it.
    """
    before = r"(?<![A-Za-z0-9_])(?<!\d\.)" if version[0].isalnum() else ""
    after = r"(?![A-Za-z0-9_])(?![.]\d)(?![-+][A-Za-z0-9])" if version[-1].isalnum() else ""
    v = r"[vV]?" if version[0].isdigit() else ""
    return re.search(f"{before}{v}{re.escape(version)}{after}", text) is not None


def _json(check: HttpCheck, answer: HttpAnswer, find: Find) -> Iterator[tuple[Cause, str]]:
    if not check.expect_json:
        return
    try:
        document = read_json(answer.text)
    except (ValueError, RecursionError) as error:
        yield Cause.JSON, f"the body is not valid JSON: {error}"
        return
    for each in check.expect_json:
        for complaint in _unmet(each, document, find):
            yield Cause.JSON, f"{each.path} {complaint}"


def read_json(text: str) -> Any:
    """Return what *text* holds, its numbers exact. Raises `ValueError` for a key that is twice."""
    return json.loads(
        text.removeprefix("\ufeff"),
        parse_float=Decimal,
        parse_constant=_no_number,
        object_pairs_hook=_object,
    )


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return made


def _unmet(wanted: JsonExpectation, document: Any, find: Find) -> list[str]:
    try:
        values = find(wanted.path, document)
    except RecursionError:
        return ["cannot be searched: the body is nested too deeply"]
    if not values:
        return ["is not there"]
    return [told for value in values if (told := _wrong(wanted, value))]


def _wrong(wanted: JsonExpectation, value: Any) -> str:
    """Return what is wrong with one value."""
    shown = written(value)
    head = f"is {shown}"
    if wanted.equals and not _equal(value, wanted.equals):
        return f"{head}, not {wanted.equals}"
    if wanted.matches and not re.search(wanted.matches, shown):
        return f"{head}, which does not match {wanted.matches}"
    for limit, side in ((wanted.below, "below"), (wanted.above, "above")):
        if limit and not _on_side(value, limit, side):
            return f"{head}, not {side} {limit}"
    return ""


def written(value: Any) -> str:
    """Return a value of JSON as text: a text is itself."""
    match value:
        case str():
            return value
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def number(value: Any) -> Decimal | None:
    """Return a number, or a text that is one, exactly; metrics servers write texts."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    text = str(value).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, dict | list):
        return False
    if written(value) == wanted:
        return True
    one, other = number(value), number(wanted)
    return one is not None and one == other


def _on_side(value: Any, limit: str, side: str) -> bool:
    one, other = number(value), number(limit)
    if one is None or other is None:
        return False
    return one < other if side == "below" else one > other
