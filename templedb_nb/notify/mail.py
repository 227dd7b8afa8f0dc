"""Receivers of kind email: over a connection that is encrypted before anything is said."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import getaddresses
from urllib.parse import unquote, urlsplit

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.receiver import Reply, ReplyKind
from templedb_nb.model.secret import Secret
from templedb_nb.ports.notifications import Parcel

_PORTS = {"smtp": 587, "smtps": 465}
_PERMANENT = 500
_ANSWER = 1024
_NO_TLS = "the server offers no STARTTLS: nothing was sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailCourier:
    """Gives a message to a mail server: by STARTTLS, or by TLS from the first byte (smtps)."""

    def deliver(self, parcel: Parcel, secrets: Mapping[str, Secret], within_s: float) -> Reply:
        """Try once."""
        due = time.monotonic() + within_s
        try:
            with _connected(secrets["address"].reveal(), within_s, due) as server:
                return _given(server, parcel)
        except _WithoutTls:
            return Reply(kind=ReplyKind.FAILED, told=_NO_TLS)
        except smtplib.SMTPRecipientsRefused as error:
            return _refused(list(error.recipients.values()))
        except smtplib.SMTPResponseException as error:
            return _refused([(error.smtp_code, _bytes(error.smtp_error))])
        except smtplib.SMTPNotSupportedError as error:
            return Reply(kind=ReplyKind.REFUSED, told=f"the server cannot do that: {error}")
        except ssl.SSLCertVerificationError as error:
            told = f"the server's certificate is not accepted: {error.verify_message}"
            return Reply(kind=ReplyKind.FAILED, told=told)
        except (OSError, smtplib.SMTPException) as error:
            return Reply(kind=ReplyKind.FAILED, told=_why(error, due, within_s))


class _WithoutTls(Exception):
    """The server would take the message in the clear."""


@contextmanager
def _connected(address: str, within_s: float, due: float) -> Iterator[smtplib.SMTP]:
    """Open an encrypted session, logged in where the address has a name; it ends in time."""
    parts = urlsplit(address)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    port, context = parts.port or _PORTS[scheme], ssl.create_default_context()
    name = socket.gethostname() or "localhost"
    if scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, port, local_hostname=name, timeout=within_s, context=context
        )
    else:
        server = smtplib.SMTP(host, port, local_hostname=name, timeout=within_s)
    timer = threading.Timer(max(0.01, due - time.monotonic()), _end, [server])
    timer.daemon = True
    timer.start()
    try:
        server.ehlo_or_helo_if_needed()
        if scheme == "smtp":
            if not server.has_extn("starttls"):
                raise _WithoutTls
            server.starttls(context=context)
            server.ehlo()
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
    finally:
        timer.cancel()
        server.close()


def _end(server: smtplib.SMTP) -> None:
    """Break a session off whose time is up."""
    if (own := server.sock) is not None:
        with suppress(OSError):
            own.shutdown(socket.SHUT_RDWR)


def _given(server: smtplib.SMTP, parcel: Parcel) -> Reply:
    ((_, sender), *_rest) = getaddresses([parcel.settings.get("from", "")])
    to = [each for _, each in getaddresses([parcel.settings.get("to", "")])]
    refused = server.sendmail(sender, to, parcel.body)
    if refused:
        told = f"accepted for {len(to) - len(refused)} of {len(to)} people"
        return Reply(kind=ReplyKind.ACCEPTED, told=told, answer=_text(refused.values()))
    return Reply(kind=ReplyKind.ACCEPTED, told=f"accepted for {len(to)} people")


def _refused(answers: list[tuple[int, bytes]]) -> Reply:
    """Return what the server's refusal means: it passes, unless every code says that it does not.

    5xx is for good, as 4xx is for a webhook.
    """
    codes = [code for code, _ in answers]
    kind = ReplyKind.REFUSED if min(codes) >= _PERMANENT else ReplyKind.FAILED
    return Reply(kind=kind, told=f"the server said {codes[0]}", answer=_text(answers))


def _text(answers: object) -> str:
    said = [text for _, text in answers]  # type: ignore[attr-defined]  # pairs of a code and a text
    return b"; ".join(said).decode("utf-8", "replace")[:_ANSWER]


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _why(error: Exception, due: float, within_s: float) -> str:
    if isinstance(error, TimeoutError) or time.monotonic() >= due:
        return f"the server was not done within {within_s:.3g} s"
    if isinstance(error, socket.gaierror):
        return f"the server's name does not resolve: {error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return "the server refuses the connection"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {error.reason or 'the handshake failed'}"
    return "the connection to the server broke"
