"""Targets of the tests: a claim, a step, a session with a database that keeps a ledger."""

from __future__ import annotations

import hashlib

from templedb_nb.core.migrations.script import Script, read_script
from templedb_nb.model.event import Outcome, RunId
from templedb_nb.model.route import ALONE
from templedb_nb.model.secret import Secret
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Apply
from templedb_nb.model.target import DATABASE_URL, Policy, TargetName
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import LockCallbacks, Session
from templedb_nb.targets.postgres.connection.route import route
from templedb_nb.targets.postgres.session import PostgresSession
from tests.conftest import Database


def a_claim(project: str = "app", run: str = "run-1", wait_s: float = 0.3) -> Claim:
    return Claim(
        run=RunId(run), project=project, target="t", owner="rosa", host="here", pid=1, reason="test",
        client="rosa on here", version="0", plan=f"plan-{run}", content_hash=f"content-{run}", wait_s=wait_s,
    )  # fmt: skip


def a_step(sql: str, key: str = "m/1.sql") -> tuple[Apply, Script]:
    script = read_script(sql.encode())
    blob = Digest(hashlib.sha256(sql.encode()).hexdigest())
    return Apply(
        group="m",
        database=DATABASE_URL,
        key=key,
        file=key,
        blob=blob,
        checksums=script.checksums,
        mode=script.mode,
    ), script


def postgres_session(pg: Database) -> PostgresSession:
    return PostgresSession(
        route(Secret("DATABASE_URL", pg.dsn), ALONE), TargetName("t"), DATABASE_URL, "templedb:test"
    )


def apply(
    session: Session, sql: str, key: str = "m/1.sql", attempt: str = "a1", run: str = "run-1"
) -> None:
    claim = a_claim(run=run)
    step, script = a_step(sql, key)
    with session.lock(claim, LockCallbacks()):
        session.begin_run(claim, Policy())
        session.apply(step, script, attempt, claim, lambda _: None)
        session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")
