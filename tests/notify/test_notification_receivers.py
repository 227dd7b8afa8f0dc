"""E-mail, Slack and Apprise: real servers get what people read, and nothing goes out in the clear."""

from __future__ import annotations

import email
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from templedb_nb.model.notification import Notification, NotificationKind, Urgency
from templedb_nb.views.notices.slack import LONGEST, slack_message
from tests.app.notifications.test_notifications import NOW, failing, row
from tests.conftest import Shop, Terminal
from tests.health_servers import authority
from tests.notification_servers import Got, Hook, hook, status


class Box:
    """Keeps what a mail server took; says what it is told to say."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        self.answers: list[str] = []
        self.refuse: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if address in self.refuse:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _: SMTP, __: Session, envelope: Envelope
    ) -> str:
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = email.message_from_bytes(content, policy=default)
            assert isinstance(message, EmailMessage)
            self.mails.append((envelope.mail_from or "", envelope.rcpt_tos, message))
        return answer


def _login(_: Any, __: Any, ___: Any, ____: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data == LoginPassword(b"cd", b"p@ss/word:1")
    return AuthResult(success=good, handled=False)


@contextmanager
def post_office(tls: ssl.SSLContext | None, *, login: bool = False) -> Iterator[tuple[Box, int]]:
    box = Box()
    port = _free_port()
    how: dict[str, Any] = {"authenticator": _login, "auth_required": True} if login else {}
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=tls,
        require_starttls=tls is not None,
        **how,
    )
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def server_tls(tmp_path: Path, terminal: Terminal) -> ssl.SSLContext:
    """Make a certificate for this machine that the terminal's commands trust."""
    found = authority(tmp_path / "authority")
    terminal.set(SSL_CERT_FILE=str(found.file))
    return found.context("localhost")


def mail_to(t: Terminal, port: int, user: str = "", *words: str) -> None:
    address = f"smtp://{user}localhost:{port}"
    t("notify", "add", "team", "email", address, "--from", "Deployments <cd@shop.example>",
      "--to", "ops@shop.example", "--to", "Rosa <rosa@shop.example>", *words)  # fmt: skip


# --- e-mail -----------------------------------------------------------------------------------


def test_mails_are_a_thread_with_text_and_card_when_they_tell_of_the_same_run(
    shop: Shop, server_tls: ssl.SSLContext
) -> None:
    failing(shop)
    with post_office(server_tls, login=True) as (box, port):
        mail_to(shop.terminal, port, "cd:p%40ss%2Fword%3A1@")
        shop.run(code=12)
    sender, to, first = box.mails[0]
    assert (sender, to) == ("cd@shop.example", ["ops@shop.example", "rosa@shop.example"])
    subjects = [mail["Subject"] for _, _, mail in box.mails]
    assert subjects == ["[staging] app started", "[staging] app had a step that failed",
                        "[staging] app failed"]  # fmt: skip
    for _, _, mail in box.mails[1:]:
        assert mail["In-Reply-To"] == mail["References"] == first["Message-ID"]
    assert first["In-Reply-To"] is None
    assert len({mail["Message-ID"] for _, _, mail in box.mails}) == 3
    last = box.mails[-1][2]
    text, page = (last.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert page is not None
    assert "templedb deploy show" in text.get_content()
    assert "tdb-is-bad" in page.get_content(), "the card is the one of notebooks"
    assert "echo broken" in page.get_content()


def test_mail_keeps_its_message_id_when_sent_a_second_time(
    shop: Shop, server_tls: ssl.SSLContext
) -> None:
    with post_office(server_tls) as (box, port):
        mail_to(shop.terminal, port)
        shop.run()
        shop.terminal("notify", "replay", "team", "--since", "1h")
        shop.terminal("notify", "send")
    ids = [mail["Message-ID"] for _, _, mail in box.mails]
    assert len(ids) == 4
    assert sorted(ids[:2]) == sorted(ids[2:])


def test_mail_is_not_sent_when_the_server_has_no_starttls(shop: Shop) -> None:
    with post_office(None) as (box, port):
        mail_to(shop.terminal, port)
        shop.run()
        said = shop.terminal("notify", "test", "team", code=69)
    assert box.mails == []
    assert "no STARTTLS: nothing was sent" in said.out
    assert row(shop.terminal, "team")["waiting"] == 2


def test_mail_is_not_sent_when_the_server_certificate_is_unknown(
    shop: Shop, server_tls: ssl.SSLContext
) -> None:
    shop.terminal.unset("SSL_CERT_FILE")
    with post_office(server_tls) as (box, port):
        mail_to(shop.terminal, port)
        said = shop.terminal("notify", "test", "team", code=69)
    assert box.mails == []
    assert "certificate is not accepted" in said.out


def test_mail_is_tried_again_when_the_server_is_busy_and_dropped_after_a_refusal(
    shop: Shop, server_tls: ssl.SSLContext
) -> None:
    with post_office(server_tls) as (box, port):
        box.answers = ["451 later", "554 never"]
        mail_to(shop.terminal, port)
        shop.run()
        assert row(shop.terminal, "team")["waiting"] == 2
        shop.terminal("notify", "send")
        assert [mail["Subject"] for _, _, mail in box.mails] == ["[staging] app succeeded"]
        listed = shop.terminal("notify", "list", "--json").json[-1]
    assert [each["kind"] for each in listed["dead"]] == ["run.started"]
    assert "554" in listed["dead"][0]["told"]


def test_mail_is_delivered_to_the_others_when_a_recipient_is_refused(
    shop: Shop, server_tls: ssl.SSLContext
) -> None:
    with post_office(server_tls) as (box, port):
        box.refuse = {"rosa@shop.example"}
        mail_to(shop.terminal, port)
        said = shop.terminal("notify", "test", "team")
        assert "accepted for 1 of 2 people" in said.out
        box.refuse = {"rosa@shop.example", "ops@shop.example"}
        shop.terminal("notify", "test", "team", code=69)


def test_mail_subject_adds_no_header_when_a_name_holds_a_line_end(
    shop: Shop, server_tls: ssl.SSLContext
) -> None:
    """A reason is a person's text: it may hold what ends a header."""
    t = shop.terminal
    with post_office(server_tls) as (box, port):
        mail_to(t, port, "", "--event", "approval.*")
        t("target", "update", "app", "staging", "--protected")
        plan = t("deploy", "plan", "app", "--json").json[-1]["plan_id"]
        shop.approve(plan, by="emil\r\nBcc: eve@evil.example", reason="x\r\nBcc: eve@evil.example")
        t("notify", "send")
    assert box.mails
    for _, to, mail in box.mails:
        assert mail["Bcc"] is None
        assert "eve@evil.example" not in to


def test_email_receiver_is_refused_when_sender_recipients_or_smtp_address_are_missing(
    terminal: Terminal,
) -> None:
    said = terminal("notify", "add", "team", "email", "smtp://localhost", code=64)
    assert "needs from" in said.err
    assert "needs to" in said.err
    terminal("notify", "add", "team", "email", "https://localhost", "--from", "a@b.c",
             "--to", "a@b.c", code=64)  # fmt: skip


# --- Slack ------------------------------------------------------------------------------------


def slack(connection: socket.socket, got: Got, number: int) -> None:
    """Answer as Slack's API does."""
    if got.headers.get("authorization") != "Bearer xoxb-1-right":
        answer: dict[str, Any] = {"ok": False, "error": "invalid_auth"}
    elif got.path.endswith("chat.postMessage"):
        answer = {"ok": True, "channel": "C42", "ts": f"170{number}.5"}
    else:
        answer = {"ok": True, "channel": "C42", "ts": got.event["ts"]}
    body = json.dumps(answer).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def bot(t: Terminal, server: Hook, token: str = "xoxb-1-right") -> None:
    t.set(TEMPLEDB_SLACK_API=f"http://127.0.0.1:{server.port}/api")
    t("notify", "add", "chat", "slack", token, "--channel", "#ops")


def test_slack_bot_keeps_one_message_for_each_run_when_several_runs_fail(shop: Shop) -> None:
    failing(shop)
    with hook(slack) as server:
        bot(shop.terminal, server)
        shop.run(code=12)
        shop.run(code=12)
    paths = [each.path for each in server.got]
    assert paths == ["/api/chat.postMessage", *["/api/chat.update"] * 2] * 2
    first, second, third = (each.event for each in server.got[:3])
    assert first["channel"] == "#ops"
    assert (second["channel"], second["ts"]) == (third["channel"], third["ts"]) == ("C42", "1700.5")
    whole = json.dumps(third["blocks"])
    assert "app failed" in whole
    assert "had a step that failed" in whole, "the message still says what came before"


def test_slack_bot_writes_a_new_message_when_its_message_is_gone(shop: Shop) -> None:
    def forgetful(connection: socket.socket, got: Got, number: int) -> None:
        if got.path.endswith("chat.update"):
            body = b'{"ok": false, "error": "message_not_found"}'
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)
        else:
            slack(connection, got, number)

    with hook(forgetful) as server:
        bot(shop.terminal, server)
        shop.run()
    assert [each.path.rpartition(".")[2] for each in server.got] == [
        "postMessage", "update", "postMessage",
    ]  # fmt: skip
    assert row(shop.terminal, "chat")["delivered"] == 2


def test_slack_bot_has_dead_letters_when_its_token_is_refused(shop: Shop) -> None:
    with hook(slack) as server:
        bot(shop.terminal, server, "xoxb-1-wrong")
        shop.run()
    listed = shop.terminal("notify", "list", "--json").json[-1]
    assert {each["told"] for each in listed["dead"]} == {"Slack says invalid_auth"}


def test_incoming_webhook_gets_a_message_for_each_event_when_a_run_succeeds(shop: Shop) -> None:
    with hook(status("200 OK", b"ok")) as server:
        shop.terminal("notify", "add", "chat", "slack", server.url)
        shop.run()
    texts = [each.event["text"] for each in server.got]
    assert texts == ["[staging] app started", "[staging] app succeeded"]


def blocks(**changed: Any) -> list[dict[str, Any]]:
    bare: dict[str, Any] = {
        "id": "e", "kind": NotificationKind.RUN_FAILED, "urgency": Urgency.ERROR, "at": NOW,
        "record": "run:r", "stream": "r", "place": 1, "what": "failed", "project": "shop",
    }  # fmt: skip
    found: list[dict[str, Any]] = json.loads(slack_message(Notification(**bare | changed)))[
        "blocks"
    ]
    return found


@pytest.mark.parametrize("text", ["x" * 9000, "&" * 9000, "```" * 3000, "<!channel>" * 900])
def test_slack_blocks_are_short_and_mention_nobody_when_the_text_is_long_or_hostile(
    text: str,
) -> None:
    pairs = tuple((f"fact {n}", text) for n in range(20))
    found = blocks(message=text, what=text, facts=pairs, command=text)
    for block in found:
        texts = [block["text"]] if "text" in block else block["fields"]
        assert len(texts) <= 10
        if block is found[1]:
            assert texts[0]["text"].count("```") == 2, "the text cannot end its own block"
        for each in texts:
            assert len(each["text"]) <= LONGEST
            assert "<!" not in each["text"]
            assert not each["text"].removesuffix("…").endswith(("&", "&a", "&am", "&amp"))


def test_slack_message_has_a_link_and_a_command_and_no_button() -> None:
    whole = blocks(
        command="templedb approve 1 --reason WHY", link="https://ci.example/report?a=1&b=2"
    )
    told = json.dumps(whole)
    assert "templedb approve 1 --reason WHY" in told
    assert "<https://ci.example/report?a=1&amp;b=2|Report>" in told
    assert {each["type"] for each in whole} == {"section"}


# --- Apprise ----------------------------------------------------------------------------------


def test_apprise_sends_title_and_text_when_a_run_succeeds(shop: Shop) -> None:
    with hook() as server:
        shop.terminal("notify", "add", "all", "apprise", f"json://127.0.0.1:{server.port}/in")
        shop.run()
    assert [each.event["title"] for each in server.got] == [
        "[staging] app started", "[staging] app succeeded",
    ]  # fmt: skip
    assert "templedb deploy show" in server.got[1].event["message"]


def test_apprise_says_only_that_sending_failed_when_the_service_fails(shop: Shop) -> None:
    with hook(status("500 Oops")) as server:
        shop.terminal("notify", "add", "all", "apprise", f"json://127.0.0.1:{server.port}/in")
        said = shop.terminal("notify", "test", "all", code=69)
        assert "could not send it, and does not say why" in said.out
        shop.terminal("notify", "add", "none", "apprise", "nosuchservice://somewhere")
        said = shop.terminal("notify", "test", "none", code=69)
    assert "knows no service" in said.out
