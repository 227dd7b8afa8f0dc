"""The contract of the store, a class a role: every store keeps what the ports promise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from templedb_nb.errors import Ambiguous, QueryRefused, StoreError, UnknownName
from templedb_nb.model.approval import Approval
from templedb_nb.model.event import (
    LockAwaited,
    Outcome,
    RunFinished,
    RunId,
    RunStarted,
    Stamped,
    StepFinished,
    StepStarted,
)
from templedb_nb.model.file import FileEntry, FileStamp
from templedb_nb.model.history import Filter
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, Ledger, State
from templedb_nb.model.plan import Draft, Plan, PlanId, PlannedGroup, Preview
from templedb_nb.model.project import Project, Slug
from templedb_nb.model.result import Result
from templedb_nb.model.rollback import AfterFailure, RollbackTrigger
from templedb_nb.model.runbook import Done, Execution, ExecutionEnd
from templedb_nb.model.serialization import Digest
from templedb_nb.model.state import StateFound
from templedb_nb.model.step import Amend, Apply, Step, Verb, label
from templedb_nb.model.target import (
    DATABASE_URL,
    FindingLevel,
    OrderPolicy,
    Policy,
    Target,
    TargetName,
    TargetType,
)
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.ports.records import RecordStore, RunbookRecords
from templedb_nb.ports.store import (
    ContentStore,
    HistoryQuery,
    SettingsStore,
    StateInspector,
    Transactions,
)
from templedb_nb.store.duckdb.content import Content
from templedb_nb.store.duckdb.inspection import StateInspection
from templedb_nb.store.duckdb.query import Query
from templedb_nb.store.duckdb.records import Records
from templedb_nb.store.duckdb.runbooks import Runbooks
from templedb_nb.store.duckdb.settings import Settings
from templedb_nb.store.duckdb.state_file import StateFile

AT = datetime(2026, 1, 1, tzinfo=UTC)
SHOP, DEV, PROD = Slug("shop"), TargetName("dev"), TargetName("prod")


@dataclass(frozen=True, kw_only=True)
class Store:
    """One opened store: every role, over one state."""

    transactions: Transactions
    settings: SettingsStore
    content: ContentStore
    records: RecordStore
    runbooks: RunbookRecords
    query: HistoryQuery
    inspector: StateInspector


def in_duckdb(folder: Path) -> Store:
    file = StateFile(folder / "state.duckdb")
    return Store(
        transactions=file,
        settings=Settings(file),
        content=Content(file),
        records=Records(file),
        runbooks=Runbooks(file),
        query=Query(file),
        inspector=StateInspection(file),
    )


STORES: dict[str, Callable[[Path], Store]] = {"duckdb": in_duckdb}


@pytest.fixture(params=STORES)
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Open the state anew, as another process does."""
    return lambda: STORES[request.param](tmp_path)


@pytest.fixture
def store(opens: Callable[[], Store]) -> Store:
    return opens()


def a_project(slug: str) -> Project:
    return Project(slug=Slug(slug), known_as=slug, root=f"/{slug}", created_at=AT)


def slugs(store: Store) -> list[str]:
    return [each.slug for each in store.settings.projects()]


def broken(store: Store, *blocks: Callable[[], object]) -> None:
    """Do *blocks* in one transaction, and break."""
    with store.transactions.transaction():
        for each in blocks:
            each()
        raise ValueError("broken")


class TestTransactions:
    def test_transaction_keeps_every_call_when_it_ends(self, opens: Callable[[], Store]) -> None:
        store = opens()
        with store.transactions.transaction():
            store.settings.keep_project(a_project("one"))
            store.settings.keep_project(a_project("two"))
        assert slugs(opens()) == ["one", "two"]

    def test_transaction_keeps_nothing_of_any_role_when_it_breaks(self, store: Store) -> None:
        store.settings.keep_project(a_project("before"))
        with pytest.raises(ValueError, match="broken"):
            broken(
                store,
                lambda: store.settings.keep_project(a_project("one")),
                lambda: store.records.keep_approval(an_approval()),
                lambda: store.records.keep_plan(a_preview()),
                lambda: taken_in(store, b"text"),
            )
        assert slugs(store) == ["before"]
        assert store.records.approvals(Digest("c")) == ()
        assert store.records.recent_plans(5) == ()
        with pytest.raises(StoreError):
            store.content.read([sha256(b"text")])

    def test_transaction_ends_with_the_outer_transaction_when_nested(self, store: Store) -> None:
        def inner() -> None:
            with store.transactions.transaction():
                store.settings.keep_project(a_project("inner"))

        with pytest.raises(ValueError, match="broken"):
            broken(store, inner)
        assert slugs(store) == []


class TestProjectStore:
    def test_project_is_replaced_when_kept_again_under_its_slug(self, store: Store) -> None:
        store.settings.keep_project(a_project("shop"))
        moved = replace(a_project("shop"), root="/elsewhere", known_as="old")
        store.settings.keep_project(moved)
        assert store.settings.projects() == (moved,)

    def test_project_leaves_its_history_when_removed(self, store: Store) -> None:
        for slug in ("shop", "other"):
            store.settings.keep_project(a_project(slug))
            store.settings.keep_targets(Slug(slug), [Target(name=DEV)])
            store.settings.keep_variables([a_variable(slug)])
            store.settings.keep_config(Slug(slug), {"groups": []}, AT, "rosa", "")
        run(store, "r1", Outcome.SUCCEEDED)
        store.settings.remove_project(SHOP)
        assert slugs(store) == ["other"]
        assert store.settings.targets(SHOP) == ()
        assert store.settings.variables(SHOP) == ()
        assert store.settings.config(SHOP) is None
        assert [each.run for each in store.records.runs(SHOP, None, Filter())] == ["r1"]
        assert store.settings.targets(Slug("other")) == (Target(name=DEV),)


class TestConfigStore:
    def test_config_versions_are_numbered_and_unchanged_when_several_are_kept(
        self, store: Store
    ) -> None:
        assert store.settings.config(SHOP) is None
        one, two = {"groups": [{"name": "ü"}]}, {"groups": []}
        assert store.settings.keep_config(SHOP, one, AT, "rosa", "first") == 1
        assert store.settings.keep_config(SHOP, two, AT, "emil", "second") == 2
        assert store.settings.keep_config(Slug("other"), two, AT, "emil", "") == 1
        assert store.settings.config(SHOP) == (2, two, AT, "emil")
        kept = store.settings.configs(SHOP, last=5)
        assert kept == [(2, AT, "emil", "second", two), (1, AT, "rosa", "first", one)]
        assert store.settings.configs(SHOP, last=1) == kept[:1]


class TestTargetStore:
    def test_target_is_read_as_kept_when_all_its_fields_are_set(self, store: Store) -> None:
        full = Target(
            name=PROD,
            protected=True,
            approvals=2,
            approvers=("emil", "ida"),
            self_approval=False,
            approval_expires_s=3600,
            signed=True,
            signers=("emil ssh-ed25519 AAAA", "ida ssh-ed25519 BBBB"),
            provider="rds",
            host="h",
            region="eu",
            url="https://x",
            type=TargetType.SERVICE,
            order_policy=OrderPolicy.LINEAR,
            lint=FindingLevel.BLOCK,
            drift=FindingLevel.OFF,
            health="[]",
            on_failure=AfterFailure.ROLLBACK,
            rollback_on=(RollbackTrigger.FAILURE, RollbackTrigger.HEALTH),
            cancel_policy=AfterFailure.STOP,
            pre_approve_rollback=True,
            labels={"tier": "gold", "slug": "it's"},
            imported=True,
        )
        store.settings.keep_targets(SHOP, [full, Target(name=DEV)])
        store.settings.keep_targets(SHOP, [])
        assert store.settings.targets(SHOP) == (Target(name=DEV), full)
        store.settings.keep_targets(SHOP, [replace(full, protected=False)])
        assert [each.protected for each in store.settings.targets(SHOP)] == [False, False]

    def test_target_takes_its_variables_along_when_removed(self, store: Store) -> None:
        store.settings.keep_targets(SHOP, [Target(name=DEV)])
        store.settings.keep_variables(
            [a_variable("shop", DEV), a_variable("shop", PROD), a_variable("shop")]
        )
        store.settings.remove_targets(SHOP, [DEV])
        assert store.settings.targets(SHOP) == ()
        left = store.settings.variables(SHOP)
        assert [each.target for each in left] == [None, PROD]


class TestVariableStore:
    def test_variables_are_those_of_project_and_target_when_a_target_is_asked_for(
        self, store: Store
    ) -> None:
        ours, dev, prod = (a_variable("shop", each) for each in (None, DEV, PROD))
        store.settings.keep_variables([ours, dev, prod, a_variable("other")])
        assert store.settings.variables(SHOP) == (ours, dev, prod)
        assert store.settings.variables(SHOP, DEV) == (ours, dev)
        changed = replace(dev, text="new")
        store.settings.keep_variables([changed])
        assert store.settings.variables(SHOP, DEV) == (ours, changed)
        assert store.settings.remove_variable(SHOP, DEV, "KEY")
        assert not store.settings.remove_variable(SHOP, DEV, "KEY")
        assert store.settings.variables(SHOP, DEV) == (ours,)

    def test_sealed_values_are_those_of_every_project_when_listed(self, store: Store) -> None:
        sealed = replace(a_variable("other", DEV), keeping=Keeping.SEALED, text="cipher")
        store.settings.keep_variables([a_variable("shop"), sealed])
        assert store.settings.sealed() == (sealed,)


class TestBlobStore:
    def test_contents_are_kept_once_when_written_twice(self, store: Store) -> None:
        large = b"0123456789abcdef" * 300_000
        texts = [b"", b"text", b"text", bytes(range(256)), large]
        digests = [taken_in(store, each) for each in texts]
        assert store.content.read(digests) == dict(zip(digests, texts, strict=True))
        assert store.content.read([]) == {}

    def test_content_read_is_an_error_when_an_address_is_unknown(self, store: Store) -> None:
        there = taken_in(store, b"text")
        with pytest.raises(StoreError):
            store.content.read([there, sha256(b"never seen")])

    def test_sink_keeps_nothing_uncommitted_when_discarded_or_broken(self, store: Store) -> None:
        with store.content.sink() as sink:
            sink.write(b"half of a")
            sink.discard()
            sink.write(b"kept")
            sink.commit(sha256(b"kept"), 4)
        assert store.content.read([sha256(b"kept")]) == {sha256(b"kept"): b"kept"}

        def half() -> None:
            with store.content.sink() as sink:
                sink.write(b"more")
                sink.commit(sha256(b"more"), 4)
                raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            half()
        with pytest.raises(StoreError):
            store.content.read([sha256(b"more")])


class TestReleaseStore:
    def test_release_stays_as_made_and_a_new_release_comes_only_when_files_differ(
        self, store: Store
    ) -> None:
        assert store.content.newest(SHOP) is None
        first, changes = store.content.keep_release(SHOP, [a_file("b"), a_file("a")], AT, "rosa")
        assert (first.number, first.paths, changes.added) == (1, ("a", "b"), ("a", "b"))
        again, none = store.content.keep_release(SHOP, [a_file("a"), a_file("b")], AT, "emil")
        assert again.number == 1
        assert not none
        second, changes = store.content.keep_release(
            SHOP, [a_file("a", b"new"), a_file("c")], AT, "emil"
        )
        assert second.number == 2
        assert (changes.added, changes.changed, changes.removed) == (("c",), ("a",), ("b",))
        assert store.content.release(SHOP, 1) == first
        assert store.content.newest(SHOP) == second
        assert store.content.newest_tree(SHOP) == (2, second.tree)
        assert [row[0] for row in store.content.releases(SHOP)] == [2, 1]
        with pytest.raises(UnknownName):
            store.content.release(SHOP, 3)


class TestScanStore:
    def test_scan_is_replaced_when_a_later_scan_is_kept(self, store: Store) -> None:
        assert store.content.known(SHOP) == ({}, 0)
        one, two = a_stamp("one"), a_stamp("two")
        store.content.keep_scan(SHOP, {}, [one, two], 7)
        assert store.content.known(SHOP) == ({"one": one, "two": two}, 7)
        newer = replace(one, mtime_ns=9, inode=(1 << 64) - 1)
        store.content.keep_scan(SHOP, {"one": one, "two": two}, [newer], 8)
        assert store.content.known(SHOP) == ({"one": newer}, 8)


class TestPlanStore:
    def test_plan_is_found_when_the_beginning_of_its_id_is_given(self, store: Store) -> None:
        one, two = a_preview(), a_preview(key="m/2.sql")
        store.records.keep_plan(one)
        store.records.keep_plan(two)
        assert store.records.plan(one.plan.id[:12]) == one
        assert {each[0] for each in store.records.recent_plans(9)} == {one.plan.id, two.plan.id}
        with pytest.raises(Ambiguous):
            store.records.plan("")
        with pytest.raises(UnknownName):
            store.records.plan("x")

    def test_plan_keeps_its_first_maker_when_made_again(self, store: Store) -> None:
        first = a_preview()
        store.records.keep_plan(first)
        later = replace(first, made_by="emil", made_at=AT + timedelta(days=1), dry_run=True)
        store.records.keep_plan(later)
        assert store.records.plan(first.plan.id) == first
        assert store.records.planner(first.plan.content_hash) == "rosa"
        assert store.records.planner(Digest("another")) == ""

    def test_plan_is_superseded_when_a_newer_release_is_planned_for_deployment(
        self, store: Store
    ) -> None:
        old = a_preview()
        day = timedelta(days=1)
        word = Amend(
            group="ledger",
            database=DATABASE_URL,
            verb=Verb.MARK_APPLIED,
            key="k",
            file="k",
            checksums=Checksums(text=Digest("1"), tokens=Digest("2")),
            reason="why",
        )
        store.records.keep_plan(old)
        store.records.keep_plan(a_preview(step=word, release=9, made_at=AT + day))
        store.records.keep_plan(a_preview(key="m/2.sql", target=PROD, release=9, made_at=AT + day))
        assert store.records.newer_plan(old) is None, "of no release, or for another target"
        newer = a_preview(key="m/3.sql", release=2, made_at=AT + day)
        store.records.keep_plan(newer)
        assert store.records.newer_plan(old) == newer.plan.id
        store.records.keep_plan(replace(old, made_at=AT + 2 * day))
        assert store.records.newer_plan(old) is None, "it was made again on purpose"

    def test_plan_is_marked_succeeded_when_a_run_of_the_plan_succeeded(self, store: Store) -> None:
        run(store, "r1", Outcome.FAILED, plan="p")
        assert store.records.succeeded(a_plan_id("p")) == ""
        run(store, "r2", Outcome.SUCCEEDED, plan="p")
        assert store.records.succeeded(a_plan_id("p")) == "r2"
        store.records.forget_ledger(SHOP, DEV, AT + timedelta(days=9))
        assert store.records.succeeded(a_plan_id("p")) == "", "that was another database"


class TestApprovalStore:
    def test_approvals_are_kept_and_used_up_by_content_when_a_run_uses_them(
        self, store: Store
    ) -> None:
        first, second = an_approval("a"), an_approval("b", day=1)
        for each in (second, first, replace(first, reason="changed")):
            store.records.keep_approval(each)
        store.records.keep_approval(an_approval("c", content="other"))
        assert store.records.approvals(Digest("c")) == (first, second)
        store.records.use_approvals(Digest("c"), RunId("r1"))
        store.records.use_approvals(Digest("c"), RunId("r2"))
        assert [e.used_by for e in store.records.approvals(Digest("c"))] == ["r1", "r1"]
        assert [e.used_by for e in store.records.approvals(Digest("other"))] == [""]

    def test_approvals_are_found_when_asked_by_project_or_time(self, store: Store) -> None:
        for day, id_ in enumerate("abc"):
            store.records.keep_approval(an_approval(id_, day=day))
        assert [e.id for e in store.records.recent_approvals("shop", 2)] == ["c", "b"]
        assert [e.id for e in store.records.recent_approvals(None, 9)] == ["c", "b", "a"]
        assert store.records.recent_approvals("other", 9) == ()
        day = timedelta(days=1)
        within = store.records.approvals_within("shop", "dev", AT + day, AT + 2 * day)
        assert [e.id for e in within] == ["b", "c"]


class TestRunStore:
    def test_events_stay_the_same_when_folded_repeatedly(self, opens: Callable[[], Store]) -> None:
        store, entries = opens(), events("r1", Outcome.SUCCEEDED)
        for upto in (2, 2, 4, len(entries)):
            store.records.fold(entries[:upto], Result.of(entries[:upto]))
        store.records.fold((), Result())
        assert opens().records.events(RunId("r1")) == entries
        (row,) = store.records.runs(SHOP, None, Filter())
        assert (row.outcome, row.steps, row.done, row.applied) == (Outcome.SUCCEEDED, 1, 1, 1)
        assert store.records.events(RunId("r2")) == ()

    def test_settled_end_replaces_the_guessed_end_when_a_run_is_settled(self, store: Store) -> None:
        own = events("r1", Outcome.SUCCEEDED)[:2]
        guessed = (*own, stamped("r1", 2, RunFinished(outcome=Outcome.UNKNOWN, exit_code=14)))
        store.records.fold(guessed, Result.of(guessed))
        proven = events("r1", Outcome.SUCCEEDED)
        store.records.settle(proven, Result.of(proven), own[-1].seq)
        assert store.records.events(RunId("r1")) == proven
        (row,) = store.records.runs(SHOP, None, Filter())
        assert row.outcome is Outcome.SUCCEEDED


class TestRunHistory:
    def test_runs_are_listed_newest_first_when_filtered_by_target_or_status(
        self, store: Store
    ) -> None:
        run(store, "r1", Outcome.FAILED)
        run(store, "r2", Outcome.SUCCEEDED, target=PROD)
        run(store, "r3", None)
        runs = store.records.runs

        def names(target: TargetName | None = None, **wanted: object) -> list[str]:
            return [each.run for each in runs(SHOP, target, Filter(**wanted))]

        assert names() == ["r3", "r2", "r1"]
        assert names(last=1) == ["r3"]
        assert names(PROD) == ["r2"]
        assert names(status=("failed", "running")) == ["r3", "r1"]
        assert names(before="r3", last=1) == ["r2"]
        assert runs(Slug("other"), None, Filter()) == ()
        assert store.records.run("r2") == "r2"
        with pytest.raises(Ambiguous):
            store.records.run("r")
        with pytest.raises(UnknownName):
            store.records.run("s")

    def test_stats_count_a_run_only_when_it_ended(self, store: Store) -> None:
        for number, outcome in enumerate(
            (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN, None)
        ):
            run(store, f"r{number}", outcome)
        (row,) = store.records.stats(SHOP, None, "all", None, AT)
        assert (row.runs, row.succeeded, row.failed, row.unknown) == (3, 1, 1, 1)
        assert row.median_ms == 40
        days = store.records.stats(SHOP, DEV, "day", None, AT)
        assert [each.span for each in days] == ["2026-01-01"]
        assert store.records.stats(SHOP, None, "all", AT + timedelta(days=1), AT) == ()

    def test_last_deployment_is_the_last_success_when_later_runs_failed_or_had_no_release(
        self, store: Store
    ) -> None:
        assert store.records.last_deployment(SHOP, DEV) is None
        run(store, "r1", Outcome.SUCCEEDED, release=3)
        run(store, "r2", Outcome.FAILED, release=4)
        run(store, "r3", Outcome.SUCCEEDED, release=0)
        found = store.records.last_deployment(SHOP, DEV)
        assert found is not None
        assert found[:2] == ("r1", 3)

    def test_step_times_are_taken_only_when_the_run_succeeded(self, store: Store) -> None:
        run(store, "r1", Outcome.SUCCEEDED)
        run(store, "r2", Outcome.FAILED)
        took = store.records.took(SHOP, DEV)
        assert {kind for _, _, kind, _ in took} == {"apply"}
        (estimate,) = took.values()
        assert (estimate.median_ms, estimate.times, estimate.runs) == (20, 1, 1)
        assert store.records.took(SHOP, PROD) == {}


class TestResolutionStore:
    def test_run_waits_for_a_person_when_nobody_saw_its_end(self, store: Store) -> None:
        run(store, "r1", Outcome.UNKNOWN)
        run(store, "r2", Outcome.SUCCEEDED)
        assert store.records.unresolved(SHOP) == {"r1"}
        ledger = store.records.ledger(SHOP, DEV)
        assert [each.run for each in ledger.unresolved] == ["r1"]
        assert [each.run for each in ledger.finished] == ["r2", "r1"]
        assert store.records.resolution(RunId("r1")) == ""
        store.records.resolve(RunId("r1"), AT, "rosa", "looked")
        assert store.records.resolution(RunId("r1")) == "rosa"
        assert store.records.unresolved(SHOP) == frozenset()
        assert store.records.ledger(SHOP, DEV).unresolved == ()


class TestLedgerCopyStore:
    def test_ledger_copy_is_replaced_when_the_ledger_moved(self, store: Store) -> None:
        records = store.records
        one, two = an_entry("m/1.sql", 1), an_entry("m/2.sql", 2)
        ledger = Ledger(exists=True, uuid="u", entries=(one, two))
        assert records.ledger_moved(SHOP, DEV, DATABASE_URL, ledger)
        records.copy_ledger(SHOP, DEV, DATABASE_URL, ledger, AT)
        assert not records.ledger_moved(SHOP, DEV, DATABASE_URL, ledger)
        assert records.ledger_copy(SHOP, DEV, DATABASE_URL) == (one, two)
        head = records.ledger_heads(SHOP, DEV)[DATABASE_URL]
        assert (head.uuid, head.head, head.applied) == ("u", ledger.head, 2)
        back = replace(two, state=State.REVERTED)
        less = replace(ledger, entries=(back,))
        assert records.ledger_moved(SHOP, DEV, DATABASE_URL, less)
        records.copy_ledger(SHOP, DEV, DATABASE_URL, less, AT)
        assert records.ledger_copy(SHOP, DEV, DATABASE_URL) == (back,)
        assert records.ledger_copy(SHOP, PROD, DATABASE_URL) == ()

    def test_ledger_copy_is_forgotten_with_its_head_when_the_ledger_is_forgotten(
        self, store: Store
    ) -> None:
        ledger = Ledger(exists=True, uuid="u", entries=(an_entry("m/1.sql", 1),))
        for target in (DEV, PROD):
            store.records.copy_ledger(SHOP, target, DATABASE_URL, ledger, AT)
        store.records.forget_ledger(SHOP, DEV, AT)
        assert store.records.ledger_heads(SHOP, DEV) == {}
        assert store.records.ledger_copy(SHOP, DEV, DATABASE_URL) == ()
        assert store.records.ledger_heads(SHOP, PROD).keys() == {DATABASE_URL}

    def test_applied_elsewhere_names_a_migration_only_when_another_target_applied_it(
        self, store: Store
    ) -> None:
        entries = (an_entry("m/1.sql", 1), replace(an_entry("m/2.sql", 2), state=State.REVERTED))
        ledger = Ledger(exists=True, uuid="u", entries=entries)
        store.records.copy_ledger(SHOP, PROD, DATABASE_URL, ledger, AT)
        keys = ["m/1.sql", "m/2.sql", "m/3.sql"]
        assert store.records.applied_elsewhere(SHOP, DEV, keys) == {("m/1.sql", "tokens")}
        assert store.records.applied_elsewhere(SHOP, PROD, keys) == frozenset()


class TestRunbookStore:
    def test_execution_is_live_when_it_has_begun_and_not_ended(
        self, opens: Callable[[], Store]
    ) -> None:
        store, other = opens(), opens()
        store.runbooks.begin(an_execution("e1"))
        assert store.runbooks.live("e1")
        assert other.runbooks.live("e1"), "another process asks"
        store.runbooks.end("e1", an_end(0))
        assert not store.runbooks.live("e1")
        assert not other.runbooks.live("never begun")

    def test_done_step_is_found_when_its_execution_is_named(self, store: Store) -> None:
        for number, id_ in enumerate(("e1", "e2")):
            store.runbooks.begin(an_execution(id_))
            store.runbooks.add(a_done(id_, run=f"r{number}", day=number))
        found = store.runbooks.done(Digest("key"), ["e1", "e2"])
        assert found is not None
        assert found.run == "r1"
        assert store.runbooks.done(Digest("key"), ["e1"]) == a_done("e1", run="r0")
        assert store.runbooks.done(Digest("another"), ["e1"]) is None
        assert [each.run for each in store.runbooks.steps("e2")] == ["r1"]
        for id_ in ("e1", "e2"):
            store.runbooks.end(id_, an_end(1))

    def test_broken_off_executions_reach_back_to_the_last_success_when_several_failed(
        self, store: Store
    ) -> None:
        for id_, code in (("e1", 1), ("e2", 0), ("e3", 1)):
            store.runbooks.begin(an_execution(id_))
            store.runbooks.end(id_, an_end(code))
        store.runbooks.begin(an_execution("e4"))
        assert store.runbooks.broken_off("book", Digest("given")) == ("e4", "e3")
        assert store.runbooks.broken_off("book", Digest("others")) == ()
        rows = store.runbooks.executions("book", 2)
        assert [(each.id, end and end.exit_code) for each, end in rows] == [("e4", None), ("e3", 1)]
        assert store.runbooks.executions("another", 2) == ()
        store.runbooks.end("e4", an_end(1))


class TestHistoryQuery:
    def test_query_is_refused_when_it_does_more_than_read_the_views(
        self, store: Store, tmp_path: Path
    ) -> None:
        run(store, "r1", Outcome.SUCCEEDED)
        answer = store.query.answer("SELECT run, outcome FROM runs")
        assert (answer.columns, answer.rows) == (("run", "outcome"), (("r1", "succeeded"),))
        frame = store.query.frame("SELECT run, outcome FROM runs")
        assert frame.to_dict("records") == [{"run": "r1", "outcome": "succeeded"}]
        (tmp_path / "secret.csv").write_text("a\n1\n")
        for sql in ("DELETE FROM main.runs", f"FROM '{tmp_path}/secret.csv'", "SELECT nope", ""):
            with pytest.raises(QueryRefused):
                store.query.answer(sql)
        assert len(store.records.runs(SHOP, None, Filter())) == 1


class TestStateInspector:
    def test_inspection_reads_wanted_tables_and_changes_nothing_when_the_state_is_absent_or_sound(
        self, store: Store
    ) -> None:
        assert store.inspector.inspect(["projects"]).found is StateFound.ABSENT
        assert not store.inspector.path.exists()
        store.settings.keep_project(a_project("shop"))
        before = store.inspector.path.read_bytes()
        found = store.inspector.inspect(["projects"])
        assert found.found is StateFound.SOUND
        assert [row[0] for row in found.rows["projects"]] == ["shop"]
        assert found.rows.keys() == {"projects"}
        assert store.inspector.path.read_bytes() == before
        assert list(store.inspector.journals()) == []

    def test_inspection_names_the_trouble_when_the_state_is_broken(self, store: Store) -> None:
        store.settings.keep_project(a_project("shop"))
        store.inspector.path.write_bytes(b"no database")
        found = store.inspector.inspect(["projects"])
        assert found.found is StateFound.BROKEN
        assert found.trouble


# --- values ---------------------------------------------------------------------------------------


def sha256(text: bytes) -> Digest:
    return Digest(hashlib.sha256(text).hexdigest())


def taken_in(store: Store, text: bytes) -> Digest:
    with store.content.sink() as sink:
        for start in range(0, len(text), 1 << 20):
            sink.write(text[start : start + (1 << 20)])
        sink.commit(sha256(text), len(text))
    return sha256(text)


def a_file(path: str, text: bytes = b"text") -> FileEntry:
    return FileEntry(path=path, blob=sha256(text), size=len(text))


def a_stamp(path: str) -> FileStamp:
    return FileStamp(
        path=path, blob=sha256(b""), size=0, mtime_ns=1, ctime_ns=2, inode=3, executable=False
    )


def a_variable(slug: str, target: TargetName | None = None) -> Variable:
    return Variable(
        project=Slug(slug),
        target=target,
        name="KEY",
        keeping=Keeping.PLAIN,
        text="value",
        set_at=AT,
        set_by="rosa",
    )


def an_approval(id_: str = "a", content: str = "c", day: int = 0) -> Approval:
    return Approval(
        id=id_,
        plan="p",
        content_hash=Digest(content),
        project="shop",
        target=DEV,
        given_by="emil",
        given_at=AT + timedelta(days=day),
        reason="read it",
        through="cli",
    )


def an_entry(key: str, seq: int) -> Entry:
    return Entry(
        key=key,
        file=key,
        kind=EntryKind.RUN,
        state=State.APPLIED,
        checksums=Checksums(text=Digest("text"), tokens=Digest("tokens")),
        attempt=f"attempt-{seq}",
        finished_at=AT,
        run_seq=seq,
    )


def an_apply(key: str = "m/1.sql") -> Apply:
    return Apply(
        group="m",
        database=DATABASE_URL,
        key=key,
        file=key,
        blob=sha256(key.encode()),
        checksums=Checksums(text=Digest("1"), tokens=Digest("2")),
    )


def a_plan_id(text: str) -> PlanId:
    return PlanId(text)


def a_preview(
    key: str = "m/1.sql",
    step: Step | None = None,
    target: TargetName = DEV,
    release: int = 1,
    made_at: datetime = AT,
) -> Preview:
    plan = Plan(
        project="shop",
        target=target,
        groups=(PlannedGroup(name="m", steps=(step or an_apply(key),)),),
        policy=Policy(),
        databases=(DATABASE_URL,),
        variables=(),
        base=Digest("base"),
    )
    return Preview(
        draft=Draft(plan=plan, findings=()),
        slug=SHOP,
        release=release,
        tree=Digest("tree"),
        config="none",
        made_at=made_at,
        made_by="rosa",
    )


def stamped(run_id: str, seq: int, event: object) -> Stamped:
    at = AT + timedelta(milliseconds=10 * seq)
    return Stamped(run=RunId(run_id), seq=seq, at=at, elapsed_ms=10 * seq, event=event)


def events(
    run_id: str,
    outcome: Outcome | None,
    *,
    plan: str = "p",
    target: TargetName = DEV,
    release: int = 1,
) -> tuple[Stamped, ...]:
    """Return a run of one migration: begun, waited, done after 20 ms, ended after 40 ms."""
    begun = RunStarted(
        plan=plan,
        content_hash="c",
        project="shop",
        slug="shop",
        target=target,
        started_by="rosa on here",
        host="here",
        pid=1,
        release=release,
        steps=(label(an_apply()),),
    )
    ends = [RunFinished(outcome=outcome, exit_code=0 if outcome == "succeeded" else 12)]
    said = [
        begun,
        StepStarted(step=0, attempt=1, attempt_id=f"{run_id}-1"),
        LockAwaited(holder="nobody"),
        StepFinished(step=0, statements=1),
        *(ends if outcome else []),
    ]
    return tuple(stamped(run_id, seq, event) for seq, event in enumerate(said))


def run(
    store: Store,
    run_id: str,
    outcome: Outcome | None,
    *,
    plan: str = "p",
    target: TargetName = DEV,
    release: int = 1,
) -> None:
    entries = events(run_id, outcome, plan=plan, target=target, release=release)
    store.records.fold(entries, Result.of(entries))


def an_execution(id_: str) -> Execution:
    return Execution(
        id=id_,
        name="book",
        runbook="book.ipynb",
        given=Digest("given"),
        parameters={},
        out="out.ipynb",
        started_at=AT,
        started_by="rosa",
        host="here",
        pid=1,
    )


def an_end(code: int) -> ExecutionEnd:
    return ExecutionEnd(ended_at=AT, exit_code=code, reason="", cells=(), runs=())


def a_done(runbook: str, run: str, day: int = 0) -> Done:
    return Done(
        key=Digest("key"),
        runbook=runbook,
        cell="1",
        words="deploy run",
        command="deploy run",
        run=run,
        done_at=AT + timedelta(days=day),
    )
