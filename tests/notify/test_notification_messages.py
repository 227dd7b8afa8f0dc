"""Messages in every form, of texts that no person would write, and receivers that never end."""

from __future__ import annotations

import email
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.policy import default

import pytest

from templedb_nb.app.notifications.parcels import masked
from templedb_nb.model.notification import Notification, NotificationKind, Urgency
from templedb_nb.views.notices.cloud_event import cloud_event
from templedb_nb.views.notices.mail import Envelope, mail
from templedb_nb.views.notices.plain import plain
from templedb_nb.views.notices.slack import slack_message
from tests.app.notifications.test_notifications import NOW
from tests.conftest import Terminal

TEXTS = [
    "half of a pair: \ud83d",
    "bytes of a name: \udcff",
    "ends\x00here",
    "a\r\nBcc: eve@evil.example",
    "\x1b[31mred\x07",
    "\u202egnirts",
    "x" * 100_000,
    "",
]


def notification(text: str) -> Notification:
    return Notification(
        id="e", kind=NotificationKind.RUN_FAILED, urgency=Urgency.ERROR, at=NOW, record="run:r",
        stream="r", place=1, what=text, project="shop", target="staging", run="r", message=text,
        facts=(("step", text),), command=text, link=text,
    )  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_message_can_be_made_and_read_when_its_texts_are_strange(text: str) -> None:
    told = masked(notification(text), lambda given: given)
    assert json.loads(cloud_event(told))["id"] == "e"
    assert json.loads(slack_message(told, [told]))["blocks"]
    assert plain(told).encode()
    sent = mail(told, Envelope(sender="cd@shop.example", to="ops@shop.example", date=NOW), None)
    read = email.message_from_bytes(sent, policy=default)
    assert read["To"] == "ops@shop.example"
    assert read["Bcc"] is None
    assert read.get_body(("html",)) is not None


@pytest.mark.parametrize("words", [
    ("--from", "cd@sh\u00f6p.example", "--to", "ops@shop.example"),
    ("--from", "cd@shop.example", "--to", "R\u00f6sa <r\u00f6sa@shop.example>"),
])  # fmt: skip
def test_address_is_refused_when_no_mail_server_takes_it(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    said = terminal("notify", "add", "team", "email", "smtp://localhost", *words, code=64)
    assert "letters that mail servers refuse" in said.err


def test_name_of_a_person_may_have_every_letter_when_the_address_has_not(
    terminal: Terminal,
) -> None:
    terminal("notify", "add", "team", "email", "smtp://localhost", "--from", "cd@shop.example",
             "--to", "R\u00f6sa <rosa@shop.example>")  # fmt: skip


# --- receivers that never end -----------------------------------------------------------------


@contextmanager
def dripping(first: bytes, piece: bytes) -> Iterator[int]:
    """Serve a little again and again: no single read takes long, and the whole never ends."""
    stop = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.sendall(first)
                while not stop.wait(0.05):
                    connection.sendall(piece)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


HTTP = (b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n")
SMTP = (b"220-hello\r\n", b"220-hello\r\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("apprise", "json://127.0.0.1:{port}/in"), HTTP),
        (("webhook", "http://127.0.0.1:{port}/in"), HTTP),
        (("slack", "http://127.0.0.1:{port}/in"), HTTP),
        (("email", "smtp://127.0.0.1:{port}", "--from", "a@b.c", "--to", "a@b.c"), SMTP),
    ],
    ids=["apprise", "webhook", "slack", "email"],
)
def test_attempt_ends_in_time_when_the_receiver_never_does(
    terminal: Terminal, words: tuple[str, ...], said: tuple[bytes, bytes]
) -> None:
    limit = "templedb_nb.app.notifications.notifications.ATTEMPT_S"
    terminal.monkeypatch.setattr(limit, 1.0)
    with dripping(*said) as port:
        terminal("notify", "add", "ops", *(each.format(port=port) for each in words))
        told = terminal("notify", "test", "ops", code=69)
    assert "within 1 s" in told.out
