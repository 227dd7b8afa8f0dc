"""The table of outcomes: what each cause says of the target, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from templedb_nb.model.health import Cause, Health

_GOOD, _BAD, _OPEN = Health.HEALTHY, Health.UNHEALTHY, Health.INCONCLUSIVE

OUTCOMES: Mapping[Cause, tuple[Health, str]] = MappingProxyType(
    {
        Cause.MET: (_GOOD, "the complete answer came in time and is as expected"),
        Cause.REFUSED: (_BAD, "the host refused the connection: nothing listens on the port"),
        Cause.RESET: (_BAD, "the connection was closed before the answer was complete"),
        Cause.TLS_TIMEOUT: (_BAD, "connected, but TLS was not ready within `timeout`"),
        Cause.ANSWER_TIMEOUT: (_BAD, "connected, but no complete response head within `timeout`"),
        Cause.BODY_TIMEOUT: (_BAD, "the body did not end within `timeout`"),
        Cause.CERTIFICATE_EXPIRED: (_BAD, "the certificate has expired, or is not valid yet"),
        Cause.CERTIFICATE_NAME: (_BAD, "the certificate is for another name"),
        Cause.CERTIFICATE_REFUSED: (_BAD, "the certificate is revoked, or not valid for a server"),
        Cause.TLS_FAILED: (_BAD, "no TLS with this server: it uses another version, or none"),
        Cause.NO_HTTP: (_BAD, "the answer is not HTTP"),
        Cause.REDIRECTED: (_BAD, "the server redirects, but the check does not follow"),
        Cause.STATUS: (_BAD, "another status than `expect_status`"),
        Cause.TOO_LARGE: (_BAD, "the body is larger than 1 MiB"),
        Cause.BODY: (_BAD, "the body does not match `expect_body`"),
        Cause.JSON: (_BAD, "the body does not match `expect_json`, or is not JSON"),
        Cause.VERSION: (_BAD, "neither headers nor body contain `expect_version`: an old process"),
        Cause.EXIT_STATUS: (_BAD, "the command exited with another status than 0"),
        Cause.COMMAND_KILLED: (_BAD, "a signal ended the command"),
        Cause.COMMAND_TIMEOUT: (_BAD, "the command did not end within `timeout`; it was killed"),
        Cause.QUERY_ANSWER: (_BAD, "the query gave another answer"),
        Cause.QUERY_FAILED: (_BAD, "the server rejected the query"),
        Cause.QUERY_TIMEOUT: (_BAD, "connected, but no answer to the query within `timeout`"),
        Cause.NAME_UNKNOWN: (_OPEN, "the host's name does not resolve"),
        Cause.NAME_TIMEOUT: (_OPEN, "name resolution did not end within `timeout`"),
        Cause.NO_ROUTE: (_OPEN, "there is no route to the host from here"),
        Cause.CONNECT_TIMEOUT: (_OPEN, "no reply to the connection attempt within `timeout`"),
        Cause.UNKNOWN_CA: (_OPEN, "this machine does not trust the certificate's signer"),
        Cause.PROXY: (_OPEN, "the proxy refused, failed, or did not answer within `timeout`"),
        Cause.COMMAND_NOT_FOUND: (_OPEN, "the command could not be started (status 126 or 127)"),
        Cause.DATABASE: (_OPEN, "the database refused the session, or the role may not read that"),
        Cause.NOT_SENT: (_OPEN, "the request cannot be sent: a value is not valid in its place"),
        Cause.NOT_MEASURED: (_OPEN, "it could not be measured: the message says why"),
        Cause.DEADLINE: (_OPEN, "`deadline` ended the try before its `timeout`"),
    }
)


def outcome(cause: Cause) -> Health:
    """Return what *cause* says of the target."""
    return OUTCOMES[cause][0]
