"""What receivers are promised when much is owed, when clocks jump, and when one message is ill."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from templedb_nb.api import Temple
from templedb_nb.core.notifications.retries import after
from templedb_nb.core.notifications.turns import ready
from templedb_nb.model.receiver import Reply, ReplyKind
from tests.app.notifications.test_notifications import NOW, add, owed, row
from tests.conftest import MIGRATIONS, Shop
from tests.notification_servers import hook, in_turn, status


def test_one_command_sends_everything_owed_when_it_is_more_than_one_pass_takes(shop: Shop) -> None:
    t = shop.terminal
    shop.config({"name": "web", "deploy_command": "true"})
    t.monkeypatch.setattr("templedb_nb.app.notifications.sender.AT_ONCE", 3)
    with hook() as server:
        add(t, server)
        t("notify", "pause", "ops")
        for _ in range(4):
            shop.run()
        t("notify", "pause", "ops", "--resume")
        t("notify", "send")
    assert server.kinds() == ["run.started", "run.succeeded"] * 4
    assert row(t)["waiting"] == 0


def test_new_events_stay_behind_when_older_ones_of_their_run_were_not_read(shop: Shop) -> None:
    """What a pass reads of a long queue ends in the middle of a run."""
    t = shop.terminal
    shop.config({"name": "web", "deploy_command": "true"})
    t.monkeypatch.setattr("templedb_nb.app.notifications.sender.READ", 1)
    with hook(in_turn(status("500 Oops"), status("200 OK"))) as server:
        add(t, server)
        for _ in range(3):
            shop.run()
        t("notify", "send")
    order: dict[str, list[str]] = {}
    for got in server.got[1:]:
        order.setdefault(got.event["subject"], []).append(got.event["data"]["kind"])
    assert list(order.values()) == [["run.started", "run.succeeded"]] * 3


def test_deliveries_are_due_when_the_clock_was_set_back_after_the_last_attempt() -> None:
    tried = after(owed(), Reply(kind=ReplyKind.FAILED, told="status 429", wait_s=3600), NOW)
    assert ready([tried], NOW + timedelta(minutes=5), due=False) == []
    assert ready([tried], NOW - timedelta(days=300), due=True) == [tried]


def test_no_process_begins_when_what_is_owed_is_not_due(shop: Shop) -> None:
    t = shop.terminal
    begun: list[object] = []
    with hook(status("500 Oops")) as server:
        add(t, server)
        shop.run()
        t.monkeypatch.setattr(
            "templedb_nb.notify.background.begin", lambda *_: begun.append("begun")
        )
        t("status", "app")
    assert begun == []


def test_filter_that_is_replaced_tells_nothing_of_the_past(shop: Shop) -> None:
    t = shop.terminal
    with hook() as server:
        add(t, server, "--event", "run.failed")
        t("deploy", "plan", "app")
        shop.run()
        add(t, server, "--event", "*")
        t("notify", "send")
        assert server.kinds() == []
        shop.run()
    assert sorted(server.kinds()) == ["plan.created", "run.started", "run.succeeded"]


def test_filter_that_is_the_same_keeps_the_place_of_its_receiver(shop: Shop) -> None:
    t = shop.terminal
    with hook(in_turn(status("500 Oops"), status("200 OK"))) as server:
        add(t, server)
        shop.run()
        add(t, server)
        t("notify", "send")
    assert server.kinds() == ["run.started", "run.started", "run.succeeded"]


def test_run_is_told_when_the_clock_was_set_back_after_its_receiver_was_added(shop: Shop) -> None:
    """The receiver was added an hour from now: the clock was wrong then."""
    t = shop.terminal
    with hook() as server:
        with t.monkeypatch.context() as patch:
            later = datetime.now(UTC) + timedelta(hours=1)
            patch.setattr("templedb_nb.app.environment.SystemClock.now", lambda _: later)
            add(t, server)
        shop.run()
    assert server.kinds() == ["run.started", "run.succeeded"]


def test_replay_tells_expired_and_replaced_plans_again(shop: Shop) -> None:
    t = shop.terminal
    t("target", "update", "app", "staging", "--protected", "--expires", "1s")
    with hook() as server:
        add(t, server, "--event", "plan.superseded", "--event", "approval.expired")
        first = t("deploy", "plan", "app", "--json").json[-1]["plan_id"]
        shop.approve(first)
        shop.migration("003.sql", "CREATE TABLE third (id int);")
        t("deploy", "plan", "app")
        while "approval.expired" not in server.kinds():  # a second later
            t("notify", "send")
        t("notify", "replay", "--since", "1h")
        t("notify", "send")
    assert sorted(server.kinds()) == ["approval.expired"] * 2 + ["plan.superseded"] * 2


def test_run_that_ends_while_its_ledger_is_read_is_not_called_dead(shop: Shop) -> None:
    """Its row is read a moment before its lock: it seems to run, and nobody holds the lock."""
    t = shop.terminal
    shop.run()
    t.set(TEMPLEDB_STATE=str(t.home / "other" / "state.duckdb"))
    t("project", "import", "app")
    t.config(MIGRATIONS)
    t("target", "add", "app", "staging")
    t("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    with hook() as server:
        add(t, server)
        app = Temple.open(t.state)._app
        with app.plans.of_target("app", "staging") as opened:
            case, read = opened.case, dict(opened.ledgers)
            for name, ledger in read.items():
                runs = tuple(replace(each, outcome=None) for each in ledger.runs)
                assert runs
                read[name] = replace(ledger, runs=runs, holder=None)
            app.ledger_watch.look(case.project, case.target.name, opened.sessions, read)
        t("notify", "send")
    assert server.kinds() == []
