"""A notification as an e-mail: text, and HTML with the card that a notebook shows."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.notification import Notification
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.views.format import encodable, shown
from templedb_nb.views.html import bundle
from templedb_nb.views.html.card import code, facts, when
from templedb_nb.views.html.markup import Html, join, prose, tag
from templedb_nb.views.notices.plain import plain

_LARGEST = 256 * 1024
"""A card that is larger is left out; the text says what to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who sends an e-mail to whom, when, and which earlier one it follows, by stream and event."""

    sender: str
    to: str
    date: datetime
    follows: tuple[str, str] | None = None


def mail(told: Notification, envelope: Envelope, value: Result | Preview | None) -> bytes:
    """Return the message as it goes over the wire.

    Its id follows from the event's, so that a double is the same message; all e-mails of a run
    follow the first one of it.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = envelope.sender
    message["To"] = envelope.to
    message["Subject"] = shown(told.title)
    message["Date"] = format_datetime(envelope.date)
    message["Message-ID"] = _message_id(told.stream, told.id, envelope)
    if envelope.follows and envelope.follows[1] != told.id:
        first = _message_id(*envelope.follows, envelope)
        message["In-Reply-To"] = first
        message["References"] = first
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(plain(told) + "\n")
    message.add_alternative(encodable(_page(told, value)), subtype="html")
    return message.as_bytes()


def _message_id(stream: str, event: str, envelope: Envelope) -> str:
    domain = parseaddr(envelope.sender)[1].rpartition("@")[2]
    return f"<{stream}.{event}@{domain}>"


def _page(told: Notification, value: Result | Preview | None) -> str:
    """Return the page: what happened, the card, and what to do."""
    card = _card(value)
    link = tag("p", tag("a", "Report", href=told.link)) if told.link else None
    body = join(
        tag("h2", told.title),
        tag("p", prose(told.message)) if told.message else None,
        card or facts([*((name, text) for name, text in told.facts), ("at", when(told.at))]),
        link,
        tag("p", "Next: ", code(told.command)) if told.command else None,
    )
    return f'<!doctype html>\n<html><head><meta charset="utf-8"></head><body>{body}</body></html>\n'


def _card(value: Result | Preview | None) -> Html | None:
    found = bundle(value) if value is not None else None
    card = str(found["text/html"]) if found else ""
    return Html(card) if 0 < len(card) <= _LARGEST else None
