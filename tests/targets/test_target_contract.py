"""The contract of a target, a class a role: every kind of database keeps what the port promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from templedb_nb.errors import Busy, LedgerRefused, StatementFailed
from templedb_nb.model.approval import Approval
from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import Checksums, EntryKind, Freeze, State
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Amend, Mode, Restore, Revert, Verb
from templedb_nb.model.target import DATABASE_URL, OrderPolicy, Policy, TargetName
from templedb_nb.model.trace import CommandState, Lookup
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import LockCallbacks, Server, Session
from templedb_nb.targets.duckdb.session import DuckdbSession
from tests.conftest import Database
from tests.ledger_targets import a_claim, a_step, apply, postgres_session

QUIET = LockCallbacks()
CREATE = "CREATE TABLE t (id int);"


@dataclass
class Place:
    """A database of one kind: any number of sessions, and eyes of its own."""

    pg: Database | None
    file: Path
    opened: list[Session] = field(default_factory=list)

    def session(self) -> Session:
        made: Session = (
            postgres_session(self.pg)
            if self.pg
            else DuckdbSession(self.file, TargetName("t"), DATABASE_URL)
        )
        self.opened.append(made)
        return made

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Ask in another session than ours; what it writes stands."""
        if self.pg:
            return self.pg.query(sql)
        with duckdb.connect(f"duckdb:{self.file}") as connection:
            return connection.execute(sql).fetchall()

    def has(self, table: str) -> bool:
        found = f"SELECT 1 FROM information_schema.tables WHERE table_name = '{table}'"
        return bool(self.query(found))


@pytest.fixture(params=["postgres", "duckdb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    pg = request.getfixturevalue("pg") if request.param == "postgres" else None
    made = Place(pg=pg, file=tmp_path / "target.duckdb")
    yield made
    for each in made.opened:
        each.close()


@pytest.fixture
def session(place: Place) -> Session:
    return place.session()


def begun(session: Session, claim: Claim) -> None:
    """Make the ledger, by a run that does nothing."""
    with session.lock(claim, QUIET):
        session.begin_run(claim, Policy())
        session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")


def an_approval(id_: str = "a", content: str = "content-run-1", by: str = "emil") -> Approval:
    return Approval(
        id=id_,
        plan="plan-run-1",
        content_hash=Digest(content),
        project="app",
        target=TargetName("t"),
        given_by=by,
        given_at=datetime(2026, 1, 1, tzinfo=UTC),
        reason="read it",
        through="cli",
    )


class TestReached:
    def test_probe_says_whether_there_is_a_ledger_and_makes_none(self, session: Session) -> None:
        assert session.probe().ledger == "absent"
        assert session.probe().may_create_ledger
        assert not session.ledger("app").exists
        begun(session, a_claim())
        assert session.probe().ledger == "present"

    def test_session_names_its_target(self, session: Session) -> None:
        assert session.where.startswith("target t (")

    def test_server_is_there_only_when_others_can_work_on_the_target_at_the_same_time(
        self, place: Place
    ) -> None:
        server = place.session().server
        assert (server is not None) is (place.pg is not None)


class TestLedgerReader:
    def test_ledger_stays_absent_when_it_is_only_read(self, session: Session) -> None:
        assert not session.ledger("app").exists
        assert not session.ledger("app").exists

    def test_ledger_names_other_projects_only_when_ours_is_empty(self, session: Session) -> None:
        apply(session, CREATE)
        (known,) = session.ledger("other").elsewhere
        assert (known.project, known.key) == ("app", "m/1.sql")
        assert session.ledger("app").elsewhere == ()

    def test_applied_sql_is_what_ran_when_its_key_is_there(self, session: Session) -> None:
        apply(session, "CREATE TABLE t (id int);\n-- a comment\n")
        ran = session.applied_sql("app", ["m/1.sql", "m/2.sql"])
        assert ran.keys() == {"m/1.sql"}
        assert ran["m/1.sql"].startswith("CREATE TABLE t (id int);")
        assert session.applied_sql("other", ["m/1.sql"]) == {}

    def test_witness_stays_equal_when_nobody_writes_the_ledger(self, place: Place) -> None:
        session = place.session()
        assert session.witness("run-1").migrations == {}
        apply(session, CREATE)
        before = session.witness("run-1")
        assert before.migrations.keys() == {("app", "m/1.sql")}
        assert session.witness("run-1") == before
        place.query("UPDATE templedb.migration SET state = 'reverted'")
        after = session.witness("run-1")
        assert after.migrations != before.migrations
        assert after.shapes == before.shapes

    def test_witness_raises_nothing_when_a_table_is_gone(self, place: Place) -> None:
        session = place.session()
        apply(session, CREATE)
        before = session.witness("run-1")
        place.query("DROP TABLE templedb.event")
        assert before.shapes.keys() - session.witness("run-1").shapes.keys()


class TestHistoryReader:
    def test_histories_are_told_when_another_tool_has_a_table(self, place: Place) -> None:
        with place.session().lock(a_claim(), QUIET):
            pass
        assert place.session().histories() == ()
        place.query('CREATE TABLE "SequelizeMeta" (name varchar PRIMARY KEY)')
        place.query("INSERT INTO \"SequelizeMeta\" VALUES ('1-x.js')")
        if place.pg is not None:
            (found,) = place.session().histories()
            assert found.denied == place.pg.role
            place.query('GRANT SELECT ON "SequelizeMeta" TO PUBLIC')
        (found,) = place.session().histories()
        assert (found.tool, found.rows) == ("Sequelize", ({"name": "1-x.js"},))

    def test_events_are_in_order_when_a_time_is_asked_for(self, session: Session) -> None:
        ever = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        assert session.events("app", ever) == ()
        begun(session, a_claim())
        session.freeze("app", a_freeze())
        session.thaw("app", "rosa", "it is over")
        noted = [each for each in session.events("app", ever) if each.what in {"freeze", "thaw"}]
        assert [(each.what, each.by, each.reason) for each in noted] == [
            ("freeze", "rosa", "a holiday"),
            ("thaw", "rosa", "it is over"),
        ]
        past = (ever[0], noted[0].at - timedelta(days=1))
        assert session.events("app", past) == ()
        assert session.events("other", ever) == ()

    def test_trace_proves_the_attempt_when_it_was_applied(self, session: Session) -> None:
        wanted = Lookup(project="app", run="run-1", attempt="a1", key="m/1.sql")
        assert not session.trace(wanted).found
        apply(session, CREATE)
        assert session.trace(wanted).done
        other = session.trace(replace(wanted, attempt="a0"))
        assert not other.found
        assert other.later, "the row bears a newer attempt"

    def test_trace_says_how_a_command_ended_when_it_was_recorded(self, session: Session) -> None:
        claim = a_claim()
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy())
            session.command_started(claim, "a1", "deploy it")
            wanted = Lookup(project="app", run="run-1", attempt="a1")
            found = session.trace(wanted)
            assert (found.known, found.command) == (True, CommandState.RUNNING)
            session.command_finished("a1", CommandState.FAILED, 7)
            found = session.trace(wanted)
            assert (found.command, found.exit_status) == (CommandState.FAILED, 7)


class TestProjectLock:
    def test_lock_excludes_and_names_its_holder_when_it_is_held(self, place: Place) -> None:
        session, rival = place.session(), place.session()
        told: list[str] = []
        waits = LockCallbacks(waiting=told.append)
        with session.lock(a_claim(), QUIET):
            held = rival.held("app")
            assert held is not None
            assert (held.run, held.owner, held.reason) == ("run-1", "rosa", "test")
            holder = rival.ledger("app").holder
            assert holder is not None
            assert holder.live
            second = rival.lock(a_claim(run="run-2"), waits)
            with pytest.raises(Busy, match="rosa"), second:
                pass
            still = rival.held("app")
            assert still is not None
            assert still.run == "run-1", "who waited in vain changes nothing"
        assert len(told) == 1
        assert rival.held("app") is None
        with rival.lock(a_claim(run="run-2"), waits):
            pass
        assert len(told) == 1

    def test_lock_says_its_end_time_when_its_holder_sets_one(self, place: Place) -> None:
        session, rival, claim = place.session(), place.session(), a_claim()
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
        with session.lock(claim, QUIET):
            session.hold_until(claim, until)
            held, holder = rival.held("app"), rival.ledger("app").holder
            assert held is not None
            assert holder is not None
            assert (held.until, holder.until) == (until, until)
            assert 540 < (held.left_s or 0) <= 600
            second = rival.lock(a_claim(run="run-2"), QUIET)
            told = rf"keeps the lock for (9 min \d+ s|10 min 0 s) more, until {until:%Y-%m-%d %H:%M:%S}"
            with pytest.raises(Busy, match=told), second:
                pass
            session.hold_until(claim, None)
            held = rival.held("app")
            assert held is not None
            assert held.until is None
            assert "keeps the lock" not in str(held)
            session.hold_until(claim, until)
        with rival.lock(a_claim(run="run-2"), QUIET):
            held = place.session().held("app")
            assert held is not None
            assert held.until is None, "the next holder says nothing of it"

    def test_lock_keeps_its_end_time_when_somebody_else_than_the_holder_sets_one(
        self, place: Place
    ) -> None:
        session, rival = place.session(), place.session()
        with session.lock(a_claim(), QUIET):
            rival.hold_until(a_claim(run="run-2"), datetime.now(UTC))
            held = rival.held("app")
            assert held is not None
            assert held.until is None

    def test_lock_is_free_when_the_block_breaks(self, place: Place) -> None:
        session, rival = place.session(), place.session()

        def broken() -> None:
            with session.lock(a_claim(), QUIET):
                raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            broken()
        with rival.lock(a_claim(run="run-2"), QUIET):
            pass

    def test_lock_leaves_other_projects_alone_when_it_is_held(self, place: Place) -> None:
        session, rival = place.session(), place.session()
        with (
            session.lock(a_claim(), QUIET),
            rival.lock(a_claim(project="other", run="run-2"), QUIET),
        ):
            held = [place.session().held(each) for each in ("app", "other")]
            assert [each and each.run for each in held] == ["run-1", "run-2"]

    def test_lock_makes_the_ledger_when_there_is_none(self, session: Session) -> None:
        with session.lock(a_claim(), QUIET):
            assert session.ledger("app").exists


def a_freeze() -> Freeze:
    return Freeze(by="rosa", reason="a holiday", since=datetime(2026, 1, 1, tzinfo=UTC))


class TestLockAdmin:
    def test_freeze_is_seen_by_everybody_when_it_is_set_and_not_lifted(self, place: Place) -> None:
        session = place.session()
        assert not session.freeze("app", a_freeze()), "there is no ledger that can"
        assert not session.thaw("app", "rosa", "none")
        begun(session, a_claim())
        assert session.freeze("app", a_freeze())
        assert place.session().ledger("app").frozen == a_freeze()
        assert session.thaw("app", "rosa", "it is over")
        assert not session.thaw("app", "rosa", "twice")
        assert place.session().ledger("app").freezes == ()


class TestRunRecords:
    def test_run_is_not_recorded_when_the_decision_refuses(self, session: Session) -> None:
        claim = a_claim()

        def refuse(_: object) -> tuple[Approval, ...]:
            raise LedgerRefused("one approval is missing")

        with session.lock(claim, QUIET):
            with pytest.raises(LedgerRefused, match="is missing"):
                session.begin_run(claim, Policy(protected=True), refuse)
            assert session.ledger("app").last_run == ""
            assert session.ledger("app").policy is None, "its policy is not kept either"

    def test_run_keeps_its_approvals_and_uses_them_up_when_it_succeeds(
        self, session: Session
    ) -> None:
        claim, given = a_claim(), an_approval()
        heard: list[object] = []
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy(), lambda there: (heard.append(there), (given,))[1])
            assert [len(list(each)) for each in heard] == [0]
            assert [each.used_by for each in session.approvals("app", given.content_hash)] == [""]
            session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")
        (used,) = session.approvals("app", given.content_hash)
        assert (used.id, used.used_by) == ("a", "run-1")

    def test_run_leaves_its_approvals_open_when_it_failed(self, session: Session) -> None:
        claim, given = a_claim(), an_approval()
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy(), lambda _: (given,))
            session.end_run(claim.run, Outcome.FAILED, 12, "it broke")
        assert [each.used_by for each in session.approvals("app", given.content_hash)] == [""]

    def test_command_is_unresolved_until_a_person_looked_when_it_has_no_end(
        self, session: Session
    ) -> None:
        claim = a_claim()
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy())
            session.command_started(claim, "a1", "deploy it")
            assert session.ledger("app").unresolved == ()
        (found,) = session.ledger("app").unresolved
        assert (found.run, found.step) == ("run-1", "deploy it")
        assert session.resolve("app", "run-1", "rosa", "looked") == 1
        assert session.resolve("app", "run-1", "rosa", "looked twice") == 0
        assert session.ledger("app").unresolved == ()

    def test_command_is_settled_when_it_ended(self, session: Session) -> None:
        claim = a_claim()
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy())
            session.command_started(claim, "a1", "deploy it")
            session.command_finished("a1", "finished", 0)
            session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")
        assert session.ledger("app").unresolved == ()
        assert session.ledger("app").last_run == "run-1"

    def test_dead_run_is_closed_when_the_next_run_begins(self, place: Place) -> None:
        session = place.session()
        with session.lock(a_claim(), QUIET):
            session.begin_run(a_claim(), Policy())
        begun(session, a_claim(run="run-2"))
        rows = place.query("SELECT id, state FROM templedb.run ORDER BY started_at")
        assert rows == [("run-1", "failed"), ("run-2", "succeeded")]

    def test_run_says_what_it_is_and_what_it_deployed_when_recorded(self, place: Place) -> None:
        session = place.session()
        claim = replace(
            a_claim(), kind=RunKind.ROLLBACK, parent_run="run-0", tree="t", config_hash="c"
        )
        begun(session, claim)
        columns = "scope, kind, parent_run, tree, config_hash, manifest, health"
        assert place.query(f"SELECT {columns} FROM templedb.run") == [
            ("", "rollback", "run-0", "t", "c", None, "")
        ]


SCOPED = """
INSERT INTO templedb.migration (project, key, kind, file, checksum, checksum_alg, token_checksum,
  token_alg, sql, state, mode, steps, step_done, step_started, attempt_id, run, plan, xid,
  applied_by, client, version, started_at, scope)
VALUES ('app', 'm/1.sql', 'run', 'm/1.sql', 'x', 'x', 'x', 'x', '', 'applied', 'transaction', 1, 1,
  1, 'other', 'other', 'p', '', 'ana', 'ana', '1', '2026-01-01', 'tenant');
INSERT INTO templedb.run (id, project, target, plan, content_hash, state, client, version,
  started_at, scope)
VALUES ('run-1', 'app', 't', 'p', 'content-run-1', 'running', 'ana', '1', '2026-01-01', 'tenant');
INSERT INTO templedb.command (attempt_id, run, project, step, state, started_at, scope)
VALUES ('a1', 'run-1', 'app', 'deploy it', 'running', '2026-01-01', 'tenant');
INSERT INTO templedb.approval (id, plan, content_hash, project, target, given_by, given_at, reason,
  through, scope)
VALUES ('a', 'p', 'content-run-1', 'app', 't', 'ana', '2026-01-01', 'read it', 'cli', 'tenant');
INSERT INTO templedb.event (happened_at, project, what, detail, scope)
VALUES ('2026-01-01', 'app', 'freeze', '{}', 'tenant');
INSERT INTO templedb.meta (k, v, scope) VALUES
  ('freeze/app', '{"by": "ana", "reason": "x", "since": "2026-01-01T00:00:00+00:00"}', 'tenant'),
  ('policy/app', '{"protected": true}', 'tenant');
INSERT INTO templedb.slot (project, name, slot, state, run, since, scope)
VALUES ('app', 'web', 'blue', 'live', 'run-1', '2026-01-01', 'tenant')
"""
"""What a run for one tenant leaves in a ledger, under the same project, key and ids."""


class TestScope:
    def test_rows_are_neither_read_nor_written_when_they_belong_to_another_scope(
        self, place: Place
    ) -> None:
        session, claim, given = place.session(), a_claim(), an_approval()
        begun(session, a_claim(run="run-0"))
        for sql in SCOPED.split(";\n"):
            place.query(sql)
        tables = ("migration", "run", "command", "approval", "event", "meta", "slot", "lock")
        ask = "SELECT * FROM templedb.{} WHERE scope = 'tenant'"
        before = [place.query(ask.format(each)) for each in tables]
        found = session.ledger("app")
        assert (found.entries, found.unresolved, found.frozen, found.policy) == ((), (), None, None)
        assert found.last_run == "run-0"
        assert session.applied_sql("app", ["m/1.sql"]) == {}
        assert session.approvals("app", given.content_hash) == ()
        ever = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        assert session.events("app", ever) == ()
        assert session.resolve("app", "run-1", "rosa", "not ours") == 0
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy(protected=True), lambda _: (given,))
            session.command_started(claim, "a1", "deploy it")
            session.command_finished("a1", "finished", 0)
            session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")
        apply(session, CREATE, run="run-2")
        session.freeze("app", a_freeze())
        session.thaw("app", "rosa", "it is over")
        session.set_policy("app", Policy(), "rosa", "no longer")
        assert [entry.key for entry in session.ledger("app").entries] == ["m/1.sql"]
        assert [each.used_by for each in session.approvals("app", given.content_hash)] == ["run-1"]
        assert [place.query(ask.format(each)) for each in tables] == before


class TestApprovalRecords:
    def test_approvals_are_kept_by_content_when_there_is_a_ledger(self, session: Session) -> None:
        given = an_approval()
        assert not session.approve([given])
        begun(session, a_claim(run="run-0"))
        assert session.approve([given, an_approval("b", by="ida")])
        assert session.approve([given]), "again changes nothing"
        kept = session.approvals("app", given.content_hash)
        assert sorted((each.id, each.given_by) for each in kept) == [("a", "emil"), ("b", "ida")]
        assert next(each for each in kept if each.id == "a") == given
        assert session.approvals("app", Digest("another")) == ()
        assert session.approvals("other", given.content_hash) == ()

    def test_policy_is_kept_and_can_be_lowered_when_a_reason_is_given(
        self, session: Session
    ) -> None:
        claim, policy = a_claim(), Policy(protected=True, order_policy=OrderPolicy.LINEAR)
        assert not session.set_policy("app", policy, "rosa", "before there is a ledger")
        with session.lock(claim, QUIET):
            session.begin_run(claim, policy)
        assert session.ledger("app").policy == policy
        assert session.set_policy("app", Policy(), "rosa", "a drill")
        assert session.ledger("app").policy is None


class TestMigrationRunner:
    def test_migration_and_its_row_come_together_when_applied(self, place: Place) -> None:
        session = place.session()
        apply(session, "CREATE TABLE t (id int); INSERT INTO t VALUES (1);")
        (entry,) = session.ledger("app").entries
        assert (entry.key, entry.state, entry.kind) == ("m/1.sql", State.APPLIED, EntryKind.RUN)
        assert entry.client == "rosa on here"
        assert entry.finished_at is not None
        assert entry.finished_at.tzinfo is not None
        assert place.query("SELECT id FROM t") == [(1,)]

    def test_migration_leaves_no_change_and_is_not_applied_when_a_statement_fails(
        self, place: Place
    ) -> None:
        session, claim = place.session(), a_claim()
        step, script = a_step("CREATE TABLE t (id int);\n\nSELECT id,\n  nope FROM t;")
        seen: list[int] = []
        with session.lock(claim, QUIET):
            with pytest.raises(StatementFailed) as failed:
                session.apply(step, script, "a1", claim, seen.append)
            assert not session.applied(step, "a1", claim)
            session.failed(step, script, "a1", claim, "no such table")
        assert seen == [0]
        assert failed.value.statement == 1
        assert (failed.value.line, failed.value.column) == (4, 3)
        (entry,) = session.ledger("app").entries
        assert (entry.state, entry.error) == (State.FAILED, "no such table")
        assert not place.has("t")
        apply(session, CREATE, attempt="a2", run="run-2")
        assert session.ledger("app").entries[0].state is State.APPLIED

    def test_migration_is_not_applied_again_when_it_is_applied(self, place: Place) -> None:
        session = place.session()
        apply(session, CREATE)
        with pytest.raises(Busy):
            apply(session, "CREATE TABLE u (id int);", attempt="a2", run="run-2")
        assert not place.has("u")

    def test_migration_may_run_again_when_it_is_rolled_back(self, place: Place) -> None:
        session, claim = place.session(), a_claim(run="run-2")
        apply(session, CREATE)
        back, (_, script) = a_way_back(CREATE), a_step("DROP TABLE t;")
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy())
            session.apply(back, script, "a2", claim, lambda _: None)
            assert session.applied(back, "a2", claim)
            session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")
        assert [each.state for each in session.ledger("app").entries] == [State.REVERTED]
        assert not place.has("t")
        apply(session, CREATE, attempt="a3", run="run-3")
        assert [each.state for each in session.ledger("app").entries] == [State.APPLIED]

    def test_attempt_is_applied_only_when_asked_by_its_own_name(self, session: Session) -> None:
        apply(session, CREATE)
        step, _ = a_step(CREATE)
        with session.lock(a_claim(), QUIET):
            assert session.applied(step, "a1", a_claim())
            assert not session.applied(step, "a2", a_claim())

    def test_file_is_recorded_when_it_is_empty(self, session: Session) -> None:
        apply(session, "-- nothing to do\n")
        assert [entry.state for entry in session.ledger("app").entries] == [State.APPLIED]

    def test_script_is_rolled_back_when_it_writes_the_ledger(self, place: Place) -> None:
        session = place.session()
        apply(session, CREATE)
        bad = "CREATE TABLE u (id int); UPDATE templedb.migration SET state = 'reverted';"
        with pytest.raises(StatementFailed, match="touched templedb's own ledger"):
            apply(session, bad, key="m/2.sql", attempt="a2", run="run-2")
        assert not place.has("u")
        applied = [each.key for each in session.ledger("app").entries if each.state == "applied"]
        assert applied == ["m/1.sql"]


def a_way_back(sql: str) -> Revert:
    step, _ = a_step(sql)
    return Revert(
        group=step.group,
        database=step.database,
        key=step.key,
        file="m/1.down.sql",
        blob=step.blob,
        checksums=step.checksums,
        mode=Mode.TRANSACTION,
    )


class TestLedgerWriter:
    def test_ledger_changes_with_an_event_when_a_person_amends_it(self, session: Session) -> None:
        claim = a_claim()

        def word(verb: Verb, key: str, sums: tuple[str, str], **more: str) -> Amend:
            text, tokens = map(Digest, sums)
            return Amend(
                group="m",
                database=DATABASE_URL,
                key=key,
                file=key,
                checksums=Checksums(text=text, tokens=tokens),
                reason="why",
                verb=verb,
                **more,
            )

        with session.lock(claim, QUIET):
            session.amend(word(Verb.MARK_APPLIED, "k", ("1", "2")), claim, "a1")
            session.amend(
                word(Verb.ACCEPT_CHECKSUM, "k", ("3", "4"), old_checksum="1"), claim, "a2"
            )
            session.amend(word(Verb.RENAME, "n", ("3", "4"), old_key="k"), claim, "a3")
        (entry,) = session.ledger("app").entries
        assert (entry.key, entry.kind, entry.checksums.text) == ("n", EntryKind.MARKED, "3")
        for attempt in ("a1", "a2", "a3"):
            assert session.trace(Lookup(project="app", run="run-1", attempt=attempt)).done

    def test_ledger_row_is_as_it_was_when_restored(self, place: Place) -> None:
        session, claim = place.session(), a_claim(run="run-2")
        apply(session, CREATE)
        (before,) = session.ledger("app").entries
        place.query("DELETE FROM templedb.migration")
        step = Restore(
            group="ledger", database=DATABASE_URL, entry=before, reason="gone", seen="table t"
        )
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy())
            session.restore(step, claim, "a2", CREATE)
        (after,) = session.ledger("app").entries
        assert (after.key, after.state, after.checksums) == (
            before.key,
            before.state,
            before.checksums,
        )
        assert after.finished_at == before.finished_at
        assert session.applied_sql("app", ["m/1.sql"]) == {"m/1.sql": CREATE}


class TestCatalogReader:
    def test_catalog_has_objects_by_kind_and_name_and_not_the_ledger(self, place: Place) -> None:
        session = place.session()
        begun(session, a_claim())
        before = session.catalog().keys()
        apply(session, CREATE, run="run-2")
        (new,) = [name for name in session.catalog().keys() - before if name.startswith("table ")]
        assert new.endswith(".t")
        assert not [name for name in session.catalog() if "templedb." in name]

    def test_drift_is_what_others_changed_when_the_last_run_kept_a_catalog(
        self, place: Place
    ) -> None:
        session = place.session()
        assert session.drift().base is None
        claim = a_claim()
        step, script = a_step(CREATE)
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy())
            mark = session.catalog_mark(claim)
            session.apply(step, script, "a1", claim, lambda _: None)
            session.keep_catalog(mark, claim, changed=True)
            session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")
        assert session.drift().changes == (), "a run's own changes are not drift"
        place.query("CREATE TABLE foreign_one (id int)")
        found = session.drift()
        assert found.base is not None
        assert found.base.run == "run-1"
        assert [each.name.split(".")[-1] for each in found.changes] == ["foreign_one"]
        assert session.accept_catalog("app", "rosa", "it belongs there")
        assert session.drift().changes == ()

    def test_objects_are_not_accepted_when_there_is_no_ledger(self, session: Session) -> None:
        assert not session.accept_catalog("app", "rosa", "nothing keeps them")


class TestServer:
    """What a server alone does; how it is refused for a file stands in test_locks."""

    @pytest.fixture
    def place(self, pg: Database, tmp_path: Path) -> Iterator[Place]:
        made = Place(pg=pg, file=tmp_path)
        yield made
        for each in made.opened:
            each.close()

    @pytest.fixture
    def remote(self, place: Place) -> Server:
        found = place.session().server
        assert found is not None
        return found

    def test_facts_are_those_of_the_database(self, place: Place, remote: Server) -> None:
        number = place.query("SELECT current_setting('server_version_num')::int / 10000")
        assert number == [(remote.version,)]
        assert place.pg is not None
        assert remote.here.address.endswith(f"/{place.pg.name}")
        place.query("CREATE TABLE big AS SELECT generate_series(1, 100000) AS id; ANALYZE big")
        sizes = remote.sizes(["big", "not_there"])
        assert [name for _, name in sizes] == ["big"]

    def test_lock_is_free_when_the_session_of_its_holder_ends(self, place: Place) -> None:
        holder, rival = place.session(), place.session()
        held = holder.lock(a_claim(), QUIET)
        held.__enter__()
        assert rival.held("app") is not None
        holder.close()
        with rival.lock(a_claim(run="run-2", wait_s=60), QUIET):
            pass

    def test_steps_are_counted_singly_when_some_stand(self, place: Place, remote: Server) -> None:
        session, claim = place.session(), a_claim()
        text = "-- templedb:no-transaction\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY i ON a (nope);\n"
        step, script = a_step(text)
        assert step.mode is Mode.STATEMENTS
        with session.lock(claim, QUIET):
            session.begin_run(claim, Policy())
            assert remote.stands(step, claim) == 0
            with pytest.raises(StatementFailed):
                session.apply(step, script, "a1", claim, lambda _: None)
            assert remote.stands(step, claim) == 1
        assert place.has("a")

    def test_holder_alone_hears_the_request_when_it_is_asked_to_end(
        self, place: Place, remote: Server
    ) -> None:
        from threading import Event

        from templedb_nb.model.cancel_request import CancelRequest

        heard = Event()
        wanted = CancelRequest(wish="rosa: wrong release")
        assert not remote.ask_to_end("app", "run-1", wanted)
        with place.session().lock(a_claim(), LockCallbacks(asked=lambda _: heard.set())):
            assert not remote.ask_to_end("app", "run-2", wanted)
            assert remote.ask_to_end("app", "run-1", wanted)
            assert heard.wait(60)
            assert remote.blockers("app") == ()
