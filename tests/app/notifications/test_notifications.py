"""Who is told what: events from the records, in order, at least once, and nothing else changes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from templedb_nb.api import Temple
from templedb_nb.core.notifications.filters import misspelt, wanted_kinds
from templedb_nb.core.notifications.kinds import DEFAULT, KINDS
from templedb_nb.core.notifications.retries import after, backoff_s
from templedb_nb.model.notification import NotificationKind, Urgency
from templedb_nb.model.receiver import (
    Delivery,
    DeliveryState,
    ReceiverFilter,
    Reply,
    ReplyKind,
)
from templedb_nb.notify.addresses import public
from tests.conftest import MIGRATIONS, Shop, Terminal
from tests.notification_servers import Got, Hook, drop, hook, in_turn, reset, status

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)

ROOT = Path(__file__).parents[3]


def add(t: Terminal, server: Hook, *words: str, name: str = "ops") -> None:
    t("notify", "add", name, "webhook", server.url, *words)


def row(t: Terminal, name: str = "ops") -> dict[str, object]:
    rows = t("notify", "list", "--json").json[-1]["rows"]
    return next(dict(each) for each in rows if each["name"] == name)


def failing(shop: Shop) -> None:
    shop.config(MIGRATIONS, {"name": "web", "order": 2, "deploy_command": "echo broken; exit 3"})


def told_once(server: Hook, run: str = "") -> list[str]:
    """Return what was told of a run, in order, without the doubles: they have the same ids."""
    first = {each.event["id"]: each.event for each in server.got}
    return [each["data"]["kind"] for each in first.values() if run in each["subject"]]


# --- what is told -----------------------------------------------------------------------------


def test_run_tells_its_begin_and_its_end_when_a_receiver_is_added(shop: Shop) -> None:
    with hook() as server:
        add(shop.terminal, server)
        shop.run()
        assert server.kinds() == ["run.started", "run.succeeded"]
        shop.run()
    assert server.kinds()[2:] == ["run.started", "run.succeeded"]
    assert len(set(server.ids())) == 4


def test_run_tells_the_failed_step_and_keeps_its_exit_code_when_a_step_fails(shop: Shop) -> None:
    failing(shop)
    with hook() as server:
        add(shop.terminal, server)
        shop.run(code=12)
    assert server.kinds() == ["run.started", "step.failed", "run.failed"]
    last = server.got[-1].event
    assert last["data"]["title"] == "[staging] app failed"
    assert last["data"]["facts"]["exit code"] == "12"
    assert "web" in server.got[1].event["data"]["facts"]["step"]


def test_event_is_a_cloud_event_with_the_id_of_the_header(shop: Shop) -> None:
    with hook() as server:
        add(shop.terminal, server)
        shop.run()
    for got in server.got:
        event = got.event
        assert event["specversion"] == "1.0"
        assert event["id"] == got.headers["webhook-id"]
        assert event["source"] == "/templedb/app/staging"
        assert event["type"] == f"io.templedb.{event['data']['kind']}"
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        assert got.headers["content-type"].startswith("application/cloudevents+json")


def test_signature_is_valid_under_each_key_when_keys_rotate(shop: Shop) -> None:
    t = shop.terminal
    keys = ["whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="]  # fmt: skip
    t.set(NEW_KEY=keys[1])
    with hook() as server:
        add(t, server, "--key", keys[0], "--key", "env:NEW_KEY")
        shop.run()
    for got in server.got:
        assert len(got.headers["webhook-signature"].split(" ")) == 2
        for key in keys:
            assert Webhook(key).verify(got.body, got.headers)["id"] == got.headers["webhook-id"]
    with pytest.raises(Exception, match="No matching signature"):
        Webhook("whsec_" + "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=").verify(
            server.got[0].body, server.got[0].headers
        )


def test_key_is_shown_once_and_signs_when_notify_add_makes_the_key(shop: Shop) -> None:
    with hook() as server:
        said = shop.terminal("notify", "add", "ops", "webhook", server.url, "--key", "new")
        key = next(word for word in said.out.split() if word.startswith("whsec_"))
        shop.run()
        assert key not in shop.terminal("notify", "list", "--json").all
    Webhook(key).verify(server.got[0].body, server.got[0].headers)


def test_receiver_gets_only_matching_events_when_it_filters_events_targets_or_severities(
    shop: Shop,
) -> None:
    t = shop.terminal
    t("target", "add", "app", "other")
    with hook() as some, hook() as others, hook() as grave:
        add(t, some, "--event", "run.succeeded", "--event", "plan.*", name="some")
        add(t, others, "--target", "other", name="others")
        add(t, grave, "--severity", "error", name="grave")
        shop.run("--target", "staging")
        assert some.kinds() == ["plan.created", "run.succeeded"]
        assert others.got == grave.got == []


def test_receiver_is_refused_and_not_added_when_its_event_is_misspelt(terminal: Terminal) -> None:
    said = terminal("notify", "add", "ops", "webhook", "http://localhost/x",
                    "--event", "run.fialed", code=64)  # fmt: skip
    assert "'run.fialed' is not a kind of event" in said.err
    assert terminal("notify", "list", "--json").json[-1]["rows"] == []


def test_receiver_is_told_when_people_act_on_plans_locks_and_windows(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server, "--event", "*")
        rule = "deny * * * * * for 366d in UTC because it is closed"
        t("target", "update", "app", "staging", "--protected", "--window", f"shut: {rule}")
        plan = t("deploy", "plan", "app", "--json").json[-1]["plan_id"]
        shop.judge("reject", plan, "emil", "no")
        shop.approve(plan, by="emil")
        why = ("--override-window", "shut", "--reason", "it is urgent")
        t("deploy", "run", "--plan", plan, *why)
        told = {each.event["data"]["kind"]: each.event["data"] for each in server.got}
    assert list(told) == ["plan.created", "approval.requested", "approval.rejected",
                          "approval.given", "run.started", "window.overridden",
                          "run.succeeded"]  # fmt: skip
    assert told["approval.rejected"]["message"] == "no"
    assert told["window.overridden"]["message"] == "it is urgent"
    assert told["approval.given"]["title"] == "[staging] app was approved by emil"


def test_receiver_is_told_when_a_plan_is_replaced_and_an_approval_expires(shop: Shop) -> None:
    t = shop.terminal
    t("target", "update", "app", "staging", "--protected", "--expires", "1s")
    with hook() as server:
        add(t, server, "--event", "plan.superseded", "--event", "approval.expired")
        first = t("deploy", "plan", "app", "--json").json[-1]["plan_id"]
        shop.approve(first)
        shop.migration("003.sql", "CREATE TABLE third (id int);")
        second = t("deploy", "plan", "app", "--json").json[-1]["plan_id"]
        while "approval.expired" not in server.kinds():  # a second later
            t("notify", "send")
        told = {each.event["data"]["kind"]: each.event["data"] for each in server.got}
        t("notify", "send")
    assert sorted(server.kinds()) == ["approval.expired", "plan.superseded"]
    assert told["plan.superseded"]["plan"] == first
    assert second[:12] in told["plan.superseded"]["message"]
    assert "emil expired" in told["approval.expired"]["title"]


def test_receiver_is_told_when_a_lock_is_stolen(shop: Shop) -> None:
    t = shop.terminal
    shop.run()
    with hook() as server:
        add(t, server, "--event", "lock.stolen")
        shop.pg.query(
            "INSERT INTO templedb.lock (project, run, owner, host, pid, backend_pid, reason, since,"
            " heartbeat)"
            " VALUES ('app', 'gone', 'eve', 'laptop', 1, 999999, 'a run', now() - interval '1 day',"
            " now() - interval '1 day')"
        )
        t("lock", "steal", "app", "--expect", "gone", "--reason", "its laptop is lost")
    assert server.kinds() == ["lock.stolen"]
    assert server.got[0].event["data"]["message"] == "its laptop is lost"


def test_receiver_is_told_once_when_files_wait_for_long(shop: Shop) -> None:
    t = shop.terminal
    t.file("app/templedb.yaml", "groups:\n  - {name: migrations, file_patterns: ['migrations/*.sql']}\n"
           "targets: {staging: {}}\npending_alert: 1s\n")  # fmt: skip
    shop.run()
    shop.migration("003.sql", "CREATE TABLE third (id int);")
    t("deploy", "plan", "app")
    with hook() as server:
        add(t, server, "--event", "files.pending")
        while not server.got:  # a second later
            t("notify", "send", "--look")
        t("notify", "send", "--look")
    assert server.kinds() == ["files.pending"]
    assert "003.sql" in server.got[0].event["data"]["message"]


def test_drift_is_told_once_when_the_same_changes_are_found_again(shop: Shop) -> None:
    t = shop.terminal
    shop.run()
    with hook() as server:
        add(t, server, "--event", "drift.found")
        shop.pg.query("CREATE TABLE by_hand (id int)")
        t("drift", "check", "app")
        server.wait(1)
        t("drift", "check", "app")
        t("notify", "send")
    assert server.kinds() == ["drift.found"]
    assert "by_hand was added outside of templedb" in server.got[0].event["data"]["message"]


def test_board_counts_waiting_and_dead_notifications_when_a_receiver_refuses_events(
    shop: Shop,
) -> None:
    t = shop.terminal
    with hook(in_turn(status("404 Not Found"), status("500 Oops"))) as server:
        add(t, server)
        shop.run()
        board = t("board")
    assert "notifications of ops: 1 waiting, 1 dead" in board.out
    (waiting,) = t("board", "--json").json[-1]["receivers"]
    assert (waiting["name"], waiting["waiting"], waiting["dead"]) == ("ops", 1, 1)


def test_notification_and_records_hide_a_variable_value_when_a_failed_command_shows_the_value(
    shop: Shop,
) -> None:
    t = shop.terminal
    shop.config({"name": "web", "deploy_command": 'echo "$API_KEY"; sh -c "exit 3" "$API_KEY"'})
    t("env", "set", "app", "API_KEY", "s3cret-of-the-shop", "--target", "staging")

    def echoing(connection: socket.socket, got: Got, number: int) -> None:
        body = got.path.encode() + b" s3cret-of-the-shop"
        status("404 Not Found", body)(connection, got, number)

    with hook(echoing) as server:
        add(t, server, "--event", "*")
        shop.run(code=12)
        said = t("notify", "list", "--json").all + t("notify", "list").all
    assert server.got
    for got in server.got:
        assert b"s3cret-of-the-shop" not in got.body
        assert "s3cret-of-the-shop" not in str(got.headers)
    assert "very-secret-token" not in said
    assert "s3cret-of-the-shop" not in said
    kept = t.state.read_bytes() + b"".join(
        each.read_bytes() for each in t.state.parent.iterdir() if each.is_file()
    )
    assert b"very-secret-token" not in kept
    assert b"s3cret-of-the-shop" not in kept


def test_event_links_to_the_job_report_when_a_report_url_is_set(shop: Shop) -> None:
    t = shop.terminal
    t.set(TEMPLEDB_REPORT_URL="https://ci.example/runs/7")
    with hook() as server:
        add(t, server)
        shop.run()
    assert {got.event["data"]["link"] for got in server.got} == {"https://ci.example/runs/7"}


# --- receivers of every temper ----------------------------------------------------------------


@pytest.mark.parametrize(
    "temper",
    [
        status("500 Internal Server Error", b"oops"),
        status("503 Service Unavailable"),
        status("408 Request Timeout"),
        status("302 Found", b"", "Location: http://127.0.0.1:9/"),
        reset,
        drop,
        lambda connection, _, __: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
    ids=["500", "503", "408", "302", "reset", "drop", "no http"],
)
def test_notification_is_sent_again_in_order_and_the_run_succeeds_when_sending_failed(
    shop: Shop, temper: object
) -> None:
    with hook(in_turn(temper, status("200 OK"))) as server:  # type: ignore[arg-type]
        add(shop.terminal, server)
        shop.run()
        assert server.kinds() == ["run.started"], "nothing overtakes what failed"
        assert row(shop.terminal)["waiting"] == 2
        shop.terminal("notify", "send")
    assert server.kinds() == ["run.started", "run.started", "run.succeeded"]
    assert server.ids()[0] == server.ids()[1]


@pytest.mark.parametrize("code", ["400 Bad Request", "401 Unauthorized", "404 Not Found"])
def test_notification_becomes_a_dead_letter_and_later_events_go_on_when_refused(
    shop: Shop, code: str
) -> None:
    with hook(in_turn(status(code, b"go away"), status("200 OK"))) as server:
        add(shop.terminal, server)
        shop.run()
        assert server.kinds() == ["run.started", "run.succeeded"]
        listed = shop.terminal("notify", "list", "--json").json[-1]
    (dead,) = listed["dead"]
    assert (dead["kind"], dead["told"], dead["answer"]) == (
        "run.started", f"status {code[:3]}", "go away",
    )  # fmt: skip
    assert "dead letters" in shop.terminal("notify", "list").out


def test_receiver_is_disabled_until_resumed_when_it_answers_410_gone(shop: Shop) -> None:
    with hook(in_turn(status("410 Gone"), status("200 OK"))) as server:
        add(shop.terminal, server)
        shop.run()
        shop.run()
        shop.terminal("notify", "send")
        assert server.kinds() == ["run.started"]
        assert row(shop.terminal)["state"] == "disabled"
        assert "410" in str(row(shop.terminal)["note"])
        shop.terminal("notify", "pause", "ops", "--resume")
    assert server.kinds()[1:] == ["run.succeeded", "run.started", "run.succeeded"]


@pytest.mark.parametrize("text", ["3600", "Fri, 31 Dec 2099 23:59:59 GMT"])
def test_retry_after_is_obeyed_when_notify_send_is_called_at_once(shop: Shop, text: str) -> None:
    with hook(status("429 Too Many Requests", b"", f"Retry-After: {text}")) as server:
        add(shop.terminal, server)
        shop.run()
        shop.terminal("notify", "send")
        assert len(server.got) == 1
        due = datetime.fromisoformat(str(row(shop.terminal)["next_at"]))
    assert due > datetime.now(UTC) + timedelta(minutes=50)


def test_redirect_is_not_followed_when_a_receiver_answers_with_a_redirect(shop: Shop) -> None:
    with hook() as elsewhere:
        there = f"Location: {elsewhere.url}"
        with hook(status("307 Temporary Redirect", b"", there)) as server:
            add(shop.terminal, server)
            shop.run()
        assert server.got
        assert elsewhere.got == []


def test_answer_counts_and_keeps_only_a_kibibyte_when_its_body_never_ends(shop: Shop) -> None:
    def endless(connection: socket.socket, _: Got, __: int) -> None:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
        while True:
            connection.sendall(b"x" * 4096)

    with hook(endless) as server:
        add(shop.terminal, server)
        shop.run()
    (first, _) = shop.terminal("notify", "list", "--json").json[-1]["dead"]
    assert len(first["answer"]) == 1024


def test_run_waits_only_a_limited_time_when_the_receiver_never_answers(shop: Shop) -> None:
    """The server answers only when the run is over: a run that waited for it would not end."""
    ended: list[str] = []

    def silent(_: socket.socket, __: Got, ___: int) -> None:
        server.stop.wait()
        ended.append("stopped")

    with hook(silent) as server:
        add(shop.terminal, server)
        shop.run()
        assert server.kinds() == ["run.started"]
        assert ended == []
        assert row(shop.terminal)["waiting"] == 2


def test_receiver_is_not_asked_when_a_command_only_reads(shop: Shop) -> None:
    with hook(status("500 Oops")) as server:
        add(shop.terminal, server)
        shop.run()
        asked = len(server.got)
        for words in (("status", "app"), ("deploy", "history", "app"), ("notify", "list"),
                      ("deploy", "run", "app", "--dry-run"), ("deploy", "plan", "app")):  # fmt: skip
            shop.terminal(*words)
        assert len(server.got) == asked


def test_reading_command_leaves_the_sending_to_another_process_when_it_causes_an_event(
    shop: Shop,
) -> None:
    """The receiver answers only when the command is over: one that waited would not end."""
    t, over = shop.terminal, threading.Event()

    def late(connection: socket.socket, got: Got, number: int) -> None:
        over.wait()
        status("200 OK")(connection, got, number)

    with hook(late) as server:
        add(t, server)
        t("target", "update", "app", "staging", "--protected")
        t("deploy", "plan", "app")
        over.set()
        server.wait(1)
        assert server.kinds() == ["approval.requested"]
        assert "templedb approve" in server.got[0].event["data"]["command"]


def test_killed_run_is_told_when_a_reading_command_follows(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server)
        t.set(TEMPLEDB_FAILPOINT="apply.ran:kill9")
        t.process("deploy", "run", "app").communicate()
        t.unset("TEMPLEDB_FAILPOINT")
        t("deploy", "history", "app")
        while "run.failed" not in server.kinds():
            server.wait(len(server.got) + 1)
    assert told_once(server) == ["run.started", "step.failed", "run.failed"]


def test_state_show_leaves_the_state_as_found_when_there_is_no_state(terminal: Terminal) -> None:
    terminal("state", "show")
    assert not terminal.state.exists()


def test_run_tells_its_outcome_when_started_from_python(shop: Shop) -> None:
    with hook() as server:
        add(shop.terminal, server)
        Temple.open(shop.terminal.state).run("app", "staging")
    assert server.kinds() == ["run.started", "run.succeeded"]


def test_approval_request_is_told_before_the_wait_when_a_run_waits_for_approval(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server)
        t("target", "update", "app", "staging", "--protected")
        process = t.process("deploy", "run", "app", "--wait-approval", "10m")
        server.wait(1)
        assert server.kinds() == ["approval.requested"]
        shop.approve(server.got[0].event["data"]["plan"])
        process.communicate()
        assert process.returncode == 0
    assert server.kinds()[1:] == ["run.started", "run.succeeded"]


def test_private_address_is_refused_when_the_receiver_is_public_only(shop: Shop) -> None:
    with hook() as server:
        add(shop.terminal, server, "--public-only")
        shop.run()
        assert server.got == []
        said = shop.terminal("notify", "test", "ops", code=69)
    assert "an address that is not public" in said.out


def test_address_is_public_only_when_outside_of_every_private_range() -> None:
    private = ("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0",
               "::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "224.0.0.1",
               "::")  # fmt: skip
    assert [each for each in private if public(each)] == []
    assert all(map(public, ("1.1.1.1", "8.8.8.8", "2606:4700::1111")))


# --- commands ---------------------------------------------------------------------------------


def test_command_gets_the_event_on_standard_input_when_it_is_a_receiver(shop: Shop) -> None:
    t = shop.terminal
    t("notify", "add", "log", "command", "cat >> events.jsonl; echo >> events.jsonl")
    shop.run()
    events = [json.loads(line) for line in (t.home / "events.jsonl").read_text().splitlines()]
    assert [each["data"]["kind"] for each in events] == ["run.started", "run.succeeded"]


def test_command_receiver_runs_again_without_variables_of_the_process_when_it_fails(
    shop: Shop,
) -> None:
    t = shop.terminal
    t.set(SECRET_OF_CI="hunter2-hunter2")
    t("notify", "add", "log", "command", "env >> seen; test -e ready")
    shop.run()
    assert row(t, "log")["waiting"] == 2
    t.file("ready", "")
    t("notify", "send")
    seen = (t.home / "seen").read_text()
    assert seen.count("TEMPLEDB_EVENT_KIND=run.started") == 2
    assert seen.count("TEMPLEDB_EVENT_KIND=run.succeeded") == 1
    assert "hunter2" not in seen


def test_command_receiver_is_killed_with_all_its_children_when_it_does_not_end(shop: Shop) -> None:
    t = shop.terminal
    t("notify", "add", "log", "command", "echo $$ > pid; sleep 600 & sleep 600")
    shop.run()
    pid = int((t.home / "pid").read_text())
    told = row(t, "log")
    assert told["waiting"] == 2
    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}").exists()


# --- people's words about receivers -----------------------------------------------------------


def test_receiver_gets_missed_events_later_when_it_was_paused(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server)
        t("notify", "pause", "ops")
        shop.run()
        t("notify", "send")
        assert server.got == []
        t("notify", "pause", "ops", "--resume")
    assert server.kinds() == ["run.started", "run.succeeded"]


def test_replay_sends_the_same_ids_when_events_were_sent_before(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server)
        shop.run()
        t("notify", "replay", "ops", "--since", "1h")
        t("notify", "send")
    assert server.kinds() == ["run.started", "run.succeeded"] * 2
    assert server.ids()[:2] == server.ids()[2:]


def test_receiver_gets_past_events_only_on_replay_when_added_later(shop: Shop) -> None:
    t = shop.terminal
    shop.run()
    with hook() as server:
        add(t, server)
        t("notify", "send")
        assert server.got == []
        t("notify", "replay", "--since", "1h")
    assert server.kinds() == ["run.started", "run.succeeded"]


def test_receiver_gets_nothing_when_it_was_removed(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server)
        t("notify", "remove", "ops")
        shop.run()
        assert server.got == []
    t("notify", "remove", "ops", code=64)


def test_notify_test_reports_the_answer_when_the_receiver_takes_or_refuses_the_message(
    shop: Shop,
) -> None:
    t = shop.terminal
    with hook(in_turn(status("200 OK", b"fine"), status("401 Unauthorized", b"who?"))) as server:
        add(t, server)
        good = t("notify", "test", "ops")
        bad = t("notify", "test", "ops", code=69)
    assert "accepted the test message: status 200" in good.out
    assert "did not accept the test message: status 401" in bad.out
    assert server.kinds() == ["notification.test"] * 2
    assert row(t)["waiting"] == row(t)["dead"] == 0


# --- receivers of templedb.yaml ---------------------------------------------------------------

FILE = """\
groups:
  - {{name: migrations, file_patterns: ["migrations/*.sql"]}}
targets: {{staging: {{}}}}
notifications:
  ops:
    kind: webhook
    address: {address}
    events: [run.succeeded]
"""


def test_receiver_follows_the_project_file_when_the_file_names_its_address_by_reference(
    shop: Shop,
) -> None:
    t = shop.terminal
    with hook() as server:
        t.set(OPS_HOOK=server.url)
        t.file("app/templedb.yaml", FILE.format(address="env:OPS_HOOK"))
        shop.run()
        assert server.kinds() == ["run.succeeded"]
        assert row(t, "app/ops")["origin"] == "app"
        t("notify", "remove", "app/ops", code=64)
        t.file("app/templedb.yaml", FILE.format(address="env:OPS_HOOK").split("notifications")[0])
        shop.run()
    assert server.kinds() == ["run.succeeded"]
    assert t("notify", "list", "--json").json[-1]["rows"] == []


def test_project_file_is_refused_when_a_receiver_has_a_literal_address(shop: Shop) -> None:
    shop.terminal.file("app/templedb.yaml", FILE.format(address="https://example.com/hook"))
    said = shop.run(code=78)
    assert "notifications.ops.address: is a value, but this file is checked in" in said.err


def test_notification_waits_and_the_run_succeeds_when_the_variable_of_the_address_is_missing(
    shop: Shop,
) -> None:
    t = shop.terminal
    t.file("app/templedb.yaml", FILE.format(address="env:OPS_HOOK"))
    shop.run()
    assert row(t, "app/ops")["waiting"] == 1
    with hook() as server:
        t.set(OPS_HOOK=server.url)
        t("notify", "send")
    assert server.kinds() == ["run.succeeded"]


# --- crashes ----------------------------------------------------------------------------------


def test_killed_run_is_told_when_the_next_command_uses_its_state(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server)
        t.set(TEMPLEDB_FAILPOINT="apply.ran:kill9")
        process = t.process("deploy", "run", "app")
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        dead = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"][0]["run"]
        t.unset("TEMPLEDB_FAILPOINT")
        shop.run()
    assert told_once(server, dead) == ["run.started", "step.failed", "run.failed"]
    assert server.kinds()[-1] == "run.succeeded"


def test_notification_is_sent_again_with_its_id_when_the_sender_dies_before_recording(
    shop: Shop,
) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server)
        t.set(TEMPLEDB_FAILPOINT="notify.taken:kill9")
        process = t.process("deploy", "run", "app")
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert server.kinds() == ["run.started", "run.succeeded"]
        t.unset("TEMPLEDB_FAILPOINT")
        t("notify", "send")
    ends = [each.headers["webhook-id"] for each in server.got if "succeeded" in each.event["type"]]
    assert len(ends) == 2
    assert ends[0] == ends[1]
    assert told_once(server) == ["run.started", "run.succeeded"]


def test_notification_has_the_same_id_when_two_states_find_a_dead_run(shop: Shop) -> None:
    t = shop.terminal
    shop.run()
    shop.migration("003.sql", "CREATE TABLE third (id int);")
    t.set(TEMPLEDB_FAILPOINT="apply.ran:kill9")
    t.process("deploy", "run", "app").communicate()
    t.unset("TEMPLEDB_FAILPOINT")
    ids = []
    with hook() as server:
        for number in (2, 3):
            t.set(TEMPLEDB_STATE=str(t.home / f"state{number}" / "state.duckdb"))
            t("project", "import", "app")
            t.config(MIGRATIONS)
            t("target", "add", "app", "staging")
            t("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
            add(t, server)
            t("status", "app")
            t("notify", "send")
            assert server.kinds() == ["run.unknown"]
            ids += server.ids()
            server.got.clear()
    assert ids[0] == ids[1]


# --- decisions --------------------------------------------------------------------------------


def owed(**changed: object) -> Delivery:
    from dataclasses import replace

    bare = Delivery(receiver="ops", event="e", kind=NotificationKind.RUN_FAILED, record="run:r",
                    stream="r", place=1, happened_at=NOW)  # fmt: skip
    return replace(bare, **changed)  # type: ignore[arg-type]


FAILED = Reply(kind=ReplyKind.FAILED, told="status 500")


def test_backoff_doubles_up_to_four_hours_when_failures_repeat() -> None:
    waits = [backoff_s(n) for n in range(1, 12)]
    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] == max(waits) == 4 * 3600
    assert backoff_s(10**6) == 4 * 3600


def test_delivery_becomes_a_dead_letter_when_it_fails_for_a_day() -> None:
    delivery, now = owed(), NOW
    while delivery.state is DeliveryState.WAITING:
        delivery = after(delivery, FAILED, now)
        now = delivery.due_at or now
    assert timedelta(hours=24) <= now - NOW < timedelta(hours=32)
    assert "given up" in delivery.told


def test_delivery_still_waits_when_two_failures_are_far_apart() -> None:
    first = after(owed(), FAILED, NOW)
    second = after(first, FAILED, NOW + timedelta(days=3))
    assert second.state is DeliveryState.WAITING


def test_default_events_are_requests_begins_ends_and_errors() -> None:
    red = {kind for kind, facts in KINDS.items() if facts.urgency.rank >= Urgency.ERROR.rank}
    named = {"approval.requested", "run.started", "run.succeeded", "run.failed", "run.cancelled",
             "run.timed_out", "run.unknown", "rollback.started", "rollback.succeeded"}  # fmt: skip
    assert red <= DEFAULT
    assert {str(kind) for kind in DEFAULT} == named | {str(kind) for kind in red}
    assert set(KINDS) == set(NotificationKind)


def test_event_pattern_names_kinds_when_it_gives_their_first_words() -> None:
    def named(*events: str) -> set[str]:
        return {str(kind) for kind in wanted_kinds(ReceiverFilter(events=events))}

    assert named("rollback.*") == {"rollback.started", "rollback.succeeded", "rollback.failed"}
    assert named("*") == {str(kind) for kind in KINDS}
    assert misspelt(["run.*", "ru*", "run.", "*.failed", "", "run.failed"]) == (
        "ru*", "run.", "*.failed", "",
    )  # fmt: skip


def test_rampage_of_notifications_finds_nothing_wrong() -> None:
    words = [sys.executable, "-m", "tests.chaos_notifications", "--runs", "12", "--seed", "4"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
