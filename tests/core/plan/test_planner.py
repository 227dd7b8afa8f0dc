"""The planner decides from values alone: the same values, the same plan."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core.config.document import parse
from templedb_nb.core.config.environ import KnownNames
from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.plan.planner import plan
from templedb_nb.core.plan.situation import PlanOptions, Situation
from templedb_nb.core.plan.staleness import done, moved_by_itself, same_base
from templedb_nb.model.file import FileEntry
from templedb_nb.model.finding import errors
from templedb_nb.model.ledger import Entry, EntryKind, FinishedRun, Ledger, State
from templedb_nb.model.plan import Draft, Plan
from templedb_nb.model.project import tree_hash
from templedb_nb.model.serialization import Digest, canonical, from_plain, to_plain
from templedb_nb.model.step import Apply
from templedb_nb.model.target import DATABASE_URL, OrderPolicy, Policy, TargetName

GROUPS = [
    {"name": "migrations", "file_patterns": ["m/*.sql"]},
    {"name": "app", "build_command": "make", "deploy_command": "deploy", "post_deploy": ["verify"]},
]
SCRIPTS = {f"m/{n:02}.sql": f"CREATE TABLE t{n} (id int);".encode() for n in range(6)}


def blob(body: bytes) -> Digest:
    return Digest(hashlib.sha256(body).hexdigest())


def entry(key: str, body: bytes, **rest: Any) -> Entry:
    return Entry(
        key=key, file=key, kind=rest.pop("kind", EntryKind.RUN), state=rest.pop("state", State.APPLIED),
        checksums=read_script(body).checksums, **rest,
    )  # fmt: skip


def situation(
    texts: dict[str, bytes] = SCRIPTS,
    entries: tuple[Entry, ...] = (),
    groups: list[dict[str, Any]] = GROUPS,
    **rest: Any,
) -> Situation:
    files = tuple(
        FileEntry(path=path, blob=blob(body), size=len(body))
        for path, body in sorted(texts.items())
    )
    config, _ = parse({"groups": groups})
    return Situation(
        project="app",
        target=TargetName("t"),
        policy=rest.pop("policy", Policy()),
        config=config,
        files=files,
        tree=tree_hash(files),
        ledgers={DATABASE_URL: Ledger(exists=True, entries=entries)},
        scripts={blob(body): read_script(body) for body in texts.values()},
        known=KnownNames(process=frozenset({"DATABASE_URL"})),
        databases=(DATABASE_URL,),
        **rest,
    )


def applied_keys(draft: Draft) -> list[str]:
    return [step.key for step in draft.plan.steps if isinstance(step, Apply)]


KEYS = st.sets(st.sampled_from(sorted(SCRIPTS)))


@given(KEYS, KEYS)
@settings(max_examples=200)
def test_pending_migrations_are_those_present_and_not_applied_in_order(
    there: set[str], known: set[str]
) -> None:
    texts = {key: SCRIPTS[key] for key in there}
    draft = plan(situation(texts, tuple(entry(key, SCRIPTS[key]) for key in sorted(known))))
    assert applied_keys(draft) == sorted(there - known)


@given(KEYS, KEYS)
@settings(max_examples=100)
def test_plan_has_no_migration_left_when_the_former_plan_was_applied(
    first: set[str], second: set[str]
) -> None:
    """Apply a plan in the mind, plan again: no migration is left, whatever came before."""
    before = tuple(entry(key, SCRIPTS[key]) for key in sorted(first & second))
    draft = plan(situation(entries=before))
    after = (*before, *(entry(key, SCRIPTS[key]) for key in applied_keys(draft)))
    assert applied_keys(plan(situation(entries=after))) == []


@given(KEYS)
@settings(max_examples=50)
def test_plans_are_equal_when_their_inputs_are_equal(known: set[str]) -> None:
    entries = tuple(entry(key, SCRIPTS[key]) for key in sorted(known))
    one, other = (plan(situation(entries=given)).plan for given in (entries, entries[::-1]))
    assert one == other
    assert one.id == other.id


def test_plan_keeps_its_id_and_hash_when_written_down_and_read_back() -> None:
    made = plan(situation()).plan
    again = from_plain(Plan, to_plain(made))
    assert again == made
    assert (again.id, again.content_hash) == (made.id, made.content_hash)
    assert canonical(again) == canonical(made)


def test_content_hash_stays_the_same_when_only_the_state_of_the_target_differs() -> None:
    one = plan(situation()).plan
    moved = replace(
        situation(), ledgers={DATABASE_URL: Ledger(finished=(FinishedRun(run="r", plan="other"),))}
    )
    other = plan(moved).plan
    assert one.content_hash == other.content_hash
    assert one.id != other.id


def test_plan_id_is_the_same_when_the_ledger_is_missing_or_empty() -> None:
    missing = replace(situation(), ledgers={DATABASE_URL: Ledger()})
    assert plan(missing).plan.id == plan(situation()).plan.id


def test_content_hash_covers_the_whole_tree_only_when_the_plan_has_commands() -> None:
    sql_alone = [GROUPS[0]]
    with_readme = SCRIPTS | {"README.md": b"words"}
    one, other = (plan(situation(texts, groups=sql_alone)).plan for texts in (SCRIPTS, with_readme))
    assert one.content_hash == other.content_hash
    one, other = (plan(situation(texts)).plan for texts in (SCRIPTS, with_readme))
    assert one.content_hash != other.content_hash


def test_content_hash_changes_when_the_policy_differs() -> None:
    strict = situation(policy=Policy(protected=True, order_policy=OrderPolicy.LINEAR))
    assert plan(strict).plan.content_hash != plan(situation()).plan.content_hash


def test_phases_come_in_their_order_when_a_group_has_all_of_them() -> None:
    group = {
        "name": "all", "kind": "commands", "pre_deploy": ["a"], "build_command": "b", "test_command": "c",
        "deploy_command": "d", "post_deploy": ["e"],
    }  # fmt: skip
    steps = plan(situation(groups=[group])).plan.steps
    assert [step.phase.value for step in steps] == [
        "pre_deploy",
        "build",
        "test",
        "deploy",
        "post_deploy",
    ]


def test_plan_names_every_problem_together_when_several_forbid_the_run() -> None:
    texts = {
        "m/01.sql": b"BEGIN; VACUUM; COMMIT;",
        "m/02.sql": b"SELECT '\xff'",
        "m/03.sql": b"CREATE TABLE t (id int);",
    }
    groups = [
        GROUPS[0] | {"required_env_vars": ["API_URL"]},
        {"name": "x", "file_patterns": ["nothing/*"], "deploy_command": "cat {file}"},
    ]
    now = situation(texts, groups=groups, options=PlanOptions(skip_groups=("nobody",)))
    edited = entry("m/03.sql", b"CREATE TABLE t (id text);")
    now = replace(now, ledgers={DATABASE_URL: Ledger(exists=True, entries=(edited,))})
    said = "\n".join(str(each) for each in errors(plan(now).findings))
    for word in (
        "VACUUM",
        "0xff",
        "was edited",
        "API_URL",
        "'nothing/*' matches no file",
        "there is no group 'nobody'",
    ):
        assert word in said, (word, said)


def test_plan_holds_no_value_when_a_group_has_variables() -> None:
    made = plan(situation(groups=[GROUPS[1] | {"env": {"TOKEN": "env:CI_TOKEN"}}])).plan
    assert "env:CI_TOKEN" in str(to_plain(made))
    assert made.variables == ("DATABASE_URL",)


def test_plan_stays_valid_when_only_its_own_run_moved_the_target() -> None:
    now = situation()
    made = plan(now).plan
    own = entry("m/00.sql", SCRIPTS["m/00.sql"], plan=made.id)
    by_itself = {
        DATABASE_URL: Ledger(
            exists=True, entries=(own,), finished=(FinishedRun(run="r", plan=made.id),)
        )
    }
    assert not same_base(made, by_itself)
    assert moved_by_itself(made, by_itself)
    assert done(made, by_itself) == {(DATABASE_URL, "m/00.sql")}
    by_other = {DATABASE_URL: Ledger(exists=True, entries=(replace(own, plan="other"),))}
    assert not moved_by_itself(made, by_other)


def test_plan_has_another_base_when_the_ledger_made_the_policy_stricter() -> None:
    made = plan(situation()).plan
    assert same_base(made, {DATABASE_URL: Ledger()})
    assert not same_base(made, {DATABASE_URL: Ledger(policy=Policy(protected=True))})
