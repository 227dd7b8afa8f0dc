"""The keys of a health check."""

from __future__ import annotations

from templedb_nb.core.values.schema import (
    Choice,
    Duration,
    Flag,
    Key,
    ListOf,
    Object,
    PairsOf,
    Scalar,
    Text,
    WholeNumber,
)
from templedb_nb.model.config import HealthCheck, HealthType, InconclusivePolicy
from templedb_nb.model.health import HealthRole, JsonExpectation

_TEXT = Text()
_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "may hold only letters, digits, _ . -")
_VARIABLE = Text(r"[A-Za-z_][A-Za-z0-9_]*", "is not an environment variable name")

EXPECT_JSON = Object(
    JsonExpectation,
    (
        Key("path", _TEXT, "A JSONPath (RFC 9535); it must find something."),
        Key("equals", Scalar(), "What the value must be; numbers are compared as numbers.", ""),
        Key("matches", _TEXT, "A regular expression that the value must contain.", ""),
        Key("below", Scalar(), "The number, or the text that is one, must be below this.", ""),
        Key("above", Scalar(), "The same, above.", ""),
    ),
)

HEALTH_CHECK = Object(
    HealthCheck,
    (
        Key("type", Choice(HealthType), "How to measure."),
        Key("name", _NAME, "The check's name. Default: its type.", ""),
        Key("url", _TEXT, "http: the URL; {var:NAME} stands for a variable's value.", ""),
        Key("method", Text("[A-Z]+", "is not an HTTP method"), "http: the method.", "GET"),
        Key(
            "headers",
            PairsOf(_TEXT, _TEXT),
            "http: headers; {var:NAME} stands for a variable's value.",
            (),
        ),
        Key(
            "expect_status",
            ListOf(WholeNumber(100, 599), single=True),
            "http: the statuses that are healthy.",
            (200,),
        ),
        Key("expect_body", _TEXT, "http: a regular expression that the body must contain.", ""),
        Key(
            "expect_json",
            ListOf(EXPECT_JSON, single=True),
            "http: what the JSON body must contain.",
            (),
        ),
        Key(
            "expect_version",
            _TEXT,
            "http: a text that a header or the body must contain; {release} is the"
            " first 12 digits of the release's hash.",
            "",
        ),
        Key(
            "follow_redirects",
            Flag(),
            "http: follow up to 5 redirects. If false, a redirect is unhealthy.",
            False,  # noqa: FBT003 - a default
        ),
        Key(
            "proxy",
            Flag(),
            "http: use HTTP_PROXY, HTTPS_PROXY and NO_PROXY, except for this machine.",
            False,  # noqa: FBT003 - a default
        ),
        Key("host", _TEXT, "tcp: the host; {var:NAME} stands for a variable's value.", ""),
        Key("port", WholeNumber(1, 65535), "tcp: the port.", None),
        Key("command", _TEXT, "command: healthy if it exits with 0.", ""),
        Key("query", _TEXT, "sql: healthy if the first value of its one row is true.", ""),
        Key("expect", Scalar(), "sql: what the answer must be, as in `query --expect`.", ""),
        Key(
            "database",
            _VARIABLE,
            "sql: the variable with the database's address, if the target has several.",
            None,
        ),
        Key("initial_delay", Duration(), "The wait before the first try.", 0, "initial_delay_s"),
        Key("interval", Duration(1), "The wait between two tries.", 5, "interval_s"),
        Key("timeout", Duration(1), "How long one try may take.", 10, "timeout_s"),
        Key("deadline", Duration(1), "How long all tries may take.", 300, "deadline_s"),
        Key("success_threshold", WholeNumber(1), "How many good tries in a row mean healthy.", 1),
        Key(
            "failure_threshold",
            WholeNumber(1),
            "How many bad tries since the last good one mean unhealthy.",
            3,
        ),
        Key(
            "inconclusive",
            Choice(InconclusivePolicy),
            "What to do if a try could not be made: pause for a person, or count it as bad.",
            InconclusivePolicy.PAUSE,
        ),
        Key(
            "role",
            Choice(HealthRole),
            "When a run asks: before its success, or for a while after all gates. Default: gate,"
            " and with `for` both.",
            None,
        ),
        Key("for", Duration(1), "soak: how long a run continues to ask.", 0, "soak_s"),
    ),
)
