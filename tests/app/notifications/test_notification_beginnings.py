"""People hear of a run when it begins: beside it, without its state, and without changing it."""

from __future__ import annotations

import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.app.notifications.test_notifications import add, row
from tests.conftest import Shop
from tests.notification_servers import Got, hook, in_turn, status
from tests.notify.test_notification_receivers import bot, mail_to, post_office, server_tls, slack

__all__ = ["server_tls"]

WAITS = "touch began; while [ ! -e {home}/go ]; do sleep 0.05; done"


@pytest.fixture
def waiting(shop: Shop) -> Shop:
    """Return a shop whose deployments go on until there is a file."""
    shop.config({"name": "web", "deploy_command": WAITS.format(home=shop.terminal.home)})
    return shop


def let_go(shop: Shop) -> None:
    (shop.terminal.home / "go").touch()


def test_receiver_hears_of_a_run_when_it_begins(waiting: Shop) -> None:
    with hook() as server:
        add(waiting.terminal, server)
        process = waiting.terminal.process("deploy", "run", "app")
        server.wait(1)
        assert server.kinds() == ["run.started"], "the run waits for a file that is not there"
        let_go(waiting)
        process.communicate()
        assert process.returncode == 0
    assert server.kinds() == ["run.started", "run.succeeded"]
    assert row(waiting.terminal)["delivered"] == 2


def test_state_is_free_when_a_receiver_does_not_answer_that_a_run_began(waiting: Shop) -> None:
    t = waiting.terminal

    def silent(_: socket.socket, __: Got, ___: int) -> None:
        server.stop.wait()

    with hook(silent) as server:
        add(t, server)
        process = t.process("deploy", "run", "app")
        server.wait(1)
        with t.monkeypatch.context() as patch:
            patch.setattr("templedb_nb.store.duckdb.state_file.WAIT_S", 1.0)
            t("env", "set", "app", "OTHER", "another value", "--target", "staging")
        let_go(waiting)
        process.communicate()
        assert process.returncode == 0
        assert server.kinds() == ["run.started"]
        assert row(t)["waiting"] == 2


def test_beginning_is_told_again_with_its_id_when_the_process_dies(waiting: Shop) -> None:
    t = waiting.terminal
    with hook() as server:
        add(t, server)
        process = t.process("deploy", "run", "app")
        server.wait(1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        let_go(waiting)
        t("notify", "send")
    assert server.kinds()[:2] == ["run.started", "run.started"]
    assert server.ids()[0] == server.ids()[1]
    assert server.got[0].body == server.got[1].body


def test_beginning_that_is_refused_is_a_dead_letter_and_the_end_is_told(shop: Shop) -> None:
    with hook(in_turn(status("404 Not Found", b"who"), status("200 OK"))) as server:
        add(shop.terminal, server)
        shop.run()
    assert server.kinds() == ["run.started", "run.succeeded"]
    assert row(shop.terminal)["dead"] == 1


def test_receiver_that_is_paused_or_wants_other_runs_hears_of_no_beginning(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server, name="paused")
        t("notify", "pause", "paused")
        add(t, server, "--target", "other", name="other")
        add(t, server, "--severity", "error", name="grave")
        add(t, server, "--event", "run.succeeded", name="ends")
        shop.run()
    assert server.kinds() == ["run.succeeded"]


def test_bot_changes_the_message_that_it_wrote_when_the_run_began(waiting: Shop) -> None:
    with hook(slack) as server:
        bot(waiting.terminal, server)
        process = waiting.terminal.process("deploy", "run", "app")
        server.wait(1)
        let_go(waiting)
        process.communicate()
    assert [each.path for each in server.got] == ["/api/chat.postMessage", "/api/chat.update"]


def test_mail_of_the_end_follows_the_one_of_the_beginning(
    waiting: Shop, server_tls: ssl.SSLContext
) -> None:
    t = waiting.terminal
    with post_office(server_tls) as (box, port):
        mail_to(t, port)
        process = t.process("deploy", "run", "app")
        while not box.mails:  # the run waits for a file
            assert process.poll() is None
        page = box.mails[0][2].get_body(("html",))
        let_go(waiting)
        process.communicate()
    first, last = (mail for _, _, mail in box.mails)
    assert first["Subject"] == "[staging] app started"
    assert page is not None
    assert "tdb-" in page.get_content(), "it has the card"
    assert last["In-Reply-To"] == first["Message-ID"]


def test_beginning_holds_no_value_of_another_project(waiting: Shop, tmp_path: Path) -> None:
    t = waiting.terminal
    t.files("other", **{"a.sql": "SELECT 1;"})
    t("project", "import", "other")
    t("target", "add", "other", "staging")
    t("env", "set", "other", "KEY", "s3cret-of-the-other", "--target", "staging")
    t.set(TEMPLEDB_USER="s3cret-of-the-other")
    with hook() as server:
        add(t, server)
        process = t.process("deploy", "run", "app")
        server.wait(1)
        let_go(waiting)
        process.communicate()
    assert b"s3cret-of-the-other" not in server.got[0].body
    assert tmp_path.exists()
