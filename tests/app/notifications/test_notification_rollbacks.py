"""What people hear of rollbacks: that one began, how it ended, and that a target is degraded."""

from __future__ import annotations

from typing import Any

from tests.app.notifications.test_notifications import add
from tests.app.rollback.test_rollback import Releases, bare, broken, half_broken, quick
from tests.notification_servers import Hook, hook

__all__ = ["bare", "quick"]


def data(server: Hook, kind: str) -> dict[str, Any]:
    return next(e.event["data"] for e in server.got if e.event["data"]["kind"] == kind)


def test_failed_and_rolled_back_is_said_when_a_rollback_follows_a_failure(quick: Releases) -> None:
    broken(quick)
    with hook() as server:
        add(quick.terminal, server)
        quick.deploy(code=11)
    assert server.kinds() == [
        "run.started", "step.failed", "run.failed", "rollback.started", "rollback.succeeded",
    ]  # fmt: skip
    told = data(server, "rollback.succeeded")
    assert told["title"] == "[prod] app failed (rolled back)"
    assert told["severity"] == "error"
    assert data(server, "run.failed")["run"][:13] in data(server, "rollback.started")["message"]


def test_rollback_by_a_person_is_said_when_the_run_had_succeeded(quick: Releases) -> None:
    quick.deploy()
    with hook() as server:
        add(quick.terminal, server, "--event", "rollback.*")
        quick.back()
    assert server.kinds() == ["rollback.started", "rollback.succeeded"]
    assert data(server, "rollback.succeeded")["title"] == "[prod] app was rolled back"


def test_degraded_target_is_critical_when_its_rollback_fails_halfway(quick: Releases) -> None:
    half_broken(quick)
    with hook() as server, hook() as grave:
        add(quick.terminal, server)
        add(quick.terminal, grave, "--severity", "critical", name="grave")
        quick.deploy(code=13)
    assert server.kinds()[-3:] == ["rollback.started", "step.failed", "target.degraded"]
    assert grave.kinds() == ["target.degraded"]
    told = data(grave, "target.degraded")
    assert told["severity"] == "critical"
    assert "is degraded" in told["title"]
    assert told["command"] == f"templedb deploy resume app {told['run'][:13]}"


def test_rollback_that_changed_nothing_is_said_when_it_fails(quick: Releases) -> None:
    quick.deploy()
    quick.terminal.set(TEMPLEDB_FAILPOINT="run.begun:error")
    with hook() as server:
        add(quick.terminal, server, "--event", "rollback.*")
        said = quick.back(code=None)
        print(said)
    assert server.kinds() == ["rollback.started", "rollback.failed"]
    assert "was not rolled back" in data(server, "rollback.failed")["title"]
